"""ovs-ofctl and `sluice` under that name, ovs-vswitchd and sluiced: each of the two clients runs the same commands, one after the
other, against a switch of its own of each kind. Standard output, standard error and exit status are compared with those of
ovs-ofctl at ovs-vswitchd; what a command changed shows in the dumps that follow it."""

import os
import re
import shlex
import subprocess
import time

import pytest

from daemon import BUILD, Sluice
from ovs import Ovs

VERSIONS = ["OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"]
ARP = "ffffffffffff00000000000108060001080006040001000000000001c0a80001000000000000c0a80002"

FILES = {
    "mixed.flows": "in_port=1,actions=1\n# a comment\n\ndelete in_port=2\nmodify in_port=1,actions=2 # behind\n"
                   "  add table=2,priority=5,ip,actions=output:1\nmodify_strict in_port=1,actions=drop\n",
    "good.flows": "in_port=1,actions=1\nin_port=3,actions=5\nin_port=1,actions=3\npriority=7,tcp,tp_dst=80,actions=1,2\n",
    "other.flows": "cookie=0x5,in_port=1,idle_timeout=9,actions=1\nin_port=4,actions=drop\n"
                   "table=1,priority=7,udp,actions=2\n",
    "registers.flows": "in_port=1,actions=1\nreg0=5,actions=2\ntable=3,reg0=0x10/0xf0,actions=load:5->NXM_NX_REG1[],resubmit(,4)\n",
    "wrong.flows": "in_port=1,actions=1\n\nin_port=1,actions=zoo\n",
    "refused.flows": "in_port=1,actions=1\nin_port=2,actions=group:98\nin_port=3,actions=group:99\n",
    "groups": "group_id=1,type=all,bucket=1\nadd group_id=3,type=all,bucket=1\ndelete group_id=1\n",
    "wrong.groups": "group_id=1,type=all,bucket=1\nin_port=1,actions=2\n",
    "bundle": f"flow in_port=1,actions=1\ngroup group_id=11,type=all,bucket=1\nflow delete in_port=2\n\n"
              f"flow add in_port=3,actions=group:11\npacket-out in_port=1 packet={ARP} actions=2\n"
              "group delete group_id=12\n",
    "wrong.bundle": "flow in_port=1,actions=1\nzoo\n",
    "meter.bundle": "meter add meter=1,kbps,band=type=drop,rate=1\n",
    "refused.bundle": "flow in_port=1,actions=1\nflow in_port=2,actions=group:77\n",
}

