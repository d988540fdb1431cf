"""Wrong OpenFlow messages by hand: for each version every mistake that one can make. mistakes(version) gives (name,
messages); what comes before the last message prepares the mistake."""

from openflow_wire import *  # pylint: disable=wildcard-import,unused-wildcard-import

NETRONOME = 0x154D
IPV4 = oxm(5, u16(0x0800))
TCP = IPV4 + oxm(10, u8(6))
CONTROLLER, LOCAL, TABLE, NORMAL, IN_PORT, ALL, NONE = (0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFF9, 0xFFFFFFFA, 0xFFFFFFF8, 0xFFFFFFFC,
                                                         ANY32)
ARP = bytes.fromhex("ffffffffffff00000000000108060001080006040001000000000001c0a80001000000000000c0a80002")


def port_in(version, port):
    return port & 0xFFFF if version == OF10 else port


def mistakes(version):
    for part in (headers, hellos, simple_requests, experimenters, flow_mods, matches, actions, nicira_actions, ct_actions,
                 instructions, packet_outs, group_mods, group_requests, meters, ports_tables_queues, multiparts,
                 table_features, roles_and_async, as_secondary, bundles, nicira_messages, tlv_tables, ct_flushes, flow_monitors):
        for name, messages in part(version):
            yield f"{part.__name__}: {name}", messages if isinstance(messages, list) else [messages]


# -- the frame -----------------------------------------------------------------------------------------------------------

def headers(v):
    for other in (0, 1, 2, 3, 4, 5, 6, 7, 200):
        if other != v:
            yield f"barrier of version {other}", message(other, 20)
            yield f"echo of version {other}", message(other, ECHO_REQUEST, b"abc")
            yield f"error of version {other}", message(other, ERROR, u16(1, 1))
            yield f"features request of version {other}", message(other, 5)
    for kind in (*range(0, 40), 99, 255):
        for body in (b"", bytes(4), bytes(8), bytes(16), bytes(56)):
            if kind == HELLO and not body:
                continue
            yield f"type {kind} with {len(body)} zeros", message(v, kind, body)
    yield "length 0", message(v, ECHO_REQUEST, length=0)
    yield "length 7", message(v, ECHO_REQUEST, length=7)
    yield "xid is kept", message(v, 99, xid=0xABCDEF01)
    yield "long wrong message", message(v, 99, bytes(range(256)) * 4)
    yield "longest wrong message", message(v, 99, bytes(65527))
    yield "63 bytes", message(v, 99, bytes(55))
    yield "65 bytes", message(v, 99, bytes(57))


def hellos(v):
    yield "again", message(v, HELLO)
    yield "again, with other versions", message(v, HELLO, u16(1, 8) + u32(0x02))
    yield "again, with a wrong element", message(v, HELLO, u16(1, 3) + u32(0x02))
    yield "again, with bytes", message(v, HELLO, b"abcdef")


def simple_requests(v):
    kinds = [("features request", 5), ("get config", 7), ("barrier", barrier_type(v))]
    if v >= OF13:
        kinds.append(("get async", GET_ASYNC))
    for name, kind in kinds:
        yield name, message(v, kind)
        yield f"{name} with a byte", message(v, kind, b"x")
        yield f"{name} with 8 bytes", message(v, kind, bytes(8))
    for name, kind in (("features reply", 6), ("get config reply", 8), ("packet in", 10), ("flow removed", 11), ("port status", 12),
                       ("multipart reply", multipart_type(v) + 1), ("barrier reply", barrier_type(v) + 1)):
        for n in (0, 4, 8, 24, 80):
            yield f"{name}, that only a switch sends, of {n} bytes", message(v, kind, bytes(n))
    for flags in (*range(0, 9), 0x10, 0x100, 0x8000, 0xFFFF):
        yield f"set config flags {flags:#x}", message(v, 9, u16(flags, 128))
    for body in (b"", u16(0), u16(0, 128, 0)):
        yield f"set config of {len(body)} bytes", message(v, 9, body)


def experimenters(v):
    for vendor in (0, 1, NICIRA, ONF, 0xFFFFFFFF):
        for subtype in (*range(0, 40), 1000, 1912, 2299, 2300, 2301, 2302, 3000, 0xFFFFFFFF):
            yield f"message of {vendor:#x} {subtype}, empty", experimenter(v, vendor, subtype)
            yield f"message of {vendor:#x} {subtype}, 8 zeros", experimenter(v, vendor, subtype, bytes(8))
            if subtype < 15 or subtype > 2000:
                yield f"multipart of {vendor:#x} {subtype}, empty", vendor_multipart(v, vendor, subtype)
                yield f"multipart of {vendor:#x} {subtype}, 8 zeros", vendor_multipart(v, vendor, subtype, bytes(8))
    for n in (0, 2, 4, 7):
        yield f"{n} bytes", message(v, EXPERIMENTER, (u32(NICIRA) + bytes(4))[:n])
        yield f"multipart of {n} bytes", multipart(v, 0xFFFF, (u32(NICIRA) + bytes(4))[:n])


# -- flow-mods -----------------------------------------------------------------------------------------------------------

def flow_mods(v):
    out = output(v)
    for command in (*range(0, 8), 0xFF):
        yield f"command {command}", flow_mod(v, actions=out, command=command)
    if v == OF10:
        yield "command with a table", flow_mod(v, actions=out, command=0x0100)
        yield "command with a table, taken", [nicira(v, 15, u8(1) + bytes(7)), flow_mod(v, actions=out, command=0x0100)]
        yield "table 255, taken", [nicira(v, 15, u8(1) + bytes(7)), flow_mod(v, actions=out, command=0xFF00)]
        yield "table 254, taken", [nicira(v, 15, u8(1) + bytes(7)), flow_mod(v, actions=out, command=0xFE00)]
        yield "wrong command, taken", [nicira(v, 15, u8(1) + bytes(7)), flow_mod(v, actions=out, command=0x0077)]
    else:
        for table in (253, 254, 255):
            for command in range(0, 5):
                yield f"table {table}, command {command}", flow_mod(v, actions=out, command=command, table=table)
    for bit in range(16):
        for command in (0, 1, 3):
            yield f"flag {1 << bit:#x}, command {command}", flow_mod(v, actions=out, flags=1 << bit, command=command)
    yield "all flags", flow_mod(v, actions=out, flags=0xFFFF)
    if v == OF10:
        yield "emergency with timeouts", flow_mod(v, actions=out, flags=4, idle=5)
        yield "emergency without timeouts", flow_mod(v, actions=out, flags=4)
    yield "overlap", [flow_mod(v, actions=out), flow_mod(v, match=(match10(0x3FFFFE, 1) if v == OF10 else match11(0x3FE, 1) if v == OF11
                                                                  else oxm_match(oxm(0, u32(1)))), actions=out, flags=2)]
    yield "overlap with itself", [flow_mod(v, actions=out, flags=2), flow_mod(v, actions=out, flags=2)]
    for buffer in (0, 1, 0x1234, 0x80000000, 0xFFFFFFFE):
        for command in (0, 1, 3):
            yield f"buffer {buffer:#x}, command {command}", flow_mod(v, actions=out, buffer=buffer, command=command)
    for port in (0, 1, 77, 0xFF00, 0xFFF8, 0xFFF9, 0xFFFE, 0xFFFF, 0x10000, 0xFFFFFF00, 0xFFFFFFF9, 0xFFFFFFFE):
        if v != OF10 or port < 0x10000:
            for command in (0, 3):
                yield f"out_port {port:#x}, command {command}", flow_mod(v, actions=out, out_port=port, command=command)
    if v >= OF11:
        for group in (0, 5, 0xFFFFFF00, 0xFFFFFFFC, 0xFFFFFFFE):
            yield f"out_group {group:#x}", flow_mod(v, command=3, out_group=group)
        yield "cookie mask in an add", flow_mod(v, actions=out, cookie=3, cookie_mask=1)
        yield "cookie mask in a modify", flow_mod(v, actions=out, cookie=3, cookie_mask=1, command=1)
        for importance in (1, 0xFFFF):
            yield f"importance {importance}", flow_mod(v, actions=out, importance=importance)
        yield "importance in a modify", flow_mod(v, actions=out, importance=4, command=1)
    for idle, hard in ((0xFFFF, 0), (0, 0xFFFF), (1, 1)):
        yield f"timeouts {idle} {hard}", flow_mod(v, actions=out, idle=idle, hard=hard)
    whole = flow_mod(v, actions=out)
    for by in (1, 2, 4, 6, 8, 12, 16, 24, 32, 40, 48, 56, 64, 70):
        if len(whole) - by >= 8:
            yield f"without the last {by} bytes", shortened(whole, by)
    for n in (1, 2, 4, 8, 16):
        yield f"with {n} bytes behind", lengthened(whole, bytes(n))
    yield "delete with actions", flow_mod(v, actions=out, command=3)
    yield "delete with wrong actions", flow_mod(v, actions=action(0x77, bytes(4)), command=3)
    yield "delete strict of nothing", flow_mod(v, command=4)


def flow_with(v, match):
    return flow_mod(v, match=match, actions=output(v))


def matches(v):
    if v == OF10:
        yield from matches10(v)
    elif v == OF11:
        yield from matches11(v)
    else:
        for name, match in oxm_matches(v):
            yield name, flow_with(v, match)
            yield f"{name} (delete)", flow_mod(v, match=match, command=3)
            yield f"{name} (flow request)", flow_request(v, match=match)
    if v == OF10:
        for name, match in oxm_matches(v):
            fields = match[4:4 + max(0, int.from_bytes(match[2:4], "big") - 4)]
            yield f"nxm {name}", nx_flow_mod(v, fields)
        for length in (0, 1, 3, 4, 7, 8, 9, 100, 0xFFFF):
            yield f"nxm match length {length}", nx_flow_mod(v, bytes.fromhex("0000060200000000")[:8], match_length=length)


def nx_flow_mod(v, fields, match_length=None, actions=None, command=0, cookie=0, flags=0):
    body = (u64(cookie) + u16(command, 0, 0, 0x8000) + u32(NO_BUFFER) + u16(0xFFFF, flags) +
            u16(len(fields) if match_length is None else match_length) + bytes(6) + pad8(fields) +
            (output(v) if actions is None else actions))
    return nicira(v, 13, body)


def matches10(v):
    for bit in range(32):
        yield f"wildcards without {1 << bit:#x}", flow_with(v, match10(0x3FFFFF & ~(1 << bit)))
        yield f"wildcards {1 << bit:#x} alone", flow_with(v, match10(1 << bit))
    yield "no wildcards", flow_with(v, match10(0))
    yield "all wildcards", flow_with(v, match10(ANY32))
    for port in (0, 1, 77, 0xFF00, 0xFFF8, 0xFFF9, 0xFFFA, 0xFFFD, 0xFFFE, 0xFFFF):
        yield f"in_port {port:#x}", flow_with(v, match10(0x3FFFFE, port))
    for vlan in (0, 0xFFF, 0x1000, 0x1FFF, 0xFFFE, 0xFFFF):
        yield f"vlan {vlan:#x}", flow_with(v, match10(0x3FFFFD, vlan=vlan))
        yield f"vlan {vlan:#x} with priority", flow_with(v, match10(0x2FFFFD, vlan=vlan, pcp=9))
    for dl_type in (0, 0x5FF, 0x800, 0x806, 0x8100, 0x86DD, 0xFFFF):
        yield f"dl_type {dl_type:#x}", flow_with(v, match10(0x3FFFEF, dl_type=dl_type))
        yield f"dl_type {dl_type:#x}, tos", flow_with(v, match10(0x1FFFEF, dl_type=dl_type, tos=0xFF))
        yield f"dl_type {dl_type:#x}, protocol, ports", flow_with(v, match10(0x3FFF0F, dl_type=dl_type, proto=6, tp_src=5, tp_dst=6))


