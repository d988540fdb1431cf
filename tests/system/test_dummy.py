"""The hooks of --enable-dummy: frames from the control socket, and time by hand. Whole scenarios without a kernel interface;
what is printed is compared with the installed ovs-vswitchd."""

import socket
import struct
import subprocess

import pytest

from compare import difference, run
from database import DatabaseHost, both_hosts
from net import wait_until

ARP = "eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1)"
TCP = ("in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),"
       "ipv4(src=192.168.0.1,dst=192.168.0.2,proto=6,tos=0,ttl=64,frag=no),tcp(src=8,dst=10)")
HEADER = "aabbccddeeff1122334455660800"


def add_dummies(host):
    host.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure",
               *[word for n, kind in enumerate(["dummy", "dummy", "dummy-pmd", "dummy-internal"], 1)
                 for word in ("--", "add-port", "br0", f"p{n}", "--", "set", "interface", f"p{n}", f"type={kind}",
                              f"ofport_request={n}")])


@pytest.fixture(name="hosts", scope="module")
def hosts_with_dummies():
    yield from both_hosts(add_dummies, options=["--enable-dummy"])


@pytest.fixture(name="host")
def our_host(hosts):
    host = hosts[1]
    host.ofctl("del-flows br0")
    return host


COMMANDS = [
    ["netdev-dummy/receive"],
    ["netdev-dummy/receive", "p1"],
    ["netdev-dummy/receive", "nope", HEADER],
    ["netdev-dummy/receive", "p1", TCP],
    ["netdev-dummy/receive", "p1", HEADER, HEADER],
    ["netdev-dummy/receive", "p1", "recirc_id(3)"],
    ["netdev-dummy/receive", "p1", ""],
    ["netdev-dummy/receive", "p1", "eth(bogus)"],
    ["netdev-dummy/receive", "p1", "icmp,nw_src=1.1.1.1"],
    ["netdev-dummy/receive", "p1", "aabb"],
    ["netdev-dummy/receive", "p1", HEADER + "1"],
    ["netdev-dummy/receive", "p1", "zz"],
    ["netdev-dummy/receive", "p1", "--len", "200", TCP],
    ["netdev-dummy/receive", "p1", TCP, "--len", "200"],
    ["netdev-dummy/receive", "p1", "--qid", "3", HEADER],
    ["netdev-dummy/receive", "p1", "--qid", "x", "00"],
    ["netdev-dummy/receive", "p1", TCP, "--len", "x"],
    ["netdev-dummy/receive", "p1", TCP, "--len", "5"],
    ["netdev-dummy/receive", "p1", "--qid"],
    ["netdev-dummy/receive", "p3", "--qid", "0", HEADER],
    ["netdev-dummy/receive", "br0", HEADER],
    ["netdev-dummy/set-admin-state"],
    ["netdev-dummy/set-admin-state", "bogus"],
    ["netdev-dummy/set-admin-state", "p2", "bogus"],
    ["netdev-dummy/set-admin-state", "nope", "down"],
    ["netdev-dummy/set-admin-state", "p2", "down"],
    ["netdev-dummy/set-admin-state", "up"],
    ["time/stop", "now"],
    ["time/warp"],
    ["time/warp", "0"],
    ["time/warp", "x"],
    ["time/warp", "100", "0"],
    ["time/warp", "1", "2", "3"],
    ["time/stop"],
    ["time/warp", "100"],
    ["time/warp", "5000", "1000"],
    ["time/warp", "100", "300"],
    ["time/warp", "0", "100"],
    ["time/warp", "5x"],
    ["time/warp", "-5"],
    ["time/warp", "-5", "100"],
]


def test_answers_are_those_of_the_installed_one(hosts):
    differences = [difference(words, *(run(host, ["ovs-appctl", *words]) for host in hosts)) for words in COMMANDS]
    assert not any(differences), "\n".join(d for d in differences if d)
    # Both counted the same packets and bytes, whatever their flows.
    ports = [[line for line in host.ofctl("dump-ports br0").splitlines() if "rx pkts" in line] for host in hosts]
    received = [sorted(line.split("drop")[0] for line in lines) for lines in ports]
    assert received[0] == received[1]


