"""A stateful firewall as an application of os-ken, a real controller of OpenFlow 1.4, for test_osken.py.

Port 1 leads inside, port 2 outside. One atomic bundle installs what every connection needs: `ct` in front, a group for
each way, established connections to the groups, first packets to the controller. The application learns the policy from
packet-ins: for a service that the inside may use, it adds a flow that commits such connections, and sends the first packet
through the tables; anything else becomes a flow that drops. What it does and hears stands on standard output, a JSON object a line.
"""

import json

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ipv4, packet, tcp
from os_ken.ofproto import ofproto_v1_4

INSIDE, OUTSIDE = 1, 2
TO_INSIDE, TO_OUTSIDE = 11, 12  # groups
ZONE = 7
NEW, EST, REL, RPL, INV, TRK = (1 << n for n in range(6))
COMMIT = 1
DESTINATION_NAT = 2
NO_TABLE = 255
BUNDLE = 0x51
# What the inside may use: port -> mark of the connection and, for a service that moved, its real port.
SERVICES = {80: (0x50, None), 8080: (0x90, 80)}


class Firewall(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_4.OFP_VERSION]

    @staticmethod
    def say(what, **more):
        print(json.dumps({"what": what, **more}), flush=True)

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def handle_features(self, event):
        datapath = event.msg.datapath
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        flags = ofp.OFPBF_ATOMIC | ofp.OFPBF_ORDERED
        datapath.send_msg(parser.OFPBundleCtrlMsg(datapath, BUNDLE, ofp.OFPBCT_OPEN_REQUEST, flags, []))
        for message in self.always(datapath):
            datapath.send_msg(parser.OFPBundleAddMsg(datapath, BUNDLE, flags, message, []))
        datapath.send_msg(parser.OFPBundleCtrlMsg(datapath, BUNDLE, ofp.OFPBCT_COMMIT_REQUEST, flags, []))

    def always(self, datapath):
        """Groups and flows that stand whatever the policy is."""
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        yield parser.OFPFlowMod(datapath, table_id=ofp.OFPTT_ALL, command=ofp.OFPFC_DELETE, out_port=ofp.OFPP_ANY,
                                out_group=ofp.OFPG_ANY, match=parser.OFPMatch(), instructions=[])
        yield parser.OFPGroupMod(datapath, ofp.OFPGC_DELETE, ofp.OFPGT_ALL, ofp.OFPG_ALL, [])
        for group, port in ((TO_INSIDE, INSIDE), (TO_OUTSIDE, OUTSIDE)):
            bucket = parser.OFPBucket(weight=1, actions=[parser.OFPActionOutput(port)])
            yield parser.OFPGroupMod(datapath, ofp.OFPGC_ADD, ofp.OFPGT_SELECT, group, [bucket])
        yield self.flow(datapath, 0, 10, dict(eth_type=0x0806), [parser.OFPActionOutput(ofp.OFPP_NORMAL)])
        track = parser.NXActionCT(flags=0, zone_src="", zone_ofs_nbits=ZONE, recirc_table=1, alg=0,
                                  actions=[parser.NXActionNAT(flags=0)])
        yield self.flow(datapath, 0, 5, dict(eth_type=0x0800), [track])
        for port, group in ((INSIDE, TO_OUTSIDE), (OUTSIDE, TO_INSIDE)):
            yield self.flow(datapath, 1, 50, dict(in_port=port, eth_type=0x0800, ct_state=(TRK | EST, TRK | EST | INV)),
                            [parser.OFPActionGroup(group)])
        yield self.flow(datapath, 1, 10, dict(eth_type=0x0800, ip_proto=6, ct_state=(TRK | NEW, TRK | NEW)),
                        [parser.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER)])

    @staticmethod
    def flow(datapath, table, priority, match, actions, cookie=0):
        parser = datapath.ofproto_parser
        instructions = [parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)] if actions else []
        return parser.OFPFlowMod(datapath, table_id=table, priority=priority, match=parser.OFPMatch(**match), cookie=cookie,
                                 instructions=instructions)

    @set_ev_cls(ofp_event.EventOFPBundleCtrlMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def handle_bundle(self, event):
        if event.msg.type == event.msg.datapath.ofproto.OFPBCT_COMMIT_REPLY:
            self.say("ready")

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def handle_packet_in(self, event):
        message = event.msg
        datapath = message.datapath
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        frame = packet.Packet(message.data)
        l3, l4 = frame.get_protocol(ipv4.ipv4), frame.get_protocol(tcp.tcp)
        in_port = message.match["in_port"]
        self.say("packet-in", port=in_port, service=l4.dst_port, table=message.table_id, state=message.match["ct_state"][0],
                 zone=message.match["ct_zone"])
        match = dict(in_port=in_port, eth_type=0x0800, ip_proto=6, ipv4_dst=l3.dst, tcp_dst=l4.dst_port,
                     ct_state=(TRK | NEW, TRK | NEW))
        actions = []
        if in_port == INSIDE and l4.dst_port in SERVICES:
            mark, real_port = SERVICES[l4.dst_port]
            nested = [parser.NXActionRegLoad2(dst="ct_mark", value=mark)]
            if real_port:
                nested.append(parser.NXActionNAT(flags=DESTINATION_NAT, range_ipv4_min=l3.dst, range_proto_min=real_port))
            actions = [parser.NXActionCT(flags=COMMIT, zone_src="", zone_ofs_nbits=ZONE, recirc_table=NO_TABLE, alg=0,
                                         actions=nested), parser.OFPActionGroup(TO_OUTSIDE)]
        datapath.send_msg(self.flow(datapath, 1, 30, match, actions, cookie=l4.dst_port))
        datapath.send_msg(parser.OFPBarrierRequest(datapath))
        if actions:
            datapath.send_msg(parser.OFPPacketOut(datapath, buffer_id=ofp.OFP_NO_BUFFER, in_port=in_port, data=message.data,
                                                  actions=[parser.OFPActionOutput(ofp.OFPP_TABLE)]))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def handle_error(self, event):
        self.say("error", type=event.msg.type, code=event.msg.code)

    @set_ev_cls(ofp_event.EventOFPStateChange, [DEAD_DISPATCHER])
    def handle_end(self, _):
        self.say("disconnected")
