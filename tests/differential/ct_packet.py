"""IP packets as bytes, fast enough for hundreds of thousands: what tests with scapy take a minute for takes seconds.

Checksums are right unless a caller asks for a wrong one (`spoil`).
"""

import ipaddress
import struct

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    """RFC 1071, by arithmetic: the ones' complement sum is the number modulo 0xffff."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big")
    return 0xffff - (total % 0xffff if total else 0) if total % 0xffff or not total else 0


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return struct.pack("<I", crc ^ 0xffffffff)


def _crc_row(n):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    return n


CRC_TABLE = [_crc_row(n) for n in range(256)]


def ip(src, dst, proto, payload, dscp=0, ident=0, fragment=0, ttl=64):
    """An IPv4 or IPv6 packet; `fragment` is the IPv4 word of flags and offset."""
    if len(src) == 4:
        header = struct.pack("!BBHHHBBH4s4s", 0x45, dscp << 2, 20 + len(payload), ident, fragment, ttl, proto, 0, src, dst)
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload
    return struct.pack("!IHBB16s16s", 6 << 28 | dscp << 22, len(payload), proto, ttl, src, dst) + payload


def _pseudo(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, proto)


def _summed(src, dst, proto, segment, at, spoil):
    value = checksum(_pseudo(src, dst, proto, len(segment)) + segment)
    if proto == UDP and value == 0:
        value = 0xffff
    if spoil:
        value ^= 0x5a5a
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def tcp(src, dst, sport, dport, flags, seq, ack, window, payload=b"", options=b"", offset=None, spoil=False):
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    segment = struct.pack("!HHIIHHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, words << 12 | flags,
                          window, 0, 0) + options + payload
    return _summed(src, dst, TCP, segment, 16, spoil)


def udp(src, dst, sport, dport, payload=b"", length=None, spoil=False, unsummed=False):
    """`length`: what its length field says; what it says is summed, as RFC 768 has it."""
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload) if length is None else length, 0) + payload
    if unsummed:
        return segment
    covered = len(segment) if length is None else min(length, len(segment))
    return _summed(src, dst, UDP, segment[:covered], 6, spoil) + segment[covered:]


def icmp(src, dst, kind, code, rest, payload=b"", spoil=False):
    message = struct.pack("!BBHI", kind, code, 0, rest) + payload
    if len(src) == 16:
        return _summed(src, dst, ICMP6, message, 2, spoil)
    value = checksum(message) ^ (0x5a5a if spoil else 0)
    return message[:2] + struct.pack("!H", value) + message[4:]


def sctp(sport, dport, tag, chunks, spoil=False):
    body = struct.pack("!HHI", sport, dport, tag), b"".join(chunks)
    crc = crc32c(body[0] + b"\0\0\0\0" + body[1])
    if spoil:
        crc = bytes([crc[0] ^ 0x5a]) + crc[1:]
    return body[0] + crc + body[1]


def chunk(kind, flags=0, body=b""):
    padded = struct.pack("!BBH", kind, flags, 4 + len(body)) + body
    return padded + b"\0" * (-len(padded) % 4)
