// The table of fields and what is generic over it: look-up, get, set, wildcarding, prerequisites, sub-fields.
//
// To add a field: a member in FlowKey, an enumerator in FieldId, a row here, a line in flow/extract.cc. The
// static_asserts below fail until identifiers are dense and unique, every row fits its bytes, every byte of
// FlowKey belongs to a row or is a named pad, and rows overlap only where that is declared.
//
// Source of the rows: ovs-fields(7), OpenFlow 1.5.1 section 7.2.3.
#include "field/field.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/check.h"
#include "net/protocol.h"

namespace sluice::field {

namespace {

using flow::FlowKey;

constexpr std::uint16_t kNxmOf = 0x0000, kNxmNx = 0x0001, kEricOf = 0x1000, kOxmOf = 0x8000, kPktReg = 0x8001,
                        kExperimenterClass = 0xffff;
constexpr std::uint32_t kOnf = 0x4f4e4600;
constexpr std::uint8_t kV10 = 1, kV12 = 3, kV13 = 4, kV15 = 6;

constexpr OxmId nxm_of(std::uint8_t field, std::string_view name) {
  return {kNxmOf, field, kV10, name};
}
constexpr OxmId nxm_nx(std::uint8_t field, std::string_view name) {
  return {kNxmNx, field, kV10, name};
}
constexpr OxmId oxm_of(std::uint8_t field, std::string_view name, std::uint8_t since = kV12) {
  return {kOxmOf, field, since, name};
}
constexpr OxmId onf(std::uint8_t field, std::string_view name) {
  return {kExperimenterClass, field, kV13, name, kOnf};
}

#define SLUICE_AT(member) offsetof(FlowKey, member), sizeof(FlowKey::member)
constexpr std::uint16_t kTciOffset = offsetof(FlowKey, vlan) + offsetof(flow::VlanTag, tci);
constexpr std::uint16_t kMplsOffset = offsetof(FlowKey, mpls);

constexpr auto kBitwise = MaskPolicy::Bitwise;
constexpr auto kExact = MaskPolicy::None;
constexpr auto kRw = Access::ReadWrite;
constexpr auto kRo = Access::ReadOnly;

constexpr std::string_view kRegNames[16] = {"reg0",  "reg1",  "reg2",  "reg3", "reg4",  "reg5",
                                            "reg6",  "reg7",  "reg8",  "reg9", "reg10", "reg11",
                                            "reg12", "reg13", "reg14", "reg15"};
constexpr std::string_view kNxmRegNames[16] = {
    "NXM_NX_REG0",  "NXM_NX_REG1",  "NXM_NX_REG2",  "NXM_NX_REG3", "NXM_NX_REG4",  "NXM_NX_REG5",
    "NXM_NX_REG6",  "NXM_NX_REG7",  "NXM_NX_REG8",  "NXM_NX_REG9", "NXM_NX_REG10", "NXM_NX_REG11",
    "NXM_NX_REG12", "NXM_NX_REG13", "NXM_NX_REG14", "NXM_NX_REG15"};
constexpr std::string_view kXregNames[8] = {"xreg0", "xreg1", "xreg2", "xreg3",
                                            "xreg4", "xreg5", "xreg6", "xreg7"};
constexpr std::string_view kOxmXregNames[8] = {"OXM_OF_PKT_REG0", "OXM_OF_PKT_REG1", "OXM_OF_PKT_REG2",
                                               "OXM_OF_PKT_REG3", "OXM_OF_PKT_REG4", "OXM_OF_PKT_REG5",
                                               "OXM_OF_PKT_REG6", "OXM_OF_PKT_REG7"};
constexpr std::string_view kXxregNames[4] = {"xxreg0", "xxreg1", "xxreg2", "xxreg3"};
constexpr std::string_view kNxmXxregNames[4] = {"NXM_NX_XXREG0", "NXM_NX_XXREG1", "NXM_NX_XXREG2",
                                                "NXM_NX_XXREG3"};

constexpr FieldId plus(FieldId first, unsigned n) {
  return static_cast<FieldId>(static_cast<unsigned>(first) + n);
}

constexpr FieldSpec reg(unsigned n) {
  return {.id = plus(FieldId::Reg0, n),
          .name = kRegNames[n],
          .alias = {},
          .key_offset = static_cast<std::uint16_t>(offsetof(FlowKey, regs) + 4 * n),
          .key_bytes = 4,
          .shift = 0,
          .bits = 32,
          .wire_bytes = 4,
          .mask = kBitwise,
          .needs = Prereq::None,
          .access = kRw,
          .format = Format::Hex,
          .nxm = nxm_nx(static_cast<std::uint8_t>(n), kNxmRegNames[n]),
          .oxm = {},
          .doc = "Register: 32 bits of scratch space while a packet is in the pipeline."};
}
constexpr FieldSpec xreg(unsigned n) {
  return {.id = plus(FieldId::Xreg0, n),
          .name = kXregNames[n],
          .alias = {},
          .key_offset = static_cast<std::uint16_t>(offsetof(FlowKey, regs) + 8 * n),
          .key_bytes = 8,
          .shift = 0,
          .bits = 64,
          .wire_bytes = 8,
          .mask = kBitwise,
          .needs = Prereq::None,
          .access = kRw,
          .format = Format::Hex,
          .nxm = {},
          .oxm = {kPktReg, static_cast<std::uint8_t>(n), kV13, kOxmXregNames[n]},
          .doc = "Two registers as one: the even-numbered one holds the most significant half."};
}
constexpr FieldSpec xxreg(unsigned n) {
  return {.id = plus(FieldId::Xxreg0, n),
          .name = kXxregNames[n],
          .alias = {},
          .key_offset = static_cast<std::uint16_t>(offsetof(FlowKey, regs) + 16 * n),
          .key_bytes = 16,
          .shift = 0,
          .bits = 128,
          .wire_bytes = 16,
          .mask = kBitwise,
          .needs = Prereq::None,
          .access = kRw,
          .format = Format::Hex,
          .nxm = nxm_nx(static_cast<std::uint8_t>(111 + n), kNxmXxregNames[n]),
          .oxm = {},
          .doc = "Four registers as one, the lowest-numbered most significant."};
}

// Columns: id, name, alias, bytes in FlowKey, shift, bits, wire bytes, mask, prerequisite, access, format,
// NXM, OXM, doc.
// clang-format off
constexpr std::array<FieldSpec, kFieldCount> kFields = {{
  {FieldId::DpHash, "dp_hash", "", SLUICE_AT(dp_hash), 0, 32, 4, kBitwise, Prereq::None, kRo, Format::Hex,
   nxm_nx(35, "NXM_NX_DP_HASH"), {}, "Flow hash computed in the datapath."},
  {FieldId::RecircId, "recirc_id", "", SLUICE_AT(recirc_id), 0, 32, 4, kExact, Prereq::None, kRo, Format::Hex,
   nxm_nx(36, "NXM_NX_RECIRC_ID"), {}, "Which recirculation the packet comes from; 0 for a packet from a port."},
  {FieldId::ConjId, "conj_id", "", SLUICE_AT(conj_id), 0, 32, 4, kExact, Prereq::None, kRo, Format::Decimal,
   nxm_nx(37, "NXM_NX_CONJ_ID"), {}, "Identifier of the conjunction that the packet satisfied."},
  {FieldId::PacketType, "packet_type", "", SLUICE_AT(packet_type), 0, 32, 4, kExact, Prereq::None, kRo,
   Format::PacketType, {}, oxm_of(44, "OXM_OF_PACKET_TYPE", kV15), "Outermost header: (0,0) Ethernet, (1,EtherType) a bare L3 packet."},
  {FieldId::SkbPriority, "skb_priority", "", SLUICE_AT(skb_priority), 0, 32, 4, kExact, Prereq::None, kRo,
   Format::Hex, {}, {}, "Queueing priority of the packet."},
  {FieldId::PktMark, "pkt_mark", "", SLUICE_AT(pkt_mark), 0, 32, 4, kBitwise, Prereq::None, kRw, Format::Hex,
   nxm_nx(33, "NXM_NX_PKT_MARK"), {}, "Mark shared with the host's network stack."},
  {FieldId::InPort, "in_port", "", SLUICE_AT(in_port), 0, 16, 2, kExact, Prereq::None, kRw, Format::Port,
   nxm_of(0, "NXM_OF_IN_PORT"), {}, "Ingress port, as a 16-bit OpenFlow 1.0 number."},
  {FieldId::InPortOxm, "in_port_oxm", "", SLUICE_AT(in_port), 0, 32, 4, kExact, Prereq::None, kRw, Format::Port,
   {}, oxm_of(0, "OXM_OF_IN_PORT"), "Ingress port, as a 32-bit OpenFlow 1.1+ number."},
  {FieldId::ActsetOutput, "actset_output", "", SLUICE_AT(actset_output), 0, 32, 4, kExact, Prereq::None, kRo,
   Format::Port, {}, oxm_of(43, "OXM_OF_ACTSET_OUTPUT", kV15), "Output port in the action set; UNSET if there is none.",
   onf(43, "ONFOXM_ET_ACTSET_OUTPUT")},

  {FieldId::TunId, "tun_id", "tunnel_id", SLUICE_AT(tun_id), 0, 64, 8, kBitwise, Prereq::None, kRw, Format::Hex,
   nxm_nx(16, "NXM_NX_TUN_ID"), oxm_of(38, "OXM_OF_TUNNEL_ID", kV13), "Tunnel key: VNI, GRE key."},
  {FieldId::TunSrc, "tun_src", "", SLUICE_AT(tun_src), 0, 32, 4, kBitwise, Prereq::None, kRw, Format::Ipv4,
   nxm_nx(31, "NXM_NX_TUN_IPV4_SRC"), {}, "Source address of the tunnel's outer IPv4 header."},
  {FieldId::TunDst, "tun_dst", "", SLUICE_AT(tun_dst), 0, 32, 4, kBitwise, Prereq::None, kRw, Format::Ipv4,
   nxm_nx(32, "NXM_NX_TUN_IPV4_DST"), {}, "Destination address of the tunnel's outer IPv4 header."},
  {FieldId::TunIpv6Src, "tun_ipv6_src", "", SLUICE_AT(tun_ipv6_src), 0, 128, 16, kBitwise, Prereq::None, kRw,
   Format::Ipv6, nxm_nx(109, "NXM_NX_TUN_IPV6_SRC"), {}, "Source address of the tunnel's outer IPv6 header."},
  {FieldId::TunIpv6Dst, "tun_ipv6_dst", "", SLUICE_AT(tun_ipv6_dst), 0, 128, 16, kBitwise, Prereq::None, kRw,
   Format::Ipv6, nxm_nx(110, "NXM_NX_TUN_IPV6_DST"), {}, "Destination address of the tunnel's outer IPv6 header."},
  {FieldId::TunFlags, "tun_flags", "", SLUICE_AT(tun_flags), 0, 1, 2, kBitwise, Prereq::None, kRw,
   Format::TunFlags, nxm_nx(104, "NXM_NX_TUN_FLAGS"), {}, "Flags of the tunnel header: oam."},
  {FieldId::TunGbpId, "tun_gbp_id", "", SLUICE_AT(tun_gbp_id), 0, 16, 2, kBitwise, Prereq::None, kRw,
   Format::Decimal, nxm_nx(38, "NXM_NX_TUN_GBP_ID"), {}, "VXLAN group policy identifier."},
  {FieldId::TunGbpFlags, "tun_gbp_flags", "", SLUICE_AT(tun_gbp_flags), 0, 8, 1, kBitwise, Prereq::None, kRw,
   Format::Hex, nxm_nx(39, "NXM_NX_TUN_GBP_FLAGS"), {}, "VXLAN group policy flags."},
  {FieldId::TunTos, "tun_tos", "", SLUICE_AT(tun_tos), 0, 8, 1, kExact, Prereq::None, kRo, Format::Decimal, {}, {},
   "Type of service of the tunnel's outer header."},
  {FieldId::TunTtl, "tun_ttl", "", SLUICE_AT(tun_ttl), 0, 8, 1, kExact, Prereq::None, kRo, Format::Decimal, {}, {},
   "Time to live of the tunnel's outer header."},

  {FieldId::CtState, "ct_state", "", SLUICE_AT(ct_state), 0, 32, 4, kBitwise, Prereq::None, kRo, Format::CtState,
   nxm_nx(105, "NXM_NX_CT_STATE"), {}, "Connection state: new, est, rel, rpl, inv, trk, snat, dnat."},
  {FieldId::CtZone, "ct_zone", "", SLUICE_AT(ct_zone), 0, 16, 2, kExact, Prereq::None, kRo, Format::Hex,
   nxm_nx(106, "NXM_NX_CT_ZONE"), {}, "Zone of the last ct action."},
  {FieldId::CtMark, "ct_mark", "", SLUICE_AT(ct_mark), 0, 32, 4, kBitwise, Prereq::None, kRw, Format::Hex,
   nxm_nx(107, "NXM_NX_CT_MARK"), {}, "Mark committed to the connection."},
  {FieldId::CtLabel, "ct_label", "", SLUICE_AT(ct_label), 0, 128, 16, kBitwise, Prereq::None, kRw, Format::Hex,
   nxm_nx(108, "NXM_NX_CT_LABEL"), {}, "Label committed to the connection."},
  {FieldId::CtNwProto, "ct_nw_proto", "", SLUICE_AT(ct_nw_proto), 0, 8, 1, kExact, Prereq::CtTracked, kRo,
   Format::Decimal, nxm_nx(119, "NXM_NX_CT_NW_PROTO"), {}, "IP protocol of the connection's original direction."},
  {FieldId::CtNwSrc, "ct_nw_src", "", SLUICE_AT(ct_nw_src), 0, 32, 4, kBitwise, Prereq::CtTrackedIpv4, kRo,
   Format::Ipv4, nxm_nx(120, "NXM_NX_CT_NW_SRC"), {}, "IPv4 source of the connection's original direction."},
  {FieldId::CtNwDst, "ct_nw_dst", "", SLUICE_AT(ct_nw_dst), 0, 32, 4, kBitwise, Prereq::CtTrackedIpv4, kRo,
   Format::Ipv4, nxm_nx(121, "NXM_NX_CT_NW_DST"), {}, "IPv4 destination of the connection's original direction."},
  {FieldId::CtIpv6Src, "ct_ipv6_src", "", SLUICE_AT(ct_ipv6_src), 0, 128, 16, kBitwise, Prereq::CtTrackedIpv6, kRo,
   Format::Ipv6, nxm_nx(122, "NXM_NX_CT_IPV6_SRC"), {}, "IPv6 source of the connection's original direction."},
  {FieldId::CtIpv6Dst, "ct_ipv6_dst", "", SLUICE_AT(ct_ipv6_dst), 0, 128, 16, kBitwise, Prereq::CtTrackedIpv6, kRo,
   Format::Ipv6, nxm_nx(123, "NXM_NX_CT_IPV6_DST"), {}, "IPv6 destination of the connection's original direction."},
  {FieldId::CtTpSrc, "ct_tp_src", "", SLUICE_AT(ct_tp_src), 0, 16, 2, kBitwise, Prereq::CtTrackedPorts, kRo,
   Format::Decimal, nxm_nx(124, "NXM_NX_CT_TP_SRC"), {}, "Source port, or ICMP type, of the connection's original direction."},
  {FieldId::CtTpDst, "ct_tp_dst", "", SLUICE_AT(ct_tp_dst), 0, 16, 2, kBitwise, Prereq::CtTrackedPorts, kRo,
   Format::Decimal, nxm_nx(125, "NXM_NX_CT_TP_DST"), {}, "Destination port, or ICMP code, of the connection's original direction."},

  {FieldId::Metadata, "metadata", "", SLUICE_AT(metadata), 0, 64, 8, kBitwise, Prereq::None, kRw, Format::Hex, {},
   oxm_of(2, "OXM_OF_METADATA"), "64 bits of scratch space that write_metadata sets."},
  reg(0), reg(1), reg(2), reg(3), reg(4), reg(5), reg(6), reg(7),
  reg(8), reg(9), reg(10), reg(11), reg(12), reg(13), reg(14), reg(15),
  xreg(0), xreg(1), xreg(2), xreg(3), xreg(4), xreg(5), xreg(6), xreg(7),
  xxreg(0), xxreg(1), xxreg(2), xxreg(3),

  {FieldId::EthSrc, "eth_src", "dl_src", SLUICE_AT(eth_src), 0, 48, 6, kBitwise, Prereq::Ethernet, kRw, Format::Mac,
   nxm_of(2, "NXM_OF_ETH_SRC"), oxm_of(4, "OXM_OF_ETH_SRC"), "Ethernet source address."},
  {FieldId::EthDst, "eth_dst", "dl_dst", SLUICE_AT(eth_dst), 0, 48, 6, kBitwise, Prereq::Ethernet, kRw, Format::Mac,
   nxm_of(1, "NXM_OF_ETH_DST"), oxm_of(3, "OXM_OF_ETH_DST"), "Ethernet destination address."},
  {FieldId::EthType, "eth_type", "dl_type", SLUICE_AT(eth_type), 0, 16, 2, kExact, Prereq::Ethernet, kRo, Format::Hex,
   nxm_of(3, "NXM_OF_ETH_TYPE"), oxm_of(5, "OXM_OF_ETH_TYPE"), "EtherType behind the VLAN tags; 0x05ff for a frame without one."},

  {FieldId::VlanTci, "vlan_tci", "", kTciOffset, 2, 0, 16, 2, kBitwise, Prereq::Ethernet, kRw, Format::Hex,
   nxm_of(4, "NXM_OF_VLAN_TCI"), {}, "Outermost tag: PCP, CFI (1 in every present tag), VID; 0 without a tag."},
  {FieldId::DlVlan, "dl_vlan", "", kTciOffset, 2, 0, 12, 2, kExact, Prereq::Ethernet, kRw, Format::Decimal,
   {}, {}, "VLAN number of the outermost tag (OpenFlow 1.0); 0xffff matches frames without a tag."},
  {FieldId::VlanVid, "vlan_vid", "", kTciOffset, 2, 0, 12, 2, kBitwise, Prereq::Ethernet, kRw,
   Format::Decimal, {}, oxm_of(6, "OXM_OF_VLAN_VID"), "VLAN number of the outermost tag; in a match bit 0x1000 says that there is one."},
  {FieldId::DlVlanPcp, "dl_vlan_pcp", "", kTciOffset, 2, 13, 3, 1, kExact, Prereq::Ethernet, kRw,
   Format::Decimal, {}, {}, "Priority of the outermost tag (OpenFlow 1.0)."},
  {FieldId::VlanPcp, "vlan_pcp", "", kTciOffset, 2, 13, 3, 1, kExact, Prereq::Vlan, kRw, Format::Decimal,
   {}, oxm_of(7, "OXM_OF_VLAN_PCP"), "Priority of the outermost tag."},

  {FieldId::MplsLabel, "mpls_label", "", kMplsOffset, 4, 12, 20, 4, kExact, Prereq::Mpls, kRw, Format::Decimal,
   {}, oxm_of(34, "OXM_OF_MPLS_LABEL"), "Label of the outermost MPLS entry."},
  {FieldId::MplsTc, "mpls_tc", "", kMplsOffset, 4, 9, 3, 1, kExact, Prereq::Mpls, kRw, Format::Decimal,
   {}, oxm_of(35, "OXM_OF_MPLS_TC"), "Traffic class of the outermost MPLS entry."},
  {FieldId::MplsBos, "mpls_bos", "", kMplsOffset, 4, 8, 1, 1, kExact, Prereq::Mpls, kRo, Format::Decimal,
   {}, oxm_of(36, "OXM_OF_MPLS_BOS", kV13), "1 in the last MPLS entry."},
  {FieldId::MplsTtl, "mpls_ttl", "", kMplsOffset, 4, 0, 8, 1, kExact, Prereq::Mpls, kRw, Format::Decimal,
   nxm_nx(30, "NXM_NX_MPLS_TTL"), {}, "Time to live of the outermost MPLS entry."},

  {FieldId::Ipv4Src, "ip_src", "nw_src", SLUICE_AT(nw_src), 0, 32, 4, kBitwise, Prereq::Ipv4, kRw, Format::Ipv4,
   nxm_of(7, "NXM_OF_IP_SRC"), oxm_of(11, "OXM_OF_IPV4_SRC"), "IPv4 source address."},
  {FieldId::Ipv4Dst, "ip_dst", "nw_dst", SLUICE_AT(nw_dst), 0, 32, 4, kBitwise, Prereq::Ipv4, kRw, Format::Ipv4,
   nxm_of(8, "NXM_OF_IP_DST"), oxm_of(12, "OXM_OF_IPV4_DST"), "IPv4 destination address."},
  {FieldId::Ipv6Src, "ipv6_src", "", SLUICE_AT(ipv6_src), 0, 128, 16, kBitwise, Prereq::Ipv6, kRw, Format::Ipv6,
   nxm_nx(19, "NXM_NX_IPV6_SRC"), oxm_of(26, "OXM_OF_IPV6_SRC"), "IPv6 source address."},
  {FieldId::Ipv6Dst, "ipv6_dst", "", SLUICE_AT(ipv6_dst), 0, 128, 16, kBitwise, Prereq::Ipv6, kRw, Format::Ipv6,
   nxm_nx(20, "NXM_NX_IPV6_DST"), oxm_of(27, "OXM_OF_IPV6_DST"), "IPv6 destination address."},
  {FieldId::Ipv6Label, "ipv6_label", "", SLUICE_AT(ipv6_label), 0, 20, 4, kBitwise, Prereq::Ipv6, kRw, Format::Hex,
   nxm_nx(27, "NXM_NX_IPV6_LABEL"), oxm_of(28, "OXM_OF_IPV6_FLABEL"), "IPv6 flow label."},
  {FieldId::IpProto, "nw_proto", "ip_proto", SLUICE_AT(nw_proto), 0, 8, 1, kExact, Prereq::Ip, kRo, Format::Decimal,
   nxm_of(6, "NXM_OF_IP_PROTO"), oxm_of(10, "OXM_OF_IP_PROTO"), "IP protocol; behind IPv6 extension headers."},
  {FieldId::IpDscp, "nw_tos", "", SLUICE_AT(nw_tos), 0, 8, 1, kExact, Prereq::Ip, kRw, Format::Decimal,
   nxm_of(5, "NXM_OF_IP_TOS"), {}, "DSCP in the upper six bits of the type-of-service byte.", {}, 2},
  {FieldId::IpDscpShifted, "ip_dscp", "", SLUICE_AT(nw_tos), 2, 6, 1, kExact, Prereq::Ip, kRw, Format::Decimal,
   {}, oxm_of(8, "OXM_OF_IP_DSCP"), "DSCP as a number below 64."},
  {FieldId::IpEcn, "nw_ecn", "ip_ecn", SLUICE_AT(nw_tos), 0, 2, 1, kExact, Prereq::Ip, kRw, Format::Decimal,
   nxm_nx(28, "NXM_NX_IP_ECN"), oxm_of(9, "OXM_OF_IP_ECN"), "Explicit congestion notification."},
  {FieldId::IpTtl, "nw_ttl", "", SLUICE_AT(nw_ttl), 0, 8, 1, kExact, Prereq::Ip, kRw, Format::Decimal,
   nxm_nx(29, "NXM_NX_IP_TTL"), {}, "IP time to live or hop limit."},
  {FieldId::IpFrag, "ip_frag", "nw_frag", SLUICE_AT(nw_frag), 0, 2, 1, kBitwise, Prereq::Ip, kRo, Format::Frag,
   nxm_nx(26, "NXM_NX_IP_FRAG"), {}, "Fragment: no, yes, first, later, not_later."},

  {FieldId::ArpOp, "arp_op", "", SLUICE_AT(nw_proto), 0, 16, 2, kExact, Prereq::Arp, kRw, Format::Decimal,
   nxm_of(15, "NXM_OF_ARP_OP"), oxm_of(21, "OXM_OF_ARP_OP"), "ARP operation; only values below 256 can be told apart."},
  {FieldId::ArpSpa, "arp_spa", "", SLUICE_AT(nw_src), 0, 32, 4, kBitwise, Prereq::Arp, kRw, Format::Ipv4,
   nxm_of(16, "NXM_OF_ARP_SPA"), oxm_of(22, "OXM_OF_ARP_SPA"), "ARP sender protocol address."},
  {FieldId::ArpTpa, "arp_tpa", "", SLUICE_AT(nw_dst), 0, 32, 4, kBitwise, Prereq::Arp, kRw, Format::Ipv4,
   nxm_of(17, "NXM_OF_ARP_TPA"), oxm_of(23, "OXM_OF_ARP_TPA"), "ARP target protocol address."},
  {FieldId::ArpSha, "arp_sha", "", SLUICE_AT(arp_sha), 0, 48, 6, kBitwise, Prereq::Arp, kRw, Format::Mac,
   nxm_nx(17, "NXM_NX_ARP_SHA"), oxm_of(24, "OXM_OF_ARP_SHA"), "ARP sender hardware address."},
  {FieldId::ArpTha, "arp_tha", "", SLUICE_AT(arp_tha), 0, 48, 6, kBitwise, Prereq::Arp, kRw, Format::Mac,
   nxm_nx(18, "NXM_NX_ARP_THA"), oxm_of(25, "OXM_OF_ARP_THA"), "ARP target hardware address."},

  {FieldId::TcpSrc, "tcp_src", "tp_src", SLUICE_AT(tp_src), 0, 16, 2, kBitwise, Prereq::Tcp, kRw, Format::Decimal,
   nxm_of(9, "NXM_OF_TCP_SRC"), oxm_of(13, "OXM_OF_TCP_SRC"), "TCP source port."},
  {FieldId::TcpDst, "tcp_dst", "tp_dst", SLUICE_AT(tp_dst), 0, 16, 2, kBitwise, Prereq::Tcp, kRw, Format::Decimal,
   nxm_of(10, "NXM_OF_TCP_DST"), oxm_of(14, "OXM_OF_TCP_DST"), "TCP destination port."},
  {FieldId::TcpFlags, "tcp_flags", "", SLUICE_AT(tcp_flags), 0, 12, 2, kBitwise, Prereq::Tcp, kRo, Format::TcpFlags,
   nxm_nx(34, "NXM_NX_TCP_FLAGS"), oxm_of(42, "OXM_OF_TCP_FLAGS", kV15), "TCP flags.",
   onf(42, "ONFOXM_ET_TCP_FLAGS")},
  {FieldId::UdpSrc, "udp_src", "", SLUICE_AT(tp_src), 0, 16, 2, kBitwise, Prereq::Udp, kRw, Format::Decimal,
   nxm_of(11, "NXM_OF_UDP_SRC"), oxm_of(15, "OXM_OF_UDP_SRC"), "UDP source port."},
  {FieldId::UdpDst, "udp_dst", "", SLUICE_AT(tp_dst), 0, 16, 2, kBitwise, Prereq::Udp, kRw, Format::Decimal,
   nxm_of(12, "NXM_OF_UDP_DST"), oxm_of(16, "OXM_OF_UDP_DST"), "UDP destination port."},
  {FieldId::SctpSrc, "sctp_src", "", SLUICE_AT(tp_src), 0, 16, 2, kBitwise, Prereq::Sctp, kRw, Format::Decimal,
   {}, oxm_of(17, "OXM_OF_SCTP_SRC"), "SCTP source port."},
  {FieldId::SctpDst, "sctp_dst", "", SLUICE_AT(tp_dst), 0, 16, 2, kBitwise, Prereq::Sctp, kRw, Format::Decimal,
   {}, oxm_of(18, "OXM_OF_SCTP_DST"), "SCTP destination port."},
  {FieldId::Icmpv4Type, "icmp_type", "", SLUICE_AT(tp_src), 0, 8, 1, kExact, Prereq::Icmpv4, kRw, Format::Decimal,
   nxm_of(13, "NXM_OF_ICMP_TYPE"), oxm_of(19, "OXM_OF_ICMPV4_TYPE"), "ICMP type."},
  {FieldId::Icmpv4Code, "icmp_code", "", SLUICE_AT(tp_dst), 0, 8, 1, kExact, Prereq::Icmpv4, kRw, Format::Decimal,
   nxm_of(14, "NXM_OF_ICMP_CODE"), oxm_of(20, "OXM_OF_ICMPV4_CODE"), "ICMP code."},
  {FieldId::Icmpv6Type, "icmpv6_type", "", SLUICE_AT(tp_src), 0, 8, 1, kExact, Prereq::Icmpv6, kRw, Format::Decimal,
   nxm_nx(21, "NXM_NX_ICMPV6_TYPE"), oxm_of(29, "OXM_OF_ICMPV6_TYPE"), "ICMPv6 type."},
  {FieldId::Icmpv6Code, "icmpv6_code", "", SLUICE_AT(tp_dst), 0, 8, 1, kExact, Prereq::Icmpv6, kRw, Format::Decimal,
   nxm_nx(22, "NXM_NX_ICMPV6_CODE"), oxm_of(30, "OXM_OF_ICMPV6_CODE"), "ICMPv6 code."},

  {FieldId::NdTarget, "nd_target", "", SLUICE_AT(nd_target), 0, 128, 16, kBitwise, Prereq::Nd, kRw, Format::Ipv6,
   nxm_nx(23, "NXM_NX_ND_TARGET"), oxm_of(31, "OXM_OF_IPV6_ND_TARGET"), "Target address of neighbour discovery."},
  {FieldId::NdSll, "nd_sll", "", SLUICE_AT(arp_sha), 0, 48, 6, kBitwise, Prereq::NdSolicit, kRw, Format::Mac,
   nxm_nx(24, "NXM_NX_ND_SLL"), oxm_of(32, "OXM_OF_IPV6_ND_SLL"), "Source link-layer address option of a solicitation."},
  {FieldId::NdTll, "nd_tll", "", SLUICE_AT(arp_tha), 0, 48, 6, kBitwise, Prereq::NdAdvert, kRw, Format::Mac,
   nxm_nx(25, "NXM_NX_ND_TLL"), oxm_of(33, "OXM_OF_IPV6_ND_TLL"), "Target link-layer address option of an advertisement."},
  {FieldId::NdReserved, "nd_reserved", "", SLUICE_AT(nd_reserved), 0, 32, 4, kExact, Prereq::Nd, kRw, Format::Decimal,
   {kEricOf, 1, kV10, "ERICOXM_OF_ICMPV6_ND_RESERVED"}, {}, "Flags and reserved bits of neighbour discovery."},
  {FieldId::NdOptionsType, "nd_options_type", "", SLUICE_AT(nd_options_type), 0, 8, 1, kExact, Prereq::Nd, kRw,
   Format::Decimal, {kEricOf, 2, kV10, "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"}, {}, "Type of the first neighbour discovery option."},
}};
// clang-format on

constexpr std::size_t index(FieldId id) {
  return static_cast<std::size_t>(id);
}
constexpr const FieldSpec& row(FieldId id) {
  return kFields[index(id)];
}

// The proofs.

constexpr bool ids_dense() {
  for (std::size_t i = 0; i < kFields.size(); ++i)
    if (index(kFields[i].id) != i) return false;
  return true;
}
static_assert(ids_dense(), "rows stand in the order of FieldId");

constexpr bool names_unique() {
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (kFields[i].name.empty() || kFields[i].doc.empty() || kFields[i].name == kFields[i].alias)
      return false;
    for (std::size_t j = i + 1; j < kFields.size(); ++j)
      for (const auto a : {kFields[i].name, kFields[i].alias})
        for (const auto b : {kFields[j].name, kFields[j].alias})
          if (!a.empty() && a == b) return false;
  }
  return true;
}
static_assert(names_unique(), "names and aliases name one field each");

constexpr bool oxm_ids_unique() {
  std::array<std::uint64_t, 3 * kFieldCount> ids{};
  std::size_t n = 0;
  for (const FieldSpec& f : kFields)
    for (const OxmId* id : {&f.nxm, &f.oxm, &f.onf})
      if (id->exists())
        ids[n++] = std::uint64_t{id->experimenter} << 32 | std::uint32_t{id->oxm_class} << 8 | id->oxm_field;
  std::sort(ids.begin(), ids.begin() + n);
  return std::adjacent_find(ids.begin(), ids.begin() + n) == ids.begin() + n;
}
static_assert(oxm_ids_unique(), "an OXM identifier names one field");

constexpr bool rows_fit() {
  for (const FieldSpec& f : kFields) {
    if (f.bits > 8 * f.wire_bytes || f.bits + 8 <= 8 * f.wire_bytes) {
      // Fields that OpenFlow carries in a wider integer than they have bits.
      const bool wide = f.id == FieldId::TunFlags || f.id == FieldId::MplsLabel || f.id == FieldId::Ipv6Label;
      if (f.bits > 8 * f.wire_bytes || !wide) return false;
    }
    const bool narrow_key = f.id == FieldId::ArpOp;
    if (!narrow_key && f.shift + f.bits > 8 * f.key_bytes) return false;
    if (f.key_offset + f.key_bytes > sizeof(FlowKey)) return false;
  }
  return true;
}
static_assert(rows_fit(), "a field fits its bytes in FlowKey and on the wire");

struct Pad {
  std::size_t offset, size;
};
// Bytes of FlowKey that no field owns: pads, the second VLAN tag, TPIDs, inner MPLS labels.
constexpr Pad kPads[] = {
    {offsetof(FlowKey, tun_pad), 1},  {offsetof(FlowKey, ct_pad0), 1},  {offsetof(FlowKey, l2_pad), 2},
    {offsetof(FlowKey, vlan), 2},     {offsetof(FlowKey, vlan) + 4, 4}, {offsetof(FlowKey, mpls) + 4, 8},
    {offsetof(FlowKey, mpls_pad), 4}, {offsetof(FlowKey, l4_pad), 1},
};
constexpr bool every_byte_owned() {
  std::array<bool, sizeof(FlowKey)> owned{};
  for (const Pad& pad : kPads)
    for (std::size_t i = 0; i < pad.size; ++i) {
      if (owned[pad.offset + i]) return false;
      owned[pad.offset + i] = true;
    }
  for (const Pad& pad : kPads)
    for (const FieldSpec& f : kFields)
      if (f.key_offset < pad.offset + pad.size && pad.offset < std::size_t{f.key_offset} + f.key_bytes)
        return false;
  for (const FieldSpec& f : kFields)
    for (std::size_t i = 0; i < f.key_bytes; ++i) owned[f.key_offset + i] = true;
  return std::all_of(owned.begin(), owned.end(), [](bool b) { return b; });
}
static_assert(every_byte_owned(), "every byte of FlowKey belongs to a field or is a named pad, not both");

// Two rows may share bits if no packet has both (exclusive prerequisites) or one is a view of the other.
constexpr bool is_register(FieldId id) {
  return id >= FieldId::Reg0 && id <= FieldId::Xxreg3;
}
constexpr bool is_vlan(FieldId id) {
  return id >= FieldId::VlanTci && id <= FieldId::VlanPcp;
}
constexpr unsigned ether_kinds(Prereq p) {  // a bit per EtherType that satisfies the prerequisite
  constexpr unsigned kIpv4 = 1, kIpv6 = 2, kArp = 4, kMpls = 8, kAll = 15;
  switch (p) {
    case Prereq::Arp:
      return kArp;
    case Prereq::Mpls:
      return kMpls;
    case Prereq::Ipv4:
    case Prereq::Icmpv4:
      return kIpv4;
    case Prereq::Ipv6:
    case Prereq::Icmpv6:
    case Prereq::Nd:
    case Prereq::NdSolicit:
    case Prereq::NdAdvert:
      return kIpv6;
    case Prereq::Ip:
    case Prereq::Tcp:
    case Prereq::Udp:
    case Prereq::Sctp:
      return kIpv4 | kIpv6;
    default:
      return kAll;
  }
}
constexpr int protocol(Prereq p) {
  switch (p) {
    case Prereq::Tcp:
      return net::ip_proto::kTcp;
    case Prereq::Udp:
      return net::ip_proto::kUdp;
    case Prereq::Sctp:
      return net::ip_proto::kSctp;
    case Prereq::Icmpv4:
      return net::ip_proto::kIcmp;
    case Prereq::Icmpv6:
    case Prereq::Nd:
    case Prereq::NdSolicit:
    case Prereq::NdAdvert:
      return net::ip_proto::kIcmpv6;
    default:
      return -1;
  }
}
constexpr bool exclusive(Prereq a, Prereq b) {
  if ((ether_kinds(a) & ether_kinds(b)) == 0) return true;
  return protocol(a) >= 0 && protocol(b) >= 0 && protocol(a) != protocol(b);
}
constexpr bool views_of_same(FieldId a, FieldId b) {
  const auto pair = [&](FieldId x, FieldId y) { return (a == x && b == y) || (a == y && b == x); };
  return (is_register(a) && is_register(b)) || (is_vlan(a) && is_vlan(b)) ||
         pair(FieldId::InPort, FieldId::InPortOxm) || pair(FieldId::IpDscp, FieldId::IpDscpShifted);
}
constexpr bool overlaps_declared() {
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    for (std::size_t j = i + 1; j < kFields.size(); ++j) {
      const FieldSpec &a = kFields[i], &b = kFields[j];
      // Bit positions counted from the most significant bit of FlowKey's first byte.
      const auto high = [](const FieldSpec& f) {
        return 8 * f.key_offset + std::max(0, 8 * f.key_bytes - f.shift - f.bits);
      };
      const auto low = [](const FieldSpec& f) {
        return 8 * f.key_offset + 8 * f.key_bytes - f.shift - f.low_zero_bits;
      };
      if (high(a) < low(b) && high(b) < low(a) && !exclusive(a.needs, b.needs) && !views_of_same(a.id, b.id))
        return false;
    }
  }
  return true;
}
static_assert(overlaps_declared(), "fields share bits only if no packet has both or one is declared a view");

