"""Real programs over flows without connection tracking."""

import json

from net import wait_until

WIRE = """
in_port=1,actions=output:2
in_port=2,actions=output:1
"""


def two_hosts(switch):
    return (switch.host("a", "10.1.1.1/24", "fd00:1::1/64"), switch.host("b", "10.1.1.2/24", "fd00:1::2/64"))


def test_ping_and_ping6(switch):
    a, b = two_hosts(switch)
    switch.boot(WIRE)
    assert a.ping(b.ip(4), count=5) == 5
    assert a.ping(b.ip(6), count=5) == 5
    assert b.ping(a.ip(4), count=5) == 5


def test_ping_large(switch):
    """A payload of one full frame, and one that the sender fragments."""
    a, b = two_hosts(switch)
    switch.boot(WIRE)
    assert a.ping(b.ip(4), extra="-s 1472 -M do") == 3
    assert a.ping(b.ip(4), extra="-s 4000") == 3
    assert a.ping(b.ip(6), extra="-s 4000") == 3


def test_nothing_passes_without_a_flow(switch):
    a, b = two_hosts(switch)
    switch.boot("priority=0,actions=drop\n")
    assert a.ping(b.ip(4), count=2) == 0
    assert switch.flow_packets("priority=0") > 0


def test_http_ipv4_and_ipv6(switch):
    a, b = two_hosts(switch)
    switch.boot(WIRE)
    b.serve_http(80, b.ip(4))
    b.serve_http(8080, b.ip(6))
    assert a.get(b.ip(4)) == f"hello from {b.name}\n"
    assert a.get(b.ip(6), 8080) == f"hello from {b.name}\n"


def test_normal_learns_and_floods(switch):
    a, b = two_hosts(switch)
    c = switch.host("c", "10.1.1.3/24")
    switch.boot("actions=NORMAL\n")
    assert a.ping(b.ip(4)) == 3
    assert a.ping(c.ip(4)) == 3
    assert c.ping(b.ip(4)) == 3
    macs = switch.sluice("appctl", "fdb/show", "br0").stdout
    for host in (a, b, c):
        mac = host.run("cat /sys/class/net/eth0/address").stdout.strip()
        assert mac in macs


def test_vlan_trunk_between_two_bridges(switch):
    """One bridge tags and the other untags, over a cable whose kernel ends strip the tag on receive: it is put back.

    Page and iperf3 cross it, so checksums and GSO packets with a tag are right as well.
    """
    a, b = two_hosts(switch)
    switch.run("ip link add trunk0 type veth peer name trunk1")
    for end in ("trunk0", "trunk1"):
        switch.run(f"sysctl -qw net.ipv6.conf.{end}.disable_ipv6=1")
        switch.run(f"ip link set {end} up")
    switch.boot_config("".join(f"""
        [[bridge]]
        name = "br{n}"
        local = "none"
        flows = '''
        priority=10,in_port=1,vlan_tci=0,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2
        priority=10,in_port=2,dl_vlan=7,actions=pop_vlan,output:1
        priority=0,actions=drop
        '''
        [[bridge.port]]
        name = "port{n + 1}"
        [[bridge.port]]
        name = "trunk{n}"
    """ for n in (0, 1)))
    assert a.ping(b.ip(4)) == 3
    assert a.ping(b.ip(6)) == 3
    b.serve_http()
    assert a.get(b.ip()) == f"hello from {b.name}\n"
    b.start("iperf3 -s -1")
    wait_until(lambda: ":5201 " in b.run("ss -Hlnt").stdout, "iperf3 server")
    report = json.loads(a.run(["iperf3", "-c", b.ip(), "-t", "1", "-J"]).stdout)
    assert report["end"]["sum_received"]["bytes"] > 10_000_000


def test_another_vlan_does_not_pass(switch):
    a, b = two_hosts(switch)
    switch.boot("""
        priority=10,in_port=1,actions=push_vlan:0x8100,set_field:4104->vlan_vid,resubmit(2,1)
        table=1,dl_vlan=8,actions=pop_vlan,resubmit(,2)
        table=1,dl_vlan=7,actions=pop_vlan,output:2
        table=2,actions=drop
        priority=10,in_port=2,actions=output:1
    """)
    assert a.ping(b.ip(4), count=2) == 0
    assert switch.flow_packets("dl_vlan=8") > 0
    assert switch.flow_packets("dl_vlan=7") == 0


def test_header_rewrites_keep_checksums_right(switch):
    """Addresses and ports rewritten both ways by plain flows: TCP works only if every checksum is right."""
    a, b = two_hosts(switch)
    switch.boot("""
        priority=10,arp,actions=NORMAL
        priority=10,tcp,in_port=1,nw_dst=10.1.1.2,tp_dst=8000,actions=mod_nw_src:10.1.1.77,mod_tp_dst:80,dec_ttl,output:2
        priority=10,tcp,in_port=2,nw_dst=10.1.1.77,tp_src=80,actions=mod_nw_dst:10.1.1.1,mod_tp_src:8000,output:1
    """)
    b.run(["ip", "neigh", "add", "10.1.1.77", "lladdr", a.run("cat /sys/class/net/eth0/address").stdout.strip(), "dev",
           "eth0"])
    b.serve_http(80)
    assert a.get(b.ip(4), 8000) == f"hello from {b.name}\n"


def test_iperf3_with_offloads_on(switch):
    """A local sender's GSO packets and partial checksums pass as they are: nobody switches offloads off."""
    a, b = two_hosts(switch)
    switch.boot(WIRE)
    for host in (a, b):
        assert "tcp-segmentation-offload: on" in host.run("ethtool -k eth0").stdout
    for address in (b.ip(4), b.ip(6)):
        b.start(f"iperf3 -s -1 -B {address}")
        wait_until(lambda: ":5201 " in b.run("ss -Hlnt").stdout, "iperf3 server")
        report = json.loads(a.run(["iperf3", "-c", address, "-t", "2", "-J"]).stdout)
        assert report["end"]["sum_received"]["bytes"] > 10_000_000
    drops = switch.json("stats")["drops"]
    assert sum(drops.values()) < 100, drops


def test_counters_are_exact(switch):
    a, b = two_hosts(switch)
    switch.boot("""
        priority=10,icmp,in_port=1,actions=output:2
        priority=10,icmp,in_port=2,actions=output:1
        priority=1,arp,actions=NORMAL
        priority=0,actions=drop
    """)
    assert a.ping(b.ip(4), count=10) == 10
    assert switch.flow_packets("icmp,in_port=1") == 10
    assert switch.flow_packets("icmp,in_port=2") == 10


def test_a_deleted_flow_forwards_nothing_more(switch):
    a, b = two_hosts(switch)
    switch.boot(WIRE)
    assert a.ping(b.ip(4)) == 3
    switch.sluice("flow", "del", "br0", "in_port=1")
    assert a.ping(b.ip(4), count=2) == 0
    switch.sluice("flow", "add", "br0", "in_port=1,actions=output:2")
    assert a.ping(b.ip(4)) == 3
