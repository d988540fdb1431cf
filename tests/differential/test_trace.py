"""Random flow tables and packets through ofproto/trace of the installed ovs-vswitchd and of Sluice.

Datapath actions must be equal. Masks need not be (another classifier may look at more or fewer bits), so ours is
proved sufficient with Open vSwitch as the judge: packets that differ from the traced one only in bits that our
megaflow leaves open must get the same datapath actions from ovs-vswitchd.
"""

import random
import re

TABLES = 200
PACKETS_PER_TABLE = 4
MUTATIONS_PER_PACKET = 2

ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.7.9"]
ADDRESSES6 = ["fd00::1", "fd00::2", "2001:db8::5", "2001:db8:1::5"]
MACS = ["00:00:00:00:00:0a", "00:00:00:00:00:0b", "02:00:00:00:00:0c", "01:00:5e:00:00:01"]
PORTS = [20, 53, 80, 443, 8080]
PROTOCOLS = ["tcp", "udp", "icmp", "arp", "tcp6", "udp6", "icmp6", "ip", "ipv6", ""]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def chance(self, percent):
        return self.r.random() * 100 < percent

    def match(self, table, stateful):
        r, words = self.r, []
        proto = r.choice(PROTOCOLS)
        if proto:
            words.append(proto)
        if self.chance(40):
            words.append(f"in_port={r.randint(1, 4)}")
        if self.chance(25):
            words.append(f"dl_src={r.choice(MACS)}" + r.choice(["", "/ff:ff:ff:ff:ff:00", "/00:00:00:00:00:ff"]))
        if self.chance(25):
            words.append(f"dl_dst={r.choice(MACS)}" + r.choice(["", "/01:00:00:00:00:00"]))
        if self.chance(15):
            words.append(r.choice(["dl_vlan=10", "dl_vlan=20", "vlan_tci=0x0000/0x1fff", "vlan_tci=0x1000/0x1000"]))
        if proto in ("tcp", "udp", "icmp", "ip", "arp"):
            if self.chance(50):
                words.append(f"nw_src={r.choice(ADDRESSES)}" + r.choice(["", "/8", "/24", "/31", "/255.0.0.255"]))
            if self.chance(50):
                words.append(f"nw_dst={r.choice(ADDRESSES)}" + r.choice(["", "/16", "/24"]))
        if proto in ("tcp6", "udp6", "icmp6", "ipv6"):
            if self.chance(50):
                words.append(f"ipv6_src={r.choice(ADDRESSES6)}" + r.choice(["", "/32", "/64"]))
            if self.chance(50):
                words.append(f"ipv6_dst={r.choice(ADDRESSES6)}" + r.choice(["", "/48"]))
        if proto in ("tcp", "udp", "tcp6", "udp6"):
            if self.chance(40):
                words.append(f"tp_src={r.choice(PORTS)}" + r.choice(["", "/0xfff0"]))
            if self.chance(40):
                words.append(f"tp_dst={r.choice(PORTS)}")
        if proto in ("tcp", "tcp6") and self.chance(15):
            words.append(r.choice(["tcp_flags=+syn-ack", "tcp_flags=+ack", "tcp_flags=-rst"]))
        if proto in ("tcp", "udp", "ip", "tcp6", "udp6", "ipv6"):
            if self.chance(10):
                words.append("ip_dscp=10")
            if self.chance(10):
                words.append("nw_ttl=64")
        if proto == "icmp" and self.chance(50):
            words.append("icmp_type=8")
        if proto == "arp" and self.chance(50):
            words.append("arp_op=1")
        if table > 0 and self.chance(30):
            words.append(r.choice(["reg0=1", "reg0=2", "reg1=0x10/0xf0", "metadata=7", "reg0=0"]))
        if stateful and self.chance(60):
            words.append("ct_state=" + r.choice(["+trk+new", "+trk+est", "+trk-new", "+inv+trk", "+trk+rpl", "-trk"]))
            if self.chance(20):
                words.append(r.choice(["ct_mark=0", "ct_mark=0x1/0x1", "ct_zone=5", "ct_label=0"]))
        return proto, words

    def actions(self, table, proto, depth=0):
        r = self.r
        ip = proto in ("tcp", "udp", "icmp", "ip")
        ip6 = proto in ("tcp6", "udp6", "icmp6", "ipv6")
        ports = proto in ("tcp", "udp", "tcp6", "udp6")
        choices = [lambda: f"output:{r.randint(1, 4)}", lambda: f"output:{r.randint(1, 4)}", lambda: "IN_PORT",
                   lambda: f"load:{r.randint(0, 3)}->NXM_NX_REG0[]", lambda: f"load:{r.randint(0, 255)}->NXM_NX_REG1[0..7]",
                   lambda: f"mod_dl_src:{r.choice(MACS)}", lambda: f"mod_dl_dst:{r.choice(MACS)}",
                   lambda: "set_field:7->metadata", lambda: "move:NXM_NX_REG1[0..7]->NXM_NX_REG0[0..7]",
                   lambda: "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", lambda: "FLOOD", lambda: "ALL",
                   lambda: f"push_vlan:0x8100,set_field:{4096 + r.choice([10, 20])}->vlan_vid", lambda: "strip_vlan",
                   lambda: "push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[]", lambda: "output:NXM_NX_REG0[]",
                   lambda: "ct_clear", lambda: "drop" if False else f"output(port={r.randint(1, 4)},max_len=100)"]
        if table < 3:
            choices += [lambda: f"resubmit(,{r.randint(table + 1, 3)})"] * 5
        if ip:
            choices += [lambda: f"mod_nw_src:{r.choice(ADDRESSES)}", lambda: f"mod_nw_dst:{r.choice(ADDRESSES)}",
                        lambda: "dec_ttl", lambda: "mod_nw_tos:40", lambda: "set_field:10.0.0.0/255.255.0.0->ip_src"]
        if ip6:
            choices += [lambda: f"set_field:{r.choice(ADDRESSES6)}->ipv6_src", lambda: "dec_ttl",
                        lambda: f"set_field:{r.choice(ADDRESSES6)}->ipv6_dst"]
        if ports:
            choices += [lambda: f"mod_tp_src:{r.choice(PORTS)}", lambda: f"mod_tp_dst:{r.choice(PORTS)}"]
        if ip or ip6:
            if table < 3:
                choices += [lambda: f"ct(table={r.randint(table + 1, 3)}" + r.choice(["", ",zone=5", ",zone=NXM_NX_REG0[0..15]"]) + ")"] * 3
            choices += [lambda: "ct(commit,zone=5,exec(load:0x1->NXM_NX_CT_MARK[]))",
                        lambda: "ct(commit,exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[],load:0x5->NXM_NX_CT_LABEL[0..7]))"]
        if depth == 0:
            choices += [lambda: f"clone({self.actions(table, proto, 1)})"]
        return ",".join(r.choice(choices)() for _ in range(r.randint(1, 4)))

    def table(self):
        lines = []
        for table in range(4):
            for priority in self.r.sample(range(1, 1000), self.r.randint(2, 10)):
                proto, match = self.match(table, stateful=True)
                actions = "drop" if self.chance(10) else self.actions(table, proto)
                lines.append(",".join([f"table={table}", f"priority={priority}", *match]) + f" actions={actions}")
        return "\n".join(lines) + "\n"

    def packet(self):
        r = self.r
        proto = r.choice([p for p in PROTOCOLS if p not in ("ip", "ipv6", "")])
        fields = {"in_port": str(r.randint(1, 4)), "dl_src": r.choice(MACS[:3]), "dl_dst": r.choice(MACS)}
        if self.chance(15):
            fields["dl_vlan"], fields["dl_vlan_pcp"] = r.choice(["10", "20", "30"]), "0"
        if proto in ("tcp", "udp", "icmp"):
            fields |= {"nw_src": r.choice(ADDRESSES), "nw_dst": r.choice(ADDRESSES), "nw_ttl": r.choice(["64", "1"]),
                       "nw_tos": r.choice(["0", "40"])}
        if proto == "arp":
            fields |= {"arp_spa": r.choice(ADDRESSES), "arp_tpa": r.choice(ADDRESSES), "arp_op": r.choice(["1", "2"])}
        if proto in ("tcp6", "udp6", "icmp6"):
            fields |= {"ipv6_src": r.choice(ADDRESSES6), "ipv6_dst": r.choice(ADDRESSES6), "nw_ttl": "64"}
        if proto in ("tcp", "udp", "tcp6", "udp6"):
            fields |= {"tp_src": str(r.choice(PORTS)), "tp_dst": str(r.choice(PORTS))}
        if proto in ("tcp", "tcp6"):
            fields["tcp_flags"] = r.choice(["+syn", "+ack", "+syn+ack", "+rst"])
        if proto == "icmp":
            fields |= {"icmp_type": r.choice(["8", "0", "3"]), "icmp_code": "0"}
        if proto == "icmp6":
            fields |= {"icmp_type": r.choice(["128", "129", "1"]), "icmp_code": "0"}
        return proto, fields