// Raw access to the bytes of a FlowKey.

/// Where the bits of a field lie.
struct Place {
  unsigned offset, bytes, shift;
  FieldValue valid;  ///< of the value
};
Place place_of(const FieldSpec& f) {
  return {f.key_offset, f.key_bytes, f.shift, f.valid_bits()};
}

/// Most fields fit 64 bits, with which a processor counts faster.
template <typename V>
V load_as(const unsigned char* bytes, const Place& p) {
  V value = 0;
  for (unsigned i = 0; i < p.bytes; ++i) value = value << 8 | bytes[i];
  return (value >> p.shift) & static_cast<V>(p.valid);
}
template <typename V>
void store_as(unsigned char* bytes, const Place& p, V value) {
  const V owned = static_cast<V>(p.valid) << p.shift;
  value = (value << p.shift) & owned;
  for (unsigned i = 0; i < p.bytes; ++i) {
    const unsigned at = 8 * (p.bytes - 1u - i);
    const auto keep = static_cast<unsigned char>(~static_cast<unsigned char>(owned >> at));
    bytes[i] = static_cast<unsigned char>((bytes[i] & keep) | static_cast<unsigned char>(value >> at));
  }
}

FieldValue load(const FlowKey& key, const Place& p) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&key) + p.offset;
  return p.bytes <= 8 ? load_as<std::uint64_t>(bytes, p) : load_as<FieldValue>(bytes, p);
}
FieldValue load(const FlowKey& key, const FieldSpec& f) {
  return load(key, place_of(f));
}
void store(FlowKey& key, const Place& p, FieldValue value) {
  auto* bytes = reinterpret_cast<unsigned char*>(&key) + p.offset;
  if (p.bytes <= 8)
    store_as(bytes, p, static_cast<std::uint64_t>(value));
  else
    store_as(bytes, p, value);
}
void store(FlowKey& key, const FieldSpec& f, FieldValue value) {
  store(key, place_of(f), value);
}

