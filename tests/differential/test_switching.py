"""Patch ports, VLAN modes, mirrors, protected ports and bonds: ofproto/trace of the installed ovs-vswitchd and of Sluice in
its place, both configured by ovs-vsctl.

The narration must be equal, and what leaves by which port under which tags. The order of outputs in a flood, and so of
the tags that are pushed and popped between them, is each switch's own.
"""

import functools
import os
import re
import socket
import struct
import tempfile
import time

import pytest

from daemon import BUILD
from ovs import Ovs

PORTS = 6
MAC = "50:54:00:00:00:01"
BROADCAST = f"dl_src={MAC},dl_dst=ff:ff:ff:ff:ff:ff,arp"
UDP = f"dl_src={MAC},dl_dst=50:54:00:00:00:02,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_src=1,udp_dst=2"


class Pair:
    """Open vSwitch and Sluice, told the same."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-switching-")
        program = f"{self.folder.name}/ovs-vswitchd"
        os.symlink(f"{BUILD}/sluiced", program)
        self.switches = [Ovs(), Ovs(program)]

    def close(self):
        for switch in self.switches:
            switch.close()
        self.folder.cleanup()

    def vsctl(self, words):
        for switch in self.switches:
            switch.vsctl(*words.split())

    def flows(self, bridge, *flows):
        for switch in self.switches:
            version = "OpenFlow13" if "table=" in flows[0] else "OpenFlow10"  # what the actions are printed as
            switch.run("ovs-ofctl", "-O", version, "replace-flows", bridge, "-", text="\n".join(flows) + "\n")

    def add_bridge(self, name, *ports):
        """Ports of type dummy: "p1" is number 1."""
        words = f"add-br {name} -- set bridge {name} datapath_type=dummy fail_mode=secure"
        for port in ports:
            words += f" -- add-port {name} {port} -- set interface {port} type=dummy ofport_request={port[1:]}"
        self.vsctl(words)

    def compare(self, packet, *options):
        theirs, ours = (Trace(switch, packet, options) for switch in self.switches)
        assert ours.sections == theirs.sections, f"{packet}\n--- ovs\n{theirs.text}\n--- sluice\n{ours.text}"
        return theirs


class Trace:
    """What ofproto/trace says, without what two switches may differ in: [narration, packets that leave] of each pass."""

    def __init__(self, switch, packet, options):
        self.text = switch.appctl("ofproto/trace", "br0", packet, *options)
        shown = switch.appctl("dpif/show")
        names = {dp: name for name, dp in re.findall(r"^\s+(\S+) \d+/(\d+):", shown, re.M)}
        self.sections = []
        for section in re.split(r"^={20,}$\n.*\n^={20,}$", self.text, flags=re.M):
            narration = re.search(r"^bridge\(.*?(?=^Final flow)", section, re.M | re.S)[0]
            actions = re.search(r"^Datapath actions: (.*)", section, re.M | re.S)[1].split("\nrecirc", 1)[0].strip()
            tag = re.search(r"^Flow:.*dl_vlan=(\d+),dl_vlan_pcp=(\d+)", section, re.M)
            own = [f"(vid={tag[1]},pcp={tag[2]})"] if tag else []
            tos = re.search(r"^Flow:.*nw_tos=(\d+)", section, re.M)
            self.sections.append([narration.strip(), leaving(actions, own, int(tos[1]) if tos else 0, names)])


def leaving(actions, tags, tos, names):
    """The packets that datapath actions send, each with its tags and DSCP, whatever their order; anything else as it is."""
    truncated, found = "", []
    for word in re.findall(r"\d+(?=,|$)|[a-z_]+(?:\((?:[^()]|\([^()]*\)|\((?:[^()]|\([^()]*\))*\))*\))?", actions):
        if word.startswith("push_vlan"):
            tags = [word[9:]] + tags
        elif word == "pop_vlan":
            tags = tags[1:]
        elif word.startswith("trunc"):
            truncated = word
        elif dscp := re.fullmatch(r"set\(ipv[46]\((?:tos|tclass)=(\w+)/0xfc\)\)", word):
            tos = int(dscp[1], 0)
        elif word.isdigit():
            found.append(f"{names[word]} {' '.join(tags)} tos={tos:#x}{truncated}")
            truncated = ""
        else:
            word = re.sub(r"recirc\(0x[0-9a-f]+\)", "recirc(R)", word)
            found.append(re.sub(r"(?<=[(,])\d+(?=[,)])", lambda m: names.get(m[0], m[0]), word)
                         if word.startswith("clone") else word)
    return sorted(found)


@pytest.fixture
def pair():
    p = Pair()
    yield p
    p.close()


def vlan(port, vid, pcp=0):
    return f"in_port={port},{BROADCAST},dl_vlan={vid},dl_vlan_pcp={pcp}"


def test_patch_ports(pair):
    pair.add_bridge("br0", "p1", "p2", "p3")
    pair.add_bridge("br1", "q4", "q5")
    pair.vsctl("add-port br0 pa -- set interface pa type=patch options:peer=pb ofport_request=10 -- "
               "add-port br1 pb -- set interface pb type=patch options:peer=pa ofport_request=11")
    packet = f"in_port=1,{UDP}"
    for first, second in (
            ("ip,actions=load:5->NXM_NX_REG0[],mod_nw_src:10.9.9.9,10,2", "ip,in_port=11,actions=mod_nw_dst:10.8.8.8,5"),
            ("actions=10", "ip,in_port=11,actions=ct(table=1,zone=5)\ntable=1,ct_state=+trk,actions=4,in_port"),
            ("actions=10,2", "ip,in_port=11,actions=ct(table=1,zone=5)\ntable=1,ct_state=+trk,actions=4"),
            ("ct_state=-trk,ip,actions=ct(table=1)\ntable=1,ct_state=+trk,actions=10,2",
             "in_port=11,ct_state=+trk,ip,actions=4\nct_state=-trk,ip,actions=5,local"),
            ("actions=10", "actions=NORMAL"), ("actions=NORMAL", "actions=NORMAL"), ("actions=flood", "actions=flood"),
            ("actions=10,2", "in_port=11,ip,actions=clone(ct(commit),4),5"),
            ("actions=10,2", "in_port=11,ip,actions=ct(commit),5"),
            ("actions=10,2", "actions=output(port=4,max_len=64)"),
            ("actions=output(port=10,max_len=64),2", "actions=drop"),
            ("actions=10", "actions=drop"),
            ("in_port=1,actions=mod_vlan_vid:7,10\nin_port=10,actions=2", "in_port=11,actions=in_port")):
        pair.flows("br0", first)
        pair.flows("br1", second)
        pair.compare(packet)
    pair.flows("br0", "actions=10")
    pair.flows("br1", "actions=5")
    assert "5" in pair.compare(packet).text.rsplit("actions:", 1)[1]
    pair.vsctl("set interface pb options:peer=elsewhere")
    pair.compare(packet)
    assert all(s.vsctl("get", "interface", "pa", "ofport").strip() == "10" for s in pair.switches)
    assert all("No usable peer 'pb' exists in" in s.vsctl("get", "interface", "pa", "error") for s in pair.switches)


def test_vlan_modes(pair):
    pair.add_bridge("br0", *(f"p{n}" for n in range(1, PORTS + 1)))
    pair.vsctl("set open . other_config:vlan-limit=2")
    pair.flows("br0", "actions=NORMAL")
    pair.vsctl("set port p1 tag=10 -- set port p2 trunks=10,20 -- set port p3 vlan_mode=native-tagged tag=10 trunks=20 -- "
               "set port p4 vlan_mode=native-untagged tag=10 -- set port p5 vlan_mode=dot1q-tunnel tag=10 -- "
               "set port p6 vlan_mode=dot1q-tunnel tag=10 cvlans=7,8")
    packets = [f"in_port={port},{BROADCAST}" for port in range(1, PORTS + 1)]
    packets += [vlan(port, vid, pcp) for port in range(1, PORTS + 1) for vid, pcp in ((0, 3), (7, 5), (10, 2), (20, 0), (30, 1))]
    for packet in packets:
        pair.compare(packet)
    pair.vsctl("set port p5 other_config:qinq-ethtype=802.1q -- set port p4 other_config:priority-tags=if-nonzero")
    for packet in packets:
        pair.compare(packet)
    pair.vsctl("set port p1 protected=true -- set port p4 protected=true -- set bridge br0 flood_vlans=20")
    for packet in packets:
        pair.compare(packet, "-generate")
    for packet in packets:
        pair.compare(packet.replace("ff:ff:ff:ff:ff:ff", MAC).replace(MAC, "50:54:00:00:00:02", 1))
    pair.vsctl("clear bridge br0 flood_vlans")
    for value in ("always", "if-nonzero", "never", "true"):
        pair.vsctl(" -- ".join(f"set port p{n} protected=false other_config:priority-tags={value}" for n in range(1, PORTS + 1)))
        for packet in packets:
            pair.compare(packet)


def test_mirrors(pair):
    pair.add_bridge("br0", *(f"p{n}" for n in range(1, PORTS + 1)))
    pair.vsctl("set port p1 tag=10 -- set port p2 trunks=10,20")
    packets = [f"in_port={port},{BROADCAST}" for port in (1, 4, 6)] + [vlan(4, 20), vlan(4, 30), vlan(3, 500)]
    get = "-- --id=@p4 get port p4 -- --id=@p2 get port p2 -- --id=@p6 get port p6"
    for mirror in ("select_all=true output_port=@p6", "select_dst_port=@p2 output_port=@p6 snaplen=64",
                   "select_src_port=@p4 output_vlan=500", "select_all=true select_vlan=20 output_port=@p6"):
        pair.vsctl(f"clear bridge br0 mirrors {get} -- --id=@m create mirror name=m0 {mirror} -- set bridge br0 mirrors=@m")
        for flow in ("NORMAL", "2,3", "drop", "mod_vlan_vid:20,2,6", "2,mod_dl_src:00:00:00:00:00:05,2,3"):
            pair.flows("br0", f"actions={flow}")
            for packet in packets:
                pair.compare(packet)


def test_bonds(pair):
    """With one member enabled there is no choice that two switches could make differently."""
    pair.add_bridge("br0", "p1", "p2")
    pair.flows("br0", "actions=NORMAL")
    pair.vsctl("add-bond br0 bond0 b1 b2 -- set interface b1 type=dummy ofport_request=11 -- "
               "set interface b2 type=dummy ofport_request=12")
    packets = [f"in_port={port},{packet}" for port in (1, 12) for packet in (BROADCAST, UDP)]
    for switch in pair.switches:
        switch.appctl("netdev-dummy/set-admin-state", "b1", "down")
        shown = wait_for(lambda s=switch: s.appctl("bond/show", "bond0"), "member b1: disabled")
        assert "active member mac: " in shown and "(b2)" in shown
    for mode in ("active-backup", "balance-slb"):
        pair.vsctl(f"set port bond0 bond_mode={mode}")
        for packet in packets + [packet.replace("in_port=12", "in_port=11") for packet in packets[2:]]:
            pair.compare(packet)
        shown = [re.sub(r"(?<=next rebalance: )\d+|(?<=member mac: )[0-9a-f:]+", "N", s.appctl("bond/show", "bond0"))
                 for s in pair.switches]
        assert shown[0] == shown[1]
    for words in (("bond/set-active-member", "bond0", "zz"), ("bond/set-active-member", "nob", "b2"),
                  ("bond/set-active-member", "bond0", "b2"), ("bond/set-active-member", "bond0", "b1"),
                  ("bond/migrate", "bond0", "3", "zz"), ("bond/migrate", "bond0", "3", "b1"),
                  ("bond/migrate", "bond0", "3", "b2"), ("bond/set-active-slave", "bond0", "b2"),
                  ("bond/set-active-slave", "bond0"), ("bond/enable-slave", "bond0", "zz"),
                  ("bond/disable-slave", "a", "b", "c"), ("bond/enable-slave", "bond0", "b2"),
                  ("lacp/show-stats", "foo"), ("lacp/show", "foo"), ("lacp/show",), ("stp/show",),
                  ("stp/show", "nobr")):
        theirs, ours = ([answer(switch, words)] for switch in pair.switches)
        assert ours == theirs, words
    for switch in pair.switches:
        switch.appctl("netdev-dummy/set-admin-state", "b1", "up")
        wait_for(lambda s=switch: s.appctl("bond/show", "bond0"), "member b1: enabled")
    pair.vsctl("set port bond0 bond_mode=balance-tcp lacp=active")
    for switch in pair.switches:
        wait_for(lambda s=switch: s.appctl("lacp/show", "bond0"), "member: b2: expired attached")
    lacp = [re.sub(r"(?<=sys_id: )[0-9a-f:]+|(?<=key: )\d+", "N", s.appctl("lacp/show", "bond0")) for s in pair.switches]
    assert lacp[0] == lacp[1]
    for words in (("lacp/show-stats",), ("lacp/show-stats", "bond0")):
        theirs, ours = (re.sub(r"\d+$", "N", switch.appctl(*words), flags=re.M) for switch in pair.switches)
        assert ours == theirs and ours.count("\n\nmember: ") == 2
    pair.compare(f"in_port=12,dl_src={MAC},dl_dst=01:80:c2:00:00:02,dl_type=0x8809")
    pair.compare(f"in_port=1,dl_src={MAC},dl_dst=01:80:c2:00:00:02,dl_type=0x8809")
    pair.compare(f"in_port=12,{BROADCAST}")


def test_delays_of_bonds(pair):
    """updelay and downdelay count from when a link changed, or a command did."""
    pair.add_bridge("br0", "p1")
    for switch in pair.switches:
        switch.appctl("time/stop")
    pair.vsctl("add-bond br0 bond0 b1 b2 -- set interface b1 type=dummy ofport_request=11 -- "
               "set interface b2 type=dummy ofport_request=12 -- set port bond0 other_config:bond-primary=b1")
    for switch in pair.switches:
        wait_for(lambda s=switch: s.appctl("bond/show", "bond0"), "member b2: enabled")
    pair.vsctl("set port bond0 bond_updelay=3000 bond_downdelay=2000")

    def shown(switch, wanted):
        return re.sub("(?<=member mac: )[0-9a-f:]+", "M", wait_for(lambda: switch.appctl("bond/show", "bond0"), wanted))

    link, warp = "netdev-dummy/set-admin-state", "time/warp"
    for words, wanted in (
            ((link, "b1", "down"), "member b1: enabled\n  active member\n  downdelay expires in 2000 ms\n"),
            ((warp, "1000", "500"), "member b1: enabled\n  active member\n  downdelay expires in 1000 ms\n"),
            ((warp, "1000", "500"), "member b1: disabled\n  may_enable: false\n"),
            ((link, "b1", "up"), "member b1: disabled\n  updelay expires in 3000 ms\n"),
            ((warp, "2500", "500"), "member b1: disabled\n  updelay expires in 500 ms\n"),
            ((link, "b1", "down"), "member b1: disabled\n  may_enable: false\n"),
            ((warp, "1000", "500"), "member b1: disabled\n  may_enable: false\n"),
            ((link, "b1", "up"), "member b1: disabled\n  updelay expires in 3000 ms\n"),
            ((warp, "3000", "500"), "member b1: enabled\n  active member\n"),
            ((link, "b2", "down"), "member b2: enabled\n  downdelay expires in 2000 ms\n"),
            ((warp, "1500", "500"), "member b2: enabled\n  downdelay expires in 500 ms\n"),
            ((link, "b2", "up"), "member b2: enabled\n  may_enable: true\n"),
            (("bond/disable-slave", "bond0", "b1"), "member b1: disabled\n  updelay expires in 3000 ms\n"),
            ((warp, "2000", "500"), "member b1: disabled\n  updelay expires in 1000 ms\n"),
            (("bond/enable-slave", "bond0", "b1"), "member b1: enabled\n  active member\n")):
        answers = [switch.appctl(*words) for switch in pair.switches]
        assert answers[0] == answers[1], words
        texts = [shown(switch, wanted) for switch in pair.switches]
        assert texts[0] == texts[1], words


def test_a_controller_that_stays_away(pair):
    """fail_mode standalone: after three times the probe interval the bridge switches by itself."""
    pair.add_bridge("br0", "p1", "p2")
    for switch in pair.switches:
        switch.appctl("time/stop")
    pair.vsctl("set-fail-mode br0 standalone -- set-controller br0 tcp:127.0.0.1:1 -- "
               "set controller br0 inactivity_probe=100000")
    frame = "ffffffffffff" + MAC.replace(":", "") + "0800" + "00" * 50

    def floods(switch):
        switch.appctl("netdev-dummy/receive", "p1", frame)
        return "tx pkts=0," not in switch.ofctl("dump-ports", "br0", "2")

    for switch in pair.switches:
        switch.appctl("time/warp", "250000", "10000")
    assert [floods(switch) for switch in pair.switches] == [False, False]
    for switch in pair.switches:
        switch.appctl("time/warp", "100000", "10000")
    end = time.monotonic() + 10
    while not all([floods(switch) for switch in pair.switches]):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert all("BACKOFF" in switch.vsctl("get", "controller", "br0", "status") for switch in pair.switches)


def test_spanning_tree(pair):
    pair.add_bridge("br0", "p1")
    pair.flows("br0", "actions=NORMAL")
    pair.vsctl("set bridge br0 stp_enable=true")
    shown = []
    for switch in pair.switches:
        text = wait_for(lambda s=switch: s.appctl("stp/show"), "listening")
        shown.append(re.sub(r"(?<=system-id   )\S+", "N", text))
    assert shown[0] == shown[1]
    pair.compare(f"in_port=1,dl_src={MAC},dl_dst=01:80:c2:00:00:00,dl_type=0x05ff")
    pair.compare(f"in_port=1,{UDP}")


def test_rapid_spanning_tree(pair):
    pair.add_bridge("br0", "p1")
    pair.flows("br0", "actions=NORMAL")
    pair.vsctl("set bridge br0 rstp_enable=true other_config:rstp-priority=8193 other_config:rstp-address=50:54:00:00:00:77 "
               "other_config:rstp-max-age=10 -- set port p1 other_config:rstp-port-num=9 other_config:rstp-path-cost=77 "
               "other_config:rstp-port-priority=33")
    shown = [wait_for(lambda s=switch: s.appctl("rstp/show"), " 32.9") for switch in pair.switches]
    assert shown[0] == shown[1].replace("Forwarding", "Discarding")
    for words in (("rstp/show", "br0"), ("rstp/show", "nobr"), ("rstp/tcn", "br0"), ("rstp/tcn", "nobr"), ("rstp/tcn",),
                  ("stp/show",), ("stp/show", "br0")):
        theirs, ours = (answer(switch, words).replace("Forwarding", "Discarding") for switch in pair.switches)
        assert ours == theirs, words
    pair.compare(f"in_port=1,dl_src={MAC},dl_dst=01:80:c2:00:00:00,dl_type=0x05ff")
    for record, column in (("bridge br0", "rstp_status"), ("bridge br0", "status"), ("port p1", "status")):
        theirs, ours = (switch.vsctl("get", *record.split(), column) for switch in pair.switches)
        assert ours == theirs, column
    statuses = [wait_for(lambda s=switch: s.vsctl("get", "port", "p1", "rstp_status"), "role").replace("Forwarding", "Discarding")
                for switch in pair.switches]
    assert statuses[0] == statuses[1]
    pair.vsctl("set bridge br0 rstp_enable=false")
    for switch in pair.switches:
        wait_for(lambda s=switch: s.vsctl("get", "port", "p1", "rstp_status") + s.vsctl("get", "bridge", "br0", "rstp_status"),
                 "{}\n{}")


def test_mac_learning(pair):
    """What is learned, where it moves, when it is forgotten, and what commands say of it."""
    pair.add_bridge("br0", "p1", "p2", "p3")
    pair.flows("br0", "actions=NORMAL")
    for switch in pair.switches:
        switch.appctl("time/stop")

    def hear(port, host, to="50:54:00:00:00:ff", vid=None, kind="0800"):
        tag = f"8100{vid:04x}" if vid is not None else ""
        frame = f"{to.replace(':', '')}50540000{host:04x}{tag}{kind}" + "00" * 50
        for switch in pair.switches:
            switch.appctl("netdev-dummy/receive", f"p{port}", frame)

    def hear_now(port, host):
        """Waits until it is learned, or the clock would go on before."""
        hear(port, host)
        for switch in pair.switches:
            wait_for(lambda s=switch: re.sub(" +", " ", s.appctl("fdb/show", "br0")) + "\n", f" {port} 0 50:54:00:00:00:{host:02x} 0\n")

    def warp(milliseconds):
        for switch in pair.switches:
            switch.appctl("time/warp", str(milliseconds))

    def same(*words, in_order=True):
        end = time.monotonic() + (10 if words[0].endswith("show") else 0)  # frames may be on their way, and entries to go
        while True:
            texts = [answer(switch, words) for switch in pair.switches]
            if not in_order:
                texts = ["\n".join(sorted(text.splitlines())) for text in texts]
            if texts[0] == texts[1]:
                return texts[1]
            assert time.monotonic() < end, (words, *texts)
            time.sleep(0.05)

    for words in (("fdb/show", "nobr"), ("fdb/flush", "nobr"), ("fdb/add", "br0"), ("fdb/add", "br0", "p1", "0"),
                  ("fdb/add", "br0", "p9", "0", "50:54:00:00:00:09"), ("fdb/add", "br0", "p1", "0", "zz"),
                  ("fdb/add", "nobr", "p1", "0", "50:54:00:00:00:09"), ("fdb/del", "br0", "0", "50:54:00:00:00:09"),
                  ("fdb/del", "br0", "0", "zz"), ("fdb/del", "nobr", "0", "50:54:00:00:00:09"), ("fdb/stats-show", "nobr"),
                  ("fdb/stats-clear", "nobr"), ("fdb/stats-show",), ("fdb/stats-show", "br0"), ("fdb/show", "br0")):
        same(*words)
    for host in range(1, 5):
        hear_now(1 + host % 2, host)
        warp(1000)
    hear(3, 9, vid=0)
    hear(3, 9, vid=7)
    hear(3, 10, vid=7 | 0x2000)
    same("fdb/show", "br0")
    hear(3, 1)
    same("fdb/show", "br0")
    pair.compare("in_port=2,dl_src=50:54:00:00:00:02,dl_dst=50:54:00:00:00:01,dl_type=0x800")
    pair.compare("in_port=3,dl_src=50:54:00:00:00:02,dl_dst=50:54:00:00:00:01,dl_type=0x800")
    for words in (("fdb/add", "br0", "p2", "0", "50:54:00:00:00:42"), ("fdb/add", "br0", "p3", "0", "50:54:00:00:00:01"),
                  ("fdb/add", "br0", "p1", "7", "50:54:00:00:00:09"), ("fdb/show", "br0")):
        same(*words)
    hear(1, 0x42)
    hear(1, 1)
    same("fdb/show", "br0")
    pair.compare("in_port=1,dl_src=50:54:00:00:00:42,dl_dst=50:54:00:00:00:09,dl_type=0x800")
    same("fdb/stats-show", "br0")
    # Open vSwitch would let the fixed ones age.
    for vid, host in ((0, 0x42), (0, 1), (7, 9)):
        same("fdb/del", "br0", str(vid), f"50:54:00:00:00:{host:02x}")
    pair.vsctl("set bridge br0 other_config:mac-aging-time=20")
    warp(15000)
    hear_now(1, 2)
    same("fdb/show", "br0", in_order=False)
    warp(10000)
    end = time.monotonic() + 60
    while "50:54:00:00:00:03" in same("fdb/show", "br0"):
        assert time.monotonic() < end
        time.sleep(0.05)
    same("fdb/stats-show", "br0")
    pair.vsctl("set bridge br0 other_config:mac-table-size=10")
    for host in range(0x50, 0x60):
        hear_now(1, host)
        warp(1000)
    assert same("fdb/show", "br0").count("\n") == 11
    same("fdb/stats-show", "br0")
    same("fdb/stats-clear", "br0")
    same("fdb/stats-show", "br0")
    same("fdb/del", "br0", "0", "50:54:00:00:00:5f")
    same("fdb/show", "br0")
    pair.vsctl("del-port p2")
    same("fdb/show", "br0")
    pair.vsctl("set bridge br0 flood_vlans=7")
    hear(3, 0x70, vid=7)
    hear(3, 0x71)
    same("fdb/show", "br0")
    same("fdb/flush", "br0")
    same("fdb/show", "br0")
    same("fdb/flush")
    hear(1, 0x80)
    hear(1, 0x81, to="01:80:c2:00:00:0e", kind="88cc")
    hear(1, 0x82, to="ff:ff:ff:ff:ff:ff")
    same("fdb/show", "br0")


def test_frames_that_bridges_keep_to_themselves(pair):
    """LLDP and others to reserved addresses: by NORMAL, by a flow, with forward-bpdu."""
    pair.add_bridge("br0", "p1", "p2", "p3")
    addresses = [f"01:80:c2:00:00:{last:02x}" for last in (0, 1, 2, 3, 0xE, 0xF, 0x10, 0x20, 0x21)]
    addresses += ["00:e0:2b:00:00:00", "01:00:0c:cc:cc:cc", "01:00:0c:cc:cc:cd", "01:00:0c:cd:cd:cd", "01:00:0c:00:00:00",
                  "00:e0:2b:00:00:04", "00:e0:2b:00:00:06"]
    packets = [f"in_port=1,dl_src={MAC},dl_dst={address},dl_type={kind}" for address in addresses for kind in ("0x88cc", "0x05ff")]
    for forward in ("false", "true"):
        pair.vsctl(f"set bridge br0 other_config:forward-bpdu={forward}")
        for flow in ("actions=NORMAL", "dl_type=0x88cc,actions=2", "actions=flood"):
            pair.flows("br0", flow)
            for packet in packets:
                pair.compare(packet)


def test_bpdus_over_patch_ports(pair):
    pair.add_bridge("br0", "p1")
    pair.add_bridge("br1", "q4", "q5")
    pair.vsctl("add-port br0 pa -- set interface pa type=patch options:peer=pb ofport_request=10 -- "
               "add-port br1 pb -- set interface pb type=patch options:peer=pa ofport_request=11")
    pair.flows("br0", "actions=NORMAL")
    bpdu = f"in_port=1,dl_src={MAC},dl_dst=01:80:c2:00:00:00,dl_type=0x05ff"
    for first, second in (("stp_enable=false", "stp_enable=true"), ("other_config:forward-bpdu=true", "stp_enable=true"),
                          ("stp_enable=false", "rstp_enable=true stp_enable=false"),
                          ("other_config:forward-bpdu=true", "other_config:forward-bpdu=true rstp_enable=false")):
        pair.vsctl(f"clear bridge br0 other_config -- set bridge br0 {first} -- set bridge br1 {second}")
        for flow in ("actions=NORMAL", "in_port=11,actions=4"):
            pair.flows("br1", flow)
            pair.compare(bpdu)


def test_dscp_of_queues(pair):
    pair.add_bridge("br0", "p1", "p2", "p3")
    pair.vsctl("set port p2 qos=@q -- --id=@q create qos type=linux-htb queues:0=@a queues:1=@b queues:2=@c -- "
               "--id=@a create queue dscp=10 -- --id=@b create queue dscp=46 -- --id=@c create queue external_ids:a=b")
    packets = [f"in_port=1,{UDP}", f"in_port=1,{UDP},nw_tos=40", f"in_port=1,{BROADCAST}",
               f"in_port=1,dl_src={MAC},dl_dst=50:54:00:00:00:02,udp6,ipv6_src=::1,ipv6_dst=::2,nw_ttl=3,udp_dst=2"]
    for actions in ("2", "set_queue:0,2", "set_queue:1,2", "set_queue:1,2,3", "set_queue:2,2", "set_queue:1,2,set_queue:2,2,3",
                    "enqueue:2:1,3", "set_queue:1,NORMAL", "set_queue:1,mod_nw_tos:8,2,3", "set_queue:9,2"):
        pair.flows("br0", f"actions={actions}")
        for packet in packets:
            pair.compare(packet)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_checksum(message, pseudo=b""):
    return message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]


def igmp(kind, group="0.0.0.0", records=(), source="10.0.0.1", vlan=None):
    message = bytes([kind, 0, 0, 0])
    message += struct.pack("!HH", 0, len(records)) if records else socket.inet_aton(group)
    for record, address, sources in records:
        message += struct.pack("!BBH", record, 0, len(sources)) + b"".join(map(socket.inet_aton, [address, *sources]))
    message = with_checksum(message)
    header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, 1, 2, 0)
    header += socket.inet_aton(source) + socket.inet_aton("224.0.0.22")
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    return (bytes.fromhex("01005e000016505400000001") + tag + b"\x08\0" + header[:10] +
            struct.pack("!H", checksum(header)) + header[12:] + message).hex()


def mld(kind, group="::", records=(), source="fe80::1"):
    address = functools.partial(socket.inet_pton, socket.AF_INET6)
    message = bytes([kind, 0, 0, 0])
    message += struct.pack("!HH", 0, len(records)) if records else b"\0" * 4 + address(group)
    for record, wanted, sources in records:
        message += struct.pack("!BBH", record, 0, len(sources)) + b"".join(map(address, [wanted, *sources]))
    ends = address(source) + address("ff02::16")
    message = with_checksum(message, ends + struct.pack("!I3xB", len(message), 58))
    return (bytes.fromhex("333300000016505400000001") + struct.pack("!HIHBB", 0x86DD, 0x60000000, 8 + len(message), 0, 1) +
            ends + bytes([58, 0, 5, 2, 0, 0, 1, 0]) + message).hex()


def test_multicast_snooping(pair):
    """What is learned of groups and routers, how long it is kept, and where multicast goes then."""
    pair.add_bridge("br0", "p1", "p2", "p3", "p4", "p5")
    pair.flows("br0", "actions=NORMAL")

    def receive(port, frame):
        for switch in pair.switches:
            switch.appctl("netdev-dummy/receive", f"p{port}", frame)

    def hear_now(port, host):
        """Waits until it is learned, or the clock would go on before."""
        hear(port, host)
        for switch in pair.switches:
            wait_for(lambda s=switch: re.sub(" +", " ", s.appctl("fdb/show", "br0")) + "\n", f" {port} 0 50:54:00:00:00:{host:02x} 0\n")

    def warp(milliseconds):
        for switch in pair.switches:
            switch.appctl("time/warp", str(milliseconds))

    def table():
        theirs, ours = (switch.appctl("mdb/show", "br0") for switch in pair.switches)
        assert ours == theirs
        return ours

    def traces():
        groups = [("225.0.0.1", 4), ("225.0.0.9", 4), ("224.0.0.9", 4), ("10.1.1.1", 4), ("ff05::1", 6), ("ff05::9", 6),
                  ("ff02::1", 6), ("ff02::5", 6)]
        for port in (1, 2, 4):
            for group, version in groups:
                words = f"dl_dst=01:00:5e:00:00:01,udp,nw_dst={group}" if version == 4 else \
                    f"dl_dst=33:33:00:00:00:01,udp6,ipv6_dst={group}"
                pair.compare(f"in_port={port},dl_src={MAC},{words}")
            pair.compare(f"in_port={port},dl_src={MAC},dl_dst=01:00:5e:00:00:01,arp")
            pair.compare(f"in_port={port},dl_src={MAC},dl_dst=ff:ff:ff:ff:ff:ff,udp,nw_dst=225.0.0.1")

    for words in (("mdb/show", "br0"), ("mdb/show", "nobr"), ("mdb/flush", "br0"), ("mdb/flush", "nobr"), ("mdb/flush",)):
        theirs, ours = (answer(switch, words) for switch in pair.switches)
        assert ours == theirs, words
    for switch in pair.switches:
        switch.appctl("time/stop")
    pair.vsctl("set bridge br0 mcast_snooping_enable=true")
    traces()
    receive(1, igmp(0x16, "225.0.0.1"))
    receive(2, igmp(0x12, "225.0.0.1"))
    receive(4, igmp(0x22, records=[(4, "226.0.0.1", []), (3, "226.0.0.2", []), (3, "226.0.0.3", ["1.1.1.1"]),
                                   (1, "226.0.0.4", []), (2, "226.0.0.5", []), (5, "226.0.0.6", ["1.1.1.1", "1.1.1.2"]),
                                   (6, "226.0.0.7", ["1.1.1.1"]), (4, "224.0.0.9", [])]))
    receive(1, mld(131, "ff05::1"))
    receive(2, mld(143, records=[(4, "ff05::8", []), (6, "ff05::7", ["fe80::2"]), (3, "ff05::6", [])]))
    assert table().count("\n") == 12
    traces()
    receive(3, igmp(0x11))
    receive(3, igmp(0x16, "227.0.0.1"))
    receive(5, igmp(0x11, source="0.0.0.0"))
    receive(5, mld(130, source="::"))
    assert table().count("querier") == 1
    traces()
    warp(5000)
    receive(4, igmp(0x17, "226.0.0.1"))
    receive(4, igmp(0x22, records=[(3, "226.0.0.3", []), (1, "226.0.0.5", [])]))
    receive(2, mld(132, "ff05::8"))
    receive(2, igmp(0x16, "225.0.0.1"))
    receive(5, igmp(0x16, "225.0.0.1", vlan=7))
    table()
    receive(4, mld(130))
    assert table().count("querier") == 2
    traces()
    pair.vsctl("set port p5 other_config:mcast-snooping-flood=true -- set port p2 other_config:mcast-snooping-flood-reports=true")
    traces()
    pair.vsctl("set bridge br0 other_config:mcast-snooping-disable-flood-unregistered=true")
    traces()
    for switch in pair.switches:
        switch.appctl("mdb/flush", "br0")
    assert table() == " port  VLAN  GROUP                Age\n"
    pair.vsctl("set bridge br0 other_config:mcast-snooping-table-size=10")
    for last in range(12):
        receive(2, igmp(0x16, f"225.0.1.{last}"))
    assert "225.0.1.1 " not in table()
    pair.vsctl("del-port p2")
    assert "225" not in table()


def answer(switch, words):
    """What a command answers, an error as such."""
    try:
        return switch.appctl(*words)
    except AssertionError as error:
        return f"error: {error}"


def wait_for(read, wanted):
    end = time.monotonic() + 20
    while wanted not in (text := read()):
        assert time.monotonic() < end, f"{wanted} did not come:\n{text}"
        time.sleep(0.05)
    return text
