"""Packet sequences between two hosts, drawn from a seed: sequence N of seed S is always the same.

A sequence is one connection's life, or several with the same addresses: a handshake in one of many variations, data
both ways with loss, reordering and retransmission, window games, strangers' packets in between, a close, and what may
come after. What is lost before the tracker is left out; what is lost behind it makes the sender send again.

Each sequence has addresses of its own, so that thousands share a run. `rule` says what the flows do with it: "every"
commits each packet and sets the mark with it; "new" commits what is new. With NAT (ct_nat.py) clients have addresses of
their own, and share servers and pools; packets are as their ends see them.

Some sequences have their larger packets cut into fragments, some of which never become whole.
"""

import ipaddress
import random
import re
import struct
from collections import Counter
from dataclasses import dataclass, field

import ct_fragment
import ct_nat
from ct_packet import (ACK, FIN, ICMP, ICMP6, PSH, RST, SCTP, SYN, TCP, UDP, URG, address, chunk, icmp, ip, sctp, tcp,
                       udp)


def text_of(packed_address):
    return str(ipaddress.ip_address(packed_address))


@dataclass
class Sequence:
    number: int
    kind: str
    rule: str
    packets: list = field(default_factory=list)  ## IP packets
    notes: list = field(default_factory=list)    ## what each is, for reports and for ct_difference.py
    fair: list = field(default_factory=list)     ## whether each is what a well-behaved end sends
    astray: int = None                           ## the packet from which on that is no longer known
    hosts: tuple = ()                            ## both addresses, packed
    cuts: list = field(default_factory=list)     ## how each packet is cut, see on_wire()

    def on_wire(self, at, packet=None):
        """The packet, or what it looks like by now, in fragments."""
        packet = self.packets[at] if packet is None else packet
        return [packet] if self.cuts[at] is None else ct_fragment.cut(packet, *self.cuts[at])


class Host:
    """One end of a connection: its address and, for TCP, what it sent and received."""

    def __init__(self, r, own_address, port):
        self.address, self.port = own_address, port
        self.start = r.choice([0, 0x7fffff00, 0xffffff00, 0xffffffff, r.getrandbits(32)])
        self.next = self.start       # to send
        self.edge = self.start + 1   # first octet beyond what the other's window takes
        self.top = self.edge         # the highest edge ever
        self.received = None         # next expected of the other
        self.window = r.choice([65535, 65535, 29200, 8192, 1000, r.randrange(1, 65536)])
        self.scale = None            # offered
        self.fin_sent = False


class Writer:
    """What all kinds of sequences share: addresses, and a list to append to."""

    def __init__(self, seed, number, nat=None):
        """`nat`: a rule's number (ct_nat.py)."""
        self.r = random.Random(f"{seed}/{number}")
        self.rule = self.r.choice(["every", "new"])
        self.v6 = self.r.random() < 0.25
        self.cutting = self.chance(15)
        self.nat = nat
        base = (0 if self.rule == "every" else 2) + self.r.randrange(2)
        ends = []
        for net, port in ((base, self.r.randrange(1024, 65536)), (base ^ 1, self.r.choice([22, 53, 80, 443, 8080]))):
            text = f"fd00:{net:x}::{number:x}" if self.v6 else f"10.{net}.{number >> 8 & 255}.{number & 255}"
            ends.append((address(text), port))
        if nat is not None:
            ends = ct_nat.plan(nat, self.v6, number, self.r)
        self.c, self.s = (Host(self.r, *end) for end in ends)
        self.astray = False  # from here on the ends do what no well-behaved ones do
        self.sequence = Sequence(number, "", self.rule, hosts=(self.c.address, self.s.address))

    def chance(self, percent):
        return self.r.randrange(100) < percent

    def add(self, src, dst, proto, payload, note, fair=True, **more):
        packet = ip(src.address, dst.address, proto, payload, dscp=self.r.randrange(1, 64), **more)
        note = f"{'>' if src is self.c else '<' if src is self.s else '!'} {note}"
        if not self.cutting or len(payload) < 500 or len(payload) <= 1480 and self.chance(40):
            return self.append(packet, note, fair, None)
        if self.chance(20):
            self.append(packet, note, False, self.r.choice(ct_fragment.LOST + ("tiny first",) * (self.v6 and proto in (TCP, SCTP))))
        self.append(packet, note, fair, self.r.choice(ct_fragment.WHOLE))

    def append(self, packet, note, fair, cut):
        """`cut`: a word of ct_fragment.py."""
        sequence = self.sequence
        sequence.cuts.append(None)
        if cut is not None:
            smallest = self.r.choice([400, 400, 400, 24])
            sequence.cuts[-1] = (cut, self.r.getrandbits(32), smallest)
            note += f" cut {cut}" + (" small" if smallest < 400 else "")
        sequence.packets.append(packet)
        if self.astray and sequence.astray is None:
            sequence.astray = len(sequence.packets) - 1
        sequence.fair.append(fair and not self.astray)
        sequence.notes.append(note)

    def other(self, host):
        return self.s if host is self.c else self.c

    def icmp_error(self, src, dst, quoted, kind, code, rest=0, note=""):
        """An error sent to dst, quoting a packet that dst sent."""
        body = quoted[:self.r.choice([28, 48, 68, min(len(quoted), 1200)]) if not self.v6 else 1200]
        if len(body) < min(len(quoted), 40):
            note += " briefly"  # without the whole transport header
        elif len(body) < len(quoted):
            note += " in part"
        proto = ICMP6 if self.v6 else ICMP
        self.add(src, dst, proto, icmp(src.address, dst.address, kind, code, rest, body),
                 f"icmp error {kind}/{code} {note}", fair=note.startswith("known") and "malformed" not in note)

    def error_about(self, quoted, note):
        """Some ICMP error about a packet that one of the hosts sent, from the other or from a router."""
        source = quoted[8:24] if self.v6 else quoted[12:16]
        sender = self.c if source == self.c.address else self.s
        reporter = self.other(sender)
        if self.chance(50):
            near = sender if self.nat is None else reporter  # on the other side of the translation
            reporter = Host(self.r, near.address[:-2] + bytes([254, self.r.randrange(1, 255)]), 0)
        if self.v6:
            kind, code = self.r.choice([(1, 0), (1, 4), (2, 0), (3, 0), (4, 1)])
        else:
            kind, code = self.r.choice([(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0), (4, 0)])
        self.icmp_error(reporter, sender, quoted, kind, code, 1280 if (kind, code) in ((2, 0), (3, 4)) else 0, note)


