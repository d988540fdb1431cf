"""Wrong OpenFlow messages, raw, to ovs-vswitchd and to sluiced, in every version: the errors that come back are compared
by type, code and the message that they are about. Where Sluice answers something else on purpose, the answers of both are
in the table of exceptions, with the reason (docs/differences.md has the same in short)."""

import os
import re
import struct
import zlib

import pytest

from daemon import ROOT, Sluice
from openflow_exceptions import EXCEPTIONS
from openflow_mistakes import mistakes
from openflow_wire import (ERROR, NICIRA, OF10, OF11, OF12, OF13, OF14, OF15, ONF, ANY32, Peer, flow_mod, group_mod, meter_mod)
from ovs import Ovs

VERSIONS = {OF10: "OpenFlow10", OF11: "OpenFlow11", OF12: "OpenFlow12", OF13: "OpenFlow13", OF14: "OpenFlow14", OF15: "OpenFlow15"}
# Of tens of thousands of messages every fourth, others in each version; SLUICE_ALL_ERRORS=1 sends them all.
SHARE = 1 if os.environ.get("SLUICE_ALL_ERRORS") else 4
ASYNCHRONOUS = {10, 11, 12, 30, 31, 32, 35}
DATA_BYTES = 64


def read_names():
    """(version, vendor, type, code) -> name, from the table of errors."""
    names = {}
    vendors = {"0": 0, "kNicira": NICIRA, "kOnf": ONF}
    with open(f"{ROOT}/src/field/of_error.def", encoding="utf-8") as file:
        for name, ranges in re.findall(r'SLUICE_OF_ERROR\(\w+, "(\w+)", (.*)\)\n', file.read()):
            for first, last, vendor, kind, code in re.findall(r"R\((\d+), (\d+), (\w+), (\d+), (\d+)\)", ranges):
                for version in range(int(first), int(last) + 1):
                    names.setdefault((version - 9, vendors[vendor], int(kind), int(code)), name)
    return names


NAMES = read_names()


def about(data, messages, whole):
    """Which of the messages an error's data is the beginning of, from behind; `whole`: or as much of it as fits."""
    for i, message in reversed(list(enumerate(messages))):
        if data == message[:DATA_BYTES] or (whole and len(data) > DATA_BYTES and message.startswith(data)):
            return str(i - len(messages))
    return "?"


def told(version, answers, messages, whole):
    """The answers in words: NAME@N is the error NAME about the N-th message from behind."""
    words = []
    for answer in answers:
        if answer is None:
            words.append("closed")
        elif answer[1] == ERROR:
            (kind, code), data, vendor = struct.unpack_from("!HH", answer, 8), answer[12:], 0
            if (kind, code) == (0xB0C2, 0):
                (vendor, kind, code), data = struct.unpack_from("!IHH", data), data[8:]
            elif kind == 0xFFFF:
                (vendor,), data, kind, code = struct.unpack_from("!I", data), data[4:], code, 0
            name = NAMES.get((version, vendor, kind, code), f"{vendor:#x}:{kind}:{code}")
            xid = "" if any(answer[4:8] == m[4:8] for m in messages) else " of another xid"
            words.append(f"{name}@{about(data, messages, whole)}{xid}".removesuffix("@-1"))
        elif answer[1] not in ASYNCHRONOUS:
            word = f"reply {answer[1]}"
            if words[-1:] != [word]:  # a long reply has several parts
                words.append(word)
    return ", ".join(words) or "nothing"


def clean(version):
    """Messages after which there are no flows, groups and meters. 1.1 has no word for all tables."""
    tables = (0,) if version == OF10 else (0, 1, 2, 5, 253) if version == OF11 else (255,)
    bytes_of_all = b"".join(flow_mod(version, command=3, table=table) for table in tables)
    if version > OF10:
        bytes_of_all += group_mod(version, 2, group=0xFFFFFFFC)
    if version >= OF13:
        bytes_of_all += meter_mod(version, 2, meter=ANY32, bands=b"")
    return bytes_of_all


def answers_of(switch, version, messages):
    with Peer(f"{switch.dir}/br0.mgmt", version) as peer:
        left = peer.exchange(clean(version))
        assert not left, f"left over from the message before: {left}"
        return told(version, peer.exchange(b"".join(messages)), messages, isinstance(switch, Ovs))


def expected_difference(version, name, theirs, ours):
    return any(version in versions and re.search(pattern, name) and re.fullmatch(their_pattern, theirs) and
               re.fullmatch(our_pattern, ours) for versions, pattern, their_pattern, our_pattern, _ in EXCEPTIONS)


@pytest.fixture(scope="module")
def switches():
    with Ovs() as ovs, Sluice(2) as sluice:
        ovs.add_bridge("br0", 2)
        ovs.vsctl("set", "bridge", "br0", "protocols=" + ",".join(VERSIONS.values()))
        yield ovs, sluice


@pytest.mark.parametrize("version", VERSIONS, ids=VERSIONS.get)
def test_mistakes_are_told_alike(switches, version):
    ovs, sluice = switches
    sent, differences = 0, []
    for name, messages in mistakes(version):
        if zlib.crc32(name.encode()) % SHARE != version % SHARE:
            continue
        sent += 1
        theirs, ours = (answers_of(switch, version, messages) for switch in (ovs, sluice))
        if theirs != ours and not expected_difference(version, name, theirs, ours):
            differences.append(f"{name}\n   Open vSwitch: {theirs}\n         Sluice: {ours}")
    assert sent > 1000
    assert not differences, f"{len(differences)} of {sent} answers differ\n" + "\n".join(differences[:200])


@pytest.mark.parametrize("version", VERSIONS, ids=VERSIONS.get)
def test_errors_carry_the_first_64_bytes(switches, version):
    for length in (8, 9, 63, 64, 65, 1000, 65535):
        request = struct.pack("!BBHI", version, 99, length, 0x01020304) + bytes(i & 0xFF for i in range(length - 8))
        with Peer(f"{switches[1].dir}/br0.mgmt", version) as peer:
            answer, = peer.exchange(request)
        assert answer == struct.pack("!BBHIHH", version, ERROR, 12 + min(length, 64), 0x01020304, 1, 1) + request[:64]