# What only looks, with something to see.
SETUP = """
add-flow br0 in_port=1,actions=output:2
add-flow br0 priority=5,ip,nw_src=10.0.0.0/8,actions=output:1,output:2
add-flow br0 cookie=0x1234,idle_timeout=60,hard_timeout=90,priority=9,tcp,tp_dst=80,actions=NORMAL
add-flow br0 send_flow_rem,priority=9,arp,actions=LOCAL
add-group br0 group_id=1,type=all,bucket=output:1,bucket=output:2
add-group br0 group_id=2,type=select,bucket=weight:5,output:1,bucket=weight:6,output:2
add-flow br0 in_port=2,actions=group:1
"""
LOOKS = """
show br0
dump-desc br0
dump-tables br0
dump-table-features br0
dump-table-desc br0
get-frags br0
dump-ports br0
dump-ports br0 1
dump-ports br0 p2
dump-ports br0 LOCAL
dump-ports br0 p9
dump-ports br0 77
dump-ports-desc br0
dump-ports-desc br0 1
dump-ports-desc br0 p1
dump-flows br0
dump-flows br0 in_port=1
dump-flows br0 ip
dump-flows br0 table=0,tcp
dump-flows br0 cookie=0x1234/-1
dump-flows br0 out_port=2
dump-flows br0 out_group=1
dump-flows br0 cookie=1
dump-flows br0 priority=1
dump-flows br0 in_port=1,actions=1
dump-flows br0 foo=1
dump-flows br0 foo
--names dump-flows br0
--names dump-flows br0 in_port=p1
--no-names dump-flows br0
--no-names dump-flows br0 in_port=p1
--no-stats dump-flows br0
-m dump-flows br0
--sort dump-flows br0
--rsort dump-flows br0
--rsort=in_port dump-flows br0
--sort=nw_src --rsort=priority dump-flows br0
--sort=foo dump-flows br0
dump-aggregate br0
dump-aggregate br0 ip
queue-stats br0
queue-stats br0 1
queue-stats br0 1 2
queue-stats br0 all all
queue-stats br0 foo
queue-get-config br0
queue-get-config br0 1
--names queue-get-config br0 p1
dump-groups br0
dump-groups br0 1
dump-groups br0 group_id=1
--names dump-groups br0
dump-group-stats br0
dump-group-stats br0 group_id=1
dump-group-stats br0 1
dump-group-features br0
dump-meters br0
dump-meters br0 meter=5
meter-stats br0
meter-features br0
dump-tlv-map br0
dump-ipfix-bridge br0
dump-ipfix-flow br0
probe br0
"""
CHANGES = """
add-flow br0 in_port=1,actions=output:2
add-flow br0 table=1,in_port=p1,actions=output:p2
add-flow br0 table=1,reg0=1,in_port=2,actions=output:p2
add-flow br0 actions=group:77
add-flow br0 actions=bla
add-flow br0 priority=3,actions=write_actions(output:1)
add-flow br0 check_overlap,ip,actions=1
--no-names add-flow br0 in_port=1,actions=2
--no-names add-flow br0 in_port=p1,actions=2
dump-flows br0
add-flow br0 cookie=0x77,table=5,in_port=6,actions=1
mod-flows br0 table=5,in_port=6,actions=2
dump-flows br0 table=5
mod-flows br0 table=5,cookie=0x77/-1,actions=3
dump-flows br0 table=5
mod-flows br0 in_port=1,actions=3
--strict mod-flows br0 priority=3,actions=3
dump-flows br0
--strict del-flows br0 priority=3
del-flows br0 in_port=1
del-flows br0 priority=3
del-flows br0 cookie=1
dump-flows br0
del-flows br0
add-flows br0 mixed.flows
dump-flows br0
add-flows br0 registers.flows
dump-flows br0
add-flows br0 wrong.flows
add-flows br0 nofile
add-flows br0 refused.flows
dump-flows br0
del-flows br0
replace-flows br0 good.flows
dump-flows br0
replace-flows br0 good.flows
replace-flows br0 other.flows
dump-flows br0
replace-flows br0 wrong.flows
--readd replace-flows br0 good.flows
diff-flows br0 good.flows
diff-flows br0 other.flows
diff-flows good.flows other.flows
--names diff-flows br0 other.flows
diff-flows br0 br0
diff-flows ./nofile br0
del-flows br0
add-group br0 group_id=1,type=all,bucket=1
add-group br0 group_id=1,type=all,bucket=1
mod-group br0 group_id=1,type=select,bucket=1,bucket=2
mod-group br0 group_id=9,type=all,bucket=1
--may-create mod-group br0 group_id=9,type=all,bucket=p1
insert-buckets br0 group_id=9,command_bucket_id=last,bucket=bucket_id:7,actions=2
dump-groups br0
remove-buckets br0 group_id=9,command_bucket_id=7
dump-groups br0
add-groups br0 groups
add-groups br0 wrong.groups
dump-groups br0
del-groups br0 group_id=3
del-groups br0 foo
del-groups br0
add-meter br0 meter=1,pktps,band=type=drop,rate=10
mod-meter br0 meter=1,kbps,burst,stats,band=type=drop,rate=20,burst_size=5
dump-meters br0
dump-meter br0 meter=1
meter-stats br0
meter-stats br0 meter=1
add-meter br0 meter=1,pktps,band=type=drop,rate=10
del-meter br0 meter=1
del-meters br0
dump-meters br0
bundle br0 bundle
dump-flows br0
dump-groups br0
bundle br0 wrong.bundle
bundle br0 meter.bundle
bundle br0 refused.bundle
del-flows br0
del-groups br0
--bundle add-flows br0 mixed.flows
--bundle add-flows br0 refused.flows
--bundle --bundle add-flow br0 in_port=1,actions=2
--bundle mod-flows br0 in_port=1,actions=3
--bundle add-groups br0 groups
--bundle replace-flows br0 good.flows
dump-flows br0
--bundle del-flows br0
--bundle del-groups br0
dump-flows br0
packet-out br0 1 2 ARP
packet-out br0 p1 LOCAL ARP ARP
packet-out br0 "in_port=1 packet=ARP actions=2"
packet-out br0 "in_port=1,packet=ARP,reg0=1,actions=output:2"
packet-out br0 "packet=ARP actions=2"
packet-out br0 "in_port=1 actions=2"
packet-out br0 "in_port=1 packet=zz actions=2"
packet-out br0 "in_port=1 packet=00 actions=2"
packet-out br0 "in_port=1 packet=ARP foo=2 actions=2"
packet-out br0 bla 2 ARP
packet-out br0 1 bla ARP
packet-out br0 1 2 zz
packet-out br0 1 2
dump-ports br0
mod-port br0 1 down
dump-ports-desc br0
mod-port br0 p1 up
mod-port br0 p1 no-flood
mod-port br0 p1 no-forward
dump-ports-desc br0
mod-port br0 p1 forward
mod-port br0 p1 flood
mod-port br0 p1 foo
mod-port br0 pp up
mod-table br0 1 drop
mod-table br0 1 continue
mod-table br0 1 evict
mod-table br0 1 vacancy:20,80
mod-table br0 1 novacancy
mod-table br0 1 noevict
mod-table br0 1 controller
mod-table br0 1 name:first
add-flow br0 table=first,actions=2
--names dump-flows br0
mod-table br0 first name:
mod-table br0 1 blah
mod-table br0 1 vacancy:80,20
mod-table br0 1 vacancy:80
mod-table br0 999 evict
mod-table br0 nosuch drop
set-frags br0 nx-match
get-frags br0
set-frags br0 bla
set-frags br0 normal
add-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1"
add-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0"
dump-tlv-map br0
del-tlv-map br0 "{class=0xffff,type=0,len=4}->tun_metadata0"
dump-tlv-map br0
del-tlv-map br0
add-tlv-map br0 "{class=0xffff,type=0,len=4}"
ct-flush-zone br0 5
ct-flush-zone br0 x
ct-flush br0
ct-flush br0 zone=5
ct-flush br0 zone=5 ct_nw_src=10.0.0.1,ct_nw_proto=6
ct-flush br0 "" ct_nw_src=10.0.0.1,ct_nw_proto=6
ct-flush br0 zone=5 ct_ipv6_src=fc00::1,ct_nw_proto=58,icmp_type=1 ct_ipv6_dst=fc00::2
ct-flush br0 bla
ct-flush br0 zone=x
ct-flush br0 foo=1
ct-flush br0 ct_nw_src=x
ct-flush br0 ct_nw_src=1.1.1.1,ct_ipv6_src=fc00::1
ct-flush br0 ct_nw_src=1.1.1.1,icmp_type=1
ct-flush br0 ct_nw_src=1.1.1.1,ct_tp_src=5
del-flows br0
"""
# What depends on no version: options, usage, addresses, texts that are refused.
ONCE = """
-F OpenFlow10 add-flow br0 reg1=1,actions=1
-F NXM+table_id add-flow br0 actions=1
-F OXM-OpenFlow12 add-flow br0 actions=1
-F foo add-flow br0 actions=1
-F NXM dump-flows br0
-F NXM+table_id dump-flows br0
-F OpenFlow10 dump-flows br0
-O OpenFlow13 -F OXM-OpenFlow13 dump-flows br0
-O OpenFlow10,OpenFlow13 show br0
-O OpenFlow16 show br0
-O 1.3 get-frags br0
-O OpenFlow12 --bundle add-flow br0 actions=1
del-flows br0
get-frags br3
-O OpenFlow12,OpenFlow14 get-frags br3
-O OpenFlow12,OpenFlow13 get-frags br3
--foo show br0
show
show br0 br1
foo br0
add-flow
add-flow br0
add-flow br0 a b c
packet-out br0
--read-only add-flow br0 actions=1
--read-only get-frags br0
--sort=in_port,nw_src dump-flows br0
-P foo get-frags br0
-P nxm get-frags br0
-t 10 get-frags br0
-t x get-frags br0
--color=foo dump-flows br0
get-frags br0 -O OpenFlow13
get-frags nosuch
get-frags unix:/nonexistent
get-frags tcp:127.0.0.1:1
get-frags bla:foo
get-frags dummy@br0
get-frags RUNDIR/br0.mgmt
get-frags unix:RUNDIR/br0.mgmt
get-frags ./nosuch.mgmt
get-frags /dev/null
probe nosuch
ping br0 70000
snoop nosuch
monitor br0 x
monitor
monitor br0 watch:foo
monitor br0 watch:foo=1
benchmark br0 10 5
ping br0
ping br0 10
"""
REFUSED = """
table=300,actions=1
table=x,actions=1
priority=70000,actions=1
priority=,actions=1
ct_state=+foo,actions=1
actions=output
actions=output:foo
tcp,tp_src=100000,actions=1
dl_src=zz,actions=1
nw_src=1.2.3,ip,actions=1
in_port=99999,actions=1
reg0=zz,actions=1
foo=1,actions=1
foo,actions=1
actions=set_field:1->foo
actions=load:1->NXM_FOO
actions=ct(commit,table=0)
table=5,actions=goto_table:3
actions=ct(foo=1)
cookie=1/1,actions=1
out_port=5,actions=1
in_port=1
actions=meter:77
add in_port=2,actions=3
actions=learn(in_port=1,tcp_src=5)
importance=4,actions=1
nw_src=1.2.3.4,actions=1
"""
REFUSED_GROUPS = """
group_id=1,type=foo
group_id=1
type=all
group_id=foo,type=all
group_id=5,type=indirect,bucket=1,bucket=2
group_id=5,type=all,bucket=zoo
"""
REFUSED_METERS = """
meter=0,kbps,band=type=drop,rate=1
meter=5,band=type=drop,rate=1
meter=5,kbps,band=type=foo,rate=1
meter=5,kbps
kbps,band=type=drop,rate=1
foo
"""

