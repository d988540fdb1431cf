"""The control socket beside the installed ovs-vswitchd's: every command that list-commands shows there, without arguments, with
too many, and with wrong ones, is answered the same; what Sluice does not have is listed here, and in docs/ovs-vswitchd.md."""

import shutil
import tempfile

import pytest

from compare import difference, run
from database import DatabaseHost
from net import ROOT

# Commands that Sluice lacks, by family: what they are about is not there.
ABSENT = {
    "autoattach/": "802.1AB Auto Attach", "bfd/": "BFD", "cfm/": "CFM",
    "fdb/stats-clear": "no counters of learning",
    "dpctl/add-": "datapaths come from the database, megaflows from translation", "dpctl/mod-": "as dpctl/add-",
    "dpctl/del-dp": "as dpctl/add-", "dpctl/del-if": "as dpctl/add-", "dpctl/set-if": "as dpctl/add-",
    "dpctl/del-flow": "as dpctl/add-", "dpctl/get-flow": "dump-flows has a filter",
    "dpctl/cache-": "no such caches", "dpctl/offload-stats-show": "no offload",
    "dpctl/normalize-actions": "tests of Open vSwitch itself", "dpctl/parse-actions": "tests of Open vSwitch itself",
    "dpif-netdev/": "implementations to choose from", "odp-execute/": "implementations to choose from",
    "dpif-netlink/": "the kernel's datapath",
    "ofproto/list-tunnels": "tunnels", "ovs/route/": "tunnels", "tnl/": "tunnels",
    "ofproto/trace-packet-out": "not yet",
    "upcall/": "no handlers and flow limits to set",
}

# Arguments that are wrong or that every command takes, tried with each command.
WRONG = [[], ["bogus"], ["br0"], ["bogus", "bogus"], ["br0", "bogus"], ["netdev@ovs-netdev"],
         ["netdev@ovs-netdev", "bogus"], ["bogus", "bogus", "bogus"], ["--bogus"], ["1", "2", "3", "4", "5", "6", "7", "8"]]

# Sluice takes more: docs/differences.md.
LONGER = {"dpctl/ct-del-limits", "dpctl/flush-conntrack", "dpctl/ipf-get-status"}

# Answers that differ on purpose, or that say what differs from process to process.
DIFFERENT = {
    "exit": "ends the process", "bridge/dump-flows": "no hidden flows of table 254",
    "list-commands": "compared by itself", "dpctl/list-commands": "lists what there is",
    "version": "names the program",
    "memory/show": "counts what the program is made of", "coverage/show": "as above", "vlog/list": "lists modules",
    "vlog/list-pattern": "syslog's pattern depends on OVS_SYSLOG_METHOD there", "vlog/set": "any module is accepted", "vlog/enable-rate-limit": "as above", "vlog/disable-rate-limit": "as above",
    "upcall/show": "limits and threads differ",
    "dpif-netdev/pmd-stats-show": "the counters' names are the same, the caches are not",
    "dpif-netdev/pmd-rxq-show": "shows what the main thread receives from, too", "dpctl/del-flows": "no files of megaflows",
    "ofproto/trace": "tests/differential/test_trace.py compares it, errors name the place",
    "dpif/set-dp-features": "features stay", "dpif/show-dp-features": "features differ",
    "bond/hash": "a hash of our own", "qos/show-types": "none for internal ports",
    "fdb/stats-show": "no counters of learning yet",
}


def make_host(installed):
    host = DatabaseHost(tempfile.mkdtemp(prefix="sluice-control-"), installed=installed)
    host.start_server()
    host.start_switch()
    host.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure")
    return host


@pytest.fixture(name="hosts", scope="module")
def both_hosts():
    made = []
    try:
        for installed in (True, False):
            made.append(make_host(installed))
        yield made
    finally:
        for host in made:
            host.close()
            shutil.rmtree(host.dir, ignore_errors=True)


def commands_of(host):
    return {line.split()[0]: " ".join(line.split()[1:]) for line in host.appctl("list-commands").splitlines()[1:]}


def is_absent(name):
    return any(name.startswith(prefix) for prefix in ABSENT)


def test_nothing_is_missing_that_is_not_listed(hosts):
    theirs, ours = (commands_of(host) for host in hosts)
    missing = {name for name in theirs if name not in ours}
    assert not {name for name in missing if not is_absent(name)}
    documented = open(f"{ROOT}/docs/ovs-vswitchd.md", encoding="utf-8").read()
    assert not {name for name in missing if name.split("/")[0] + "/" not in documented}


def test_right_and_wrong_arguments_are_answered_the_same(hosts):
    theirs, ours = (commands_of(host) for host in hosts)
    both = [name for name in theirs if name in ours and name not in DIFFERENT.keys() | LONGER]
    assert len(both) > 30
    differences = []
    for name in both:
        for words in WRONG:
            if words and words[0].startswith("-"):  # an option must not be taken for one of ovs-appctl's
                words = ["--", *words]
            command = ["ovs-appctl", name, *words]
            answers = [run(host, command) for host in hosts]
            if hosts[0].switch.poll() is not None:  # the installed one aborted
                hosts[0].start_switch()
                continue
            # A datapath that does not exist is refused, whatever else is said: the other may act on the one that does.
            if "datapath not found" in answers[1] and words and words[0] != "netdev@ovs-netdev":
                continue
            differences.append(difference(command, *answers))
    found = [text for text in differences if text]
    assert not found, f"{len(found)} of {len(differences)} calls\n" + "\n".join(found)


def test_a_number_of_arguments_is_checked_alike(hosts):
    """Also of commands whose answers differ."""
    theirs, ours = (commands_of(host) for host in hosts)
    both = [name for name in theirs if name in ours and name not in LONGER | {"exit"}]
    many = [str(n) for n in range(12)]
    found = []
    for name in both:
        answers = [run(host, ["ovs-appctl", name, *many]) for host in hosts]
        if "takes at most" in answers[0]:
            found.append(difference([name, "..."], *answers))
    assert not any(found), "\n".join(text for text in found if text)
