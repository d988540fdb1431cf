"""Every way in which another tracker is known to differ from ours: a row has the name of its row in
docs/ct-differences.md, where the reason stands. A difference that no row explains fails the test.

A row says what the other tracker and ours make of the packet, which packet it is (the sequence's note, see
ct_sequence.py) and, where the cause lies earlier, what the sequence had before. Differences that leave the trackers'
states apart end the comparison of their sequence: what follows from them is no news.
"""

import re
from collections import Counter
from dataclasses import dataclass

VALID = "new|est|rel"
VALID_OR_INV = "new|est|rel|inv"


@dataclass(frozen=True)
class Row:
    name: str
    theirs: str            ## state without direction, a pattern; None: nothing came out
    ours: str
    note: str              ## found in the packet's note
    before: str = ""       ## found in the kind or an earlier note of the sequence
    ends: bool = True      ## from here on the two trackers know different things
    fair: bool = None      ## whether a well-behaved end sends the packet
    what: str = "state"    ## what differs: state, direction, mark, or with NAT fate; only that


# A stranger's segment inside the window is taken for the sender's: no tracker can tell.
ASTRAY = Row("stray-inside-window", "", "", "")


def bare(verdict):
    return "nothing" if verdict is None else verdict.split()[0].replace("+rpl", "")


def difference(their, our):
    """The first of state, direction and the rest that differs."""
    if bare(their) != bare(our):
        return "state"
    if ("+rpl" in their) != ("+rpl" in our):
        return "direction"
    return "mark" if our.split()[1].isdigit() else "fate"


class Explainer:
    def __init__(self, rows):
        self.rows = [(row, re.compile(row.theirs), re.compile(row.ours), re.compile(row.note), re.compile(row.before))
                     for row in rows]
        self.counts, self.cases = Counter(), Counter()  # by row; by row, verdicts and note
        self.compared = self.packets = 0
        self.unexplained = []
        self.agreed = []  # sequences without a difference

    def compare(self, sequence, theirs, ours):
        """Both: a verdict, "state mark", a packet."""
        self.packets += len(ours)
        past, differences = sequence.kind, 0
        for at, (their, our) in enumerate(zip(theirs, ours)):
            self.compared += 1
            if their != our:
                row = self.row_of(their, our, sequence.notes[at], sequence.fair[at], past)
                if row is None and sequence.astray is not None and at >= sequence.astray:
                    row = ASTRAY
                if row is None:
                    self.unexplained.append((sequence, at, their, our))
                    return
                self.counts[row.name] += 1
                self.cases[row, bare(their), bare(our), sequence.notes[at]] += 1
                differences += 1
                if row.ends:
                    return
            past += "\n" + sequence.notes[at]
        if differences == 0:
            self.agreed.append(sequence)

    def row_of(self, their, our, note, fair, past):
        what = difference(their, our)
        for row, theirs_like, ours_like, note_like, before in self.rows:
            if (row.what == what and theirs_like.fullmatch(self.told(their, what)) and
                    ours_like.fullmatch(self.told(our, what)) and note_like.search(note) and
                    before.search(past) and row.fair in (None, fair)):
                return row
        return None

    @staticmethod
    def told(verdict, what):
        """What a row's pattern is for."""
        return bare(verdict) + " " + verdict.split()[1] if what == "fate" else bare(verdict)


