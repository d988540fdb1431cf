"""The same packet sequences through the trackers of Sluice, of the Linux kernel and of the installed ovs-vswitchd: state,
direction and mark of every packet agree, or a row of ct_difference.py (and docs/ct-differences.md) says why not. And
whatever others say: what well-behaved ends send is never invalid.

SLUICE_CT_SEQUENCES is the number of sequences (2000), SLUICE_CT_SEED where they come from (1).
"""

import contextlib
import os
import re
import shutil
import subprocess

import pytest

import ct_difference
import ct_device
import ct_sequence
from daemon import ROOT
from ovs import Ovs

COUNT = int(os.environ.get("SLUICE_CT_SEQUENCES", "2000"))
SEED = int(os.environ.get("SLUICE_CT_SEED", "1"))


class Traffic:
    """All sequences, their packets in the order of the wire, and what Sluice said of them."""

    def __init__(self, folder):
        self.folder = folder
        self.sequences = [ct_sequence.sequence(SEED, n) for n in range(COUNT)]
        self.order = ct_sequence.interleave(self.sequences, SEED)
        self.wire = [s.on_wire(i) for s, i in self.order]
        self.whole = [s.packets[i] for s, i in self.order]
        sluice = ct_device.Sluice(ct_device.PLAIN_FLOWS, folder)
        self.outcomes = sluice.exchange(self.wire)
        self.connections = sluice.connections()
        self.ours = self.by_sequence(self.outcomes)

    def by_sequence(self, outcomes):
        """A list of verdicts a sequence, in the order of its packets."""
        lists = {s.number: [] for s in self.sequences}
        for (sequence, _), (verdict, _) in zip(self.order, outcomes):
            lists[sequence.number].append(verdict)
        return lists

    def explain(self, theirs, rows):
        """Holds each verdict of another tracker against ours; fails on what no row explains."""
        theirs = self.by_sequence(theirs)
        explainer = ct_difference.Explainer(rows)
        for sequence in self.sequences:
            explainer.compare(sequence, theirs[sequence.number], self.ours[sequence.number])
        print(f"{len(self.sequences)} sequences, {explainer.packets} packets, {explainer.compared} compared; differences: "
              + ", ".join(f"{name} {count}" for name, count in sorted(explainer.counts.items())))
        assert not explainer.unexplained, f"{len(explainer.unexplained)} sequences differ:\n" + "\n".join(
            report(sequence, at, theirs[sequence.number], self.ours[sequence.number])
            for sequence, at, _, _ in explainer.unexplained[:5])
        assert explainer.compared > 0.7 * explainer.packets
        return explainer


def report(sequence, at, theirs, ours):
    lines = [f"sequence {sequence.number} of seed {SEED}: {sequence.kind}, rule {sequence.rule}"]
    for n in range(at + 1):
        lines.append(f"  {n:3} theirs {theirs[n]!s:12} ours {ours[n]!s:12} {sequence.notes[n]}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    made = Traffic(str(tmp_path_factory.mktemp("ct")))
    yield made
    print(ct_sequence.mix(made.sequences))


def test_what_well_behaved_ends_send_is_valid(traffic):
    checked, refused = 0, []
    for sequence in traffic.sequences:
        ours = traffic.ours[sequence.number]
        for at, fair in enumerate(sequence.fair):
            checked += fair
            if fair and (ours[at] is None or ours[at].startswith("inv")):
                refused.append(report(sequence, at, ours, ours))
                break
    assert not refused, f"{len(refused)} sequences:\n" + "\n".join(refused[:5])
    assert checked > len(traffic.wire) / 2


def tables_agree(traffic, agreed, theirs):
    """Asserts of the sequences without a difference: the same connections, with the same marks, answered or not. Both tables: {tuple: (mark, answered)}. The number of connections."""
    ours = {}
    for line in traffic.connections:
        tuple_of = re.search(r"orig=\(src=([^,]*),dst=([^,]*)(?:,sport=([1-9]\d*),dport=(\d+)|,id=(\d+))?",
                             line).groups("")
        mark = re.search(r",mark=(\d+)", line)
        ours[tuple_of] = (mark.group(1) if mark else "0", "SEEN_REPLY" in line)
    our_hosts, their_hosts = by_hosts(ours), by_hosts(theirs)
    checked = 0
    for sequence in agreed:
        hosts = frozenset(map(ct_sequence.text_of, sequence.hosts))
        if any(re.search("tcp [A-Z]*R", note) for note in sequence.notes):
            continue  # Linux forgets some connections at once that a reset ends
        assert our_hosts.get(hosts) == their_hosts.get(hosts), \
            f"sequence {sequence.number} of seed {SEED}: {sequence.kind}, rule {sequence.rule}"
        checked += len(our_hosts.get(hosts, ()))
    return checked


def by_hosts(table):
    """{hosts: {tuple: what}}"""
    grouped = {}
    for key, value in table.items():
        grouped.setdefault(frozenset(key[:2]), {})[key] = value
    return grouped


def kernel_can():
    """Why the kernel cannot be asked, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [program for program in ("nft", "conntrack", "unshare") if shutil.which(program) is None]
    if missing:
        return f"not installed: {' '.join(missing)}"
    done = subprocess.run(["unshare", "--net", "nft", "-f", "-"], text=True, capture_output=True, check=False,
                          input="table inet t { chain c { type filter hook forward priority 0; ct state new accept; }; }")
    return f"no nf_conntrack: {done.stderr.strip()}" if done.returncode != 0 else None


def test_linux_nf_conntrack(traffic):
    why_not = kernel_can()
    if why_not:
        pytest.skip(why_not)
    with contextlib.closing(ct_device.Kernel("", traffic.folder)) as kernel:
        explainer = traffic.explain(kernel.exchange(traffic.wire), ct_difference.KERNEL)
        lines = kernel.connections()
    table = {}
    for line in lines:
        tuple_of = re.search(r"src=(\S+) dst=(\S+)(?: sport=(\d+) dport=(\d+)| type=\d+ code=\d+ id=(\d+))?",
                             line).groups("")
        table[tuple_of] = (re.search(r"mark=(\d+)", line).group(1), "[UNREPLIED]" not in line)
    assert tables_agree(traffic, explainer.agreed, table) > COUNT / 3


def test_ovs_vswitchd(traffic):
    with Ovs() as ovs, contextlib.closing(ct_device.OpenVswitch(ct_device.PLAIN_FLOWS, ovs)) as switch:
        theirs = switch.exchange(traffic.wire)
    traffic.explain(theirs, ct_difference.OVS)


def test_every_row_has_its_reason():
    with open(f"{ROOT}/docs/ct-differences.md", encoding="utf-8") as file:
        text = file.read()
    linux, ovs = text.split("## Open vSwitch")
    for rows, part in ((ct_difference.KERNEL_NAT, linux), (ct_difference.OVS_NAT, ovs)):
        documented = set(re.findall(r"^\| `([a-z-]+)` \|", part, re.M))
        assert {row.name for row in [*rows, ct_difference.ASTRAY]} == documented
