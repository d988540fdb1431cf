"""Connection tracking with real programs: what examples/firewall.flows and its like promise."""

import os

from net import ROOT, wait_until

FIREWALL = open(os.path.join(ROOT, "examples/firewall.flows"), encoding="utf-8").read()


def two_hosts(switch):
    return (switch.host("in", "10.1.1.1/24", "fd00:1::1/64"), switch.host("out", "10.1.1.2/24", "fd00:1::2/64"))


def stateful(zone="", commit_extra="", established_extra=""):
    """ARP freely; connections may be opened from port 1 only."""
    return f"""
        table=0,priority=100,arp,actions=NORMAL
        table=0,priority=100,icmp6,icmp_type=135,actions=NORMAL
        table=0,priority=100,icmp6,icmp_type=136,actions=NORMAL
        table=0,priority=50,ip,actions=ct(table=1{zone})
        table=0,priority=50,ipv6,actions=ct(table=1{zone})
        table=1,priority=100,ct_state=+trk+new,ip,in_port=1,actions=ct(commit{zone}{commit_extra}),output:2
        table=1,priority=100,ct_state=+trk+new,ipv6,in_port=1,actions=ct(commit{zone}{commit_extra}),output:2
        table=1,priority=100,ct_state=+trk+est{established_extra},in_port=1,actions=output:2
        table=1,priority=100,ct_state=+trk+est{established_extra},in_port=2,actions=output:1
        table=1,priority=90,ct_state=+trk+rel-new,in_port=2,actions=output:1
        table=1,priority=90,ct_state=+trk+rel-new,in_port=1,actions=output:2
    """


def test_firewall_example_both_directions(switch):
    inside, outside = two_hosts(switch)
    switch.boot(FIREWALL)
    for version in (4, 6):
        outside.serve_http(80, outside.ip(version))
        inside.serve_http(80, inside.ip(version))
        assert inside.get(outside.ip(version)) == f"hello from {outside.name}\n"
        assert outside.get(inside.ip(version)) is None
        assert inside.ping(outside.ip(version)) == 3
        assert outside.ping(inside.ip(version), count=2) == 0
    tcp = [line for line in switch.conntrack() if line.startswith("tcp,")]
    assert len(tcp) == 2
    for line in tcp:
        assert ",dport=80)" in line and "protoinfo=(state=" in line
    assert any(line.startswith("icmp,orig=(src=10.1.1.1,dst=10.1.1.2,id=") for line in switch.conntrack())


def test_icmp_error_is_related(switch):
    """A UDP packet to a closed port: the answer is an ICMP error that reaches the sender as +rel."""
    inside, outside = two_hosts(switch)
    switch.boot(stateful())
    probe = ("import socket,sys\n"
             "s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,socket.SOCK_DGRAM)\n"
             "s.settimeout(3)\ns.connect((sys.argv[1],9))\ns.send(b'x')\n"
             "try:\n s.recv(10)\nexcept ConnectionRefusedError:\n print('refused')\n")
    for version in (4, 6):
        assert inside.run(["/usr/bin/python3", "-c", probe, outside.ip(version)]).stdout == "refused\n"
    assert switch.flow_packets("ct_state=-new+rel+trk,in_port=2") == 2


def test_invalid_is_dropped(switch):
    """A SYN|ACK that answers nothing is +inv."""
    inside, outside = two_hosts(switch)
    switch.boot(stateful() + "\ntable=1,priority=200,tcp,ct_state=+inv+trk,actions=drop\n")
    script = ("from scapy.all import *\n"
              "sendp(Ether(dst=sys.argv[1])/IP(src='10.1.1.1',dst='10.1.1.2')/TCP(sport=1,dport=2,flags='SA'),"
              "iface='eth0',verbose=0)\n")
    mac = outside.run("cat /sys/class/net/eth0/address").stdout.strip()
    inside.run(["/usr/bin/python3", "-c", "import sys\n" + script, mac])
    wait_until(lambda: switch.flow_packets("ct_state=+inv+trk,tcp") == 1, "one invalid packet")
    assert switch.conntrack() == []


def test_two_zones(switch):
    """The same packet tracked in two zones is two connections, and each zone commits its own."""
    inside, outside = two_hosts(switch)
    switch.boot("""
        table=0,priority=100,arp,actions=NORMAL
        table=0,ip,actions=ct(table=1,zone=1)
        table=1,ct_state=+trk+new,ip,in_port=1,actions=ct(commit,zone=1),ct(table=2,zone=2)
        table=1,ct_state=+trk+est,ip,actions=ct(table=2,zone=2)
        table=2,ct_state=+trk+new,ip,in_port=1,actions=ct(commit,zone=2),output:2
        table=2,ct_state=+trk+est,ct_zone=2,ip,in_port=1,actions=output:2
        table=2,ct_state=+trk+est,ct_zone=2,ip,in_port=2,actions=output:1
    """)
    outside.serve_http()
    assert inside.get(outside.ip()) == f"hello from {outside.name}\n"
    assert outside.ping(inside.ip(), count=2) == 0
    zones = sorted(line.split("zone=")[1].split(",")[0] for line in switch.conntrack() if line.startswith("tcp"))
    assert zones == ["1", "2"]
    assert len(switch.conntrack("zone=2")) == 1


