"""OpenFlow messages that others encoded, as `sluice ofp-parse` and `ovs-ofctl ofp-parse` print them: what the installed programs
say to each other and what os-ken writes, in every version, and those messages with bytes changed, added or taken away."""

import random
import re
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import openflow_capture
from daemon import BUILD
from ovs import Ovs

VERSIONS = ["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
MESSAGES = 12_000
LARGE = 2000  # bytes; descriptions of all tables are mutated no further
MARK = 0xabcd0000
# Fields of tunnels and of NSH that Sluice does not have, in descriptions of tables.
NOT_OURS = re.compile(r",(erspan_|gtpu_)\{[^}]*\}|,metadata0\.\.\.metadata63| nsh_\{[^}]*\}")
BAD = "***decode error: "


def mutated(r, message):
    m = bytearray(message)
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        if len(m) <= 8:
            break
        at, way = r.randrange(8, len(m)), r.random()
        if way < 0.4:
            m[at] = r.randrange(256)
        elif way < 0.7:
            m[at] ^= 1 << r.randrange(8)
        elif way < 0.85:
            m[at] = r.choice([0, 1, 255])
        elif way < 0.95:
            del m[at:at + r.choice([1, 2, 4, 8])]
        else:
            m[at:at] = bytes(r.choice([4, 8]))
    if r.random() < 0.03:
        m[1] = r.randrange(36)
    if r.random() < 0.03:
        m[0] = r.randrange(1, 7)
    m[2:4] = struct.pack("!H", len(m))
    return bytes(m)


def texts(program, messages, path):
    """What the program prints of each message; echo requests between them tell which is which."""
    with open(path, "wb") as file:
        for i, message in enumerate(messages):
            file.write(message + struct.pack("!BBHI", 1, 2, 8, MARK + i))
    done = subprocess.run([program, "-vconsole:off", "ofp-parse", path], capture_output=True, check=True, timeout=120)
    printed, rest = [], done.stdout.decode(errors="replace")
    for i in range(len(messages)):
        text, found, rest = rest.partition(f"OFPT_ECHO_REQUEST (xid={MARK + i:#x}): 0 bytes of payload\n")
        assert found, f"{program} lost message {i}"
        printed.append(NOT_OURS.sub("", text))
    return printed


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """Distinct messages of all versions."""
    folder = tmp_path_factory.mktemp("capture")
    with Ovs() as ovs, ThreadPoolExecutor(3) as pool:
        bridges = [f"br{n}" for n in range(len(VERSIONS))]
        for bridge in bridges:
            ovs.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=dummy", "fail_mode=secure",
                      f"protocols={','.join(VERSIONS)}", "--", "add-port", bridge, f"p{bridge}", "--", "set", "interface",
                      f"p{bridge}", "type=dummy")
        found = pool.map(lambda n: openflow_capture.captured(ovs, folder, n, VERSIONS[n], bridges[n]), range(len(VERSIONS)))
        return [message for messages in found for message in messages]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    link = tmp_path_factory.mktemp("bin") / "ovs-ofctl"
    link.symlink_to(f"{BUILD}/sluice")
    return str(link)


def differences(theirs, ours, messages):
    return [f"{m.hex()[:400]}\n--- ovs-ofctl\n{t}--- sluice\n{o}" for t, o, m in zip(theirs, ours, messages) if t != o]


def test_what_others_encode_prints_alike(captured, program, tmp_path):
    """Every type of message that the two programs exchange, in each version, and os-ken's."""
    messages = sorted(set(captured)) + openflow_capture.encoded_by_osken(random.Random(5), 150)
    kinds = {(m[0], m[1], m[8:10] if m[1] in (16, 17, 18, 19) else b"") for m in messages}
    assert len(messages) > 2000 and len(kinds) > 150, (len(messages), len(kinds))
    theirs, ours = (texts(p, messages, tmp_path / "messages") for p in ("ovs-ofctl", program))
    found = differences(theirs, ours, messages)
    assert not found, f"{len(found)} of {len(messages)}\n" + "\n".join(found[:5])


def test_changed_messages_print_alike(captured, program, tmp_path):
    """Where both say that a message is wrong they may differ in what they say is wrong first (docs/differences.md); which fields of
    tunnels there are, and what is left of a wrong list, makes them differ on few others."""
    r = random.Random(7)
    base = [m for m in sorted(set(captured)) if len(m) < LARGE]
    messages = [mutated(r, r.choice(base)) for _ in range(MESSAGES)]
    theirs, ours = (texts(p, messages, tmp_path / "messages") for p in ("ovs-ofctl", program))
    refused = sum(BAD in t for t in theirs)
    assert refused > MESSAGES // 10, "the mutations do what they are for"
    one_refuses = [(t, o, m) for t, o, m in zip(theirs, ours, messages) if (BAD in t) != (BAD in o)]
    both_read = [(t, o, m) for t, o, m in zip(theirs, ours, messages) if t != o and BAD not in t and BAD not in o]
    other_word = sum(t != o and BAD in t and BAD in o for t, o in zip(theirs, ours))
    print(f"{refused} refused, {len(one_refuses)} by one only, {len(both_read)} read otherwise, {other_word} refused in other words")
    for name, found, most in (("one refuses", one_refuses, MESSAGES // 80), ("read otherwise", both_read, MESSAGES // 120)):
        assert len(found) <= most, f"{name}: {len(found)} of {MESSAGES}\n" + "\n".join(differences(*zip(*found[:8])))
    assert other_word < refused // 10