def matches11(v):
    for kind in (1, 2, 0xFFFF):
        yield f"type {kind}", flow_with(v, match11(kind=kind))
    for length in (0, 4, 87, 89, 96, 0xFFFF):
        yield f"length {length}", flow_with(v, match11(length=length))
    for bit in range(32):
        yield f"wildcards without {1 << bit:#x}", flow_with(v, match11(0x3FF & ~(1 << bit)))
        yield f"wildcards {1 << bit:#x} alone", flow_with(v, match11(1 << bit))
        yield f"wildcards of IPv4 without {1 << bit:#x}", flow_with(v, match11(0x3F7 & ~(1 << bit), dl_type=0x800))
        yield f"wildcards of TCP without {1 << bit:#x}", flow_with(v, match11(0x3D7 & ~(1 << bit), dl_type=0x800, proto=6))
        yield f"wildcards of SCTP without {1 << bit:#x}", flow_with(v, match11(0x3D7 & ~(1 << bit), dl_type=0x800, proto=132))
        yield f"wildcards of ICMP without {1 << bit:#x}", flow_with(v, match11(0x3D7 & ~(1 << bit), dl_type=0x800, proto=1))
        yield f"wildcards of ICMP without {1 << bit:#x}, ports", flow_with(v, match11(0x3D7 & ~(1 << bit), dl_type=0x800, proto=1, tp_src=256, tp_dst=256))
        yield f"wildcards of GRE without {1 << bit:#x}", flow_with(v, match11(0x3D7 & ~(1 << bit), dl_type=0x800, proto=47))
        yield f"wildcards of ARP without {1 << bit:#x}", flow_with(v, match11(0x3F7 & ~(1 << bit), dl_type=0x806))
        yield f"wildcards of ARP without {1 << bit:#x}, op", flow_with(v, match11(0x3F7 & ~(1 << bit), dl_type=0x806, proto=2, tos=4, nw_src_mask=0xFF))
        yield f"wildcards of IPv6 without {1 << bit:#x}", flow_with(v, match11(0x3F7 & ~(1 << bit), dl_type=0x86DD))
        yield f"wildcards of MPLS without {1 << bit:#x}", flow_with(v, match11(0x3F7 & ~(1 << bit), dl_type=0x8847, label=1 << 20, tc=8))
    for port in (0, 1, 77, 0xFF00, 0xFFFF, 0x10000, 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        yield f"in_port {port:#x}", flow_with(v, match11(0x3FE, in_port=port))
    for vlan in (0, 0xFFF, 0x1000, 0x1FFF, 0xFFFE, 0xFFFF):
        yield f"vlan {vlan:#x}", flow_with(v, match11(0x3FD, vlan=vlan))
        yield f"vlan {vlan:#x} with priority", flow_with(v, match11(0x3F9, vlan=vlan, pcp=9))
    for tos in (0, 1, 3, 63, 64, 255):
        yield f"tos {tos}", flow_with(v, match11(0x3E7, dl_type=0x800, tos=tos))
    for mask in (0, 0xFF, 0xFFFFFF00, ANY32):
        for name in ("nw_src_mask", "nw_dst_mask"):
            yield f"{name} {mask:#x} without IP", flow_with(v, match11(**{name: mask}))
            yield f"{name} {mask:#x}", flow_with(v, match11(0x3F7, dl_type=0x800, **{name: mask}))
    for name in ("dl_src_mask", "dl_dst_mask"):
        yield f"{name} 0", flow_with(v, match11(**{name: bytes(6)}))
        yield f"{name} odd", flow_with(v, match11(**{name: b"\xff\x00\xff\x00\xff\x01"}))
    yield "metadata", flow_with(v, match11(metadata=5, metadata_mask=0))
    yield "metadata mask", flow_with(v, match11(metadata=5, metadata_mask=0xFF))


WIDTHS = {0: 4, 1: 4, 2: 8, 3: 6, 4: 6, 5: 2, 6: 2, 7: 1, 8: 1, 9: 1, 10: 1, 11: 4, 12: 4, 13: 2, 14: 2, 15: 2, 16: 2, 17: 2, 18: 2,
          19: 1, 20: 1, 21: 2, 22: 4, 23: 4, 24: 6, 25: 6, 26: 16, 27: 16, 28: 4, 29: 1, 30: 1, 31: 16, 32: 6, 33: 6, 34: 4, 35: 1,
          36: 1, 37: 3, 38: 8, 39: 2, 41: 1, 42: 2, 43: 4, 44: 4}


def oxm_matches(v):
    for kind in (0, 2, 0xFFFF):
        yield f"type {kind}", oxm_match(kind=kind)
    for length in (0, 1, 3, 5, 8, 12, 100, 0xFFFF):
        yield f"length {length}", oxm_match(length=length)
    for field, width in WIDTHS.items():
        value = bytes(width)
        yield f"field {field} without what it needs", oxm_match(oxm(field, value))
        yield f"field {field}, all ones", oxm_match(oxm(field, b"\xff" * width))
        yield f"field {field}, mask of ones", oxm_match(oxm(field, value, b"\xff" * width))
        yield f"field {field}, mask of zeros", oxm_match(oxm(field, value, bytes(width)))
        yield f"field {field}, odd mask", oxm_match(oxm(field, value, bytes(width - 1) + b"\x01"))
        yield f"field {field}, value beyond its mask", oxm_match(oxm(field, b"\xff" * width, bytes(width - 1) + b"\x01"))
        yield f"field {field}, a byte too short", oxm_match(oxm(field, value[1:]))
        yield f"field {field}, a byte too long", oxm_match(oxm(field, value + b"\0"))
        yield f"field {field}, length 0", oxm_match(oxm(field, b""))
        yield f"field {field}, longer than the match", oxm_match(oxm(field, value, length=width + 20))
    for field in (40, 45, 46, 63, 127):
        yield f"unknown field {field}", oxm_match(oxm(field, bytes(4)))
        yield f"unknown field {field} with a mask", oxm_match(oxm(field, bytes(4), bytes(4)))
        yield f"unknown field {field}, length 0", oxm_match(oxm(field, b""))
    for oxm_class in (2, 5, 0x100, 0x7FFF, 0x8001, 0x8002, 0xFFFF):
        yield f"class {oxm_class:#x}", oxm_match(oxm(0, bytes(4), oxm_class=oxm_class))
    for vendor in (0, NICIRA, ONF, 0x005AD650, 0x12345678):
        for field in (0, 2, 42, 44):
            yield f"experimenter class of {vendor:#x}, field {field}", oxm_match(oxm(field, u32(vendor) + bytes(2), oxm_class=0xFFFF))
    yield "experimenter class without experimenter", oxm_match(oxm(42, bytes(2), oxm_class=0xFFFF))
    yield "a field twice", oxm_match(oxm(0, u32(1)) + oxm(0, u32(1)))
    yield "a field twice with different values", oxm_match(oxm(0, u32(1)) + oxm(0, u32(2)))
    yield "a field twice, as OXM and NXM", oxm_match(oxm(0, u32(1)) + nxm(0, u16(1), nxm_class=0))
    yield "what is needed comes behind", oxm_match(oxm(11, u32(1)) + IPV4)
    yield "what is needed is another value", oxm_match(oxm(5, u16(0x86DD)) + oxm(11, u32(1)))
    yield "what is needed is masked", oxm_match(nxm(3, u16(0x800), u16(0xFF00), nxm_class=0) + oxm(11, u32(1)))
    yield "half a header", oxm_match(b"\x80\x00")
    yield "half a header behind a field", oxm_match(IPV4 + b"\x80\x00\x0a")
    yield "padding that is not zero", u16(1, 4) + b"\1\2\3\4"
    for port in (0, 77, 0xFF00, 0x10000, 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        yield f"in_port {port:#x}", oxm_match(oxm(0, u32(port)))
        yield f"in_phy_port {port:#x}", oxm_match(oxm(0, u32(1)) + oxm(1, u32(port)))
    for vlan in (0, 1, 0xFFF, 0x1000, 0x1FFF, 0x2000, 0xFFFF):
        yield f"vlan {vlan:#x}", oxm_match(oxm(6, u16(vlan)))
        yield f"vlan {vlan:#x} and priority", oxm_match(oxm(6, u16(vlan)) + oxm(7, u8(3)))
        yield f"vlan {vlan:#x}/{0x1000:#x}", oxm_match(oxm(6, u16(vlan), u16(0x1000)))
        yield f"vlan {vlan:#x}/{0xfff:#x}", oxm_match(oxm(6, u16(vlan), u16(0xFFF)))
    yield "vlan priority of 8", oxm_match(oxm(6, u16(0x1001)) + oxm(7, u8(8)))
    for field, largest in ((8, 63), (9, 3)):
        yield f"field {field} too large", oxm_match(IPV4 + oxm(field, u8(largest + 1)))
        yield f"field {field} of 255", oxm_match(IPV4 + oxm(field, u8(255)))
        yield f"field {field} with a mask", oxm_match(IPV4 + oxm(field, u8(1), u8(1)))
    mpls = oxm(5, u16(0x8847))
    yield "MPLS label too large", oxm_match(mpls + oxm(34, u32(1 << 20)))
    yield "MPLS class too large", oxm_match(mpls + oxm(35, u8(8)))
    yield "MPLS bottom too large", oxm_match(mpls + oxm(36, u8(2)))
    yield "ARP operation too large", oxm_match(oxm(5, u16(0x806)) + oxm(21, u16(256)))
    ipv6 = oxm(5, u16(0x86DD))
    yield "flow label too large", oxm_match(ipv6 + oxm(28, u32(1 << 20)))
    yield "IPv6 extension headers", oxm_match(ipv6 + oxm(39, u16(1)))
    yield "neighbour target without ICMPv6", oxm_match(ipv6 + oxm(31, bytes(16)))
    yield "neighbour target of another type", oxm_match(ipv6 + oxm(10, u8(58)) + oxm(29, u8(1)) + oxm(31, bytes(16)))
    yield "ports without a protocol", oxm_match(IPV4 + oxm(13, u16(1)))
    yield "UDP port of TCP", oxm_match(TCP + oxm(15, u16(1)))
    yield "TCP flags with reserved bits", oxm_match(TCP + oxm(42, u16(0xFFFF)))
    yield "ICMPv4 type of TCP", oxm_match(TCP + oxm(19, u8(1)))
    # Nicira's fields.
    for field, width in ((0, 4), (15, 4), (16, 4), (17, 6), (26, 1), (27, 1), (28, 1), (29, 1), (30, 2), (31, 4), (32, 4), (34, 2),
                         (35, 4), (36, 4), (37, 4), (38, 2), (39, 1), (40, 124), (41, 124), (103, 124), (104, 2), (105, 4), (106, 2),
                         (107, 4), (108, 16), (109, 16), (110, 16), (111, 16), (112, 4), (119, 1), (120, 4), (122, 16), (124, 2)):
        yield f"Nicira's field {field}", oxm_match(nxm(field, bytes(width)))
        yield f"Nicira's field {field}, ones", oxm_match(nxm(field, b"\xff" * width))
        yield f"Nicira's field {field}, masked", oxm_match(nxm(field, bytes(width), b"\xff" * width))
        yield f"Nicira's field {field}, value beyond its mask", oxm_match(nxm(field, b"\xff" * width, bytes(width)))
        yield f"Nicira's field {field}, too short", oxm_match(nxm(field, bytes(width - 1)))
        yield f"Nicira's field {field}, too long", oxm_match(nxm(field, bytes(width + 1)))
    for state in (0x100, 0x21, 0x23, 0x25, 0x31, 0xFFFFFFFF):
        yield f"ct_state {state:#x}", oxm_match(nxm(105, u32(state)))
        yield f"ct_state {state:#x} masked", oxm_match(nxm(105, u32(state), u32(state)))
    for field in (112, 119, 120):
        yield f"original tuple {field} without ct_state", oxm_match(IPV4 + nxm(field, bytes(4 if field != 119 else 1)))
        yield f"original tuple {field} of a packet without IP", oxm_match(nxm(105, u32(0x20), u32(0x20)) + nxm(field, bytes(4 if field != 119 else 1)))
        yield f"original tuple {field}", oxm_match(IPV4 + nxm(105, u32(0x20), u32(0x20)) + nxm(field, bytes(4 if field != 119 else 1)))
    for field in range(0, 18):
        yield f"class 0, field {field}, too short", oxm_match(nxm(field, b"", nxm_class=0))
    yield "cookie in a match", oxm_match(nxm(30, u64(1), nxm_class=1))
    yield "NXM cookie", oxm_match(nxm(30, u64(1), u64(1)))
    for frag in (0, 1, 2, 3, 4, 255):
        yield f"ip_frag {frag}", oxm_match(IPV4 + nxm(26, u8(frag)))
        yield f"ip_frag {frag} masked", oxm_match(IPV4 + nxm(26, u8(frag), u8(frag)))
    for packet_type in (0, 1, 0x10000, 0x10800, 0x1FFFF, 0x20000):
        yield f"packet_type {packet_type:#x}", oxm_match(oxm(44, u32(packet_type)))
        yield f"packet_type {packet_type:#x} and eth_type", oxm_match(oxm(44, u32(packet_type)) + IPV4)
    yield "actset_output", oxm_match(oxm(43, u32(1)))
    yield "actset_output (ONF)", oxm_match(oxm(43, u32(ONF) + u32(1), oxm_class=0xFFFF))
    yield "tcp_flags (ONF)", oxm_match(TCP + oxm(42, u32(ONF) + u16(1), oxm_class=0xFFFF))


# -- actions -------------------------------------------------------------------------------------------------------------

def in_flow(v, actions):
    return flow_mod(v, actions=actions)


def everywhere(v, name, actions, match=None):
    """An action in a flow-mod and a packet-out."""
    yield name, flow_mod(v, match=match, actions=actions)
    if match is None:
        yield f"{name} (packet-out)", packet_out(v, actions)


def actions(v):
    for kind in (*range(0, 32), 99, 0xFFFE):
        for n in (0, 4, 8, 12, 20, 28):
            body = action(kind, bytes(n))
            if len(body) % 8 == 0:
                yield from everywhere(v, f"type {kind} of {len(body)} bytes", body)
        yield from everywhere(v, f"type {kind} of length 0", action(kind, bytes(4), 0))
        yield from everywhere(v, f"type {kind} of length 4", action(kind, bytes(4), 4))
        yield from everywhere(v, f"type {kind} of length 12", action(kind, bytes(12), 12))
        yield from everywhere(v, f"type {kind} longer than the message", action(kind, bytes(4), 24))
    ports = (0, 1, 77, 0xFEFF, 0xFF00, 0xFFF7, *range(0xFFF8, 0x10000))
    ports = ports if v == OF10 else (*ports, 0x10000, 0x12345, 0xFFFFFEFF, 0xFFFFFF00, 0xFFFFFFF7, *range(0xFFFFFFF8, 0x100000000))
    for port in ports:
        yield from everywhere(v, f"output to {port:#x}", output(v, port))
    for queue in (0, 1, 77, 0xFFFFFFFF):
        if v == OF10:
            for port in (1, 77, 0xFFF8, 0xFFF9, 0xFFFB, 0xFFFD, 0xFFFE, 0xFFFF):
                yield from everywhere(v, f"enqueue {port:#x} {queue}", action(11, u16(port) + bytes(6) + u32(queue)))
        else:
            yield from everywhere(v, f"set queue {queue}", action(21, u32(queue)))
    for vlan in (0, 0xFFF, 0x1000, 0x1FFF, 0xFFFF):
        if v <= OF11:
            yield from everywhere(v, f"set_vlan_vid {vlan:#x}", action(1, u16(vlan) + bytes(2)))
    for pcp in (7, 8, 255):
        if v <= OF11:
            yield from everywhere(v, f"set_vlan_pcp {pcp}", action(2, u8(pcp) + bytes(3)))
    if v <= OF11:
        for tos in (0, 1, 3, 4, 63, 64, 252, 255):
            yield from everywhere(v, f"set_nw_tos {tos}", action(8 if v == OF10 else 7, u8(tos) + bytes(3)))
    if v == OF11:
        for ecn in (3, 4, 255):
            yield from everywhere(v, f"set_nw_ecn {ecn}", action(8, u8(ecn) + bytes(3)))
        for kind, value in ((13, u32(1 << 20)), (14, u8(8, 0, 0, 0)), (14, u8(255, 0, 0, 0)), (15, u8(1, 0, 0, 0))):
            yield from everywhere(v, f"MPLS action {kind} of {value.hex()}", action(kind, value))
    if v >= OF11:
        for ether_type in (0, 0x800, 0x8100, 0x88A8, 0x8847, 0x8848, 0x88E7, 0xFFFF):
            for kind in (17, 19, 20, 26):
                yield from everywhere(v, f"push or pop {kind} of {ether_type:#x}", action(kind, u16(ether_type) + bytes(2)))
        for group in (0, 1, 77, 0xFFFFFF00, 0xFFFFFFFC, 0xFFFFFFFD, ANY32):
            yield from everywhere(v, f"group {group:#x}", action(22, u32(group)))
        yield from everywhere(v, "set field: unknown", set_field(oxm(45, bytes(4))))
        for kind in (17, 18, 19, 20):
            yield f"VLAN and MPLS actions in a row {kind}", in_flow(v, action(19, u16(0x8847, 0)) + action(kind, u16(0x8847 if kind > 18 else 0x8100, 0)))
    if v >= OF12:
        for field, width in WIDTHS.items():
            yield from everywhere(v, f"set field {field}", set_field(oxm(field, bytes(width))))
            yield from everywhere(v, f"set field {field} to ones", set_field(oxm(field, b"\xff" * width)))
            yield from everywhere(v, f"set field {field} with a mask", set_field(oxm(field, bytes(width), b"\xff" * width)))
            yield from everywhere(v, f"set field {field} with a mask of zeros", set_field(oxm(field, bytes(width), bytes(width))))
            yield from everywhere(v, f"set field {field} beyond its mask", set_field(oxm(field, b"\xff" * width, bytes(width))))
            yield from everywhere(v, f"set field {field} too short", set_field(oxm(field, bytes(width - 1))))
            yield from everywhere(v, f"set field {field} too long", set_field(oxm(field, bytes(width + 1))))
            yield f"set field {field} of a TCP packet", flow_mod(v, match=oxm_match(TCP), actions=set_field(oxm(field, bytes(width))))
        for oxm_class in (2, 0x7FFF, 0x8001):
            yield from everywhere(v, f"set field of class {oxm_class:#x}", set_field(oxm(0, bytes(4), oxm_class=oxm_class)))
        yield from everywhere(v, "set field, padding that is not zero", action(25, oxm(3, bytes(6)) + b"\1\2"))
        yield from everywhere(v, "set field twice in one", action(25, oxm(5, u16(1)) * 2))
        yield from everywhere(v, "set field without a field", action(25, bytes(4)))
        yield from everywhere(v, "set field with too much padding", action(25, oxm(3, bytes(6)) + bytes(10)))
        for field in (0, 26, 35, 38, 105, 106, 107, 108, 112, 124):
            width = {26: 1, 35: 4, 38: 2, 108: 16, 106: 2, 124: 2}.get(field, 4)
            yield from everywhere(v, f"set field of Nicira {field}", set_field(nxm(field, b"\xff" * width)))
    if v >= OF15:
        for bits in ((0, 0), (8, 0), (33, 0), (32, 1), (16, 0xFFFF)):
            body = u16(bits[0], 0, bits[1], 0) + u16(0) + nxm(0, b"", length=4) + nxm(1, b"", length=4)
            yield from everywhere(v, f"copy field of {bits[0]} bits to {bits[1]}", action(28, pad8(bytes(4) + body)[4:]))
        body = u16(8, 0, 0, 0) + u16(0) + oxm(45, b"", length=4) + nxm(1, b"", length=4)
        yield from everywhere(v, "copy of an unknown field", action(28, pad8(bytes(4) + body)[4:]))
        body = u16(8, 0, 0, 0) + u16(0) + nxm(1, b"", length=4) + oxm(5, b"", length=2)
        yield from everywhere(v, "copy to a read-only field", action(28, pad8(bytes(4) + body)[4:]))
        for meter in (0, 1, 77, ANY32):
            yield from everywhere(v, f"meter action {meter:#x}", action(29, u32(meter)))
    # What needs another packet.
    if v >= OF12:
        for field, value in ((11, u32(1)), (13, u16(1)), (19, u8(1)), (26, bytes(16)), (31, bytes(16)), (22, u32(1))):
            yield f"set {field} of an ARP packet", flow_mod(v, match=oxm_match(oxm(5, u16(0x806))), actions=set_field(oxm(field, value)))
        yield "dec_ttl of an ARP packet", flow_mod(v, match=oxm_match(oxm(5, u16(0x806))), actions=action(24, bytes(4)))
        yield "pop_vlan without a tag", flow_mod(v, match=oxm_match(oxm(6, u16(0))), actions=action(18, bytes(4)))
        yield "push_mpls and then IPv4", flow_mod(v, match=oxm_match(TCP), actions=action(19, u16(0x8847, 0)) + set_field(oxm(11, u32(1))))
        yield "pop_mpls to IPv4 and then TCP", flow_mod(v, match=oxm_match(oxm(5, u16(0x8847))),
                                                         actions=action(20, u16(0x800, 0)) + set_field(oxm(11, u32(1))))
    if v == OF10:
        for proto in (1, 6, 17, 47):
            yield f"tp_src of protocol {proto}", flow_mod(v, match=match10(0x3FFFCF, dl_type=0x800, proto=proto), actions=action(9, u16(5, 0)))
        yield "nw_src of ARP", flow_mod(v, match=match10(0x3FFFEF, dl_type=0x806), actions=action(6, u32(5)))
    many = output(v) * 2000
    yield "many actions", in_flow(v, many)
    deep = output(v)
    for _ in range(20):
        deep = nx_action(42, bytes(6) + deep)
    yield "clones in clones", in_flow(v, deep)
    for _ in range(100):
        deep = nx_action(42, bytes(6) + deep)
    yield "many clones in clones", in_flow(v, deep)


def nicira_actions(v):
    for subtype in (*range(0, 60), 255, 0xFFFF):
        for n in (6, 14, 22, 30, 46):
            yield from everywhere(v, f"subtype {subtype}, {n} zeros", nx_action(subtype, bytes(n)))
        yield from everywhere(v, f"subtype {subtype}, ones", nx_action(subtype, b"\xff" * 14))
    for vendor in (0, 1, ONF, ANY32):
        for subtype in (0, 1, 3200, 3201):
            yield from everywhere(v, f"vendor {vendor:#x}, {subtype}", nx_action(subtype, bytes(6), vendor))
    for length in (0, 4, 8, 12, 24):
        yield from everywhere(v, f"length {length}", nx_action(1, bytes(6), length=length))
    yield from everywhere(v, "too short for a subtype", action(0xFFFF, u32(NICIRA)))
    in_port, eth_src, tun_id, reg0, reg1 = (nxm(n, b"", nxm_class=c, length=w) for n, c, w in
                                            ((0, 0, 2), (2, 0, 6), (16, 1, 8), (0, 1, 4), (1, 1, 4)))
    eth_type, xreg = nxm(3, b"", nxm_class=0, length=2), u16(0x8001) + u8(0, 8)
    ct_state, nw_src = nxm(105, b"", length=4), nxm(7, b"", nxm_class=0, length=4)
    masked_reg, unknown = u16(1) + u8(1, 8), nxm(100, b"", nxm_class=0, length=4)
    # reg_move: n_bits, src_ofs, dst_ofs, src, dst
    for name, bits, source_at, target_at, source, target in (
            ("nothing", 0, 0, 0, reg0, reg1), ("too many bits", 33, 0, 0, reg0, reg1), ("beyond the source", 16, 17, 0, reg0, reg1),
            ("beyond the target", 16, 0, 17, reg0, reg1), ("to a read-only field", 16, 0, 0, reg0, eth_type),
            ("to ct_state", 32, 0, 0, reg0, ct_state), ("from an unknown field", 16, 0, 0, unknown, reg0),
            ("to an unknown field", 16, 0, 0, reg0, unknown), ("from a mask", 16, 0, 0, masked_reg, reg0),
            ("to a mask", 16, 0, 0, reg0, masked_reg), ("what needs IP", 16, 0, 0, nw_src, reg0), ("to what needs IP", 16, 0, 0, reg0, nw_src),
            ("to in_port", 16, 0, 0, reg0, in_port)):
        yield from everywhere(v, f"move {name}", nx_action(6, u16(bits, source_at, target_at) + source + target))
    # reg_load: ofs << 6 | n_bits - 1, dst, value
    for name, offset, bits, target, value in (
            ("too large a value", 0, 8, reg0, 256), ("too many bits", 0, 33, reg0, 1), ("beyond the field", 30, 4, reg0, 1),
            ("into a read-only field", 0, 16, eth_type, 1), ("into ct_state", 0, 32, ct_state, 1), ("into an unknown field", 0, 8, unknown, 1),
            ("into a mask", 0, 8, masked_reg, 1), ("into what needs IP", 0, 32, nw_src, 1), ("into eth_src", 0, 48, eth_src, 1 << 47),
            ("64 bits", 0, 64, tun_id, 1 << 63), ("of 64 bits into 32", 0, 64, reg0, 1), ("into xreg0", 0, 64, xreg, 1)):
        yield from everywhere(v, f"load {name}", nx_action(7, u16(offset << 6 | bits - 1) + target + u64(value)))
    # stack
    for name, offset, field, bits in (("of nothing", 0, reg0, 0), ("of too many bits", 0, reg0, 33), ("beyond", 30, reg0, 4),
                                      ("of a read-only field", 0, eth_type, 16), ("of an unknown field", 0, unknown, 4),
                                      ("of a mask", 0, masked_reg, 4), ("of ct_state", 0, ct_state, 32)):
        for subtype in (27, 28):
            yield from everywhere(v, f"{'push' if subtype == 27 else 'pop'} {name}", nx_action(subtype, u16(offset) + field + u16(bits) + bytes(6)))
    # output_reg
    for name, offset, bits, field in (("of too many bits", 0, 33, reg0), ("beyond", 30, 4, reg0), ("of an unknown field", 0, 16, unknown),
                                      ("of a mask", 0, 16, masked_reg), ("of xreg", 0, 64, xreg)):
        yield from everywhere(v, f"output {name}", nx_action(15, u16(offset << 6 | bits - 1) + field + u16(0) + bytes(6)))
        if v >= OF15 or v == OF10:
            yield from everywhere(v, f"output2 {name}", nx_action(32, u16(offset << 6 | bits - 1) + u16(0) + pad8(field)[:10].ljust(10, b"\0")))
    yield from everywhere(v, "output_reg, padding that is not zero", nx_action(15, u16(15) + reg0 + u16(0) + b"\0\0\0\0\0\1"))
    # resubmit
    for port in (0, 1, 77, 0xFFF8, 0xFFF9, 0xFFFF):
        yield from everywhere(v, f"resubmit {port:#x}", nx_action(1, u16(port) + bytes(4)))
        yield from everywhere(v, f"resubmit table {port:#x}", nx_action(14, u16(port) + u8(254) + bytes(3)))
    yield from everywhere(v, "resubmit, padding that is not zero", nx_action(14, u16(0xFFF8) + u8(1) + b"\0\0\1"))
    yield from everywhere(v, "resubmit table 255", nx_action(14, u16(0xFFF8) + u8(255) + bytes(3)))
    yield from everywhere(v, "resubmit ct, padding that is not zero", nx_action(44, u16(0xFFF8) + u8(1) + b"\0\0\1"))
    # dec_ttl with ids
    for count in (0, 1, 2, 3, 4, 77):
        yield from everywhere(v, f"dec_ttl of {count} controllers in room for 3", nx_action(21, u16(count) + bytes(4) + u16(1, 2, 3, 0)))
    # controller
    # A packet that goes out with reason 255 ends ovs-vswitchd 3.1.
    yield "controller reason 255", in_flow(v, nx_action(20, u16(100, 0) + u8(255, 0)))
    for reason in (0, 1, 2, 3, 5, 6, 7):
        yield from everywhere(v, f"controller reason {reason}", nx_action(20, u16(100, 0) + u8(reason, 0)))
    yield from everywhere(v, "controller, padding that is not zero", nx_action(20, u16(100, 0) + u8(1, 7)))
    for kind in (*range(0, 8), 0xFFFF):
        for n in (4, 5, 8):
            yield from everywhere(v, f"controller2 property {kind} of {n} bytes", nx_action(37, bytes(6) + pad8(u16(kind, n) + b"\1\2\3\4")))
    yield from everywhere(v, "controller2 property longer than it", nx_action(37, bytes(6) + u16(0, 16) + bytes(4)))
    yield from everywhere(v, "controller2 property twice", nx_action(37, bytes(6) + (u16(0, 6, 5) + bytes(2)) * 2))
    # note, multipath, bundle
    for fields, algorithm in ((0, 0), (9, 0), (0, 9), (99, 99)):
        body = u16(fields, 0) + bytes(2) + u16(algorithm, 3) + u32(0) + bytes(2) + u16(15) + reg0
        yield from everywhere(v, f"multipath fields {fields} algorithm {algorithm}", nx_action(10, body))
    for links, target, bits in ((0, reg0, 15), (65535, reg0, 7), (3, unknown, 15), (3, eth_type, 15), (3, reg0, 40)):
        body = u16(0, 0) + bytes(2) + u16(0, links) + u32(0) + bytes(2) + u16(bits) + target
        yield from everywhere(v, f"multipath to {links} links in {target.hex()} {bits}", nx_action(10, body))
    for name, algorithm, fields, count, slaves in (
            ("two", 0, 0, 2, u16(1, 2)), ("of an unknown algorithm", 9, 0, 2, u16(1, 2)), ("of unknown fields", 0, 9, 2, u16(1, 2)), ("none", 0, 0, 0, b""),
            ("more than there is room for", 0, 0, 77, u16(1, 2)), ("too many", 0, 0, 2049, u16(1) * 2049), ("one that cannot be", 0, 0, 2, u16(1, 0xFF77))):
        # A bundle_load of an unknown algorithm ends ovs-vswitchd 3.1.
        for subtype in (12,) if "unknown" in name else (12, 13):
            for target in (bytes(4), reg0, unknown, eth_type):
                body = u16(algorithm, fields, 0) + u32(2) + u16(count, 15 if any(target) else 0) + target + bytes(4) + slaves
                body += bytes(-(len(body) + 10) % 8)
                yield from everywhere(v, f"bundle{'_load' if subtype == 13 else ''} of {name} into {target.hex()}", nx_action(subtype, body))
    for slave_type in (nxm(0, b"", nxm_class=0, length=2), nxm(0, b"", nxm_class=1, length=4), oxm(0, b"", length=4)):
        body = u16(0, 0, 0) + slave_type + u16(2, 0) + bytes(4) + bytes(4) + u16(1, 2)
        body += bytes(-(len(body) + 10) % 8)
        yield from everywhere(v, f"bundle of slaves {slave_type.hex()}", nx_action(12, body))
    # learn
    def learn(flags=0, table=1, specs=b"", pad=0, subtype=16, more=b""):
        body = u16(0, 0, 0x8000) + u64(0) + u16(flags) + u8(table, pad) + u16(0, 0) + more + specs
        body += bytes(-(len(body) + 10) % 8)
        return nx_action(subtype, body)
    for flags in (*range(0, 9), 0x10, 0xFFFF):
        yield from everywhere(v, f"learn flags {flags:#x}", learn(flags))
        yield from everywhere(v, f"learn2 flags {flags:#x}", learn(flags, subtype=45, more=u32(5) + u16(0, 0)))
    for table in (0, 253, 254, 255):
        yield from everywhere(v, f"learn in table {table}", learn(table=table))
    yield from everywhere(v, "learn, padding that is not zero", learn(pad=1))
    yield from everywhere(v, "learn2 with a result", learn(16, subtype=45, more=u32(5) + u16(0, 0) + reg0))
    yield from everywhere(v, "learn2 with an unknown result", learn(16, subtype=45, more=u32(5) + u16(0, 0) + unknown))
    for name, spec in (("of an unknown field", u16(8) + unknown + u16(0) + reg0 + u16(0)), ("to an unknown field", u16(8) + reg0 + u16(0) + unknown + u16(0)),
                       ("of too many bits", u16(40) + reg0 + u16(0) + reg1 + u16(0)), ("beyond the source", u16(16) + reg0 + u16(20) + reg1 + u16(0)),
                       ("beyond the target", u16(16) + reg0 + u16(0) + reg1 + u16(20)), ("of no bits", u16(0) + reg0 + u16(0) + reg1 + u16(0)),
                       ("of an unknown kind", u16(0xC010) + reg0 + u16(0) + reg1 + u16(0)), ("of an unknown target", u16(0x1810) + reg0 + u16(0)),
                       ("of an immediate that is cut", u16(0x2020) + b"\1\2"), ("of an immediate without what it needs", u16(0x2020) + u32(1) + nw_src + u16(0)),
                       ("load of a read-only field", u16(0x0810) + reg0 + u16(0) + eth_type + u16(0)),
                       ("load of an immediate into a read-only field", u16(0x2810) + u16(5) + eth_type + u16(0)),
                       ("that is cut", u16(16) + reg0), ("of an output", u16(0x1010) + reg0 + u16(0)),
                       ("of an output of an immediate", u16(0x3010) + u16(5)), ("with a needed field of another value", u16(0x2010) + u16(0x86DD) + eth_type + u16(0) + u16(0x2020) + u32(1) + nw_src + u16(0))):
        yield from everywhere(v, f"learn {name}", learn(specs=spec))
    # conjunction
    for clause, clauses in ((0, 1), (0, 2), (2, 2), (3, 2), (0, 64), (63, 64), (0, 65), (0, 0), (1, 1)):
        yield from everywhere(v, f"conjunction {clause} of {clauses}", nx_action(34, u8(clause, clauses) + u32(5)))
    yield from everywhere(v, "conjunction and something else", nx_action(34, u8(0, 2) + u32(5)) + output(v))
    yield from everywhere(v, "conjunction and a note", nx_action(34, u8(0, 2) + u32(5)) + nx_action(8, bytes(6)))
    # sample
    for probability in (0, 1, 65535):
        yield from everywhere(v, f"sample with probability {probability}", nx_action(29, u16(probability) + u32(1, 2, 3)))
        yield from everywhere(v, f"sample2 with probability {probability}", nx_action(38, u16(probability) + u32(1, 2, 3) + u16(1) + u8(9) + bytes(5)))
    # MPLS, set_tunnel, fin_timeout, write_metadata
    yield from everywhere(v, "push_mpls of IPv4", nx_action(23, u16(0x800) + bytes(4)))
    yield from everywhere(v, "pop_mpls to MPLS", nx_action(24, u16(0x8847) + bytes(4)))
    yield from everywhere(v, "set_mpls_label too large", nx_action(30, bytes(2) + u32(1 << 20)))
    yield from everywhere(v, "set_mpls_tc too large", nx_action(31, u8(8) + bytes(5)))
    yield from everywhere(v, "fin_timeout without TCP", nx_action(19, u16(1, 2) + bytes(2)))
    yield from everywhere(v, "fin_timeout, padding that is not zero", nx_action(19, u16(1, 2) + u16(1)))
    yield from everywhere(v, "write_metadata among actions", nx_action(22, bytes(6) + u64(1, 2)))
    yield from everywhere(v, "exit, padding that is not zero", nx_action(17, b"\0\0\0\0\0\1"))
    # check_pkt_larger, delete_field, encap, decap, dec_nsh_ttl
    for bits in (0, 1, 31, 32):
        yield from everywhere(v, f"check_pkt_larger into bit {bits}", nx_action(49, u16(100, bits) + reg0 + bytes(6)))
    for field in (reg0, eth_type, unknown, nxm(40, b"", length=124)):
        yield from everywhere(v, f"delete_field {field.hex()}", nx_action(50, field + bytes(10)))
    for new_type in (0, 0x1894F, 0x10800, 0x20000, 0x18847):
        yield from everywhere(v, f"encap of {new_type:#x}", nx_action(46, u16(0) + u32(new_type)))
        yield from everywhere(v, f"decap to {new_type:#x}", nx_action(47, bytes(2) + u32(new_type)))
        for prop_class, prop_type in ((0, 0), (1, 1), (4, 1), (4, 2), (4, 3), (0xFFFF, 1)):
            yield from everywhere(v, f"encap of {new_type:#x} with property {prop_class}:{prop_type}",
                                  nx_action(46, u16(0) + u32(new_type) + u16(prop_class) + u8(prop_type, 5) + u8(1) + bytes(3)))
    yield from everywhere(v, "encap with a property longer than it", nx_action(46, u16(0) + u32(0x1894F) + u16(4) + u8(1, 50) + bytes(4)))
    # reg_load2
    if v >= OF12 or v == OF10:
        for name, field in (("unknown", oxm(45, bytes(4))), ("read-only", oxm(5, u16(1))), ("needs IP", oxm(11, u32(1))),
                            ("beyond its mask", nxm(0, u32(3), u32(1))), ("too large", oxm(6, u16(0xFFFF))), ("too short", nxm(0, b"\0"))):
            yield from everywhere(v, f"set_field (Nicira) {name}", nx_action(33, bytes(6) + pad8(field)))


def ct_actions(v):
    def ct(flags=0, source=bytes(4), bits=0, table=255, pad=bytes(3), alg=0, inner=b""):
        return nx_action(35, u16(flags) + source + u16(bits) + u8(table) + pad + u16(alg) + inner)
    reg0, eth_type, unknown = nxm(0, b"", length=4), nxm(3, b"", nxm_class=0, length=2), nxm(100, b"", nxm_class=0, length=4)
    xreg = u16(0x8001) + u8(0, 8)
    ip = None if v < OF12 else oxm_match(IPV4)
    forms = [("", None)] + ([(" of IPv4", ip)] if ip else [])
    if v == OF10:
        forms.append((" of IPv4", match10(0x3FFFEF, dl_type=0x800)))
    if v == OF11:
        forms.append((" of IPv4", match11(0x3F7, dl_type=0x800)))
    for suffix, match in forms:
        def case(name, body, suffix=suffix, match=match):
            return everywhere(v, f"{name}{suffix}", body, match)
        for flags in range(0, 9):
            yield from case(f"flags {flags}", ct(flags))
        yield from case("flags 0xffff", ct(0xFFFF))
        for table in (0, 1, 254, 255):
            yield from case(f"table {table}", ct(table=table))
        yield from case("padding that is not zero", ct(pad=b"\0\0\1"))
        for alg in (1, 21, 69, 5060, 0xFFFF):
            yield from case(f"alg {alg}", ct(alg=alg))
            yield from case(f"commit, alg {alg}", ct(1, alg=alg))
        for name, source, bits in (("16 bits", reg0, 15), ("8 bits", reg0, 7), ("32 bits", reg0, 31), ("beyond", reg0, 30 << 6 | 15),
                                   ("unknown", unknown, 15), ("eth_type", eth_type, 15), ("xreg", xreg, 15)):
            yield from case(f"zone of {name}", ct(source=source, bits=bits))
        for name, inner in (("output", output(v)), ("an unknown one", action(99, bytes(4))), ("ct", ct()), ("clone", nx_action(42, bytes(6))),
                            ("half of one", b"\xff\xff\x00\x10"), ("wrong length", action(0xFFFF, bytes(4), 6)),
                            ("nat", nx_action(36, bytes(6))), ("nat twice", nx_action(36, bytes(6)) * 2),
                            ("load of ct_mark", nx_action(7, u16(31) + nxm(107, b"", length=4) + u64(5))),
                            ("load of ct_zone", nx_action(7, u16(15) + nxm(106, b"", length=2) + u64(5))),
                            ("load of reg0", nx_action(7, u16(31) + reg0 + u64(5))),
                            ("move to ct_mark", nx_action(6, u16(32, 0, 0) + reg0 + nxm(107, b"", length=4))),
                            ("move to reg0", nx_action(6, u16(32, 0, 0) + reg0 + nxm(1, b"", length=4)))):
            yield from case(f"with {name}", ct(inner=inner))
            yield from case(f"commit with {name}", ct(1, inner=inner))
        if v >= OF12:
            for name, field in (("ct_mark", nxm(107, u32(1))), ("ct_label", nxm(108, bytes(16))), ("ct_zone", nxm(106, u16(1))), ("eth_src", oxm(4, bytes(6))),
                                ("masked ct_mark", nxm(107, u32(1), u32(1)))):
                yield from case(f"with set field of {name}", ct(inner=set_field(field)))
                yield from case(f"commit with set field of {name}", ct(1, inner=set_field(field)))
                yield from case(f"set field of {name} outside ct", set_field(field))
        for flags in (*range(0, 34), 0xFFFF):
            yield from case(f"nat flags {flags:#x}", ct(1, inner=nx_action(36, bytes(2) + u16(flags, 0))))
        for present in range(0, 66):
            for flags in (0, 1, 2):
                room = bytes.fromhex("0a000001") * (present & 1) + bytes.fromhex("0a000009") * (present >> 1 & 1)
                room += (bytes(15) + b"\1") * (present >> 2 & 1) + (bytes(15) + b"\x09") * (present >> 3 & 1)
                room += u16(5) * (present >> 4 & 1) + u16(9) * (present >> 5 & 1)
                body = bytes(2) + u16(flags, present) + room
                body += bytes(-(len(body) + 10) % 8)
                yield from case(f"nat flags {flags} range {present:#x}", ct(1, inner=nx_action(36, body)))
        for name, present, room in (("addresses the wrong way round", 3, u32(9, 1)), ("ports the wrong way round", 0x31, u32(9) + u16(9, 5)),
                                    ("port 0", 0x11, u32(9) + u16(0)), ("address 0", 1, u32(0)), ("that is cut", 3, u32(9)), ("too long", 1, u32(9) + bytes(12))):
            body = bytes(2) + u16(1, present) + room
            body += bytes(-(len(body) + 10) % 8)
            yield from case(f"nat range with {name}", ct(1, inner=nx_action(36, body)))
        yield from case("nat outside ct", nx_action(36, bytes(6)))
        yield from case("nat without commit", ct(inner=nx_action(36, bytes(2) + u16(1, 1) + u32(9) + bytes(4))))
        yield from case("nat, padding that is not zero", ct(1, inner=nx_action(36, u16(7, 0, 0))))
        yield from case("ct_clear", nx_action(43, bytes(6)))
        yield from case("ct_clear, padding that is not zero", nx_action(43, b"\1" * 6))
        yield from case("clone, padding that is not zero", nx_action(42, b"\1" * 6))
        yield from case("clone of a wrong action", nx_action(42, bytes(6) + action(99, bytes(4))))
        yield from case("clone of half an action", nx_action(42, bytes(6) + b"\0\0\0\x18\0\0\0\0"))


# -- instructions --------------------------------------------------------------------------------------------------------

def instructions(v):
    if v == OF10:
        return
    out = output(v)
    for kind in (*range(0, 10), 99, 0xFFFE):
        for n in (0, 4, 12, 20):
            yield f"type {kind} of {n + 4} bytes", flow_mod(v, instructions=instruction(kind, bytes(n)))
        yield f"type {kind} of length 0", flow_mod(v, instructions=instruction(kind, bytes(4), 0))
        yield f"type {kind} longer than the message", flow_mod(v, instructions=instruction(kind, bytes(4), 40))
    for vendor in (0, NICIRA, ONF, 0x005AD650, ANY32):
        yield f"of {vendor:#x}", flow_mod(v, instructions=instruction(0xFFFF, u32(vendor)))
        yield f"of {vendor:#x} with a type", flow_mod(v, instructions=instruction(0xFFFF, u32(vendor, 1) + bytes(4)))
    yield "of nobody", flow_mod(v, instructions=instruction(0xFFFF, b""))
    goto = lambda table: instruction(1, u8(table) + bytes(3))
    metadata = lambda value, mask: instruction(2, bytes(4) + u64(value, mask))
    for table in (0, 1, 5, 6, 254, 255):
        yield f"goto {table}", flow_mod(v, instructions=goto(table), table=5)
    yield "goto in the last table", flow_mod(v, instructions=goto(254), table=253)
    yield "metadata beyond its mask", flow_mod(v, instructions=metadata(5, 1))
    yield "metadata without mask", flow_mod(v, instructions=metadata(5, 0))
    for name, one in (("goto", goto(6)), ("metadata", metadata(1, 1)), ("apply", apply(out)), ("write", apply(out, 3)), ("clear", apply(b"", 5)),
                      ("meter", instruction(6, u32(1)))):
        yield f"{name} twice", flow_mod(v, instructions=one * 2)
        if name != "goto":
            yield f"{name} and then clear", flow_mod(v, instructions=one + apply(b"", 5))
        yield f"goto and then {name}", flow_mod(v, instructions=goto(6) + one)
    yield "clear with actions", flow_mod(v, instructions=apply(out, 5))
    yield "apply nothing", flow_mod(v, instructions=apply(b""))
    for meter in (0, 1, 77, 0xFFFF0000, 0xFFFFFFFD, ANY32):
        yield f"meter {meter:#x}", flow_mod(v, instructions=instruction(6, u32(meter)))
        if v >= OF13:
            yield f"meter {meter:#x} that is there", [meter_mod(v, meter=1), flow_mod(v, instructions=instruction(6, u32(meter)))]
    for name, one in (("resubmit", nx_action(14, u16(0xFFF8) + u8(1) + bytes(3))), ("note", nx_action(8, bytes(6))), ("exit", nx_action(17, bytes(6))),
                      ("learn", nx_action(16, u16(0, 0, 0x8000) + u64(0) + u16(0) + u8(1, 0) + u16(0, 0))), ("group", action(22, u32(77))), ("output twice", out * 2),
                      ("unknown", action(99, bytes(4))), ("controller", nx_action(20, bytes(6))), ("ct", nx_action(35, u16(1) + bytes(4) + u16(0) + u8(255) + bytes(5))),
                      ("clone", nx_action(42, bytes(6))), ("push_vlan", action(17, u16(0x8100, 0))), ("push stack", nx_action(27, u16(0) + nxm(0, b"", length=4) + u16(8) + bytes(6))),
                      ("sample", nx_action(29, u16(1) + u32(1, 2, 3))), ("set_queue", action(21, u32(1))), ("move", nx_action(6, u16(8, 0, 0) + nxm(0, b"", length=4) + nxm(1, b"", length=4))),
                      ("load", nx_action(7, u16(31) + nxm(0, b"", length=4) + u64(1))), ("set_field", set_field(oxm(3, bytes(6)))), ("output to a register", nx_action(15, u16(15) + nxm(0, b"", length=4) + u16(0) + bytes(6))),
                      ("conjunction", nx_action(34, u8(0, 2) + u32(5))), ("bundle", nx_action(12, u16(0, 0, 0) + u32(2) + u16(2, 0) + bytes(8) + u16(1, 2) + bytes(2))),
                      ("meter", action(29, u32(5))), ("check_pkt_larger", nx_action(49, u16(100, 0) + nxm(0, b"", length=4) + bytes(6)))):
        yield f"write {name}", flow_mod(v, instructions=apply(one, 3))
    yield "conjunction and goto", flow_mod(v, instructions=apply(nx_action(34, u8(0, 2) + u32(5))) + goto(6))


# -- packet-outs ---------------------------------------------------------------------------------------------------------

def packet_outs(v):
    out = output(v)
    for buffer in (0, 1, 0x12345678, 0xFFFFFFFE):
        yield f"buffer {buffer:#x}", packet_out(v, out, buffer=buffer)
        yield f"buffer {buffer:#x} and no data", packet_out(v, out, buffer=buffer, data=b"")
    for n in (0, 1, 13, 14, 60):
        yield f"{n} bytes of data", packet_out(v, out, data=bytes(n))
    ports = (0, 1, 77, 0xFEFF, 0xFF00, 0xFF01, 0xFFF7, *range(0xFFF8, 0x10000))
    for port in ports if v == OF10 else (*ports, 0x10000, 0x12345, 0xFFFFFEFF, 0xFFFFFF00, 0xFFFFFFF7, *range(0xFFFFFFF8, 0x100000000)):
        yield f"from {port:#x}", packet_out(v, out, in_port=port, data=ARP)
    for length in (0, 1, 4, 7, 9, 16, 24, 100, 0xFFFF):
        yield f"length of actions {length}", packet_out(v, out, actions_length=length)
    whole = packet_out(v, out, data=b"")
    for by in (1, 2, 4, 8, 12, 16):
        yield f"without the last {by} bytes", shortened(whole, by)
    if v >= OF15:
        for name, match in (("no in_port", oxm_match()), ("fields of the packet", oxm_match(oxm(0, u32(1)) + IPV4)), ("metadata", oxm_match(oxm(0, u32(1)) + oxm(2, u64(5)))),
                            ("a masked field", oxm_match(oxm(0, u32(1)) + oxm(2, u64(5), u64(5)))), ("an unknown field", oxm_match(oxm(45, u32(1)))),
                            ("a register", oxm_match(oxm(0, u32(1)) + nxm(0, u32(1)))), ("ct_state", oxm_match(oxm(0, u32(1)) + nxm(105, u32(0x21)))),
                            ("ct_mark", oxm_match(oxm(0, u32(1)) + nxm(107, u32(0x21)))), ("a packet type", oxm_match(oxm(0, u32(1)) + oxm(44, u32(0x10800)))),
                            ("eth_src", oxm_match(oxm(0, u32(1)) + oxm(4, bytes(6)))), ("in_port masked", oxm_match(nxm(0, u32(1)))),
                            ("standard match", oxm_match(kind=0)), ("wrong length", oxm_match(oxm(0, u32(1)), length=100))):
            yield f"match with {name}", packet_out(v, out, match=match)
    yield "actions that cannot be executed", packet_out(v, action(99, bytes(4)))
    yield "to the table from nowhere", packet_out(v, output(v, port_in(v, TABLE)), data=ARP)


# -- groups --------------------------------------------------------------------------------------------------------------

def group_mods(v):
    if v == OF10:
        for command in (0, 1, 2):
            yield f"Nicira's, command {command}", nicira(v, 31, u16(command) + u8(0, 0) + u32(1) + u16(0, 0) + u32(ANY32))
        return
    out = output(v)
    one = bucket(v, out)
    plain = group_mod(v, buckets=one)
    for command in (*range(0, 8), 99, 0xFFFF):
        for kind in (0, 1, 2, 3, 4, 5, 255):
            yield f"command {command}, type {kind}", group_mod(v, command, kind, buckets=one)
            yield f"command {command}, type {kind}, there is one", [plain, group_mod(v, command, kind, buckets=one)]
    for group in (0, 0xFFFFFEFF, 0xFFFFFF00, 0xFFFFFF01, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        for command in (0, 1, 2, 3, 5):
            yield f"group {group:#x}, command {command}", group_mod(v, command, group=group, buckets=one if command < 2 else b"")
    yield "twice", [plain, plain]
    yield "modify of none", group_mod(v, 1, buckets=one)
    yield "delete of none", group_mod(v, 2)
    yield "delete with buckets", [plain, group_mod(v, 2, buckets=one)]
    for kind in (0, 1, 2, 3):
        yield f"no buckets, type {kind}", group_mod(v, 0, kind)
        yield f"two buckets, type {kind}", group_mod(v, 0, kind, buckets=one * 2)
        for weight in (0, 1, 65535):
            yield f"weight {weight}, type {kind}", group_mod(v, 0, kind, buckets=bucket(v, out, weight))
        for port in (1, 77, 0xFFF8, 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFFA, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
            yield f"watch port {port:#x}, type {kind}", group_mod(v, 0, kind, buckets=bucket(v, out, 1, port))
        for group in (1, 2, 77, 0xFFFFFF00, 0xFFFFFF01, 0xFFFFFFFC, ANY32):
            yield f"watch group {group:#x}, type {kind}", group_mod(v, 0, kind, buckets=bucket(v, out, 1, ANY32, group))
        yield f"watch nothing, type {kind}", group_mod(v, 0, kind, buckets=bucket(v, out, 1))
    for length in (0, 4, 8, 15, 16, 17, 24, 31, 33, 40, 0xFFFF):
        yield f"bucket of length {length}", group_mod(v, buckets=bucket(v, out, length=length))
    yield "half a bucket", group_mod(v, buckets=one + one[:8])
    for name, actions_of in (("unknown", action(99, bytes(4))), ("output to nowhere", output(v, 0xFF77)), ("output to a port that is not there", output(v, 77)),
                             ("output to CONTROLLER", output(v, CONTROLLER)), ("group that is not there", action(22, u32(77))), ("the group itself", action(22, u32(1))),
                             ("cut", out[:-4]), ("ct", nx_action(35, u16(1) + bytes(4) + u16(0) + u8(255) + bytes(5))), ("ct with a table", nx_action(35, u16(1) + bytes(4) + u16(0) + u8(1) + bytes(5))),
                             ("resubmit", nx_action(14, u16(0xFFF8) + u8(1) + bytes(3))), ("learn", nx_action(16, u16(0, 0, 0x8000) + u64(0) + u16(0) + u8(1, 0) + u16(0, 0))),
                             ("conjunction", nx_action(34, u8(0, 2) + u32(5))), ("note", nx_action(8, bytes(6))), ("meter", action(29, u32(77))),
                             ("set field without what it needs", set_field(oxm(11, u32(1)))), ("two outputs", out * 2), ("none", b"")):
        yield f"bucket with {name}", group_mod(v, buckets=bucket(v, actions_of))
    yield "chain", [group_mod(v, group=2, buckets=one), group_mod(v, group=1, buckets=bucket(v, action(22, u32(2))))]
    yield "chain's end is deleted", [group_mod(v, group=2, buckets=one), group_mod(v, group=1, buckets=bucket(v, action(22, u32(2)))), group_mod(v, 2, group=2)]
    if v != OF11:  # docs/differences.md: loops of groups
        yield "loop by modification", [group_mod(v, group=2, buckets=one), group_mod(v, group=1, buckets=bucket(v, action(22, u32(2)))),
                                       group_mod(v, 1, group=2, buckets=bucket(v, action(22, u32(1))))]
    for by in (1, 2, 4, 8, 12, 16):
        yield f"without the last {by} bytes", shortened(plain, by)
        yield f"with {by} bytes behind", lengthened(plain, bytes(by))
    if v < OF15:
        return
    for array in (0, 8, 16, 20, 47, 49, 100, 0xFFFF):
        yield f"length of buckets {array}", group_mod(v, buckets=one, array_length=array)
    for command_bucket in (0, 5, 0xFFFFFF00, 0xFFFFFF01, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        for command in (0, 1, 2, 3, 5):
            yield f"command {command} at bucket {command_bucket:#x}", [plain, group_mod(v, command, buckets=b"" if command in (2, 5) else bucket(v, out, bucket_id=7),
                                                                                       command_bucket=command_bucket)]
    yield "insert into none", group_mod(v, 3, buckets=one, command_bucket=0xFFFFFFFD)
    yield "remove from none", group_mod(v, 5, command_bucket=0xFFFFFFFD)
    yield "remove with buckets", [plain, group_mod(v, 5, buckets=one, command_bucket=0xFFFFFFFF)]
    yield "remove a bucket that is not there", [plain, group_mod(v, 5, command_bucket=77)]
    yield "insert a bucket that is there", [plain, group_mod(v, 3, buckets=one, command_bucket=0xFFFFFFFE)]
    yield "insert behind a bucket that is not there", [plain, group_mod(v, 3, buckets=bucket(v, out, bucket_id=8), command_bucket=77)]
    yield "insert two of one id", [plain, group_mod(v, 3, buckets=bucket(v, out, bucket_id=8) * 2, command_bucket=0xFFFFFFFE)]
    yield "insert into an indirect group", [group_mod(v, kind=2, buckets=one), group_mod(v, 3, 2, buckets=bucket(v, out, bucket_id=8), command_bucket=0xFFFFFFFE)]
    yield "insert with another type", [plain, group_mod(v, 3, 1, buckets=bucket(v, out, bucket_id=8), command_bucket=0xFFFFFFFE)]
    yield "two buckets of one id", group_mod(v, buckets=bucket(v, out, bucket_id=8) * 2)
    for bucket_id in (0xFFFFFEFF, 0xFFFFFF00, 0xFFFFFF01, 0xFFFFFFFE, ANY32):
        yield f"bucket id {bucket_id:#x}", group_mod(v, buckets=bucket(v, out, bucket_id=bucket_id))
    for length in (0, 7, 8, 15, 17, 24, 64, 0xFFFF):
        yield f"length of actions {length} in a bucket", group_mod(v, buckets=bucket(v, out, actions_length=length))
    for kind in (*range(0, 5), 99, 0xFFFF):
        for n in (0, 3, 4, 6, 8, 12, 16, 24, 100):
            body = pad8(u16(kind, n) + bytes(20))
            yield f"property {kind} of {n} bytes in a bucket", group_mod(v, buckets=bucket(v, out, properties=body))
            yield f"property {kind} of {n} bytes", group_mod(v, kind=1, buckets=bucket(v, out, 1), properties=body)
    weight = u16(0, 8, 1, 0)
    yield "weight twice", group_mod(v, kind=1, buckets=bucket(v, out, properties=weight * 2))
    yield "watch port twice", group_mod(v, kind=3, buckets=bucket(v, out, properties=(u16(1, 8) + u32(1)) * 2))

    def ntr(method=b"hash", fields=b"", vendor=NETRONOME, subtype=1, param=0, length=None):
        body = u32(vendor, subtype) + bytes(4) + method.ljust(16, b"\0") + u64(param) + fields
        return pad8(u16(0xFFFF, 4 + len(body) if length is None else length) + body)
    for name, prop in (("", ntr()), ("of another vendor", ntr(vendor=5)), ("of Nicira", ntr(vendor=NICIRA)), ("of another type", ntr(subtype=2)), ("with another method", ntr(b"foo")), ("without a method", ntr(b"")),
                       ("with a method without an end", ntr(b"x" * 16)), ("with a field", ntr(fields=oxm(4, b"\xff" * 6))), ("with an unknown field", ntr(fields=oxm(45, b"\xff" * 4))),
                       ("with a field twice", ntr(fields=oxm(4, b"\xff" * 6) * 2)), ("with a field that needs another", ntr(fields=oxm(11, b"\xff" * 4))),
                       ("with a field and what it needs", ntr(fields=oxm(5, u16(0x800)) + oxm(11, b"\xff" * 4))), ("with a field masked by zero", ntr(fields=oxm(4, bytes(6)))),
                       ("with half a field", ntr(fields=oxm(4, b"\xff" * 6)[:5])), ("with a parameter", ntr(param=5)), ("of dp_hash with a field", ntr(b"dp_hash", fields=oxm(4, b"\xff" * 6))),
                       ("of dp_hash", ntr(b"dp_hash")), ("of dp_hash with a parameter", ntr(b"dp_hash", param=1)), ("of dp_hash with a large parameter", ntr(b"dp_hash", param=99)),
                       ("that is cut", ntr(length=20)), ("twice", ntr() * 2), ("too long", ntr(length=80))):
        for kind in (0, 1):
            yield f"selection {name} in type {kind}", group_mod(v, kind=kind, buckets=bucket(v, out, 1), properties=prop)
    yield "selection in a delete", group_mod(v, 2, properties=ntr())
    yield "selection in an insert", [plain, group_mod(v, 3, buckets=bucket(v, out, bucket_id=9), properties=ntr(), command_bucket=0xFFFFFFFE)]


def group_requests(v):
    if v == OF10:
        for subtype in (7, 8, 9):
            for body in (b"", bytes(4), bytes(8), u32(77) + bytes(4), u32(ANY32) + bytes(4)):
                yield f"Nicira's {subtype} with {body.hex()}", vendor_multipart(v, NICIRA, subtype, body)
        return
    for kind in (6, 7, 8):
        for body in (b"", bytes(4), bytes(8), u32(77) + bytes(4), u32(0xFFFFFFFC) + bytes(4), u32(ANY32) + bytes(4), bytes(16)):
            yield f"{kind} with {body.hex()}", multipart(v, kind, body)


# -- meters --------------------------------------------------------------------------------------------------------------

def meters(v):
    plain = meter_mod(v)
    for command in (*range(0, 5), 0xFFFF):
        yield f"command {command}", meter_mod(v, command)
        if v >= OF13:
            yield f"command {command}, there is one", [plain, meter_mod(v, command)]
    if v < OF13:
        return
    for flags in (*range(0, 18), 0x20, 0x8001, 0xFFFF):
        yield f"flags {flags:#x}", meter_mod(v, flags=flags)
    for meter in (0, 2, 0x20000, 0x7FFFFFFF, 0xFFFF0000, 0xFFFF0001, 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        for command in (0, 1, 2):
            yield f"meter {meter:#x}, command {command}", meter_mod(v, command, meter=meter)
    yield "no bands", meter_mod(v, bands=b"")
    for kind in (0, 1, 3, 99, 0xFFFF):
        yield f"band of type {kind}", meter_mod(v, bands=band(kind))
    for precedence in (0, 1, 2, 255):
        yield f"remark by {precedence}", meter_mod(v, bands=band(2, extra=u8(precedence) + bytes(3)))
    for length in (0, 4, 12, 15, 17, 24, 0xFFFF):
        yield f"band of length {length}", meter_mod(v, bands=band(length=length))
    for rate, burst in ((0, 0), (0, 5), (ANY32, 0), (5, ANY32)):
        for flags in (1, 5):
            yield f"rate {rate}, burst {burst}, flags {flags}", meter_mod(v, flags=flags, bands=band(1, rate, burst))
    for count in (2, 8, 9, 254):
        yield f"{count} bands", meter_mod(v, bands=band() * count)
    yield "band of an experimenter", meter_mod(v, bands=band(0xFFFF, extra=u32(NICIRA)))
    yield "half a band", meter_mod(v, bands=band() + band()[:8])
    for by in (1, 2, 4, 8, 16, 20):
        yield f"without the last {by} bytes", shortened(plain, by)
        yield f"with {by} bytes behind", lengthened(plain, bytes(by))
    for kind in (9, 10, 11):
        for body in (b"", bytes(4), bytes(8), u32(77) + bytes(4), u32(ANY32) + bytes(4), u32(0xFFFFFFFE) + bytes(4), bytes(16)):
            yield f"multipart {kind} with {body.hex()}", multipart(v, kind, body)
    yield "a flow with a meter that is deleted", [plain, flow_mod(v, instructions=instruction(6, u32(1))), meter_mod(v, 2), meter_mod(v, 1)]


# -- ports, tables, queues -----------------------------------------------------------------------------------------------

def ports_tables_queues(v):
    ports = (0, 1, 77, 0xFF00, 0xFFF8, 0xFFFD, 0xFFFE, 0xFFFF)
    for port in ports if v == OF10 else (*ports, 0x10000, 0xFFFFFF00, 0xFFFFFFF8, 0xFFFFFFFD, 0xFFFFFFFE, ANY32):
        yield f"port-mod of {port:#x}", port_mod(v, port)
        yield f"port-mod of {port:#x} with an address", port_mod(v, port, b"\2\2\2\2\2\2")
    for bit in range(32):
        yield f"port-mod config {1 << bit:#x}", port_mod(v, 1, b"\2\2\2\2\2\2", config=1 << bit, mask=1 << bit)
        yield f"port-mod mask {1 << bit:#x}, no address", port_mod(v, 1, mask=1 << bit)
        yield f"port-mod advertise {1 << bit:#x}", port_mod(v, 1, advertise=1 << bit)
    whole = port_mod(v)
    for by in (1, 2, 4, 8, 12):
        yield f"port-mod without the last {by} bytes", shortened(whole, by)
        yield f"port-mod with {by} bytes behind", lengthened(whole, bytes(by))
    if v >= OF14:
        for kind in (0, 1, 2, 99, 0xFFFF):
            for n in (0, 3, 4, 8, 12, 20, 100):
                yield f"port-mod property {kind} of {n} bytes", port_mod(v, properties=u16(kind, n) + bytes(20))
        yield "port-mod properties of an experimenter", port_mod(v, properties=u16(0xFFFF, 12) + u32(5, 1) + bytes(4))
        yield "port-mod property twice", port_mod(v, properties=(u16(0, 8) + u32(0)) * 2)
        yield "port-mod without properties", port_mod(v, properties=b"")
    if v >= OF11:
        for table in (0, 1, 253, 254, 255):
            for config in (0, 1, 2, 3, 4, 5, 8, 12, 16, 0x80000000):
                yield f"table-mod of {table}, {config:#x}", table_mod(v, table, config)
        for n in (1, 4, 8, 16):
            yield f"table-mod with {n} zeros", table_mod(v, properties=bytes(n))
        yield "table-mod that is cut", shortened(table_mod(v), 4)
    if v >= OF14:
        for kind in (0, 1, 2, 3, 4, 99, 0xFFFE, 0xFFFF):
            for n in (0, 4, 8, 12, 16, 100):
                yield f"table-mod property {kind} of {n} bytes", table_mod(v, config=4, properties=u16(kind, n) + bytes(12))
        for flags in (0, 1, 2, 4, 7, 8, 0xFFFFFFFF):
            for config in (0, 4):
                yield f"table-mod eviction {flags:#x}, config {config}", table_mod(v, config=config, properties=u16(2, 8) + u32(flags))
        for down, up in ((0, 0), (10, 20), (20, 10), (50, 50), (101, 102), (10, 101), (255, 255)):
            for config in (0, 8):
                yield f"table-mod vacancy {down} {up}, config {config}", table_mod(v, config=config, properties=u16(3, 8) + u8(down, up, 0, 0))
        yield "table-mod eviction twice", table_mod(v, config=4, properties=(u16(2, 8) + u32(1)) * 2)
        yield "table-mod of an experimenter", table_mod(v, config=4, properties=u16(0xFFFF, 12) + u32(5, 1) + bytes(4))
    if v < OF14:
        for port in (0, 1, 77, 0xFFF8, 0xFFFE, 0xFFFF):
            body = u16(port) + bytes(2) if v == OF10 else u32(port) + bytes(4)
            yield f"queue config of {port:#x}", message(v, queue_config_type(v), body)
            if v > OF10 and port > 0xFF00:
                yield f"queue config of {port | 0xFFFF0000:#x}", message(v, queue_config_type(v), u32(port | 0xFFFF0000) + bytes(4))
        for n in (0, 2, 12, 16):
            yield f"queue config of {n} bytes", message(v, queue_config_type(v), bytes(n))
    else:
        yield "queue config", message(v, 22, u32(1) + bytes(4))


# -- multipart messages --------------------------------------------------------------------------------------------------

def multiparts(v):
    for kind in (*range(0, 22), 99, 0xFFFE):
        for n in (0, 4, 8, 16, 24, 32, 40, 44, 56):
            yield f"type {kind} with {n} zeros", multipart(v, kind, bytes(n))
        yield f"type {kind}, more", multipart(v, kind, flags=1)
    for flags in (1, 2, 3, 0x8000, 0xFFFF):
        yield f"flags {flags:#x}", multipart(v, 0, flags=flags)
        yield f"flags {flags:#x} of flows", multipart(v, 1, flow_request(v)[16 if v > OF10 else 12:], flags=flags)
    for n in (0, 2, 3):
        yield f"{n} bytes", message(v, multipart_type(v), bytes(n))
    yield "nonzero padding", message(v, multipart_type(v), u16(0, 0) + b"\1\2\3\4")
    for table in (0, 1, 253, 254, 255):
        for kind in (1, 2):
            yield f"flows {kind} of table {table}", flow_request(v, kind, table)
    for port in (0, 1, 77, 0xFF00, 0xFFFF, 0x10000, 0xFFFFFF00, 0xFFFFFFFE):
        if v > OF10 or port < 0x10000:
            yield f"flows of out_port {port:#x}", flow_request(v, out_port=port)
    if v > OF10:
        yield "flows of a group", flow_request(v, out_group=5)
        yield "flows beyond the cookie mask", flow_request(v, cookie=7, mask=1)
    whole = flow_request(v)
    for by in (1, 2, 4, 8, 16, 24):
        yield f"flow request without the last {by} bytes", shortened(whole, by)
        yield f"flow request with {by} bytes behind", lengthened(whole, bytes(by))
    for port in (0, 1, 77, 0xFFF8, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0xFFFFFF00, 0xFFFFFFFE, ANY32):
        if v == OF10 and port > 0xFFFF:
            continue
        body = u16(port) + bytes(6) if v == OF10 else u32(port) + bytes(4)
        yield f"port statistics of {port:#x}", multipart(v, 4, body)
        yield f"port description of {port:#x}", multipart(v, 13, body)
        for queue in (0, 1, 77, ANY32):
            body = u16(port, 0) + u32(queue) if v == OF10 else u32(port, queue)
            yield f"queue statistics of {port:#x} {queue:#x}", multipart(v, 5, body)
            if v >= OF14:
                yield f"queue descriptions of {port:#x} {queue:#x}", multipart(v, 15, body)
    if v >= OF14:
        for kind in (14, 17):
            yield f"{kind} with a table", multipart(v, kind, u8(1) + bytes(7))


# -- table features ------------------------------------------------------------------------------------------------------

def table_features(v):
    if v < OF13:
        return

    def features(table=0, name=b"x", match=0xFFFFFFFFFFFFFFFF, write=0xFFFFFFFFFFFFFFFF, config=3 if v == OF13 else 0, entries=1000000, properties=b"", length=None,
                 command=0):
        head = u8(table, command) + u32(0) if v >= OF15 else u8(table) + bytes(5)
        body = head + name.ljust(32, b"\0") + u64(match, write) + u32(config, entries) + properties
        return u16(len(body) + 2 if length is None else length) + body

    def request(*entries):
        return multipart(v, 12, b"".join(entries))
    yield "empty", multipart(v, 12)
    yield "no properties", request(features())
    for length in (0, 8, 63, 65, 72, 0xFFFF):
        yield f"length {length}", request(features(length=length))
    for table in (0, 1, 253, 254, 255):
        yield f"table {table}", request(features(table))
    yield "a table twice", request(features(1), features(1))
    yield "two tables", request(features(1), features(2))
    yield "name without an end", request(features(name=b"x" * 32))
    for config in (0, 1, 3, 4, 8, 12, 0xFFFFFFFF):
        yield f"config {config:#x}", request(features(config=config))
    for command in (1, 2, 3, 255):
        yield f"command {command}", request(features(command=command))
    for entries in (0, 1, ANY32):
        yield f"{entries} entries", request(features(entries=entries))
    yield "metadata", request(features(match=1, write=2))
    for kind in (*range(0, 20), 99, 0xFFFE, 0xFFFF):
        for n in (0, 3, 4, 6, 8, 12, 16, 100):
            yield f"property {kind} of {n} bytes", request(features(properties=pad8(u16(kind, n) + bytes(12))))
    yield "a property twice", request(features(properties=pad8(u16(0, 4)) * 2))
    mandatory = b"".join(pad8(u16(kind, 4)) for kind in (0, 2, 4, 6, 8, 10, 12, 14))
    yield "the mandatory properties", request(features(properties=mandatory))
    yield "the mandatory properties and table 255", request(features(255, properties=mandatory))
    yield "the mandatory properties, table twice", request(features(1, properties=mandatory), features(1, properties=mandatory))
    for command in (0, 1, 2, 3, 255):
        yield f"the mandatory properties and command {command}", request(features(properties=mandatory, command=command))
    yield "an unknown field", request(features(properties=mandatory + pad8(u16(13, 8) + oxm(45, b"", length=4))))
    yield "an unknown action", request(features(properties=mandatory + pad8(u16(5, 8) + u16(99, 4))))
    yield "half a field", request(features(properties=mandatory + pad8(u16(9, 6) + u16(0x8000))))


# -- roles, asynchronous configuration -----------------------------------------------------------------------------------

def roles_and_async(v):
    for role in (1, 3, 4, 99, ANY32) if v < OF12 else (0, 1, 4, 5, 99, ANY32):
        yield f"role {role}", role_request(v, role) if role < ANY32 - 1 or v >= OF12 else nicira(v, 10, u32(ANY32))
    for body in (b"", bytes(4), bytes(8), bytes(12), bytes(24)):
        yield f"role of {len(body)} bytes", message(v, ROLE_REQUEST, body)
        yield f"Nicira's role of {len(body)} bytes", nicira(v, 10, body)
    for role in (0, 1, 2, 3, 99):
        yield f"Nicira's role {role}", nicira(v, 10, u32(role))
    if v >= OF13:
        yield "async of 24 zeros", message(v, SET_ASYNC, bytes(24))
        yield "async of ones", message(v, SET_ASYNC, b"\xff" * 24)
        for n in (0, 4, 8, 16, 20, 28):
            yield f"async of {n} zeros", message(v, SET_ASYNC, bytes(n))
    yield "Nicira's async of ones", nicira(v, 19, b"\xff" * 24)
    for n in (0, 8, 20, 24, 28):
        yield f"Nicira's async of {n} zeros", nicira(v, 19, bytes(n))
    if v >= OF14:
        for kind in (*range(0, 16), 99, 0xFFFE, 0xFFFF):
            for n in (0, 3, 4, 7, 8, 12, 16, 100):
                yield f"async property {kind} of {n} bytes", message(v, SET_ASYNC, u16(kind, n) + bytes(12))
            for mask in (0x40, 0x80000000, ANY32):
                yield f"async property {kind} with mask {mask:#x}", message(v, SET_ASYNC, u16(kind, 8) + u32(mask))
                yield f"Nicira's async2 property {kind} with mask {mask:#x}", nicira(v, 27, u16(kind, 8) + u32(mask))
        yield "async property twice", message(v, SET_ASYNC, (u16(0, 8) + u32(1)) * 2)
        yield "async of an experimenter", message(v, SET_ASYNC, u16(0xFFFE, 12) + u32(5, 1) + bytes(4))


def as_secondary(v):
    """The last message of each comes from a secondary."""
    secondary = role_request(v, 3, 0)
    out = output(v)
    requests = [("flow-mod", flow_mod(v, actions=out)), ("wrong flow-mod", flow_mod(v, actions=action(99, bytes(4)))), ("packet-out", packet_out(v, out)),
                ("port-mod", port_mod(v)), ("barrier", message(v, barrier_type(v))), ("set config", message(v, 9, u16(0, 128))), ("get config", message(v, 7)),
                ("description", multipart(v, 0)), ("flows", flow_request(v)), ("echo", message(v, ECHO_REQUEST, b"x")), ("experimenter", experimenter(v, 5, 5)),
                ("set controller id", nicira(v, 20, bytes(6) + u16(5))), ("set packet-in format", nicira(v, 16, u32(1))), ("TLV table mod", nicira(v, 24, u16(2) + bytes(6))),
                ("TLV table request", nicira(v, 25)), ("flush of a zone", nicira(v, 29, bytes(6) + u16(5))), ("flush", nicira(v, 32, u8(0) + bytes(3) + u16(5) + bytes(2))),
                ("resume", nicira(v, 28)), ("set flow format", nicira(v, 12, u32(0))), ("Nicira's set async", nicira(v, 19, bytes(24)))]
    if v >= OF11:
        requests += [("group-mod", group_mod(v, buckets=bucket(v, out))), ("table-mod", table_mod(v))]
    if v >= OF13:
        requests += [("meter-mod", meter_mod(v)), ("set async", message(v, SET_ASYNC, bytes(24) if v == OF13 else b"")), ("get async", message(v, GET_ASYNC)),
                     ("bundle open", bundle_control(v, 5, 0)), ("bundle add", bundle_add(v, 5, flow_mod(v, actions=out))), ("bundle commit", bundle_control(v, 5, 4)),
                     ("table features", multipart(v, 12)), ("table features that change", multipart(v, 12, u16(64, 0x100) + bytes(60)))]
    requests += [(f"type {kind} with {n} zeros", message(v, kind, bytes(n))) for kind in (*range(13, 18), 29) for n in (0, 4, 8, 16, 32)]
    for name, last in requests:
        yield name, [secondary, last]


# -- bundles -------------------------------------------------------------------------------------------------------------

def bundles(v):
    if v < OF13:
        for subtype in (2300, 2301):
            yield f"ONF {subtype}", experimenter(v, ONF, subtype, u32(5) + u16(0, 1))
        return
    out, bad = output(v), action(99, bytes(4))
    flow, wrong = flow_mod(v, actions=out), flow_mod(v, actions=bad)
    control = lambda kind, flags=1, number=5, **more: bundle_control(v, number, kind, flags, **more)
    add = lambda inner, flags=1, number=5, **more: bundle_add(v, number, inner, flags, **more)
    opened = [control(0)]
    for kind in (*range(0, 10), 0xFFFF):
        yield f"control {kind}", control(kind)
        yield f"control {kind} of an open one", opened + [control(kind)]
        yield f"control {kind} of a closed one", opened + [control(2), control(kind)]
        yield f"control {kind} with other flags", opened + [control(kind, 2)]
        yield f"control {kind} of a closed one with other flags", opened + [control(2), control(kind, 2)]
        yield f"control {kind} and the next one", opened + [control(kind), control(4)]
    for flags in (0, 2, 3, 4, 8, 0x8000, 0xFFFF):
        yield f"open with flags {flags:#x}", control(0, flags)
        yield f"open, add and commit with flags {flags:#x}", [control(0, flags), add(flow, flags), control(4, flags)]
        yield f"add with flags {flags:#x}", opened + [add(flow, flags), control(4)]
        yield f"add alone with flags {flags:#x}", [add(flow, flags), control(4, flags)]
    yield "add alone", add(flow)
    yield "add to a closed one", opened + [control(2), add(flow), control(4)]
    yield "commit of an empty one", opened + [control(4)]
    yield "commit twice", opened + [control(4), control(4)]
    yield "close twice", opened + [control(2), control(2)]
    yield "discard twice", opened + [control(6), control(6)]
    yield "open twice", opened + [control(0), control(4)]
    yield "a wrong flow", opened + [add(flow), add(wrong), control(4)]
    for name, inner in (("a flow that needs a group", flow_mod(v, actions=action(22, u32(77)))), ("a group", group_mod(v, buckets=bucket(v, out))),
                        ("a group of a wrong type", group_mod(v, kind=9, buckets=bucket(v, out))), ("modify of no group", group_mod(v, 1, buckets=bucket(v, out))),
                        ("a meter", meter_mod(v)), ("a port-mod", port_mod(v)), ("a table-mod", table_mod(v)), ("a packet-out", packet_out(v, out, data=ARP)), ("a wrong packet-out", packet_out(v, bad)),
                        ("a barrier", message(v, barrier_type(v))), ("an echo", message(v, ECHO_REQUEST)), ("a hello", message(v, HELLO)), ("a role request", role_request(v, 1)),
                        ("features", message(v, 5)), ("flows", flow_request(v)), ("a bundle open", control(0, number=6)), ("a bundle add", add(flow)),
                        ("an experimenter's", experimenter(v, 5, 5)), ("Nicira's", nicira(v, 20, bytes(6) + u16(5))), ("an unknown type", message(v, 99)), ("half a header", b"\x04\x0e\x00\x08"),
                        ("nothing", b""), ("a message of another version", message(v - 1, FLOW_MOD, flow[8:])), ("an unknown version", message(99, FLOW_MOD, flow[8:])),
                        ("another xid", flow[:4] + u32(7) + flow[8:]), ("a message longer than it is", flow[:2] + u16(len(flow) + 8) + flow[4:]),
                        ("a message shorter than it is", flow[:2] + u16(len(flow) - 8) + flow[4:]), ("bytes behind", flow + bytes(8)), ("a flow of table 255", flow_mod(v, actions=out, table=255)),
                        ("a packet-out to table", packet_out(v, output(v, TABLE), data=ARP)), ("set config", message(v, 9, u16(0, 128))), ("resume", nicira(v, 28)),
                        ("a flow with a buffer", flow_mod(v, actions=out, buffer=5)), ("a packet-out with a buffer", packet_out(v, out, buffer=5)),
                        ("a packet-out from nowhere", packet_out(v, out, in_port=0xFF77)), ("a port-mod of no port", port_mod(v, 77)), ("a port-mod with a wrong address", port_mod(v, 1, b"\2\2\2\2\2\2")),
                        ("a table-mod of a wrong table", table_mod(v, 254, 7)), ("flush", nicira(v, 32, u8(0) + bytes(3) + u16(5) + bytes(2))), ("a TLV table-mod", nicira(v, 24, u16(2) + bytes(6)))):
        for flags in (1, 3):
            yield f"{name} (flags {flags})", [control(0, flags), add(flow, flags), add(inner, flags), control(4, flags)]
    for body in (b"", bytes(4), bytes(7), bytes(9), bytes(16)):
        yield f"control of {len(body)} bytes", experimenter(v, ONF, 2300, body) if v == OF13 else message(v, BUNDLE_CONTROL, body)
        yield f"add of {len(body)} bytes", experimenter(v, ONF, 2301, body) if v == OF13 else message(v, BUNDLE_ADD, body)
    for properties in (u16(0xFFFF, 12) + u32(5, 1) + bytes(4), u16(1, 24) + bytes(20), u16(1, 4) + bytes(4), u16(99, 8) + bytes(4), bytes(8), u16(0, 100) + bytes(4)):
        yield f"control with properties {properties.hex()}", control(0, properties=properties)
        yield f"add with properties {properties.hex()}", opened + [add(flow, properties=properties)]
    yield "ordered and atomic, refused in the middle", [control(0, 3), add(flow, 3), add(flow_mod(v, actions=action(22, u32(77))), 3), add(flow, 3), control(4, 3)]
    yield "ONF's messages of 1.3", [experimenter(v, ONF, 2300, u32(5) + u16(0, 1)), experimenter(v, ONF, 2301, u32(5) + u16(0, 1) + flow), experimenter(v, ONF, 2300, u32(5) + u16(4, 1))]


# -- Nicira's messages ---------------------------------------------------------------------------------------------------

def nicira_messages(v):
    for number in (0, 1, 2, 3, 5, ANY32):
        yield f"flow format {number}", nicira(v, 12, u32(number))
        yield f"packet-in format {number}", nicira(v, 16, u32(number))
    for value in (0, 1, 2, 255):
        yield f"flow_mod_table_id {value}", nicira(v, 15, u8(value) + bytes(7))
    yield "flow_mod_table_id, padding that is not zero", nicira(v, 15, u8(1) + b"\1" * 7)
    yield "controller id, padding that is not zero", nicira(v, 20, b"\1" * 6 + u16(5))
    for n in (0, 4, 6, 8, 12):
        for subtype in (12, 15, 16, 20, 17, 21):
            yield f"{subtype} of {n} bytes", nicira(v, subtype, bytes(n))
    yield "cancel of no monitor", nicira(v, 21, u32(77))
    for body in (b"", u16(0, 8) + bytes(4), u16(0, 4) + bytes(4), u16(0, 100) + bytes(4), u16(99, 8) + bytes(4), u16(4, 8) + u32(5), u16(0x8000, 8) + bytes(4), u16(0x8000, 5) + bytes(4),
                 pad8(u16(0, 18) + bytes(14)), pad8(u16(0, 18) + bytes(14)) * 2, u16(2, 8) + u32(0), u16(3, 5) + u8(0) + bytes(3), u16(5, 8) + oxm(0, b"", length=4), u16(5, 16) + oxm(0, u32(1)) + bytes(4),
                 pad8(u16(0, 18) + bytes(14)) + u16(5, 12) + oxm(0, u32(1)) + bytes(4)):
        yield f"resume with {body.hex()}", nicira(v, 28, body)
    if v != OF10:
        yield "flow-mod", nx_flow_mod(v, b"")
    else:
        for command in (*range(0, 7), 0xFF):
            yield f"flow-mod command {command}", nx_flow_mod(v, b"", command=command)
        for flags in (1, 2, 4, 8, 0x10, 0x8000):
            yield f"flow-mod flags {flags:#x}", nx_flow_mod(v, b"", flags=flags)
        whole = nx_flow_mod(v, b"")
        for by in (1, 2, 4, 8, 16):
            yield f"flow-mod without the last {by} bytes", shortened(whole, by)
        for subtype in (0, 1):
            for n in (0, 4, 8):
                yield f"flow request {subtype} of {n} zeros", vendor_multipart(v, NICIRA, subtype, bytes(n))
            for length, fields in ((0, b""), (4, b""), (6, nxm(0, u16(1), nxm_class=0)), (5, nxm(0, u16(1), nxm_class=0)), (8, nxm(99, u32(1), nxm_class=0))):
                yield f"flow request {subtype} with a match of {length} and {fields.hex()}", vendor_multipart(v, NICIRA, subtype, u16(0xFFFF, length) + u8(255) + bytes(3) + pad8(fields))
    for subtype in (3, 4):
        yield f"IPFIX {subtype}", vendor_multipart(v, NICIRA, subtype)


def tlv_tables(v):
    def entry(option_class=0xFFFF, kind=1, length=4, index=0):
        return u16(option_class) + u8(kind, length) + u16(index) + bytes(2)

    def change(command, *entries):
        return nicira(v, 24, u16(command) + bytes(6) + b"".join(entries))
    clear = change(2)
    yield "add", [clear, change(0, entry()), clear]
    for command in (1, 2, 3, 4, 0xFFFF):
        yield f"command {command}", [clear, change(command, entry()), clear]
    for length in (0, 1, 3, 5, 120, 124, 128, 252, 255):
        yield f"length {length}", [clear, change(0, entry(length=length)), clear]
    for index in (63, 64, 100, 0xFFFF):
        yield f"index {index}", [clear, change(0, entry(index=index)), clear]
    yield "twice", [clear, change(0, entry()), change(0, entry()), clear]
    yield "another option on one field", [clear, change(0, entry()), change(0, entry(kind=2)), clear]
    yield "one option on two fields", [clear, change(0, entry()), change(0, entry(index=1)), clear]
    yield "twice in one", [clear, change(0, entry(), entry()), clear]
    yield "a field twice in one", [clear, change(0, entry(), entry(kind=2)), clear]
    yield "an option twice in one", [clear, change(0, entry(), entry(index=1)), clear]
    yield "delete of none", [clear, change(1, entry()), clear]
    yield "delete of one on another field", [clear, change(0, entry()), change(1, entry(index=1)), clear]
    yield "delete of one of another length", [clear, change(0, entry()), change(1, entry(length=8)), clear]
    yield "add without entries", [clear, change(0), clear]
    yield "delete without entries", [clear, change(1), clear]
    yield "too much", [clear, change(0, *(entry(kind=n, length=124, index=n) for n in range(3))), clear]
    yield "padding that is not zero", [clear, nicira(v, 24, u16(0) + b"\1" * 6 + entry()), clear]
    for n in (0, 2, 9, 12):
        yield f"{n} zeros", nicira(v, 24, bytes(n))
    yield "half an entry", [clear, change(0, entry(), entry()[:4]), clear]


def ct_flushes(v):
    for body in (b"", bytes(4), bytes(8), bytes(12), b"\1" * 8, bytes(6) + u16(5)):
        yield f"zone with {body.hex()}", nicira(v, 29, body)
    head = lambda proto=0, zone=0, pad=bytes(3), end=bytes(2): u8(proto) + pad + u16(zone) + end
    prop = lambda kind, body=b"", length=None: pad8(u16(kind, 4 + len(body) if length is None else length) + body)
    yield "nothing", nicira(v, 32)
    for name, body in (("head", head()), ("padding", head(pad=b"\1\1\1")), ("padding at the end", head(end=b"\1\1")), ("half a head", head()[:4]), ("protocol", head(6))):
        yield name, nicira(v, 32, body)
    for kind in (*range(0, 5), 99, 0xFFFF):
        for n in (0, 3, 4, 8, 100):
            yield f"property {kind} of {n} bytes", nicira(v, 32, head() + prop(kind, bytes(4), n))
    address = prop(0, bytes(15) + b"\1")
    port = lambda kind, value=5: prop(kind, u16(value))
    for name, nested in (("an address", address), ("an address twice", address * 2), ("an address that is short", prop(0, bytes(4))), ("a port", port(2)), ("ICMP", prop(4, u16(1)) + prop(5, u8(8)) + prop(6, u8(0))),
                         ("a port and ICMP", port(2) + prop(5, u8(8))), ("an unknown one", prop(99, bytes(4))), ("IPv4", prop(0, bytes(10) + b"\xff\xff\x0a\0\0\1")), ("both kinds", prop(0, bytes(10) + b"\xff\xff\x0a\0\0\1") + prop(1, bytes(15) + b"\1")),
                         ("nothing", b""), ("half a property", b"\0\0\0")):
        for proto in (0, 1, 6, 58):
            for kind in (0, 1):
                yield f"tuple {kind} of protocol {proto} with {name}", nicira(v, 32, head(proto) + prop(kind, bytes(4) + nested))
    yield "zone property", nicira(v, 32, head() + prop(2, u16(5)))
    yield "zone property too long", nicira(v, 32, head() + prop(2, u32(5)))


def flow_monitors(v):
    def nx(number=1, flags=0x7, port=0xFFFF, table=255, match=b"", length=None):
        return u32(number) + u16(flags, port, len(match) if length is None else length) + u8(table) + bytes(5) + pad8(match)

    for name, body in (("nothing", b""), ("one", nx()), ("one twice", nx() * 2), ("flags 0", nx(flags=0)), ("flags 0x40", nx(flags=0x40)), ("all flags", nx(flags=0xFFFF)),
                       ("only changes without a kind", nx(flags=0x10)), ("port 77", nx(port=77)), ("port NONE", nx(port=0xFFFF)), ("port in the middle", nx(port=0xFF77)), ("table 254", nx(table=254)),
                       ("table 7", nx(table=7)), ("match length", nx(length=8)), ("an unknown field", nx(match=nxm(99, u32(1), nxm_class=0))), ("half", nx()[:8]), ("zeros", bytes(16))):
        yield f"Nicira's, {name}", vendor_multipart(v, NICIRA, 2, body)
    yield "Nicira's, twice in two", [vendor_multipart(v, NICIRA, 2, nx()), vendor_multipart(v, NICIRA, 2, nx())]
    if v < OF14:
        return

    def standard(number=1, port=ANY32, group=ANY32, flags=0x7, table=255, command=0, match=None):
        return u32(number, port, group) + u16(flags) + u8(table, command) + (oxm_match() if match is None else match)
    one = multipart(v, 16, standard())
    for name, body in (("nothing", b""), ("half", standard()[:8]), ("flags 0", standard(flags=0)), ("flags 0x80", standard(flags=0x80)), ("all flags", standard(flags=0xFFFF)), ("port 77", standard(port=77)),
                       ("port in the middle", standard(port=0x12345)), ("group 77", standard(group=77)), ("table 254", standard(table=254)), ("table 7", standard(table=7)), ("command 1", standard(command=1)),
                       ("command 2", standard(command=2)), ("command 3", standard(command=3)), ("command 255", standard(command=255)), ("an unknown field", standard(match=oxm_match(oxm(45, u32(1))))),
                       ("a wrong match", standard(match=oxm_match(kind=0))), ("only changes without a kind", standard(flags=0x20)), ("cut match", standard()[:20])):
        yield name, multipart(v, 16, body)
    yield "one twice", [one, one]
    yield "one twice in one", multipart(v, 16, standard() * 2)
    yield "modify", [one, multipart(v, 16, standard(command=1))]
    yield "delete", [one, multipart(v, 16, standard(command=2)), multipart(v, 16, standard(command=2))]
