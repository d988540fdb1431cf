#!/usr/bin/env python3
"""Checks every #include "module/…" under src/ against the layers of cmake/layers.cmake, and that third-party headers
stay in the modules that may name them. Prints one line a violation; exit status 1 if there is one."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = re.compile(r"_(test|bench|fuzz|fixture)\.(cc|h)$")

# Header prefix -> folders below src/ that may include it.
THIRD_PARTY = {
    "rte_": ["port/dpdk"],
    "xdp/": ["port/af_xdp"],
    "bpf/": ["port/af_xdp"],
    "pcap": ["port/pcap"],
    "nlohmann/": ["jsonrpc", "ovsdb", "unixctl", "ofproto", "daemon", "cli"],
    "toml++/": ["bridge"],
    "asio": ["io"],
    "openssl/": ["io"],
    "CLI/": ["cli", "daemon"],
    "urcu": ["base"],
}
# Only the worker loop, the I/O layer and what is above may name a real clock.
CLOCK = re.compile(r"\b(clock_gettime|gettimeofday|steady_clock|system_clock|high_resolution_clock|time\(nullptr\))")
CLOCK_MODULES = {"io", "jsonrpc", "unixctl", "daemon", "cli", "datapath"}


def read_layers():
    direct = {}
    for line in open(f"{ROOT}/cmake/layers.cmake", encoding="utf-8"):
        match = re.match(r"set\(SLUICE_LAYERS_(\w+) (.*)\)", line)
        if match:
            direct[match[1]] = [w for w in match[2].replace('"', "").split() if w]
    closed = {}

    def close(module):
        if module not in closed:
            closed[module] = {module}
            for below in direct[module]:
                closed[module] |= close(below)
        return closed[module]

    for module in direct:
        close(module)
    return closed


def main():
    layers = read_layers()
    bad = []
    for folder, _, files in os.walk(f"{ROOT}/src"):
        for name in files:
            if not name.endswith((".h", ".cc")):
                continue
            path = os.path.join(folder, name)
            inside = os.path.relpath(path, f"{ROOT}/src")
            module = inside.split("/")[0]
            if module not in layers:
                bad.append(f"src/{inside}: the folder {module} is not in cmake/layers.cmake")
                continue
            for number, line in enumerate(open(path, encoding="utf-8"), 1):
                quoted = re.match(r'\s*#\s*include "([^"]+)"', line)
                if quoted:
                    target = quoted[1].split("/")[0]
                    if target == "tests" and TESTS.search(name):
                        continue
                    if target not in layers:
                        bad.append(f"src/{inside}:{number}: \"{quoted[1]}\" names no module")
                    elif target not in layers[module]:
                        bad.append(f"src/{inside}:{number}: {module} may not include {target}")
                    elif target == "conntrack" and module in ("dp_action", "cache", "action", "pipeline", "openflow") \
                            and quoted[1] != "conntrack/request.h":
                        bad.append(f"src/{inside}:{number}: {module} may include only conntrack/request.h")
                angled = re.match(r"\s*#\s*include <([^>]+)>", line)
                if angled:
                    for prefix, homes in THIRD_PARTY.items():
                        if angled[1].startswith(prefix) and not any(inside.startswith(h + "/") for h in homes):
                            bad.append(f"src/{inside}:{number}: <{angled[1]}> belongs in {', '.join(homes)}")
                if not TESTS.search(name) and module not in CLOCK_MODULES and CLOCK.search(line):
                    bad.append(f"src/{inside}:{number}: {module} may not name a clock")
    print("\n".join(bad) if bad else "layers: ok")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
