"""Fragments through stateful flows, with real programs: what the sender's stack cuts, the receiver's puts together."""

import pytest

from net import wait_until
from test_conntrack import stateful, two_hosts

SIZES = (100, 1472, 1473, 2952, 2953, 9000, 30000, 60000)


def kernel_counter(host, name):
    """One of the counters of the namespace's own IP stack."""
    for line in host.run(["nstat", "-asz", name]).stdout.splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise AssertionError(f"there is no counter {name}")


def fragments_of(status, version):
    """The numbers of dpctl/ipf-get-status, of one IP version."""
    prefix = f"{version} frags "
    lines = [line.strip() for line in status.splitlines()]
    return {line[len(prefix):].split(":")[0]: int(line.split(":")[1]) for line in lines if line.startswith(prefix)}


@pytest.mark.parametrize("version", (4, 6))
def test_ping_of_every_size_through_a_stateful_firewall(switch, version):
    inside, outside = two_hosts(switch)
    switch.boot(stateful() + "\ntable=1,priority=200,ct_state=+inv+trk,actions=drop\n")
    created, arrived = (("IpFragCreates", "IpReasmReqds") if version == 4 else ("Ip6FragCreates", "Ip6ReasmReqds"))
    before = kernel_counter(inside, created), kernel_counter(outside, arrived)
    for size in SIZES:
        assert inside.ping(outside.ip(version), count=2, extra=f"-s {size}") == 2, size
    # As many fragments arrived as were sent, and the answers' too.
    sent = kernel_counter(inside, created) - before[0]
    assert sent > 0 and kernel_counter(outside, arrived) - before[1] == sent
    assert kernel_counter(outside, "IpReasmFails" if version == 4 else "Ip6ReasmFails") == 0
    counts = fragments_of(switch.sluice("appctl", "dpctl/ipf-get-status").stdout, f"v{version}")
    assert counts["accepted"] == counts["completed"] == 2 * sent
    assert sum(counts.values()) == 4 * sent
    assert switch.json("stats")["fragments"]["waiting"] == 0
    # From outside nothing may begin, however it is cut.
    assert outside.ping(inside.ip(version), count=1, extra="-s 4000") == 0


def test_tagged_fragments_keep_their_tag(switch):
    """Between two bridges the packets are tagged, and the second tracks them with their tag on."""
    inside, outside = two_hosts(switch)
    switch.run("ip link add trunk0 type veth peer name trunk1")
    for end in ("trunk0", "trunk1"):
        switch.run(f"sysctl -qw net.ipv6.conf.{end}.disable_ipv6=1")
        switch.run(f"ip link set {end} up")
    switch.boot_config("""
        [[bridge]]
        name = "br0"
        local = "none"
        flows = '''
        in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2
        in_port=2,dl_vlan=7,actions=pop_vlan,output:1
        '''
        [[bridge.port]]
        name = "port1"
        [[bridge.port]]
        name = "trunk0"
        [[bridge]]
        name = "br1"
        local = "none"
        flows = '''
        table=0,priority=100,arp,in_port=2,dl_vlan=7,actions=pop_vlan,output:1
        table=0,priority=100,arp,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2
        table=0,priority=100,icmp6,icmp_type=135,in_port=2,actions=pop_vlan,output:1
        table=0,priority=100,icmp6,icmp_type=136,in_port=2,actions=pop_vlan,output:1
        table=0,priority=100,icmp6,icmp_type=135,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2
        table=0,priority=100,icmp6,icmp_type=136,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2
        table=0,priority=50,ip,in_port=2,dl_vlan=7,actions=ct(table=1,zone=7)
        table=0,priority=50,ipv6,in_port=2,dl_vlan=7,actions=ct(table=1,zone=7)
        table=0,priority=50,ip,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,ct(table=1,zone=7)
        table=0,priority=50,ipv6,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,ct(table=1,zone=7)
        table=1,priority=100,ct_state=+trk+new,ip,in_port=2,dl_vlan=7,actions=ct(commit,zone=7),pop_vlan,output:1
        table=1,priority=100,ct_state=+trk+new,ipv6,in_port=2,dl_vlan=7,actions=ct(commit,zone=7),pop_vlan,output:1
        table=1,priority=90,ct_state=+trk+est,in_port=2,dl_vlan=7,actions=pop_vlan,output:1
        table=1,priority=90,ct_state=+trk+est,in_port=1,dl_vlan=7,actions=output:2
        '''
        [[bridge.port]]
        name = "port2"
        [[bridge.port]]
        name = "trunk1"
    """)
    for version in (4, 6):
        for size in (100, 4000, 60000):
            assert inside.ping(outside.ip(version), count=2, extra=f"-s {size}") == 2, (version, size)
    stats = switch.json("stats")
    assert stats["datapath"]["reassembled"] == 16, "two sizes, two families, two pings, both directions"


ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7))
while True:
    data, peer = s.recvfrom(65535)
    s.sendto(data, peer)
