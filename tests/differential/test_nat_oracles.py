"""The sequences of ct_sequence.py through NAT, in Sluice, in the Linux kernel and in the installed ovs-vswitchd.

Which tuple a connection gets is each tracker's own choice, so each has ends of its own: what comes out for a client's
packet tells its server where to answer to. All that leaves is compared, octet by octet, with what it has to be: packets
and what ICMP errors quote are as the other side knows them, checksums right (or as wrong as before), fragments put
together. Tuples are within the pool and nobody else's; where a rule leaves one choice, it is the same everywhere. State
and fate of every packet agree, or a row of ct_difference.py says why not.

SLUICE_CT_NAT_SEQUENCES is the number of sequences (1000), SLUICE_CT_SEED where they come from (1).
"""

import contextlib
import os
from collections import Counter

import pytest

import ct_device
import ct_difference
import ct_nat
import ct_sequence
from ct_packet import ICMP, ICMP6, SCTP, TCP, UDP
from ct_fragment import LOST, join
from ovs import Ovs
from test_conntrack_oracles import kernel_can

COUNT = int(os.environ.get("SLUICE_CT_NAT_SEQUENCES", "1000"))
SEED = int(os.environ.get("SLUICE_CT_SEED", "1"))
# What an ICMP query or its answer asks for: ids of one kind are no others'.
QUERY_OF = {(ICMP, 8): 8, (ICMP, 0): 8, (ICMP, 13): 13, (ICMP, 14): 13, (ICMP, 15): 15, (ICMP, 16): 15, (ICMP6, 128): 8,
            (ICMP6, 129): 8}
PORT_CLASSES = ((1, 511), (600, 1023), (1024, 65535))


def plain(packet):
    """Without what tells the verdict and the number, and what a router changes."""
    data = bytearray(packet)
    if data[0] >> 4 == 6:
        data[0:4], data[7] = b"\x60\0\0\0", 64
    else:
        assert ct_nat.checksum(bytes(data[:20])) == 0, "header checksum"
        data[1], data[4:6], data[8], data[10:12] = 0, bytes(2), 64, bytes(2)
    return bytes(data)


