"""OpenFlow messages as bytes, built by hand so that they can be wrong in every way, and a raw client of BRIDGE.mgmt.
Versions are the byte on the wire: 1 is OpenFlow 1.0, 6 is OpenFlow 1.5."""

import socket
import struct

OF10, OF11, OF12, OF13, OF14, OF15 = range(1, 7)
NICIRA, ONF = 0x2320, 0x4F4E4600
ANY32, NO_BUFFER = 0xFFFFFFFF, 0xFFFFFFFF
HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER = range(5)


def u8(*values):
    return struct.pack(f"!{len(values)}B", *values)


def u16(*values):
    return struct.pack(f"!{len(values)}H", *values)


def u32(*values):
    return struct.pack(f"!{len(values)}I", *values)


def u64(*values):
    return struct.pack(f"!{len(values)}Q", *values)


def pad8(data):
    return data + bytes(-len(data) % 8)


def message(version, kind, body=b"", xid=1, length=None):
    return u8(version, kind) + u16(8 + len(body) if length is None else length) + u32(xid) + body


def shortened(data, by, claim=None):
    """A message without its last bytes, whose header says so (or claims another length)."""
    data = data[:len(data) - by]
    return data[:2] + u16(len(data) if claim is None else claim) + data[4:]


def lengthened(data, extra):
    data += extra
    return data[:2] + u16(len(data)) + data[4:]


def replaced(data, offset, new):
    return data[:offset] + new + data[offset + len(new):]


# -- types of messages ---------------------------------------------------------------------------------------------------

PACKET_OUT, FLOW_MOD = 13, 14
GROUP_MOD, TABLE_MOD, ROLE_REQUEST, GET_ASYNC, SET_ASYNC, METER_MOD, BUNDLE_CONTROL, BUNDLE_ADD = 15, 17, 24, 26, 28, 29, 33, 34


def port_mod_type(version):
    return 15 if version == OF10 else 16


def multipart_type(version):
    return 16 if version == OF10 else 18


def barrier_type(version):
    return 18 if version == OF10 else 20


def queue_config_type(version):
    return 20 if version == OF10 else 22


# -- matches -------------------------------------------------------------------------------------------------------------

def match10(wildcards=0x3FFFFF, in_port=0, dl_src=bytes(6), dl_dst=bytes(6), vlan=0, pcp=0, dl_type=0, tos=0, proto=0,
            nw_src=0, nw_dst=0, tp_src=0, tp_dst=0):
    return (u32(wildcards) + u16(in_port) + dl_src + dl_dst + u16(vlan) + u8(pcp, 0) + u16(dl_type) + u8(tos, proto) +
            bytes(2) + u32(nw_src, nw_dst) + u16(tp_src, tp_dst))


def match11(wildcards=0x3FF, in_port=0, dl_src=bytes(6), dl_src_mask=b"\xff" * 6, dl_dst=bytes(6),
            dl_dst_mask=b"\xff" * 6, vlan=0, pcp=0, dl_type=0, tos=0, proto=0, nw_src=0, nw_src_mask=ANY32, nw_dst=0,
            nw_dst_mask=ANY32, tp_src=0, tp_dst=0, label=0, tc=0, metadata=0, metadata_mask=0xFFFFFFFFFFFFFFFF, kind=0,
            length=88):
    return (u16(kind, length) + u32(in_port, wildcards) + dl_src + dl_src_mask + dl_dst + dl_dst_mask + u16(vlan) +
            u8(pcp, 0) + u16(dl_type) + u8(tos, proto) + u32(nw_src, nw_src_mask, nw_dst, nw_dst_mask) +
            u16(tp_src, tp_dst) + u32(label) + u8(tc) + bytes(3) + u64(metadata, metadata_mask))


def oxm_match(fields=b"", kind=1, length=None):
    return pad8(u16(kind, 4 + len(fields) if length is None else length) + fields)


def oxm(field, value, mask=b"", oxm_class=0x8000, length=None):
    body = value + mask
    return u16(oxm_class) + u8(field << 1 | (1 if mask else 0), len(body) if length is None else length) + body