def text_of(proto, fields):
    return ",".join([proto, *(f"{k}={v}" for k, v in fields.items())])


def passes(trace):
    """[(megaflow, datapath actions)] of each pass; recirculation ids renamed in order of appearance."""
    names = {}

    def rename(match):
        return f"{match[1]}{names.setdefault(match[2], f'R{len(names) + 1}')}"

    result = []
    for mega, actions in re.findall(r"^Megaflow: (.*)\nDatapath actions: (.*)$", trace, re.M):
        actions = re.sub(r"(recirc\()(0x[0-9a-f]+)", rename, actions)
        mega = re.sub(r"(recirc_id=)(0x[1-9a-f][0-9a-f]*)", rename, mega)
        result.append((mega, actions))
    return result


def mutate(r, proto, fields, megaflow):
    """Another packet of the same protocol that our first-pass megaflow also covers: changes fields it does not name."""
    changed = dict(fields)
    for name, pool, shown in (("dl_src", MACS[:3], "dl_src"), ("dl_dst", MACS, "dl_dst"), ("nw_src", ADDRESSES, "nw_src"),
                              ("nw_dst", ADDRESSES, "nw_dst"), ("ipv6_src", ADDRESSES6, "ipv6_src"),
                              ("ipv6_dst", ADDRESSES6, "ipv6_dst"), ("arp_spa", ADDRESSES, "arp_spa"),
                              ("arp_tpa", ADDRESSES, "arp_tpa"), ("tp_src", PORTS, "tp_src"), ("tp_dst", PORTS, "tp_dst"),
                              ("nw_ttl", ["64", "33"], "nw_ttl"), ("nw_tos", ["0", "40", "8"], "nw_tos"),
                              ("tcp_flags", ["+syn", "+ack", "+rst"], "tcp_flags"), ("arp_op", ["1", "2"], "arp_op"),
                              ("icmp_type", ["8", "0", "3"] if proto == "icmp" else ["128", "129", "1"], "icmp_type")):
        if name in changed and not re.search(rf"\b{shown}=", megaflow) and r.random() < 0.7:
            changed[name] = str(r.choice(pool))
    return changed


