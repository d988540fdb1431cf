"""The control socket beside the installed ovs-vswitchd's: every command that list-commands shows there, without arguments, with
too many, and with wrong ones, is answered the same; what Sluice does not have is listed here, and in docs/ovs-vswitchd.md."""

import re

import pytest

from compare import difference, run
from database import both_hosts
from net import ROOT, wait_until

# Commands that Sluice lacks, by family: what they are about is not there.
ABSENT = {
    "dpctl/add-": "datapaths come from the database, megaflows from translation", "dpctl/mod-": "as dpctl/add-",
    "dpctl/del-dp": "as dpctl/add-", "dpctl/del-if": "as dpctl/add-", "dpctl/set-if": "as dpctl/add-",
    "dpctl/normalize-actions": "tests of Open vSwitch itself", "dpctl/parse-actions": "tests of Open vSwitch itself",
    "dpif-netdev/dpif-impl-": "implementations to choose from", "dpif-netdev/miniflow-": "as above",
    "dpif-netdev/subtable-": "as above", "odp-execute/": "as above",
    "dpif-netdev/pmd-rxq-rebalance": "ports stay with their threads",
    "dpif-netlink/": "the kernel's datapath",
    "upcall/enable-ufid": "megaflows are dumped whole", "upcall/disable-ufid": "as above",
}

# Arguments that are wrong or that every command takes, tried with each command.
WRONG = [[], ["bogus"], ["br0"], ["bogus", "bogus"], ["br0", "bogus"], ["netdev@ovs-netdev"],
         ["netdev@ovs-netdev", "bogus"], ["bogus", "bogus", "bogus"], ["--bogus"], ["1", "2", "3", "4", "5", "6", "7", "8"]]

# Sluice takes more: docs/differences.md.
LONGER = {"dpctl/ct-del-limits", "dpctl/flush-conntrack", "dpctl/ipf-get-status"}

# Answers that differ on purpose, or that say what differs from process to process.
DIFFERENT = {
    "exit": "ends the process",
    "list-commands": "compared by itself", "dpctl/list-commands": "lists what there is",
    "version": "names the program",
    "memory/show": "counts what the program is made of", "coverage/show": "as above", "vlog/list": "lists modules",
    "vlog/list-pattern": "syslog's pattern depends on OVS_SYSLOG_METHOD there", "vlog/set": "any module is accepted", "vlog/enable-rate-limit": "as above", "vlog/disable-rate-limit": "as above",
    "upcall/show": "limits and threads differ; its form is compared below",
    "dpif-netdev/pmd-stats-show": "the counters' names are the same, the caches are not",
    "dpif-netdev/pmd-rxq-show": "shows what the main thread receives from, too", "dpctl/del-flows": "no files of megaflows",
    "ofproto/trace": "compared below, errors name the place", "ofproto/trace-packet-out": "as above",
    "dpif/set-dp-features": "features stay", "dpif/show-dp-features": "features differ",
    "bond/hash": "a hash of our own", "qos/show-types": "none for internal ports",
}


def add_bridge(host):
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")


def add_dummies(host):
    add_bridge(host)
    host.vsctl("add-br br1 -- set bridge br1 datapath_type=netdev")
    for name in ("p1", "p2", "p3"):
        host.vsctl(f"add-port br1 {name} -- set interface {name} type=dummy ofport_request={name[1]}")


@pytest.fixture(name="hosts", scope="module")
def hosts_with_a_bridge():
    yield from both_hosts(add_bridge)


def commands_of(host):
    return {line.split()[0]: " ".join(line.split()[1:]) for line in host.appctl("list-commands").splitlines()[1:]}


