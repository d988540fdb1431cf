"""Meters of what the switch hands up, `controller` and `slowpath`: the datapath's actions and what the switches say of the
meters, of the installed ovs-vswitchd and of Sluice in its place."""

import os
import re
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD
from ovs import Ovs

FLOWS = ("udp,tp_src=1,actions=controller", "udp,tp_src=2,actions=controller(meter_id=1),2",
         "udp,tp_src=3,actions=controller(meter_id=7),2", "udp,tp_src=4,actions=controller(max_len=99),controller(id=3),2",
         "udp,tp_src=5,actions=dec_ttl,2", "udp,tp_src=6,actions=dec_ttl(1,2),2", "udp,tp_src=7,actions=write_actions(controller)",
         "udp,tp_src=8,actions=controller(meter_id=4294967294),2", "udp,tp_src=9,actions=set_field:5->nw_ttl,controller,2",
         "udp,tp_src=10,actions=2,controller(userdata=01.02)", "udp,tp_src=11,actions=clone(controller,3),2", "udp,tp_src=12,actions=2")
BPDU = ("0180c2000000" "505400000001" "0026" "424203" "0000000000" "8000505400000001" "00000000" "8000505400000001"
        "8001" "0000140002000f00").ljust(120, "0")


class Switch(Ovs):
    def __init__(self, program):
        super().__init__(program)
        self.add_bridge("br0", 3)
        self.said = []

    def of(self, *words):
        done = subprocess.run(["ovs-ofctl", "-O", "OpenFlow15", *words], env=self.env, capture_output=True, text=True, timeout=60,
                              check=False)
        answer = re.sub(r"xid=0x[0-9a-f]+|duration:[0-9.]+s", "", done.stdout + done.stderr)
        self.said.append((words, answer.replace(self.dir, "DIR")))

    def meters(self, command):
        """One after the other: each switch has an order of its own."""
        done = self.run("ovs-ofctl", "-O", "OpenFlow15", command, "br0").split("\n", 1)[1]
        self.said.append((command, sorted(re.sub(r"duration:[0-9.]+s", "", done).split("meter"))))

    def traces(self):
        for source in range(1, 13):
            text = self.appctl("ofproto/trace", "br0", f"udp,in_port=1,nw_ttl={1 if source in (5, 6) else 64},udp_src={source}")
            actions = re.search(r"Datapath actions: (.*)", text).group(1)
            actions = re.sub(r"dont_send=\d,|recirc_id=\d+,", "", actions)
            self.said.append((source, re.sub(r"(?<![^,])\d+(?![^,])", "PORT", actions)))  # each has its own numbers

    def wait_for_frames(self, wanted):
        end = time.monotonic() + 20
        while True:
            flows = re.findall(r"01:80:c2:00:00:00.*actions:(.*)", self.appctl("dpif/dump-flows", "br0"))
            if bool(flows) == wanted:
                return flows
            assert time.monotonic() < end, flows
            time.sleep(0.02)

    def own_frames(self):
        """What becomes of frames of the switch's own protocols, in the datapath."""
        self.appctl("revalidator/purge")
        self.wait_for_frames(False)
        self.appctl("netdev-dummy/receive", "p1", BPDU)
        self.said.append(("BPDU", self.wait_for_frames(True)))
        trace = self.appctl("ofproto/trace", "br0", "in_port=1,dl_dst=01:80:c2:00:00:00,dl_type=0x5ff")
        self.said.append(("trace", trace.split("Datapath actions")[1]))


@pytest.fixture(scope="module")
def switches():
    with tempfile.TemporaryDirectory(prefix="sluice-meters-") as folder:
        program = f"{folder}/ovs-vswitchd"
        os.symlink(f"{BUILD}/sluiced", program)
        pair = [Switch("ovs-vswitchd"), Switch(program)]
        yield pair
        for switch in pair:
            switch.close()


def compare(switches, scenario):
    theirs, ours = [], []
    for switch, said in zip(switches, (theirs, ours)):
        switch.said = said
        scenario(switch)
    for one, other in zip(theirs, ours):
        assert other == one, f"\n--- ovs-vswitchd\n{one}\n--- sluice\n{other}"
    assert len(theirs) == len(ours)


def test_controller(switches):
    def scenario(switch):
        flows = "\n".join(FLOWS)
        for flow in ("udp,actions=meter:4294967294,2", "udp,actions=meter:4294967293,2"):
            switch.of("add-flow", "br0", flow)
        switch.replace_flows("br0", flows)
        switch.traces()
        switch.of("add-meter", "br0", "meter=1,pktps,band=type=drop,rate=1")
        switch.of("add-meter", "br0", "meter=controller,pktps,stats,burst,band=type=drop,rate=1000,burst_size=3")
        switch.of("add-meter", "br0", "meter=controller,kbps,band=type=drop,rate=1000")
        # Open vSwitch looks a meter up when the flow that names it comes.
        switch.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br0")
        switch.replace_flows("br0", flows)
        switch.traces()
        switch.meters("dump-meters")
        switch.meters("meter-stats")
        switch.of("meter-stats", "br0", "meter=controller")
        switch.of("mod-meter", "br0", "meter=controller,pktps,band=type=drop,rate=5")
        switch.of("mod-meter", "br0", "meter=slowpath,pktps,band=type=drop,rate=5")
        switch.of("dump-meter", "br0", "meter=controller")
        switch.traces()
        switch.of("del-meter", "br0", "meter=controller")
        switch.of("meter-stats", "br0", "meter=controller")
        switch.of("del-meter", "br0", "meter=controller")
        switch.of("--no-stats", "--sort", "dump-flows", "br0")
        switch.of("del-meters", "br0")
        switch.meters("dump-meters")
        switch.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br0")
        switch.replace_flows("br0", flows)
        switch.traces()
    compare(switches, scenario)


def test_slowpath(switches):
    def scenario(switch):
        switch.vsctl("set", "bridge", "br0", "stp_enable=true")
        for port in ("p1", "p2", "p3"):
            switch.appctl("netdev-dummy/set-admin-state", port, "up")
        switch.own_frames()
        switch.of("add-meter", "br0", "meter=slowpath,pktps,band=type=drop,rate=100")
        switch.own_frames()
        switch.of("dump-meter", "br0", "meter=slowpath")
        switch.of("del-meter", "br0", "meter=slowpath")
        switch.own_frames()
        switch.vsctl("set", "bridge", "br0", "stp_enable=false")
    compare(switches, scenario)
