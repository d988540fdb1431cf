#include "pipeline/packet_hash.h"

#include "base/hash.h"
#include "net/protocol.h"

namespace sluice::pipeline {
namespace {

namespace eth = net::ethertype;
namespace proto = net::ip_proto;

constexpr be16 kOnes16{0xffff};
constexpr be32 kOnes32{0xffffffff};

std::uint32_t fold(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash ^ hash >> 32);
}

bool is_ipv4(const flow::FlowKey& key) {
  return key.eth_type.host() == eth::kIpv4;
}
bool is_ipv6(const flow::FlowKey& key) {
  return key.eth_type.host() == eth::kIpv6;
}

std::uint64_t mix(std::uint64_t hash, const be128& value) {
  return hash_mix(hash_mix(hash, value.hi.raw()), value.lo.raw());
}

/// XOR of the two addresses: the same in both directions.
std::uint64_t mix_addresses(std::uint64_t hash, const flow::FlowKey& key, flow::Mask& mask) {
  if (is_ipv4(key)) {
    mask.bits.nw_src = mask.bits.nw_dst = kOnes32;
    return hash_mix(hash, key.nw_src.raw() ^ key.nw_dst.raw());
  }
  if (!is_ipv6(key)) return hash;
  mask.bits.ipv6_src = mask.bits.ipv6_dst = ~be128{};
  return mix(hash, key.ipv6_src ^ key.ipv6_dst);
}

std::uint64_t mix_transport(std::uint64_t hash, const flow::FlowKey& key, bool with_udp, flow::Mask& mask) {
  if (!is_ipv4(key) && !is_ipv6(key)) return hash;
  mask.bits.nw_proto = 0xff;
  hash = hash_mix(hash, key.nw_proto);
  const bool ports = key.nw_proto == proto::kTcp || key.nw_proto == proto::kSctp ||
                     (with_udp && key.nw_proto == proto::kUdp);
  if (!ports || (key.nw_frag & flow::kFragLater)) return hash;
  mask.bits.tp_src = mask.bits.tp_dst = kOnes16;
  return hash_mix(hash, static_cast<std::uint16_t>(key.tp_src.raw() ^ key.tp_dst.raw()));
}

std::uint64_t mix_ethernet(std::uint64_t hash, const flow::FlowKey& key, flow::Mask& mask) {
  mask.bits.eth_src = mask.bits.eth_dst = net::Mac::from_value(0xffffffffffff);
  hash = hash_mix(hash, key.eth_src.value() ^ key.eth_dst.value());
  hash = hash_mix(hash, key.eth_type.raw());
  for (unsigned i = 0; i < flow::kMaxVlans; ++i) {
    mask.bits.vlan[i].tci = mask.bits.vlan[i].tci | be16{flow::kVlanPresent};
    if (!(key.vlan[i].tci.host() & flow::kVlanPresent)) break;
    mask.bits.vlan[i].tci = mask.bits.vlan[i].tci | be16{flow::kVlanPresent | flow::kVlanVidMask};
    hash = hash_mix(hash, key.vlan[i].tci.host() & flow::kVlanVidMask);
  }
  return hash;
}

std::uint64_t mix_address(std::uint64_t hash, const flow::FlowKey& key, bool source, flow::Mask& mask) {
  if (is_ipv4(key)) {
    (source ? mask.bits.nw_src : mask.bits.nw_dst) = kOnes32;
    return hash_mix(hash, (source ? key.nw_src : key.nw_dst).raw());
  }
  if (!is_ipv6(key)) return hash;
  (source ? mask.bits.ipv6_src : mask.bits.ipv6_dst) = ~be128{};
  return mix(hash, source ? key.ipv6_src : key.ipv6_dst);
}

/// Whether the packet has the field, told from what is un-wildcarded anyway or here.
bool has_field(const flow::FlowKey& key, const field::FieldSpec& spec, flow::Mask& mask) {
  using field::Prereq;
  const auto transport = [&](std::uint8_t protocol) {
    if (!is_ipv4(key) && !is_ipv6(key)) return false;
    mask.bits.nw_proto = 0xff;
    return key.nw_proto == protocol && !(key.nw_frag & flow::kFragLater);
  };
  switch (spec.needs) {
    case Prereq::Arp:
      return key.eth_type.host() == eth::kArp || key.eth_type.host() == eth::kRarp;
    case Prereq::Vlan:
      mask.bits.vlan[0].tci = mask.bits.vlan[0].tci | be16{flow::kVlanPresent};
      return (key.vlan[0].tci.host() & flow::kVlanPresent) != 0;
    case Prereq::Ipv4:
      return is_ipv4(key);
    case Prereq::Ipv6:
      return is_ipv6(key);
    case Prereq::Ip:
      return is_ipv4(key) || is_ipv6(key);
    case Prereq::Mpls:
      return key.eth_type.host() == eth::kMpls || key.eth_type.host() == eth::kMplsMulticast;
    case Prereq::Tcp:
      return transport(proto::kTcp);
    case Prereq::Udp:
      return transport(proto::kUdp);
    case Prereq::Sctp:
      return transport(proto::kSctp);
    case Prereq::Icmpv4:
      return is_ipv4(key) && transport(proto::kIcmp);
    case Prereq::Icmpv6:
    case Prereq::Nd:
    case Prereq::NdSolicit:
    case Prereq::NdAdvert:
      return is_ipv6(key) && transport(proto::kIcmpv6);
    default:
      return true;
  }
}

}  // namespace

