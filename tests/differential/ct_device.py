"""Three trackers that take packets and say of each what they made of it: Sluice, the installed ovs-vswitchd, and the
kernel's. The same OpenFlow flows serve the first two; nftables rules of the same meaning the third.

Each packet is a list of what goes on the wire: itself, or its fragments. It has a number, which it carries all the way:
as IPv4 identification or IPv6 flow label, and in the switches as source MAC. What ct() said is written into the
destination MAC (the kernel's way of telling is in ct_kernel.py).
"""

import os
import select
import socket
import struct
import subprocess
import time

import ct_fragment
import ct_kernel
from ct_nat import RULES, delta, network, pool_text
from daemon import BUILD

STATE_BITS = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = (("ip", "nw_src", "nw_dst"), ("ipv6", "ipv6_src", "ipv6_dst"))

# A packet's DSCP is the mark that its connection gets. Sequences of rule "every" (see ct_sequence.py) commit each packet,
# those of rule "new" what is new and has no mark yet.
MARK = "exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])"
TELL = """
table=2,priority=10,ip,actions=move:NXM_NX_CT_STATE[0..7]->NXM_OF_ETH_DST[0..7],\
move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[8..39],output:2
table=2,priority=10,ipv6,actions=move:NXM_NX_CT_STATE[0..7]->NXM_OF_ETH_DST[0..7],\
move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[8..39],output:2
table=0,priority=1,actions=output:2
"""
PLAIN_FLOWS = TELL + "".join(f"""
table=0,priority=20,{family},{src}={every},actions=move:NXM_OF_IP_TOS[2..7]->NXM_NX_REG0[0..5],ct(commit,zone=1,table=2,{MARK})
table=0,priority=20,{family},{src}={once},actions=move:NXM_OF_IP_TOS[2..7]->NXM_NX_REG0[0..5],ct(zone=2,table=1)
table=1,priority=20,{family},ct_state=+new,ct_mark=0,actions=ct(commit,zone=2,table=2,{MARK})
table=1,priority=10,{family},actions=resubmit(,2)
""" for family, src, every, once in (("ip", "nw_src", "10.0.0.0/15", "10.2.0.0/15"),
                                     ("ipv6", "ipv6_src", "fd00::/31", "fd00:2::/31")))


def nat_flows():
    """Clients' connections are translated as their rule says, in a zone of the rule's, or in two one after another; those
    from elsewhere are not, but replies are."""
    lines = [TELL]
    for v6, (family, src, dst) in enumerate(FAMILIES):
        lines += [f"table=1,priority=20,{family},ct_state=+new-rel-inv,actions=ct(commit,zone=NXM_NX_REG1[0..15],table=2)",
                  f"table=1,priority=10,{family},actions=resubmit(,2)",
                  f"table=3,priority=30,{family},ct_state=+inv,actions=resubmit(,2)",
                  f"table=4,priority=30,{family},ct_state=+rpl-inv,actions=ct(zone=NXM_NX_REG1[0..15],nat,table=2)",
                  f"table=4,priority=10,{family},actions=resubmit(,2)"]
        for n, rule in enumerate(RULES):
            def nat(kind, part, wanted=n, options=rule.options, six=v6):
                text = pool_text(part, wanted, six, "openflow") + (f",{options}" if options else "")
                return f"nat({kind}={text})"

            clients, servers, *pools = (network(part, n, v6) for part in range(4))
            zone, second = 10 + n, 200 + n
            known = f"load:{zone}->NXM_NX_REG1[],ct(zone={zone},nat,table=1)"
            for field in [f"{dst}={clients}", f"{src}={servers}", f"{dst}={servers}", f"{src}={pools[1]}"]:
                lines.append(f"table=0,priority=20,{family},{field},actions={known}")
            if rule.kind == "both":
                lines += [f"table=0,priority=40,{family},{dst}={pools[0]},actions=load:{zone}->NXM_NX_REG1[],"
                          f"ct(zone={second},nat,table=4)",
                          f"table=0,priority=30,{family},{src}={clients},actions=load:{second}->NXM_NX_REG1[],"
                          f"ct(commit,zone={zone},{nat('dst', 3)},table=3)",
                          f"table=3,priority=20,{family},reg1={second},actions="
                          f"ct(commit,zone={second},{nat('src', 2)},table=2)"]
            else:
                action = nat(rule.kind, 2 if rule.kind == "src" else 3)
                lines += [f"table=0,priority=40,{family},{dst}={pools[0]},actions={known}",
                          f"table=0,priority=30,{family},{src}={clients},actions=ct(commit,zone={zone},{action},table=2)"]
    return "\n".join(lines) + "\n"