def flag_text(flags):
    return "".join(letter for bit, letter in ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ACK, "A"))
                   if flags & bit) or "none"


class Tcp(Writer):
    """A TCP connection of two well-behaved ends, with accidents and strangers' packets."""

    def segment(self, src, flags, note="", seq=None, ack=None, size=0, window=None, options=b"", fair=True,
                **more):
        """One segment as the tracker sees it. Changes nothing at either end."""
        dst = self.other(src)
        seq = src.next if seq is None else seq
        if ack is None:
            ack = src.received if flags & ACK and src.received is not None else 0
        window = src.window if window is None else window
        payload = bytes(size)
        fair = fair and not (flags & RST and self.picked_up and not self.spoken)  # it ends what the tracker never saw
        if fair:
            self.spoken.add(src.address)
        self.add(src, dst, TCP, tcp(src.address, dst.address, src.port, dst.port, flags, seq, ack, window, payload,
                                    options, **more), f"tcp {flag_text(flags)} len={size} {note}".rstrip(), fair)

    def stray(self, src, flags, note, **more):
        """A segment that a well-behaved end does not send now."""
        # Until both have spoken in a connection picked up in mid-stream, the tracker has to believe anybody.
        self.astray = self.astray or self.picked_up and len(self.spoken) < 2
        self.segment(src, flags, note, fair=False, **more)

    def syn_options(self, host):
        options = b"\x02\x04\x05\xb4" if self.chance(80) else b""
        if host.scale is not None:
            options += b"\x01\x03\x03" + bytes([host.scale])
        return options + (b"\x04\x02" if self.sack else b"")

    def send(self, src, flags=ACK, size=0, note="", seen=True, arrives=True, **more):
        """New octets from src. Not seen: lost before the tracker; not arriving: lost behind it."""
        seq = src.next
        if seen:
            self.segment(src, flags, note, size=size, **more)
        src.next = (src.next + size + bool(flags & SYN) + bool(flags & FIN)) & 0xffffffff
        src.fin_sent = src.fin_sent or bool(flags & FIN)
        if seen and arrives:
            self.arrive(src, seq, flags)

    def arrive(self, src, seq, flags=ACK):
        """All up to src.next reaches the other end, if seq leaves no hole."""
        dst = self.other(src)
        if dst.received is None or (dst.received - seq) & 0xffffffff < 1 << 31:
            dst.received = src.next
        if src.received is not None:
            self.set_edge(dst, src.received + (src.window << (0 if flags & SYN else self.shift(src))))

    def set_edge(self, host, edge):
        host.edge = edge & 0xffffffff
        if (edge - host.top) & 0xffffffff < 1 << 31:
            host.top = host.edge

    def is_inside(self, host, seq):
        """Whether data there cannot be told from the host's own: a retransmission may be one window old, and trackers
        round the window of a SYN up to its scale."""
        width = ((host.top - host.next) & 0xffffffff) + (1 << 14)
        return (seq - host.next + width) & 0xffffffff <= 2 * width

    def shift(self, host):
        """RFC 7323 section 2.2: both offer scaling, or there is none."""
        return 0 if None in (self.c.scale, self.s.scale) else min(host.scale, 14)

    def write(self):
        r = self.r
        self.sack = self.chance(70)
        self.closed = self.picked_up = False
        self.spoken = set()
        for host in (self.c, self.s):
            host.scale = r.choice([None, 0, 1, 7, 7, 8, 14, 14, 15]) if self.chance(85) else None
        opened = r.choices(["handshake", "pickup", "odd"], [72, 13, 15])[0]
        kind = getattr(self, "open_" + opened)()
        if kind != "closed":
            for _ in range(r.choice([0, 1, 3, 6, 10, 16])):
                getattr(self, "step_" + r.choices(STEPS, WEIGHTS)[0])()
            close = r.choice(CLOSES)
            getattr(self, "close_" + close)()
            kind += " " + close
        for _ in range(r.choice([0, 0, 1, 2])):
            after = r.choice(AFTERS)
            getattr(self, "after_" + after)()
            kind += " " + after
        self.sequence.kind = "tcp " + kind
        return self.sequence

    # ---- openings

    def open_handshake(self):
        c, s = self.c, self.s
        kind = self.r.choice(["plain"] * 6 + ["syn again", "synack again", "lost syn", "data in syn", "ack with data",
                                              "new isn"])
        if kind == "lost syn":
            self.segment(c, SYN, options=self.syn_options(c))
        if kind == "new isn":
            self.segment(c, SYN, options=self.syn_options(c))
            c.start = c.next = self.r.getrandbits(32)
        options = self.syn_options(c)
        self.send(c, SYN, size=100 if kind == "data in syn" else 0, options=options)
        if kind == "syn again":
            self.segment(c, SYN, "again", seq=c.start, options=options)
        options = self.syn_options(s)
        self.send(s, SYN | ACK, options=options)
        if kind == "synack again":
            self.segment(s, SYN | ACK, "again", seq=s.start, options=options)
        if kind == "ack with data" and self.room(c) >= 500:
            self.send(c, ACK | PSH, size=500)
        else:
            self.send(c, ACK)
        return "handshake " + kind

    def open_pickup(self):
        """The tracker did not see the beginning."""
        self.picked_up = True
        for host in (self.c, self.s):
            host.received = self.other(host).next
            host.top = host.next
            self.set_edge(host, host.next + (self.other(host).window << self.shift(self.other(host))))
        if self.nat is not None:
            self.send(self.c, ACK)  # only clients are translated
        elif self.chance(50):
            self.c, self.s = self.s, self.c
        return "pickup"

    def open_odd(self):
        c, s = self.c, self.s
        kind = self.r.choice(["simultaneous", "refused", "refused", "silent", "synack only", "bad synack ack",
                              "half open", "rst only", "self ack", "split handshake"])
        if kind == "synack only":
            c.received, s.received = s.next, c.next + 1
            self.send(s, SYN | ACK, options=self.syn_options(s), fair=False)
            self.stray(c, RST, "", seq=s.received)
            return "closed"
        if kind == "rst only":
            self.stray(c, RST | (ACK if self.chance(50) else 0), "alone", seq=self.r.getrandbits(32))
            return "closed"
        self.send(c, SYN, options=self.syn_options(c))
        if kind == "simultaneous":
            self.send(s, SYN, options=self.syn_options(s), arrives=False)
            c.received = s.next
            self.segment(c, SYN | ACK, seq=c.start, options=self.syn_options(c))
            self.segment(s, SYN | ACK, seq=s.start, options=self.syn_options(s))
            return kind
        if kind == "refused":
            self.segment(s, RST | ACK, seq=0, window=0)
            return "closed"
        if kind == "silent":
            for _ in range(self.r.randrange(4)):
                self.segment(c, SYN, "again", seq=c.start, options=self.syn_options(c))
            return "closed"
        if kind == "bad synack ack":
            wrong = (c.next + self.r.choice([-2, -1, 1, 1000, 100000, 1 << 31])) & 0xffffffff
            self.stray(s, SYN | ACK, "wrong ack", ack=wrong, options=self.syn_options(s))
            if self.chance(50):
                self.stray(c, RST, "answer", seq=wrong)
        if kind == "half open":  # RFC 9293 section 3.5.1: the server still has an old connection
            old = self.r.getrandbits(32)
            self.segment(s, ACK, "half open", seq=self.r.getrandbits(32), ack=old)
            self.segment(c, RST, "answer to half open", seq=old)
            self.segment(c, SYN, "again", seq=c.start, options=self.syn_options(c))
        if kind == "self ack":
            self.stray(c, ACK, "before any answer", ack=0)
        if kind == "split handshake":
            self.stray(s, ACK, "split", seq=0)
        self.send(s, SYN | ACK, options=self.syn_options(s))
        self.send(c, ACK)
        return "odd " + kind

    # ---- steps of an open connection

    def either(self):
        return self.r.choice([self.c, self.s])

    def room(self, host):
        """Octets that the other end's window still takes; 0 if it was taken back."""
        left = (host.edge - host.next) & 0xffffffff
        return left if left < 1 << 31 else 0

    def step_data(self):
        host = self.either()
        for _ in range(self.r.choice([1, 1, 2, 4])):
            size = self.r.choice([1, 100, 536, 1400])
            if size <= self.room(host):
                self.send(host, ACK | (PSH if self.chance(50) else 0), size=size)
        self.send(self.other(host), ACK)

    def step_ack(self):
        self.send(self.either(), ACK)

    def step_loss_before(self):
        host = self.either()
        if self.room(host) < 3000:
            return
        first = host.next
        self.send(host, ACK, size=1000, seen=False)
        self.send(host, ACK, size=1000, arrives=False)
        self.dup_ack(self.other(host), first + 1000, first + 2000)
        self.segment(host, ACK, "retransmitted", seq=first, size=1000)
        self.arrive(host, first)
        self.send(self.other(host), ACK)

    def dup_ack(self, host, left, right):
        options = b""
        if self.sack:
            options = b"\x01\x01\x05\x0a" + struct.pack("!II", left & 0xffffffff, right & 0xffffffff)
        for _ in range(self.r.choice([1, 3])):
            self.segment(host, ACK, "duplicate ack", options=options)

    def step_loss_behind(self):
        host = self.either()
        if self.room(host) < 2000:
            return
        first = host.next
        self.send(host, ACK, size=1000, arrives=False)
        for _ in range(self.r.choice([1, 2])):
            self.segment(host, ACK, "retransmitted", seq=first, size=1000)
        self.arrive(host, first)
        self.send(self.other(host), ACK)

    def step_reorder(self):
        host = self.either()
        if self.room(host) < 2000:
            return
        first = host.next
        self.segment(host, ACK, "early", seq=first + 1000, size=1000)
        self.send(host, ACK, size=1000)
        host.next = (host.next + 1000) & 0xffffffff
        self.arrive(host, first)
        self.send(self.other(host), ACK)

    def step_partial_retransmit(self):
        host = self.either()
        if self.room(host) < 1500:
            return
        first = host.next
        self.send(host, ACK, size=1000)
        self.send(self.other(host), ACK)
        self.segment(host, ACK, "partly old", seq=first + 500, size=1000)
        host.next = (first + 1500) & 0xffffffff
        self.arrive(host, first)

    def step_window(self):
        host = self.either()
        host.window = self.r.choice([0, 1, 100, 8192, 65535, self.r.randrange(65536)])
        self.send(host, ACK, note=f"window {host.window}")

    def step_zero_window(self):
        host = self.either()
        other = self.other(host)
        kept, host.window = host.window, 0
        self.send(host, ACK, note="window 0")
        for _ in range(self.r.choice([1, 3])):
            self.segment(other, ACK, "window probe", size=1)
            self.segment(host, ACK, "probe refused")
        host.window = max(kept, 2000)
        self.send(host, ACK, note="window open")
        self.send(other, ACK | PSH, size=1)
        self.send(host, ACK)

    def step_keepalive(self):
        host = self.either()
        for _ in range(self.r.choice([1, 2])):
            self.segment(host, ACK, "keep-alive", seq=host.next - 1, size=self.r.choice([0, 1]))
            self.send(self.other(host), ACK)

    def step_urgent(self):
        if self.room(self.c) >= 10:
            self.send(self.c, ACK | URG, size=10)

    def step_synack_again(self):
        self.stray(self.s, SYN | ACK, "late again", seq=self.s.start, ack=self.c.start + 1,
                     options=self.syn_options(self.s))

    def step_bad_checksum(self):
        self.stray(self.either(), ACK, "bad checksum", size=self.r.choice([0, 10]), spoil=True)

    def step_bad_flags(self):
        flags = self.r.choice([0, FIN, PSH, URG, FIN | PSH | URG, SYN | FIN, SYN | RST, SYN | FIN | ACK, FIN | RST | ACK,
                               FIN | RST, SYN | PSH, RST | PSH | ACK, RST | PSH, SYN | URG, 0x3f])
        self.stray(self.either(), flags, "bad flags")
        if flags & (SYN | RST) == RST:  # odd, but a reset
            self.astray = True

    def step_bad_offset(self):
        self.stray(self.either(), ACK, "bad offset", offset=self.r.choice([0, 4, 15]), size=self.r.choice([0, 8]))

    def step_blind_data(self):
        host = self.either()
        seq, size = self.r.getrandbits(32), self.r.choice([0, 1, 100])
        self.stray(host, ACK, "blind", seq=seq, ack=self.r.getrandbits(32), size=size)
        self.astray = self.astray or size > 0 and (self.picked_up or self.is_inside(host, seq))

    def step_out_of_window(self):
        host = self.either()
        seq = (host.edge + self.r.choice([0, 1, 1000, 70000, 1 << 30])) & 0xffffffff
        self.stray(host, ACK, "beyond the window", seq=seq, size=self.r.choice([1, 100]))
        self.astray = self.astray or self.picked_up or self.is_inside(host, seq)

    def step_old_data(self):
        host = self.either()
        self.stray(host, ACK, "old data", seq=host.next - self.r.choice([2000, 66000, 70000, 1 << 24, 1 << 30]),
                     size=100)

    def step_old_ack(self):
        host = self.either()
        if host.received is not None:
            self.stray(host, ACK, "old ack", ack=host.received - self.r.choice([1, 1000, 65000, 66000, 70000, 1 << 30]))

    def step_ack_unsent(self):
        host = self.either()
        if host.received is not None:
            self.stray(host, ACK, "ack of unsent", ack=host.received + self.r.choice([1, 1000, 66000, 70000, 1 << 30]))

    def step_blind_rst(self):
        self.stray(self.either(), RST, "blind reset", seq=self.r.getrandbits(32))

    def step_near_rst(self):
        host = self.either()
        self.stray(host, RST, "near reset", seq=host.next + self.r.choice([-1000, -2, 2, 500, 5000]))

    def step_syn_inside(self):
        host = self.either()
        self.stray(host, SYN, "inside", seq=self.r.choice([host.start, host.next, host.next + 100,
                                                             self.r.getrandbits(32)]), options=self.syn_options(host))
        if self.chance(50):  # RFC 5961 section 4
            self.send(self.other(host), ACK, note="challenge")

    def step_error(self):
        if not self.sequence.packets:
            return
        at = self.r.randrange(len(self.sequence.packets))
        if self.sequence.notes[at].startswith(("> tcp", "< tcp")):
            self.error_about(self.sequence.packets[at], "known, malformed" if "bad offset" in self.sequence.notes[at]
                             else "known")

    def step_error_unknown(self):
        host = self.either()
        other = self.other(host)
        quoted = ip(host.address, other.address, TCP,
                    tcp(host.address, other.address, host.port ^ 1, other.port, ACK, 1, 1, 1))
        self.error_about(quoted, "unknown")

    # ---- closes

    def close_none(self):
        pass

    def fin(self, host, **more):
        if not host.fin_sent:
            self.send(host, FIN | ACK, **more)

    def close_in_order(self):
        first = self.either()
        second = self.other(first)
        size = self.r.choice([0, 10])
        self.fin(first, size=size if self.room(first) > 10 else 0)
        if self.chance(50):
            self.send(second, ACK)
        for _ in range(self.r.choice([0, 0, 1, 3])):  # half closed
            if self.room(second) >= 200:
                self.send(second, ACK, size=200, note="half closed")
                self.send(first, ACK)
        self.fin(second)
        if self.chance(20):
            self.segment(second, FIN | ACK, "again", seq=second.next - 1)
        self.closed = self.chance(90)
        if self.closed:
            self.send(first, ACK)
        if self.chance(20):
            self.segment(first, ACK, "again")

    def close_simultaneous(self):
        c, s = self.c, self.s
        self.send(c, FIN | ACK, arrives=False)
        self.send(s, FIN | ACK, arrives=False)
        c.received, s.received = s.next, c.next
        self.send(c, ACK)
        self.send(s, ACK)
        self.closed = True

    def close_fin_again(self):
        first = self.either()
        self.send(first, FIN | ACK, arrives=False)
        for _ in range(self.r.choice([1, 2])):
            self.segment(first, FIN | ACK, "again", seq=first.next - 1)
        self.other(first).received = first.next
        self.fin(self.other(first))
        self.send(first, ACK)
        self.closed = True

    def close_fin_without_ack(self):
        self.stray(self.either(), FIN, "without ack")

    def close_reset(self):
        host = self.either()
        self.segment(host, RST | (ACK if self.chance(50) else 0), window=self.r.choice([0, host.window]))
        self.closed = True
        if self.chance(30):
            self.segment(self.other(host), ACK, "after reset")

    def close_fin_then_reset(self):
        first = self.either()
        self.fin(first)
        self.segment(self.other(first), RST | ACK)
        self.closed = True

    # ---- what may come after

    def after_reuse(self):
        """A new connection with the same ports: higher numbers, as RFC 6191 wants them, or any."""
        c, s = (self.c, self.s) if self.nat is not None or self.chance(70) else (self.s, self.c)
        ahead = self.r.choice([1, 100000, self.r.getrandbits(32)])
        self.astray = self.astray or not self.closed or not 0 < ahead < 1 << 31
        self.closed = False
        c.start = (c.next + ahead) & 0xffffffff
        s.start = self.r.getrandbits(32)
        c.next, s.next, c.received, s.received = c.start, s.start, None, None
        c.edge = c.top = c.start + 1
        s.edge = s.top = s.start + 1
        c.fin_sent = s.fin_sent = False
        self.send(c, SYN, note="reuse", options=self.syn_options(c))
        self.send(s, SYN | ACK, note="reuse", options=self.syn_options(s))
        self.send(c, ACK, note="reuse")
        self.send(c, ACK | PSH, size=min(100, self.room(c)), note="reuse")
        self.send(s, ACK, note="reuse")
        if self.chance(50):
            self.close_in_order()

    def after_late_ack(self):
        self.stray(self.either(), ACK, "late")

    def after_late_data(self):
        host = self.either()
        self.stray(host, ACK, "late", seq=host.next - 100, size=100)

    def after_late_fin(self):
        host = self.either()
        self.stray(host, FIN | ACK, "late", seq=host.next - 1)

    def after_late_reset(self):
        self.stray(self.either(), RST, "late")

    def after_late_synack(self):
        self.stray(self.s, SYN | ACK, "late", seq=self.s.start, ack=self.c.start + 1)


