"""Options of Open_vSwitch, Bridge and Controller rows that change what a switch does or says, beside the installed
ovs-vswitchd."""

import re

import pytest

from database import DatabaseHost, both_hosts
from net import wait_until
from openflow_wire import OF14, Peer, bundle_control


@pytest.fixture(name="hosts", scope="module")
def hosts_with_a_bridge():
    yield from both_hosts(lambda host: host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev"),
                          options=["--enable-dummy"])


def test_what_a_bridge_says_of_itself(hosts):
    def descriptions():
        return [re.sub("Software: .*", "", host.ofctl("-O", "OpenFlow13", "dump-desc", "br0")) for host in hosts]

    theirs, ours = descriptions()
    assert ours == theirs and "DP Description: None" in ours
    for description, serial in (("switch 3 in room 3120", "17"), ("d" * 300, "s" * 40)):
        for host in hosts:
            host.vsctl("set", "bridge", "br0", f"other_config:dp-desc={description}", f"other_config:dp-sn={serial}")
        theirs, ours = descriptions()
        assert ours == theirs and description[:255] in ours and serial[:31] in ours
    for host in hosts:
        host.vsctl("remove bridge br0 other_config dp-desc -- remove bridge br0 other_config dp-sn")
    theirs, ours = descriptions()
    assert ours == theirs and "Serial Num: None" in ours


def statistics(host):
    text = host.vsctl("get Open_vSwitch . statistics")
    return dict(re.findall('([^ ,{]+)="([^"]*)"', text))


def test_statistics_of_the_machine(hosts):
    assert [statistics(host) for host in hosts] == [{}, {}]
    for host in hosts:
        host.vsctl("set Open_vSwitch . other_config:enable-statistics=true")
    for host in hosts:
        wait_until(lambda host=host: statistics(host), "statistics are written", 30)
    theirs, ours = (statistics(host) for host in hosts)
    assert ours.keys() == theirs.keys() >= {"cpu", "load_average", "memory", "process_ovs-vswitchd", "process_ovsdb-server"}
    assert ours["cpu"] == theirs["cpu"]
    assert ours["memory"].split(",")[0] == theirs["memory"].split(",")[0]
    for key in ("load_average", "memory", "process_ovs-vswitchd", "process_ovsdb-server"):
        assert ours[key].count(",") == theirs[key].count(","), key
    mine = [int(number) for number in ours["process_ovs-vswitchd"].split(",")]
    status = open(f"/proc/{hosts[1].switch.pid}/status", encoding="ascii").read()
    assert abs(mine[0] - int(re.search("VmSize:\\s*(\\d+)", status)[1])) < 100_000 and 0 < mine[1] < mine[0]
    assert mine[3] == 0 and mine[4] == mine[5] > 0
    assert [place.split(",")[0] for place in ours["file_systems"].split()] == [
        place.split(",")[0] for place in theirs["file_systems"].split()]
    assert hosts[1].tool("ovs-appctl", "version").returncode == 0, "the pid file is locked still"
    for host in hosts:
        host.vsctl("remove Open_vSwitch . other_config enable-statistics")
    for host in hosts:
        wait_until(lambda host=host: not statistics(host), "statistics are taken away", 30)


def test_kinds_of_controllers(hosts):
    """fail_mode is about primary controllers: where there is one, no flow is there without it."""
    kinds = [("ptcp:0:127.0.0.1", "[]"), ("ptcp:0:127.0.0.1", "service"), ("ptcp:0:127.0.0.1", "primary"),
             ("tcp:127.0.0.1:1", "[]"), ("tcp:127.0.0.1:1", "service"), ("tcp:127.0.0.1:1", "primary")]
    for target, kind in kinds:
        flows = []
        for host in hosts:
            host.vsctl("del-controller br0")
            host.ofctl("del-flows br0")
            host.vsctl("set-fail-mode br0 secure")
            host.vsctl(f"set-controller br0 {target} -- set-fail-mode br0 standalone -- set controller br0 type={kind}")
            flows.append(host.ofctl("--no-stats", "dump-flows", "br0"))
        assert flows[0] == flows[1], (target, kind)
    for host in hosts:
        host.vsctl("del-controller br0 -- del-fail-mode br0")


# Says hello in OpenFlow 1.0, and nothing more.
SILENT_CONTROLLER = """
import socket
server = socket.create_server(("127.0.0.1", 6653))
while True:
    client, _ = server.accept()
    client.send(bytes.fromhex("0100000800000001"))
    while client.recv(65536):
        pass
"""


def test_rate_limits_of_controllers_are_accounted_for(hosts):
    def status(host):
        return dict(re.findall('([a-z-]+)="?([A-Z0-9]+)', host.vsctl("--columns=status list controller")))

    for host in hosts:
        host.start(["/usr/bin/python3", "-c", SILENT_CONTROLLER])
        host.vsctl("set-controller br0 tcp:127.0.0.1:6653 -- set controller br0 controller_rate_limit=200 inactivity_probe=0")
    for host in hosts:
        wait_until(lambda host=host: status(host).get("packet-in-miss-backlog") == "0", "the status is written", 30)
    theirs, ours = ({key: value for key, value in status(host).items() if "packet-in" in key} for host in hosts)
    assert ours.keys() == theirs.keys() and len(ours) == 8
    for host in hosts:
        host.vsctl("del-controller br0")