def nat_rules():
    """The same for nftables: everything is one zone, since the addresses of rules are apart."""
    source, destination = [], []
    for v6, family in enumerate(("ip", "ip6")):
        for n, rule in enumerate(RULES):
            def statement(kind, part, ports, wanted=n, options=rule.options, fam=family, six=v6):
                text = pool_text(part, wanted, six, "nftables") if ports else pool_text(part, wanted, six, "nftables").rsplit(":", 1)[0].strip("[]").replace("]-[", "-")
                only = "meta l4proto { tcp, udp, sctp } " if ports else ""
                return f"{fam} saddr {network(0, wanted, six)} {only}{kind} {fam} to {text} {options}"

            for chain, kind, part in ((destination, "dnat", 3), (source, "snat", 2)):
                if rule.kind not in (kind[0] + "nat", "both") and rule.kind != {"dnat": "dst", "snat": "src"}[kind]:
                    continue
                if rule.ports:
                    chain.append(statement(kind, part, True))
                    chain.append(statement(kind, part, False))
                else:
                    text = pool_text(part, n, v6, "nftables")
                    chain.append(f"{family} saddr {network(0, n, v6)} {kind} {family} to {text} {rule.options}")
    return "\n".join(["table inet translate {", "chain first { type nat hook prerouting priority -100;", *destination, "}",
                      "chain last { type nat hook postrouting priority 100;", *source, "}", "}", ""])


def stamp(packet, number):
    """With its number in the IPv4 identification or the IPv6 flow label."""
    if packet[0] >> 4 == 6:
        return packet[:1] + bytes([packet[1] & 0xf0 | number >> 16 & 0xf]) + (number & 0xffff).to_bytes(2, "big") + packet[4:]
    ident = (number & 0xffff).to_bytes(2, "big")
    total = delta(int.from_bytes(packet[10:12], "big"), [(packet[4:6], ident)])
    return packet[:4] + ident + packet[6:10] + total.to_bytes(2, "big") + packet[12:]


def number_of(packet):
    """Modulo 65536."""
    return int.from_bytes(packet[2:4] if packet[0] >> 4 == 6 else packet[4:6], "big")


class Numbers:
    """Gives packets their numbers. No identification comes again that fragments have had: who waits for the rest of a
    datagram would take others for it (RFC 4963)."""

    def __init__(self):
        self.next, self.cut = 0, set()

    def take(self, parts):
        while self.next & 0xffff in self.cut:
            self.next += 1
        number = self.next
        self.next += 1
        if any(ct_fragment.parse(part) for part in parts):
            self.cut.add(number & 0xffff)
        return number


class Switch:
    """What both switches share: frames with a number, and verdicts out of frames."""

    def __init__(self):
        self.numbers = Numbers()

    def exchange(self, packets):
        """[(verdict "state mark", [IP packets that came out])], verdict None where nothing did."""
        numbers = [self.numbers.take(parts) for parts in packets]
        frames = [self.frame(number, part) for number, parts in zip(numbers, packets) for part in parts]
        outcomes = {number: (None, []) for number in numbers}
        for data in self.carry(frames):
            number = int.from_bytes(data[7:12], "big")
            outcomes[number] = (self.verdict_of(data), outcomes[number][1] + [data[14:]])
        return list(outcomes.values())

    @staticmethod
    def frame(number, packet):
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        return b"\x02\0\0\0\0\0\x02" + number.to_bytes(5, "big") + kind + stamp(packet, number)

    @staticmethod
    def verdict_of(data):
        state, mark = data[5], int.from_bytes(data[1:5], "big")
        names = [name for bit, name in enumerate(STATE_BITS) if state >> bit & 1 and name != "trk"]
        return f"{'+'.join(names) if state & 0x20 else 'none'} {mark}"