// OpenFlow 1.0 numbers its reserved ports 0xff00 up; the key holds their 32-bit forms.
constexpr std::uint32_t widen_port(std::uint32_t port) {
  return port >= 0xff00 && port <= 0xffff ? port | 0xffff0000 : port;
}

// Of the 32 bits of ct_state, eight have a meaning; a match covers those.
constexpr std::uint8_t kCtStateBits = 8;

constexpr bool implies_tag(FieldId id) {
  return id == FieldId::DlVlan || id == FieldId::VlanVid || id == FieldId::DlVlanPcp ||
         id == FieldId::VlanPcp;
}
constexpr bool is_icmp(FieldId id) {
  return id >= FieldId::Icmpv4Type && id <= FieldId::Icmpv6Code;
}

/// The bits which a match on the field covers: in_port is matched with all 32 bits of the key, an ICMP type
/// or code with all 16 bits of its port member, vlan_vid with the bit that says that there is a tag.
Place match_place(FieldId id) {
  const FieldSpec& f = row(id);
  Place place = place_of(f);
  const auto widen = [&](unsigned bits) { place.valid = ones(bits) & ~ones(f.low_zero_bits); };
  if (id == FieldId::InPort) widen(32);
  if (is_icmp(id)) widen(16);
  if (id == FieldId::VlanVid || id == FieldId::DlVlan) widen(13);
  if (id == FieldId::CtState) widen(kCtStateBits);
  return place;
}