def nxm(field, value, mask=b"", nxm_class=1, length=None):
    return oxm(field, value, mask, nxm_class, length)


def any_match(version):
    return match10() if version == OF10 else match11() if version == OF11 else oxm_match()


# -- actions, instructions -----------------------------------------------------------------------------------------------

def action(kind, body, length=None):
    return u16(kind, 4 + len(body) if length is None else length) + body


def output(version, port=2, max_len=0):
    return action(0, u16(port, max_len)) if version == OF10 else action(0, u32(port) + u16(max_len) + bytes(6))


def nx_action(subtype, body, vendor=NICIRA, length=None):
    """`body` fills the action up to its end, padding included."""
    return action(0xFFFF, u32(vendor) + u16(subtype) + body, length)


def set_field(field):
    return action(25, pad8(bytes(4) + field)[4:])


def instruction(kind, body, length=None):
    return u16(kind, 4 + len(body) if length is None else length) + body


def apply(actions, kind=4):
    return instruction(kind, bytes(4) + actions)


# -- messages ------------------------------------------------------------------------------------------------------------

def flow_mod(version, match=None, actions=None, instructions=b"", command=0, table=0, flags=0, cookie=0, cookie_mask=0,
             idle=0, hard=0, priority=0x8000, buffer=NO_BUFFER, out_port=None, out_group=ANY32, importance=0):
    """`actions` of 1.1 and later are applied."""
    match = any_match(version) if match is None else match
    if version == OF10:
        out_port = 0xFFFF if out_port is None else out_port
        body = match + u64(cookie) + u16(command, idle, hard, priority) + u32(buffer) + u16(out_port, flags) + (actions or b"")
    else:
        out_port = ANY32 if out_port is None else out_port
        if actions is not None:
            instructions = apply(actions) + instructions
        body = (u64(cookie, cookie_mask) + u8(table, command) + u16(idle, hard, priority) + u32(buffer, out_port, out_group) +
                u16(flags, importance) + match + instructions)
    return message(version, FLOW_MOD, body)


def packet_out(version, actions=b"", in_port=None, data=bytes(14), buffer=NO_BUFFER, actions_length=None, match=None):
    length = len(actions) if actions_length is None else actions_length
    if version == OF10:
        body = u32(buffer) + u16(0xFFFF if in_port is None else in_port, length) + actions + data
    elif version < OF15:
        body = u32(buffer, 0xFFFFFFFD if in_port is None else in_port) + u16(length) + bytes(6) + actions + data
    else:
        port = oxm(0, u32(0xFFFFFFFD if in_port is None else in_port))
        body = u32(buffer) + u16(length) + bytes(2) + (oxm_match(port) if match is None else match) + actions + data
    return message(version, PACKET_OUT, body)


def bucket(version, actions=b"", weight=0, watch_port=ANY32, watch_group=ANY32, length=None, bucket_id=0, properties=None,
           actions_length=None):
    if version < OF15:
        body = u16(weight) + u32(watch_port, watch_group) + bytes(4) + actions
        return u16(2 + len(body) if length is None else length) + body
    if properties is None:
        properties = (u16(0, 8) + u16(weight) + bytes(2) + u16(1, 8) + u32(watch_port) + u16(2, 8) + u32(watch_group))
    body = u16(len(actions) if actions_length is None else actions_length) + u32(bucket_id) + actions + properties
    return u16(2 + len(body) if length is None else length) + body


def group_mod(version, command=0, kind=0, group=1, buckets=b"", command_bucket=ANY32, properties=b"", array_length=None):
    body = u16(command) + u8(kind, 0) + u32(group)
    if version >= OF15:
        body += u16(len(buckets) if array_length is None else array_length) + bytes(2) + u32(command_bucket) + buckets + properties
    else:
        body += buckets
    return message(version, GROUP_MOD, body)


def band(kind=1, rate=1000, burst=0, extra=bytes(4), length=None):
    body = u32(rate, burst) + extra
    return u16(kind, 4 + len(body) if length is None else length) + body


def meter_mod(version, command=0, flags=1, meter=1, bands=None):
    return message(version, METER_MOD, u16(command, flags) + u32(meter) + (band() if bands is None else bands))


