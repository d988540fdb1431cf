// The field registry: one constexpr row a field (registry.cc). Everything that names, reads, writes, matches,
// encodes or prints a field is generic over these rows.
//
// A field's value is a FieldValue: an unsigned integer of at most 128 bits in host order, whatever the
// field's representation. MAC, IPv6 address and label are their big-endian integers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "flow/flow_key.h"

namespace sluice::field {

using FieldValue = unsigned __int128;

enum class FieldId : std::uint8_t {
  DpHash,
  RecircId,
  ConjId,
  PacketType,
  SkbPriority,
  PktMark,
  InPort,
  InPortOxm,
  ActsetOutput,
  TunId,
  TunSrc,
  TunDst,
  TunIpv6Src,
  TunIpv6Dst,
  TunFlags,
  TunGbpId,
  TunGbpFlags,
  TunTos,
  TunTtl,
  CtState,
  CtZone,
  CtMark,
  CtLabel,
  CtNwProto,
  CtNwSrc,
  CtNwDst,
  CtIpv6Src,
  CtIpv6Dst,
  CtTpSrc,
  CtTpDst,
  Metadata,
  Reg0,
  Reg1,
  Reg2,
  Reg3,
  Reg4,
  Reg5,
  Reg6,
  Reg7,
  Reg8,
  Reg9,
  Reg10,
  Reg11,
  Reg12,
  Reg13,
  Reg14,
  Reg15,
  Xreg0,
  Xreg1,
  Xreg2,
  Xreg3,
  Xreg4,
  Xreg5,
  Xreg6,
  Xreg7,
  Xxreg0,
  Xxreg1,
  Xxreg2,
  Xxreg3,
  EthSrc,
  EthDst,
  EthType,
  VlanTci,
  DlVlan,
  VlanVid,
  DlVlanPcp,
  VlanPcp,
  MplsLabel,
  MplsTc,
  MplsBos,
  MplsTtl,
  Ipv4Src,
  Ipv4Dst,
  Ipv6Src,
  Ipv6Dst,
  Ipv6Label,
  IpProto,
  IpDscp,
  IpDscpShifted,
  IpEcn,
  IpTtl,
  IpFrag,
  ArpOp,
  ArpSpa,
  ArpTpa,
  ArpSha,
  ArpTha,
  TcpSrc,
  TcpDst,
  TcpFlags,
  UdpSrc,
  UdpDst,
  SctpSrc,
  SctpDst,
  Icmpv4Type,
  Icmpv4Code,
  Icmpv6Type,
  Icmpv6Code,
  NdTarget,
  NdSll,
  NdTll,
  NdReserved,
  NdOptionsType,
};
inline constexpr unsigned kFieldCount = static_cast<unsigned>(FieldId::NdOptionsType) + 1;

/// Which masks a match may give.
enum class MaskPolicy : std::uint8_t { None, Bitwise };

/// What else a match must fix before the field means something (ovs-fields(7) "Prerequisites").
enum class Prereq : std::uint8_t {
  None,
  Ethernet,
  Arp,
  Vlan,
  Ipv4,
  Ipv6,
  Ip,
  Mpls,
  Tcp,
  Udp,
  Sctp,
  Icmpv4,
  Icmpv6,
  Nd,
  NdSolicit,
  NdAdvert,
  CtTracked,  ///< ct_state says tracked and valid
  CtTrackedIpv4,
  CtTrackedIpv6,
  CtTrackedPorts,
};

/// How the text of a value looks.
enum class Format : std::uint8_t {
  Decimal,
  Hex,
  Mac,
  Ipv4,
  Ipv6,
  CtState,
  Port,
  Frag,
  TunFlags,
  TcpFlags,
  PacketType,
  HexDecimal
};

enum class Access : std::uint8_t { ReadOnly, ReadWrite };

/// A bit range of a field: bits [offset, offset + width), bit 0 least significant. "NXM_NX_REG0[0..15]".
struct Subfield {
  FieldId field{};
  std::uint16_t offset = 0;
  std::uint16_t width = 0;
  bool operator==(const Subfield&) const = default;
};

/// An OXM/NXM identifier without length. Class 0xffff carries an experimenter number behind its header.
struct OxmId {
  std::uint16_t oxm_class = 0;
  std::uint8_t oxm_field = 0;
  std::uint8_t since = 0;  ///< lowest OpenFlow wire version that has it (0x01 = 1.0 … 0x06 = 1.5)
  std::string_view name;   ///< "NXM_OF_IN_PORT", "OXM_OF_IPV4_SRC"; empty: the field has no such identifier
  std::uint32_t experimenter = 0;