/// Every name of every row in order, for look-up: flows come by the million. A name that several rows have
/// stands for the first of them.
struct NamedRow {
  std::string_view name;
  std::uint16_t row = 0;
};
struct SortedNames {
  std::array<NamedRow, kFieldCount * 5> names;
  std::size_t count = 0;
};
SortedNames sort_names() {
  SortedNames sorted;
  for (std::uint16_t i = 0; i < kFieldCount; ++i) {
    const FieldSpec& f = kFields[i];
    for (const std::string_view name : {f.name, f.alias, f.nxm.name, f.oxm.name, f.onf.name})
      if (!name.empty()) sorted.names[sorted.count++] = {name, i};
  }
  std::sort(sorted.names.begin(), sorted.names.begin() + static_cast<std::ptrdiff_t>(sorted.count),
            [](const NamedRow& a, const NamedRow& b) {
              return a.name != b.name ? a.name < b.name : a.row < b.row;
            });
  return sorted;
}
const SortedNames& sorted_names() {
  static const SortedNames names = sort_names();
  return names;
}

/// True if the match demands exactly this value of the field.
bool fixes(const flow::Match& match, FieldId id, FieldValue value) {
  const ValueMask got = get(match, id);
  return got.mask == row(id).valid_bits() && got.value == value;
}

}  // namespace