KERNEL = [
    # state names
    Row("est-before-answer", "new", "est", r"^. tcp", ends=False),
    Row("simultaneous-open", "est", "new", r"tcp S len", r"simultaneous", ends=False),
    # windows and acknowledgements
    Row("old-data", "new|est", "inv", r"tcp .*old data", ends=False),
    Row("old-ack", "new|est", "inv", r"tcp A len=0 (old ack|blind)", ends=False),
    Row("beyond-window", "new|est", "inv", r"beyond the window|blind"),
    Row("ack-of-unsent", "inv", "est", r"tcp A len=0 ack of unsent", ends=False),
    Row("bare-ack", "inv", "est", r"tcp A len=0 (blind|old ack)", ends=False),
    # SYN and RST
    Row("syn-on-open", "inv", "est", r"tcp S len=0 (inside|reuse)"),
    Row("reset-inside-window", "inv", "est", r"tcp R[A]* len=0 (near|blind|late|answer)", ends=False),
    Row("ack-before-answer", "inv", "est", r"before any answer", ends=False),
    Row("answer-to-syn", "est", "inv", r"wrong ack"),
    Row("another-isn", "inv", "est", r"^> tcp", r"new isn"),
    Row("reuse-after-reset", "inv|est", "new", r"tcp S len=0 (reuse|inside)"),
    Row("resynchronised", "est", "inv", r"tcp SA len=0", r"S len=0 (inside|reuse)"),
    Row("picked-up-by-fin", "inv", "new", r"tcp FA len"),
    Row("flags", "inv", "est", r"FR.* bad flags"),
    Row("flags", "new|est", "inv", r"bad flags"),
    # others
    Row("sctp-picked-up", "inv", "new", r"sctp"),
    Row("sctp-reuse", "est", "new", r"sctp INIT"),
    Row("port-zero", "new", "inv", r"zero port"),
    Row("icmp-code", "new", "inv", r"icmp \d+/[1-9]"),
    Row("icmp-address-mask", "new|est", "inv", r"icmp 1[78]/0"),
    Row("icmp-node-information", "new|est", "inv", r"icmp 139/0"),
    Row("neighbour-discovery", "untracked", "inv", r"icmp (13[0-7]|143)/0", ends=False),
    Row("udp-length", "inv", "new|est", r"udp length short", ends=False),
    Row("malformed-quotation", "rel", "inv", r"malformed", ends=False),
    Row("sctp-tag-of-heartbeat", "est", "inv", r"sctp HEARTBEAT bad tag"),
    Row("sctp-shutdown-ack", "new", "inv", r"sctp SHUTDOWN_ACK unasked"),
    # fragments
    Row("contained-fragment", VALID_OR_INV, "nothing", r"cut overlap same"),
    Row("tiny-first-fragment", "inv|est", "nothing", r"cut tiny first", ends=False),
    # consequences: what they took for theirs moved their numbers or states
    Row("half-open", "new", "new", r"tcp S len=0 again", r"odd half open", what="mark"),
    Row("picked-up", "est|new", "inv", r"tcp", r"^tcp pickup", fair=False),
    Row("picked-up", "inv", "est", r"tcp", r"^tcp pickup", fair=False),
    Row("another-isn", "inv", "est", r"tcp", r"tcp S len=0 again[\s\S]*tcp S len=0 reuse"),
    Row("ack-before-answer", "inv", "est", r"tcp F?A len=\d+ late", r"^tcp closed"),
    Row("replaced", "new", "est", r"tcp", r"tcp R"),
    Row("replaced", "est", "est", r"tcp", r"tcp R", what="direction"),
    Row("replaced", VALID, VALID, r"tcp", r"tcp R", what="mark"),
    Row("resynchronised", "est", "inv", r"tcp", r"tcp S len=0 (inside|reuse)"),
    Row("resynchronised", "inv", "est", r"tcp", r"tcp S len=0 inside[\s\S]*tcp SA len=0 late"),
    Row("reset-inside-window", "est", "inv", r"(near|blind) reset"),
    Row("after-reset", "inv", "est|new", r"tcp", r"tcp R"),
    Row("opener-answers", "inv", "est", r"tcp SA len=0 late", r"tcp SA len=0 reuse"),
    Row("after-reset", "est|new", "inv", r"late|after reset|near reset|ack of unsent", r"tcp R"),
    Row("old-data", "est", "inv", r"tcp .*late"),
]
OVS = [
    Row("mark-of-invalid", "inv", "inv", r"", ends=False, what="mark"),
    Row("reset-inside-window", "inv", "est", r"tcp F?R", ends=False, fair=False),
    Row("reset-inside-window", "inv", "est", r"tcp R len=0 answer to half open", ends=False),
    Row("syn-on-open", "inv", "est", r"tcp S len=0 (inside|reuse)", ends=False),
    Row("syn-on-open", "new", "est", r"tcp S len=0 (inside|reuse)"),
    Row("reset-opens-nothing", "new", "inv", r"tcp [FRPA]*R[PA]* "),
    Row("answer-to-syn", "est", "inv", r"wrong ack"),
    Row("sctp-checksum", "new|est", "inv", r"sctp .*bad checksum"),
    Row("sctp-states", "new|est", "inv|new|est", r"sctp"),
    Row("udp-lite", "new|est", "inv", r"protocol 136"),
    Row("udp-length", "inv", "new|est", r"udp length short", ends=False),
    Row("malformed-quotation", "rel", "inv", r"malformed", ends=False),
    Row("another-isn", "inv|est", "est|inv", r"tcp", r"new isn"),
    Row("another-isn", "est", "new", r"tcp S len=0 (inside|reuse)", r"new isn"),
    Row("window-of-syn", "est", "inv", r"beyond the window"),
    Row("data-in-syn", "inv|est", "est|inv", r"tcp", r"data in syn"),
    Row("synack-again", "inv", "est", r"tcp SA len=0 again", ends=False),
    Row("simultaneous-open", "inv", "est", r"tcp", r"^tcp simultaneous"),
    Row("bare-ack-before-synack", "inv", "est", r"tcp", r"odd (split handshake|self ack)"),
    Row("small-fragments", "inv", VALID, r"cut .*small"),
    Row("duplicate-fragment", "inv", VALID, r"cut duplicate"),
    Row("held-fragments", "nothing", VALID_OR_INV, r"cut (in order|reversed|shuffled|duplicate|first last)", ends=False),
    Row("overlapping-fragments", VALID_OR_INV, "nothing", r"cut overlap"),
    Row("tiny-first-fragment", "new|est|inv", "nothing", r"cut tiny first"),
    Row("small-fragments", "inv", "nothing", r"cut .*small", ends=False),
    # consequences: what they took for theirs moved their numbers or states
    Row("syn-on-open", "est", "inv", r"tcp", r"tcp S len=0 (inside|reuse)"),
    Row("syn-on-open", "inv", "est", r"tcp", r"tcp S len=0 (inside|reuse)"),
    Row("picked-up", "new", "new", r"tcp S len=0 (inside|reuse)", r"^tcp pickup", what="mark"),
    Row("bare-ack-before-synack", "est", "new", r"tcp S len=0 again", r"odd half open"),
    Row("bare-ack-before-synack", "est", "new", r"tcp S len=0 reuse", r"^tcp closed[\s\S]*A len=\d+ late"),
    Row("bare-ack-before-synack", "est", "inv", r"tcp", r"half open|before any answer|split"),
    Row("reset-inside-window", "est", "inv", r"tcp (R len=0 blind|A len=\d+ (blind|old ack|old data|ack of unsent|beyond))", r"tcp R\w* len=0 (near|blind|late|answer)"),
    Row("reset-inside-window", "inv|new", "est", r"tcp", r"tcp R\w* len=0 (near|blind|late|answer)"),
    Row("reset-inside-window", "inv|est", "new", r"tcp S len=0 (reuse|inside)", r"tcp F?R\w* len=0 (near|blind|late|answer|bad flags)"),
    Row("picked-up-by-fin", "est|inv", "new", r"tcp S len=0 reuse", r"^tcp (pickup|closed)[\s\S]*FA len"),
    Row("picked-up", "est", "inv", r"tcp", r"^tcp pickup", fair=False),
    Row("picked-up", "inv", "est", r"tcp", r"^tcp pickup", fair=False),
    Row("reset-after-close", "est", "inv", r"tcp R len=0 (late|blind)"),
    Row("old-data", "est", "inv", r"old data|tcp SA len=0 late"),
    Row("picked-up", "inv", "est", r"tcp RA? len", r"^tcp pickup"),
    Row("ack-of-unsent", "est", "inv", r"ack of unsent"),
    Row("ack-of-unsent", "est", "inv", r"tcp", r"ack of unsent"),
    Row("bare-ack-before-synack", "inv", "est|new", r"tcp", r"^tcp closed[\s\S]*A len=\d+ late"),
]