STEPS, WEIGHTS = zip(*{
    "data": 30, "ack": 6, "loss_before": 6, "loss_behind": 6, "reorder": 6, "partial_retransmit": 3, "window": 6,
    "zero_window": 4, "keepalive": 4, "urgent": 1, "synack_again": 2, "bad_checksum": 2, "bad_flags": 3,
    "bad_offset": 1, "blind_data": 2, "out_of_window": 3, "old_data": 3, "old_ack": 3, "ack_unsent": 3, "blind_rst": 2,
    "near_rst": 2, "syn_inside": 3, "error": 4, "error_unknown": 2}.items())
CLOSES = ["none", "in_order", "in_order", "in_order", "simultaneous", "fin_again", "fin_without_ack", "reset",
          "reset", "fin_then_reset"]
AFTERS = ["reuse", "reuse", "reuse", "late_ack", "late_data", "late_fin", "late_reset", "late_synack"]


class Datagrams(Writer):
    """UDP, ICMP queries and protocols without ports."""

    def write(self):
        kind = self.r.choice(["udp", "udp", "ping", "other"])
        self.sequence.kind = kind
        self.ident_of_ping = self.r.choice([0, 1, 0xffff, self.r.randrange(1 << 16)])
        self.other_proto = self.r.choice([50, 89, 103, 112, 200, 253] + [4, 41, 51, 136] * (self.nat is None))
        if self.other_proto == 51:  # in IPv6 a header among others, which a first fragment has to have whole
            self.cutting = False
        self.astray = kind == "other" and self.other_proto in (51, 136)  # of which ours are none

        send = getattr(self, "send_" + kind)
        src = self.c
        for _ in range(self.r.choice([1, 2, 4, 8])):
            send(src)
            if self.chance(20):
                self.error_about(self.sequence.packets[-1], "known")
            if self.chance(60):
                src = self.other(src)
        if self.chance(20):
            getattr(self, "odd_" + kind)()
            send(src)
        return self.sequence

    def send_udp(self, src, note="", fair=True, **more):
        dst = self.other(src)
        if self.chance(10) and not self.v6:
            more["unsummed"] = True
        self.add(src, dst, UDP, udp(src.address, dst.address, src.port, dst.port,
                                    self.data([0, 1, 2, 100, 1400]), **more), f"udp {note}".rstrip(), fair)

    def data(self, sizes):
        """Octets, more of them where packets are cut."""
        size = self.r.choice([600, 1400, 2000, 5000, 20000] if self.cutting else sizes)
        return self.r.randbytes(size) if self.cutting else bytes(size)

    def odd_udp(self):
        what = self.r.choice(["spoil", "short", "long", "tiny", "zero port", "unknown"])
        src, dst = self.c, self.s
        if what == "spoil":
            self.send_udp(src, "bad checksum", False, spoil=True)
        elif what == "unknown":
            self.error_about(ip(src.address, dst.address, UDP, udp(src.address, dst.address, src.port ^ 1, dst.port)),
                             "unknown")
        elif what == "zero port":
            kept, src.port = src.port, 0
            self.send_udp(src, "zero port", False)
            src.port = kept
        else:
            length = {"short": 20, "long": 500, "tiny": 7}[what]
            self.add(src, dst, UDP, udp(src.address, dst.address, src.port, dst.port, bytes(50), length=length),
                     f"udp length {what}", fair=False)

    def send_ping(self, src, spoil=False, code=0, fair=True):
        dst = self.other(src)
        request, reply, proto = (128, 129, ICMP6) if self.v6 else (8, 0, ICMP)
        kind = request if src is self.c else reply
        self.add(src, dst, proto, icmp(src.address, dst.address, kind, code, self.ident_of_ping << 16 | 1,
                                       self.data([0, 1, 56]), spoil=spoil), f"icmp {kind}/{code}{' bad checksum' if spoil else ''}", fair)

    def odd_ping(self):
        src, dst = self.r.choice([(self.c, self.s), (self.s, self.c)])
        what = self.r.choice(["spoil", "code", "reply", "timestamp", "info", "mask", "unsupported", "unknown"])
        proto = ICMP6 if self.v6 else ICMP
        if what == "spoil":
            self.send_ping(src, spoil=True, fair=False)
        elif what == "code":
            self.send_ping(src, code=self.r.choice([1, 7]), fair=False)
        elif what == "unknown":
            self.error_about(ip(src.address, dst.address, proto, icmp(src.address, dst.address, 128 if self.v6 else 8, 0,
                                                                      self.ident_of_ping << 16 ^ 0x70001)), "unknown")
        elif what == "reply":
            kind = 129 if self.v6 else 0
            self.add(src, dst, proto, icmp(src.address, dst.address, kind, 0, self.ident_of_ping << 16 ^ 0x70001),
                     f"icmp {kind}/0 unasked", fair=False)
        elif what == "unsupported" or self.v6:
            kind = self.r.choice([130, 131, 133, 134, 135, 136, 137, 139, 143, 150, 200, 254] if self.v6 else
                                 [1, 2, 5, 9, 10, 19, 30, 40, 41, 200])
            self.add(src, dst, proto, icmp(src.address, dst.address, kind, 0, 0, bytes(40)),
                     f"icmp {kind}/0 unsupported", fair=False)
        else:
            ask, answer = {"timestamp": (13, 14), "info": (15, 16), "mask": (17, 18)}[what]
            for a, b, kind in ((src, dst, ask), (dst, src, answer), (src, dst, ask)):
                self.add(a, b, proto, icmp(a.address, b.address, kind, 0, 0x12340001, bytes(12)), f"icmp {kind}/0",
                         fair=what != "mask")

    def send_other(self, src):
        self.add(src, self.other(src), self.other_proto, self.data([8, 20, 100]),
                 f"protocol {self.other_proto}")

    def odd_other(self):
        self.send_other(self.s)


