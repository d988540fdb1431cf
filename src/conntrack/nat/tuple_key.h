// TupleKey: one direction of a connection as the index knows it. The same 16 bytes as a Probe's or an
// Entry's, with IPv6 addresses in full beside their folds; unlike a Probe it refers to no packet, so that
// tuples can be made up: the reply tuples that NAT tries, what a helper expects.
#pragma once

#include <cstdint>
#include <cstring>

#include "conntrack/classify.h"
#include "conntrack/entry.h"
#include "conntrack/entry_tuple.h"
#include "conntrack/key.h"
#include "conntrack/tuple.h"
#include "net/address.h"

namespace sluice::conntrack::nat {

enum class Side : std::uint8_t { Source, Destination };

/// An address as a number; IPv4 v4-mapped.
using Address = unsigned __int128;

inline Address number_of(const be128& address) {
  return Address{address.hi.host()} << 64 | address.lo.host();
}
inline be128 address_of(Address number) {
  return {be64{static_cast<std::uint64_t>(number >> 64)}, be64{static_cast<std::uint64_t>(number)}};
}

struct TupleKey {
  Key key;
  std::uint8_t ipv6[32] = {};  ///< source, destination

  bool is_ipv6() const { return key.kind == Key::kIpv6; }
  bool is_icmp() const { return key.proto == (is_ipv6() ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp); }
  /// Whether it has something that NAT can choose: ports, or an ICMP id.
  bool has_ports() const {
    namespace p = net::ip_proto;
    return is_icmp() || key.proto == p::kTcp || key.proto == p::kUdp || key.proto == p::kSctp;
  }
  std::uint64_t hash(const Secret& secret) const { return secret.hash(key, is_icmp()); }

  be128 address(Side side) const {
    if (!is_ipv6()) return net::v4_mapped(be32::from_raw(side == Side::Source ? key.src : key.dst));
    be128 result;
    std::memcpy(&result, ipv6 + (side == Side::Source ? 0 : 16), 16);
    return result;
  }
  void set_address(Side side, const be128& address, const Secret& secret) {
    std::uint32_t& word = side == Side::Source ? key.src : key.dst;
    if (is_ipv6()) {
      std::uint8_t* const at = ipv6 + (side == Side::Source ? 0 : 16);
      std::memcpy(at, &address, 16);
      word = secret.fold_ipv6(at);
    } else {
      word = net::v4_of(address).raw();
    }
  }
  /// A port in host order. ICMP: the id, whichever side is asked for.
  std::uint16_t port(Side side) const {
    const PortBytes bytes(key.ports);
    return (side == Side::Source || is_icmp() ? bytes.first() : bytes.second()).host();
  }
  void set_port(Side side, std::uint16_t port) {
    PortBytes ports(key.ports);
    be16{port}.store(ports.bytes + (side == Side::Source || is_icmp() ? 0 : 2));
    std::memcpy(&key.ports, ports.bytes, sizeof key.ports);
  }

  bool operator==(const TupleKey& other) const {
    const Key::Words mine = key.words(), its = other.key.words();
    return mine.addresses == its.addresses && mine.rest == its.rest &&
           (!is_ipv6() || std::memcmp(ipv6, other.ipv6, sizeof ipv6) == 0);
  }
};

inline TupleKey reversed(const TupleKey& tuple) {
  TupleKey result = tuple;
  result.key.src = tuple.key.dst;
  result.key.dst = tuple.key.src;
  if (tuple.is_icmp()) {
    PortBytes ports(tuple.key.ports);
    ports.bytes[2] = icmp_counterpart(ports.bytes[2], tuple.is_ipv6());
    std::memcpy(&result.key.ports, ports.bytes, sizeof result.key.ports);
  } else {
    result.key.ports = tuple.key.ports << 16 | tuple.key.ports >> 16;
  }
  if (tuple.is_ipv6()) {
    std::memcpy(result.ipv6, tuple.ipv6 + 16, 16);
    std::memcpy(result.ipv6 + 16, tuple.ipv6, 16);
  }
  return result;
}

inline TupleKey tuple_of(const Probe& probe) {
  TupleKey tuple{probe.key};
  if (probe.is_ipv6()) std::memcpy(tuple.ipv6, probe.ipv6, sizeof tuple.ipv6);
  return tuple;
}

/// As dumps and users see it.
inline Tuple full_tuple(const TupleKey& tuple) {
  const PortBytes ports(tuple.key.ports);
  return {.src = tuple.address(Side::Source),
          .dst = tuple.address(Side::Destination),
          .src_port = be16{tuple.port(Side::Source)},
          .dst_port = be16{tuple.port(Side::Destination)},
          .proto = tuple.key.proto,
          .icmp_type = tuple.is_icmp() ? ports.bytes[2] : std::uint8_t{0},
          .icmp_code = tuple.is_icmp() ? ports.bytes[3] : std::uint8_t{0},
          .is_ipv6 = tuple.is_ipv6()};
}

/// The entry is locked.
inline TupleKey original_of(const Entry& entry) {
  TupleKey tuple{entry.key()};
  if (tuple.is_ipv6()) std::memcpy(tuple.ipv6, entry.ipv6, sizeof tuple.ipv6);
  return tuple;
}

/// The entry is locked.
inline TupleKey reply_of(const Entry& entry, const Secret& secret) {
  if (!entry.translated()) return reversed(original_of(entry));
  TupleKey tuple{entry.key()};
  if (tuple.is_ipv6()) {
    tuple.set_address(Side::Source, entry.reply_src, secret);
    tuple.set_address(Side::Destination, entry.reply_dst, secret);
    tuple.key.ports = entry.reply_ipv6_ports;
  } else {
    tuple.key.src = entry.reply_ipv4.src;
    tuple.key.dst = entry.reply_ipv4.dst;
    tuple.key.ports = entry.reply_ipv4.ports;
  }
  return tuple;
}

/// Makes `reply` the reply tuple of the locked entry; kind is kSourceNat or kDestinationNat, as asked for.
inline void bind(Entry& entry, const TupleKey& reply, std::uint8_t kind) {
  if (reply.is_ipv6()) {
    std::memcpy(&entry.reply_src, reply.ipv6, 16);
    std::memcpy(&entry.reply_dst, reply.ipv6 + 16, 16);
    entry.reply_ipv6_ports = reply.key.ports;
  } else {
    entry.reply_ipv4 = {reply.key.src, reply.key.dst, reply.key.ports};
  }
  entry.set_flag(kind, true);
}

/// Whether one of the locked entry's two tuples is this one.
inline bool has_tuple(const Entry& entry, const TupleKey& tuple, const Secret& secret) {
  return entry.has(Entry::kLive) && (original_of(entry) == tuple || reply_of(entry, secret) == tuple);
}

}  // namespace sluice::conntrack::nat
