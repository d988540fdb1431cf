"""OpenFlow messages that others encode: what the installed ovs-ofctl and ovs-vswitchd say to each other for generated commands,
heard through a proxy, and what os-ken's parsers serialize."""

import importlib
import os
import random
import re
import socket
import struct
import subprocess
import threading

ARP = "ffffffffffff00000000000108060001080006040001000000000001c0a80001000000000000c0a80002"

# Words of a match, with what they need in front.
MATCHES = """
dl_src=00:01:02:03:04:05
dl_dst=01:00:00:00:00:00/01:00:00:00:00:00
dl_type=0x1234
dl_vlan=5
dl_vlan=5,dl_vlan_pcp=3
vlan_tci=0
vlan_tci=0x1000/0x1000
ip,nw_src=10.0.0.0/8
ip,nw_dst=192.168.1.7
ip,nw_proto=47
ip,nw_tos=32
ip,nw_ecn=2
ip,nw_ttl=7
ip,ip_frag=later
ip,ip_frag=not_later
tcp,tp_src=80
tcp,tp_dst=0x1000/0xff00
tcp,tcp_flags=+syn-ack
udp,tp_dst=53
sctp,tp_src=5
icmp,icmp_type=8,icmp_code=0
arp,arp_spa=1.2.3.4,arp_op=1
arp,arp_tha=00:00:00:00:00:05
rarp,arp_op=3
ipv6,ipv6_src=fe80::/10
ipv6,ipv6_label=0x12345
tcp6,ipv6_dst=::1,tp_dst=443
udp6,tp_src=99
icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1
icmp6,icmp_type=136,icmp_code=0,nd_tll=00:00:00:00:00:01
mpls,mpls_label=3,mpls_bos=1
mplsm,mpls_tc=2
ct_state=+trk-new,ct_zone=7
ct_state=+trk,ip,ct_nw_src=1.2.3.4,ct_nw_proto=6
ct_state=+trk,ipv6,ct_ipv6_dst=fd00::9,ct_nw_proto=17,ct_tp_dst=53
packet_type=(1,0x800)
""".split("\n")[1:-1]
METADATA = """
in_port=3
reg0=5
reg7=0x10/0xf0
reg15=1
xreg3=0x123456789
xxreg1=0x5/0xff
metadata=0x1234567812345678
metadata=0x5/0xf
tun_id=0x55
tun_src=1.2.3.4
tun_dst=1.0.0.0/8
tun_ipv6_src=fd00::1
tun_gbp_id=5
tun_gbp_flags=0x8
tun_flags=+oam
pkt_mark=3
skb_priority=1
ct_state=+trk+est
ct_state=-trk
ct_mark=0x1/0x3
ct_label=0x123456789abcdef0123456789abcdef0
conj_id=5
recirc_id=0
dp_hash=0x5/0xff
""".split("\n")[1:-1]

