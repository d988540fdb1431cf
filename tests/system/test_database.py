"""Sluice in the place of ovs-vswitchd: the real ovsdb-server, ovs-vsctl, ovs-ofctl and ovs-appctl."""

import os
import signal
import socket
import subprocess
import time

import pytest

from database import DatabaseHost
from net import Namespace, wait_until


class Rig:
    """Hosts and namespaces that go together."""

    def __init__(self):
        self.parts = []

    def host(self, **kwargs):
        host = DatabaseHost(**kwargs)
        self.parts.append(host)
        return host

    def running(self, **kwargs):
        host = self.host(**kwargs)
        host.start_server()
        host.start_switch()
        return host

    def namespace(self, label):
        self.parts.append(Namespace(label))
        return self.parts[-1]

    def close(self):
        for part in self.parts:
            part.close()


@pytest.fixture
def rig():
    r = Rig()
    yield r
    r.close()


def ping(namespace, address):
    return namespace.run(f"ping -n -q -c 1 -W 2 {address}", check=False).returncode == 0


def two_clients(rig, host):
    """Clients a and b on ports pa and pb of bridge br0."""
    a, b = rig.namespace("a"), rig.namespace("b")
    host.vsctl("add-br br0")
    host.veth("pa", a, "eth0", "10.1.1.1/24")
    host.veth("pb", b, "eth0", "10.1.1.2/24")
    host.vsctl("add-port br0 pa -- add-port br0 pb")
    return a, b