"""
ASK = """
import os, socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect((sys.argv[1], 7))
for n in range(20):
    sent = os.urandom(9000)
    s.send(sent)
    assert s.recv(65535) == sent
print('all came back')
"""


def test_udp_datagrams_of_9_kb(switch):
    inside, outside = two_hosts(switch)
    # Ports are matched in table 1: the flows see whole datagrams.
    switch.boot(stateful().replace("+new,ip,in_port=1", "+new,udp,tp_dst=7,in_port=1")
                .replace("+new,ipv6,in_port=1", "+new,udp6,tp_dst=7,in_port=1"))
    for version in (4, 6):
        outside.start(["/usr/bin/python3", "-c", ECHO, outside.ip(version)])
        wait_until(lambda: ":7 " in outside.run(f"ss -Hlnu -{version}").stdout, "the echo server")
        done = inside.run(["/usr/bin/python3", "-c", ASK, outside.ip(version)])
        assert done.stdout == "all came back\n"
    assert len([line for line in switch.conntrack() if line.startswith("udp")]) == 2


def test_switched_off_fragments_are_invalid(switch):
    inside, outside = two_hosts(switch)
    switch.boot(stateful() + "\ntable=1,priority=200,ip,ct_state=+inv+trk,actions=drop\n")
    assert switch.sluice("appctl", "dpctl/ipf-set-disabled", "v4").stdout.strip() == \
        "disabling fragmentation reassembly successful"
    assert inside.ping(outside.ip(), count=1, extra="-s 4000") == 0
    assert switch.flow_packets("ct_state=+inv+trk,ip") == 3
    assert inside.ping(outside.ip(6), count=1, extra="-s 4000") == 1
    switch.sluice("appctl", "dpctl/ipf-set-enabled", "v4")
    assert inside.ping(outside.ip(), count=1, extra="-s 4000") == 1


FLOOD = """
import itertools, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('eth0', 0))
destination = bytes.fromhex(sys.argv[1].replace(':', ''))
ethernet = destination + s.getsockname()[4] + b'\\x08\\x00'
payload = bytes(1480)

def checksum(header):
    total = sum(struct.unpack('!10H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff

for n in itertools.count():
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 1500, n & 0xffff, 0x2000, 64, 17, 0, bytes([10, 1, 1, 3]),
                         bytes([10, 1, 1, 2]))
    header = header[:10] + struct.pack('!H', checksum(header)) + header[12:]
    try:
        s.send(ethernet + header + payload)
    except OSError:
        pass
"""


def test_a_flood_of_fragments_keeps_others_alive(switch):
    inside, outside = two_hosts(switch)
    hostile = switch.host("hostile", "10.1.1.3/24")
    switch.boot(stateful())
    mac = outside.run("cat /sys/class/net/eth0/address").stdout.strip()
    assert inside.ping(outside.ip(), count=1, extra="-s 4000") == 1
    hostile.start(["/usr/bin/python3", "-c", FLOOD, mac])
    # First fragments that nothing completes fill the memory of reassembly.
    wait_until(lambda: switch.json("stats")["drops"]["fragment_memory"] > 1000, "the memory is full", timeout=120)
    answered = sum(inside.ping(outside.ip(), count=5, extra="-s 20000 -W 5") for _ in range(4))
    assert answered >= 19, "the others go on (the kernel's own buffers may lose one)"
    stats = switch.json("stats")
    assert stats["memory"]["fragment_bytes"] <= stats["limits"]["fragment_bytes"]
    assert stats["fragments"]["waiting"] > 1000
    lists = switch.sluice("appctl", "dpctl/ipf-get-status", "-m").stdout
    assert "(src=10.1.1.3,dst=10.1.1.2,recirc_id=0,ip_id=" in lists
    assert "dl_type=0x800,zone=0,nw_proto=17,num_fragments=1,state=first frag)" in lists