ACTIONS = """
output:1
output:5
LOCAL
IN_PORT
FLOOD
ALL
NORMAL
CONTROLLER:128
CONTROLLER
controller(reason=no_match,max_len=100,id=7)
controller(userdata=01.02.03.04,pause)
controller(meter_id=3)
output:NXM_NX_REG0[0..15]
output(port=3,max_len=100)
enqueue:2:7
set_queue:5,output:1,pop_queue
mod_vlan_vid:7
mod_vlan_pcp:2
strip_vlan
push_vlan:0x8100
push_mpls:0x8847
pop_mpls:0x0800
dec_ttl
dec_ttl(1,2)
set_mpls_label:5
set_mpls_tc:3
set_mpls_ttl:4
dec_mpls_ttl
mod_dl_src:00:00:00:00:00:07
mod_dl_dst:00:00:00:00:00:08
mod_nw_src:1.2.3.4
mod_nw_dst:5.6.7.8
mod_tp_src:80
mod_tp_dst:81
mod_nw_tos:32
mod_nw_ecn:1
mod_nw_ttl:9
set_tunnel:5
set_tunnel64:0x123456789
resubmit:3
resubmit(,4)
resubmit(1,2)
resubmit(,2,ct)
move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]
move:NXM_NX_REG1[0..3]->NXM_NX_REG2[4..7]
load:5->NXM_NX_REG3[]
load:0x7->OXM_OF_METADATA[3..6]
set_field:5->reg0
set_field:0x10/0xf0->reg7
set_field:00:00:00:00:00:09->eth_src
set_field:1.2.3.4->ip_src
set_field:fe80::1->ipv6_dst
set_field:5->ct_mark
set_field:0x1234->metadata
set_field:7->tun_id
push:NXM_NX_REG0[]
pop:NXM_NX_REG1[0..7]
note:01.02.03.04.05
exit
multipath(eth_src,50,modulo_n,4,0,NXM_NX_REG0[])
multipath(symmetric_l4,7,hrw,16,3,NXM_NX_REG2[0..3])
bundle(eth_src,0,hrw,ofport,members:1,2,3)
bundle_load(symmetric_l3l4,60,active_backup,ofport,NXM_NX_REG0[0..15],members:1,2)
fin_timeout(idle_timeout=5,hard_timeout=10)
sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3)
sample(probability=5,collector_set_id=9,obs_domain_id=2,obs_point_id=3,sampling_port=1,ingress)
learn(table=1,in_port=99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15])
learn(table=2,idle_timeout=5,priority=7,cookie=0x9,send_flow_rem,delete_learned,limit=5,eth_type=0x800,output:NXM_OF_IN_PORT[])
conjunction(5,1/3)
clone(output:1,output:2)
ct(table=1)
ct(commit,zone=5,exec(set_field:7->ct_mark,set_field:0x5/0xf->ct_label))
ct(commit,force,nat(src=10.0.0.1-10.0.0.9:1000-2000,random))
ct(nat,zone=NXM_NX_REG0[0..15],table=3)
ct(commit,nat(dst=[fd00::1]:80,persistent),alg=ftp)
ct(commit,timeout=5)
ct_clear
check_pkt_larger(1500)->NXM_NX_REG0[0]
delete_field:tun_metadata0
group:1
drop
dec_nsh_ttl
encap(ethernet)
""".split("\n")[1:-1]
INSTRUCTIONS = ["write_metadata:0x5/0xff", "goto_table:9", "write_actions(output:1,group:1)", "clear_actions", "meter:1",
                "apply_actions(output:2),goto_table:4"]


class Proxy:
    """A unix socket that leads to another, and the messages that went either way."""

    def __init__(self, path, target):
        self.target, self.messages, self.lock = target, [], threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._relay, args=ends, daemon=True).start()

    def _relay(self, source, sink):
        buffer = b""
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                buffer += data
                while len(buffer) >= 8 and len(buffer) >= (length := struct.unpack_from("!H", buffer, 2)[0]):
                    with self.lock:
                        self.messages.append(buffer[:length])
                    buffer = buffer[length:]
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def take(self):
        with self.lock:
            taken, self.messages = self.messages, []
        return taken

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def flow(r):
    """A random flow in text."""
    words = [f"table={r.randint(0, 200)}"] if r.random() < 0.4 else []
    words += [f"priority={r.randint(0, 65535)}"] if r.random() < 0.6 else []
    words += [f"cookie=0x{r.getrandbits(64):x}"] if r.random() < 0.3 else []
    words += [f"{kind}_timeout={r.randint(1, 65535)}" for kind in ("idle", "hard") if r.random() < 0.2]
    words += [flag for flag in ("send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts") if r.random() < 0.1]
    words += r.sample(MATCHES, r.choice([0, 1, 1, 1])) + r.sample(METADATA, r.choice([0, 0, 1, 2]))
    actions = r.sample(ACTIONS, r.choice([1, 1, 2, 3]))
    if r.random() < 0.2:
        actions.append(r.choice(INSTRUCTIONS))
    return ",".join(words + ["actions=" + ",".join(actions)])


def group(r, number):
    kind = r.choice(["all", "select", "ff", "indirect"])
    buckets = []
    for n in range(1 if kind == "indirect" else r.randint(1, 4)):
        watch = f"watch_port:{r.randint(1, 4)}," if kind == "ff" or r.random() < 0.2 else ""
        weight = f"weight:{r.randint(1, 1000)}," if kind == "select" else ""
        buckets.append(f"bucket=bucket_id:{n},{weight}{watch}actions={r.choice(ACTIONS[:30])}")
    return ",".join([f"group_id={number}", f"type={kind}", *buckets])