  constexpr bool exists() const { return !name.empty(); }
};

constexpr FieldValue ones(unsigned bits) {
  return bits >= 128 ? ~FieldValue{0} : (FieldValue{1} << bits) - 1;
}

struct FieldSpec {
  FieldId id;
  std::string_view name, alias;  ///< alias empty if none
  std::uint16_t key_offset;      ///< byte offset in FlowKey
  std::uint8_t key_bytes;        ///< bytes of FlowKey that hold it, big-endian
  std::uint8_t shift;            ///< bit position of the field's bit 0 in those bytes
  std::uint8_t bits;             ///< width of the value; what does not fit in key_bytes is dropped (arp_op)
  std::uint8_t wire_bytes;       ///< payload bytes in OXM/NXM
  MaskPolicy mask;
  Prereq needs;
  Access access;
  Format format;
  OxmId nxm, oxm;  ///< name empty where there is none
  std::string_view doc;
  OxmId onf = {};  ///< the experimenter form that OpenFlow 1.3 and 1.4 use before `oxm` exists
  std::uint8_t low_zero_bits =
      0;  ///< lowest bits of the value that belong to another field (nw_tos: the ECN bits)

  /// The bits that a value may have.
  constexpr FieldValue valid_bits() const;
  /// The identifier that text and Nicira actions name the field with.
  constexpr const OxmId& nicira_id() const { return nxm.exists() ? nxm : onf.exists() ? onf : oxm; }
};

std::span<const FieldSpec> all_fields();
const FieldSpec& spec(FieldId id);
/// By name or alias, or by NXM/OXM name; nullptr if unknown.
const FieldSpec* find_field(std::string_view name);

FieldValue get(const flow::FlowKey& key, FieldId id);
void set(flow::FlowKey& key, FieldId id, FieldValue value);
FieldValue get(const flow::FlowKey& key, const Subfield& sub);
void set(flow::FlowKey& key, const Subfield& sub, FieldValue value);
/// Sets the bits of the mask that the field (or a part of it) occupies.
void unwildcard(flow::Mask& mask, FieldId id);
void unwildcard(flow::Mask& mask, const Subfield& sub);

struct ValueMask {
  FieldValue value, mask;
  bool operator==(const ValueMask&) const = default;
};

/// What a match says of a field: value is 0 wherever mask is.
ValueMask get(const flow::Match& match, FieldId id);
/// Makes a match demand value/mask of a field, replacing what it demanded of the field's bits. Fields that
/// imply others do so here: dl_vlan=5 demands a present tag, vlan_pcp too; packet_type=(1,0x800) demands the
/// EtherType.
void set_match(flow::Match& match, FieldId id, FieldValue value, FieldValue mask);
/// Whether the match demands anything of the bits that set_match() would set.
bool is_matched(const flow::Match& match, FieldId id);
/// The EtherType that the match fixes by dl_type or by packet_type, 0 if none.
std::uint16_t fixed_eth_type(const flow::Match& match);

/// True if the match fixes what the field needs.
bool prerequisites_met(Prereq needs, const flow::Match& match);

/// "NXM_NX_REG0[0..15]", "reg0[3]", "ct_mark", "ct_mark[]". The error names the text.
Result<Subfield> parse_subfield(std::string_view text);
std::string format_subfield(const Subfield& sub);  ///< "NXM_NX_REG0[0..15]", "NXM_NX_REG0[]"

/// Resolves port names and table names in flow text; either may be null.
struct NameResolver {
  virtual ~NameResolver() = default;
  virtual std::optional<std::uint32_t> port_number(std::string_view name) const = 0;
  virtual std::optional<std::string> port_name(std::uint32_t port) const = 0;
};

constexpr FieldValue FieldSpec::valid_bits() const {
  return ones(bits) & ~ones(low_zero_bits);
}

/// "0x1d"; "0" for zero.
std::string format_hex(FieldValue value);
/// Decimal or, after 0x, hexadecimal; nothing if it is no number or does not fit 128 bits.
std::optional<FieldValue> parse_integer(std::string_view text);

/// "LOCAL", "IN_PORT", a number or a name that the resolver knows; nothing if it is none of these. Numbers of
/// OpenFlow 1.0's reserved range (0xff00 up) mean the same reserved ports as their 32-bit forms.
std::optional<std::uint32_t> parse_port(std::string_view text, const NameResolver* names = nullptr);
std::string format_port(std::uint32_t port, const NameResolver* names = nullptr);

/// "10.0.0.0/8", "+trk-new", "0x10/0xf0", "LOCAL"; without a mask the mask is all ones of the field.
Result<ValueMask> parse_value(const FieldSpec& spec, std::string_view text,
                              const NameResolver* names = nullptr);
std::string format_value(const FieldSpec& spec, FieldValue value, FieldValue mask,
                         const NameResolver* names = nullptr);

}  // namespace sluice::field
