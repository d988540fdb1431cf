"""Patch ports, bonds with LACP, mirrors, policing and the spanning tree, with the real ovsdb-server and tools, between
namespaces."""

import re
import signal
import subprocess

import pytest

from net import wait_until
from test_database import Rig, ping


@pytest.fixture
def rig():
    r = Rig()
    yield r
    r.close()


def wire(one, one_name, other, other_name):
    """A veth pair between two hosts, up."""
    subprocess.run(["ip", "link", "add", one_name, "netns", one.name, "type", "veth", "peer", "name", other_name, "netns",
                    other.name], check=True)
    for host, name in ((one, one_name), (other, other_name)):
        host.run(f"sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1")
        host.run(f"ip link set {name} up")


def client(rig, host, label, port, address):
    namespace = rig.namespace(label)
    host.veth(port, namespace, "eth0", address)
    host.vsctl("add-port", "br0", port)
    return namespace


def test_patch_ports_join_bridges_and_their_trackers(rig):
    host = rig.running()
    host.vsctl("add-br br0 -- add-br br1")
    a = client(rig, host, "a", "pa", "10.1.1.1/24")
    b = rig.namespace("b")
    host.veth("pb", b, "eth0", "10.1.1.2/24")
    host.vsctl("add-port br1 pb")
    assert not ping(a, "10.1.1.2")
    host.vsctl("add-port br0 to1 -- set interface to1 type=patch options:peer=to0")
    assert "No usable peer 'to0'" in host.get("Interface", "to1", "error")
    host.vsctl("add-port br1 to0 -- set interface to0 type=patch options:peer=to1")
    wait_until(lambda: ping(a, "10.1.1.2"), "the bridges are one network")
    assert host.get("Interface", "to1", "error") == "[]" and host.get("Interface", "to1", "mtu") == "[]"
    host.ofctl("add-flow", "br0", "ip,priority=9,ct_state=-trk,actions=ct(table=0)")
    host.ofctl("add-flow", "br0", "ip,priority=9,ct_state=+trk,actions=ct(commit,zone=1),NORMAL")
    host.ofctl("add-flow", "br1", "ip,priority=9,ct_state=-trk,actions=ct(commit,zone=2),NORMAL")
    assert ping(a, "10.1.1.2"), "br1 does not see what br0's tracker said"
    zones = host.appctl("dpctl/dump-conntrack")
    assert "zone=1" in zones and "zone=2" in zones
    host.vsctl("del-br br1")
    assert not ping(a, "10.1.1.2")


def test_a_bond_negotiates_and_survives_a_link(rig):
    hosts = [rig.running(), rig.running()]
    clients = []
    for n, host in enumerate(hosts):
        host.vsctl("add-br br0")
        clients.append(client(rig, host, f"c{n}", "pc", f"10.1.1.{n + 1}/24"))
    for n in (1, 2):
        wire(hosts[0], f"l{n}", hosts[1], f"l{n}")
    for host in hosts:
        host.vsctl("add-bond br0 bond0 l1 l2 bond_mode=balance-tcp lacp=active other_config:lacp-time=fast")
    for host in hosts:
        wait_until(lambda: "status: active negotiated" in host.appctl("lacp/show") and
                   host.appctl("bond/show bond0").count("may_enable: true") == 2, "LACP has negotiated both links")
        wait_until(lambda: host.get("Interface", "l1", "lacp_current") == "true", "the database tells")
    assert ping(clients[0], "10.1.1.2")
    assert hosts[0].get("Port", "bond0", "bond_active_slave") != "[]"
    for name in ("l1", "l2"):
        other = "l2" if name == "l1" else "l1"
        hosts[0].run(f"ip link set {name} down")
        wait_until(lambda: f"member {name}: disabled" in hosts[0].appctl("bond/show"), "the link is seen to be down")
        wait_until(lambda: ping(clients[0], "10.1.1.2"), f"traffic goes by {other}")
        hosts[0].run(f"ip link set {name} up")
        wait_until(lambda: hosts[0].appctl("bond/show bond0").count("may_enable: true") == 2, "the link is back")
    hosts[1].vsctl("set port bond0 lacp=off bond_mode=active-backup")
    wait_until(lambda: "expired" in hosts[0].appctl("lacp/show") or "defaulted" in hosts[0].appctl("lacp/show"),
               "the partner is silent")


