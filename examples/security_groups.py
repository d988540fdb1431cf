#!/usr/bin/python3
"""Security groups of a hypervisor as OpenFlow flows: writes the flow table of a bridge for a list of ports.

The tables are laid out as OpenStack's documentation describes its Open vSwitch firewall driver ("Open vSwitch Firewall
Driver", Neutron contributor guide; "Native Open vSwitch firewall driver", administration guide):

  0   classification      whose port it is: reg5, the port and at the same time its zone
  21  ARP_RESPONDER       answers for every address that is known here
  60  TRANSIENT           what comes from outside finds its port by address
  71  BASE_EGRESS         anti-spoofing (ARP, addresses, DHCP), then ct() in the sender's zone
  72  RULES_EGRESS        the sender's rules
  73  ACCEPT_OR_INGRESS   on to the rules of a local receiver, or out
  81  BASE_INGRESS        ct() in the receiver's zone
  82  RULES_INGRESS       the receiver's rules; remote groups by conjunction
  91  ACCEPTED_EGRESS     92 ACCEPTED_INGRESS   93 DROPPED   94 ACCEPTED_EGRESS_NORMAL

Neutron has a zone for each network, here each port has one of its own: a connection between two local ports is tracked for
either side, with its own rules and its own limit.

usage: security_groups.py FILE.json     the flows, for `ovs-ofctl --bundle replace-flows BRIDGE -`

FILE.json: {"ports": {NAME: {"ofport": N, "mac": M, "ip": A, "ip6": A6, "groups": [G…]}},
            "groups": {G: [{"direction": "ingress" or "egress", "protocol": "tcp", "ports": [80, 443],
                            "remote_ip": "10.0.0.0/8" or "remote_group": G}…]}}; all but the direction may be left out, and
ip6 of a port. A rule is for both versions of IP, "icmp" for ICMPv6 too, unless its remote_ip is of one.
"""

import ipaddress
import json
import sys

CLASSIFY, ARP_RESPONDER, TRANSIENT = 0, 21, 60
BASE_EGRESS, RULES_EGRESS, ACCEPT_OR_INGRESS = 71, 72, 73
BASE_INGRESS, RULES_INGRESS = 81, 82
ACCEPTED_EGRESS, ACCEPTED_INGRESS, DROPPED, ACCEPTED_EGRESS_NORMAL = 91, 92, 93, 94
NEIGHBOUR_DISCOVERY = (133, 135, 136)  # ICMPv6: solicitations, and the advertisement that a host may send
# What is called differently in the other version.
NAMES6 = {"ip": "ipv6", "tcp": "tcp6", "udp": "udp6", "sctp": "sctp6", "icmp": "icmp6", "nw_src": "ipv6_src",
          "nw_dst": "ipv6_dst"}
ZONE = "zone=NXM_NX_REG5[0..15]"


def go(table):
    return f"resubmit(,{table})"


