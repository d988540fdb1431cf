"""What controllers hear of a switch though they did not ask, and what its tables do when they are full: the installed
ovs-vswitchd and Sluice in its place, both set up by ovs-vsctl and ovs-ofctl, with controllers that the tests drive by hand."""

import os
import struct
import tempfile

import pytest

from daemon import BUILD
from of_controller import Controller, settle
from ovs import Ovs

VERSIONS = {"OpenFlow10": 1, "OpenFlow11": 2, "OpenFlow12": 3, "OpenFlow13": 4, "OpenFlow14": 5, "OpenFlow15": 6}
UDP = "5054000000025054000000010800" "4500001c0000000040110000" "0a000001" "0a000002" "0001000200080000"
PRIMARY, SECONDARY, EQUAL, NO_CHANGE = 2, 3, 1, 0


class Switch(Ovs):
    """A switch with one bridge of three dummy ports, and controllers of it."""

    def __init__(self, program):
        super().__init__(program)
        self.add_bridge("br0", 3)
        self.controllers, self.said = [], []

    def begin(self, protocol, controllers=1, also=""):
        """`also`: a protocol that ovs-ofctl may speak beside."""
        self.protocol = protocol
        for _ in range(controllers):
            self.controllers.append(Controller(f"{self.dir}/c{len(self.controllers)}", VERSIONS[protocol]))
        self.vsctl("set", "bridge", "br0", "protocols=" + ",".join({protocol, also} - {""}))
        self.vsctl("set-controller", "br0", *(f"unix:{c.path}" for c in self.controllers))
        for controller in self.controllers:
            controller.connected()
        self.note("begin", False)

    def end(self):
        self.vsctl("del-controller", "br0")
        for controller in self.controllers:
            controller.close()
        self.vsctl("set", "bridge", "br0", "protocols=[]", "flow_tables={}")
        self.replace_groups("br0", "")
        self.controllers, self.said = [], []

    def note(self, what, keep=True):
        """What each controller has heard since the last note."""
        settle(self, self.controllers)
        heard = [self.last_states(c.take()) for c in self.controllers]
        if keep:
            self.said.append((what, heard))

    @staticmethod
    def last_states(messages):
        """Open vSwitch tells a port's way from one state to another in two steps, and in which order the flows of one
        request go is each switch's own."""
        last = {m.split("addr", 1)[0]: m for m in messages if m.startswith("OFPT_PORT_STATUS")}
        return sorted([m for m in messages if not m.startswith("OFPT_PORT_STATUS")] + list(last.values()))

    def of(self, *words):
        done = self.run("ovs-ofctl", "-O", self.protocol, *words, check=False)
        self.note(" ".join(words).replace(self.dir, "DIR"))
        return done

    def flows(self):
        lines = self.run("ovs-ofctl", "-O", self.protocol, "--no-stats", "--sort", "dump-flows", "br0").splitlines()
        self.said.append(("flows", sorted(line.strip() for line in lines if "actions" in line)))

    def packet(self, port=1):
        self.appctl("netdev-dummy/receive", f"p{port}", UDP)
        self.note(f"packet {port}")


@pytest.fixture(scope="module")
def switches():
    with tempfile.TemporaryDirectory(prefix="sluice-behaviour-") as folder:
        program = f"{folder}/ovs-vswitchd"
        os.symlink(f"{BUILD}/sluiced", program)
        pair = [Switch("ovs-vswitchd"), Switch(program)]
        yield pair
        for switch in pair:
            switch.close()


def compare(switches, protocol, scenario, controllers=1, also=""):
    said = []
    for switch in switches:
        try:
            switch.begin(protocol, controllers, also)
            scenario(switch)
            said.append(switch.said)
        finally:
            switch.end()
    theirs, ours = said
    for one, other in zip(theirs, ours):
        assert other == one, f"\n--- ovs-vswitchd\n{one}\n--- sluice\n{other}"
    assert len(theirs) == len(ours)


@pytest.mark.parametrize("protocol", VERSIONS)
def test_table_miss(switches, protocol):
    def scenario(switch):
        switch.packet()
        switch.of("add-flow", "br0", "priority=5,udp,actions=resubmit(,5)")
        switch.packet()
        if protocol != "OpenFlow10":
            switch.of("add-flow", "br0", "priority=5,udp,actions=goto_table:5")
            switch.packet()
            switch.of("add-flow", "br0", "table=5,priority=0,actions=controller")
            switch.packet()
        switch.of("add-flow", "br0", "priority=5,udp,actions=controller(reason=no_match,id=0)")
        switch.packet()
        switch.of("del-flows", "br0")
        switch.of("add-flow", "br0", "priority=0,actions=controller")
        switch.packet()
        switch.of("del-flows", "br0")
        switch.of("add-flow", "br0", "priority=0,udp,actions=controller")
        switch.packet()
    compare(switches, protocol, scenario)