def counted(host, flow):
    line = next(line for line in host.ofctl("dump-flows br0").splitlines() if flow in line)
    return int(line.split("n_packets=")[1].split(",")[0]), int(line.split("n_bytes=")[1].split(",")[0])


def test_a_frame_of_a_flow_goes_through_the_pipeline(host):
    host.ofctl("add-flow", "br0", "in_port=1,tcp,tp_dst=10,actions=output:2")
    host.appctl("netdev-dummy/receive", "p1", TCP)
    assert counted(host, "tp_dst=10") == (1, 14 + 20 + 20 + 64)
    host.appctl("netdev-dummy/receive", "p1", TCP, "--len", "200")
    assert counted(host, "tp_dst=10") == (2, 118 + 200)
    for _ in range(50):  # each is in the counters when the command is done
        before = counted(host, "tp_dst=10")[0]
        host.appctl("netdev-dummy/receive", "p1", TCP, TCP)
        assert counted(host, "tp_dst=10")[0] == before + 2


def test_a_dead_port_is_told(host):
    host.appctl("netdev-dummy/set-admin-state", "p2", "down")
    wait_until(lambda: host.get("Interface", "p2", "link_state") == "down", "the database hears it")
    assert host.get("Interface", "p2", "admin_state") == "down"
    assert "LINK_DOWN" in host.ofctl("show br0").split(" 2(p2)")[1].split(" 3(p3)")[0]
    host.appctl("netdev-dummy/set-admin-state", "p2", "up")
    wait_until(lambda: host.get("Interface", "p2", "link_state") == "up", "the database hears it")


def test_time_passes_by_hand(host):
    host.appctl("time/stop")
    host.ofctl("add-flow", "br0", "idle_timeout=30,in_port=1,ip,actions=ct(commit),output:2")
    host.appctl("netdev-dummy/receive", "p1", "in_port(1),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,"
                "ttl=64),udp(src=1,dst=2)")
    assert "10.0.0.1" in host.appctl("dpctl/dump-conntrack")
    host.appctl("time/warp", "25000")
    assert "in_port=1" in host.ofctl("dump-flows br0")
    host.appctl("time/warp", "6000", "1000")
    assert "in_port=1" not in host.ofctl("dump-flows br0"), "idle for 31 seconds"
    host.appctl("time/warp", "60000", "1000")
    assert "10.0.0.1" not in host.appctl("dpctl/dump-conntrack"), "a datagram's connection is over"


def test_captures(host):
    host.vsctl("add-port", "br0", "c1", "--", "set", "interface", "c1", "type=dummy", f"options:pcap={host.dir}/c1.pcap",
               "ofport_request=11", "--", "add-port", "br0", "c2", "--", "set", "interface", "c2", "type=dummy",
               f"options:tx_pcap={host.dir}/c2-tx.pcap", f"options:rxq_pcap={host.dir}/c2-rx.pcap", "ofport_request=12")
    host.ofctl("add-flow", "br0", "in_port=11,actions=12")
    host.ofctl("add-flow", "br0", "in_port=12,actions=11")
    host.appctl("netdev-dummy/receive", "c1", "ff" * 12 + "0801", "ff" * 12 + "0802")
    host.appctl("netdev-dummy/receive", "c2", "ff" * 12 + "0803")

    def types(name):
        shown = subprocess.run(["tcpdump", "-neq", "-r", f"{host.dir}/{name}"], capture_output=True, text=True, check=True)
        return [line.split("0x080")[1][0] for line in shown.stdout.splitlines() if "0x080" in line]

    assert (types("c1.pcap"), types("c2-tx.pcap"), types("c2-rx.pcap")) == (["1", "2", "3"], ["1", "2"], ["3"])
    host.vsctl("del-port c1 -- del-port c2")


def test_dummies_stand_in_for_what_a_host_has():
    host = DatabaseHost(options=["--enable-dummy=override"])
    try:
        host.start_server()
        host.start_switch()
        host.vsctl("add-br br0 -- add-port br0 eth7 -- add-port br0 in7 -- set interface in7 type=internal")
        assert (host.get("Interface", "eth7", "ofport"), host.get("Interface", "in7", "ofport")) == ("1", "2")
        assert host.interfaces() == ["lo"]
        host.vsctl("add-port br0 b7 -- set interface b7 type=bogus", check=False)
        assert host.get("Interface", "b7", "error") == (
            '"could not open network device b7 (Address family not supported by protocol)"')
    finally:
        host.close()


