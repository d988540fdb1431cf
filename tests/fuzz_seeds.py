"""Seeds of fuzz targets that are made of what the tree has already: the test vectors of OpenFlow."""

import os
import re

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors", "openflow_messages.inc")
VERSIONS = range(1, 7)
MOST_BYTES = 4096  # the longest input that libFuzzer tries


def messages():
    with open(VECTORS, encoding="utf-8") as file:
        return [bytes.fromhex(digits) for digits in re.findall(r'^\{"([0-9a-f]+)",$', file.read(), re.MULTILINE)]


def streams(version):
    """Each message of a version by itself, and as many behind each other as an input takes."""
    together = b""
    for message in messages():
        if message[0] != version:
            continue
        yield message
        if len(together) + len(message) >= MOST_BYTES:
            yield together
            together = b""
        together += message
    yield together


def of_decoder():
    return [stream for version in VERSIONS for stream in streams(version)]


def of_session():
    """Behind a byte that says the version and how large the pieces are in which the rest comes."""
    return [bytes([0xF0 | version - 1]) + stream for version in VERSIONS for stream in streams(version)]


TARGETS = {"openflow_fuzz": of_decoder, "session_fuzz": of_session, "openflow_agent_fuzz": of_session}


def write(target, folder):
    """The seeds of a target into a folder; their number, 0 if it has none."""
    seeds = TARGETS[target]() if target in TARGETS else []
    for number, seed in enumerate(seeds):
        with open(os.path.join(folder, f"seed-{number:04}"), "wb") as file:
            file.write(seed)
    return len(seeds)