def without_hidden(text):
    """Table 254 has flows of its own there."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("table_id=254,"))


def is_absent(name):
    return any(name.startswith(prefix) for prefix in ABSENT)


def test_nothing_is_missing_that_is_not_listed(hosts):
    theirs, ours = (commands_of(host) for host in hosts)
    missing = {name for name in theirs if name not in ours}
    assert not {name for name in missing if not is_absent(name)}
    documented = open(f"{ROOT}/docs/ovs-vswitchd.md", encoding="utf-8").read()
    assert not {name for name in missing if name.split("/")[0] + "/" not in documented}


def test_right_and_wrong_arguments_are_answered_the_same(hosts):
    theirs, ours = (commands_of(host) for host in hosts)
    both = [name for name in theirs if name in ours and name not in DIFFERENT.keys() | LONGER]
    assert len(both) > 30
    differences = []
    for name in both:
        for words in WRONG:
            if words and words[0].startswith("-"):  # an option must not be taken for one of ovs-appctl's
                words = ["--", *words]
            command = ["ovs-appctl", name, *words]
            answers = [without_hidden(run(host, command)) for host in hosts]
            if hosts[0].switch.poll() is not None:  # the installed one aborted
                hosts[0].start_switch()
                hosts[0].vsctl("set Open_vSwitch . external_ids:again=yes")  # waits: it has its bridges again
                continue
            # A datapath that does not exist is refused, whatever else is said: the other may act on the one that does.
            if "datapath not found" in answers[1] and words and words[0] != "netdev@ovs-netdev":
                continue
            differences.append(difference(command, *answers))
    found = [text for text in differences if text]
    assert not found, f"{len(found)} of {len(differences)} calls\n" + "\n".join(found)


def test_a_number_of_arguments_is_checked_alike(hosts):
    """Also of commands whose answers differ."""
    theirs, ours = (commands_of(host) for host in hosts)
    both = [name for name in theirs if name in ours and name not in LONGER | {"exit"}]
    many = [str(n) for n in range(12)]
    found = []
    for name in both:
        answers = [run(host, ["ovs-appctl", name, *many]) for host in hosts]
        if "takes at most" in answers[0]:
            found.append(difference([name, "..."], *answers))
    assert not any(found), "\n".join(text for text in found if text)


def both(hosts, *words):
    return [run(host, ["ovs-appctl", *words]) for host in hosts]


def assert_alike(hosts, commands, normal=lambda text: text):
    found = []
    for command in commands:
        words = command.split() if isinstance(command, str) else list(command)
        found.append(difference(words, *(normal(text) for text in both(hosts, *words))))
    assert not any(found), "\n".join(text for text in found if text)


def test_routes_and_neighbours_of_tunnels(hosts):
    for host in hosts:
        host.run("ip link set lo up")
        host.run("ip link set br0 up")
        host.run("ip addr add 10.1.0.1/24 dev br0")
        host.run("ip addr add fd00::1/64 dev br0 nodad")
        host.run("ip route add 10.9.0.0/16 via 10.1.0.254")
        host.run("ip -6 route add fd09::/64 via fd00::fe")
        wait_until(lambda: "fd09::/64" in host.appctl("ovs/route/show"), "the route is known")

    def normal(text):
        # Rows of a hash table; the kernel chooses the link-local address.
        return "\n".join(sorted(line for line in text.splitlines() if "fe80" not in line))

    assert_alike(hosts, [
        "ovs/route/show", "ovs/route/lookup 10.1.0.5", "ovs/route/lookup 10.9.0.5", "ovs/route/lookup fd09::5",
        "ovs/route/lookup 11.0.0.1", "ovs/route/lookup 127.0.0.1", "ovs/route/lookup ::1", "ovs/route/lookup 1.1.1.1/32",
        "ovs/route/lookup 1.1.1.0/24", "ovs/route/lookup 10.1.0.5 pkt_mark=1", "ovs/route/lookup 10.1.0.5 pkt_mark=x",
        "ovs/route/add 10.20.0.0/16 br0", "ovs/route/add 10.1.0.0/16 br0", "ovs/route/add 10.1.0.0/16 br0",
        "ovs/route/add 10.21.0.0/16 br0 10.1.0.77", "ovs/route/add 10.21.0.0/16 br0 10.1.0.77 pkt_mark=5",
        "ovs/route/add 10.1.0.0/28 br0 pkt_mark=0x10", "ovs/route/add 10.23.0.0/16 nosuch",
        "ovs/route/add 10.24.0.0 br0", "ovs/route/add 10.26.0.0/33 br0", "ovs/route/add 10.1.0.9/255.255.255.0 br0",
        "ovs/route/add 10.28.0.0/16 br0 bogus", "ovs/route/add 10.28.0.0/16 br0 192.168.0.1",
        "ovs/route/add 10.28.0.0/16 br0 10.1.0.9 bogus", "ovs/route/add 10.28.0.0/16 br0 fd00::1",
        "ovs/route/add fd34::/64 br0 fd00::99", "ovs/route/add fd34::/64 br0 10.1.0.9", "ovs/route/add 0.0.0.0/0 br0 10.1.0.254",
        "ovs/route/show", "ovs/route/lookup 10.21.4.4", "ovs/route/lookup 10.21.4.4 pkt_mark=5",
        "ovs/route/lookup 10.1.0.5 pkt_mark=16", "ovs/route/lookup 8.8.8.8", "ovs/route/lookup fd34::1",
        "ovs/route/lookup 10.1.0.1", "ovs/route/del 10.20.0.0/16", "ovs/route/del 10.21.0.0/16 pkt_mark=5",
        "ovs/route/del 10.21.0.0/16 pkt_mark=y", "ovs/route/del 10.9.0.0/16", "ovs/route/del fd34::/64",
        "ovs/route/del 0.0.0.0/0", "ovs/route/show",
        "tnl/neigh/set br0 10.1.0.7 00:11:22:33:44:55", "tnl/arp/set br0 fd00::7 00:11:22:33:44:56",
        "tnl/neigh/set nosuch 10.1.0.8 00:11:22:33:44:55", "tnl/neigh/set br0 10.1.0.7 00:11:22:33:44:99",
        "tnl/neigh/set br0 10.1.0.7 bogus", "tnl/neigh/set br0 10.1.0.300 00:11:22:33:44:99", "tnl/neigh/show",
        "tnl/arp/show", "tnl/neigh/aging 30", "tnl/arp/aging", "tnl/neigh/aging 0", "tnl/neigh/aging 3600",
        "tnl/neigh/aging 3601", "tnl/neigh/aging 5x", "tnl/neigh/flush", "tnl/neigh/show",
        "tnl/egress_port_range 100 200", "tnl/egress_port_range", "tnl/egress_port_range 0 200",
        "tnl/egress_port_range 5 70000", "tnl/egress_port_range 100 99", "tnl/egress_port_range",
    ], normal)


def test_routes_of_the_system_can_be_left_out():
    def configure(host):
        host.run("ip link set lo up")
        add_bridge(host)

    for hosts in both_hosts(configure, options=["--disable-system-route", "-vFACILITY:local1"]):
        assert_alike(hosts, ["ovs/route/show", "ovs/route/lookup 127.0.0.1"])
        for host in hosts:
            host.run("ip link set br0 up")
            host.run("ip addr add 10.1.0.1/24 dev br0")
        assert_alike(hosts, ["ovs/route/show", "ovs/route/lookup 10.1.0.5", "ovs/route/add 10.20.0.0/16 br0 10.1.0.7",
                             "ovs/route/show", "ovs/route/lookup 10.20.0.5", "ovs/route/del 10.20.0.0/16", "ovs/route/show"])
        assert_alike(hosts, [f"vlog/set {words}" for words in (
            "FACILITY:daemon", "facility:local7", "FACILITY:bogus", "FACILITY:", "FACILITY", "FACILITY:local1:x",
            "any:facility:info", "FACILITY:LOCAL1")])


def test_monitors_that_nobody_configured(hosts):
    assert_alike(hosts, [f"{name} {words}" for name in ("bfd/set-forwarding", "cfm/set-fault")
                         for words in ("normal", "true", "false", "bogus true", "br0 normal", "br0 bogus")])
    assert_alike(hosts, ["dpif-netdev/pmd-perf-log-set on", "dpif-netdev/pmd-perf-log-set on -b 5 -a 5 -e -us 100 -q 10",
                         "dpif-netdev/pmd-perf-log-set on -b", "dpif-netdev/pmd-perf-log-set -ne", "dpif-netdev/bond-show",
                         "dpif-netdev/bond-show ovs-netdev", "dpctl/cache-set-size netdev@ovs-netdev masks-cache 5",
                         "dpctl/cache-set-size netdev@ovs-netdev x y", "dpctl/offload-stats-show netdev@ovs-netdev"])


def test_flows_of_a_bridge(hosts):
    for host in hosts:
        host.vsctl("add-br br5 -- set bridge br5 datapath_type=netdev fail_mode=secure")
        for flow in ("actions=NORMAL", "priority=0,actions=drop", "ip,actions=LOCAL", "priority=7,tcp,tp_dst=80,in_port=3,actions=5",
                     "table=3,ip,actions=drop", "table=3,actions=NORMAL", "table=3,cookie=7,idle_timeout=60,priority=1,udp,"
                     "actions=resubmit(,4),ct(commit,zone=3)", "table=4,priority=65535,reg0=5,vlan_tci=0x1005/0x1fff,actions=4"):
            host.ofctl("add-flow", "br5", flow)

    def normal(text):
        status, *lines = without_hidden(text).splitlines()
        assert status == "[2]" or len(lines) == 8
        return "\n".join([status, *sorted(lines)])  # within a table by hash there

    assert_alike(hosts, ["bridge/dump-flows br5", ["--", "bridge/dump-flows", "--offload-stats", "br5"],
                         "bridge/dump-flows br5 bogus", ["--", "bridge/dump-flows", "br5", "--offload-stats"]], normal)
    for host in hosts:
        host.vsctl("del-br br5")


def test_many_flows_of_a_bridge(hosts):
    ours = hosts[1]
    ours.vsctl("add-br br5 -- set bridge br5 datapath_type=netdev fail_mode=secure")
    with open(f"{ours.dir}/many", "w", encoding="utf-8") as file:
        file.writelines(f"table={n % 3},priority={n},in_port={n % 7},actions={n}\n" for n in range(1, 5001))
    ours.ofctl("add-flows", "br5", f"{ours.dir}/many")
    lines = ours.appctl("bridge/dump-flows br5").splitlines()
    assert sorted(int(line.split("actions=output:")[1]) for line in lines) == list(range(1, 5001))
    ours.vsctl("del-br br5")


@pytest.fixture(name="dummies", scope="module")
def hosts_with_dummies():
    yield from both_hosts(add_dummies, options=["--enable-dummy"])


def frame(source, destination=0xff, more=""):
    return (f"in_port(1),eth(src=50:54:00:00:00:{source:02x},dst=50:54:00:00:00:{destination:02x}),eth_type(0x0800),"
            f"ipv4(src=10.0.0.{source},dst=10.0.0.{destination},proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2){more}")


def test_mac_addresses_that_came_and_went_are_counted(dummies):
    for host in dummies:
        host.vsctl("set bridge br1 other_config:mac-table-size=10 other_config:mac-aging-time=20")
        host.appctl("time/stop")
    steps = [("netdev-dummy/receive", "p1", frame(n)) for n in range(1, 5)]
    steps += [("fdb/stats-show", "br1"), ("netdev-dummy/receive", "p2", frame(1)), ("fdb/stats-show", "br1")]
    steps += [("time/warp", "30000", "1000"), ("fdb/stats-show", "br1")]
    for n in range(1, 14):  # in steps, so that both agree who is the oldest
        steps += [("netdev-dummy/receive", "p1", frame(n)), ("time/warp", "100")]
    steps += [("fdb/stats-show", "br1"), ("fdb/stats-clear", "br1"), ("fdb/stats-show", "br1"), ("fdb/flush", "br1"),
              ("fdb/stats-show", "br1"), ("fdb/stats-clear",)]
    assert_alike(dummies, steps)


def test_forms_and_errors_of_trace(dummies):
    for host in dummies:
        host.vsctl("add-br br2 -- set bridge br2 datapath_type=netdev fail_mode=secure")
        for name in ("q1", "q2"):
            host.vsctl(f"add-port br2 {name} -- set interface {name} type=dummy ofport_request={name[1]}")
        for flow in ("in_port=2,actions=1", "in_port=1,ip,ct_state=-trk,actions=ct(table=1)",
                     "table=1,ct_state=+trk+est,actions=2", "table=1,ct_state=+trk+new,ip,actions=ct(commit),LOCAL"):
            host.ofctl("add-flow", "br2", flow)
    flow = "in_port=1,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2"
    packet = "50540000000550540000000708004500001c00000000401166ce0a0000010a0000020001000200080000"

    def normal(text):
        # Masks and numbers of datapath ports are compared in tests/differential.
        return "\n".join(line for line in text.splitlines() if not line.startswith(("Megaflow:", "Datapath actions:")))

    traces = [
        ["br2", flow, "--ct-next", "trk,est"], ["--ct-next", "trk,new", "br2", flow], ["br2", flow, "--ct-next"],
        ["br2", flow, "--ct-next", "bogus"], ["br2", flow, "--ct-next", "new,est,trk"], ["br2", flow, "--ct-next", "new"],
        ["br2", flow, "--ct-next", "new,rpl,trk"], ["br2", flow, "--ct-next", "trk,inv,new"], ["br2", flow, "--ct-next", ""],
        ["br2", flow, "-consistent"], ["br2", flow, "--bogus"], ["br2", "in_port=2", "-generate"],
        ["br2", "in_port=2", "--generate"], ["br2", "in_port=q2", "--names"], ["--names", "br2", flow, "--ct-next", "trk,est"],
        ["br2", "in_port=2", packet], ["br2", flow, packet, "--ct-next", "trk,est"], ["br2", "in_port=2", packet[:-1]],
        ["br2", "in_port=2", "0x" + packet], ["br2", "in_port=2", "00"], ["br2", "in_port=2", packet, "extra"],
        ["br2", "in_port=2", "-generate", packet], ["in_port(99)"], ["ovs-netdev", "in_port(99)"],
        ["in_port(q2),eth(),eth_type(0x1234)"], ["ovs-netdev", "in_port(q2),eth(),eth_type(0x1234)"],
        ["in_port(q2),eth(),eth_type(0x1234)", packet], ["bogus@ovs-netdev", "in_port(q2),eth(),eth_type(0x1234)"],
        ["bogus", "in_port(q2)"], ["bogus", "in_port=2"], ["br2"], ["bogus"], ["br2", ""],
        ["br2", "in_port=2", "x", "y", "z"], ["br2", "in_port=77"], ["br2", "in_port=LOCAL"], ["br2", "in_port=CONTROLLER"],
        ["br2", "tcp"], ["br2", "in_port=1,ct_state=trk|est,ip"],
        ["br2", "in_port=1,reg0=5,ip", "--ct-next", "est,trk", "--ct-next", "new,trk"],
        *(["br2", flow, "--ct-next", "trk,est", *words] for words in (
            ["--l7", "aabb"], ["--l7", "aa bb", "--generate"], ["--generate", "--l7-len", "3"], ["--l7", "zz"], ["--l7", "a"],
            ["--l7"], ["--l7-len"], ["--l7-len", "x"], ["--l7-len", "5x"], ["--l7-len", "-1"], ["--l7-len", "64000"],
            ["--l7-len", "64001"], ["--l7", "aa", "--l7-len", "3"], ["-l7", "aa"], ["--l7", "aa", packet])),
        *([f"in_port(q2),{rest}"] for rest in (
            "eth_type(0x0800)", "eth_type(0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,proto=6,ttl=64,frag=no),tcp(src=1,dst=2)",
            "eth_type(0x86dd)", "eth_type(0x0806)", "eth_type(0x1234)", "eth_type(0x8847),mpls(label=1,tc=0,ttl=3,bos=1)",
            "packet_type(ns=0,id=0),eth_type(0x0800)", "packet_type(ns=1,id=0x800),eth_type(0x0800)")),
        ["br1", "in_port=77"], ["br1", "in_port=77,dl_vlan=4"], ["br1", "in_port=77,dl_dst=01:80:c2:00:00:0e"],
        ["br1", "in_port=77", "-generate"],
    ]
    outs = [
        ["br2", flow, "1,2"], ["br2", "in_port=2", "TABLE"], ["br2", flow, "resubmit(,1)"], ["-consistent", "br2", flow, "1,2"],
        ["br2", "in_port=2", "--consistent", "TABLE"], ["br2", "in_port=2", packet, "TABLE"],
        ["br2", "in_port=2", "-generate", "TABLE"], ["in_port(q2),eth(),eth_type(0x0800)", "TABLE"],
        ["br2", flow, "output:99"], ["br2", flow, "mod_nw_src:1.2.3.4,output:2"], ["br2", "in_port=1", "goto_table:1"],
        ["br2", "in_port=1", "write_actions(output:1)"], ["br2", "in_port=controller,ip", "TABLE"], ["br2", "ip", "TABLE"],
        ["br2", "in_port=2", ""], ["br2", "in_port=2", "drop"], ["bogus", "in_port=2", "drop"], ["br2", "1"],
        ["1", "2", "3"], ["1", "2", "3", "4"], ["1", "2", "3", "4", "5", "6"],
    ]
    assert_alike(dummies, [["ofproto/trace", *words] for words in traces]
                 + [["ofproto/trace-packet-out", *words] for words in outs], normal)
    refused = run(dummies[1], ["ovs-appctl", "ofproto/trace-packet-out", "br2", flow, "group:1"])
    assert refused.startswith("[2]") and "Bad actions:" in refused


def test_dummies_of_each_type(dummies):
    for host in dummies:
        host.vsctl("add-br br3 -- set bridge br3 datapath_type=netdev fail_mode=secure")
        for n, kind in enumerate(["dummy", "dummy-pmd", "dummy-pmd options:n_rxq=3"], 1):
            host.vsctl(f"add-port br3 m{n} -- set interface m{n} ofport_request={n} type={kind}")
    texts = [[line.split(": ", 1)[1] for line in host.appctl("dpif/show").splitlines() if line.strip().startswith("m")]
             + [line.split(": ", 1)[1] for line in host.appctl("dpctl/show").splitlines() if ": m" in line] for host in dummies]
    assert texts[0] == texts[1] and len(texts[1]) == 6 and "configured_rx_queues=3" in texts[1][2]
    for mtu in (2000, 65535, 1400, 100000, 68):
        for host in dummies:
            host.vsctl(f"set interface m1 mtu_request={mtu} -- set interface m2 mtu_request=1450")
        answers = [[host.get("Interface", name, column) for name in ("m1", "m2", "m3") for column in ("mtu", "mtu_request", "error")]
                   for host in dummies]
        assert answers[0] == answers[1], mtu
    assert "No such device" not in dummies[1].log_text()
    for host in dummies:
        host.vsctl("del-br br3")


def test_megaflows_are_found_and_removed_by_their_ids(dummies):
    ours = dummies[1]
    ours.appctl("dpctl/del-flows")
    ours.appctl("netdev-dummy/receive", "p1", frame(1))
    ours.appctl("netdev-dummy/receive", "p2", frame(2))
    lines = ours.appctl("dpctl/dump-flows", "-m").splitlines()[1:]
    assert len(lines) == 2
    ids = [line.split(",")[0] for line in lines]
    for name, line in zip(ids, lines):
        assert ours.appctl("dpctl/get-flow", "-m", name).split(", packets:")[0] == line.split(", packets:")[0]
        assert ours.appctl("dpctl/get-flow", "netdev@ovs-netdev", name).startswith("recirc_id(0),in_port(")
    absent = "ufid:00000000-0000-0000-0000-000000000001"
    assert_alike(dummies, [["dpctl/get-flow", absent], ["dpctl/del-flow", absent], ["dpctl/get-flow", "ufid:xyz"],
                           ["dpctl/del-flow", "ufid:xyz"], ["dpctl/del-flow", "in_port(77),eth(),eth_type(0x1234)"]])
    assert ours.appctl("dpctl/del-flow", ids[0]) == ""
    assert [line.split(",")[0] for line in ours.appctl("dpctl/dump-flows", "-m").splitlines()[1:]] == ids[1:]
    match = ours.appctl("dpctl/dump-flows").splitlines()[1].split(", packets:")[0]
    assert ours.appctl("dpctl/del-flow", match) == ""
    assert ours.appctl("dpctl/dump-flows") == ""


def test_forms_of_dumps_of_megaflows(dummies):
    for host in dummies:
        host.appctl("dpctl/del-flows")
        host.ofctl("add-flow br1 priority=60000,arp,in_port=3,actions=1")
        host.ofctl("add-flow br1 priority=60000,udp6,in_port=3,actions=2")
        host.appctl("netdev-dummy/receive", "p3", "in_port(3),eth(),eth_type(0x86dd),"
                    "ipv6(src=fd00::1,dst=fd00::2,proto=17,hlimit=64,frag=no),udp(src=1,dst=2)")
        host.appctl("netdev-dummy/receive", "p3", "in_port(3),eth(),eth_type(0x0806),arp(sip=1.1.1.1,tip=2.2.2.2,op=1)")

    def normal(text):
        # Ours counts the packet that the megaflow was made for.
        return "\n".join(sorted(line.split(", packets:")[0] for line in text.splitlines()))

    words = ["", "--names", "filter=arp", "filter=in_port=p3", "--names filter=in_port=p3,arp", "filter=ipv6,in_port=p3", "type=ovs",
             "type=all", "type=offloaded", "type=ovs,tc", "type=tc,dpdk", "type=", "type=,ovs", "type=ovs,bogus", "pmd=-1", "pmd=0",
             "pmd=x", "pmd=", "netdev@ovs-netdev type=ovs filter=arp"]
    assert_alike(dummies, [f"dpctl/dump-flows {word}" for word in words], normal)
    ours = dummies[1]
    assert ours.appctl("dpctl/list-commands", "x") == ours.appctl("dpctl/list-commands")
    verbose = ours.appctl("dpctl/dump-flows", "-m", "filter=arp").splitlines()[1]
    assert verbose.startswith("ufid:") and ", recirc_id(0),in_port(p3)," in verbose and ", dp:ovs, actions:p1" in verbose
    assert ours.appctl("dpif/dump-flows", "-m", "br1").startswith("ufid:")
    assert ", dp:ovs" not in ours.appctl("dpif/dump-flows", "-m", "br1")
    for host in dummies:
        host.ofctl("del-flows br1 arp,in_port=3")
        host.ofctl("del-flows br1 udp6,in_port=3")


def test_numbers_of_megaflows(dummies):
    ours = dummies[1]
    ours.appctl("revalidator/purge")
    for host in dummies:
        host.ofctl("add-flow br1 priority=50000,in_port=3,actions=drop")
        host.appctl("netdev-dummy/receive", "p3", frame(7))

    def form(host):  # threads that look after megaflows are many there, a line each
        return re.sub(r"\d+", "N", re.sub(r"(  \d+: \(keys \d+\)\n)+", "KEYS\n", host.appctl("upcall/show")))

    assert form(dummies[0]).replace("dummy@ovs-dummy", "netdev@ovs-netdev") == form(ours)
    before = int(re.search(r"\(max (\d+)\)", ours.appctl("upcall/show"))[1])
    assert before >= int(re.search(r"\(current (\d+)\)", ours.appctl("upcall/show"))[1]) > 0
    ours.appctl("upcall/disable-megaflows")
    for source in range(1, before + 2):
        ours.appctl("netdev-dummy/receive", "p3", frame(source))
    wait_until(lambda: int(re.search(r"\(avg (\d+)\)", ours.appctl("upcall/show"))[1]) > before / 2, "the average follows")
    assert int(re.search(r"\(max (\d+)\)", ours.appctl("upcall/show"))[1]) > before
    ours.appctl("upcall/enable-megaflows")
    for host in dummies:
        host.ofctl("del-flows br1 in_port=3")


def test_megaflows_without_wildcards_and_within_a_limit(dummies):
    for host in dummies:
        host.ofctl("add-flow br1 priority=50000,in_port=3,actions=drop")

    def flows_of_two_packets(host):
        host.appctl("revalidator/purge")
        for source in (7, 8):
            host.appctl("netdev-dummy/receive", "p3", frame(source))
        return len(host.appctl("dpctl/dump-flows", "filter=dl_dst=50:54:00:00:00:ff").splitlines()) - 1

    for host in dummies:
        assert flows_of_two_packets(host) == 1
        assert host.appctl("upcall/disable-megaflows") == "megaflows disabled\n"
        assert flows_of_two_packets(host) == 2
    ours = dummies[1]
    assert ours.appctl("upcall/set-flow-limit", "1") == "set flow_limit to 1\n"
    assert "(limit 1)" in ours.appctl("upcall/show")
    assert flows_of_two_packets(ours) == 1, "the second takes the place of the first"
    ours.vsctl("set open_vswitch . other_config:flow-limit=20")
    assert "(limit 20)" in ours.appctl("upcall/show")
    ours.vsctl("remove open_vswitch . other_config flow-limit")
    assert "(limit 20)" not in ours.appctl("upcall/show")
    for host in dummies:
        assert host.appctl("upcall/enable-megaflows") == "megaflows enabled\n"
        assert flows_of_two_packets(host) == 1


def test_megaflows_do_not_expire_while_nobody_looks_after_them(dummies):
    ours = dummies[1]
    ours.appctl("time/stop")
    ours.appctl("revalidator/purge")
    ours.appctl("revalidator/pause")
    ours.appctl("netdev-dummy/receive", "p1", frame(1))
    ours.appctl("time/warp", "60000", "1000")
    assert len(ours.appctl("dpctl/dump-flows").splitlines()) == 2
    ours.appctl("revalidator/resume")
    ours.appctl("time/warp", "1000")
    wait_until(lambda: ours.appctl("dpctl/dump-flows") == "", "it is gone")


def test_what_commands_set_outlives_changes_of_the_database(dummies):
    settings = ["dpctl/ct-set-maxconns 1000", "dpctl/ct-disable-tcp-seq-chk", "dpctl/ct-set-limits default=10 zone=4,limit=3",
                "dpctl/ipf-set-max-nfrags 500", "dpctl/ipf-set-min-frag v4 1000", "dpctl/ipf-set-disabled v6"]
    questions = ["dpctl/ct-get-maxconns", "dpctl/ct-get-tcp-seq-chk", "dpctl/ct-get-limits", "dpctl/ipf-get-status"]
    changes = ["add-port br1 p9 -- set interface p9 type=dummy", "set bridge br1 other_config:any=thing", "add-br br9", "del-br br9",
               "del-port p9"]
    for host in dummies:
        def answers():
            return [host.appctl(question) for question in questions]

        first = answers()
        for setting in settings:
            host.appctl(setting)
        after = answers()
        assert all(was != now for was, now in zip(first, after))
        for change in changes:
            host.vsctl(change)
            assert answers() == after, f"{change}, {'ovs-vswitchd' if host.installed else 'Sluice'}"
        for setting in ("dpctl/ct-set-maxconns 3000000", "dpctl/ct-enable-tcp-seq-chk", "dpctl/ct-del-limits zone=4",
                        "dpctl/ipf-set-max-nfrags 1000", "dpctl/ipf-set-enabled v6"):
            host.appctl(setting)
    dummies[1].appctl("dpctl/ct-set-limits default=0")
