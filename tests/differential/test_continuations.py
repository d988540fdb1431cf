"""Packets that controller(pause) stops and a controller sends on at once (`ovs-ofctl monitor … resume`): what leaves, by which
port and with which bytes, from the installed ovs-vswitchd and from Sluice in its place."""

import os
import struct
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD
from ovs import Ovs

PORTS = 5
UDP = "505400000002" "505400000001" "0800" "4500001c00000000401166cf" "0a000001" "0a000002" "0001000200080000"
#: It ends what a case makes leave: the last port sends it out of all others.
MARK = "ffffffffffff" "505400000009" "88b5" + "00" * 46

#: Name, flows, groups, and how often a packet is stopped on its way.
CASES = [
    ("the rest of a list", "actions=controller(pause),2", "", 1),
    ("between outputs", "actions=2,controller(pause),3", "", 1),
    ("twice", "actions=controller(pause),2,controller(pause),3", "", 2),
    ("and nothing after it", "actions=2,controller(pause)", "", 1),
    ("to where it came from", "actions=controller(pause),in_port,2", "", 1),
    ("what was written stays", "ip,actions=set_field:9.9.9.9->ip_src,set_field:00:00:00:00:00:07->eth_dst,controller(pause),2", "", 1),
    ("what is written afterwards", "udp,actions=2,controller(pause),set_field:99->udp_dst,dec_ttl,3", "", 1),
    ("a tag", "actions=push_vlan:0x8100,set_field:4103->vlan_vid,controller(pause),2,pop_vlan,3", "", 1),
    ("labels", "actions=push_mpls:0x8847,set_field:77->mpls_label,controller(pause),2,pop_mpls:0x800,3", "", 1),
    ("registers", "table=0,actions=set_field:5->reg0,set_field:6->metadata,controller(pause),resubmit(,1)\n"
     "table=1,reg0=5,metadata=6,actions=2\ntable=1,priority=1,actions=3", "", 1),
    ("the stack", "actions=set_field:5->reg0,push:NXM_NX_REG0[],set_field:9->reg0,controller(pause),pop:NXM_NX_REG1[],"
     "resubmit(,1)\ntable=1,reg0=9,reg1=5,actions=2\ntable=1,priority=1,actions=3", "", 1),
    ("before a resubmit", "actions=controller(pause),resubmit(,1),4\ntable=1,actions=3", "", 1),
    ("within a resubmit", "actions=2,resubmit(,1),4\ntable=1,udp,actions=set_field:7->udp_src,controller(pause),3", "", 1),
    ("within two", "actions=resubmit(,1),4\ntable=1,actions=resubmit(,2),3\ntable=2,actions=controller(pause),2", "", 1),
    ("a port that a resubmit sets", "actions=resubmit(3,1),4\ntable=1,in_port=3,actions=controller(pause),2,in_port", "", 1),
    ("goto_table", "table=0,actions=controller(pause),goto_table:1\ntable=1,actions=2", "", 1),
    ("goto_table twice", "table=0,actions=controller(pause),goto_table:1\ntable=1,actions=2,controller(pause),goto_table:2\n"
     "table=2,actions=3", "", 2),
    ("goto_table within a resubmit", "table=0,actions=resubmit(,1),4\ntable=1,actions=controller(pause),goto_table:2\n"
     "table=2,udp,actions=set_field:9->udp_dst,3", "", 1),
    ("metadata", "table=0,actions=controller(pause),write_metadata:0x77/0xff,goto_table:1\ntable=1,metadata=0x77,actions=2",
     "", 1),
    ("a group", "actions=controller(pause),group:1,4", "group_id=1,type=all,bucket=actions=2,bucket=actions=mod_tp_dst:5,3", 1),
    ("within a group", "actions=group:1,4", "group_id=1,type=indirect,bucket=actions=mod_tp_dst:5,controller(pause),2", 0),
    ("within a bucket of several", "actions=group:1,4",
     "group_id=1,type=all,bucket=actions=mod_tp_dst:5,2,bucket=actions=controller(pause),3", 0),
    ("a tracker before it", "table=0,udp,actions=ct(table=1,zone=3)\ntable=1,ct_state=+trk+new,ct_zone=3,udp,"
     "actions=controller(pause),2,resubmit(,2)\ntable=2,ct_state=+new,ct_zone=3,udp,actions=3", "", 1),
    ("a tracker after it", "table=0,udp,actions=controller(pause),ct(commit,table=1,zone=4)\n"
     "table=1,ct_state=+trk+new,ct_zone=4,udp,actions=2", "", 1),
    ("trackers on both sides", "table=0,udp,actions=ct(table=1,zone=5)\n"
     "table=1,ct_state=+trk,udp,actions=controller(pause),ct(table=2,zone=6),4\n"
     "table=2,ct_state=+trk+new,ct_zone=6,udp,actions=controller(pause),2", "", 2),
    ("an address that is translated", "table=0,udp,in_port=1,actions=controller(pause),"
     "ct(commit,zone=7,nat(src=10.9.9.9),table=1)\ntable=1,udp,actions=2", "", 1),
    ("exit", "actions=resubmit(,1),4\ntable=1,actions=controller(pause),2,exit,3", "", 1),
    ("a clone after it", "udp,actions=controller(pause),clone(set_field:5->udp_dst,2),3", "", 1),
    ("truncated", "actions=controller(pause),output(port=2,max_len=20),3", "", 1),
    ("flood", "actions=controller(pause),flood", "", 1),
    ("NORMAL", "actions=controller(pause),NORMAL", "", 1),
    ("all", "actions=controller(pause),all", "", 1),
    ("a packet's length", "actions=controller(pause),check_pkt_larger(30)->NXM_NX_REG0[0],resubmit(,1)\n"
     "table=1,reg0=1,actions=2\ntable=1,priority=1,actions=3", "", 1),
    ("learnt flows", "table=0,udp,actions=controller(pause),learn(table=1,eth_type=0x800,nw_proto=17,"
     "NXM_OF_UDP_DST[],output:NXM_OF_IN_PORT[]),resubmit(,1),2\n"
     "table=1,priority=1,actions=3", "", 1),
    ("userdata", "actions=controller(reason=action,userdata=01.02.03,pause),2", "", 1),
]


