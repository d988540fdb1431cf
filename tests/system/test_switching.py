"""Patch ports, bonds with LACP, mirrors, policing and the spanning tree, with the real ovsdb-server and tools, between
namespaces."""

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


def test_a_loop_is_cut(rig):
    hosts = [rig.running(), rig.running()]
    clients = []
    for n, host in enumerate(hosts):
        host.vsctl("add-br br0 -- set bridge br0 stp_enable=true other_config:stp-forward-delay=4")
        clients.append(client(rig, host, f"c{n}", "pc", f"10.1.1.{n + 1}/24"))
    for n in (1, 2):
        wire(hosts[0], f"l{n}", hosts[1], f"l{n}")
        for host in hosts:
            host.vsctl("add-port", "br0", f"l{n}")
    wait_until(lambda: sum(host.appctl("stp/show").count("blocking") for host in hosts) == 1 and
               all(host.appctl("stp/show").count("forwarding") >= 2 for host in hosts), "one port blocks", timeout=60)
    wait_until(lambda: ping(clients[0], "10.1.1.2"), "there is one way")
    roots = {host.get("Bridge", "br0", "status:stp_designated_root") for host in hosts}
    assert len(roots) == 1
    sent = int(hosts[0].get("Interface", "l1", "statistics:tx_packets"))
    clients[0].run("ping -n -q -b -c 3 -i 0.2 -W 1 10.1.1.255", check=False)
    assert int(hosts[0].get("Interface", "l1", "statistics:tx_packets")) < sent + 200, "broadcasts don't circle"
