"""The dearest messages of 64 KiB that one can craft, of each type: each is answered or done, and neither one nor many of them
make sluiced use more than a bounded amount of memory."""

import re

import pytest

from openflow_mistakes import ALL
from openflow_wire import *  # pylint: disable=wildcard-import,unused-wildcard-import

LARGEST = 65535
TIMES = 10
# Of one message ten times over: what it is decoded to, translated to, and held back in queues.
MOST_KIB = 48 << 10


def filled(unit, room=LARGEST - 250):
    return unit * (room // len(unit))


def learn(specs):
    spec = u16(16) + nxm(0, b"", length=4) + u16(0) + nxm(1, b"", length=4) + u16(0)
    body = u16(0, 0, 0x8000) + u64(0) + u16(0) + u8(1, 0) + u16(0, 0) + spec * specs
    return nx_action(16, body + bytes(-(len(body) + 10) % 8))


def nested(depth):
    actions = output(OF13)
    for _ in range(depth):
        actions = nx_action(42, bytes(6) + actions)
    return actions


def worst():
    out, port = output(OF13), lambda number: output(OF13, number)
    clone = nx_action(42, bytes(6) + out)
    to_controller = nx_action(20, u16(LARGEST, 0) + u8(1, 0))
    yield "outputs", flow_mod(OF13, actions=filled(out))
    yield "clones", flow_mod(OF13, actions=filled(clone))
    yield "clones in clones", flow_mod(OF13, actions=filled(nested(15)))
    yield "a learn of many specs", flow_mod(OF13, actions=learn(4000))
    yield "many learns", flow_mod(OF13, actions=filled(learn(1)))
    yield "resubmits", flow_mod(OF13, actions=filled(nx_action(14, u16(0xFFF8) + u8(1) + bytes(3))))
    yield "a note", flow_mod(OF13, actions=nx_action(8, bytes(65000 - 10)))
    yield "an action set", flow_mod(OF13, instructions=apply(filled(set_field(oxm(3, bytes(6)))), 3))
    yield "a packet to one port many times", packet_out(OF13, filled(out, 60000), data=bytes(64))
    yield "a long packet to all ports many times", packet_out(OF13, filled(port(ALL), 16000), data=bytes(48000))
    yield "a long packet to controllers many times", packet_out(OF13, filled(to_controller, 32000), data=bytes(30000))
    yield "clones of a packet", packet_out(OF13, filled(clone, 60000), data=bytes(64))
    yield "buckets", group_mod(OF13, buckets=filled(bucket(OF13, out)))
    yield "empty buckets", group_mod(OF13, buckets=filled(bucket(OF13)))
    yield "bands", meter_mod(OF13, bands=filled(band()))
    yield "fields", flow_mod(OF13, match=oxm_match(filled(nxm(0, u32(1)))))
    yield "table features", multipart(OF13, 12, filled(u16(64) + u8(1) + bytes(61)))
    yield "mapped options", nicira(OF13, 24, u16(0) + bytes(6) + b"".join(u16(n) + u8(1, 4) + u16(n % 64) + bytes(2)
                                                                           for n in range(8000)))
    yield "flow monitors", multipart(OF14, 16, b"".join(u32(n, ANY32, ANY32) + u16(7) + u8(255, 0) + oxm_match()
                                                         for n in range(2700)))
    yield "a bundle", bundle_control(OF13, 5, 0) + bundle_add(OF13, 5, flow_mod(OF13, actions=filled(clone, 65000))) * 4 + bundle_control(OF13, 5, 4)
    yield "properties of a flush", nicira(OF13, 32, bytes(8) + filled(u16(2, 6, 5) + bytes(2)))
    yield "properties of an asynchronous configuration", message(OF14, SET_ASYNC, filled(u16(0, 8) + u32(1)))
    yield "an echo", message(OF13, ECHO_REQUEST, bytes(65500))
    yield "elements of a hello", message(OF13, HELLO, filled(u16(1, 8) + u32(16)))


def kib(pid, what):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(rf"{what}:\s+(\d+)", file.read())[1])


@pytest.mark.parametrize("name, data", [pytest.param(name, data, id=name) for name, data in worst()])
def test_largest_messages_are_bounded(sluice, name, data):
    pid, path = sluice.process.pid, f"{sluice.dir}/br0.mgmt"
    with open(f"/proc/{pid}/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # VmHWM begins anew
    before = kib(pid, "VmRSS")
    with Peer(path, data[0]) as peer:
        for _ in range(TIMES):
            assert None not in peer.exchange(data), f"{name} ends the connection"
    assert kib(pid, "VmHWM") - before < MOST_KIB, name
    with Peer(path, OF13) as peer:
        assert not peer.exchange(flow_mod(OF13, command=3, table=255) + group_mod(OF13, 2, group=0xFFFFFFFC) +
                                 meter_mod(OF13, 2, meter=ANY32, bands=b"") + nicira(OF13, 24, u16(2) + bytes(6)))