def meter(r, number):
    bands = [f"band=type=drop,rate={r.randint(1, 1 << 31)},burst_size={r.randint(1, 1 << 20)}" for _ in range(r.randint(1, 3))]
    return ",".join([f"meter={number}", r.choice(["kbps", "pktps"]), "burst", *r.sample(["stats"], r.randint(0, 1)), *bands])


VIEWS = """
show
dump-desc
dump-tables
dump-table-features
dump-table-desc
dump-flows
dump-aggregate
dump-ports
dump-ports-desc
dump-groups
dump-group-stats
dump-group-features
dump-meters
meter-stats
meter-features
queue-stats
queue-get-config
get-frags
dump-tlv-map
dump-ipfix-bridge
dump-ipfix-flow
""".split()
CHANGES = """
mod-port 1 no-flood
mod-port 1 flood
mod-table 3 evict
mod-table 3 vacancy:20,80
mod-table 4 drop
set-frags nx-match
add-tlv-map {class=0xffff,type=0,len=4}->tun_metadata0,{class=0xffff,type=1,len=8}->tun_metadata1
del-tlv-map
ct-flush-zone 7
ct-flush zone=5,ct_nw_src=1.2.3.4,ct_nw_proto=6
del-flows table=1,cookie=0x5/-1
mod-flows ip,actions=output:3
del-groups group_id=3
insert-buckets group_id=1,command_bucket_id=last,bucket=bucket_id:77,actions=output:3
remove-buckets group_id=1,command_bucket_id=77
""".split("\n")[1:-1]


def captured(ovs, folder, seed, version, bridge, flows=80):
    """The messages of ovs-ofctl and ovs-vswitchd over generated commands in one version."""
    r = random.Random(seed)
    path = f"{folder}/proxy-{version}"
    proxy = Proxy(path, f"{ovs.dir}/{bridge}.mgmt")
    target = f"unix:{path}"

    def run(*words):
        ovs.run("ovs-ofctl", "-O", version, "--no-names", *words, check=False)

    def verb(text):
        name, *rest = text.split(" ", 1)
        run(name, target, *rest)

    for view in VIEWS[:3]:
        verb(view)
    for n in range(1, 9):
        run("add-group", target, group(r, n))
        run("add-meter", target, meter(r, n))
    good = sayable(ovs, f"{folder}/flows-{version}", version, [flow(r) for _ in range(flows)])
    for first in range(0, len(good), 20):
        name = f"{folder}/flows-{version}"
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(good[first:first + 20]) + "\n")
        run("add-flows", target, name)
    for text in good[:8]:
        run("add-flow", target, text)
        run("--bundle", "add-flow", target, text)
        run("--strict", "del-flows", target, text.split(",actions=")[0].split("actions=")[0])
    for text in CHANGES:
        verb(text)
    for actions in ("output:2", "controller(userdata=01.02)", "resubmit(,1)"):
        run("packet-out", target, f"in_port=1 packet={ARP} actions={actions}")
    for view in VIEWS:
        verb(view)
    for _ in range(2):
        run("del-flows", target)
    proxy.close()
    os.unlink(path)
    messages = proxy.take()
    return messages