# With NAT there is more that can differ.
KERNEL_NAT = KERNEL + [
    Row("quoted-crc", "rel wrong", "rel translated", r"icmp error", r"sctp .*bad checksum", ends=False, what="fate"),
    Row("quoted-crc", "rel wrong", "rel translated", r"icmp error .*(in part|briefly)", r"sctp", ends=False, what="fate"),
    Row("replaced", "est wrong", "est translated", r"tcp .*(late|after reset)", r"tcp R", what="fate"),
    Row("nat-exhausted", "nothing", "new", r"^> protocol"),
    Row("replaced", "nothing", "est|new", r"^> tcp", r"tcp R"),
    Row("picked-up-by-fin", "inv", "nothing", r"^> tcp FA"),
    Row("port-zero", "nothing", "inv", r"^> udp zero port"),
    Row("contained-fragment", "(new|est|rel) wrong", "(new|est|rel) translated", r"cut overlap same small", ends=False, what="fate"),
    # of a pool that is used up
    Row("port-taken-over", "new", "nothing", r"^> tcp", r"few ports"),
    Row("port-taken-over", "est wrong", "est translated", r"^< tcp", r"few ports(?=[\s\S]*> tcp FA)(?=[\s\S]*< tcp FA)", what="fate"),
    Row("port-taken-over", "inv", "est", r"tcp", r"few ports(?=[\s\S]*> tcp FA)(?=[\s\S]*< tcp FA)"),
    Row("port-taken-over", "inv", "est", r"^> tcp SA", r"simultaneous.*few ports"),
    Row("port-taken-over", "nothing", "new|est", r"^> tcp", r"few ports(?=[\s\S]*> tcp FA)(?=[\s\S]*< tcp FA)"),
]
OVS_NAT = OVS + [
    Row("invalid-translated", "inv wrong", "inv untouched", r"", ends=False, what="fate"),
    Row("quotation", "rel wrong", "rel translated", r"icmp error", ends=False, what="fate"),
    Row("sctp-ports", "(new|est|rel) (untouched|wrong)", "(new|est|rel) translated", r"sctp|icmp error", r"sctp", what="fate"),
    Row("held-fragments", "(new|est|rel) nothing", "(new|est|rel) translated", r"cut", ends=False, what="fate"),
    Row("held-fragments", "inv nothing", "inv untouched", r"cut", ends=False, what="fate"),
    Row("duplicate-fragment", "(est|rel) wrong", "(est|rel) translated", r"cut duplicate", ends=False, what="fate"),
    Row("duplicate-fragment", "new (wrong|untouched)", "new translated", r"cut duplicate", what="fate"),
    Row("duplicate-fragment", "new|inv", "est|rel", r"", r"cut duplicate"),
    Row("syn-after-close", "0", "est|new", r"^< tcp S len=0", r"tcp [A-Z]*R"),
    Row("nat-exhausted", "new", "nothing", r"^>"),
    Row("nat-exhausted", "new", "est", r"^> protocol", r"^other.* (dnat|snat|both|hairpin)"),
    Row("nat-exhausted", "new untouched", "new translated", r"^> (tcp|protocol)", what="fate"),
    Row("icmp-ids", "new|inv", "est|rel", r"icmp", r"^ping"),
    Row("icmp-ids", "(new|est|rel) (untouched|wrong)", "(new|est|rel) translated", r"icmp", r"^ping", what="fate"),
]