@pytest.mark.parametrize("which", ["", "=system", "=override"])
def test_stand_ins_are_shown_as_what_they_stand_in_for(which):
    kinds = ["internal", "tap", "dummy", "dummy-internal"] + (["system"] if which else [])
    shown = []
    for installed in (True, False):
        host = DatabaseHost(installed=installed, options=[f"--enable-dummy{which}"])
        try:
            host.start_server()
            host.start_switch()
            adding = [word for n, kind in enumerate(kinds, 1)
                      for word in ("--", "add-port", "br0", f"p{n}", "--", "set", "interface", f"p{n}", f"type={kind}")]
            host.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", *adding)
            lines = [line.split(": ") for line in host.appctl("dpif/show").splitlines() if ": (" in line]
            shown.append({place.split()[0]: kind for place, kind in lines})
            types = [line.split(": ")[1].partition(" ") for line in host.appctl("dpctl/show").splitlines() if "  port " in line]
            shown[-1] |= {f"{name} of dpctl": kind for name, _, kind in types if name.startswith("p")}
        finally:
            host.close()
    assert len(shown[0]) == 1 + 2 * len(kinds)
    assert shown[0] == shown[1]


class Wire:
    """The other end of a dummy port's stream."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(20)

    def send(self, packet):
        self.connection.sendall(struct.pack("!H", len(packet)) + packet)

    def _take(self, count):
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            if not more:
                return None
            data += more
        return data

    def receive(self):
        """A packet; nothing if the other end is gone."""
        try:
            head = self._take(2)
            return head and self._take(struct.unpack("!H", head)[0])
        except ConnectionResetError:
            return None


def stream_conversation(host):
    """What happens at the ends of two streams, and what the switch says of them."""
    said = []
    listening = socket.socket(socket.AF_UNIX)
    listening.settimeout(20)
    listening.bind(f"{host.dir}/active.sock")
    host.vsctl("add-br", "brs", "--", "set", "bridge", "brs", "datapath_type=dummy", "fail_mode=secure",
               "--", "add-port", "brs", "s1", "--", "set", "interface", "s1", "type=dummy", "ofport_request=1",
               f"options:pstream=punix:{host.dir}/passive.sock",
               "--", "add-port", "brs", "s2", "--", "set", "interface", "s2", "type=dummy", "ofport_request=2",
               f"options:stream=unix:{host.dir}/active.sock")
    host.ofctl("add-flow", "brs", "in_port=1,actions=2")
    host.ofctl("add-flow", "brs", "in_port=2,actions=1")
    said.append(host.appctl("netdev-dummy/conn-state", "s2"))
    listening.listen()
    active = Wire(listening.accept()[0])
    wait_until(lambda: host.appctl("netdev-dummy/conn-state") == "s2: connected\n", "it has connected")
    said += [host.appctl("netdev-dummy/conn-state", name) for name in ("s1", "s2", "nope")]
    passive = []
    for _ in range(2):
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{host.dir}/passive.sock")
        passive.append(Wire(client))

    packets = [bytes.fromhex(HEADER) + bytes([n]) * (46 + n) for n in range(3)]
    for packet in packets:
        passive[0].send(packet)
    said += [active.receive().hex() for _ in packets]
    active.send(packets[2])
    said += [wire.receive().hex() for wire in passive]
    passive[1].connection.sendall(struct.pack("!H", 5) + b"short")
    said.append(passive[1].receive())
    passive[0].send(packets[0])
    said.append(active.receive().hex())
    active.connection.close()
    wait_until(lambda: host.appctl("netdev-dummy/conn-state", "s2") == "s2: disconnected\n", "it notices")
    active = Wire(listening.accept()[0])
    wait_until(lambda: host.appctl("netdev-dummy/conn-state", "s2") == "s2: connected\n", "it is back")
    passive[0].send(packets[1])
    said.append(active.receive().hex())
    host.vsctl("del-br brs")
    said.append(passive[0].receive())
    for end in (listening, active.connection, *(wire.connection for wire in passive)):
        end.close()
    return said


@pytest.fixture(name="fresh_hosts")
def hosts_of_its_own():
    yield from both_hosts(add_dummies, options=["--enable-dummy"])


def test_streams_are_wires(fresh_hosts):
    # The other hosts' time may stand still, and with it the installed one's attempts to connect.
    theirs, ours = (stream_conversation(host) for host in fresh_hosts)
    assert theirs == ours
    assert "netdev_dummy|WARN|s1: punix:" in (told := fresh_hosts[1].log_text()) and "a frame of 5 bytes: expected" in told
    assert ours[-1] is None and ours[4] == (bytes.fromhex(HEADER) + bytes(46)).hex()
    fault = fresh_hosts[1].vsctl("add-port br0 s3 -- set interface s3 type=dummy options:stream=nonsense:1", check=False)
    assert "nonsense" in fresh_hosts[1].get("Interface", "s3", "error"), fault


def log_lines(host, module):
    """What the module has logged, without the time and the running number."""
    fields = [line.split("|", 4) for line in host.log_text().splitlines()]
    return [(line[3], line[4]) for line in fields if len(line) == 5 and line[2] == module]


# In the log of ovs-vswitchd 3.1; Sluice has further ones, of what that one does not log.
FEATURES_THAT_DIFFER = {"VLAN header stack length probed as", "Datapath supports eventmask in conntrack action",
                        "Max dp_hash algorithm probed to be", "Datapath supports add_mpls action", "Datapath supports IPv6 ND Extensions"}


def test_features_of_the_datapath_are_logged(hosts):
    theirs, ours = ([(level, text.replace("dummy@ovs-dummy", "netdev@ovs-netdev")) for level, text in log_lines(host, "ofproto_dpif")
                     if "Datapath" in text or "probed" in text] for host in hosts)
    assert len(theirs) > 20
    common = [line for line in theirs if not any(text in line[1] for text in FEATURES_THAT_DIFFER)]
    assert set(common) <= set(ours)
    assert ours.count(("INFO", "netdev@ovs-netdev: Datapath supports ct_clear action")) == 1
    for text in ("Datapath supports explicit drop action", "Datapath does not support IPv6 ND Extensions",
                 "VLAN header stack length probed as 2"):
        assert ("INFO", f"netdev@ovs-netdev: {text}") in ours


MACS = "505400000002505400000001"


def fragment(version, offset, size, more, ident):
    """A fragment of a UDP datagram from 10.0.0.1 or fd00::1, as hexadecimal digits."""
    if version == 4:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, ident, (more << 13) | offset // 8, 64, 17, 0,
                             socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2"))
        total = sum(struct.unpack("!10H", header))
        total = (total & 0xffff) + (total >> 16)
        header = header[:10] + struct.pack("!H", ~total & 0xffff) + header[12:]
        return MACS + "0800" + (header + bytes(size)).hex()
    header = struct.pack("!IHBB16s16sBBHI", 6 << 28, 8 + size, 44, 64, socket.inet_pton(socket.AF_INET6, "fd00::1"),
                         socket.inet_pton(socket.AF_INET6, "fd00::2"), 17, 0, offset | more, ident)
    return MACS + "86dd" + (header + bytes(size)).hex()


def test_datagrams_that_are_too_large_are_logged(hosts):
    for host in hosts:
        host.ofctl("add-flow", "br0", "in_port=1,ip,actions=ct(commit,zone=7),2")
        host.ofctl("add-flow", "br0", "in_port=1,ipv6,actions=ct(commit,zone=7),2")
        # There one line in a minute for both versions. 65520 bytes and a header, 65800 bytes.
        for version, last in ((4, 1120),) if host.installed else ((4, 1120), (6, 1400)):
            for offset in range(0, 64400, 1400):
                host.appctl("netdev-dummy/receive", "p1", fragment(version, offset, 1400, True, 77))
            host.appctl("netdev-dummy/receive", "p1", fragment(version, 64400, last, False, 77))
            wait_until(lambda: f"Unsupported big reassembled v{version} packet" in host.log_text(), "it is logged")
    assert log_lines(hosts[1], "ipf") == [("INFO", f"Unsupported big reassembled v{n} packet") for n in (4, 6)]