def test_megaflows_stay_as_long_as_max_idle_says(hosts):
    ours = hosts[1]
    ours.vsctl("add-br br1 -- set bridge br1 datapath_type=netdev")
    for name in ("p1", "p2"):
        ours.vsctl(f"add-port br1 {name} -- set interface {name} type=dummy ofport_request={name[1]}")
    ours.appctl("time/stop")

    def left_after(ms):
        ours.appctl("revalidator/purge")
        ours.appctl("netdev-dummy/receive", "p1",
                    "in_port(1),eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x1234)")
        assert "eth_type(0x1234)" in ours.appctl("dpctl/dump-flows")
        ours.appctl("time/warp", str(ms), "500")
        return "eth_type(0x1234)" in ours.appctl("dpctl/dump-flows")

    assert left_after(8000) and not left_after(13000)
    ours.vsctl("set Open_vSwitch . other_config:max-idle=60000")
    assert left_after(50000)
    ours.vsctl("set Open_vSwitch . other_config:max-idle=1")
    assert not left_after(3000)
    ours.vsctl("remove Open_vSwitch . other_config max-idle")
    assert left_after(8000)


def test_bundles_that_are_let_lie(hosts):
    """From when it was opened, added to or closed a bundle has the time that the database gives it."""
    said = []
    for host in hosts:
        host.appctl("time/stop")
        host.vsctl("set Open_vSwitch . other_config:bundle-idle-timeout=60")
        with Peer(f"{host.dir}/br0.mgmt", OF14) as peer:
            heard = []

            def ends(peer=peer, heard=heard):
                heard.extend(peer.exchange(b""))
                return heard

            for idle, left in (("60", 50000), ("0", 8000), ("x", 8000), ("3", 2000)):
                host.vsctl("set", "Open_vSwitch", ".", f"other_config:bundle-idle-timeout={idle}")
                for again in (b"", bundle_control(OF14, 7, 2)):  # it is closed
                    answer = peer.exchange(again or bundle_control(OF14, 7, 0))
                    assert len(answer) == 1
                    host.appctl("time/warp", str(left), "500")
                    assert peer.exchange(b"") == [], f"bundle-idle-timeout={idle}"
                host.appctl("time/warp", "60000", "500")
                wait_until(ends, "the bundle was discarded", 30)
                said.append((host.installed, idle, heard[:]))
                heard.clear()
        host.vsctl("remove Open_vSwitch . other_config bundle-idle-timeout")
    theirs = [said_of for installed, *said_of in said if installed]
    ours = [said_of for installed, *said_of in said if not installed]
    assert ours == theirs and len(theirs) == 4 and all(len(errors) == 1 for _, errors in theirs)


@pytest.mark.parametrize("installed", [True, False])
def test_flows_are_put_back_before_packets_are_looked_at(installed):
    host = DatabaseHost(installed=installed, options=["--enable-dummy=override"])
    try:
        host.start_server()
        host.start_switch()
        host.vsctl("add-br br0")
        for name in ("p1", "p2"):
            host.vsctl(f"add-port br0 {name} -- set interface {name} type=dummy ofport_request={name[1]}")
        if not installed:  # there, flows go when a controller is configured
            host.vsctl("set-controller br0 tcp:127.0.0.1:1")
        host.stop_switch()
        host.vsctl("--no-wait set Open_vSwitch . other_config:flow-restore-wait=true")
        host.start_switch()
        host.wait_for_bridges("br0")
        host.ofctl("add-flow br0 in_port=1,actions=output:2")

        def packets():
            host.appctl("netdev-dummy/receive", "p1", "in_port(1),eth(),eth_type(0x1234)")
            host.appctl("revalidator/purge")
            return [int(n) for n in re.findall("in_port=1.*n_packets=(\\d+)|n_packets=(\\d+).*in_port=1",
                                               host.ofctl("dump-flows br0"))[0] if n][0]

        assert [packets() for _ in range(3)] == [0, 0, 0]
        if not installed:
            assert host.vsctl("get controller br0 status") == "{}", "nobody has tried to connect"
        host.vsctl("remove Open_vSwitch . other_config flow-restore-wait")
        wait_until(lambda: packets() > 0, "packets are looked at", 20)
        if not installed:
            wait_until(lambda: "BACKOFF" in host.vsctl("get controller br0 status"), "the controller is looked for")
        # Whoever says so later has nothing to put back.
        host.vsctl("set Open_vSwitch . other_config:flow-restore-wait=true")
        before = packets()
        wait_until(lambda: packets() > before, "packets are looked at", 20)
    finally:
        host.close()
