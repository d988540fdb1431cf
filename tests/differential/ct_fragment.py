"""IP packets cut into fragments and put together again."""

import random
import struct

from ct_packet import checksum

FRAGMENT_HEADER = 44
# What becomes of a packet: cut how, and whether anything comes out.
WHOLE = ("in order", "reversed", "shuffled", "duplicate", "first last")
LOST = ("missing first", "missing last", "missing middle", "overlap", "overlap same", "overlap at end")  # also: tiny first
UNIT = 8


def cut(packet, how, seed, smallest):
    """The fragments of a packet in the order in which they are sent; none but the last has less than `smallest` octets
    of payload."""
    r = random.Random(seed)
    v6 = packet[0] >> 4 == 6
    at = 40 if v6 else 20
    payload = packet[at:]
    pieces, start = [], 0
    while start < len(payload):
        size = min(max(smallest, r.choice([smallest, 552, 600, 1024, 1480])) // UNIT * UNIT, len(payload) - start)
        if start == 0 and how == "tiny first":  # without the whole transport header
            size = UNIT
        elif start == 0:
            size = min(size, (len(payload) - 1) // UNIT * UNIT)  # two at least
        pieces.append((start, start + size))
        start += size
    order = {"reversed": pieces[::-1], "first last": pieces[1:] + pieces[:1],
             "missing first": pieces[1:], "missing last": pieces[:-1],
             "missing middle": pieces[:len(pieces) // 2] + pieces[len(pieces) // 2 + 1:]}.get(how, list(pieces))
    if how == "shuffled":
        r.shuffle(order)
    if how == "duplicate":
        at_piece = r.randrange(len(order) - 1)
        order.insert(at_piece + 1, order[at_piece])
    if how.startswith("overlap"):
        first, last = pieces[0], pieces[-1]
        extra = {"overlap": (max(first[1] - UNIT, 0), first[1] + UNIT), "overlap same": (0, first[1] - UNIT),
                 "overlap at end": (last[0] - UNIT, len(payload))}[how]
        order.insert(1, extra)
    ident = r.getrandbits(32)
    return [_piece(packet, at, v6, begin, end, end < len(payload), ident) for begin, end in order]


def _piece(packet, at, v6, begin, end, more, ident):
    body = packet[at + begin:at + end]
    if v6:
        header = struct.pack("!BBHI", packet[6], 0, begin | more, ident)
        return packet[:4] + struct.pack("!HB", 8 + len(body), FRAGMENT_HEADER) + packet[7:40] + header + body
    data = bytearray(packet[:20])
    data[2:4] = struct.pack("!H", 20 + len(body))
    data[6:8] = struct.pack("!H", begin // UNIT | (0x2000 if more else 0))
    data[10:12] = bytes(2)
    data[10:12] = struct.pack("!H", checksum(bytes(data)))
    return bytes(data) + body


def parse(packet):
    """(proto, offset, more, payload) of a fragment, or None."""
    if packet[0] >> 4 == 6:
        if packet[6] != FRAGMENT_HEADER:
            return None
        word = struct.unpack_from("!H", packet, 42)[0]
        return packet[40], word & 0xfff8, word & 1, packet[48:]
    word = struct.unpack_from("!H", packet, 6)[0] & 0x3fff
    return (packet[9], (word & 0x1fff) * UNIT, word >> 13, packet[20:struct.unpack_from("!H", packet, 2)[0]]) if word else None


def join(packets):
    """What a receiver makes of the packets that came out for one: the whole one, or None."""
    if len(packets) == 1 and parse(packets[0]) is None:
        return packets[0]
    parts = {}
    end = None
    for packet in packets:
        part = parse(packet)
        if part is None:
            return None
        proto, offset, more, body = part
        parts[offset] = body
        if not more:
            end = offset + len(body)
    payload = b""
    while len(payload) in parts and end is not None and len(payload) < end:
        payload += parts[len(payload)]
    if end is None or len(payload) != end:
        return None
    head = packets[0]
    if head[0] >> 4 == 6:
        return head[:4] + struct.pack("!HB", end, proto) + head[7:40] + payload
    data = bytearray(head[:20])
    data[2:4], data[6:8], data[10:12] = struct.pack("!H", 20 + end), bytes(2), bytes(2)
    data[10:12] = struct.pack("!H", checksum(bytes(data)))
    return bytes(data) + payload
