"""Zones of the connection tracker as the database has them: limits, with the columns of Open vSwitch 3.4, and timeouts,
beside the installed ovs-vswitchd."""

import json
import re

import pytest

from database import SCHEMA, DatabaseHost, both_hosts

REFUSED = ("ovs-vswitchd: the zone limits are set via database, use 'ovs-vsctl set-zone-limit <...>' instead. "
           "(Operation not permitted)\n")


def schema_with_limits():
    """The installed schema with the columns that 3.4 added."""
    with open(SCHEMA, encoding="utf-8") as file:
        schema = json.load(file)
    schema.pop("cksum", None)
    limit = {"type": {"key": {"type": "integer", "minInteger": 0, "maxInteger": 4294967295}, "min": 0, "max": 1}}
    schema["tables"]["Datapath"]["columns"]["ct_zone_default_limit"] = limit
    schema["tables"]["CT_Zone"]["columns"]["limit"] = limit
    return json.dumps(schema)


def add_ports(host):
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")
    for name in ("p1", "p2"):
        host.vsctl(f"add-port br0 {name} -- set interface {name} type=dummy ofport_request={name[1]}")
    for zone in (3, 4, 5):
        host.ofctl("add-flow", "br0", f"in_port=1,udp,tp_dst={zone},actions=ct(commit,zone={zone}),2")
    host.vsctl("-- --id=@dp create Datapath datapath_version=0 -- set Open_vSwitch . datapaths:netdev=@dp")


def send(host, zone, source):
    host.appctl("netdev-dummy/receive", "p1", "in_port(1),eth(src=50:54:00:00:00:01,dst=50:54:00:00:00:02),eth_type(0x0800),"
                f"ipv4(src=10.0.0.{source},dst=10.0.1.1,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst={zone})")


@pytest.fixture(name="limited")
def host_with_columns_for_limits():
    host = DatabaseHost(options=["--enable-dummy"], schema=schema_with_limits())
    try:
        host.start_server()
        host.start_switch()
        add_ports(host)
        yield host
    finally:
        host.close()


def transact(host, *operations):
    """Done when the switch has followed."""
    done = host.tool("ovsdb-client", "transact", f"unix:{host.dir}/db.sock", json.dumps(["Open_vSwitch", *operations]))
    results = json.loads(done.stdout)
    assert not any("error" in result for result in results if result), done.stdout
    host.vsctl("set open_vswitch . external_ids:seen=yes -- remove open_vswitch . external_ids seen")


def update(table, row, where=()):
    return {"op": "update", "table": table, "where": list(where), "row": row}


def add_zones(limits):
    """Zones with limits, None for one without."""
    zones = [{"op": "insert", "table": "CT_Zone", "uuid-name": f"zone{zone}", "row": {} if limit is None else {"limit": limit}}
             for zone, limit in limits.items()]
    references = ["map", [[zone, ["named-uuid", f"zone{zone}"]] for zone in limits]]
    return [*zones, update("Datapath", {"ct_zones": references})]


def test_limits_of_the_database_are_in_force_and_not_for_commands(limited):
    host = limited

    def limits(*words):
        return host.appctl("dpctl/ct-get-limits", *words)

    def refusals():
        return [host.tool("ovs-appctl", *words.split(), check=False) for words in
                ("dpctl/ct-set-limits zone=3,limit=9", "dpctl/ct-set-limits default=5", "dpctl/ct-del-limits zone=3",
                 "dpctl/ct-del-limits zone=9")]

    host.appctl("dpctl/ct-set-limits", "zone=9,limit=9")
    transact(host, *add_zones({3: 2, 4: None}))
    assert limits() == "default limit=0\nzone=3,limit=2,count=0\nzone=9,limit=9,count=0\n"
    for source in range(1, 5):
        send(host, 3, source)
        send(host, 4, source)
    assert limits("zone=3,4") == "default limit=0\nzone=3,limit=2,count=2\nzone=4,limit=0,count=4\n"
    assert all(done.returncode == 2 and done.stderr.startswith(REFUSED) for done in refusals())
    assert limits("zone=3") == "default limit=0\nzone=3,limit=2,count=2\n"

    # Another limit, then the default alone, then none.
    transact(host, update("CT_Zone", {"limit": 3}, [["limit", "==", 2]]))
    send(host, 3, 5)
    send(host, 3, 6)
    assert limits("zone=3") == "default limit=0\nzone=3,limit=3,count=3\n"
    transact(host, update("CT_Zone", {"limit": ["set", []]}), update("Datapath", {"ct_zone_default_limit": 5}))
    assert limits() == "default limit=5\nzone=9,limit=9,count=0\n"
    for source in range(7, 11):
        send(host, 3, source)
    assert limits("zone=3") == "default limit=5\nzone=3,limit=5,count=5\n"
    assert all(done.returncode == 2 and done.stderr.startswith(REFUSED) for done in refusals())
    transact(host, update("Datapath", {"ct_zone_default_limit": ["set", []]}))
    assert limits() == "default limit=0\nzone=9,limit=9,count=0\n"
    assert all(done.returncode == 0 for done in refusals())
    assert limits() == "default limit=5\n"


@pytest.fixture(name="hosts", scope="module")
def hosts_with_ports():
    yield from both_hosts(add_ports, options=["--enable-dummy"])


def timeouts_after(host, source):
    """Seconds that are left to the connections of zone 5, by source, when another packet has come from one."""
    send(host, 5, source)
    found = re.findall(r"orig=\(src=10.0.0.(\d+),.*timeout=(\d+)", host.appctl("dpctl/dump-conntrack", "-s", "zone=5"))
    return [int(seconds) for _, seconds in sorted(found, key=lambda row: int(row[0]))]


# What is done, from which source a packet comes then, and what is left to the connections of all sources: there, where the
# policy under which a connection was made stays its own, and here, where the zone's is in force for all (docs/differences.md).
STEPS = [
    ("", 1, [60], [60]),
    ("add-zone-tp netdev zone=5 udp_first=100 udp_single=200 icmp_first=7", 2, [60, 100], [100, 100]),
    ("", 2, [60, 200], [100, 200]),
    ("warp 29900", 3, [30, 170, 100], [70, 170, 100]),
    ("set CT_Timeout_Policy POLICY timeouts:udp_first=120 timeouts:udp_single=220", 4, [30, 170, 100, 120], [90, 190, 120, 120]),
    ("del-zone-tp netdev zone=5", 5, [30, 170, 100, 120, 60], [30, 30, 60, 60, 60]),
    ("add-zone-tp netdev zone=5 udp_first=50 udp_single=80", 6, [30, 170, 100, 120, 60, 50], [20, 50, 50, 50, 50, 50]),
]


def test_timeouts_of_the_database_are_in_force(hosts):
    for host in hosts:
        host.appctl("time/stop")
        for step, source, theirs, ours in STEPS:
            policy = host.vsctl("--bare --columns=_uuid list CT_Timeout_Policy")
            if step.startswith("warp"):
                host.appctl("time/warp", step.split()[1])
            elif step:
                host.vsctl(step.replace("POLICY", policy))
            assert timeouts_after(host, source) == (theirs if host.installed else ours), step