std::span<const FieldSpec> all_fields() {
  return kFields;
}

const FieldSpec& spec(FieldId id) {
  return kFields[index(id)];
}

const FieldSpec* find_field(std::string_view name) {
  if (name.empty()) return nullptr;
  const SortedNames& sorted = sorted_names();
  const auto end = sorted.names.begin() + static_cast<std::ptrdiff_t>(sorted.count);
  const auto found = std::lower_bound(sorted.names.begin(), end, name,
                                      [](const NamedRow& a, std::string_view b) { return a.name < b; });
  return found != end && found->name == name ? &kFields[found->row] : nullptr;
}

FieldValue get(const FlowKey& key, FieldId id) {
  if (id == FieldId::InPort) return static_cast<std::uint16_t>(key.in_port.host());
  return load(key, row(id));
}

void set(FlowKey& key, FieldId id, FieldValue value) {
  if (id == FieldId::InPort) {
    key.in_port = be32{widen_port(static_cast<std::uint16_t>(value))};
    return;
  }
  store(key, row(id), value);
  if (implies_tag(id)) key.vlan[0].tci = key.vlan[0].tci | be16{flow::kVlanPresent};
}

FieldValue get(const FlowKey& key, const Subfield& sub) {
  return (get(key, sub.field) >> sub.offset) & ones(sub.width);
}

