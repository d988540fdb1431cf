"""Address translation with real programs: what examples/nat.flows promises, and the same over IPv6."""

import json
import os

from net import ROOT, wait_until

GATEWAY = open(os.path.join(ROOT, "examples/nat.flows"), encoding="utf-8").read()
OUTER = "10.2.2.254"

# Sends a datagram to argv[1]:argv[2] and says what the error queue of the socket has: 'refused', or the router.
PROBE = """
import socket, sys
v6 = ':' in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'x')
try:
    s.recv(10)
except ConnectionRefusedError:
    print('refused')
except OSError as error:
    print(error.errno)
"""

# Answers the first UDP packet to port 7000 with an ICMP time exceeded from a router that there is not.
ROUTER = """
import socket
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(('', 7000))  # or this host would complain as well
from scapy.all import ICMP, IP, Ether, sendp, sniff
def answer(p):
    error = IP(src='10.2.2.77', dst=p[IP].src) / ICMP(type=11, code=0) / bytes(p[IP])[:28]
    sendp(Ether(dst=p.src) / error, iface='eth0', verbose=0)
sniff(iface='eth0', filter='udp dst port 7000', prn=answer, count=1, timeout=20,
      started_callback=lambda: print('ready', flush=True))
"""

# Sends UDP to argv[1]:7000 with the extended error queue on and prints who sent the ICMP error.
TRACEROUTE = """
import socket, struct, sys, select
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
s.bind(('', 33000))
s.sendto(b'x' * 40, (sys.argv[1], 7000))
poll = select.poll()
poll.register(s, select.POLLERR)
assert poll.poll(10000), 'no error came'
data, control, flags, peer = s.recvmsg(512, 512, 0x2000)  # MSG_ERRQUEUE: what was sent, and who complains
number, origin, kind, code = struct.unpack('=IBBB', control[0][2][:7])
print(peer[0], peer[1], kind, socket.inet_ntoa(control[0][2][20:24]))
"""


def network(switch):
    a = switch.host("a", "10.1.1.1/24", mac="02:00:00:00:01:01")
    b = switch.host("b", "10.1.1.2/24", mac="02:00:00:00:01:02")
    out = switch.host("out", "10.2.2.1/24", mac="02:00:00:00:02:01")
    for host in (a, b):
        host.run("ip route add 10.2.2.0/24 via 10.1.1.254")
    switch.boot(GATEWAY)
    return a, b, out


def tuples(switch, proto, zone):
    return [line for line in switch.conntrack(f"zone={zone}") if line.startswith(proto + ",")]


def test_out_through_source_nat(switch):
    a, b, out = network(switch)
    out.serve_http(80)
    for host in (a, b):
        assert host.get("10.2.2.1") == f"hello from {out.name}\n"
        assert host.ping("10.2.2.1") == 3
        # From the same port of both.
        page = host.run("curl -s --local-port 40000 --max-time 5 http://10.2.2.1/").stdout
        assert page == f"hello from {out.name}\n"
    lines = tuples(switch, "tcp", 2)
    assert len(lines) == 4 and all(f"reply=(src=10.2.2.1,dst={OUTER},sport=80," in line for line in lines)
    assert sorted(line.split("dport=")[2].split(")")[0] for line in lines if "sport=40000," in line.split("),")[0]) == [
        "40000", "40001"]
    assert len(tuples(switch, "icmp", 2)) == 2
    # Nobody outside reaches the inside by its own address.
    assert out.ping(OUTER, count=1) == 0


def test_published_server_from_outside_and_hairpin(switch):
    a, b, out = network(switch)
    a.serve_http(80)
    assert out.get(OUTER, 8080) == f"hello from {a.name}\n"
    assert out.get(OUTER, 8081) is None
    assert b.get(OUTER, 8080) == f"hello from {a.name}\n"
    assert a.get(OUTER, 8080) == f"hello from {a.name}\n"  # itself, too
    one, two, three = sorted(tuples(switch, "tcp", 1))
    assert all(f"dst={OUTER},sport=" in line and "reply=(src=10.1.1.1," in line for line in (one, two, three))
    assert len(tuples(switch, "tcp", 2)) == 2 and all("dst=10.1.1.254," in l for l in tuples(switch, "tcp", 2))


