"""Random flow tables, and packets that meet them: values come from small pools, so that most packets match something.

What both switches refuse or what is a deliberate difference is not generated; docs/differences.md says why.
"""

import ipaddress
import os
import random

ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.7.9"]
ADDRESSES6 = ["fd00::1", "fd00::2", "2001:db8::5", "2001:db8:1::5"]
MACS = ["00:00:00:00:00:0a", "00:00:00:00:00:0b", "02:00:00:00:00:0c", "01:00:5e:00:00:01"]
L4_PORTS = [20, 53, 80, 443, 8080]
TCP_FLAGS = [0x2, 0x10, 0x12, 0x4]
LABELS = [3, 16, 100]
PROTOCOLS = ["tcp", "udp", "icmp", "arp", "tcp6", "udp6", "icmp6", "nd", "mpls", "ip", "ipv6", ""]
PACKET_PROTOCOLS = [p for p in PROTOCOLS if p not in ("ip", "ipv6", "")]
TAGGED = ("dl_vlan=", "vlan_tci=0x1000")  # how the words begin that ask for a VLAN tag
IPV4 = ("tcp", "udp", "icmp", "ip")
IPV6 = ("tcp6", "udp6", "icmp6", "nd", "ipv6")
WITH_PORTS = ("tcp", "udp", "tcp6", "udp6")
TABLES = 4
CT_NEXT = ["trk,new", "trk,est", "trk,est,rpl", "trk,inv", "trk,new,rel", "trk,est,rel,rpl"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        # Open vSwitch executes the action set at the end of each clone() too: flows use the one or the other.
        self.writes_action_sets = self.r.random() < 0.5
        # With SLUICE_TRACE_GROUPS=1, groups, conjunctions and so on in every other table. Copies that send nothing are
        # optimised away differently there (docs/differences.md), which the comparison does not know yet.
        self.chooses = self.r.random() < 0.5 and os.environ.get("SLUICE_TRACE_GROUPS") == "1"

    def chance(self, percent):
        return self.r.random() * 100 < percent

    def maybe(self, percent, make):
        return [make()] if self.chance(percent) else []

    def ct_next(self):
        return [word for _ in range(8) for word in ("--ct-next", self.r.choice(CT_NEXT))]

    # Matches

    def match(self, table):
        r, maybe = self.r, self.maybe
        proto = r.choice(PROTOCOLS + ["ip", "ipv6", "ip", "ipv6"] * 2)
        nd_type = r.choice([135, 136])
        words = {"": [], "nd": [f"icmp6,icmpv6_type={nd_type},icmpv6_code=0"]}.get(proto, [proto])
        words += maybe(25, lambda: f"in_port={r.randint(1, 4)}")
        words += maybe(15, lambda: f"dl_src={r.choice(MACS)}" + r.choice(["", "/ff:ff:ff:ff:ff:00", "/00:00:00:00:00:ff"]))
        words += maybe(15, lambda: f"dl_dst={r.choice(MACS)}" + r.choice(["", "/01:00:00:00:00:00"]))
        words += maybe(15, lambda: r.choice(["dl_vlan=10", "dl_vlan=20", "vlan_tci=0x0000/0x1fff",
                                             "vlan_tci=0x1000/0x1000", "dl_vlan=10,dl_vlan_pcp=5"]))
        if proto in IPV4 or proto == "arp":
            words += maybe(30, lambda: f"nw_src={r.choice(ADDRESSES)}" + r.choice(["", "/8", "/24", "/31", "/255.0.0.255"]))
            words += maybe(30, lambda: f"nw_dst={r.choice(ADDRESSES)}" + r.choice(["", "/16", "/24"]))
        if proto in IPV6:
            words += maybe(30, lambda: f"ipv6_src={r.choice(ADDRESSES6)}" + r.choice(["", "/32", "/64"]))
            words += maybe(30, lambda: f"ipv6_dst={r.choice(ADDRESSES6)}" + r.choice(["", "/48"]))
        if proto in WITH_PORTS:
            words += maybe(40, lambda: f"tp_src={r.choice(L4_PORTS)}" + r.choice(["", "/0xfff0"]))
            words += maybe(40, lambda: f"tp_dst={r.choice(L4_PORTS)}")
        if proto in ("tcp", "tcp6"):
            words += maybe(15, lambda: r.choice(["tcp_flags=+syn-ack", "tcp_flags=+ack", "tcp_flags=-rst"]))
        if proto in IPV4 + IPV6:
            words += maybe(10, lambda: "ip_dscp=10")
            words += maybe(10, lambda: r.choice(["nw_ttl=64", "nw_ttl=1"]))
            words += maybe(5, lambda: r.choice(["ip_frag=no", "ip_frag=not_later", "ip_frag=yes", "nw_ecn=1"]))
        if proto == "icmp":
            words += maybe(50, lambda: "icmp_type=8")
        if proto == "icmp6":
            words += maybe(50, lambda: "icmpv6_type=128")
        if proto == "nd":
            words += maybe(40, lambda: f"nd_target={r.choice(ADDRESSES6)}")
            words += maybe(30, lambda: f"{'nd_sll' if nd_type == 135 else 'nd_tll'}={r.choice(MACS[:3])}")
        if proto == "arp":
            words += maybe(50, lambda: "arp_op=1")
            words += maybe(20, lambda: f"arp_sha={r.choice(MACS[:3])}")
        if proto == "mpls":
            words += maybe(40, lambda: f"mpls_label={r.choice(LABELS)}")
            words += maybe(20, lambda: r.choice(["mpls_tc=2", "mpls_bos=1", "mpls_bos=0"]))
        if table > 0:
            words += maybe(30, lambda: r.choice(["reg0=1", "reg0=2", "reg1=0x10/0xf0", "metadata=7", "reg0=0",
                                                 "metadata=0x5/0xf"]))
        if self.chance(60 if table > 0 else 15):
            words.append("ct_state=" + r.choice(["+trk+new", "+trk+est", "+trk-new", "+inv+trk", "+trk+rpl", "-trk",
                                                 "+trk+rel", "-inv+trk"]))
            words += maybe(20, lambda: r.choice(["ct_mark=0", "ct_mark=0x1/0x1", "ct_zone=5", "ct_label=0"]))
        return proto, words

    # Groups: all kinds, each with an outcome that does not hang on the hash function, which is every switch's own.

    GROUPS = {"all": 1, "indirect": 2, "ff": 3, "hash": 4, "dp_hash": 5, "nested": 6, "ct": 7}

    def groups(self):
        """A line each, in the syntax of ovs-ofctl. Port 9 does not exist: what watches it is dead."""
        r = self.r

        def bucket():
            sets = [f"set_field:{r.choice(MACS)}->eth_src", f"set_field:{r.randint(0, 3)}->reg0", "dec_ttl",
                    f"resubmit(,{TABLES - 1})"]
            words = r.sample(sets, r.randint(0, 2)) + [f"output:{r.randint(1, 4)}"]
            return "actions=" + ",".join(words)

        ids = self.GROUPS
        lines = [f"group_id={ids['all']},type=all" + "".join(f",bucket={bucket()}" for _ in range(r.randint(0, 3))),
                 f"group_id={ids['indirect']},type=indirect,bucket={bucket()}",
                 f"group_id={ids['ff']},type=ff,bucket=watch_port:9,{bucket()},bucket=watch_port:{r.randint(1, 4)},{bucket()}",
                 f"group_id={ids['hash']},type=select,selection_method=hash,"
                 + r.choice(["", "fields(ip_src,tcp_dst),", "fields(eth_src,ipv6_dst=ffff::),"])
                 + f"bucket=watch_port:9,{bucket()},bucket={bucket()}",
                 f"group_id={ids['dp_hash']},type=select," + r.choice(["", "selection_method=dp_hash,"])
                 + f"bucket=weight:{r.randint(1, 9)},{bucket()},bucket={bucket()}",
                 f"group_id={ids['nested']},type=all,bucket=actions=group:{ids['indirect']},bucket=actions=group:{ids['ff']}",
                 f"group_id={ids['ct']},type=all,bucket=actions=ct(commit,zone=3),bucket={bucket()}"]
        return "\n".join(lines) + "\n"

    def chosen(self, nested):
        """An action that chooses, and learn."""
        r, ids = self.r, self.GROUPS
        # A packet that comes back for its bucket must meet no action set (recirc_alloc_id__ of Open vSwitch 3.1 fails
        # an assertion), and in a clone() it would end what stands behind.
        names = [name for name in ids if name != "dp_hash" or not (nested or self.writes_action_sets)]
        return r.choice([lambda: f"group:{ids[r.choice(names)]}"] * 4 + [
            lambda: f"bundle(eth_src,{r.randint(0, 9)},active_backup,ofport,members:9,{r.randint(1, 4)},2)",
            lambda: f"bundle({r.choice(['symmetric_l4', 'nw_src', 'symmetric_l3l4+udp'])},3,hrw,ofport,members:9,{r.randint(1, 4)},8)",
            lambda: f"bundle_load(nw_dst,3,hrw,ofport,NXM_NX_REG0[],members:9,{r.randint(1, 4)},8)",
            lambda: f"multipath({r.choice(['eth_src', 'symmetric_l4', 'symmetric_l3'])},5,modulo_n,1,0,NXM_NX_REG1[0..7])",
            lambda: "learn(table=3,idle_timeout=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
            lambda: "learn(table=3,limit=1,result_dst=NXM_NX_REG2[1],NXM_OF_ETH_SRC[],load:5->NXM_NX_REG0[])",
            lambda: "sample(probability=9,collector_set_id=1)"])()

    def conjunctions(self, table):
        """Two dimensions of addresses, and what both together do."""
        r, lines, priority = self.r, [], self.r.randint(1001, 1009)
        for clause, field in ((1, "nw_src"), (2, "nw_dst")):
            for address in r.sample(ADDRESSES, 2):
                lines.append(f"table={table},priority={priority},ip,{field}={address}{r.choice(['', '/24'])} "
                             f"actions=conjunction({table + 1},{clause}/2)")
        lines.append(f"table={table},priority={r.choice([5, 1005])},conj_id={table + 1},ip "
                     f"actions={'mod_nw_tos:16,' if self.chance(30) else ''}output:{r.randint(1, 4)}")
        return lines

    # Actions

    def actions(self, table, proto, match, nested=False):
        """Consistent with the match, or ovs-ofctl would refuse the flow. Also the packet's protocol behind them."""
        words = []
        # A packet gets two tags at most: what is beyond, the datapath of Open vSwitch does not see.
        pushes = table == 0 and not nested
        for _ in range(self.r.randint(1, 4)):
            words.append(self.action(table, proto, match, pushes, nested))
            pushes = pushes and "push_vlan" not in words[-1]
            proto = {"push_mpls:0x8847": "mpls", "pop_mpls:0x0800": "ip"}.get(words[-1], proto)
            if words[-1] == "strip_vlan":
                match = [word for word in match if not word.startswith(TAGGED)]
        return ",".join(words), proto

    def action(self, table, proto, match, pushes, nested):
        r = self.r
        tagged = any(word.startswith(TAGGED) for word in match)
        commits = "ct_state=+inv+trk" not in match
        choices = [lambda: f"output:{r.randint(1, 4)}"] * 3
        choices += [lambda: "IN_PORT", lambda: "LOCAL", lambda: "FLOOD", lambda: "ALL", lambda: "NORMAL",
                    lambda: f"load:{r.randint(0, 3)}->NXM_NX_REG0[]", lambda: f"load:{r.randint(0, 255)}->NXM_NX_REG1[0..7]",
                    lambda: f"mod_dl_src:{r.choice(MACS)}", lambda: f"mod_dl_dst:{r.choice(MACS)}",
                    lambda: "set_field:7->metadata", lambda: "set_field:0x5/0xf->metadata",
                    lambda: "move:NXM_NX_REG1[0..7]->NXM_NX_REG0[0..7]", lambda: "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]",
                    lambda: "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", lambda: "push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[]",
                    lambda: "push:NXM_NX_REG0[],push:NXM_OF_IN_PORT[],pop:NXM_NX_REG2[0..15],pop:NXM_NX_REG1[]",
                    lambda: "load:1->NXM_NX_REG3[]",
                    lambda: "output:NXM_NX_REG0[]", lambda: "ct_clear", lambda: "exit",
                    lambda: f"output(port={r.randint(1, 4)},max_len=100)",
                    lambda: "controller(max_len=128)", lambda: "set_queue:7", lambda: "pop_queue",
                    lambda: "note:01.02", lambda: "set_field:9->pkt_mark", lambda: "set_field:0x11->tun_id"]
        if table + 1 < TABLES:
            choices += [lambda: f"resubmit(,{r.randint(table + 1, TABLES - 1)})"] * 5
            choices += [lambda: f"resubmit({r.randint(1, 4)},{table + 1})"]
        if pushes:
            choices += [lambda: f"push_vlan:0x8100,set_field:{4096 + r.choice([10, 20])}->vlan_vid",
                        lambda: "push_vlan:0x88a8,set_field:4126->vlan_vid"] * 2
        if tagged:
            # Elsewhere ovs-ofctl would put a push_vlan before these, though there may be a tag already.
            choices += [lambda: "mod_vlan_vid:30", lambda: "mod_vlan_pcp:2"]
            choices += [lambda: "strip_vlan", lambda: "strip_vlan", lambda: "set_field:4106->vlan_vid"]
        if proto in IPV4:
            choices += [lambda: f"mod_nw_src:{r.choice(ADDRESSES)}", lambda: f"mod_nw_dst:{r.choice(ADDRESSES)}",
                        lambda: "set_field:10.0.0.0/255.255.0.0->ip_src", lambda: "move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[]",
                        lambda: "push:NXM_OF_IP_SRC[],push:NXM_OF_IP_DST[],pop:NXM_OF_IP_SRC[],pop:NXM_OF_IP_DST[]"]
        if proto in IPV6:
            choices += [lambda: f"set_field:{r.choice(ADDRESSES6)}->ipv6_src", lambda: "set_field:5->ipv6_label",
                        lambda: f"set_field:{r.choice(ADDRESSES6)}->ipv6_dst", lambda: "move:NXM_NX_IPV6_SRC[0..63]->NXM_NX_XXREG1[0..63]"]
        if proto in IPV4 + IPV6:
            choices += [lambda: "dec_ttl", lambda: "mod_nw_tos:40", lambda: "mod_nw_ttl:9", lambda: "mod_nw_ecn:2",
                        lambda: "push_mpls:0x8847"]
            if commits:
                choices += [lambda: "ct(commit,zone=5,exec(load:0x1->NXM_NX_CT_MARK[]))", lambda: "ct(commit,force)",
                            lambda: "ct(commit,exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[],load:0x5->NXM_NX_CT_LABEL[0..7]))"]
            # With an action set, Open vSwitch 3.1 fails an assertion here (recirc_alloc_id__).
            if table + 1 < TABLES and not self.writes_action_sets:
                choices += [lambda: f"ct(table={r.randint(table + 1, TABLES - 1)}"
                            + r.choice(["", ",zone=5", ",zone=NXM_NX_REG0[0..15]"] + [",commit,zone=7"] * commits) + ")"] * 2
                choices += [lambda: f"ct(table={r.randint(table + 1, TABLES - 1)},"
                            + (f"commit,{self.nat(proto)}" if commits and self.chance(80) else "nat") + ")"] * 2
            if commits:
                choices.append(lambda: f"ct(commit,{self.nat(proto)})")
            if commits and proto in WITH_PORTS:
                choices.append(lambda: f"ct(commit,alg={'ftp' if proto.startswith('tcp') else 'tftp'})")
        if proto in WITH_PORTS:
            choices += [lambda: f"mod_tp_src:{r.choice(L4_PORTS)}", lambda: f"mod_tp_dst:{r.choice(L4_PORTS)}"]
        if proto == "arp":
            choices += [lambda: "set_field:2->arp_op", lambda: f"set_field:{r.choice(ADDRESSES)}->arp_spa",
                        lambda: "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]", lambda: "load:0x0a000001->NXM_OF_ARP_TPA[]",
                        lambda: "move:NXM_OF_ETH_SRC[]->NXM_NX_ARP_SHA[]"]
        if proto == "nd":
            choices += [lambda: f"set_field:{r.choice(ADDRESSES6)}->nd_target",
                        lambda: "move:NXM_NX_IPV6_SRC[]->NXM_NX_ND_TARGET[]"]
        if proto == "mpls":
            choices += [lambda: f"set_mpls_label({r.choice(LABELS)})", lambda: "set_mpls_tc(5)", lambda: "set_mpls_ttl(30)",
                        lambda: "dec_mpls_ttl", lambda: "push_mpls:0x8847", lambda: "pop_mpls:0x8847"]
            # This pop makes the packet recirculate. In Open vSwitch 3.1 that ends, in a clone(), also the actions behind
            # the clone, and with an action set it fails an assertion (recirc_alloc_id__).
            if not nested and not self.writes_action_sets:
                choices.append(lambda: "pop_mpls:0x0800")
        if proto in IPV4 + IPV6 and not tagged:
            choices += [lambda: "decap(),encap(ethernet)", lambda: "decap(),dec_ttl,encap(ethernet)",
                        lambda: f"decap(),encap(ethernet),mod_dl_dst:{r.choice(MACS)}"]
        if self.chooses:
            choices += [lambda: self.chosen(nested)] * 4
        if not nested and not self.writes_action_sets:
            choices += [lambda: f"clone({self.actions(table, proto, match, nested=True)[0]})"] * 2
        return r.choice(choices)()

    def nat(self, proto):
        """Source or destination, to one or more addresses, with or without ports."""
        r = self.r
        first, last = sorted(r.sample(ADDRESSES6 if proto in IPV6 else ADDRESSES, 2), key=ipaddress.ip_address)
        ports = r.choice(["", "", ":80", ":443-500"]) if proto in WITH_PORTS else ""
        addresses = [first] if self.chance(50) else [first, last]
        if proto in IPV6 and ports:
            addresses = [f"[{a}]" for a in addresses]
        options = r.choice(["", "", ",persistent", ",hash", ",random", ",persistent,hash"])
        return f"nat({r.choice(['src', 'dst'])}={'-'.join(addresses)}{ports}{options})"

    def instructions(self, table, proto):
        """OpenFlow 1.1's instructions, in the order in which they are executed, behind the actions."""
        r, words = self.r, []
        words += self.maybe(15, lambda: "clear_actions")
        if self.chooses and self.writes_action_sets:
            words += self.maybe(25, lambda: f"write_actions(group:{self.GROUPS[r.choice(['all', 'ff', 'indirect'])]},output:1)")
        sets = [f"output:{r.randint(1, 4)}", f"output:{r.randint(1, 4)}", f"set_field:{r.choice(MACS)}->eth_src",
                "set_field:4->reg0", "NORMAL"]
        if proto in IPV4 + IPV6:
            sets += ["dec_ttl", "mod_nw_tos:8"]
        if proto in WITH_PORTS:
            sets.append(f"mod_tp_dst:{r.choice(L4_PORTS)}")
        if self.writes_action_sets and not any("write_actions" in word for word in words):
            words += self.maybe(50, lambda: f"write_actions({','.join(r.sample(sets, r.randint(1, 3)))})")
        words += self.maybe(30, lambda: r.choice(["write_metadata:0x7", "write_metadata:0x5/0xf"]))
        if table + 1 < TABLES:
            words += self.maybe(70, lambda: f"goto_table:{r.randint(table + 1, TABLES - 1)}")
        return words

    def table(self):
        lines = []
        for table in range(TABLES):
            # Priorities 1 and 2: what nothing else matches goes on, so that packets get deep, and to ct() and back.
            for priority in [1, 2, *self.r.sample(range(3, 1000), self.r.randint(2, 10))]:
                proto, match = self.match(table)
                if priority < 3:
                    proto = self.r.choice(["ip", "ipv6"]) if priority == 2 else ""
                    match = [proto] if proto else []
                actions = []
                if self.chance(90):
                    text, proto = self.actions(table, proto, match)
                    actions = [text]
                if self.chance(25):
                    actions += self.instructions(table, proto)
                lines.append(",".join([f"table={table}", f"priority={priority}", f"cookie={self.r.randint(0, 9)}", *match])
                             + f" actions={','.join(actions) or 'drop'}")
            if self.chooses and self.chance(50):
                lines += self.conjunctions(table)
        return "\n".join(lines) + "\n"

    # Packets

    def packet(self):
        r = self.r
        proto = r.choice(PACKET_PROTOCOLS)
        fields = {"in_port": str(r.randint(1, 4)), "dl_src": r.choice(MACS[:3]), "dl_dst": r.choice(MACS)}
        if self.chance(20):
            fields |= {"dl_vlan": r.choice(["10", "20", "30"]), "dl_vlan_pcp": r.choice(["0", "5"])}
        if proto in IPV4:
            fields |= {"nw_src": r.choice(ADDRESSES), "nw_dst": r.choice(ADDRESSES)}
        if proto in IPV6:
            fields |= {"ipv6_src": r.choice(ADDRESSES6), "ipv6_dst": r.choice(ADDRESSES6)}
        if proto in IPV4 + IPV6:
            fields |= {"nw_ttl": r.choice(["64", "64", "2", "1"]), "nw_tos": r.choice(["0", "40"])}
        if proto in WITH_PORTS:
            fields |= {"tp_src": str(r.choice(L4_PORTS)), "tp_dst": str(r.choice(L4_PORTS))}
        if proto in ("tcp", "tcp6"):
            fields["tcp_flags"] = str(r.choice(TCP_FLAGS))
        if proto == "icmp":
            fields |= {"icmp_type": r.choice(["8", "0", "3"]), "icmp_code": "0"}
        if proto == "icmp6":
            fields |= {"icmpv6_type": r.choice(["128", "129", "1"]), "icmpv6_code": "0"}
        if proto == "nd":
            fields |= {"icmpv6_type": r.choice(["135", "136"]), "icmpv6_code": "0", "nd_target": r.choice(ADDRESSES6)}
            fields["nd_sll" if fields["icmpv6_type"] == "135" else "nd_tll"] = r.choice(MACS[:3])
        if proto == "arp":
            fields |= {"arp_spa": r.choice(ADDRESSES), "arp_tpa": r.choice(ADDRESSES), "arp_op": r.choice(["1", "2"]),
                       "arp_sha": r.choice(MACS[:3]), "arp_tha": r.choice(MACS[:3])}
        if proto == "mpls":
            fields |= {"mpls_label": str(r.choice(LABELS)), "mpls_tc": r.choice(["0", "2"]),
                       "mpls_ttl": r.choice(["64", "1"]), "mpls_bos": "1"}
        return proto, fields


def text_of(proto, fields):
    """As ofproto/trace reads it: it knows ports by the protocol's own names."""
    own = {"tp_src": f"{proto[:3]}_src", "tp_dst": f"{proto[:3]}_dst"}
    return ",".join([{"nd": "icmp6"}.get(proto, proto), *(f"{own.get(k, k)}={v}" for k, v in fields.items())])