class Player:
    """Both ends of one sequence as they meet one tracker."""

    def __init__(self, sequence, rule, taken):
        self.sequence, self.rule = sequence, ct_nat.RULES[rule]
        self.number, self.taken = rule, taken
        self.client = sequence.hosts[0]
        self.there = {}     # {key: how the other side sees the ends}
        self.at, self.foreign = 0, False
        self.outside = None  # the packet with which a server opened a connection
        self.starved = None  # after the packet that got no translation and was dropped
        self.verdicts, self.problems = [], []

    def wire(self):
        """What is sent next."""
        packet = self.sequence.packets[self.at]
        headers = ct_nat.Headers(packet)
        self.key = ct_nat.key_of(packet, self.client)
        _, self.here = self.key
        self.query = QUERY_OF.get((headers.proto, packet[headers.at])) if len(packet) > headers.at else None
        note = self.sequence.notes[self.at]
        self.inside = note[0] == ">" or note[0] == "!" and headers.dst != self.client
        there = self.there.get(self.key)
        self.sent = packet if self.inside or there is None else ct_nat.view(packet, self.here, there)
        return self.sequence.on_wire(self.at, self.sent)

    def got(self, verdict, packets):
        """`fate` of the packet: nothing came out, it was untouched, translated as it has to be, or something else."""
        packet = self.sequence.packets[self.at]
        state = None if verdict is None else verdict.split()[0]
        fate = self.fate(packet, state, join(packets) if packets else None)
        cut = self.sequence.cuts[self.at]
        if fate == "nothing" and self.inside and not self.there and not (cut and cut[0] in LOST) and self.starved is None:
            self.starved, self.foreign = self.at + 1, True
            self.check_used_up()
        # Where a server's packet opens a connection, there is nothing to translate: no news from there on.
        if state is not None and state.startswith("new") and not self.inside:
            self.foreign = True
            self.outside = self.at if self.outside is None else self.outside
        if fate == "wrong" and not self.foreign:
            self.problems.append((self.at, f"{verdict}: {[p.hex() for p in packets][:2]} for {self.sent.hex()}"))
        bits = state and "+".join(word for word in state.split("+") if word not in ("snat", "dnat"))
        self.verdicts.append(f"{bits} {fate}" if state else "nothing")
        self.at += 1

    def check_used_up(self):
        """Only who asks for a port of a pool that has given all of them to others may get none."""
        proto, here = self.key
        if not self.rule.ports or proto not in (TCP, UDP, SCTP):
            return
        has = self.rule.hosts * (self.rule.ports[1] - self.rule.ports[0] + 1)
        given = sum(1 for rule, of, _, there in self.taken
                    if (rule, of, there.s, there.sport) == (self.number, proto, here.s, here.sport))
        if self.rule.kind != "src" or given < has:
            self.problems.append((self.at, f"no port, though {given} of {has} have been given"))

    def is_half_known(self, at):
        """Of two zones only the first knows a connection that a server opened: replies are invalid in the other."""
        return self.rule.kind == "both" and self.outside is not None and at > self.outside

    def fate(self, packet, state, out):
        if out is None:
            return "nothing"
        try:
            out = plain(out)
        except AssertionError:
            return "wrong"
        if state.startswith("inv"):
            return "untouched" if out == plain(self.sent) else "wrong"
        there = self.there.get(self.key)
        error = ct_nat.Headers(packet).is_error
        if self.inside and not error and (there is None or "new" in state):
            learned = ct_nat.ends_of(out, True)
            if plain(ct_nat.view(packet, self.here, learned)) != out:
                return "wrong"
            if there != learned:
                self.learn(learned)
            return "translated" if learned != self.here else "untouched"
        if there is None:
            return "untouched" if out == plain(self.sent) else "wrong"
        if not self.inside and state.startswith("new") and out == plain(self.sent):
            return "untouched"
        if not self.inside:
            wanted = [packet, ct_nat.from_router(packet, self.here.s)] if error else [packet]
        else:
            wanted = [ct_nat.view(packet, self.here, there)]
            if error:
                wanted.append(ct_nat.from_router(wanted[0], there.c))
        if out in map(plain, wanted):
            return "translated" if there != self.here else "untouched"
        return "wrong"

    def learn(self, there):
        """The connection's tuple on the other side. Says what is wrong with it."""
        proto, here = self.key
        if self.key in self.there:  # a connection in place of another, whose tuple is free now
            self.taken.pop((self.number, proto, self.query, self.there[self.key]), None)
        if there == here:
            self.there[self.key] = there
            return
        ports = proto in (TCP, UDP, SCTP)
        rule, problem = self.rule, None
        if rule.kind == "src" and (there.s, there.sport) != (here.s, here.sport if proto not in (ICMP, ICMP6) else there.sport):
            problem = "the destination changed"
        if rule.kind == "dst" and there.c != here.c:
            problem = "the source changed"
        for kind, part, end, port, own in (("src", 2, there.c, there.cport, here.cport), ("dst", 3, there.s, there.sport, here.sport)):
            if rule.kind not in (kind, "both"):
                continue
            if not ct_nat.is_in_pool(part, self.number, end):
                problem = f"{kind} is not in the pool"
            if ports and rule.ports and not rule.ports[0] <= port <= rule.ports[1]:
                problem = f"{kind} port is not in the range"
            if ports and not rule.ports and kind == "src" and not any(a <= own <= b and a <= port <= b for a, b in PORT_CLASSES):
                problem = "the source port left its class"
            if ports and not rule.ports and kind == "dst" and port != own:
                problem = "the destination port changed"
        name = (self.number, proto, self.query, there)
        owner = self.taken.setdefault(name, self)
        if owner is not self:
            problem = f"sequence {owner.sequence.number} has the same tuple"
        if ports and not rule.ports and not rule.options and rule.hosts == 1 and there.cport != here.cport:
            kept = ct_nat.Ends(there.c, here.cport, there.s, there.sport)
            if (self.number, proto, self.query, kept) not in self.taken:
                problem = "the port changed without need"
        if problem and not self.foreign:
            self.problems.append((self.at, f"{problem}: {here.text()} became {there.text()}"))
        self.there[self.key] = there


class Play:
    """All sequences with one tracker: a packet of each in turn."""

    def __init__(self, sequences, device):
        taken = {}
        self.players = [Player(s, rule, taken) for s, rule in sequences]
        self.lost = 0
        while waiting := [p for p in self.players if p.at < len(p.sequence.packets)]:
            outcomes = device.exchange([p.wire() for p in waiting])
            for player, (verdict, packets) in zip(waiting, outcomes):
                player.got(verdict, packets)

    def problems(self):
        return [f"sequence {p.sequence.number} of seed {SEED} ({p.rule.name}), packet {at}: {text}\n  {p.sequence.notes[at]}"
                for p in self.players for at, text in p.problems]