def test_icmp_errors_find_their_way(switch):
    a, b, out = network(switch)
    # A closed port outside: the client's socket gets the error.
    assert a.run(["/usr/bin/python3", "-c", PROBE, "10.2.2.1", "9"]).stdout == "refused\n"
    # A router outside whose address nobody knows.
    with open(f"{switch.rundir}/router.out", "w+b") as said:
        out.start(["/usr/bin/python3", "-c", ROUTER], stdout=said)
        wait_until(lambda: b"ready" in open(said.name, "rb").read(), "the router listens", 30)
        told = b.run(["/usr/bin/python3", "-c", TRACEROUTE, "10.2.2.1"]).stdout
    assert told == "10.2.2.1 7000 11 10.2.2.77\n"


def test_errors_of_a_published_server_come_from_its_outer_address(switch):
    _, _, out = network(switch)
    switch.sluice("flow", "add", "br0",
                  "table=4,priority=50,udp,tp_dst=5300,actions=ct(commit,zone=1,nat(dst=10.1.1.1:53),table=9)")
    assert out.run(["/usr/bin/python3", "-c", PROBE, OUTER, "5300"]).stdout == "refused\n"


def test_a_trace_to_a_published_server_hears_of_routers_inside(switch):
    a, _, out = network(switch)
    switch.sluice("flow", "add", "br0",
                  "table=4,priority=50,udp,tp_dst=7000,actions=ct(commit,zone=1,nat(dst=10.1.1.1:7000),table=9)")
    with open(f"{switch.rundir}/router.out", "w+b") as said:
        a.start(["/usr/bin/python3", "-c", ROUTER.replace("10.2.2.77", "10.1.1.77")], stdout=said)
        wait_until(lambda: b"ready" in open(said.name, "rb").read(), "the router listens", 30)
        told = out.run(["/usr/bin/python3", "-c", TRACEROUTE, OUTER]).stdout
    # What is quoted is what was sent; who complains is hidden behind the address that was asked for.
    assert told == f"{OUTER} 7000 11 {OUTER}\n"


def test_iperf3_both_directions(switch):
    a, _, out = network(switch)
    out.start("iperf3 -s")
    wait_until(lambda: ":5201 " in out.run("ss -Hlnt").stdout, "iperf3 listens")
    for extra in ("", "-R"):
        done = a.run(f"iperf3 -J -c 10.2.2.1 -t 1 -P 2 {extra}", timeout=60)
        assert json.loads(done.stdout)["end"]["sum_received"]["bytes"] > 1_000_000
    stats = switch.json("stats")
    assert not [k for k, v in stats["drops"].items() if v and k in ("connection_limit", "rewrite_failed")]


def test_ipv6_source_and_destination(switch):
    """Neighbours are set by hand: the flows are about translation only."""
    inside = switch.host("in", "fd00:1::1/64", mac="02:00:00:00:01:01")
    outside = switch.host("out", "fd00:2::1/64", mac="02:00:00:00:02:01")
    inside.run("ip -6 route add fd00:2::/64 dev eth0")
    inside.run("ip -6 neigh add fd00:2::1 lladdr 02:00:00:00:02:01 dev eth0")
    for address in ("fd00:2::254", "fd00:2::253"):
        outside.run(f"ip -6 neigh add {address} lladdr 02:00:00:00:01:01 dev eth0")
    switch.boot("""
        table=0,priority=10,in_port=1,ipv6,actions=ct(commit,nat(src=fd00:2::254),table=1)
        table=0,priority=20,in_port=2,ipv6,ipv6_dst=fd00:2::254,actions=ct(nat,table=1)
        table=0,priority=20,in_port=2,tcp6,ipv6_dst=fd00:2::253,tp_dst=8080,actions=ct(commit,nat(dst=[fd00:1::1]:80),table=1)
        table=0,priority=200,icmp6,icmp_type=135,actions=drop
        table=1,priority=10,in_port=1,ct_state=-inv+trk,actions=output:2
        table=1,priority=10,in_port=2,ct_state=-inv+trk,ipv6,ipv6_dst=fd00:1::1,actions=output:1
    """)
    outside.serve_http(80, "fd00:2::1")
    inside.serve_http(80, "fd00:1::1")
    assert inside.get("fd00:2::1") == f"hello from {outside.name}\n"
    assert inside.ping("fd00:2::1") == 3
    assert inside.run(["/usr/bin/python3", "-c", PROBE, "fd00:2::1", "9"]).stdout == "refused\n"
    assert outside.get("fd00:2::253", 8080) == f"hello from {inside.name}\n"
    assert any("reply=(src=fd00:2::1,dst=fd00:2::254," in line for line in switch.conntrack())
    assert any("orig=(src=fd00:2::1,dst=fd00:2::253," in line and "reply=(src=fd00:1::1," in line
               for line in switch.conntrack())