class Sluice(Switch):
    """sluice replay: the same packets give the same bytes, so that a later batch is the whole capture once more."""

    INTERVAL_NS = 1000

    def __init__(self, flows, folder):
        super().__init__()
        self.folder = folder
        self.now, self.read = 10**9, 24
        with open(f"{folder}/ct.flows", "w", encoding="ascii") as file:
            file.write(flows)
        with open(f"{folder}/in.pcap", "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 0x40000, 1))

    def carry(self, frames):
        with open(f"{self.folder}/in.pcap", "ab") as file:
            for data in frames:
                file.write(struct.pack("<IIII", self.now // 10**9, self.now % 10**9, len(data), len(data)) + data)
                self.now += self.INTERVAL_NS
        done = subprocess.run([f"{BUILD}/sluice", "replay", "--quiet", "--flows", f"{self.folder}/ct.flows", "--in",
                               f"1={self.folder}/in.pcap", "--out", f"2={self.folder}/out.pcap", "--connections",
                               f"{self.folder}/table.txt"], check=False, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr
        with open(f"{self.folder}/out.pcap", "rb") as file:
            order = "<" if file.read(4) in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
            file.seek(self.read)
            data = file.read()
        self.read += len(data)
        at = 0
        while at < len(data):
            length = struct.unpack_from(f"{order}I", data, at + 8)[0]
            yield data[at + 16:at + 16 + length]
            at += 16 + length

    def connections(self):
        with open(f"{self.folder}/table.txt", encoding="ascii") as file:
            return file.read().splitlines()


class OpenVswitch(Switch):
    """ovs-vswitchd with dummy ports whose packets come and go by sockets; its clock stands still meanwhile."""

    WINDOW = 40  ## frames on the way: a dummy port queues 100, and fragments may come late
    MARKER = b"\x02" + bytes(5) + b"\x02" + b"\xff" * 5 + b"\x88\xb5" + bytes(46)

    def __init__(self, flows, ovs):
        super().__init__()
        sockets = [os.path.join(ovs.dir, f"p{n}.sock") for n in (1, 2)]
        ovs.add_bridge("br0", 2)
        for n, path in enumerate(sockets, start=1):
            ovs.vsctl("set", "interface", f"p{n}", f"options:pstream=punix:{path}")
        ovs.replace_flows("br0", flows)
        for family in ("v4", "v6"):
            ovs.appctl("dpctl/ipf-set-min-frag", family, "400")
        ovs.appctl("dpctl/ipf-set-max-nfrags", "5000")
        ovs.appctl("time/stop")
        self.ovs, self.received = ovs, b""
        self.into, self.out = (self.connect(path) for path in sockets)

    @staticmethod
    def connect(path):
        """The port listens some time after ovs-vsctl has returned."""
        for _ in range(200):
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(path)
                return sock
            except (FileNotFoundError, ConnectionRefusedError):
                sock.close()
                time.sleep(0.05)
        raise TimeoutError(f"nobody listens on {path}")

    def carry(self, frames):
        for at in range(0, len(frames), self.WINDOW):
            window = [*frames[at:at + self.WINDOW], self.MARKER]
            self.into.sendall(b"".join(struct.pack("!H", len(f)) + f for f in window))
            yield from self.until_marker()

    def until_marker(self):
        while True:
            at = 0
            while len(self.received) >= at + 2:
                length = struct.unpack_from("!H", self.received, at)[0]
                if len(self.received) < at + 2 + length:
                    break
                data = self.received[at + 2:at + 2 + length]
                at += 2 + length
                if data == self.MARKER:
                    self.received = self.received[at:]
                    return
                yield data
            self.received = self.received[at:]
            assert select.select([self.out], [], [], 60)[0], "ovs-vswitchd forwards no more"
            data = self.out.recv(1 << 20)
            assert data, "ovs-vswitchd has ended"
            self.received += data

    def close(self):
        self.into.close()
        self.out.close()


class Kernel:
    BATCH = 30000  ## numbers repeat after 65536

    def __init__(self, rules, folder):
        with open(f"{folder}/rules.nft", "w", encoding="ascii") as file:
            file.write(rules)
        self.process = subprocess.Popen(["unshare", "--net", "/usr/bin/python3", f"{HERE}/ct_kernel.py",
                                         f"{folder}/rules.nft"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.numbers = Numbers()

    def exchange(self, packets):
        return [outcome for at in range(0, len(packets), self.BATCH)
                for outcome in self._exchange(packets[at:at + self.BATCH])]

    def _exchange(self, packets):
        numbers = [self.numbers.take(parts) for parts in packets]
        wire = [stamp(part, number) for number, parts in zip(numbers, packets) for part in parts]
        outcomes = {number & 0xffff: (None, []) for number in numbers}
        for packet in self._carry(wire):
            number = number_of(packet)
            if number not in outcomes or packet[0] >> 4 == 6 and packet[8] != 0xfd:
                continue  # the device's own packets (router solicitations) are nobody's
            outcomes[number] = (ct_kernel.verdict_of(packet), outcomes[number][1] + [packet])
        return list(outcomes.values())

    def _carry(self, wire):
        sink, source = self.process.stdin, self.process.stdout
        if not wire:
            return []
        sink.write(struct.pack("!I", len(wire)) + b"".join(struct.pack("!H", len(p)) + p for p in wire))
        sink.flush()
        return [source.read(int.from_bytes(source.read(2), "big")) for _ in range(int.from_bytes(source.read(4), "big"))]

    def connections(self):
        self.process.stdin.write(bytes(4))
        self.process.stdin.flush()
        source = self.process.stdout
        return source.read(int.from_bytes(source.read(4), "big")).decode().splitlines()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