#: What Open vSwitch 3.1 does not do (docs/differences.md): name, flows, how often a packet is stopped, and what then leaves.
PLAIN, CHANGED = UDP, UDP.replace("0001000200080000", "0001000900080000")
OWN_CASES = [
    ("a clone ends before what follows it", "actions=clone(controller(pause),2),3", 1, {2: [PLAIN], 3: [PLAIN]}),
    ("an action set that is to come", "table=0,udp,actions=controller(pause),write_actions(set_field:9->udp_dst,output:3),"
     "goto_table:1\ntable=1,actions=2", 1, {2: [PLAIN], 3: [CHANGED]}),
    ("an action set that is there", "table=0,udp,actions=write_actions(set_field:9->udp_dst,output:3),goto_table:1\n"
     "table=1,actions=controller(pause),2", 1, {2: [PLAIN], 3: [CHANGED]}),
    ("an action set that is cleared", "table=0,udp,actions=write_actions(output:3),goto_table:1\n"
     "table=1,actions=controller(pause),2,clear_actions,write_actions(output:4)", 1, {2: [PLAIN], 4: [PLAIN]}),
]


class Switch(Ovs):
    """One bridge of dummy ports that record what leaves by them, and a monitor that sends on what is stopped."""

    def __init__(self, program):
        super().__init__(program)
        self.add_bridge("br0", PORTS)
        words = []
        for n in range(1, PORTS + 1):
            words += ["--", "set", "interface", f"p{n}", f"options:tx_pcap={self.dir}/p{n}.pcap"]
        self.vsctl(*words[1:])
        self.read = {n: 0 for n in range(1, PORTS + 1)}
        self.monitor_log = open(f"{self.dir}/monitor.log", "wb")
        self.monitor = subprocess.Popen(
            ["ovs-ofctl", "-O", "OpenFlow13", f"--unixctl={self.dir}/monitor.ctl", "monitor", "br0", "65534", "resume"],
            env=self.env, stdin=subprocess.DEVNULL, stdout=self.monitor_log, stderr=self.monitor_log)
        self.wait(lambda: os.path.exists(f"{self.dir}/monitor.ctl"), "the monitor runs")
        self.barrier()

    def close(self):
        self.monitor.kill()
        self.monitor.wait()
        self.monitor_log.close()
        super().close()

    @staticmethod
    def wait(condition, what):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, f"not after 30 s: {what}"
            time.sleep(0.01)

    def barrier(self):
        """What the monitor has said is done."""
        self.run("ovs-appctl", "-t", f"{self.dir}/monitor.ctl", "ofctl/barrier")

    def resumed(self):
        with open(f"{self.dir}/monitor.log", encoding="utf-8", errors="replace") as file:
            return file.read().count("send: NXT_RESUME")

    def left(self, port):
        """The frames that have left by a port since begin()."""
        with open(f"{self.dir}/p{port}.pcap", "rb") as file:
            file.seek(24 + self.read[port])
            data = file.read()
        frames, at = [], 0
        while at + 16 <= len(data):
            length = struct.unpack_from("<I", data, at + 8)[0]
            frames.append(data[at + 16:at + 16 + length].hex())
            at += 16 + length
        return frames

    def leaves(self, flows, groups, stops):
        """What a packet makes leave that is stopped so often: sorted frames of each port."""
        self.replace_groups("br0", groups)
        marked = f"table=0,priority=65535,in_port={PORTS},dl_type=0x88b5,actions=all"
        self.replace_flows("br0", f"{flows}\n{marked}\n")
        self.appctl("dpctl/flush-conntrack")
        self.appctl("revalidator/purge")  # Open vSwitch uses the flows of before for a while
        for port in self.read:
            self.read[port] = max(0, os.path.getsize(f"{self.dir}/p{port}.pcap") - 24)

        before = self.resumed()
        self.appctl("netdev-dummy/receive", "p1", UDP)
        self.wait(lambda: self.resumed() >= before + stops, f"the packet is stopped {stops} times")
        self.barrier()
        self.appctl("netdev-dummy/receive", f"p{PORTS}", MARK)
        self.wait(lambda: all(MARK in self.left(n) for n in range(1, PORTS)), "what came last has left")
        assert self.resumed() == before + stops
        return {n: sorted(f for f in self.left(n) if f != MARK) for n in range(1, PORTS + 1)}