class Sctp(Writer):
    """An SCTP association (RFC 9260): its chunks, retransmissions, restarts and aborts."""

    DATA, INIT, INIT_ACK, SACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN = range(8)
    SHUTDOWN_ACK, ERROR, COOKIE_ECHO, COOKIE_ACK = 8, 9, 10, 11
    SHUTDOWN_COMPLETE = 14
    NAMES = {0: "DATA", 1: "INIT", 2: "INIT_ACK", 3: "SACK", 4: "HEARTBEAT", 5: "HEARTBEAT_ACK", 6: "ABORT",
             7: "SHUTDOWN", 8: "SHUTDOWN_ACK", 9: "ERROR", 10: "COOKIE_ECHO", 11: "COOKIE_ACK", 14: "SHUTDOWN_COMPLETE"}

    def put(self, src, kinds, tag=None, note="", flags=0, fair=True, **more):
        dst = self.other(src)
        tag = self.tags[dst] if tag is None else tag
        bodies = []
        for kind in kinds:
            if kind in (self.INIT, self.INIT_ACK):
                body = struct.pack("!IIHHI", self.tags[src], 65536, 10, 10, 1)
            elif kind == self.DATA:
                body = struct.pack("!IHHI", 1, 0, 0, 0) + bytes(1000 if self.cutting else 20)
            elif kind == self.SACK:
                body = struct.pack("!IIHH", 1, 65536, 0, 0)
            elif kind in (self.HEARTBEAT, self.HEARTBEAT_ACK):
                body = struct.pack("!HH", 1, 8) + bytes(4)
            elif kind == self.SHUTDOWN:
                body = struct.pack("!I", 1)
            elif kind == self.COOKIE_ECHO:
                body = bytes(16)
            else:
                body = b""
            bodies.append(chunk(kind, flags, body))
        names = "+".join(self.NAMES.get(k, str(k)) for k in kinds)
        self.add(src, dst, SCTP, sctp(src.port, dst.port, tag, bodies, **more), f"sctp {names} {note}".rstrip(), fair)

    def open(self):
        c, s = self.c, self.s
        self.put(c, [self.INIT], tag=0)
        if self.chance(15):
            self.put(c, [self.INIT], tag=0, note="again")
        self.put(s, [self.INIT_ACK])
        if self.chance(10):
            self.put(s, [self.INIT_ACK], note="again")
        self.put(c, [self.COOKIE_ECHO, self.DATA] if self.chance(30) else [self.COOKIE_ECHO])
        if self.chance(10):
            self.put(c, [self.COOKIE_ECHO], note="again")
        self.put(s, [self.COOKIE_ACK, self.SACK] if self.chance(30) else [self.COOKIE_ACK])

    def write(self):
        r, c, s = self.r, self.c, self.s
        self.tags = {c: r.randrange(1, 1 << 32), s: r.randrange(1, 1 << 32)}
        kind = r.choice(["life"] * 8 + ["pickup", "refused", "silent", "collision", "unasked"])
        if kind == "pickup":
            self.astray = True  # whoever speaks first is believed
        if kind == "life":
            self.open()
        elif kind == "refused":
            self.put(c, [self.INIT], tag=0)
            self.put(s, [self.ABORT])
        elif kind == "silent":
            self.put(c, [self.INIT], tag=0)
            self.put(c, [self.INIT], tag=0, note="again")
        elif kind == "collision":
            self.put(c, [self.INIT], tag=0)
            self.put(s, [self.INIT], tag=0)
            self.put(s, [self.INIT_ACK])
            self.put(c, [self.INIT_ACK])
            self.put(c, [self.COOKIE_ECHO])
            self.put(s, [self.COOKIE_ACK])
        elif kind == "unasked":
            self.put(s, [r.choice([self.INIT_ACK, self.SHUTDOWN_COMPLETE, self.ABORT, self.SHUTDOWN_ACK,
                                   self.COOKIE_ACK])], note="unasked", fair=False)
        if kind in ("life", "pickup", "collision"):
            for _ in range(r.choice([0, 2, 4, 8])):
                self.step()
            close = r.choice(["shutdown", "shutdown", "shutdown", "abort", "none"])
            kind += " " + close
            first = r.choice([c, s])
            if close == "shutdown":
                self.shut_down(first)
            elif close == "abort":
                self.put(first, [self.ABORT])
            if close != "none" and self.chance(50):
                kind += " reuse"
                self.tags = {c: r.randrange(1, 1 << 32), s: r.randrange(1, 1 << 32)}
                self.open()
        self.sequence.kind = "sctp " + kind
        return self.sequence

    def shut_down(self, first):
        second = self.other(first)
        self.put(first, [self.SHUTDOWN])
        if self.chance(15):
            self.put(first, [self.SHUTDOWN], note="again")
        self.put(second, [self.SHUTDOWN_ACK])
        if self.chance(15):
            self.put(second, [self.SHUTDOWN_ACK], note="again")
        self.put(first, [self.SHUTDOWN_COMPLETE])

    def step(self):
        src = self.r.choice([self.c, self.s])
        dst = self.other(src)
        what = self.r.choices(["data", "heartbeat", "bad tag", "bad checksum", "restart", "error", "icmp", "cookie"],
                              [50, 15, 8, 5, 5, 5, 8, 4])[0]
        if what == "data":
            self.put(src, [self.DATA])
            self.put(dst, [self.SACK, self.DATA] if self.chance(30) else [self.SACK])
        elif what == "heartbeat":
            self.put(src, [self.HEARTBEAT])
            self.put(dst, [self.HEARTBEAT_ACK])
        elif what == "bad tag":
            self.put(src, [self.r.choice([self.DATA, self.SACK, self.ABORT, self.SHUTDOWN, self.HEARTBEAT])],
                     tag=self.r.randrange(1, 1 << 32), note="bad tag", fair=False)
        elif what == "bad checksum":
            self.put(src, [self.DATA], note="bad checksum", fair=False, spoil=True)
        elif what == "restart":  # RFC 9260 section 5.2
            self.tags[src] = self.r.randrange(1, 1 << 32)
            self.put(src, [self.INIT], tag=0, note="restart")
            self.put(dst, [self.INIT_ACK])
            self.put(src, [self.COOKIE_ECHO])
            self.put(dst, [self.COOKIE_ACK])
        elif what == "error":
            self.put(src, [self.ERROR])
        elif what == "icmp":
            self.error_about(self.sequence.packets[-1], "known") if self.sequence.packets and \
                self.sequence.packets[-1][6 if self.v6 else 9] == SCTP else None
        else:
            self.put(src, [self.COOKIE_ECHO], note="again")


