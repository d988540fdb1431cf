"""A host whose switch is configured by a real ovsdb-server: with Sluice under the name ovs-vswitchd, or with the installed
ovs-vswitchd, and nothing but the real tools."""

import os
import signal
import socket
import subprocess
import tempfile

from net import BUILD, Namespace, wait_until

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def both_hosts(configure=None, **kwargs):
    """Yields two running hosts, one with the installed ovs-vswitchd and one with Sluice, each after configure(host); closes
    them whatever happens. A fixture is `yield from both_hosts(…)`."""
    made = []
    try:
        for installed in (True, False):
            made.append(DatabaseHost(installed=installed, **kwargs))
            made[-1].start_server()
            made[-1].start_switch()
            if configure:
                configure(made[-1])
        yield made
    finally:
        for host in made:
            host.close()


class DatabaseHost(Namespace):
    """A namespace with ovsdb-server and a switch, both with a run directory of their own, which goes with it."""

    def __init__(self, installed=False, options=(), schema=None, beside=None):
        """`schema`: the text of another one than the installed. `beside`: a host whose namespace this one shares."""
        super().__init__("db", of=beside)
        self.dir = tempfile.mkdtemp(prefix="sluice-db-")
        self.folders.append(self.dir)
        self.installed = installed
        self.options = list(options)
        self.env = {**os.environ, "OVS_RUNDIR": self.dir, "OVS_LOGDIR": self.dir, "OVS_DBDIR": self.dir,
                    "OVS_SYSCONFDIR": self.dir, "OVS_SYSLOG_METHOD": "null"}
        self.env.pop("SLUICE_RUNDIR", None)
        self.program = f"{self.dir}/ovs-vswitchd"
        os.symlink("/usr/sbin/ovs-vswitchd" if installed else f"{BUILD}/sluiced", self.program)
        self.server = self.switch = None
        schema_file = SCHEMA
        if schema:
            schema_file = f"{self.dir}/vswitch.ovsschema"
            with open(schema_file, "w", encoding="utf-8") as file:
                file.write(schema)
        subprocess.run(["ovsdb-tool", "create", f"{self.dir}/conf.db", schema_file], check=True)

    def start_server(self):
        for left_behind in ("db.sock", "ovsdb-server.pid"):  # by one that was killed
            if os.path.exists(f"{self.dir}/{left_behind}"):
                os.remove(f"{self.dir}/{left_behind}")
        self.server = self.start(["ovsdb-server", f"{self.dir}/conf.db", f"--remote=punix:{self.dir}/db.sock",
                                  f"--pidfile={self.dir}/ovsdb-server.pid"], env=self.env)
        wait_until(lambda: os.path.exists(f"{self.dir}/ovsdb-server.pid") and self._server_listens(), "ovsdb-server listens")
        self.vsctl("--no-wait", "init")

    def _server_listens(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"{self.dir}/db.sock") == 0

    def stop_server(self):
        self._stop(self.server)

    def start_switch(self):
        self.log = open(f"{self.dir}/output.log", "ab")
        words = ["--pidfile", "--log-file", *self.options]
        self.switch = self.start([self.program, *words], env=self.env, stdout=self.log, stderr=self.log)
        wait_until(self._switch_answers, "the switch answers")

    def wait_for_bridges(self, *names):
        """After start_switch(): until it has read the database and has these."""
        wait_until(lambda: all(self.tool("ovs-ofctl", "show", name, check=False).returncode == 0 for name in names),
                   "the bridges are back", 30)

    def stop_switch(self, how=signal.SIGTERM):
        self._stop(self.switch, how)

    @staticmethod
    def _stop(process, how=signal.SIGTERM):
        process.send_signal(how)
        process.wait(20)

    def _switch_answers(self):
        assert self.switch.poll() is None, open(f"{self.dir}/output.log", encoding="utf-8").read()
        return self.tool("ovs-appctl", "version", check=False).returncode == 0

    def tool(self, *words, check=True, timeout=60):
        """Runs a program inside, with the host's run directory."""
        done = subprocess.run(["ip", "netns", "exec", self.name, *words], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}\n{done.stderr}\n"
                                 + self.log_text())
        return done

    def vsctl(self, *words, **kwargs):
        """What ovs-vsctl prints; words in one string are split."""
        return self.tool("ovs-vsctl", "--timeout=30", *_split(words), **kwargs).stdout.strip()

    def ofctl(self, *words):
        return self.tool("ovs-ofctl", *_split(words)).stdout

    def appctl(self, *words):
        return self.tool("ovs-appctl", *_split(words)).stdout

    def get(self, table, record, column):
        return self.vsctl("get", table, record, column)

    def log_text(self):
        path = f"{self.dir}/ovs-vswitchd.log"
        return open(path, encoding="utf-8").read() if os.path.exists(path) else ""

    def veth(self, name, peer_namespace, peer, address):
        """An interface here whose other end is in another namespace, with an address."""
        subprocess.run(["ip", "link", "add", name, "netns", self.name, "type", "veth", "peer", "name", peer, "netns",
                        peer_namespace.name], check=True)
        peer_namespace.run(f"ip addr add {address} dev {peer}")
        peer_namespace.run(f"ip link set {peer} up")
        self.run(f"sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1")
        self.run(f"ip link set {name} up")

    def interfaces(self):
        return [line.split(": ")[1].split("@")[0] for line in self.run("ip -o link").stdout.splitlines()]


def _split(words):
    return words[0].split() if len(words) == 1 else words