MASKS = [
    (re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z", re.M), "TIME"),
    (re.compile(r"duration=[0-9.]+s"), "duration=N"),
    (re.compile(r"duration:[0-9.]+s"), "duration:N"),
    (re.compile(r"(idle|hard)_age=\d+, "), ""),
    (re.compile(r"time=[0-9.]+ ms"), "time=N"),
    # Fields of tunnels and of NSH that Sluice does not have.
    (re.compile(r",(erspan_|gtpu_)\{[^}]*\}|,metadata0\.\.\.metadata63| nsh_\{[^}]*\}"), ""),
    # What is logged beside the error.
    (re.compile(r"^TIME\|\d+\|(ofp_table|ofp_port|meta_flow)\|WARN\|.*\n", re.M), ""),
    (re.compile(r"Finished in .*"), "Finished"),
    # Whether the peer has closed before it hears that no version is common.
    (re.compile(r"\((Broken pipe|Protocol error|Connection reset by peer)\)"), "(broken)"),
]
# What differs between the switches on purpose, or because they are not the same machine (docs/differences.md).
SWITCH_MASKS = [
    (re.compile(r"addr:[0-9a-f:]{17}|dpid:[0-9a-f]{16}|Software: .*"), "OWN"),
    (re.compile(r"drop=\?, errs=\?"), "drop=0, errs=0"),
    (re.compile(r" +CUSTOM Statistics\n( +[rt]x_\w+=.*\n)+"), ""),
    # Dummy ports of Open vSwitch have a queue 0.
    (re.compile(r"^(  port \S+ queue 0: bytes=|queue 0:).*\n| port=(p?1|p?2|ANY)$|^port=(2|LOCAL)\n", re.M), ""),
    (re.compile(r"\d queues$", re.M), "queues"),
    (re.compile(r"max_groups=0x\w+|max_meter:\d+ max_bands:\d+|band_types: .*|(eviction|vacancy events): .*"), "ABILITY"),
    # An error carries the first 64 bytes of the request, or all of it.
    (re.compile(r"(OFPT_ERROR .*\n\w+ )(.*\n)*"), r"\1"),
]


def masked(answer, patterns):
    def mask(text):
        for pattern, replacement in patterns:
            text = pattern.sub(replacement, text)
        return text

    status, *parts = answer
    return status, *(mask(part) for part in parts)


def lines(text):
    return [line for line in text.splitlines() if line.strip()]


NAMED = re.compile(r"p1|p2|LOCAL|names|first|nosuch|bla|diff-flows")


class Client:
    """One of the two programs with a switch and a folder of its own."""

    def __init__(self, program, switch, folder):
        self.program, self.switch, self.folder = program, switch, folder
        self.folder.mkdir()
        for file, text in FILES.items():
            (self.folder / file).write_text(text)

    def start(self, words):
        return subprocess.Popen([self.program, *words], cwd=self.folder, env={**self.switch.env, "TZ": "UTC"},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        out, err = process.communicate(timeout=60)
        return masked((process.returncode, *(text.replace(self.switch.dir, "RUNDIR") for text in (out, err))), MASKS)

    def prepare(self, *words):
        """The real ovs-ofctl, to set up what commands are to find."""
        subprocess.run(["ovs-ofctl", "-O", "OpenFlow15", *words], env=self.switch.env, check=True, capture_output=True, timeout=60)


# Commands of a monitor's control socket; each answer is compared, and at the end all that was printed.
RUNTIME = """
version x
exit x
ofctl/barrier
ofctl/barrier x
ofctl/send 0102000800000005
ofctl/send 0108000800000005
ofctl/send "01 02 00 0c 00 00 00 06 aa bb cc dd" 0102000800000007
ofctl/send 0002000800000005
ofctl/send 01
ofctl/send zz
ofctl/send 0102000800000005 zz
ofctl/send 0102000800000005 0102
ofctl/send 010d001e00000005ffffffffffff0000
ofctl/send 010d002400000005ffffffff00010000ffffffffffff000000000001123400112233
ofctl/send
ofctl/barrier
ofctl/packet-out in_port=1,packet=ARP,actions=controller
ofctl/barrier
ofctl/packet-out "in_port=p1 packet=ARP actions=output:p2"
ofctl/packet-out "in_port=1,reg0=1,packet=ARP actions=output:2"
ofctl/packet-out "in_port=1 packet=ff actions=2"
ofctl/packet-out "in_port=1 packet=ARP actions=bogus"
ofctl/packet-out foo
ofctl/packet-out
ofctl/packet-out a b
ofctl/barrier
ofctl/block
ofctl/block
ofctl/send 0102000800000009
ofctl/unblock
ofctl/unblock
ofctl/barrier
ofctl/set-output-file
ofctl/set-output-file /nonexistent/file
ofctl/set-output-file RUNDIR/second
ofctl/send 010200080000000a
ofctl/barrier
nosuch
exit
"""


def vswitchd():
    switch = Ovs()
    switch.add_bridge("br0", 2)
    every = ",".join(VERSIONS)
    switch.vsctl("set", "bridge", "br0", f"protocols={every}", "other_config:datapath-id=00000000deadbeef",
                 "other_config:hwaddr=aa:55:aa:00:00:01")
    switch.vsctl("add-br", "br3", "--", "set", "bridge", "br3", "datapath_type=dummy", "protocols=OpenFlow13")
    return switch


def sluiced():
    switch = Sluice(2)
    switch.env["OVS_RUNDIR"] = switch.dir
    return switch


class Pairs:
    """The four; the first is whom the others are compared with."""

    def __init__(self, tmp_path):
        link = tmp_path / "ovs-ofctl"
        link.symlink_to(f"{BUILD}/sluice")
        self.clients = []
        for kind, make in (("ovs-vswitchd", vswitchd), ("sluiced", sluiced)):
            for name, program in (("ovs-ofctl", "ovs-ofctl"), ("sluice", str(link))):
                self.clients.append(Client(program, make(), tmp_path / f"{name} at {kind}"))
        self.checked = 0

    def run(self, clients, *words):
        """The answers of each, in order."""
        processes = [c.start([w.replace("RUNDIR", c.switch.dir) for w in words]) for c in clients]
        return [c.finish(p) for c, p in zip(clients, processes)]

    def compare(self, text, *options, unordered=(), clients=None):
        """Runs each line of the text and gives the differences. `unordered` are words of commands whose lines have no order."""
        differences = []
        clients = clients or self.clients
        for line in lines(text):
            words = [word.replace("ARP", ARP) for word in shlex.split(line)]
            # Names cost a description of all tables each time, the more the later the version.
            named = bool(NAMED.search(line)) or "--no-names" not in options
            answers = self.run(clients, *(o for o in options if o != "--no-names" or not named), *words)
            self.checked += 1
            for client, answer in zip(clients[1:], answers[1:]):
                expected = answers[0]
                if isinstance(client.switch, Sluice):
                    expected, answer = masked(expected, SWITCH_MASKS), masked(answer, SWITCH_MASKS)
                if any(word in words for word in unordered):
                    (status, *parts), (ours, *our_parts) = expected, answer
                    expected = (status, *(sorted(part.splitlines()) for part in parts))
                    answer = (ours, *(sorted(part.splitlines()) for part in our_parts))
                if expected != answer:
                    differences.append(f"--- {client.folder.name}: {' '.join([*options, line])}\nexpected: {expected}\n"
                                       f"     got: {answer}")
        return differences

    def close(self):
        for client in self.clients:
            client.switch.close()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    four = Pairs(tmp_path_factory.mktemp("ofctl"))
    yield four
    four.close()


def assert_none(differences):
    assert not differences, f"{len(differences)} answers differ\n" + "\n".join(differences)


@pytest.fixture
def clean(pairs):
    """Switches without flows, groups and meters."""
    for client in pairs.clients:
        for verb in ("del-flows", "del-groups", "del-meters"):
            client.prepare(verb, "br0")
    return pairs


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_switch_tells(clean, version):
    for client in clean.clients:
        for line in lines(SETUP):
            client.prepare(*shlex.split(line))
    assert_none(clean.compare(LOOKS, "-O", version, unordered=("dump-groups", "dump-group-stats", "dump-flows", "dump-ports")))


@pytest.mark.parametrize("version", VERSIONS)
def test_changes(clean, version):
    options = ["-O", version] + (["--no-names"] if version in ("OpenFlow14", "OpenFlow15") else [])
    # The order in which differences, groups, ports and flows of equal tables are told is no promise.
    assert_none(clean.compare(CHANGES, *options, unordered=("diff-flows", "dump-flows", "dump-groups", "dump-ports")))


def test_options_addresses_and_usage(clean):
    """Of the programs, so at one kind of switch."""
    assert_none(clean.compare(ONCE, clients=clean.clients[:2]))


def runtime(client, options):
    """What a monitor in the background answers to the commands, and what it prints."""
    folder = client.switch.dir
    control = f"{folder}/monitor.ctl"
    with open(f"{folder}/monitor.out", "wb") as out:
        started = subprocess.run([client.program, *options, "monitor", "br0", "65534", "--detach", "--no-chdir", "--pidfile",
                                  "--unixctl=monitor.ctl"], cwd=client.folder, env=client.switch.env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, timeout=60, check=False)
    assert started.returncode == 0, open(out.name, encoding="utf-8").read()
    assert os.path.exists(f"{folder}/ovs-ofctl.pid")
    answers = []
    blocked = False
    for line in lines(RUNTIME):
        words = shlex.split(line.replace("ARP", ARP).replace("RUNDIR", folder))
        done = appctl(client, control, *words)
        answers.append((line, done.returncode, done.stdout, done.stderr.replace(folder, "RUNDIR")))
        # What is sent is answered before the next is.
        blocked = line == "ofctl/block" or blocked and line != "ofctl/unblock"
        if not blocked and words[0] in ("ofctl/send", "ofctl/packet-out"):
            assert appctl(client, control, "ofctl/barrier").returncode == 0
    wait_until_gone(control)
    assert not os.path.exists(f"{folder}/ovs-ofctl.pid")
    own_xids = re.compile(r"(OFPT_BARRIER_REPLY|OFPT_PACKET_OUT)(.*) \(xid=0x\w+\)")
    printed = [own_xids.sub(r"\1\2", open(f"{folder}/{name}", encoding="utf-8").read()) for name in ("monitor.out", "second")]
    return answers, printed


def appctl(client, control, *words):
    return subprocess.run(["ovs-appctl", "-t", control, *words], env=client.switch.env, capture_output=True, text=True,
                          timeout=60, check=False)


def wait_until_gone(path):
    end = time.monotonic() + 20
    while os.path.exists(path):
        assert time.monotonic() < end, path
        time.sleep(0.01)


@pytest.mark.parametrize("options", [[], ["-O", "OpenFlow15"], ["-O", "OpenFlow13", "-P", "standard", "-m"]], ids=" ".join)
def test_monitors_obey_their_control_socket(clean, options):
    told = [runtime(client, options) for client in clean.clients]
    for client, (answers, printed) in zip(clean.clients[1:], told[1:]):
        for expected, answer in zip(told[0][0], answers):
            assert answer == expected, client.folder.name
        assert printed == told[0][1], client.folder.name


def test_monitors_in_the_foreground_and_their_ends(clean):
    """Messages go to standard error; a monitor ends with the connection, by a signal, or before it begins."""
    for client in clean.clients:
        folder = client.switch.dir
        process = client.start(["monitor", "br0", "65534", f"--unixctl={folder}/fore.ctl", "watch:"])
        end = time.monotonic() + 20
        while appctl(client, f"{folder}/fore.ctl", "ofctl/barrier").returncode != 0:
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        client.prepare("add-flow", "br0", "in_port=1,actions=2")
        assert appctl(client, f"{folder}/fore.ctl", "ofctl/barrier").returncode == 0
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert process.returncode == -15, client.folder.name
        assert out.startswith("NXST_FLOW_MONITOR reply"), (client.folder.name, out)
        assert "event=ADDED table=0 cookie=0 in_port=1 actions=output:2" in err, (client.folder.name, err)
        assert "fatal_signal|WARN|terminating with signal 15 (Terminated)" in err
        assert not os.path.exists(f"{folder}/fore.ctl"), client.folder.name
        client.prepare("del-flows", "br0")
    assert_none(clean.compare("""
monitor nosuch --detach --pidfile
dump-flows br0 --detach --pidfile --unixctl=none
""", clients=clean.clients[:2]))


@pytest.mark.parametrize("version", ["OpenFlow10", "OpenFlow14"])
def test_texts_that_are_refused(clean, version):
    differences = []
    for verb, texts in (("add-flow", REFUSED), ("add-group", REFUSED_GROUPS), ("add-meter", REFUSED_METERS)):
        text = "\n".join(f"{verb} br0 {shlex.quote(line)}" for line in lines(texts))
        differences += clean.compare(text, "-O", version)
    assert_none(differences)