def test_bridges_and_ports_come_and_go(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    assert host.get("Interface", "br0", "ofport") == "65534"
    assert (host.get("Interface", "pa", "ofport"), host.get("Interface", "pb", "ofport")) == ("1", "2")
    assert host.get("Interface", "pa", "link_state") == "up"
    assert "br0" in host.interfaces()
    assert ping(a, "10.1.1.2"), "a bridge without fail_mode and controller is a learning switch"

    host.vsctl("add-port br0 in0 -- set interface in0 type=internal")
    host.run("ip addr add 10.1.1.3/24 dev in0")
    host.run("ip link set in0 up")
    assert ping(a, "10.1.1.3"), "an internal port carries an address of the host"
    wait_until(lambda: host.get("Interface", "in0", "link_state") == "up", "link_state follows")

    host.vsctl("del-port br0 pb")
    assert not ping(a, "10.1.1.2")
    host.vsctl("del-port in0")
    assert "in0" not in host.interfaces()
    host.vsctl("del-br br0")
    assert host.appctl("ofproto/list") == ""
    assert "br0" not in host.interfaces()
    assert host.log_text().count("|ERR|") == 0


def test_wait_means_that_the_change_is_live(rig):
    host = rig.running()
    for n in range(10):
        host.vsctl(f"add-br br{n}")
        assert f"br{n}" in host.appctl("ofproto/list").split()
        assert host.get("Open_vSwitch", ".", "cur_cfg") == host.get("Open_vSwitch", ".", "next_cfg")

    host.stop_switch()
    late = host.tool("ovs-vsctl", "--timeout=1", "add-br", "late", check=False)
    assert late.returncode != 0, "nobody is there to do it"
    host.start_switch()
    wait_until(lambda: "late" in host.appctl("ofproto/list").split(), "what was asked meanwhile is done")
    assert host.get("Open_vSwitch", ".", "cur_cfg") == host.get("Open_vSwitch", ".", "next_cfg")


def test_what_cannot_be_opened_is_told_and_tried_again(rig):
    host = rig.running()
    host.vsctl("add-br br0")
    done = host.tool("ovs-vsctl", "add-port", "br0", "nope0")
    assert done.stderr.startswith("ovs-vsctl: Error detected while setting up 'nope0': could not open network device "
                                  "nope0 (No such device).  See ovs-vswitchd log for details.\n")
    assert host.get("Interface", "nope0", "ofport") == "-1"
    host.vsctl("add-port br0 odd -- set interface odd type=foo")
    assert "Address family not supported by protocol" in host.get("Interface", "odd", "error")
    host.vsctl("add-port br0 pp -- set interface pp type=patch options:peer=qq")
    assert "No usable peer 'qq' exists in" in host.get("Interface", "pp", "error")
    host.vsctl("del-port pp")

    host.vsctl("add-port br0 in0 -- set interface in0 type=internal")
    assert host.get("Interface", "in0", "ofport") == "2", "what failed took no number and harmed nothing"
    host.run("ip link add nope0 type veth peer name nope1")
    wait_until(lambda: host.get("Interface", "nope0", "ofport") == "3", "the interface is there and used")
    assert host.get("Interface", "nope0", "error") == "[]"
    host.run("ip link del nope0")
    wait_until(lambda: host.get("Interface", "nope0", "ofport") == "-1", "the interface is gone")
    assert "No such device" in host.get("Interface", "nope0", "error")


def test_numbers_of_ports(rig):
    host = rig.running(options=["--enable-dummy"])
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=dummy")

    def add(name, *more):
        host.vsctl("add-port", "br0", name, "--", "set", "interface", name, "type=dummy", *more)
        return host.get("Interface", name, "ofport")

    assert add("d1") == "1"
    assert add("d7", "ofport_request=7") == "7"
    assert add("d2") == "2"
    host.vsctl("del-port d2")
    assert add("d3") == "3", "a number is not soon another port's"
    host.vsctl("set interface d3 ofport_request=20")
    assert host.get("Interface", "d3", "ofport") == "20"
    host.vsctl("set interface d1 ofport_request=20")
    assert host.get("Interface", "d1", "ofport") == "1", "20 is taken"


def test_fail_mode_and_flows(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    assert ping(a, "10.1.1.2")
    host.vsctl("set-fail-mode br0 secure")
    assert not ping(a, "10.1.1.2")
    assert host.appctl("bridge/dump-flows br0").strip() == ""
    host.vsctl("del-fail-mode br0")
    assert ping(a, "10.1.1.2")


def test_vlans(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    assert ping(a, "10.1.1.2")
    host.vsctl("set port pa tag=10")
    assert not ping(a, "10.1.1.2")
    host.vsctl("set port pb tag=10")
    assert ping(a, "10.1.1.2")


def configuration(host):
    """What must survive a restart of either side."""
    ports = host.vsctl("--columns=name,type,ofport,error,mac_in_use", "list", "interface").split("\n\n")
    return {"show": host.vsctl("show"), "ports": sorted(ports), "bridges": host.appctl("ofproto/list"),
            "ids": host.vsctl("--columns=name,datapath_id", "list", "bridge")}


@pytest.mark.parametrize("order", ["server", "switch", "server, switch", "switch, server", "server killed", "both"])
def test_restarts_change_nothing(rig, order):
    host = rig.running()
    a, _ = two_clients(rig, host)
    host.vsctl("add-br br1 -- add-port br1 in1 -- set interface in1 type=internal "
               "ofport_request=9 mac=02\\:00\\:00\\:00\\:00\\:11")
    host.vsctl("set bridge br1 other_config:datapath-id=0000000000000123 -- set port pa tag=4 -- set port pb tag=4")
    before = configuration(host)
    assert ping(a, "10.1.1.2")

    stop_server = lambda: host._stop(host.server, signal.SIGKILL if "killed" in order else signal.SIGTERM)
    if order.startswith("server"):
        stop_server()
        assert ping(a, "10.1.1.2"), "the data plane goes on without its database"
        if order == "server, switch":
            host.stop_switch()
            host.start_switch()
        host.start_server()
    elif order == "both":
        host.stop_switch()
        stop_server()
        host.start_server()
        host.start_switch()
    else:
        host.stop_switch()
        if order == "switch, server":
            stop_server()
            host.start_switch()
            host.start_server()
        else:
            host.start_switch()
    host.vsctl("add-br br2")  # waits: the switch has read everything again
    host.vsctl("del-br br2")
    assert configuration(host) == before
    assert ping(a, "10.1.1.2")


def test_changes_while_the_database_was_away_are_caught_up(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    host.stop_server()
    subprocess.run(["ovsdb-tool", "transact", f"{host.dir}/conf.db",
                    '["Open_vSwitch",{"op":"update","table":"Port","where":[["name","==","pb"]],"row":{"tag":8}}]'],
                   check=True, capture_output=True)
    assert ping(a, "10.1.1.2")
    host.start_server()
    wait_until(lambda: not ping(a, "10.1.1.2"), "the new VLAN of pb is in force")
    host.vsctl("clear port pb tag")
    assert ping(a, "10.1.1.2")


def test_a_database_that_does_not_answer(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    host.run("ip link add px type veth peer name py")
    host.vsctl("add-port br0 px")
    wait_until(lambda: host.get("Interface", "px", "admin_state") == "down", "its state is written")
    host.server.send_signal(signal.SIGSTOP)
    try:
        late = host.tool("ovs-vsctl", "--timeout=2", "add-br", "late", check=False)
        assert late.returncode != 0, "nobody answers"
        assert ping(a, "10.1.1.2"), "the data plane goes on"
        host.run("ip link set px up")
        assert host.appctl("ofproto/list") == "br0\n"
        host.ofctl("add-flow", "br0", "priority=9,icmp,actions=drop")
        assert not ping(a, "10.1.1.2"), "flows are taken"
        host.ofctl("del-flows", "br0", "icmp")
    finally:
        host.server.send_signal(signal.SIGCONT)
    host.vsctl("add-br br1")
    assert "br1\n" in host.appctl("ofproto/list")
    wait_until(lambda: host.get("Interface", "px", "admin_state") == "up", "what happened meanwhile is told")
    assert ping(a, "10.1.1.2")
    assert "|WARN|" not in host.log_text() and "|ERR|" not in host.log_text()


def test_a_database_that_is_away_for_long(rig):
    """Longer than the first waits between the tries to reach it, of 1 and 2 seconds."""
    host = rig.running()
    a, _ = two_clients(rig, host)
    before = configuration(host)
    host.stop_server()
    for _ in range(20):
        assert ping(a, "10.1.1.2")
        time.sleep(0.2)
    host.run("ip link add px type veth peer name py")
    host.start_server()
    host.vsctl("add-port br0 px")  # waits: the switch is back
    assert host.get("Interface", "px", "ofport") == "3"
    host.vsctl("del-port px")
    assert configuration(host) == before
    assert ping(a, "10.1.1.2")
    assert "|WARN|" not in host.log_text() and "|ERR|" not in host.log_text()


def test_only_one_switch_acts_on_a_database(rig):
    host = rig.running()
    host.vsctl("add-br br0")
    second = host.start([host.program, f"--unixctl={host.dir}/second.ctl", f"--log-file={host.dir}/second.log",
                         f"unix:{host.dir}/db.sock"], env=host.env)
    log = f"{host.dir}/second.log"
    wait_until(lambda: os.path.exists(log) and "another ovs-vswitchd process is running" in open(log).read(),
               "the second one notices")
    assert host.tool("ovs-appctl", "-t", f"{host.dir}/second.ctl", "ofproto/list").stdout == ""
    host.stop_switch()
    wait_until(lambda: host.tool("ovs-appctl", "-t", f"{host.dir}/second.ctl", "ofproto/list").stdout == "br0\n",
               "the lock passes on", 20)
    host.vsctl("add-br br1")
    host._stop(second)


def test_two_switches_on_one_host(rig):
    """With run directories of their own, in one namespace: neither touches what is the other's."""
    one = rig.running()
    a, _ = two_clients(rig, one)
    two = rig.running(beside=one)
    two.vsctl("add-br br1 -- add-port br1 in1 -- set interface in1 type=internal")
    c, d = rig.namespace("c"), rig.namespace("d")
    two.veth("pc", c, "eth0", "10.2.1.1/24")
    two.veth("pd", d, "eth0", "10.2.1.2/24")
    two.vsctl("add-port br1 pc -- add-port br1 pd")
    assert (one.appctl("ofproto/list"), two.appctl("ofproto/list")) == ("br0\n", "br1\n")
    assert ping(a, "10.1.1.2") and ping(c, "10.2.1.2")

    taken = two.tool("ovs-vsctl", "add-port", "br1", "br0", "--", "set", "interface", "br0", "type=internal").stderr
    assert "could not open network device br0 (cannot create tap device br0: the name is taken by another device)" in taken
    assert two.get("Interface", "br0", "ofport") == "-1"
    assert "the name is taken" in one.tool("ovs-vsctl", "add-br", "in1").stderr
    assert "the name is taken" in one.get("Interface", "in1", "error")
    one.vsctl("del-br in1")
    two.vsctl("del-port br0")
    assert {"br0", "br1", "in1"} < set(one.interfaces())

    two.appctl("exit --cleanup")
    assert set(one.interfaces()) == {"lo", "br0", "pa", "pb", "pc", "pd"}
    assert ping(a, "10.1.1.2")
    assert (one.get("Interface", "br0", "error"), one.appctl("ofproto/list")) == ("[]", "br0\n")


def test_exit_with_cleanup_is_answered_when_the_devices_are_gone(rig):
    host = rig.running()
    host.vsctl("add-br", "br0", *(word for n in range(40) for word in
                               ("--", "add-port", "br0", f"in{n}", "--", "set", "interface", f"in{n}", "type=internal")))
    assert len(host.interfaces()) == 1 + 1 + 40
    host.appctl("exit --cleanup")
    assert host.interfaces() == ["lo"]
    assert host.switch.wait(20) == 0
    assert host.get("Interface", "in7", "error") == "[]", "that they went is not told"


def test_exit_does_not_wait_for_clients_that_do_not_read(rig):
    host = rig.running()
    host.vsctl("add-br br0")
    with open(f"{host.dir}/flows", "w", encoding="utf-8") as file:
        file.writelines(f"priority={n},in_port={n},actions=drop\n" for n in range(1, 20001))
    host.ofctl("add-flows", "br0", f"{host.dir}/flows")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{host.dir}/ovs-vswitchd.{host.switch.pid}.ctl")
        client.sendall(b'{"method":"bridge/dump-flows","params":["br0"],"id":0}')
        assert client.recv(100).startswith(b'{')
        host.appctl("exit")
        assert host.switch.wait(20) == 0


@pytest.mark.parametrize("installed", [True, False])
def test_internal_devices_outlive_the_switch(rig, installed):
    """With their addresses, however it ends, unless it is told to clean up; beside the installed ovs-vswitchd."""
    host = rig.running(installed=installed)
    a = rig.namespace("a")
    host.veth("pa", a, "eth0", "10.1.1.1/24")
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 pa "
               "-- add-port br0 in0 -- set interface in0 type=internal -- add-port br0 in1 -- set interface in1 type=internal")
    host.run("ip addr add 10.1.1.3/24 dev br0")
    host.run("ip link set br0 up")
    host.run("ip link set in0 up")
    host.vsctl("set interface in0 mtu_request=1400")
    wait_until(lambda: ping(a, "10.1.1.3"), "the host is reached through its bridge")

    def devices():
        facts = {}
        for name in ("br0", "in0", "in1"):
            index, _, *rest = host.run(f"ip -o link show {name}").stdout.split()
            facts[name] = (index, rest[rest.index("mtu") + 1], rest[rest.index("link/ether") + 1],
                           [word for word in host.run(f"ip -4 -o addr show {name}").stdout.split() if "/" in word])
        return facts

    before, datapath_id = devices(), host.get("Bridge", "br0", "datapath_id")
    assert before["br0"][3] == ["10.1.1.3/24"] and before["in0"][1] == "1400"
    for end in (lambda: host.appctl("exit"), lambda: host.switch.send_signal(signal.SIGTERM),
                lambda: host.switch.send_signal(signal.SIGKILL)):
        end()
        host.switch.wait(20)
        assert devices() == before
        host.start_switch()
        host.vsctl("set bridge br0 external_ids:any=thing")  # the switch has followed
        assert devices() == before
        assert host.get("Bridge", "br0", "datapath_id") == datapath_id
        wait_until(lambda: ping(a, "10.1.1.3"), "the host is reached again")
    host.vsctl("del-port in0")
    assert "in0" not in host.interfaces()
    host.stop_switch()
    host.start_switch()
    host.vsctl("set bridge br0 external_ids:any=more")  # what it has not seen configured it does not remove
    host.vsctl("del-port in1")
    assert {"in0", "in1", "br0"} & set(host.interfaces()) == {"br0"}
    host.vsctl("del-br br0")
    assert "br0" not in host.interfaces()


@pytest.mark.parametrize("there, back", [("br0", "br1"), ("br1", "br0")])
def test_a_port_moves_to_another_bridge_in_one_transaction(rig, there, back):
    host = rig.running()
    a, _ = two_clients(rig, host)
    host.vsctl("add-br br1 -- add-port br0 in0 -- set interface in0 type=internal")
    for bridge, other in ((there, back), (back, there)):
        for name, more in (("pa", ""), ("in0", "-- set interface in0 type=internal")):
            host.vsctl(f"--if-exists del-port {name} -- add-port {bridge} {name} {more}")
            assert host.get("Interface", name, "error") == "[]"
            assert host.vsctl(f"port-to-br {name}") == bridge
            assert f"({name})" in host.ofctl(f"show {bridge}") and f"({name})" not in host.ofctl(f"show {other}")
        if bridge == "br0":  # the client may just have given up asking for the address
            wait_until(lambda: ping(a, "10.1.1.2"), "they are on one bridge")
        else:
            assert not ping(a, "10.1.1.2")


def test_what_the_switch_reports(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    assert host.get("Open_vSwitch", ".", "datapath_types") == "[netdev, system]"
    assert host.get("Open_vSwitch", ".", "dpdk_initialized") == "false"
    assert "internal" in host.get("Open_vSwitch", ".", "iface_types")
    assert host.get("Bridge", "br0", "datapath_version") == '"<built-in>"'
    mac = host.get("Interface", "br0", "mac_in_use").strip('"')
    assert host.get("Bridge", "br0", "datapath_id") == '"0000' + mac.replace(":", "") + '"'
    macs = [host.get("Interface", port, "mac_in_use").strip('"') for port in ("pa", "pb")]
    assert mac == min(macs), "the bridge has the lowest address of its ports"
    host.vsctl("set bridge br0 other_config:hwaddr=02:00:00:00:00:42")
    assert host.get("Bridge", "br0", "datapath_id") == '"0000020000000042"'
    wait_until(lambda: host.get("Interface", "br0", "mac_in_use") == '"02:00:00:00:00:42"', "mac_in_use follows")
    assert host.get("Interface", "pa", "status:driver_name") == "veth"
    host.vsctl("set interface pa mtu_request=1400")
    wait_until(lambda: host.get("Interface", "pa", "mtu") == "1400", "mtu follows mtu_request")
    before = int(host.get("Interface", "pa", "statistics:rx_packets"))
    assert ping(a, "10.1.1.2")
    wait_until(lambda: int(host.get("Interface", "pa", "statistics:rx_packets")) > before, "statistics follow", 15)
    host.run("ip link set pa down")
    wait_until(lambda: host.get("Interface", "pa", "admin_state") == "down", "admin_state follows")
    wait_until(lambda: host.get("Interface", "pa", "link_resets") == "1", "link_resets counts")


def test_zones_and_their_timeouts(rig):
    host = rig.running()
    host.vsctl("-- --id=@dp create Datapath datapath_version=0 -- set Open_vSwitch . datapaths:netdev=@dp")
    host.vsctl("add-zone-tp netdev zone=5 udp_first=1 udp_single=2 icmp_first=3")
    capabilities = host.vsctl("list-dp-cap netdev").replace('"', "").split()
    assert "ct_state=true" in capabilities and "max_vlan_headers=2" in capabilities
    assert "udp_first=1" in host.vsctl("list-zone-tp netdev")


def test_detached_it_answers_when_it_is_configured(rig):
    host = rig.host()
    host.start_server()
    host.vsctl("--no-wait add-br br0")
    done = host.tool(host.program, "--detach", "--pidfile", "--log-file", "--no-chdir")
    assert (done.stdout, done.stderr) == ("", "")
    pid = int(open(f"{host.dir}/ovs-vswitchd.pid", encoding="utf-8").read())
    try:
        assert host.appctl("ofproto/list") == "br0\n", "the parent ended when the configuration was live"
        assert os.path.exists(f"{host.dir}/ovs-vswitchd.{pid}.ctl")
        again = host.tool(host.program, "--detach", "--pidfile", check=False)
        assert again.returncode == 1 and "already running" in again.stderr
    finally:
        host.appctl("exit")
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "it ends")
    assert not [f for f in os.listdir(host.dir) if f.endswith((".ctl", ".mgmt")) and f.startswith("ovs-vs")]
    assert not os.path.exists(f"{host.dir}/ovs-vswitchd.pid")


def test_a_failing_start_passes_its_status_on(rig):
    host = rig.host()
    done = host.tool(host.program, "--detach", "--pidfile=/nonexistent/dir/x.pid", check=False)
    assert done.returncode == 1
    assert "/nonexistent/dir/x.pid" in done.stderr
    assert host.tool(host.program, "--frobnicate", check=False).returncode == 1
    assert host.tool(host.program, "--version").stdout.startswith("ovs-vswitchd (")


def test_the_monitor_brings_it_back(rig):
    host = rig.host()
    host.start_server()
    host.tool(host.program, "--detach", "--monitor", "--pidfile", "--log-file", "--no-chdir")
    a, _ = two_clients(rig, host)
    assert ping(a, "10.1.1.2")

    def pid():
        try:
            return int(open(f"{host.dir}/ovs-vswitchd.pid", encoding="utf-8").read() or 0)
        except FileNotFoundError:
            return 0

    first = pid()
    try:
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pid() not in (0, first), "a new one is there", 30)
        wait_until(lambda: ping(a, "10.1.1.2"), "traffic flows again", 20)
        assert "died, killed (Killed), restarted" in host.log_text()
    finally:
        host.appctl("exit")
    last = pid()
    wait_until(lambda: not os.path.exists(f"{host.dir}/ovs-vswitchd.pid"), f"{last} ends, and its monitor")


def test_openflow_reaches_the_bridge(rig):
    host = rig.running()
    a, _ = two_clients(rig, host)
    assert "actions=NORMAL" in host.ofctl("dump-flows br0")
    assert ping(a, "10.1.1.2")
    host.ofctl("del-flows br0")
    assert not ping(a, "10.1.1.2")
    host.ofctl("add-flow", "br0", "in_port=pa,actions=output:pb")
    host.ofctl("add-flow", "br0", "in_port=pb,actions=output:pa")
    wait_until(lambda: ping(a, "10.1.1.2"), "packets pass by these flows")
    host.vsctl("add-port br0 in0 -- set interface in0 type=internal")
    assert "NORMAL" not in host.ofctl("dump-flows br0"), "a default flow that was deleted does not come back"
    dpid = host.get("Bridge", "br0", "datapath_id").strip('"')
    assert f"dpid:{dpid}" in host.ofctl("show br0")

    host.vsctl("set bridge br0 protocols=OpenFlow13")
    assert host.tool("ovs-ofctl", "-O", "OpenFlow10", "show", "br0", check=False).returncode != 0
    assert host.tool("ovs-ofctl", "-O", "OpenFlow13", "show", "br0").returncode == 0

    host.vsctl("add-br br1 -- set-controller br1 tcp:127.0.0.1:6699 -- set controller br1 max_backoff=1000")
    assert host.get("Controller", "br1", "is_connected") == "false"
    wait_until(lambda: "Connection refused" in host.get("Controller", "br1", "status"), "why it is not is told", 15)


def test_a_database_over_tcp(rig):
    host = rig.host(options=["tcp:127.0.0.1:6640"])
    host.start_server()
    host.tool("ovs-appctl", "-t", f"{host.dir}/ovsdb-server.{host.server.pid}.ctl", "ovsdb-server/add-remote",
              "ptcp:6640:127.0.0.1")
    host.start_switch()
    host.vsctl("add-br br0")
    assert host.appctl("ofproto/list") == "br0\n"


COMMANDS = """
add-br br0 -- set bridge br0 datapath_type=netdev
add-br br0
--may-exist add-br br0
del-br nope
add-port br0 nope0
add-port br0 va
add-port br0 va
add-port br0 in0 -- set interface in0 type=internal
add-port br0 odd -- set interface odd type=foo
add-port br0 pp -- set interface pp type=patch
add-port br0 tun -- set interface tun type=vxlan
list-br
list-ports br0
list-ifaces br0
port-to-br in0
iface-to-br va
get interface br0 ofport
get interface nope0 ofport error link_state mtu statistics
get interface va ofport error admin_state link_state mtu link_resets duplex link_speed status:driver_name ifindex
get interface in0 ofport error admin_state link_state mtu duplex link_speed status mac_in_use
set interface in0 ofport_request=12
get interface in0 ofport
set interface in0 mtu_request=1300 mac="02\\:00\\:00\\:00\\:00\\:77"
get interface in0 mac
set-fail-mode br0 secure
get-fail-mode br0
set bridge br0 other_config:datapath-id=00000000000000aa
get bridge br0 datapath_id datapath_version
set bridge br0 other_config:hwaddr=02:00:00:00:00:99
get open_vswitch . dpdk_initialized dpdk_version cur_cfg next_cfg
del-port br0 va
del-port br0 va
--if-exists del-port br0 va
get interface in0 ofport
del-br br0
list-br
"""


def test_the_same_commands_have_the_same_answers(rig):
    """Beside the installed ovs-vswitchd; directories and ids of devices masked."""
    answers = []
    for installed in (True, False):
        host = rig.running(installed=installed)
        host.run("ip link add va address 02:00:00:00:00:01 type veth peer name vb")
        for end in ("va", "vb"):
            host.run(f"ip link set {end} up")
        answers.append([])
        for command in COMMANDS.split("\n"):
            done = host.tool("ovs-vsctl", "--timeout=30", *command.replace('"', "").split(), check=False)
            text = (done.stdout + done.stderr).replace(host.dir, "DIR")
            if "mac_in_use" in command:
                text = text.rsplit("\n", 2)[0]  # of a TAP device: the kernel's choice
            answers[-1].append((command, done.returncode, text))
    assert answers[1] == answers[0]