def port_mod(version, port=1, address=None, config=0, mask=0, advertise=0, properties=None):
    address = bytes(6) if address is None else address
    if version == OF10:
        body = u16(port) + address + u32(config, mask, advertise) + bytes(4)
    elif version < OF14:
        body = u32(port) + bytes(4) + address + bytes(2) + u32(config, mask, advertise) + bytes(4)
    else:
        properties = u16(0, 8) + u32(advertise) if properties is None else properties
        body = u32(port) + bytes(4) + address + bytes(2) + u32(config, mask) + properties
    return message(version, port_mod_type(version), body)


def table_mod(version, table=1, config=0, properties=b""):
    return message(version, TABLE_MOD, u8(table) + bytes(3) + u32(config) + properties)


def multipart(version, kind, body=b"", flags=0, xid=1):
    return message(version, multipart_type(version), u16(kind, flags) + (b"" if version == OF10 else bytes(4)) + body, xid)


def vendor_multipart(version, vendor, subtype, body=b"", flags=0):
    return multipart(version, 0xFFFF, u32(vendor, subtype) + (bytes(4) if version == OF10 else b"") + body, flags)


def experimenter(version, vendor, subtype, body=b"", xid=1):
    return message(version, EXPERIMENTER, u32(vendor, subtype) + body, xid)


def nicira(version, subtype, body=b""):
    return experimenter(version, NICIRA, subtype, body)


def flow_request(version, kind=1, table=0xFF, out_port=None, out_group=ANY32, cookie=0, mask=0, match=None):
    match = any_match(version) if match is None else match
    if version == OF10:
        return multipart(version, kind, match + u8(table, 0) + u16(0xFFFF if out_port is None else out_port))
    return multipart(version, kind, u8(table) + bytes(3) + u32(ANY32 if out_port is None else out_port, out_group) +
                     bytes(4) + u64(cookie, mask) + match)


def bundle_control(version, bundle, kind, flags=1, properties=b""):
    body = u32(bundle) + u16(kind, flags) + properties
    return experimenter(version, ONF, 2300, body) if version < OF14 else message(version, BUNDLE_CONTROL, body)


def bundle_add(version, bundle, inner, flags=1, properties=b""):
    body = u32(bundle) + u16(0, flags) + inner + properties
    return experimenter(version, ONF, 2301, body) if version < OF14 else message(version, BUNDLE_ADD, body)


def role_request(version, role, generation=0):
    """`role`: 0 no change, 1 equal, 2 primary, 3 secondary."""
    if version < OF12:
        return nicira(version, 10, u32(role - 1))
    return message(version, ROLE_REQUEST, u32(role) + bytes(4) + u64(generation))


# -- the client ----------------------------------------------------------------------------------------------------------

class Peer:
    """A connection to BRIDGE.mgmt that has said hello."""

    MARK = 0x7E000000

    def __init__(self, path, version):
        self.version, self.marks = version, 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.buffer = b""
        self.socket.sendall(message(version, HELLO, u16(1, 8) + u32(1 << version), 0) if version >= OF13
                            else message(version, HELLO, b"", 0))
        self.exchange(b"")

    def _next(self):
        """The next message; nothing when the switch has closed."""
        while len(self.buffer) < 8 or len(self.buffer) < struct.unpack_from("!H", self.buffer, 2)[0]:
            try:
                part = self.socket.recv(1 << 20)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self.buffer += part
        length = struct.unpack_from("!H", self.buffer, 2)[0]
        whole, self.buffer = self.buffer[:length], self.buffer[length:]
        return whole

    def exchange(self, data):
        """What the switch answers to `data`; a last None says that it closed the connection."""
        self.marks += 1
        try:
            self.socket.sendall(data + message(self.version, ECHO_REQUEST, b"", self.MARK + self.marks))
        except (BrokenPipeError, ConnectionResetError):
            pass
        answers = []
        while True:
            answer = self._next()
            if answer is not None and answer[1] == ECHO_REPLY and answer[4:8] == u32(self.MARK + self.marks):
                return answers
            if answer is None or answer[1] != ECHO_REQUEST:
                answers.append(answer)
            if answer is None:
                return answers

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
