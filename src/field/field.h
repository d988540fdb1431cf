// The field registry: one constexpr row a field (registry.cc). Everything that names, reads, writes, matches, encodes
// or prints a field is generic over these rows.
//
// A field's value is a FieldValue: an unsigned integer of at most 128 bits in host order, whatever the field's
// representation. MAC, IPv6 address and label are their big-endian integers.
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
  DpHash, RecircId, ConjId, PacketType, SkbPriority, PktMark, InPort, InPortOxm, ActsetOutput,
  TunId, TunSrc, TunDst, TunIpv6Src, TunIpv6Dst, TunFlags, TunGbpId, TunGbpFlags, TunTos, TunTtl,
  CtState, CtZone, CtMark, CtLabel, CtNwProto, CtNwSrc, CtNwDst, CtIpv6Src, CtIpv6Dst, CtTpSrc, CtTpDst,
  Metadata,
  Reg0, Reg1, Reg2, Reg3, Reg4, Reg5, Reg6, Reg7, Reg8, Reg9, Reg10, Reg11, Reg12, Reg13, Reg14, Reg15,
  Xreg0, Xreg1, Xreg2, Xreg3, Xreg4, Xreg5, Xreg6, Xreg7,
  Xxreg0, Xxreg1, Xxreg2, Xxreg3,
  EthSrc, EthDst, EthType,
  VlanTci, DlVlan, VlanVid, DlVlanPcp, VlanPcp,
  MplsLabel, MplsTc, MplsBos, MplsTtl,
  Ipv4Src, Ipv4Dst, Ipv6Src, Ipv6Dst, Ipv6Label, IpProto, IpDscp, IpDscpShifted, IpEcn, IpTtl, IpFrag,
  ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha,
  TcpSrc, TcpDst, TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst,
  Icmpv4Type, Icmpv4Code, Icmpv6Type, Icmpv6Code,
  NdTarget, NdSll, NdTll, NdReserved, NdOptionsType,
};
inline constexpr unsigned kFieldCount = static_cast<unsigned>(FieldId::NdOptionsType) + 1;

/// Which masks a match may give.
enum class MaskPolicy : std::uint8_t { None, Bitwise };

/// What else a match must fix before the field means something (ovs-fields(7) "Prerequisites").
enum class Prereq : std::uint8_t {
  None, Ethernet, Arp, Vlan, Ipv4, Ipv6, Ip, Mpls, Tcp, Udp, Sctp, Icmpv4, Icmpv6, Nd, NdSolicit, NdAdvert,
  CtTracked,       ///< ct_state says tracked and valid
  CtTrackedIpv4, CtTrackedIpv6, CtTrackedPorts,
};

/// How the text of a value looks.
enum class Format : std::uint8_t { Decimal, Hex, Mac, Ipv4, Ipv6, CtState, Port, Frag, TunFlags, TcpFlags, PacketType, HexDecimal };

enum class Access : std::uint8_t { ReadOnly, ReadWrite };

/// A bit range of a field: bits [offset, offset + width), bit 0 least significant. "NXM_NX_REG0[0..15]".
struct Subfield {
  FieldId field{};
  std::uint16_t offset = 0;
  std::uint16_t width = 0;
  bool operator==(const Subfield&) const = default;
};

/// An OXM/NXM identifier without length: class << 8 | field (class 0xffff: experimenter, see oxm.h).
struct OxmId {
  std::uint16_t oxm_class = 0;
  std::uint8_t oxm_field = 0;
  std::uint8_t since = 0;     ///< lowest OpenFlow wire version that has it (0x01 = 1.0 … 0x06 = 1.5)
  std::string_view name;      ///< "NXM_OF_IN_PORT", "OXM_OF_IPV4_SRC"
};

struct FieldSpec {
  FieldId id;
  std::string_view name, alias;  ///< alias empty if none
  std::uint16_t key_offset;      ///< byte offset in FlowKey
  std::uint8_t key_bytes;        ///< bytes of FlowKey that hold it, big-endian
  std::uint8_t shift;            ///< bit position of the field's bit 0 in those bytes
  std::uint8_t bits;             ///< width of the value
  std::uint8_t wire_bytes;       ///< payload bytes in OXM/NXM
  MaskPolicy mask;
  Prereq needs;
  Access access;
  Format format;
  OxmId nxm, oxm;                ///< oxm_class 0 (and empty name) where there is none
  std::string_view doc;
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

constexpr FieldValue ones(unsigned bits) { return bits >= 128 ? ~FieldValue{0} : (FieldValue{1} << bits) - 1; }

/// True if the match fixes what the field needs.
bool prerequisites_met(Prereq needs, const flow::Match& match);

/// "NXM_NX_REG0[0..15]", "reg0[3]", "ct_mark", "ct_mark[]". The error names the text.
Result<Subfield> parse_subfield(std::string_view text);
std::string format_subfield(const Subfield& sub);  ///< "NXM_NX_REG0[0..15]", "NXM_NX_REG0[]"

struct ValueMask {
  FieldValue value, mask;
  bool operator==(const ValueMask&) const = default;
};

/// Resolves port names and table names in flow text; either may be null.
struct NameResolver {
  virtual ~NameResolver() = default;
  virtual std::optional<std::uint32_t> port_number(std::string_view name) const = 0;
  virtual std::optional<std::string> port_name(std::uint32_t port) const = 0;
};

/// "10.0.0.0/8", "+trk-new", "0x10/0xf0", "LOCAL"; without a mask the mask is all ones of the field.
Result<ValueMask> parse_value(const FieldSpec& spec, std::string_view text, const NameResolver* names = nullptr);
std::string format_value(const FieldSpec& spec, FieldValue value, FieldValue mask, const NameResolver* names = nullptr);

}  // namespace sluice::field