def test_mirror_and_policing(rig):
    host = rig.running()
    host.vsctl("add-br br0")
    a = client(rig, host, "a", "pa", "10.1.1.1/24")
    client(rig, host, "b", "pb", "10.1.1.2/24")
    client(rig, host, "m", "pm", "10.1.1.9/24")
    host.vsctl("-- --id=@p get port pm -- --id=@m create mirror name=m0 select_all=true output_port=@p "
               "-- set bridge br0 mirrors=@m")
    assert ping(a, "10.1.1.2")
    wait_until(lambda: "tx_packets" in host.get("Mirror", "m0", "statistics"), "copies are counted")
    assert not ping(a, "10.1.1.9"), "the port is for copies only"
    host.vsctl("clear bridge br0 mirrors")
    host.vsctl("set interface pa ingress_policing_rate=100 ingress_policing_burst=100")
    done = a.run("ping -n -q -s 1400 -l 100 -c 100 -W 1 10.1.1.2", check=False)  # a megabit
    assert " 0% packet loss" not in done.stdout, done.stdout
    host.vsctl("set interface pa ingress_policing_rate=0")
    assert ping(a, "10.1.1.2")


@pytest.mark.parametrize("protocols", [("stp", "stp"), ("rstp", "rstp"), ("rstp", "stp"), ("rstp", "installed")])
def test_a_loop_is_cut(rig, protocols):
    """Two bridges joined by two links: by STP, by RSTP, with one of each, and with ovs-vswitchd as the neighbour."""
    hosts = [rig.running(installed=protocol == "installed") for protocol in protocols]
    clients = []
    for n, (host, protocol) in enumerate(zip(hosts, protocols)):
        spoken = "stp" if protocol == "stp" else "rstp"
        host.vsctl(f"add-br br0 -- set bridge br0 datapath_type=netdev {spoken}_enable=true "
                   f"other_config:{spoken}-forward-delay=4 other_config:rstp-max-age=6")
        clients.append(client(rig, host, f"c{n}", "pc", f"10.1.1.{n + 1}/24"))
    for n in (1, 2):
        wire(hosts[0], f"l{n}", hosts[1], f"l{n}")
        for host in hosts:
            host.vsctl("add-port", "br0", f"l{n}")

    def shown(host):
        return (host.appctl("stp/show") + host.appctl("rstp/show")).lower()

    def is_cut():
        return sum(len(re.findall(r" l\d .*(?:blocking|alternate +discarding)", shown(host))) for host in hosts) == 1 and \
            all(shown(host).count("forwarding") >= 2 for host in hosts)

    wait_until(is_cut, "one port blocks", timeout=60)
    wait_until(lambda: ping(clients[0], "10.1.1.2"), "there is one way", timeout=60)
    roots = {re.search(r"Root ID:\n.*\n +stp-system-id +(\S+)", host.appctl("stp/show") + host.appctl("rstp/show"))[1]
             for host in hosts}
    assert len(roots) == 1
    sent = int(hosts[0].get("Interface", "l1", "statistics:tx_packets"))
    clients[0].run("ping -n -q -b -c 3 -i 0.2 -W 1 10.1.1.255", check=False)
    assert int(hosts[0].get("Interface", "l1", "statistics:tx_packets")) < sent + 200, "broadcasts don't circle"
    if "stp" in protocols:
        return  # which mends what breaks by waiting
    carries = next(n for n in (1, 2) if all(re.search(rf" l{n} .*forwarding", shown(host)) for host in hosts))
    hosts[0].run(f"ip link set l{carries} down")
    wait_until(lambda: ping(clients[0], "10.1.1.2"), "traffic goes by the other link", timeout=60)


def kernel_has(host, discipline):
    """Whether this kernel has the queueing discipline."""
    has = host.run(f"tc qdisc replace dev lo root handle 1: {discipline}", check=False).returncode == 0
    host.run("tc qdisc del dev lo root", check=False)
    return has


