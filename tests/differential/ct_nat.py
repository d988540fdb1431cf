"""NAT as sequences need it: the rules, and packets as they look on either side of a translation.

A rule has networks of its own: its clients open connections to its servers; those that it translates appear as
addresses of its pool. What ends write is what they see; view() turns that into what the other side sees.
"""

import ipaddress
import struct
from dataclasses import dataclass

from ct_packet import ICMP, ICMP6, SCTP, TCP, UDP, address, checksum, crc32c

UDPLITE = 136
ERRORS = {ICMP: (3, 4, 5, 11, 12), ICMP6: (1, 2, 3, 4)}
QUERIES = {ICMP: (0, 8, 13, 14, 15, 16), ICMP6: (128, 129)}
CHECKSUM_AT = {TCP: 16, UDP: 6, UDPLITE: 6, ICMP: 2, ICMP6: 2}


@dataclass(frozen=True)
class Rule:
    """One NAT statement. `hosts` and `ports`: how many of each the pool has; no ports: any of the packet's class."""

    name: str
    kind: str            ## src, dst, both (dst, then src)
    hosts: int = 1
    ports: tuple = None  ## first, last
    options: str = ""
    hairpin: bool = False  ## the translated destination is a client too


RULES = [Rule("snat", "src"), Rule("snat hosts", "src", hosts=4), Rule("snat ports", "src", ports=(5000, 5999)),
         Rule("snat hosts ports", "src", hosts=3, ports=(20000, 20499)), Rule("snat random", "src", options="random"),
         Rule("snat persistent", "src", hosts=4, options="persistent"), Rule("snat few ports", "src", ports=(6000, 6007)),
         Rule("dnat", "dst"), Rule("dnat port", "dst", ports=(8080, 8080)), Rule("dnat hosts", "dst", hosts=4),
         Rule("dnat hosts ports", "dst", hosts=2, ports=(8000, 8003)), Rule("both", "both"),
         Rule("hairpin", "both", hairpin=True)]
SERVERS, SERVER_PORTS = 3, (80, 443)


def network(part, rule, v6):
    """part: 0 clients, 1 servers, 2 pool of sources, 3 pool of destinations."""
    n = 100 + 4 * rule + part
    return f"fd00:{n}::/32" if v6 else f"10.{n}.0.0/16"


def host_in(part, rule, v6, number):
    net = ipaddress.ip_network(network(part, rule, v6))
    return str(net[number])


def pool(part, rule, v6):
    """First and last address."""
    return host_in(part, rule, v6, 1), host_in(part, rule, v6, RULES[rule].hosts)


def is_in_pool(part, rule, packed):
    v6 = len(packed) == 16
    first, last = (int(ipaddress.ip_address(a)) for a in pool(part, rule, v6))
    return first <= int.from_bytes(packed, "big") <= last


class Headers:
    """Where things are in an IP packet without options and extension headers."""

    def __init__(self, packet):
        self.v6 = packet[0] >> 4 == 6
        self.at = 40 if self.v6 else 20
        self.proto = packet[6 if self.v6 else 9]
        self.src, self.dst = (packet[8:24], packet[24:40]) if self.v6 else (packet[12:16], packet[16:20])
        kind = packet[self.at] if len(packet) > self.at else None
        self.is_error = kind in ERRORS.get(self.proto, ())
        self.is_query = kind in QUERIES.get(self.proto, ())
        ports = struct.unpack_from("!HH", packet, self.at) if len(packet) >= self.at + 4 else (0, 0)
        if self.proto in (TCP, UDP, SCTP, UDPLITE):
            self.sport, self.dport = ports
        elif self.is_query and len(packet) >= self.at + 6:
            self.sport = self.dport = struct.unpack_from("!H", packet, self.at + 4)[0]
        else:
            self.sport = self.dport = 0


@dataclass(frozen=True)
class Ends:
    """Both ends of a connection as one side sees them: the client's address and port, the server's."""

    c: bytes
    cport: int
    s: bytes
    sport: int

    def text(self):
        return " > ".join(f"{ipaddress.ip_address(a)} {p}" for a, p in ((self.c, self.cport), (self.s, self.sport)))


def ends_of(packet, from_client):
    h = Headers(packet)
    return Ends(h.src, h.sport, h.dst, h.dport) if from_client else Ends(h.dst, h.dport, h.src, h.sport)


def key_of(packet, client):
    """Which connection a packet belongs to: its protocol and what its ends see. Of an ICMP error: what it quotes."""
    h = Headers(packet)
    if h.is_error:
        return key_of(packet[h.at + 8:], client)
    return h.proto, ends_of(packet, h.src == client)