def sayable(ovs, name, version, flows):
    """Those that are valid and that the version can say."""
    while True:
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(flows) + "\n")
        done = subprocess.run(["ovs-ofctl", "-O", version, "parse-flows", name], env=ovs.env, capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode == 0:
            return flows
        line = re.search(rf"{re.escape(name)}:(\d+):", done.stderr)
        if not line:
            # Each is valid, but not in this version.
            return [f for f in flows if subprocess.run(["ovs-ofctl", "-O", version, "parse-flow", f], env=ovs.env,
                                                       capture_output=True, timeout=60, check=False).returncode == 0]
        del flows[int(line[1]) - 1]


class _Datapath:
    """What os-ken's messages want to know of a connection."""

    def __init__(self, number):
        self.ofproto = importlib.import_module(f"os_ken.ofproto.ofproto_v1_{number}")
        self.ofproto_parser = importlib.import_module(f"os_ken.ofproto.ofproto_v1_{number}_parser")
        self.id = 1


def encoded_by_osken(r, each):
    """Messages of OpenFlow 1.2 to 1.5 that os-ken serializes, `each` of the generated kinds."""
    messages = []
    for number in (2, 3, 4, 5):
        datapath = _Datapath(number)
        makers = [_osken_flow_mod, _osken_group_mod, _osken_packet_out] + ([_osken_meter_mod] if number > 2 else [])
        made = [make(r, datapath) for make in makers for _ in range(each)] + list(_osken_plain(datapath))
        for xid, message in enumerate(made):
            message.set_xid(xid)
            message.serialize()
            messages.append(bytes(message.buf))
    return messages


def _osken_match(r, parser):
    words = r.choice([
        {}, {"eth_type": 0x800, "ipv4_src": ("10.0.0.0", "255.0.0.0")}, {"eth_type": 0x806, "arp_op": 2},
        {"eth_type": 0x800, "ip_proto": 6, "tcp_dst": r.randrange(65536)}, {"eth_type": 0x800, "ip_proto": 17, "udp_src": 53},
        {"eth_type": 0x86dd, "ip_proto": 58, "icmpv6_type": 135, "ipv6_nd_target": "fe80::1"},
        {"eth_type": 0x8847, "mpls_label": r.randrange(1 << 20)}, {"vlan_vid": 0x1000 | r.randrange(4096)},
        {"vlan_vid": (0x1000, 0x1000)}, {"eth_dst": ("01:00:00:00:00:00", "01:00:00:00:00:00")},
        {"eth_type": 0x86dd, "ipv6_dst": ("fd00::", "ffff::"), "ipv6_flabel": 5}, {"metadata": (r.getrandbits(8), 0xff)},
        {"eth_type": 0x800, "ip_dscp": 10, "ip_ecn": 1}, {"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8}])
    if r.random() < 0.5:
        words["in_port"] = r.randrange(1, 1000)
    return parser.OFPMatch(**words)


def _osken_actions(r, datapath):
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    actions = [
        lambda: parser.OFPActionOutput(r.randrange(1, 100), r.choice([0, 128, 0xffff])),
        lambda: parser.OFPActionOutput(r.choice([ofp.OFPP_CONTROLLER, ofp.OFPP_NORMAL, ofp.OFPP_FLOOD, ofp.OFPP_IN_PORT]), 64),
        lambda: parser.OFPActionGroup(r.randrange(100)), lambda: parser.OFPActionSetQueue(r.randrange(8)),
        lambda: parser.OFPActionPushVlan(0x8100), parser.OFPActionPopVlan,
        lambda: parser.OFPActionSetField(eth_src="00:01:02:03:04:05"), lambda: parser.OFPActionSetField(metadata=r.getrandbits(64))]
    chosen = [r.choice(actions)() for _ in range(r.randrange(4))]
    # Where Open vSwitch knows two tags, Sluice knows more (docs/differences.md).
    return chosen if sum(isinstance(a, parser.OFPActionPushVlan) for a in chosen) < 2 else chosen[:1]


def _osken_flow_mod(r, datapath):
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    instructions = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, _osken_actions(r, datapath))]
    if r.random() < 0.3:
        instructions.append(parser.OFPInstructionGotoTable(r.randrange(200, 250)))
    return parser.OFPFlowMod(
        datapath, cookie=r.getrandbits(64), cookie_mask=r.choice([0, (1 << 64) - 1]), table_id=r.randrange(200),
        command=r.choice([ofp.OFPFC_ADD, ofp.OFPFC_MODIFY, ofp.OFPFC_DELETE_STRICT]), idle_timeout=r.randrange(100),
        priority=r.randrange(65536), out_port=ofp.OFPP_ANY, out_group=ofp.OFPG_ANY, flags=r.choice([0, ofp.OFPFF_SEND_FLOW_REM]),
        match=_osken_match(r, parser), instructions=instructions)


def _osken_group_mod(r, datapath):
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    kind = r.choice([ofp.OFPGT_ALL, ofp.OFPGT_SELECT, ofp.OFPGT_FF])
    buckets = []
    for number in range(r.randrange(1, 4)):
        actions = [parser.OFPActionOutput(r.randrange(1, 9))]
        if hasattr(ofp, "OFPGC_INSERT_BUCKET"):
            properties = [parser.OFPGroupBucketPropWatch(type_=ofp.OFPGBPT_WATCH_PORT, watch=1)] if kind == ofp.OFPGT_FF else []
            if kind == ofp.OFPGT_SELECT:
                properties = [parser.OFPGroupBucketPropWeight(type_=ofp.OFPGBPT_WEIGHT, weight=r.randrange(1, 100))]
            buckets.append(parser.OFPBucket(bucket_id=number, actions=actions, properties=properties))
        else:
            buckets.append(parser.OFPBucket(weight=r.randrange(1, 100) if kind == ofp.OFPGT_SELECT else 0, actions=actions,
                                            watch_port=1 if kind == ofp.OFPGT_FF else ofp.OFPP_ANY, watch_group=ofp.OFPG_ANY))
    more = {"command_bucket_id": ofp.OFPG_BUCKET_ALL} if hasattr(ofp, "OFPGC_INSERT_BUCKET") else {}
    return parser.OFPGroupMod(datapath, command=r.choice([ofp.OFPGC_ADD, ofp.OFPGC_MODIFY]), type_=kind,
                              group_id=r.randrange(1, 1000), buckets=buckets, **more)


def _osken_meter_mod(r, datapath):
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    bands = [r.choice([lambda: parser.OFPMeterBandDrop(rate=r.randrange(1, 9999), burst_size=r.randrange(99)),
                       lambda: parser.OFPMeterBandDscpRemark(rate=r.randrange(1, 9999), burst_size=5, prec_level=1)])()
             for _ in range(r.randrange(1, 4))]
    return parser.OFPMeterMod(datapath, command=ofp.OFPMC_ADD, flags=r.choice([ofp.OFPMF_KBPS, ofp.OFPMF_PKTPS | ofp.OFPMF_STATS]),
                              meter_id=r.randrange(1, 1000), bands=bands)


def _osken_packet_out(r, datapath):
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    place = {"match": parser.OFPMatch(in_port=r.randrange(1, 9))} if ofp.OFP_VERSION == 6 else {"in_port": r.randrange(1, 9)}
    return parser.OFPPacketOut(datapath, buffer_id=ofp.OFP_NO_BUFFER, actions=_osken_actions(r, datapath), data=bytes.fromhex(ARP),
                               **place)


def _osken_plain(datapath):
    """One each of what has little to choose."""
    ofp, parser = datapath.ofproto, datapath.ofproto_parser
    any_port, any_group = ofp.OFPP_ANY, ofp.OFPG_ANY
    short = {"short_id": 3} if ofp.OFP_VERSION == 6 else {}
    yield parser.OFPHello(datapath)
    yield parser.OFPEchoRequest(datapath, b"abc")
    yield parser.OFPFeaturesRequest(datapath)
    yield parser.OFPGetConfigRequest(datapath)
    yield parser.OFPSetConfig(datapath, ofp.OFPC_FRAG_NORMAL, 256)
    yield parser.OFPBarrierRequest(datapath)
    yield parser.OFPRoleRequest(datapath, role=ofp.OFPCR_ROLE_MASTER, generation_id=17, **short)
    if ofp.OFP_VERSION > 3:
        yield parser.OFPDescStatsRequest(datapath, 0)
        yield parser.OFPFlowStatsRequest(datapath, 0, 3, any_port, any_group, 5, 0xff, parser.OFPMatch(eth_type=0x806))
        yield parser.OFPAggregateStatsRequest(datapath, 0, 255, any_port, 7, 0, 0, parser.OFPMatch())
        yield parser.OFPTableStatsRequest(datapath, 0)
        yield parser.OFPQueueStatsRequest(datapath, 0, 3, 4)
        yield parser.OFPPortStatsRequest(datapath, 0, any_port)
        yield parser.OFPGroupStatsRequest(datapath, 0, 9)
        yield parser.OFPGroupFeaturesStatsRequest(datapath, 0)
        yield parser.OFPMeterStatsRequest(datapath, 0, ofp.OFPM_ALL)
        if ofp.OFP_VERSION < 6:
            yield parser.OFPMeterConfigStatsRequest(datapath, 0, 5)
        yield parser.OFPMeterFeaturesStatsRequest(datapath, 0)
        yield parser.OFPGetAsyncRequest(datapath)
    if ofp.OFP_VERSION > 4:
        yield parser.OFPBundleCtrlMsg(datapath, 7, ofp.OFPBCT_OPEN_REQUEST, ofp.OFPBF_ATOMIC, [])
        yield parser.OFPTableDescStatsRequest(datapath, 0)
