"""Hosts and a switch in network namespaces of their own, for tests with real programs.

Every namespace has a name that no other run uses; nothing is sent outside them; leaving the `with` block ends the
processes that were started, by their id, and removes the namespaces (and with them every interface).
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", f"{ROOT}/build/release")
_serial = itertools.count()


def wait_until(condition, what, timeout=10.0):
    """Polls until condition() is true; fails with `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"timed out after {timeout} s: {what}")


class Namespace:
    def __init__(self, label, of=None):
        """`of`: another one, which stays when this one is closed first."""
        self.name = of.name if of else f"sl{os.getpid()}-{next(_serial)}-{label}"
        self.is_guest = of is not None
        self.processes = []
        self.folders = []
        if self.is_guest:
            return
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip link set lo up")

    def run(self, command, timeout=30, check=True, text=True):
        """Runs a command line inside; returns the CompletedProcess with stdout and stderr."""
        words = command.split() if isinstance(command, str) else command
        done = subprocess.run(["ip", "netns", "exec", self.name, *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=text, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, command, **kwargs):
        """Starts a program inside and leaves it running."""
        words = command.split() if isinstance(command, str) else command
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *words], stdin=subprocess.DEVNULL,
                                   stdout=kwargs.pop("stdout", subprocess.DEVNULL),
                                   stderr=kwargs.pop("stderr", subprocess.DEVNULL), **kwargs)
        self.processes.append(process)
        return process

    def pids(self):
        """The processes inside."""
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in done.stdout.split()]

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        if not self.is_guest:
            self._remove()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


    def _remove(self):
        # What they started and left behind: a server's process for a session, whose user may be another one.
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Host(Namespace):
    """A host with one interface, eth0, whose other end is a port of the switch."""

    def __init__(self, label, switch_namespace, port, addresses, mac=None):
        super().__init__(label)
        self.addresses = addresses
        self.port = port
        subprocess.run(["ip", "link", "add", "eth0", "netns", self.name, "type", "veth", "peer", "name", port, "netns",
                        switch_namespace.name], check=True)
        # No duplicate address detection: addresses are usable at once.
        self.run("sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra=0")
        if mac:
            self.run(f"ip link set eth0 address {mac}")
        for address in addresses:
            self.run(f"ip addr add {address} dev eth0" + (" nodad" if ":" in address else ""))
        self.run("ip link set eth0 up")
        switch_namespace.run(f"sysctl -qw net.ipv6.conf.{port}.disable_ipv6=1")
        switch_namespace.run(f"ip link set {port} up")

    def ip(self, version=4):
        return next(a.split("/")[0] for a in self.addresses if (":" in a) == (version == 6))

    def ping(self, address, count=3, extra=""):
        """Number of replies received."""
        done = self.run(f"ping -n -q -c {count} -i 0.05 -W 1 {extra} {address}", check=False)
        for line in done.stdout.splitlines():
            if "received" in line:
                return int(line.split(",")[1].split()[0])
        raise AssertionError(done.stdout + done.stderr)

    def serve_http(self, port=80, address=None):
        """A web server that answers every path with 'hello from LABEL'."""
        folder = tempfile.mkdtemp(prefix="sluice-www-")
        self.folders.append(folder)
        with open(f"{folder}/index.html", "w", encoding="utf-8") as page:
            page.write(f"hello from {self.name}\n")
        bind = address or self.ip()
        self.start(["/usr/bin/python3", "-m", "http.server", str(port), "--bind", bind, "--directory", folder])
        family = "-6" if ":" in bind else "-4"
        wait_until(lambda: f":{port} " in self.run(f"ss -Hlnt {family}").stdout, f"web server on {bind}:{port}")

    def get(self, address, port=80, timeout=2):
        """The page at address, or None if it cannot be had."""
        host = f"[{address}]" if ":" in address else address
        done = self.run(f"curl -s -g --max-time {timeout} http://{host}:{port}/", check=False, timeout=timeout + 10)
        return done.stdout if done.returncode == 0 else None


class Switch(Namespace):
    """sluiced in a namespace of its own."""

    def __init__(self):
        super().__init__("sw")
        self.rundir = tempfile.mkdtemp(prefix="sluice-test-")
        self.folders.append(self.rundir)
        self.env = {**os.environ, "SLUICE_RUNDIR": self.rundir}
        self.hosts = []
        self.daemon = None

    def host(self, label, *addresses, mac=None):
        host = Host(label, self, f"port{len(self.hosts) + 1}", addresses, mac)
        self.hosts.append(host)
        return host

    def boot(self, flows, *options):
        """Starts sluiced with one port a host, in order (OpenFlow ports 1, 2, …), and waits until it answers."""
        path = f"{self.rundir}/test.flows"
        with open(path, "w", encoding="utf-8") as file:
            file.write(flows)
        ports = [word for host in self.hosts for word in ("--port", host.port)]
        self._start("--bridge", "br0", *ports, "--flows", path, *options)

    def boot_config(self, toml):
        """Starts sluiced with a configuration file."""
        path = f"{self.rundir}/test.toml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(toml)
        self._start("--config", path)

    def _start(self, *words):
        self.log = open(f"{self.rundir}/output.log", "wb")
        self.daemon = self.start([f"{BUILD}/sluiced", *words], env=self.env, stdout=self.log, stderr=self.log)
        wait_until(self._answers, "sluiced answers")

    def _answers(self):
        if self.daemon.poll() is not None:
            raise AssertionError("sluiced ended: " + open(f"{self.rundir}/output.log", encoding="utf-8").read())
        return self.sluice("appctl", "version", check=False).returncode == 0

    def sluice(self, *words, check=True):
        done = subprocess.run([f"{BUILD}/sluice", *words], env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=30, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"sluice {' '.join(words)}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *words):
        return json.loads(self.sluice(*words, "--json").stdout)

    def conntrack(self, *words):
        """Lines of dpctl/dump-conntrack."""
        return sorted(self.sluice("appctl", "dpctl/dump-conntrack", *words).stdout.split())

    def flow_packets(self, match_text):
        """n_packets of the one flow whose dump contains match_text."""
        lines = [l for l in self.sluice("appctl", "bridge/dump-flows", "br0").stdout.splitlines() if match_text in l]
        assert len(lines) == 1, f"{match_text!r} names {len(lines)} flows"
        return int(lines[0].split("n_packets=")[1].split(",")[0])

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            return self.daemon.wait(10)
        return self.daemon.returncode if self.daemon else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        for host in self.hosts:
            host.close()
        self.close()
