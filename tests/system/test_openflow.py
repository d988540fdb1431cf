"""The OpenFlow side of a running switch with the real ovs-ofctl, and with controllers that behave and that don't."""

import glob
import json
import os
import random
import socket
import struct
import subprocess
import threading

import pytest

from certificates import make_certificates
from net import BUILD, Switch, wait_until

VERSIONS = ["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
CLIENTS = [("ovs-ofctl",), (f"{BUILD}/sluice", "ofctl")]
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = 0, 1, 2, 3


def ofctl(switch, *words, check=True, timeout=30):
    done = switch.run(["ovs-ofctl", *words], check=False, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"ovs-ofctl {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + ("" if check else done.stderr)


def mgmt(switch, name="mgmt"):
    return f"unix:{switch.rundir}/br0.{name}"


def controllers(switch):
    return json.loads(switch.sluice("appctl", "sluice/controllers", "br0").stdout)[0]["controllers"]


def message(kind, xid=1, body=b"", version=4):
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


class Controller:
    """A controller that listens on a unix socket, says hello and answers echo requests, if it is to."""

    def __init__(self, path, answers=True, reads=True):
        self.answers, self.reads = answers, reads
        self.accepted, self.received = 0, []
        self.connection = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.connection = connection
            connection.sendall(message(HELLO))
            if self.reads:
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        buffer = b""
        try:
            while data := connection.recv(65536):
                buffer += data
                while len(buffer) >= 8 and len(buffer) >= (length := struct.unpack("!H", buffer[2:4])[0]):
                    self._take(connection, buffer[:length])
                    buffer = buffer[length:]
        except OSError:
            pass

    def _take(self, connection, whole):
        kind, xid = whole[1], struct.unpack("!I", whole[4:8])[0]
        self.received.append(kind)
        if kind == ECHO_REQUEST and self.answers:
            connection.sendall(message(ECHO_REPLY, xid, whole[8:]))

    def close(self):
        """Also ends the accept() and recv() that are waiting."""
        for end in (self.connection, self.listener):
            if end:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()


@pytest.fixture
def two_hosts(switch):
    """Two hosts on a switch."""
    return switch.host("a", "10.1.1.1/24"), switch.host("b", "10.1.1.2/24")


def start_with_controller(switch, *options, **behaviour):
    controller = Controller(f"{switch.rundir}/ctl", **behaviour)
    switch.boot("actions=NORMAL\n", "--controller", f"unix:{switch.rundir}/ctl", *options)
    return controller


@pytest.mark.parametrize("version", VERSIONS)
def test_ovs_ofctl_speaks_each_version(switch, version):
    switch.boot("", "--port", "p1=dummy")
    ofctl(switch, "-O", version, "probe", mgmt(switch))
    assert ofctl(switch, "-O", version, "ping", mgmt(switch)).count("bytes from") == 10
    assert "n_tables:254" in ofctl(switch, "-O", version, "show", mgmt(switch))
    assert "Manufacturer: " in ofctl(switch, "-O", version, "dump-desc", mgmt(switch))


def test_sockets_and_listeners(switch):
    switch.boot("", "--no-local", "--listen", "ptcp:0:127.0.0.1", "--listen", "ptcp:0:[::1]")
    for one, host in zip(controllers(switch), ("127.0.0.1", "[::1]")):
        ofctl(switch, "-O", "OpenFlow13", "probe", f"tcp:{host}:{one['port']}")
    assert switch.stop() == 0
    assert not os.path.exists(f"{switch.rundir}/br0.mgmt")
    assert not os.path.exists(f"{switch.rundir}/br0.snoop")


def test_versions_are_restricted(switch):
    switch.boot("", "--no-local", "--protocols", "OpenFlow13,OpenFlow14")
    ofctl(switch, "-O", "OpenFlow14", "probe", mgmt(switch))
    assert "version negotiation failed" in ofctl(switch, "-O", "OpenFlow10", "probe", mgmt(switch), check=False)


def test_configuration_is_reconciled(switch):
    config = '[[bridge]]\nname = "br0"\nlocal = false\ndatapath_id = "0x2a"\n'
    switch.boot_config(config)
    assert "dpid:000000000000002a" in ofctl(switch, "show", mgmt(switch))
    assert controllers(switch) == []
    controller = Controller(f"{switch.rundir}/ctl")
    with open(f"{switch.rundir}/test.toml", "a", encoding="utf-8") as file:
        file.write(f'protocols = "OpenFlow13"\n[[bridge.controller]]\ntarget = "unix:{switch.rundir}/ctl"\n')
    switch.sluice("appctl", "sluice/reload")
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected")
    assert "version negotiation failed" in ofctl(switch, "-O", "OpenFlow10", "probe", mgmt(switch), check=False)
    with open(f"{switch.rundir}/test.toml", "w", encoding="utf-8") as file:
        file.write(config)
    switch.sluice("appctl", "sluice/reload")
    assert controllers(switch) == []
    ofctl(switch, "-O", "OpenFlow10", "probe", mgmt(switch))
    controller.close()


def test_controller_that_comes_and_goes(switch):
    controller = start_with_controller(switch)
    one = wait_until(lambda: controllers(switch)[0]["is_connected"] and controllers(switch)[0], "connected")
    assert one["role"] == "other" and one["version"] == "OpenFlow13" and one["status"]["state"] == "ACTIVE"
    controller.close()
    os.unlink(f"{switch.rundir}/ctl")
    one = wait_until(lambda: controllers(switch)[0]["attempts"] >= 3 and controllers(switch)[0], "tried again")
    assert not one["is_connected"] and "role" not in one
    assert one["status"]["last_error"] == "No such file or directory"
    log = open(f"{switch.rundir}/sluiced.log", encoding="utf-8").read()
    assert "connection closed by peer" in log
    # The waits double.
    assert "waiting 1 seconds before reconnect" in log and "waiting 2 seconds before reconnect" in log
    controller = Controller(f"{switch.rundir}/ctl")
    switch.sluice("appctl", "bridge/reconnect", "br0")
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected again")
    assert "Unknown bridge" in switch.sluice("appctl", "bridge/reconnect", "br9", check=False).stderr
    controller.close()


def test_table_misses_by_version(switch, two_hosts):
    """Until OpenFlow 1.2 what no flow matches goes to the controllers that ask for packets; later it is dropped, and
    a flow of priority 0 that matches all says otherwise."""
    switch.boot("")
    host = two_hosts[0]
    for i, (version, flow, expected) in enumerate([
            ("OpenFlow10", None, "in_port=1 (via no_match)"),
            ("OpenFlow12", None, "in_port=1 (via no_match)"),
            ("OpenFlow13", None, None),
            ("OpenFlow13", "priority=0,actions=CONTROLLER", "in_port=1 (via no_match)"),
            ("OpenFlow13", "priority=1,in_port=1,actions=CONTROLLER:20", "in_port=1 (via action)"),
            ("OpenFlow15", "cookie=9,in_port=1,actions=set_field:5->reg3,controller(userdata=01.02)",
             "cookie=0x9 total_len=42 reg3=0x5,in_port=1 (via action)")]):
        ofctl(switch, "-O", version, "del-flows", mgmt(switch))
        if flow:
            ofctl(switch, "-O", version, "add-flow", mgmt(switch), flow)
        # An address that nobody has: the question for it goes out.
        heard = monitor(switch, version, lambda: host.ping(f"10.1.1.{77 + i}", count=1))
        if expected:
            assert expected in heard, (version, flow, heard)
            assert "data_len=42 (unbuffered)" in heard
        else:
            assert "PACKET_IN" not in heard, (version, heard)


def monitor(switch, version, provoke, until=""):
    """What ovs-ofctl monitor prints while `provoke` happens, and until it has printed `until`."""
    process, path = watch(switch, "-O", version, "monitor", mgmt(switch), "128")
    # It has said what it wants before it has a control socket; a barrier tells that the switch has heard it.
    control = wait_until(lambda: glob.glob(f"{switch.rundir}/ovs-ofctl.*.ctl"), "the monitor is ready")[0]
    appctl = lambda command, check=True: switch.run(["ovs-appctl", "-t", control, command], check=check)
    wait_until(lambda: appctl("ofctl/barrier", check=False).returncode == 0, "the switch has heard the monitor")
    provoke()
    wait_until(lambda: until in open(path, encoding="utf-8", errors="replace").read(), until)
    appctl("ofctl/barrier")
    appctl("exit")
    process.wait(10)
    return open(path, encoding="utf-8", errors="replace").read()


def watch(switch, *words, program=("ovs-ofctl",)):
    """ovs-ofctl left running, and the file with what it prints."""
    path = f"{switch.rundir}/watch.out"
    with open(path, "wb") as out:
        process = switch.start([*program, *words], stdout=out, stderr=out,
                               env={**os.environ, "OVS_RUNDIR": switch.rundir})
    return process, path


def test_port_status(switch, two_hosts):
    switch.boot("")
    down = lambda: ofctl(switch, "-O", "OpenFlow14", "mod-port", mgmt(switch), "port1", "down")
    heard = monitor(switch, "OpenFlow14", down, until="PORT_DOWN")
    assert "OFPT_PORT_STATUS (OF1.4) (xid=0x0): MOD: 1(port1)" in heard and "ADD" not in heard


def test_port_down_is_the_state_of_the_device(switch, two_hosts):
    """PORT_DOWN takes the device down and shows what became of it, whoever did it."""
    a, b = two_hosts
    switch.boot("actions=NORMAL\n")
    switch.run("ip link set br0 up")
    wait_until(lambda: a.ping(b.ip(), count=1) == 1, "the bridge forwards")

    def admin_up(device):
        flags = json.loads(switch.run(f"ip -j link show {device}").stdout)[0]["flags"]
        return "UP" in flags

    def told(port):
        text = ofctl(switch, "-O", "OpenFlow15", "dump-ports-desc", mgmt(switch), port)
        return "PORT_DOWN" in text, "LINK_DOWN" in text

    for port, device in (("1", "port1"), ("LOCAL", "br0")):
        ofctl(switch, "mod-port", mgmt(switch), device, "down")
        assert not admin_up(device)
        assert told(port) == (True, True)
        ofctl(switch, "mod-port", mgmt(switch), device, "up")
        assert admin_up(device)
        assert told(port)[0] is False
    wait_until(lambda: a.ping(b.ip(), count=1) == 1, "the bridge forwards again")
    switch.run("ip link set port1 down")
    wait_until(lambda: told("1") == (True, True), "the operator's word is told")
    ofctl(switch, "mod-port", mgmt(switch), "port1", "up")
    assert admin_up("port1")


def test_port_status_of_a_link(switch, two_hosts):
    """Controllers hear of a cable that is pulled and put back, at either end."""
    switch.boot("")
    host = two_hosts[0]
    for down, up in ((lambda: host.run("ip link set eth0 down"), lambda: host.run("ip link set eth0 up")),
                     (lambda: switch.run("ip link set port1 down"), lambda: switch.run("ip link set port1 up"))):
        # The kernel tells of a link a while after it was made.
        wait_until(lambda: "LIVE" in ofctl(switch, "-O", "OpenFlow15", "dump-ports-desc", mgmt(switch), "1"), "the link is up")
        heard = monitor(switch, "OpenFlow14", down, until="LINK_DOWN")
        assert "OFPT_PORT_STATUS (OF1.4) (xid=0x0): MOD: 1(port1)" in heard
        heard = monitor(switch, "OpenFlow14", up, until="state:      LIVE")
        assert "OFPT_PORT_STATUS (OF1.4) (xid=0x0): MOD: 1(port1)" in heard


def test_flow_removed(switch):
    switch.boot("", "--no-local", "--port", "p1=dummy")

    def remove():
        ofctl(switch, "-O", "OpenFlow13", "add-flow", mgmt(switch), "send_flow_rem,udp,cookie=7,actions=drop")
        ofctl(switch, "-O", "OpenFlow13", "del-flows", mgmt(switch))

    heard = monitor(switch, "OpenFlow13", remove)
    assert "OFPT_FLOW_REMOVED (OF1.3) (xid=0x0): udp reason=delete table_id=0 cookie:0x7" in heard


@pytest.mark.parametrize("program", CLIENTS, ids=lambda words: os.path.basename(words[0]))
def test_snoop_shows_the_controllers_messages(switch, program):
    controller = start_with_controller(switch)
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected")
    process, path = watch(switch, "snoop", mgmt(switch, "snoop"), f"--unixctl={switch.rundir}/snoop.ctl", program=program)

    def seen():
        controller.connection.sendall(message(ECHO_REQUEST, 0x99))
        text = open(path, encoding="utf-8").read()
        return "OFPT_ECHO_REQUEST (OF1.3) (xid=0x99)" in text and "OFPT_ECHO_REPLY (OF1.3) (xid=0x99)" in text

    wait_until(seen, "the snooper sees both ways")
    switch.run(["ovs-appctl", "-t", f"{switch.rundir}/snoop.ctl", "exit"])
    assert process.wait(10) == 0
    assert not os.path.exists(f"{switch.rundir}/snoop.ctl")
    controller.close()


def test_standalone_without_controllers(switch, two_hosts):
    """fail_mode standalone: the bridge switches by itself once its controller is gone for long, and no longer when it
    is back."""
    a, b = two_hosts
    path = f"{switch.rundir}/ctl"
    switch.boot_config(f"""
[[bridge]]
name = "br0"
local = false
fail_mode = "standalone"
[[bridge.port]]
name = "port1"
[[bridge.port]]
name = "port2"
[[bridge.controller]]
target = "unix:{path}"
inactivity_probe = 300
""")
    assert "NORMAL" not in switch.sluice("appctl", "bridge/dump-flows", "br0").stdout
    wait_until(lambda: a.ping(b.ip(), count=1) == 1, "the bridge switches by itself")
    # No flow does it that somebody could see or delete.
    assert "NORMAL" not in ofctl(switch, "dump-flows", mgmt(switch))
    ofctl(switch, "del-flows", mgmt(switch))
    assert a.ping(b.ip(), count=1) == 1
    controller = Controller(path)
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected", timeout=20)
    assert "NORMAL" not in switch.sluice("appctl", "bridge/dump-flows", "br0").stdout
    assert a.ping(b.ip(), count=1) == 0
    controller.close()


@pytest.mark.parametrize("garbage", [b"\x04\x00\x00\x03\x00\x00\x00\x00", b"GET / HTTP/1.1\r\n\r\n" * 50,
                                     os.urandom(4096), message(HELLO) + b"\x04\x12\x00\x20\x00"],
                         ids=["short length", "http", "random", "half a message"])
def test_garbage_harms_nobody_else(switch, two_hosts, garbage):
    switch.boot("actions=NORMAL\n")
    a, b = two_hosts
    ends = []
    for _ in range(5):
        end = socket.socket(socket.AF_UNIX)
        end.connect(f"{switch.rundir}/br0.mgmt")
        try:
            end.sendall(garbage)
        except BrokenPipeError:
            pass  # it was given up while it spoke
        ends.append(end)
    ofctl(switch, "-O", "OpenFlow13", "probe", mgmt(switch))
    assert a.ping(b.ip()) == 3
    for end in ends:
        end.close()
    ofctl(switch, "-O", "OpenFlow10", "dump-flows", mgmt(switch))


def test_controller_that_never_reads(switch, two_hosts):
    """It asks without end and reads nothing: it waits for itself, is given up when it is silent, and neither packets nor
    other clients notice."""
    controller = start_with_controller(switch, reads=False)
    a, b = two_hosts
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected")
    # Multipart requests for the flows, until the switch reads no more.
    ask = message(18, 5, struct.pack("!HHI", 1, 0, 0) + struct.pack("!BxxxIIxxxxQQ", 0xff, 0xffffffff, 0xffffffff, 0, 0)
                  + struct.pack("!HHI", 1, 4, 0))
    controller.connection.setblocking(False)

    def full():
        try:
            while True:
                controller.connection.send(ask * 100)
        except BlockingIOError:
            return True
        except OSError:
            return True

    wait_until(full, "the switch reads no more")
    assert a.ping(b.ip()) == 3
    ofctl(switch, "-O", "OpenFlow13", "probe", mgmt(switch))
    wait_until(lambda: not controllers(switch)[0]["is_connected"] or controller.accepted > 1, "given up", timeout=40)
    resident = int(open(f"/proc/{daemon_pid(switch)}/statm", encoding="utf-8").read().split()[1]) * 4096
    assert resident < 2 << 30
    controller.close()


def misbehave(path, how):
    """A client of the switch that goes on until the returned event is set."""
    done = threading.Event()
    chance = random.Random(7)

    def flood(end):
        """Messages with a whole header and senseless contents, of every type, and what the switch answers."""
        end.setblocking(False)
        while not done.is_set():
            batch = b"".join(message(chance.randrange(36), body=chance.randbytes(chance.randrange(200)), version=5)
                             for _ in range(64))
            for act in (lambda: end.send(batch), lambda: end.recv(1 << 20)):
                try:
                    act()
                except BlockingIOError:
                    done.wait(0.001)

    def leave(end):
        """Goes in the middle of a message in the middle of a bundle of flows that would stop all traffic."""
        add = message(34, 9, struct.pack("!IHH", 1, 0, 3) + DROP_ALL, version=5)
        end.sendall(message(33, 9, struct.pack("!IHH", 1, 0, 3), version=5) + add * 50 + add[:20])

    def run():
        while not done.is_set():
            with socket.socket(socket.AF_UNIX) as end:
                end.connect(path)
                end.settimeout(10)
                try:
                    end.sendall(message(HELLO, version=5))
                    end.recv(100)
                    {"floods": flood, "leaves": leave}[how](end)
                except OSError:
                    pass  # it was given up

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return done, thread


# Flow-mod of OpenFlow 1.4: priority 65535, matches everything, no instructions.
DROP_ALL = message(14, 9, struct.pack("!QQBBHHHIIIHHHHxxxx", 0, 0, 0, 0, 0, 0, 65535, 0xffffffff, 0xffffffff, 0xffffffff,
                                      0, 0, 1, 4), version=5)


@pytest.mark.parametrize("how", ["floods", "leaves"])
def test_bad_clients_beside_a_good_controller(switch, two_hosts, how):
    """Packets go on, and the other controller is served and stays."""
    controller = start_with_controller(switch)
    a, b = two_hosts
    wait_until(lambda: controllers(switch)[0]["is_connected"], "connected")
    bad = [misbehave(f"{switch.rundir}/br0.mgmt", how) for _ in range(3)]
    for n in range(20):
        before = controller.received.count(ECHO_REPLY)
        controller.connection.sendall(message(ECHO_REQUEST, n))
        wait_until(lambda: controller.received.count(ECHO_REPLY) > before, "the good controller is answered", timeout=30)
    assert a.ping(b.ip(), count=10, extra="-W 5") == 10
    for done, _ in bad:
        done.set()
    for _, thread in bad:
        thread.join(20)
        assert not thread.is_alive()
    one = controllers(switch)[0]
    assert one["is_connected"] and one["attempts"] == 1 and controller.accepted == 1
    assert "actions=drop" not in ofctl(switch, "-O", "OpenFlow14", "dump-flows", mgmt(switch))
    controller.close()


def daemon_pid(switch):
    return int(open(f"{switch.rundir}/sluiced.pid", encoding="utf-8").read())


def test_tls(switch):
    make_certificates(switch.rundir)
    folder = switch.rundir
    switch.boot("", "--no-local", "--listen", "pssl:0:127.0.0.1", "--private-key", f"{folder}/switch-key.pem",
                "--certificate", f"{folder}/switch-cert.pem", "--ca-cert", f"{folder}/ca.pem")
    target = f"ssl:127.0.0.1:{controllers(switch)[0]['port']}"

    def probe(name, ca, program=CLIENTS[0], verb="probe"):
        return switch.run([*program, "-O", "OpenFlow13", "-t", "10", "-p", f"{folder}/{name}-key.pem", "-c",
                           f"{folder}/{name}-cert.pem", "-C", f"{folder}/{ca}.pem", verb, target], check=False)

    for program in CLIENTS:
        assert probe("client", "ca", program).returncode == 0
        assert "OFPST_FLOW reply" in probe("client", "ca", program, "dump-flows").stdout
        assert probe("stranger", "ca", program).returncode != 0
        assert probe("client", "other", program).returncode != 0
    plain = switch.run(["ovs-ofctl", "-t", "10", "probe", target.replace("ssl", "tcp")], check=False)
    assert plain.returncode != 0
    assert probe("client", "ca").returncode == 0
    # Without the files it is said what is missing.
    with Switch() as other:
        with pytest.raises(AssertionError, match="no private key, certificate and CA certificate"):
            other.boot("", "--no-local", "--listen", "pssl:0:127.0.0.1")


def test_usage(switch):
    def refusal(*words):
        path = os.environ.get("SLUICE_BUILD", "build/release")
        done = subprocess.run([f"{path}/sluiced", "--bridge", "br0", *words], capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "--controller ptcp:1: expected tcp:" in refusal("--controller", "ptcp:1")
    assert "--listen tcp:1.2.3.4: expected ptcp:" in refusal("--listen", "tcp:1.2.3.4")
    assert "unknown protocol \"OpenFlow16\"" in refusal("--protocols", "OpenFlow16")
    assert "private_key, certificate and ca_cert" in refusal("--private-key", "x")
