"""Packets through the trackers of Sluice and of the installed ovs-vswitchd: the same OpenFlow flows in both, which write
what ct() said into the destination MAC.

A packet's source MAC is its number, its DSCP the mark that its connection gets. Sequences of rule "every" (see
ct_sequence.py) commit each packet, those of rule "new" what is new and has no mark yet.
"""

import os
import select
import socket
import struct
import subprocess
import time

from daemon import BUILD

STATE_BITS = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
WINDOW = 64
MARK = "exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])"
FLOWS = "".join(f"""
table=0,priority=20,{family},{src}={every},actions=move:NXM_OF_IP_TOS[2..7]->NXM_NX_REG0[0..5],ct(commit,zone=1,table=2,{MARK})
table=0,priority=20,{family},{src}={once},actions=move:NXM_OF_IP_TOS[2..7]->NXM_NX_REG0[0..5],ct(zone=2,table=1)
table=1,priority=20,{family},ct_state=+new,ct_mark=0,actions=ct(commit,zone=2,table=2,{MARK})
table=1,priority=10,{family},actions=resubmit(,2)
table=2,priority=10,{family},actions=move:NXM_NX_CT_STATE[0..7]->NXM_OF_ETH_DST[0..7],\
move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[8..39],output:2
""" for family, src, every, once in (("ip", "nw_src", "10.0.0.0/15", "10.2.0.0/15"),
                                     ("ipv6", "ipv6_src", "fd00::/31", "fd00:2::/31")))


def frame(number, packet):
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    return b"\x02\0\0\0\0\0\x02" + number.to_bytes(5, "big") + kind + packet


def verdicts_of(frames, count):
    """One verdict a packet number, "state mark"; None where nothing came out. Fragments: of the last that came."""
    verdicts = [None] * count
    for data in frames:
        state, mark = data[5], int.from_bytes(data[1:5], "big")
        names = [name for bit, name in enumerate(STATE_BITS) if state >> bit & 1 and name != "trk"]
        verdicts[int.from_bytes(data[7:12], "big")] = f"{'+'.join(names) if state & 0x20 else 'none'} {mark}"
    return verdicts


def write_capture(path, frames, interval_ns):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 0x40000, 1))
        now = 10**9
        for data in frames:
            file.write(struct.pack("<IIII", now // 10**9, now % 10**9, len(data), len(data)) + data)
            now += interval_ns


def read_capture(path):
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    frames, at = [], 24
    while at < len(data):
        length = struct.unpack_from(f"{order}I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def sluice(packets, folder):
    """The verdicts of `sluice replay`, and the lines of its connections."""
    with open(f"{folder}/ct.flows", "w", encoding="ascii") as file:
        file.write(FLOWS)
    write_capture(f"{folder}/in.pcap", (frame(n, p) for n, p in enumerate(packets)), 1000)
    subprocess.run([f"{BUILD}/sluice", "replay", "--quiet", "--flows", f"{folder}/ct.flows", "--in",
                    f"1={folder}/in.pcap", "--out", f"2={folder}/out.pcap", "--connections", f"{folder}/table.txt"],
                   check=True, capture_output=True, timeout=600)
    with open(f"{folder}/table.txt", encoding="ascii") as file:
        connections = file.read().splitlines()
    return verdicts_of(read_capture(f"{folder}/out.pcap"), len(packets)), connections


def open_vswitch(ovs, packets):
    """The same of ovs-vswitchd, whose clock stands still meanwhile."""
    sockets = [os.path.join(ovs.dir, f"p{n}.sock") for n in (1, 2)]
    ovs.add_bridge("br0", 2)
    for n, path in enumerate(sockets, start=1):
        ovs.vsctl("set", "interface", f"p{n}", f"options:pstream=punix:{path}")
    ovs.replace_flows("br0", FLOWS)
    ovs.appctl("time/stop")
    into, out = (socket.socket(socket.AF_UNIX) for _ in sockets)
    with into, out:
        _connect(into, sockets[0])
        _connect(out, sockets[1])
        frames = list(_pump(into, out, [frame(n, p) for n, p in enumerate(packets)]))
    return verdicts_of(frames, len(packets)), ovs.appctl("dpctl/dump-conntrack", "-m").splitlines()


def _connect(sock, path):
    """The port listens some time after ovs-vsctl has returned."""
    for _ in range(200):
        try:
            return sock.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {path}")


def _pump(into, out, frames):
    """Sends frames, never more unanswered than a dummy port queues (100), and yields what comes out."""
    sent = settled = 0
    received = b""
    while True:
        if sent < len(frames) and sent - settled < WINDOW:
            upto = min(len(frames), settled + WINDOW)
            into.sendall(b"".join(struct.pack("!H", len(f)) + f for f in frames[sent:upto]))
            sent = upto
        if not select.select([out], [], [], 0.5)[0]:  # the last ones have no output
            if sent == len(frames):
                return
            settled = sent
            continue
        received += out.recv(1 << 20)
        at = 0
        while len(received) >= at + 2:
            length = struct.unpack_from("!H", received, at)[0]
            if len(received) < at + 2 + length:
                break
            data = received[at + 2:at + 2 + length]
            settled = int.from_bytes(data[7:12], "big") + 1
            yield data
            at += 2 + length
        received = received[at:]