class Firewall:
    def __init__(self, ports, groups):
        self.ports, self.groups = ports, groups
        self.flows = {}  # match with table and priority -> actions
        self.conjunctions = 0

    def add(self, table, priority, match, actions):
        key = f"table={table},priority={priority}{',' + match if match else ''}"
        before = self.flows.get(key)
        # A member of several remote groups is one flow of several conjunctions.
        both = before and before.startswith("conjunction") and actions.startswith("conjunction")
        self.flows[key] = f"{before},{actions}" if both and actions not in before else actions

    def text(self):
        self.common()
        for port in self.ports.values():
            self.port(port)
            self.rules(port, "egress", RULES_EGRESS, ACCEPT_OR_INGRESS)
            self.rules(port, "ingress", RULES_INGRESS, ACCEPTED_INGRESS)
        return "".join(f"{match},actions={actions}\n" for match, actions in self.flows.items())

    def common(self):
        self.add(CLASSIFY, 0, "", go(TRANSIENT))
        self.add(ARP_RESPONDER, 0, "", go(ACCEPTED_EGRESS_NORMAL))
        for table in (BASE_EGRESS, RULES_EGRESS, BASE_INGRESS, RULES_INGRESS):
            self.add(table, 0, "", go(DROPPED))
        for table in (RULES_EGRESS, RULES_INGRESS):
            self.add(table, 80, "ct_state=+inv+trk", go(DROPPED))
        self.add(ACCEPT_OR_INGRESS, 0, "", go(ACCEPTED_EGRESS))
        self.add(ACCEPTED_EGRESS, 0, "", go(ACCEPTED_EGRESS_NORMAL))
        self.add(ACCEPTED_INGRESS, 0, "", "output:NXM_NX_REG5[]")
        self.add(DROPPED, 0, "", "drop")
        self.add(ACCEPTED_EGRESS_NORMAL, 0, "", "NORMAL")

    def port(self, port):
        number, mac, address = port["ofport"], port["mac"], port["ip"]
        to_port = f"load:{number:#x}->NXM_NX_REG5[]"
        self.add(CLASSIFY, 100, f"in_port={number}", f"{to_port},{go(BASE_EGRESS)}")
        self.add(TRANSIENT, 90, f"dl_dst={mac}", f"{to_port},{go(BASE_INGRESS)}")
        self.add(ACCEPT_OR_INGRESS, 100, f"dl_dst={mac}", f"{to_port},{go(BASE_INGRESS)}")

        own = f"in_port={number},dl_src={mac}"
        self.add(BASE_EGRESS, 95, f"{own},arp,arp_spa={address},arp_sha={mac}", go(ARP_RESPONDER))
        self.add(BASE_EGRESS, 80, f"{own},udp,tp_src=68,tp_dst=67", go(ACCEPT_OR_INGRESS))
        self.add(BASE_EGRESS, 70, f"in_port={number},udp,tp_src=67,tp_dst=68", go(DROPPED))  # a DHCP server of its own
        self.add(BASE_EGRESS, 65, f"{own},ip,nw_src={address}", f"ct(table={RULES_EGRESS},{ZONE})")
        self.add(BASE_INGRESS, 100, f"reg5={number:#x},arp", go(ACCEPTED_INGRESS))
        self.add(BASE_INGRESS, 95, f"reg5={number:#x},udp,tp_src=67,tp_dst=68", go(ACCEPTED_INGRESS))
        self.add(BASE_INGRESS, 90, f"reg5={number:#x},ip", f"ct(table={RULES_INGRESS},{ZONE})")

        if "ip6" in port:
            self.neighbour_discovery(own, port)
            self.add(BASE_EGRESS, 65, f"{own},ipv6,ipv6_src={port['ip6']}", f"ct(table={RULES_EGRESS},{ZONE})")
            self.add(BASE_INGRESS, 90, f"reg5={number:#x},ipv6", f"ct(table={RULES_INGRESS},{ZONE})")

        self.add(ARP_RESPONDER, 1, f"arp,arp_op=1,arp_tpa={address}",
                 f"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],mod_dl_src:{mac},load:0x2->NXM_OF_ARP_OP[],"
                 "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
                 f"load:0x{mac.replace(':', '')}->NXM_NX_ARP_SHA[],"
                 f"load:{int(ipaddress.ip_address(address)):#x}->NXM_OF_ARP_SPA[],IN_PORT")

    def neighbour_discovery(self, own, port):
        """Nobody advertises or asks with an address that is not his."""
        for kind in NEIGHBOUR_DISCOVERY:
            whose = "nd_target" if kind == 136 else "ipv6_src"
            self.add(BASE_EGRESS, 95, f"{own},icmp6,icmp_type={kind},{whose}={port['ip6']}", go(ACCEPTED_EGRESS_NORMAL))
            self.add(BASE_INGRESS, 100, f"reg5={port['ofport']:#x},icmp6,icmp_type={kind}", go(ACCEPTED_INGRESS))

    def rules(self, port, direction, table, accepted):
        for version in (4, 6) if "ip6" in port else (4,):
            self.rules_of(version, port, direction, table, accepted)

    def rules_of(self, version, port, direction, table, accepted):
        own = f"reg5={port['ofport']:#x}"
        names, address = (NAMES6, "ip6") if version == 6 else ({}, "ip")
        ip = names.get("ip", "ip")
        remote_side = "nw_dst" if direction == "egress" else "nw_src"
        remote_side = names.get(remote_side, remote_side)
        for state in ("+est-rel-rpl", "+est-rel+rpl", "-new-est+rel-inv"):
            self.add(table, 75, f"ct_state={state},{ip},{own}", go(accepted))
        new, commit = f"ct_state=+new-est,{{}},{own}", f"ct(commit,{ZONE}),{go(accepted)}"
        for group in port["groups"]:
            for rule in self.groups[group]:
                if rule["direction"] != direction:
                    continue
                if "remote_ip" in rule and ipaddress.ip_network(rule["remote_ip"], strict=False).version != version:
                    continue
                protocol = names.get(rule.get("protocol", "ip"), rule.get("protocol", "ip"))
                services = [f"{protocol},tp_dst={number}" for number in rule.get("ports", [])] or [protocol]
                if "remote_group" in rule:
                    members = [f"{ip},{remote_side}={p[address]}" for p in self.ports.values()
                               if rule["remote_group"] in p["groups"] and address in p]
                    self.by_conjunction(table, new, members, services, f"conj_id={{}},{ip}", commit)
                    continue
                remote = f",{remote_side}={rule['remote_ip']}" if "remote_ip" in rule else ""
                for service in services:
                    self.add(table, 74, new.format(service + remote), commit)

    def by_conjunction(self, table, new, members, services, both, commit):
        """Members times services in as many flows as there are members and services together."""
        self.conjunctions += 1
        number = self.conjunctions
        for member in members:
            self.add(table, 70, new.format(member), f"conjunction({number},1/2)")
        for service in services:
            self.add(table, 70, new.format(service), f"conjunction({number},2/2)")
        self.add(table, 70, new.format(both.format(number)), commit)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        wanted = json.load(file)
    sys.stdout.write(Firewall(wanted["ports"], wanted["groups"]).text())


if __name__ == "__main__":
    main()