void set(FlowKey& key, const Subfield& sub, FieldValue value) {
  const FieldValue mask = ones(sub.width) << sub.offset;
  set(key, sub.field, (get(key, sub.field) & ~mask) | ((value << sub.offset) & mask));
}

void unwildcard(flow::Mask& mask, FieldId id) {
  const Place place = match_place(id);
  if (implies_tag(id)) mask.bits.vlan[0].tci = mask.bits.vlan[0].tci | be16{flow::kVlanPresent};
  store(mask.bits, place, place.valid);
}

void unwildcard(flow::Mask& mask, const Subfield& sub) {
  if (sub.field == FieldId::InPort || is_icmp(sub.field)) return unwildcard(mask, sub.field);
  const FieldSpec& f = row(sub.field);
  store(mask.bits, f, load(mask.bits, f) | (ones(sub.width) << sub.offset));
}

ValueMask get(const flow::Match& match, FieldId id) {
  const FieldSpec& f = row(id);
  if (id == FieldId::InPort)
    return {get(match.value, id), match.mask.bits.in_port.raw() == 0 ? 0 : FieldValue{0xffff}};
  if (id == FieldId::ArpOp) {
    const FieldValue mask = load(match.mask.bits, f);
    return {load(match.value, f), mask == 0xff ? 0xffff : mask};
  }
  return {load(match.value, f), load(match.mask.bits, f)};
}