def report(player, theirs, at):
    lines = [f"sequence {player.sequence.number} of seed {SEED}: {player.sequence.kind}"]
    for n in range(at + 1):
        lines.append(f"  {n:3} theirs {theirs.verdicts[n]:22} ours {player.verdicts[n]:22} {player.sequence.notes[n]}")
    return "\n".join(lines)


def opened_from_outside(player, at, verdicts):
    """Both know of a connection that is not translated."""
    return player.sequence.notes[at][0] == "<" and all(v.startswith("new") for v in verdicts)


def explain(ours, theirs, rows):
    explainer = ct_difference.Explainer(rows)
    same_tuple = 0
    for our, their in zip(ours, theirs):
        end = next((at for at, pair in enumerate(zip(our.verdicts, their.verdicts)) if opened_from_outside(our, at, pair)),
                   len(our.verdicts))
        end = min(end, our.starved or end, their.starved or end)
        explainer.compare(our.sequence, [None if v == "nothing" else v for v in their.verdicts[:end]],
                          [None if v == "nothing" else v for v in our.verdicts[:end]])
        same_tuple += our.there == their.there
    print(f"{len(ours)} sequences, {explainer.packets} packets, {explainer.compared} compared, {same_tuple} with the "
          "same tuples; differences: " + ", ".join(f"{name} {count}" for name, count in sorted(explainer.counts.items())))
    players = {p.sequence.number: (p, t) for p, t in zip(ours, theirs)}
    assert not explainer.unexplained, f"{len(explainer.unexplained)} sequences differ:\n" + "\n".join(
        report(*players[sequence.number], at) for sequence, at, _, _ in explainer.unexplained[:6])
    assert explainer.compared > 0.7 * explainer.packets
    return explainer


@pytest.fixture(scope="module")
def sequences():
    made = []
    for number in range(COUNT):
        rule = number % len(ct_nat.RULES)
        sequence = ct_sequence.sequence(SEED, number, rule)
        sequence.kind += ", " + ct_nat.RULES[rule].name
        made.append((sequence, rule))
    yield made
    print(ct_sequence.mix(s for s, _ in made))


@pytest.fixture(scope="module")
def ours(sequences, tmp_path_factory):
    return Play(sequences, ct_device.Sluice(ct_device.nat_flows(), str(tmp_path_factory.mktemp("nat"))))


def test_every_packet_is_translated_as_it_has_to_be(ours):
    problems = ours.problems()
    assert not problems, f"{len(problems)}:\n" + "\n".join(problems[:10])
    fates = Counter(v for p in ours.players for v in p.verdicts)
    print(", ".join(f"{name} {count}" for name, count in sorted(fates.items())))
    refused = [report(p, p, at) for p in ours.players for at, fair in enumerate(p.sequence.fair)
               if fair and p.starved is None and p.verdicts[at].startswith("inv") and not p.is_half_known(at)]
    assert not refused, f"{len(refused)}:\n" + "\n".join(refused[:5])


def test_linux_nf_conntrack(sequences, ours, tmp_path):
    why_not = kernel_can()
    if why_not:
        pytest.skip(why_not)
    with contextlib.closing(ct_device.Kernel(ct_device.nat_rules(), str(tmp_path))) as kernel:
        theirs = Play(sequences, kernel)
    print("\n".join(theirs.problems()[:5]), len(theirs.problems()))
    explain(ours.players, theirs.players, ct_difference.KERNEL_NAT)


def test_ovs_vswitchd(sequences, ours):
    """Without errors that quote half a transport header: of those Open vSwitch 3.1 corrupts its memory."""
    sequences = [(s, rule) for s, rule in sequences if not any("briefly" in note for note in s.notes)]
    numbers = {s.number for s, _ in sequences}
    with Ovs() as ovs, contextlib.closing(ct_device.OpenVswitch(ct_device.nat_flows(), ovs)) as switch:
        theirs = Play(sequences, switch)
    print("\n".join(theirs.problems()[:5]), len(theirs.problems()))
    explain([p for p in ours.players if p.sequence.number in numbers], theirs.players, ct_difference.OVS_NAT)