@pytest.mark.parametrize("protocol", ["OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14"])
def test_flows_that_go_with_what_they_use(switches, protocol):
    def scenario(switch):
        switch.of("add-group", "br0", "group_id=1,type=all,bucket=actions=output:1")
        switch.of("add-flow", "br0", "send_flow_rem,tcp,actions=group:1")
        switch.of("del-groups", "br0", "group_id=1")
        if protocol < "OpenFlow13":
            return
        switch.of("add-meter", "br0", "meter=1,kbps,band=type=drop,rate=100")
        switch.of("add-flow", "br0", "send_flow_rem,tcp,actions=meter:1,output:1")
        switch.of("del-meter", "br0", "meter=1")
    compare(switches, protocol, scenario)


def role_request(controller, role, generation):
    if controller.version >= 3:
        controller.say(24, struct.pack("!IIQ", role, 0, generation))
    else:
        controller.say(4, struct.pack("!III", 0x2320, 10, {EQUAL: 0, PRIMARY: 1, SECONDARY: 2}[role]))


@pytest.mark.parametrize("protocol", ["OpenFlow10", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"])
def test_what_each_role_hears(switches, protocol):
    def events(switch):
        switch.packet()
        switch.of("mod-port", "br0", "p2", "down")
        switch.of("mod-port", "br0", "p2", "up")
        switch.of("add-flow", "br0", "send_flow_rem,priority=9,tcp,actions=drop")
        switch.of("--strict", "del-flows", "br0", "priority=9,tcp")

    def scenario(switch):
        a, b, c = switch.controllers
        switch.of("add-flow", "br0", "priority=5,udp,actions=controller")
        events(switch)
        role_request(a, PRIMARY, 5)
        switch.note("primary")
        role_request(b, SECONDARY, 5)
        switch.note("secondary")
        events(switch)
        role_request(c, PRIMARY, 6)
        switch.note("another primary")
        events(switch)
        role_request(a, EQUAL, 0)
        switch.note("equal again")
        events(switch)
        # What is asked of a secondary.
        b.say(14, bytes(64) if b.version == 1 else bytes(40) + struct.pack("!HHI", 1, 4, 0))
        b.say(9, struct.pack("!HH", 0, 77))
        b.say(7)
        switch.note("a secondary asks")
    compare(switches, protocol, scenario, 3)


@pytest.mark.parametrize("protocol", ["OpenFlow12", "OpenFlow13", "OpenFlow15"])
def test_generations(switches, protocol):
    def scenario(switch):
        a, b = switch.controllers
        for controller, role, generation in ((a, PRIMARY, 5), (b, PRIMARY, 4), (b, SECONDARY, 4), (b, SECONDARY, 5), (a, NO_CHANGE, 1),
                                             (a, EQUAL, 1), (a, PRIMARY, 2 ** 63 + 4), (a, PRIMARY, 2 ** 63 + 6), (b, PRIMARY, 2 ** 64 - 1),
                                             (a, SECONDARY, 3), (b, NO_CHANGE, 0), (a, 9, 4)):
            role_request(controller, role, generation)
            switch.note(f"{role} {generation}")
        a.disconnect()
        a.connected()
        switch.note("back", False)
        role_request(a, PRIMARY, 2)
        role_request(a, NO_CHANGE, 0)
        switch.note("after a new connection")
    compare(switches, protocol, scenario, 2)


def set_async(controller, packet_in, port_status, flow_removed):
    """Each: of a primary or equal, and of a secondary."""
    controller.say(28, struct.pack("!6I", *packet_in, *port_status, *flow_removed))


def test_asynchronous_configuration(switches):
    def scenario(switch):
        a, b = switch.controllers
        switch.of("add-flow", "br0", "priority=5,udp,actions=controller")
        for masks in (((2, 0), (0, 0), (0, 0)), ((0, 2), (4, 1), (15, 0)), ((1, 1), (1, 4), (4, 4)), ((0xffffffff,) * 2,) * 3):
            for role in (PRIMARY, SECONDARY):
                role_request(b, role, 1)
                set_async(b, *masks)
                b.say(26)
                switch.note(f"async {masks} {role}")
                switch.packet()
                switch.of("mod-port", "br0", "p2", "down")
                switch.of("mod-port", "br0", "p2", "up")
                switch.of("add-flow", "br0", "send_flow_rem,priority=9,tcp,actions=drop")
                switch.of("--strict", "del-flows", "br0", "priority=9,tcp")
    compare(switches, "OpenFlow13", scenario, 2)


def properties(kinds):
    """An asynchronous configuration as a list of properties."""
    return b"".join(struct.pack("!HHI", kind, 8, mask) for kind, mask in kinds)


# The ways in which a controller says what packet-ins it wants, as one that is no secondary.
ASYNC = {
    "OFPT_SET_ASYNC": lambda c, mask: c.say(28, properties([(1, mask)]) if c.version > 4 else struct.pack("!6I", mask, *bytes(5))),
    "NXT_SET_ASYNC_CONFIG": lambda c, mask: c.say(4, struct.pack("!8I", 0x2320, 19, mask, *bytes(5))),
    "NXT_SET_ASYNC_CONFIG2": lambda c, mask: c.say(4, struct.pack("!II", 0x2320, 27) + properties([(1, mask)])),
}
REASONS = ("no_match", "action", "invalid_ttl", "action_set", "group", "packet_out")


@pytest.mark.parametrize("protocol", ["OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"])
def test_packet_ins_by_reason(switches, protocol):
    """Each way to a controller, and which of them one hears of that wants some reasons alone."""
    flows = ["tp_src=1,actions=controller", "tp_src=2,actions=write_actions(controller)", "tp_src=3,actions=group:1",
             "tp_src=4,actions=write_actions(group:1)", "tp_src=5,actions=dec_ttl,3"]
    if protocol != "OpenFlow10":  # Open vSwitch asks for another reason there than it tells
        flows.append("tp_src=6,actions=goto_table:1")
    flows += [f"tp_src={10 + n},actions=controller(reason={reason})" for n, reason in enumerate(REASONS)]
    sources = [1, 2, 3, 4, 5, 6, 7, *range(10, 10 + len(REASONS))]  # of 7 no flow says anything

    def udp(source, ttl=64):
        return UDP.replace("0001000200080000", f"{source:04x}000200080000").replace("40110000", f"{ttl:02x}110000")

    def of15(switch, *words, text=None):
        switch.run("ovs-ofctl", "-O", "OpenFlow15", *words, text=text)

    def packets(switch, what):
        """What follows from what was asked before, and is not in its answer, has happened when nothing more is heard."""
        switch.note(what)
        switch.appctl("revalidator/purge")
        for source in sources:
            switch.appctl("netdev-dummy/receive", "p1", udp(source, 1 if source == 5 else 64))
        for actions in ("controller", "group:1", "resubmit(,1)"):
            of15(switch, "packet-out", "br0", f"in_port=2,packet={udp(9)},actions={actions}")
        switch.note(f"packets: {what}")

    def scenario(switch):
        own = switch.controllers[0]
        of15(switch, "add-group", "br0", "group_id=1,type=all,bucket=actions=controller")
        of15(switch, "add-flows", "br0", "-", text="\n".join(["table=1,priority=0,actions=controller"] + [f"udp,{f}" for f in flows]))
        packets(switch, "as it begins")
        for name, ask in ASYNC.items():
            known = own.version >= 4 if name == "OFPT_SET_ASYNC" else own.version <= 4 if name == "NXT_SET_ASYNC_CONFIG2" else True
            for mask in (2, 5, 8, 48, 63) if known else (1,):
                ask(own, mask)
                packets(switch, f"{name} {mask}")
        ASYNC["NXT_SET_ASYNC_CONFIG"](own, 63)
        for style in (1, 2):
            own.say(4, struct.pack("!III", 0x2320, 16, style))
            packets(switch, f"packet-in format {style}")
    compare(switches, protocol, scenario, also="OpenFlow15")


def flow_table(switch, table, **columns):
    switch.vsctl("--", "--id=@t", "create", "Flow_Table", *(f"{name}={value}" for name, value in columns.items()), "--", "set",
                 "bridge", "br0", f"flow_tables:{table}=@t")
    switch.note("flow table")


def test_full_tables(switches):
    def scenario(switch):
        flow_table(switch, 0, flow_limit=4, overflow_policy="refuse")
        for port in range(1, 7):
            switch.of("add-flow", "br0", f"in_port={port},send_flow_rem,idle_timeout=60,actions=drop")
        switch.flows()
        switch.of("add-flow", "br0", "in_port=2,actions=1")
        switch.of("mod-flows", "br0", "in_port=9,actions=1")
        switch.flows()
    compare(switches, "OpenFlow14", scenario)


def test_eviction(switches):
    def scenario(switch):
        add = lambda words: switch.of("add-flow", "br0", f"send_flow_rem,{words},actions=drop")
        flow_table(switch, 0, flow_limit=4, overflow_policy="evict")
        for port, words in enumerate(("hard_timeout=100", "hard_timeout=50", "hard_timeout=200", "priority=7", "hard_timeout=70",
                                      "hard_timeout=300", "priority=8", "priority=9", "idle_timeout=40")):
            add(f"in_port={port + 1},{words}")
        switch.flows()
        add("in_port=50,priority=1")
        add("in_port=51,priority=1")
        switch.flows()
        # Importance counts before time.
        switch.of("del-flows", "br0")
        for port, importance, timeout in ((1, 5, 10), (2, 3, 500), (3, 9, 1), (4, 3, 400), (5, 1, 5), (6, 100, 5), (7, 50, 50), (8, 0, 1)):
            add(f"in_port={port},importance={importance},hard_timeout={timeout + 1000}")
        switch.flows()
    compare(switches, "OpenFlow14", scenario)


def test_eviction_groups(switches):
    def scenario(switch):
        add = lambda words: switch.of("add-flow", "br0", f"send_flow_rem,{words},actions=drop")
        flow_table(switch, 0, flow_limit=5, overflow_policy="evict", groups='"NXM_OF_IN_PORT[]"')
        # Of the groups one is always the largest: which of several that are equal pays is a hash's.
        for port, src, timeout in ((1, 1, 100), (1, 2, 200), (1, 3, 300), (1, 4, 50), (2, 1, 10), (3, 1, 5), (3, 2, 50)):
            add(f"in_port={port},ip,nw_src=10.0.0.{src},hard_timeout={timeout + 1000}")
        switch.flows()
        switch.of("del-flows", "br0", "ip,nw_src=10.0.0.2,in_port=1")
        add("in_port=3,ip,nw_src=10.0.0.3,priority=7")
        add("in_port=3,ip,nw_src=10.0.0.4,hard_timeout=900")
        switch.flows()
    compare(switches, "OpenFlow14", scenario)


def test_eviction_that_two_want(switches):
    def scenario(switch):
        def look():
            switch.said.append(("desc", switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-table-desc", "br0").splitlines()[:4]))
            for port in range(1, 4):
                switch.of("add-flow", "br0", f"in_port={port},send_flow_rem,hard_timeout={1000 + port},actions=drop")
            switch.flows()
            switch.of("del-flows", "br0")
        flow_table(switch, 0, flow_limit=2)
        switch.of("mod-table", "br0", "0", "evict")
        look()
        flow_table(switch, 0, flow_limit=2, name="first")
        look()
        flow_table(switch, 0, flow_limit=2, overflow_policy="evict")
        switch.of("mod-table", "br0", "0", "noevict")
        look()
    compare(switches, "OpenFlow14", scenario)


def test_a_limit_that_is_lowered(switches):
    def scenario(switch):
        for port in range(1, 9):
            switch.of("add-flow", "br0", f"in_port={port},send_flow_rem,hard_timeout={1000 + port},actions=drop")
        flow_table(switch, 0, flow_limit=5, overflow_policy="evict")
        switch.flows()
        flow_table(switch, 0, flow_limit=3)
        switch.of("add-flow", "br0", "in_port=10,actions=drop")
        switch.flows()
    compare(switches, "OpenFlow13", scenario)


def test_vacancy(switches):
    def scenario(switch):
        with open(f"{switch.dir}/nine.flows", "w", encoding="utf-8") as file:
            file.writelines(f"in_port={port},actions=drop\n" for port in range(1, 10))
        flow_table(switch, 0, flow_limit=10)
        switch.of("mod-table", "br0", "0", "vacancy:20,80")
        # Nobody hears of it who has not asked: property 9, table status of a primary.
        switch.of("add-flows", "br0", f"{switch.dir}/nine.flows")
        switch.of("del-flows", "br0")
        switch.controllers[0].say(28, struct.pack("!HHI", 9, 8, 0x18))
        switch.note("asked")
        switch.said.append(("desc", switch.run("ovs-ofctl", "-O", "OpenFlow14", "dump-table-desc", "br0").splitlines()[:8]))
        for port in range(1, 11):
            switch.of("add-flow", "br0", f"in_port={port},actions=drop")
        for port in range(1, 11):
            switch.of("del-flows", "br0", f"in_port={port}")
        switch.of("mod-table", "br0", "0", "novacancy")
        for port in range(1, 11):
            switch.of("add-flow", "br0", f"in_port={port},actions=drop")
        switch.of("mod-table", "br0", "0", "evict")
        switch.of("add-flow", "br0", "in_port=11,hard_timeout=100,actions=drop")
        switch.of("del-flows", "br0", "in_port=1")
        switch.of("add-flow", "br0", "in_port=11,hard_timeout=100,send_flow_rem,importance=3,actions=drop")
        switch.of("add-flow", "br0", "in_port=12,hard_timeout=100,actions=drop")
        switch.flows()
    compare(switches, "OpenFlow14", scenario)


@pytest.mark.parametrize("protocol", ["OpenFlow10", "OpenFlow13", "OpenFlow14"])
def test_more_than_one_connection(switches, protocol):
    """No connection is another's auxiliary: each is told 0, and each is served by itself."""
    def scenario(switch):
        for controller in switch.controllers:
            controller.say(5)
        switch.note("features")
    compare(switches, protocol, scenario, 2)