@pytest.fixture(scope="module", name="switches")
def two_switches():
    with tempfile.TemporaryDirectory(prefix="sluice-continuations-") as folder:
        program = f"{folder}/ovs-vswitchd"
        os.symlink(f"{BUILD}/sluiced", program)
        pair = []
        try:
            for vswitchd in ("ovs-vswitchd", program):
                pair.append(Switch(vswitchd))
            yield pair
        finally:
            for switch in pair:
                switch.close()


@pytest.mark.parametrize("flows, groups, stops", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_leaves_after_a_pause(switches, flows, groups, stops):
    theirs, ours = (switch.leaves(flows, groups, stops) for switch in switches)
    assert ours == theirs


@pytest.mark.parametrize("flows, stops, leaves", [case[1:] for case in OWN_CASES], ids=[case[0] for case in OWN_CASES])
def test_what_only_sluice_does(switches, flows, stops, leaves):
    assert switches[1].leaves(flows, "", stops) == {**{n: [] for n in range(1, PORTS + 1)}, **leaves}


def test_mirrors_see_a_packet_once(switches):
    """A mirror's copy is made when the packet comes and when it leaves, however often it stops on its way."""
    left = []
    for switch in switches:
        switch.vsctl("--", "--id=@in", "get", "port", "p1", "--", "--id=@out", "get", "port", "p2", "--", "--id=@to", "get",
                     "port", "p4", "--", "--id=@m", "create", "mirror", "name=m", "select_src_port=@in",
                     "select_dst_port=@out", "output_port=@to", "--", "set", "bridge", "br0", "mirrors=@m")
        cases = ["actions=controller(pause),2", "actions=2,controller(pause),3", "actions=controller(pause),3",
                 "udp,actions=controller(pause),set_field:9->udp_dst,2", "udp,actions=set_field:9->udp_dst,controller(pause),2"]
        left.append([switch.leaves(flows, "", 1) for flows in cases])
        switch.vsctl("clear", "bridge", "br0", "mirrors")
    theirs, ours = left
    assert ours == theirs
