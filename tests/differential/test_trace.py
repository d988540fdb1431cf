"""Random flow tables and packets through ofproto/trace of the installed ovs-vswitchd and of Sluice.

Datapath actions must be equal. Masks need not be (another classifier may look at more or fewer bits), so ours is
proved sufficient with Open vSwitch as the judge: packets that differ from the traced one only in bits that our
megaflow leaves open must get the same datapath actions from ovs-vswitchd.
"""

import ipaddress
import os
import re

from trace_generator import ADDRESSES, ADDRESSES6, L4_PORTS, LABELS, MACS, TCP_FLAGS, Generator, text_of
from trace_text import comparable, masked_fields, number, passes

TABLES = int(os.environ.get("SLUICE_TRACE_TABLES", "200"))
FIRST_SEED = int(os.environ.get("SLUICE_TRACE_SEED", "0"))
PACKETS_PER_TABLE = 4
MUTATIONS_PER_PACKET = 3
PORTS = 4

# Names of one field in a packet's text and in a megaflow.
SYNONYMS = {"tp_src": ("tp_src", "tcp_src", "udp_src"), "tp_dst": ("tp_dst", "tcp_dst", "udp_dst"),
            "icmpv6_type": ("icmp_type", "icmpv6_type"), "nw_tos": ("nw_tos", "ip_dscp"),
            "arp_spa": ("arp_spa", "nw_src"), "arp_tpa": ("arp_tpa", "nw_dst"), "arp_op": ("arp_op", "nw_proto"),
            "dl_vlan": ("dl_vlan", "vlan_tci", "vlan_vid"), "dl_vlan_pcp": ("dl_vlan_pcp", "vlan_tci", "vlan_pcp")}
POOLS = {"dl_src": MACS[:3], "dl_dst": MACS, "nw_src": ADDRESSES, "nw_dst": ADDRESSES, "ipv6_src": ADDRESSES6,
         "ipv6_dst": ADDRESSES6, "arp_spa": ADDRESSES, "arp_tpa": ADDRESSES, "arp_sha": MACS[:3], "arp_tha": MACS[:3],
         "nd_target": ADDRESSES6, "nd_sll": MACS[:3], "nd_tll": MACS[:3], "tp_src": L4_PORTS, "tp_dst": L4_PORTS,
         "nw_ttl": [64, 33, 2, 1], "nw_tos": [0, 40, 8], "tcp_flags": TCP_FLAGS, "arp_op": [1, 2],
         "dl_vlan": [10, 20, 30], "dl_vlan_pcp": [0, 5], "mpls_label": LABELS, "mpls_tc": [0, 2], "mpls_ttl": [64, 1]}
TYPES = {"icmp": [8, 0, 3], "icmp6": [128, 129, 1]}


def mask_bits(name, mask, value):
    if mask is None:
        return -1
    if mask.isdigit() and ("." in value or ":" in value):
        width = 32 if "." in value else 128
        return (1 << width) - (1 << (width - int(mask)))
    return number(mask)


def covers(megaflow, name, old, new):
    """Whether the megaflow leaves open what differs between the field's two values."""
    for synonym in SYNONYMS.get(name, (name,)):
        if synonym not in megaflow:
            continue
        value, mask = megaflow[synonym]
        if mask is None:
            return False
        looked_at, a, b = mask_bits(name, mask, value), number(old), number(new)
        if looked_at is None or a is None or b is None or synonym != name:
            return False
        if (a ^ b) & looked_at:
            return False
    return True


def mutate(r, proto, fields, megaflows):
    """Another packet of the same protocol that all the megaflows also cover."""
    changed = dict(fields)
    for name, old in fields.items():
        pool = POOLS.get(name) or (TYPES.get(proto) if name in ("icmp_type", "icmpv6_type") else None)
        if pool is None or r.random() > 0.7:
            continue
        new = str(r.choice(pool))
        if name in ("dl_src", "dl_dst", "ipv6_src", "ipv6_dst", "nw_src", "nw_dst") and r.random() < 0.5:
            new = flip_bit(r, name, old)
        if all(covers(megaflow, name, old, new) for megaflow in megaflows):
            changed[name] = new
    return changed


def flip_bit(r, name, text):
    if name.startswith("dl"):
        value = number(text) ^ 1 << r.randrange(48)
        return ":".join(f"{value >> shift & 0xff:02x}" for shift in range(40, -1, -8))
    address = ipaddress.ip_address(text)
    return str(type(address)(int(address) ^ 1 << r.randrange(address.max_prefixlen)))