def delta(old, change):
    """RFC 1624: the checksum after words of what it covers changed. `change`: pairs of bytes, old and new."""
    total = 0xffff - old
    for before, after in change:
        for at in range(0, len(before), 2):
            total += 0xffff - int.from_bytes(before[at:at + 2], "big") + int.from_bytes(after[at:at + 2], "big")
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff - total


def view(packet, here, there):
    """A packet of the connection that has the ends `here` as it looks where they are `there`. Checksums that are right
    stay so, those that are wrong stay wrong."""
    h = Headers(packet)
    if h.is_error:
        return _view_of_error(packet, h, here, there)
    forward = (h.src, h.sport, h.dst, h.dport) == (here.c, here.cport, here.s, here.sport)
    new = (there.c, there.cport, there.s, there.sport) if forward else (there.s, there.sport, there.c, there.cport)
    data = bytearray(packet)
    change = [(h.src, new[0]), (h.dst, new[2])] if h.proto != ICMP else []
    length = 40 + int.from_bytes(packet[4:6], "big") if h.v6 else int.from_bytes(packet[2:4], "big")
    has_crc = h.proto == SCTP and length == len(packet)  # of a part, as errors quote it, nobody can check it
    if h.proto in (TCP, UDP, SCTP, UDPLITE):
        ports = struct.pack("!HH", new[1], new[3])
        change.append((packet[h.at:h.at + 4], ports))
        data[h.at:h.at + 4] = ports
    elif h.is_query:
        ident = struct.pack("!H", new[1] if forward else new[3])
        change.append((packet[h.at + 4:h.at + 6], ident))
        data[h.at + 4:h.at + 6] = ident
    at = h.at + CHECKSUM_AT.get(h.proto, 1 << 16)
    if at + 2 <= len(data):
        old = int.from_bytes(data[at:at + 2], "big")
        if h.proto != UDP or old != 0:
            value = delta(old, change)
            data[at:at + 2] = struct.pack("!H", value or (0xffff if h.proto == UDP else 0))
    if has_crc:
        crcs = packet[h.at + 8:h.at + 12], crc_of(packet[h.at:]), crc_of(bytes(data[h.at:]))
        data[h.at + 8:h.at + 12] = bytes(a ^ b ^ c for a, b, c in zip(*crcs))
    return with_addresses(data, new[0], new[2])


def with_addresses(data, src, dst):
    if data[0] >> 4 == 6:
        data[8:40] = src + dst
        return bytes(data)
    before = bytes(data[12:20])
    data[12:20] = src + dst
    data[10:12] = struct.pack("!H", delta(int.from_bytes(data[10:12], "big"), [(before, src + dst)]))
    return bytes(data)


def _view_of_error(packet, h, here, there):
    quoted = view(packet[h.at + 8:], here, there)
    src = {here.c: there.c, here.s: there.s}.get(h.src, h.src)
    dst = {here.c: there.c, here.s: there.s}.get(h.dst, h.dst)
    data = bytearray(packet[:h.at + 8] + quoted)
    data[h.at + 2:h.at + 4] = bytes(2)
    pseudo = src + dst + struct.pack("!IHBB", len(data) - h.at, 0, 0, ICMP6) if h.v6 else b""
    data[h.at + 2:h.at + 4] = struct.pack("!H", checksum(pseudo + bytes(data[h.at:])))
    return with_addresses(data, src, dst)


def crc_of(segment):
    return crc32c(segment[:8] + bytes(4) + segment[12:])


def from_router(packet, router):
    """The error with another sender."""
    h = Headers(packet)
    data = bytearray(packet)
    if h.v6:
        data[h.at + 2:h.at + 4] = struct.pack("!H", delta(int.from_bytes(data[h.at + 2:h.at + 4], "big"), [(h.src, router)]))
    return with_addresses(data, router, h.dst)


def plan(rule, v6, number, r):
    """Addresses and ports of a new connection's client and server."""
    client = host_in(0, rule, v6, 1 + number % 65000)
    server = host_in(1, rule, v6, 1 + r.randrange(SERVERS))
    return [(address(client), r.choice([300, 700, 40000, 40001, 40002, r.randrange(1024, 65536)])),
            (address(server), r.choice(SERVER_PORTS))]


def pool_text(part, rule, v6, dialect):
    """The range for nat() of OpenFlow or for nftables."""
    wanted = RULES[rule]
    first, last = pool(part, rule, v6)
    ports = wanted.ports
    brackets = v6 and ports
    text = f"[{first}]" if brackets else first
    if last != first:
        text += "-" + (f"[{last}]" if brackets else last)
    if brackets and last != first and dialect == "openflow":
        text = f"[{first}]-[{last}]"
    if ports:
        text += f":{ports[0]}" + (f"-{ports[1]}" if ports[1] != ports[0] else "")
    return text
