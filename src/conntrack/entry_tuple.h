// The tuples of an entry: compared with a packet's probe, and in full for dumps and ct_nw_src ….
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "conntrack/classify.h"
#include "conntrack/entry.h"
#include "conntrack/tuple.h"
#include "net/address.h"

namespace sluice::conntrack {

inline bool is_icmp(const Entry& entry) {
  return entry.proto == (entry.has(Entry::kIpv6) ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp);
}

/// The bytes of Entry::ports: two ports, or id, type, code.
struct PortBytes {
  explicit PortBytes(std::uint32_t ports) { std::memcpy(bytes, &ports, sizeof bytes); }
  be16 first() const { return be16::load(bytes); }
  be16 second() const { return be16::load(bytes + 2); }
  std::uint8_t bytes[4];
};

/// The hashes of the addresses agree; do the addresses? Those of both ends may have one hash: then either
/// direction is possible.
inline bool ipv6_matches(const Entry& entry, const Probe& probe, Direction& direction) {
  if (direction == Direction::Original && std::memcmp(entry.ipv6, probe.ipv6, 32) == 0) return true;
  direction = Direction::Reply;
  return entry.ports == probe.reverse_ports && std::memcmp(entry.ipv6, probe.ipv6 + 16, 16) == 0 &&
         std::memcmp(entry.ipv6 + 16, probe.ipv6, 16) == 0;
}

/// The same as matches() for an entry whose reply tuple is its own.
bool matches_translated(const Entry& entry, const Probe& probe, Direction& direction);

/// How a packet's key agrees with that of an entry, addresses of IPv6 only as far as their hashes go.
struct KeyAgreement {
  bool any, backward;
};
[[gnu::always_inline]] inline KeyAgreement compare_keys(const Entry& entry, const Key::Words& key,
                                                        std::uint32_t reverse_ports) {
  const Key::Words mine = entry.untranslated_key_words();
  const std::uint64_t rest_back = (key.rest & ~std::uint64_t{0xffffffff}) | reverse_ports;
  const std::uint64_t forward = (mine.addresses ^ key.addresses) | (mine.rest ^ key.rest);
  const std::uint64_t backward = (mine.addresses ^ std::rotl(key.addresses, 32)) | (mine.rest ^ rest_back);
  // No branch on the direction: it is as random as traffic.
  return {std::min(forward, backward) == 0, forward != 0};
}

/// The same for a translated connection over IPv4, whose directions have a tuple each.
[[gnu::always_inline]] inline KeyAgreement compare_keys_translated(const Entry& entry,
                                                                   const Key::Words& key) {
  const Key::Words mine = entry.key_words();
  std::uint64_t reply_addresses;
  std::memcpy(&reply_addresses, &entry.reply_ipv4, sizeof reply_addresses);
  const std::uint64_t reply_rest = (mine.rest & ~std::uint64_t{0xffffffff}) | entry.reply_ipv4.ports;
  const std::uint64_t forward = (mine.addresses ^ key.addresses) | (mine.rest ^ key.rest);
  const std::uint64_t backward = (reply_addresses ^ key.addresses) | (reply_rest ^ key.rest);
  return {std::min(forward, backward) == 0, forward != 0};
}

/// Whether the locked entry is the connection of the probe's packet, and which way the packet runs in it. For
/// an ICMP error: which way the quoted packet ran.
inline bool matches(const Entry& entry, const Probe& probe, Direction& direction) {
  const KeyAgreement agreement = compare_keys(entry, probe.key.words(), probe.reverse_ports);
  if (!agreement.any) return entry.translated() && matches_translated(entry, probe, direction);
  direction = static_cast<Direction>(agreement.backward);
  return !probe.is_ipv6() || ipv6_matches(entry, probe, direction);
}

Tuple original_tuple(const Entry& entry);
Tuple reply_tuple(const Entry& entry);

/// The original tuple as ct_nw_src … ct_tp_dst show it. @param plain  known to be TCP or UDP over IPv4
[[gnu::always_inline]] inline void copy_original(const Entry& entry, bool plain, packet::CtTuple& tuple) {
  const bool is_ipv6 = !plain && entry.has(Entry::kIpv6);
  if (is_ipv6) {
    std::memcpy(&tuple.src, entry.ipv6, 16);
    std::memcpy(&tuple.dst, entry.ipv6 + 16, 16);
  } else {
    tuple.src = net::v4_mapped(be32::from_raw(entry.src));
    tuple.dst = net::v4_mapped(be32::from_raw(entry.dst));
  }
  if (!plain && is_icmp(entry)) [[unlikely]] {
    const PortBytes ports(entry.ports);
    tuple.src_port = be16{ports.bytes[2]};
    tuple.dst_port = be16{ports.bytes[3]};
  } else {
    tuple.src_port = be16::from_raw(static_cast<std::uint16_t>(entry.ports));
    tuple.dst_port = be16::from_raw(static_cast<std::uint16_t>(entry.ports >> 16));
  }
  tuple.proto = entry.proto;
  tuple.is_ipv6 = is_ipv6;
}

}  // namespace sluice::conntrack