def sequence(seed, number, nat=None):
    kind = random.Random(f"kind {seed}/{number}").choices([Tcp, Datagrams, Sctp], [75, 15, 10])[0]
    return kind(seed, number, nat).write()


def mix(sequences):
    """What a run consisted of, as text: sequences by kind, TCP's by how they open, close and go on, and packets."""
    protocols, opened, ended, packets = Counter(), Counter(), Counter(), Counter()
    families, cut, addresses = Counter(), Counter(), {4: "IPv4", 16: "IPv6"}
    for sequence in sequences:
        protocol, *words = sequence.kind.partition(",")[0].split()
        families[addresses[len(sequence.hosts[0])]] += 1
        opening = [word for at, word in enumerate(words) if at == 0 or word not in CLOSES + AFTERS]
        protocols[protocol] += 1
        opened[" ".join([protocol, *opening])] += 1
        ended.update(word for word in words[1:] if word in CLOSES + AFTERS)
        packets.update(re.sub(r"len=\d+|window \d+|cut .*", "", note[2:]).strip() for note in sequence.notes)
        cut.update(how[0] for how in sequence.cuts if how is not None)
    return "\n".join(f"{name}: " + ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))
                     for name, counts in (("sequences", protocols + families), ("opened", opened), ("ended", ended),
                                          ("fragments", cut), ("packets", packets)))


def interleave(sequences, seed, together=200):
    """[(sequence, index in it)]: the order on the wire. Never two of one sequence within 64 packets where enough others
    are there to fill the gap: the switches take packets in batches."""
    r = random.Random(f"order {seed}")
    order = []
    for at in range(0, len(sequences), together):
        group = [[s, 0] for s in sequences[at:at + together] if s.packets]
        while group:
            r.shuffle(group) if len(group) < 64 else None
            for entry in group:
                order.append((entry[0], entry[1]))
                entry[1] += 1
            group = [entry for entry in group if entry[1] < len(entry[0].packets)]
    return order