def test_datapath_actions_equal_and_masks_sufficient(ovs, sluice):
    ovs.add_bridge("br0", 4)
    problems, compared, equal_masks, mutated = [], 0, 0, 0
    for seed in range(TABLES):
        generator = Generator(seed)
        for _ in range(20):  # a table that ovs-ofctl refuses (inconsistent match and action) is drawn again
            flows = generator.table()
            ovs.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", "br0")
            try:
                ovs.ofctl("-O", "OpenFlow13", "add-flows", "br0", "-", text=flows)
                break
            except AssertionError:
                continue
        else:
            raise AssertionError(f"seed {seed}: no valid table in 20 draws")
        sluice.replace_flows(flows)
        for _ in range(PACKETS_PER_TABLE):
            proto, fields = generator.packet()
            text = text_of(proto, fields)
            ct = [w for _ in range(6) for w in ("--ct-next", generator.r.choice(["trk,new", "trk,est", "trk,est,rpl", "trk,inv"]))]
            theirs = passes(ovs.appctl("ofproto/trace", "br0", text, *ct))
            ours = passes(sluice.appctl("ofproto/trace", "br0", text, *ct))
            compared += 1
            if [a for _, a in theirs] != [a for _, a in ours]:
                problems.append(f"seed {seed}: {text} {' '.join(ct)}\n  ovs:    {theirs}\n  sluice: {ours}\n{flows}")
                continue
            equal_masks += theirs == ours
            for _ in range(MUTATIONS_PER_PACKET):
                other = mutate(generator.r, proto, fields, ours[0][0])
                if other == fields:
                    continue
                mutated += 1
                judged = passes(ovs.appctl("ofproto/trace", "br0", text_of(proto, other), *ct))
                if judged[0][1] != theirs[0][1]:
                    problems.append(f"seed {seed}: megaflow {ours[0][0]} of {text}\n  also covers {text_of(proto, other)}"
                                    f"\n  {theirs[0][1]} != {judged[0][1]}\n{flows}")
    print(f"{compared} traces, {equal_masks} with equal megaflows, {mutated} mutations judged")
    assert not problems, f"{len(problems)} of {compared}:\n" + "\n".join(problems[:3])
    assert compared >= 4 * TABLES and mutated > TABLES and equal_masks > compared // 2
