// FlowKey: everything a flow can match on, each member in network byte order, so that a field is a run of
// bits and neighbouring registers read as one wider register. Mask: the same shape, a one bit where a bit
// matters.
//
// The first kDatapathBytes are what the datapath extracts and matches; behind them is what exists only while
// a packet is translated (registers, metadata): recirculation restores that from the frozen state of the
// recirc_id.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "net/address.h"
#include "net/endian.h"

namespace sluice::flow {

using net::Mac;

struct VlanTag {
  be16 tpid;
  be16 tci;  ///< PCP, CFI, VID; CFI (0x1000) is set in every tag that is present
  constexpr bool operator==(const VlanTag&) const = default;
};
/// The packet type of what has no Ethernet header, with its EtherType (OpenFlow 1.5.1 section 7.2.3.12).
inline constexpr std::uint32_t kBarePacketType = 1u << 16;
inline constexpr std::uint16_t kVlanPresent = 0x1000;
inline constexpr std::uint16_t kVlanVidMask = 0x0fff;

inline constexpr unsigned kMaxVlans = 2;
inline constexpr unsigned kMaxMplsLabels = 3;
inline constexpr unsigned kRegisters = 16;

/// nw_frag bits.
inline constexpr std::uint8_t kFragAny = 1, kFragLater = 2;

struct alignas(8) FlowKey {
  // What the datapath knows beside the bytes.
  be32 in_port;  ///< datapath port in the datapath, OpenFlow port in the pipeline
  be32 recirc_id;
  be32 dp_hash;
  be32 pkt_mark;
  be32 skb_priority;
  be32 packet_type;  ///< OpenFlow 1.5 packet type: namespace << 16 | type; 0 = Ethernet, else kBarePacketType
                     ///< | EtherType

  // Outer headers of the tunnel that the packet came from.
  be64 tun_id;
  be32 tun_src, tun_dst;
  be128 tun_ipv6_src, tun_ipv6_dst;
  be16 tun_flags;
  be16 tun_gbp_id;
  std::uint8_t tun_gbp_flags = 0, tun_tos = 0, tun_ttl = 0, tun_pad = 0;

  // Connection tracking.
  be32 ct_state;
  be32 ct_mark;
  be128 ct_label;
  be16 ct_zone;
  std::uint8_t ct_nw_proto = 0, ct_pad0 = 0;
  be16 ct_tp_src, ct_tp_dst;
  be32 ct_nw_src, ct_nw_dst;
  be128 ct_ipv6_src, ct_ipv6_dst;

  // Layer 2.
  Mac eth_dst, eth_src;
  be16 eth_type;
  be16 l2_pad;
  std::array<VlanTag, kMaxVlans> vlan;    ///< outermost first
  std::array<be32, kMaxMplsLabels> mpls;  ///< outermost first
  be32 mpls_pad;

  // Layer 3. ARP: nw_src = SPA, nw_dst = TPA, nw_proto = low byte of the operation.
  be32 nw_src, nw_dst;
  be128 ipv6_src, ipv6_dst;
  be32 ipv6_label;
  std::uint8_t nw_proto = 0, nw_tos = 0, nw_ttl = 0, nw_frag = 0;

  // ARP and neighbour discovery.
  be128 nd_target;
  Mac arp_sha, arp_tha;  ///< ND: source and target link-layer address options
  be32 nd_reserved;

  // Layer 4. ICMP: type in tp_src, code in tp_dst.
  be16 tp_src, tp_dst;
  be16 tcp_flags;
  std::uint8_t nd_options_type = 0, l4_pad = 0;

  // Pipeline only.
  be64 metadata;
  std::array<be32, kRegisters> regs;
  be32 actset_output;
  be32 conj_id;

  bool operator==(const FlowKey& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};

static_assert(std::is_trivially_copyable_v<FlowKey> && std::is_standard_layout_v<FlowKey>);
static_assert(sizeof(FlowKey) % 8 == 0);

inline constexpr std::size_t kKeyBytes = sizeof(FlowKey);
inline constexpr std::size_t kKeyWords = kKeyBytes / 8;
inline constexpr std::size_t kDatapathBytes = offsetof(FlowKey, metadata);
inline constexpr std::size_t kDatapathWords = kDatapathBytes / 8;
static_assert(kDatapathBytes % 8 == 0);

/// A one bit in `bits` means that the bit of the FlowKey matters.
struct Mask {
  FlowKey bits;

  bool operator==(const Mask&) const = default;
  bool matches_everything() const;
  /// Ones wherever either mask has them.
  void unite(const Mask& other);
  /// True if every bit of `other` is also set here.
  bool covers(const Mask& other) const;
};

/// key & mask, word by word.
FlowKey masked(const FlowKey& key, const Mask& mask);
/// True if a and b agree on every bit of mask.
bool equal_under(const FlowKey& a, const FlowKey& b, const Mask& mask);

inline std::uint64_t word_at(const FlowKey& key, std::size_t i) {
  std::uint64_t word;
  std::memcpy(&word, reinterpret_cast<const unsigned char*>(&key) + i * 8, 8);
  return word;
}
inline void set_word(FlowKey& key, std::size_t i, std::uint64_t word) {
  std::memcpy(reinterpret_cast<unsigned char*>(&key) + i * 8, &word, 8);
}

/// What a flow matches: value has no bit outside mask.
struct Match {
  FlowKey value;
  Mask mask;

  bool operator==(const Match&) const = default;
  bool matches(const FlowKey& key) const { return equal_under(key, value, mask); }
};

}  // namespace sluice::flow