void set_match(flow::Match& match, FieldId id, FieldValue value, FieldValue mask) {
  const Place place = match_place(id);
  switch (id) {
    case FieldId::InPort:
      value = widen_port(static_cast<std::uint16_t>(value));
      mask = mask != 0 ? ones(32) : 0;
      break;
    case FieldId::DlVlan:
      if (value == 0xffff) return set_match(match, FieldId::VlanTci, 0, 0xffff);
      value = (value & flow::kVlanVidMask) | flow::kVlanPresent;
      mask = mask != 0 ? ones(13) : 0;
      break;
    case FieldId::VlanVid:
      value &= ones(13);
      break;
    case FieldId::DlVlanPcp:
    case FieldId::VlanPcp:
      if (mask != 0) {
        match.value.vlan[0].tci = match.value.vlan[0].tci | be16{flow::kVlanPresent};
        match.mask.bits.vlan[0].tci = match.mask.bits.vlan[0].tci | be16{flow::kVlanPresent};
      }
      break;
    case FieldId::Icmpv4Type:
    case FieldId::Icmpv4Code:
    case FieldId::Icmpv6Type:
    case FieldId::Icmpv6Code:
      mask = mask != 0 ? ones(16) : 0;
      break;
    default:
      break;
  }
  store(match.value, place, value & mask);
  store(match.mask.bits, place, mask);
}