std::uint32_t hash_pair(std::uint32_t hash, std::uint32_t other) {
  return fold(hash_mix(hash_mix(0, hash), other));
}

std::uint32_t hash_packet(const flow::FlowKey& key, HashFields fields, std::uint32_t basis,
                          flow::Mask& mask) {
  std::uint64_t hash = hash_mix(0, basis);
  switch (fields) {
    case HashFields::EthSrc:
      mask.bits.eth_src = net::Mac::from_value(0xffffffffffff);
      hash = hash_mix(hash, key.eth_src.value());
      break;
    case HashFields::SymmetricL4:
      hash = mix_transport(mix_addresses(mix_ethernet(hash, key, mask), key, mask), key, false, mask);
      break;
    case HashFields::SymmetricL3L4:
      hash = mix_transport(mix_addresses(hash, key, mask), key, false, mask);
      break;
    case HashFields::SymmetricL3L4Udp:
      hash = mix_transport(mix_addresses(hash, key, mask), key, true, mask);
      break;
    case HashFields::NwSrc:
      hash = mix_address(hash, key, true, mask);
      break;
    case HashFields::NwDst:
      hash = mix_address(hash, key, false, mask);
      break;
    case HashFields::SymmetricL3:
      hash = mix_addresses(hash, key, mask);
      break;
  }
  return fold(hash);
}

std::uint32_t hash_packet(const flow::FlowKey& key, std::span<const action::SelectionField> fields,
                          std::uint64_t basis, flow::Mask& mask) {
  std::uint64_t hash = hash_mix(0, basis);
  for (const action::SelectionField& selected : fields) {
    const field::FieldSpec& spec = field::spec(selected.field);
    if (!has_field(key, spec, mask)) continue;
    const field::FieldValue value = field::get(key, selected.field) & selected.mask;
    hash = hash_mix(hash, static_cast<std::uint64_t>(spec.id));
    hash =
        hash_mix(hash_mix(hash, static_cast<std::uint64_t>(value)), static_cast<std::uint64_t>(value >> 64));
    flow::Mask looked_at{};
    field::set(looked_at.bits, selected.field, selected.mask);
    mask.unite(looked_at);
  }
  return fold(hash);
}

}  // namespace sluice::pipeline