def test_zone_from_register(switch):
    inside, outside = two_hosts(switch)
    switch.boot("""
        table=0,priority=100,arp,actions=NORMAL
        table=0,ip,in_port=1,actions=load:7->NXM_NX_REG0[0..15],ct(table=1,zone=NXM_NX_REG0[0..15])
        table=0,ip,in_port=2,actions=load:7->NXM_NX_REG0[0..15],ct(table=1,zone=NXM_NX_REG0[0..15])
        table=1,ct_state=+trk+new,ct_zone=7,ip,in_port=1,actions=ct(commit,zone=NXM_NX_REG0[0..15]),output:2
        table=1,ct_state=+trk+est,ct_zone=7,ip,in_port=1,actions=output:2
        table=1,ct_state=+trk+est,ct_zone=7,ip,in_port=2,actions=output:1
    """)
    assert inside.ping(outside.ip()) == 3
    assert len(switch.conntrack("zone=7")) == 1
    assert switch.conntrack("zone=0") == []


def test_mark_and_label_set_and_matched(switch):
    """Set by rule and by register; replies pass only where the mark and label match."""
    inside, outside = two_hosts(switch)
    switch.boot("""
        table=0,priority=100,arp,actions=NORMAL
        table=0,priority=10,ip,in_port=1,actions=load:0x55->NXM_NX_REG1[],ct(table=1)
        table=0,priority=10,ip,in_port=2,actions=ct(table=1)
        table=1,ct_state=+trk+new,tcp,in_port=1,actions=ct(commit,exec(set_field:0x1->ct_mark,set_field:0x1d/0xff->ct_label)),output:2
        table=1,ct_state=+trk+new,icmp,in_port=1,actions=ct(commit,exec(move:NXM_NX_REG1[]->NXM_NX_CT_MARK[])),output:2
        table=1,ct_state=+trk+est,ct_mark=1,ct_label=0x1d,tcp,in_port=1,actions=output:2
        table=1,ct_state=+trk+est,ct_mark=1,ct_label=0x1d,tcp,in_port=2,actions=output:1
        table=1,ct_state=+trk+est,ct_mark=0x55,icmp,in_port=1,actions=output:2
        table=1,ct_state=+trk+est,ct_mark=0x55,icmp,in_port=2,actions=output:1
    """)
    outside.serve_http()
    assert inside.get(outside.ip()) == f"hello from {outside.name}\n"
    assert inside.ping(outside.ip()) == 3
    table = switch.conntrack()
    assert any(line.startswith("tcp") and ",mark=1,labels=0x1d" in line for line in table)
    assert any(line.startswith("icmp") and ",mark=85" in line for line in table)


def test_iperf3_through_the_tracker(switch):
    """GSO packets of many segments stay inside the tracker's window check, both directions, no packet invalid."""
    inside, outside = two_hosts(switch)
    switch.boot(stateful() + "\ntable=1,priority=200,tcp,ct_state=+inv+trk,actions=drop\n")
    for reverse in ([], ["-R"]):
        outside.start("iperf3 -s -1")
        wait_until(lambda: ":5201 " in outside.run("ss -Hlnt").stdout, "iperf3 server")
        inside.run(["iperf3", "-c", outside.ip(), "-t", "2", *reverse])
    assert switch.flow_packets("ct_state=+inv+trk,tcp") == 0


def test_flush_cuts_a_connection(switch):
    """After a flush the reply direction is no longer established."""
    inside, outside = two_hosts(switch)
    switch.boot(stateful())
    assert inside.ping(outside.ip()) == 3
    assert len(switch.conntrack()) == 1
    switch.sluice("ct", "flush")
    assert switch.conntrack() == []


def test_trace_consults_the_connection_table(switch):
    inside, outside = two_hosts(switch)
    # Without IPv6 in the tracker nothing else changes its counters meanwhile.
    switch.boot("\n".join(line for line in stateful().splitlines() if "ipv6" not in line))
    flow = "tcp,in_port=2,nw_src=10.1.1.2,nw_dst=10.1.1.1,tp_src=80,tp_dst=40000,tcp_flags=ack,nw_ttl=64"
    before = switch.sluice("trace", "br0", flow).stdout
    assert "Datapath actions" in before and "drop" in before
    outside.serve_http(80)
    inside.run(["curl", "-s", "--local-port", "40000", "http://10.1.1.2/"])
    after = switch.sluice("trace", "br0", flow).stdout
    assert "est" in after
    counts = switch.json("stats")
    switch.sluice("trace", "br0", flow)
    assert switch.json("stats")["conntrack"] == counts["conntrack"]
