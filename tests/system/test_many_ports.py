"""Two bridges with 200 ports, made, changed and removed by ovs-vsctl: beside the installed ovs-vswitchd, and through restarts."""

import difflib

import pytest

from database import both_hosts
from net import wait_until

BRIDGES = ("br0", "br1")
EACH = 100


def ports(bridge):
    return [f"{bridge[2:]}p{n}" for n in range(EACH)]


@pytest.fixture(name="hosts")
def running_hosts():
    yield from both_hosts()


def state(host):
    """What both must have made of the same commands. Which of the ports of one transaction gets which number is nobody's
    promise: as many as there are ports."""
    rows = host.vsctl("--columns=name,type,mtu,error", "list", "interface").split("\n\n")
    vlans = host.vsctl("--columns=name,tag,trunks,vlan_mode", "list", "port").split("\n\n")
    devices = sorted(name for name in host.interfaces() if name not in ("lo", "ovs-netdev"))
    shown = {bridge: sorted(line.strip() for line in host.ofctl("dump-ports-desc", bridge).splitlines() if "addr:" in line)
             for bridge in host.vsctl("list-br").split()}
    for bridge, lines in shown.items():
        numbers = {line.split("(")[0] for line in lines}
        assert len(numbers) == len(lines), "each port has a number of its own"
        shown[bridge] = sorted(line.split("(")[1].split(")")[0] for line in lines)
    return {"rows": sorted(rows), "vlans": sorted(vlans), "devices": devices, "openflow": shown}


def on_both(hosts, *words):
    for host in hosts:
        host.vsctl(*words)
    theirs, ours = (state(host) for host in hosts)
    for name, value in ours.items():
        lines = difflib.unified_diff(str(theirs[name]).split(","), str(value).split(","), "ovs-vswitchd", "Sluice", n=1)
        assert theirs[name] == value, "\n".join(lines)
    return ours


def test_two_bridges_and_two_hundred_ports(hosts):
    adding = []
    for bridge in BRIDGES:
        adding += ["--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"]
        for port in ports(bridge):
            adding += ["--", "add-port", bridge, port, "--", "set", "interface", port, "type=internal"]
    made = on_both(hosts, *adding)
    assert len(made["devices"]) == 2 * (EACH + 1)

    # Without it the installed one gives the bridge's own device the least MTU of its ports (docs/differences.md).
    changing = ["--", "set", "interface", "br0", "mtu_request=1500"]
    for n, port in enumerate(ports("br0")):
        changing += ["--", "set", "port", port, f"tag={n + 1}", "--", "set", "interface", port, f"mtu_request={1300 + n}"]
    for n, port in enumerate(ports("br1")[:10]):
        changing += ["--", "set", "interface", port, f"ofport_request={1000 + n}"]
    changed = on_both(hosts, *changing)
    assert changed["rows"] != made["rows"]
    for host in hosts:
        assert host.get("Interface", ports("br1")[9], "ofport") == "1009"

    removing = [word for bridge in BRIDGES for port in ports(bridge)[::2] for word in ("--", "del-port", bridge, port)]
    assert len(on_both(hosts, *removing)["devices"]) == 2 + EACH

    # Both sides of Sluice restart: what it makes of the database is the same.
    ours = hosts[1]
    before, numbers = state(ours), ours.vsctl("--columns=name,ofport", "list", "interface").split("\n\n")
    ours.stop_switch()
    ours.stop_server()
    ours.start_server()
    ours.start_switch()
    ours.wait_for_bridges(*BRIDGES)
    wait_until(lambda: state(ours) == before, "the configuration is as before", 30)
    assert sorted(ours.vsctl("--columns=name,ofport", "list", "interface").split("\n\n")) == sorted(numbers)

    assert on_both(hosts, "del-br", "br0")["openflow"].keys() == {"br1"}
    assert on_both(hosts, "del-br", "br1")["devices"] == []