bool is_matched(const flow::Match& match, FieldId id) {
  if (implies_tag(id) && (match.mask.bits.vlan[0].tci.host() & flow::kVlanPresent) != 0) return true;
  return load(match.mask.bits, match_place(id)) != 0;
}

std::uint16_t fixed_eth_type(const flow::Match& match) {
  if (match.mask.bits.packet_type.host() == 0xffffffff && match.value.packet_type.host() >> 16 == 1)
    return static_cast<std::uint16_t>(match.value.packet_type.host());
  return match.mask.bits.eth_type.host() == 0xffff ? match.value.eth_type.host() : 0;
}

bool prerequisites_met(Prereq needs, const flow::Match& match) {
  namespace ethertype = net::ethertype;
  const std::uint16_t eth_type = fixed_eth_type(match);
  const auto is_ip = [&] { return eth_type == ethertype::kIpv4 || eth_type == ethertype::kIpv6; };
  const auto has_protocol = [&](std::uint8_t wanted) {
    return match.mask.bits.nw_proto == 0xff && match.value.nw_proto == wanted;
  };
  // A later fragment has no transport header.
  const auto has_ports = [&](std::uint8_t wanted) {
    return is_ip() && has_protocol(wanted) && (match.value.nw_frag & flow::kFragLater) == 0;
  };
  const auto nd = [&](std::uint8_t type) {
    return eth_type == ethertype::kIpv6 && has_protocol(net::ip_proto::kIcmpv6) &&
           fixes(match, FieldId::Icmpv6Type, type) &&
           (fixes(match, FieldId::Icmpv6Code, 0) || match.mask.bits.tp_dst.raw() == 0);
  };
  const auto tracked = [&] {
    constexpr std::uint32_t kInv = 0x10, kTrk = 0x20;
    const std::uint32_t state = match.value.ct_state.host(), mask = match.mask.bits.ct_state.host();
    // Any other flag says as much as +trk-inv.
    return (state & ~(kInv | kTrk)) != 0 ||
           ((mask & (kInv | kTrk)) == (kInv | kTrk) && (state & (kInv | kTrk)) == kTrk);
  };
  switch (needs) {
    case Prereq::None:
      return true;
    case Prereq::Ethernet:
      return match.mask.bits.packet_type.raw() == 0 || match.value.packet_type.raw() == 0;
    case Prereq::Arp:
      return eth_type == ethertype::kArp || eth_type == ethertype::kRarp;
    case Prereq::Vlan:
      return (match.value.vlan[0].tci.host() & flow::kVlanPresent) != 0;
    case Prereq::Ipv4:
      return eth_type == ethertype::kIpv4;
    case Prereq::Ipv6:
      return eth_type == ethertype::kIpv6;
    case Prereq::Ip:
      return is_ip();
    case Prereq::Mpls:
      return eth_type == ethertype::kMpls || eth_type == ethertype::kMplsMulticast;
    case Prereq::Tcp:
      return has_ports(net::ip_proto::kTcp);
    case Prereq::Udp:
      return has_ports(net::ip_proto::kUdp);
    case Prereq::Sctp:
      return has_ports(net::ip_proto::kSctp);
    case Prereq::Icmpv4:
      return eth_type == ethertype::kIpv4 && has_protocol(net::ip_proto::kIcmp);
    case Prereq::Icmpv6:
      return eth_type == ethertype::kIpv6 && has_protocol(net::ip_proto::kIcmpv6);
    case Prereq::Nd:
      return nd(net::icmpv6::kNeighborSolicit) || nd(net::icmpv6::kNeighborAdvert);
    case Prereq::NdSolicit:
      return nd(net::icmpv6::kNeighborSolicit);
    case Prereq::NdAdvert:
      return nd(net::icmpv6::kNeighborAdvert);
    case Prereq::CtTracked:
    case Prereq::CtTrackedIpv4:
    case Prereq::CtTrackedIpv6:
    case Prereq::CtTrackedPorts:
      // The packet's own IP version is not looked at here: that is a matter of the whole match
      // (settle_match).
      return tracked();
  }
  SLUICE_UNREACHABLE();
}

}  // namespace sluice::field