def datapath_ports(switch):
    """{datapath port number: OpenFlow port number, local as 100} from dpif/show."""
    found = {dp: of for of, dp in re.findall(r"^\s+\S+ (\d+)/(\d+):", switch.appctl("dpif/show"), re.M)}
    return {dp: "100" if of == "65534" else of for dp, of in found.items()}


def learn_macs(ovs, sluice):
    """The first two MACs get to be known behind ports 1 and 2, untagged and in VLAN 10."""
    flows = "actions=NORMAL\n"
    ovs.replace_flows("br0", flows)
    sluice.replace_flows(flows)
    for port, mac in enumerate(MACS[:2], start=1):
        for tag in ("", ",dl_vlan=10"):
            packet = f"in_port={port},dl_src={mac},dl_dst=ff:ff:ff:ff:ff:ff{tag}"
            for switch in (ovs, sluice):
                switch.appctl("ofproto/trace", "br0", packet, "-generate")
    known = [[line.split()[:3] for line in switch.appctl("fdb/show", "br0").splitlines()] for switch in (ovs, sluice)]
    assert len(known[0]) == 5 and sorted(known[0]) == sorted(known[1])


def install_table(generator, ovs, sluice):
    """The next table that ovs-ofctl takes: a few have more VLAN tags than it can follow."""
    for _ in range(20):
        flows = generator.table()
        groups = generator.groups() if generator.chooses else ""
        try:
            ovs.replace_groups("br0", groups)
            ovs.replace_flows("br0", flows)
        except AssertionError:
            continue
        sluice.replace_groups(groups)
        sluice.replace_flows(flows)
        return groups + flows
    raise AssertionError("no valid table in 20 draws")


def test_datapath_actions_equal_and_masks_sufficient(ovs, sluice):
    ovs.add_bridge("br0", PORTS)
    their_ports, our_ports = datapath_ports(ovs), datapath_ports(sluice)
    problems, compared, sections, equal_masks, mutated, tables = [], 0, 0, 0, 0, 0

    def theirs_of(packet, ct):
        return passes(ovs.appctl("ofproto/trace", "br0", packet, *ct), their_ports)

    for seed in range(FIRST_SEED, FIRST_SEED + TABLES):
        if tables % 50 == 0:
            learn_macs(ovs, sluice)
        generator = Generator(seed)
        flows = install_table(generator, ovs, sluice)
        tables += 1
        for _ in range(PACKETS_PER_TABLE):
            proto, fields = generator.packet()
            text, ct = text_of(proto, fields), generator.ct_next()
            theirs = theirs_of(text, ct)
            ours = passes(sluice.appctl("ofproto/trace", "br0", text, *ct), our_ports)
            compared += 1
            sections += len(theirs)
            if comparable(theirs, fields) != comparable(ours, fields):
                shown = "\n".join(f"  {who}: {p.megaflow}\n       -> {actions}"
                                  for who, all_of in (("ovs", theirs), ("sluice", ours))
                                  for p, actions in zip(all_of, comparable(all_of, fields)))
                problems.append(f"seed {seed}: {text} {' '.join(ct)}\n{shown}\n{flows}")
                continue
            equal_masks += [p.megaflow for p in theirs] == [p.megaflow for p in ours]
            for _ in range(MUTATIONS_PER_PACKET):
                # Either the first pass alone is held against the judge, or all of them together.
                judged = ours[:1] if generator.chance(50) else ours
                other = mutate(generator.r, proto, fields, [masked_fields(p.megaflow) for p in judged])
                if other == fields:
                    continue
                mutated += 1
                expected = comparable(theirs[:len(judged)], fields)
                verdict = comparable(theirs_of(text_of(proto, other), ct)[:len(judged)], fields)
                if verdict != expected:
                    problems.append(f"seed {seed}: megaflows {[p.megaflow for p in judged]} of {text}\n"
                                    f"  also cover {text_of(proto, other)}\n  {expected}\n  != {verdict}\n{flows}")
    print(f"{tables} tables, {compared} traces of {sections} passes, {equal_masks} with equal megaflows, "
          f"{mutated} mutations judged")
    if path := os.environ.get("SLUICE_TRACE_PROBLEMS"):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(problems))
    assert not problems, f"{len(problems)} of {compared}:\n" + "\n".join(problems[:3])
    assert compared == PACKETS_PER_TABLE * TABLES and mutated > TABLES and sections > compared and equal_masks > 0
