"""The installed Open vSwitch as an oracle: ovsdb-server and ovs-vswitchd with dummy ports, in a run directory of their
own, ended by process id."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from control import Control

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Ovs:
    def __init__(self, vswitchd="ovs-vswitchd"):
        """`vswitchd`: another program that is to stand in its place."""
        self.dir = tempfile.mkdtemp(prefix="sluice-ovs-")
        self.env = {**os.environ, "OVS_RUNDIR": self.dir, "OVS_LOGDIR": self.dir, "OVS_DBDIR": self.dir,
                    "OVS_SYSCONFDIR": self.dir, "OVS_SYSLOG_METHOD": "null"}
        self.processes = []
        self.run("ovsdb-tool", "create", f"{self.dir}/conf.db", SCHEMA)
        self._start("ovsdb-server", f"--remote=punix:{self.dir}/db.sock", f"{self.dir}/conf.db", path="db.sock")
        self.run("ovs-vsctl", "--no-wait", "init")
        self._start(vswitchd, "--enable-dummy=override", "--disable-system", f"unix:{self.dir}/db.sock",
                    path="ovs-vswitchd.ctl", options=[f"--unixctl={self.dir}/ovs-vswitchd.ctl"])
        self.control = Control(f"{self.dir}/ovs-vswitchd.ctl")

    def _start(self, program, *words, path, options=()):
        log = open(f"{self.dir}/{os.path.basename(program)}.out", "wb")
        self.processes.append(subprocess.Popen([program, *options, *words], env=self.env, stdin=subprocess.DEVNULL,
                                               stdout=log, stderr=log))
        end = time.monotonic() + 10
        while not self._listens(f"{self.dir}/{path}"):
            assert self.processes[-1].poll() is None and time.monotonic() < end, f"{program} did not start"
            time.sleep(0.02)

    @staticmethod
    def _listens(path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(path) == 0

    def run(self, *words, text=None, check=True):
        done = subprocess.run(words, env=self.env, input=text, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def vsctl(self, *words):
        return self.run("ovs-vsctl", *words)

    def ofctl(self, *words, text=None):
        return self.run("ovs-ofctl", *words, text=text)

    def appctl(self, *words):
        return self.control.call(*words)

    def replace_flows(self, bridge, flows):
        self.run("ovs-ofctl", "-O", "OpenFlow13", "replace-flows", bridge, "-", text=flows)

    def replace_groups(self, bridge, groups):
        """Flows go too, and first: with one that names a group twice, del-groups of Open vSwitch 3.1 fails an assertion
        (ofproto_rule_remove__)."""
        self.run("ovs-ofctl", "-O", "OpenFlow15", "del-flows", bridge)
        self.run("ovs-ofctl", "-O", "OpenFlow15", "del-groups", bridge)
        if groups:
            self.run("ovs-ofctl", "-O", "OpenFlow15", "add-groups", bridge, "-", text=groups)

    def add_bridge(self, name, ports):
        """A bridge with dummy ports named p1, p2, … that have OpenFlow and datapath numbers 1, 2, …"""
        words = ["add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", "fail_mode=secure"]
        for n in range(1, ports + 1):
            words += ["--", "add-port", name, f"p{n}", "--", "set", "interface", f"p{n}", "type=dummy",
                      f"ofport_request={n}"]
        self.vsctl(*words)
        self.vsctl("set", "open", ".", "other_config:vlan-limit=2")  # what we always follow; its default is one tag

    def close(self):
        self.control.close()
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
