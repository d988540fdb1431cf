"""What a switch writes into its database, column by column, beside the installed ovs-vswitchd with the same configuration.
Columns that differ are listed here, with a reason; docs/differences.md has those that a user may notice."""

import json

import pytest

from database import both_hosts
from net import wait_until

# Values that differ from run to run, or on purpose. A column that is a map: only these of its keys.
DIFFERENT = {
    ("Interface", "ifindex"): "the kernel's choice",
    ("Interface", "mac_in_use"): "the kernel's choice, or made from the row's id",
    ("Port", "bond_active_slave"): "00:00:00:00:00:00 there while no member is active",
    ("Datapath", "datapath_version"): "empty there",
    ("Datapath", "capabilities"): {
        "add_mpls", "ct_eventmask", "lb_output_action", "max_hash_alg", "max_vlan_headers", "nd_ext", "sample_nesting",
        "psample", "tnl_push_pop"},
    ("Open_vSwitch", "iface_types"): "tunnels and AF_XDP",
    ("Open_vSwitch", "ovs_version"): "filled in where nobody did", ("Open_vSwitch", "db_version"): "as above",
    ("Open_vSwitch", "system_type"): "as above", ("Open_vSwitch", "system_version"): "as above",
    ("Port", "status"): {"stp_sec_in_state"},
    ("Controller", "status"): {"sec_since_disconnect"},
}
COUNTERS = {("Interface", "statistics"), ("Port", "statistics"), ("Mirror", "statistics")}  # which there are, not how many
DUMMY_COUNTERS = ("rx_custom", "rx_q", "tx_q", "rx_dropped", "rx_errors", "tx_dropped", "tx_errors")

CONFIGURATION = [
    "add-br br0 -- set bridge br0 datapath_type=netdev other_config:hwaddr=02:00:00:00:00:01",
    "add-port br0 v0 -- set interface v0 ofport_request=1",
    "add-port br0 in0 -- set interface in0 type=internal mac=\"02:00:00:00:00:09\" ofport_request=2",
    "add-port br0 t0 -- set interface t0 type=tap ofport_request=3",
    "add-port br0 d0 -- set interface d0 type=dummy ofport_request=4",
    "add-port br0 pa -- set interface pa type=patch options:peer=pb ofport_request=5",
    "add-port br0 gone -- set interface gone ofport_request=77",
    "add-port br0 bad -- set interface bad type=nosuch",
    "add-bond br0 bo e0 e1 -- set interface e0 type=dummy ofport_request=6 -- set interface e1 type=dummy ofport_request=7 "
    "-- set port bo lacp=active bond_mode=balance-slb",
    "--id=@d get port d0 -- --id=@m create mirror name=m0 select-all=true output-port=@d -- set bridge br0 mirrors=@m",
    "add-br br1 -- set bridge br1 datapath_type=netdev other_config:hwaddr=02:00:00:00:00:02 fail_mode=secure "
    "-- add-port br1 pb -- set interface pb type=patch options:peer=pa ofport_request=1",
    "--id=@c create controller target=\"ptcp:0:127.0.0.1\" -- add bridge br1 controller @c",
    "add-br br2 -- set bridge br2 datapath_type=netdev stp_enable=true other_config:hwaddr=02:00:00:00:00:03 "
    "-- add-port br2 s0 -- set interface s0 type=dummy ofport_request=1",
    "add-br br3 -- set bridge br3 datapath_type=netdev other_config:hwaddr=02:00:00:00:00:04 -- add-port br3 i3 "
    "-- set interface i3 type=internal ingress_policing_rate=1000 ingress_policing_burst=100 ofport_request=9",
    "--id=@d create datapath datapath_version=\"\" -- set open_vswitch . datapaths:netdev=@d",
]


def value(datum):
    if isinstance(datum, list) and datum[0] == "map":
        return dict(datum[1])
    if isinstance(datum, list) and datum[0] == "set":
        return sorted(map(str, datum[1]))
    return datum


def rows_of(host):
    """(table, row's name): columns; references to rows left out."""
    text = host.tool("ovsdb-client", "--format=json", "dump").stdout
    decoder, rows = json.JSONDecoder(), {}
    for line in filter(None, text.splitlines()):
        table, _ = decoder.raw_decode(line)
        name = table["caption"].split()[0]
        for data in table["data"]:
            columns = {key: value(datum) for key, datum in zip(table["headings"], data)
                       if "uuid" not in json.dumps(datum) and key != "_uuid"}
            rows[name, columns.get("name") or columns.get("target") or ""] = columns
    return rows


def configure(host):
    host.run("ip link add v0 type veth peer name v0p")
    for end in ("v0", "v0p"):
        host.run(f"ip link set {end} up")
    for command in CONFIGURATION:
        host.tool("ovs-vsctl", "--timeout=30", *command.split(), check=False)
    host.run("ip link set br0 up")
    host.run("ip link set in0 up")
    wait_until(lambda: "tx_packets" in host.get("Mirror", "m0", "statistics")
               and host.get("Interface", "in0", "link_state") == "up" and host.get("Interface", "br0", "link_state") == "up"
               and "stp_tx_count" in host.get("Port", "s0", "statistics")
               and "forwarding" in host.get("Port", "s0", "status"), "the status is written", 60)


@pytest.fixture(name="hosts", scope="module")
def configured_hosts():
    yield from both_hosts(configure, options=["--enable-dummy"])


def test_every_column_is_as_ovs_vswitchd_writes_it(hosts):
    theirs, ours = (rows_of(host) for host in hosts)
    assert theirs.keys() == ours.keys() and len(theirs) > 25
    found = []
    for row, columns in theirs.items():
        for column, expected in columns.items():
            listed = DIFFERENT.get((row[0], column))
            if isinstance(listed, str) or column not in ours[row]:
                continue
            actual = ours[row][column]
            if isinstance(listed, set):
                expected, actual = ({k: v for k, v in m.items() if k not in listed} for m in (expected, actual))
            if (row[0], column) in COUNTERS:
                skipped = DUMMY_COUNTERS if columns.get("type") == "dummy" else ()
                expected, actual = (sorted(k for k in m if not k.startswith(skipped)) for m in (expected, actual))
            if expected != actual:
                found.append(f"{row} {column}: {expected} there, {actual} here")
    assert not found, "\n".join(found)