def test_queues_limit_what_is_sent(rig):
    host = rig.running()
    if not kernel_has(host, "htb"):
        pytest.skip("this kernel has no sch_htb")
    host.vsctl("add-br br0 -- set bridge br0 fail_mode=secure")
    a = client(rig, host, "a", "pa", "10.1.1.1/24")
    b = client(rig, host, "b", "pb", "10.1.1.2/24")
    assert host.appctl("qos/show", "pb") == "QoS not configured on pb\n"
    assert "linux-htb" in host.appctl("qos/show-types", "pb")
    host.vsctl("set port pb qos=@q -- --id=@q create qos type=linux-htb other_config:max-rate=100000000 queues:0=@d queues:3=@s "
               "-- --id=@d create queue other_config:max-rate=90000000 -- --id=@s create queue other_config:max-rate=2000000 "
               "other_config:burst=80000 other_config:priority=7")
    assert "can't be set up" not in host.log_text()
    flows = "priority=40000,tcp,tp_dst=7001,actions=set_queue:3,output:pb\nin_port=pa,actions=output:pb\nin_port=pb,actions=output:pa\n"
    host.tool("sh", "-c", f"printf '{flows}' | ovs-ofctl --names replace-flows br0 -")

    def queue(number):
        shown = host.appctl("qos/show", "pb").split("Default:\n" if number == 0 else f"Queue {number}:\n")[1].split("\n\n")[0]
        return {line.split(": ")[0].strip(): int(line.split(": ")[1]) for line in shown.splitlines()}

    def overlimits(handle):
        shown = host.run(f"tc -s class show dev pb classid {handle}").stdout
        return int(re.search(r"overlimits (\d+)", shown)[1])

    assert queue(3) == {"burst": 80000, "priority": 7, "min-rate": 12000, "max-rate": 2000000, "tx_packets": 0, "tx_bytes": 0,
                        "tx_errors": 0}
    assert ping(a, "10.1.1.2")
    assert queue(0)["tx_packets"] > 0 and queue(3)["tx_packets"] == 0
    b.start(["iperf3", "-s", "-1", "-p", "7001"])
    wait_until(lambda: ":7001" in b.run("ss -tln").stdout, "iperf3 listens")
    a.run("iperf3 -c 10.1.1.2 -p 7001 -n 400K")
    shaped = queue(3)
    assert shaped["tx_bytes"] > 200 * 1024 and overlimits("1:4") > 0, "what is beyond the rate waits"
    assert queue(0)["tx_bytes"] < 100 * 1024 and overlimits("1:1") == 0
    told = host.ofctl("queue-stats br0 pb")
    assert re.search(r"queue 3: bytes=\d{6,}, pkts=\d+, errors=0", told) and "queue 0:" in told, told
    assert re.findall(r"^queue (\d+):", host.ofctl("queue-get-config br0 pb"), re.M) == ["0", "3"]
    # A discipline that a kernel may not have: set up, or refused in words.
    host.vsctl("-- set port pb qos=@q -- --id=@q create qos type=linux-sfq")
    if kernel_has(host, "sfq"):
        assert host.appctl("qos/show", "pb") == "QoS: pb linux-sfq\n"
    else:
        assert "linux-sfq can't be set up on pb" in host.log_text()
    assert "htb" not in host.run("tc qdisc show dev pb").stdout
    assert ping(a, "10.1.1.2")
    host.vsctl("clear port pb qos")
    assert host.appctl("qos/show", "pb") == "QoS not configured on pb\n"


def test_queues_that_an_earlier_run_left_behind(rig):
    host = rig.running()
    if not kernel_has(host, "htb"):
        pytest.skip("this kernel has no sch_htb")
    names = [f"v{n}" for n in range(4)]
    for name in names:
        host.run(f"ip link add {name} type veth peer name {name}peer")

    def shaped():
        return sorted(name for name in names if "htb 1:" in host.run(f"tc qdisc show dev {name}").stdout)

    host.run("tc qdisc add dev v0 root handle 1: htb")
    host.run("tc qdisc add dev v1 root handle 1: htb")
    host.vsctl("add-br br0 -- add-port br0 v0 -- add-port br0 v1 -- set port v1 qos=@q -- --id=@q create qos type=linux-noop")
    assert shaped() == ["v1"], "without a row no discipline, and linux-noop leaves what is there"
    host.vsctl("add-port br0 v2 -- add-port br0 v3 -- --id=@q create qos type=linux-htb -- set port v2 qos=@q -- set port v3 qos=@q")
    assert shaped() == ["v1", "v2", "v3"]
    host.stop_switch(signal.SIGKILL)
    assert shaped() == ["v1", "v2", "v3"]
    host.vsctl("--no-wait", "clear", "port", "v2", "qos")
    host.start_switch()
    host.vsctl("set bridge br0 other_config:x=y")
    assert shaped() == ["v1", "v3"]
    assert "can't be set up" not in host.log_text()
    host.vsctl("del-port v3")
    assert shaped() == ["v1"]


def test_internal_ports_follow_the_smallest_mtu(rig):
    host = rig.running()
    host.vsctl("add-br br0 -- add-port br0 i0 -- set interface i0 type=internal")
    for name, mtu in (("v0", 1400), ("w0", 1300)):
        host.run(f"ip link add {name} mtu {mtu} type veth peer name {name}peer")

    def mtus_become(local, internal):
        wait_until(lambda: [host.run(f"cat /sys/class/net/{name}/mtu").stdout.strip() for name in ("br0", "i0")] ==
                   [str(local), str(internal)], f"br0 has {local}, i0 {internal}")

    mtus_become(1500, 1500)
    host.vsctl("add-port br0 v0")
    mtus_become(1400, 1400)
    host.vsctl("add-port br0 w0")
    mtus_become(1300, 1300)
    host.run("ip link set i0 mtu 1200")
    host.run("ip link set w0 mtu 1350")
    mtus_become(1350, 1350)
    host.vsctl("set interface i0 mtu_request=1600")
    mtus_become(1350, 1600)
    host.vsctl("clear interface i0 mtu_request")
    host.run("ip link set br0 mtu 2000")
    mtus_become(1350, 1350)
    host.vsctl("del-port w0")
    mtus_become(1400, 1400)
    host.vsctl("set interface br0 mtu_request=1111")
    mtus_become(1111, 1111)
