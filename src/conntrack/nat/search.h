// Which reply tuple shall a translated connection have? The search offers tuples one after another, best
// first, until the caller could take one; it ends only when every tuple of the pool was found taken.
//
//   source NAT       addresses x ports of the request replace the destination of the reply
//   destination NAT  addresses x ports of the request replace its source; if all those are taken, also the
//                    port that replies go to changes, within its class
//
// The first offer keeps the port that the packet has, if the request allows that; the next ones follow it, or
// a place that a hash or a random number chose. A source port without explicit range stays within its class:
// below 512, below 1024 or above. An ICMP id counts as a port with a class of its own: all ids.
//
// A few taken tuples are met by looking each up. Where more than that are in the way, the lane's bits
// (nat/port_lanes.h) say which need no look-up, and the caller records in them what it finds taken. So a
// tuple that was found taken is not looked up again while it is, and an exhausted lane costs two questions.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "conntrack/nat/port_lanes.h"
#include "conntrack/nat/tuple_key.h"
#include "conntrack/request.h"

namespace sluice::conntrack::nat {

/// The class of a source port: what may replace it where the request names no ports.
struct PortSpan {
  std::uint16_t first, last;
  std::uint32_t size() const { return std::uint32_t{last} - first + 1; }
  bool contains(std::uint16_t port) const { return first <= port && port <= last; }
};
PortSpan class_of(std::uint16_t source_port);

/// A tuple on offer.
struct Offer {
  NatRange::Kind kind = NatRange::Kind::None;
  TupleKey reply;
  /// Where to record what is found: null = nowhere.
  PortLanes* lanes = nullptr;
  std::uint64_t lane = 0;  ///< hash; if `lanes`
  Side varied = Side::Destination;
  /// The request lets the source port of the reply vary so much that its lane is worth a count.
  bool counts_by_source = false;
};

class Search {
 public:
  /// @param random  a fresh number: where `random` starts, and which taken tuples are given a second look.
  Search(const TupleKey& original, const NatRange& range, const Secret& secret, std::uint64_t random,
         PortLanes& lanes);

  /// What run() offers first.
  const TupleKey& first() {
    select_address(0);
    if (original_.has_ports()) offer_.reply.set_port(side_, first_port_);
    return offer_.reply;
  }

  /// Names the tuples that run() offers, whichever comes first: two searches of one name offer the same.
  std::uint64_t pool_name() const;

  /// Calls attempt(offer) until it says true (the offer was taken, or the search is moot).
  /// @return false if the pool is exhausted.
  template <typename Attempt>
  bool run(Attempt&& attempt) {
    if (!possible_) return false;
    // The addresses in turn, from the chosen one on, each with all its ports.
    for (Address i = 0; i < addresses_; ++i) {
      select_address(i);
      if (try_ports(side_, ports_, first_port_, attempt)) return true;
    }
    if (side_ == Side::Destination || !original_.has_ports() || original_.is_icmp()) return false;
    for (Address i = 0; i < addresses_; ++i) {
      select_address(i);
      for (std::uint32_t port = 0; port < ports_.size(); ++port) {
        select_port(port);
        if (try_ports(Side::Destination, client_ports_, client_port_, attempt)) return true;
      }
    }
    return false;
  }

 private:
  /// So many tuples are found taken before bits are made for the lane.
  static constexpr std::uint32_t kDirect = 8;
  /// Up to so many never need bits.
  static constexpr std::uint32_t kSmall = 64;
  /// So many that bits say are taken are looked at again where nothing else is left: some may be expired and
  /// not yet swept.
  static constexpr std::uint32_t kSecondLooks = 32;

  void select_address(Address i);
  void select_port(std::uint32_t i);

  /// The tuples of one lane. `start` need not lie in the span: then it is only the first to be tried.
  template <typename Attempt>
  bool try_ports(Side varied, const PortSpan& span, std::uint16_t start, Attempt& attempt) {
    offer_.varied = varied;
    offer_.lanes = nullptr;
    if (!original_.has_ports()) return attempt(offer_);
    std::uint32_t from = start;
    if (!span.contains(start)) {
      offer_.reply.set_port(varied, start);
      if (attempt(offer_)) return true;
      from = span.first;
    }
    if (span.size() <= kSmall) {
      for (std::uint32_t i = 0; i < span.size(); ++i) {
        offer_.reply.set_port(varied, static_cast<std::uint16_t>(from));
        if (attempt(offer_)) return true;
        from = from == span.last ? span.first : from + 1;
      }
      return false;
    }
    offer_.reply.set_port(varied, static_cast<std::uint16_t>(from));
    if (attempt(offer_)) return true;

    offer_.lane = lane_hash(offer_.reply, varied, secret_);
    std::uint32_t taken = 1;
    if (from != span.last && try_clear(varied, from + 1, span.last, taken, attempt)) return true;
    if (from != span.first && try_clear(varied, span.first, from - 1, taken, attempt)) return true;
    for (; second_looks_ > 0; --second_looks_) {
      const std::uint64_t far = hash_mix(random_, second_looks_) % span.size();
      offer_.reply.set_port(varied, static_cast<std::uint16_t>(span.first + far));
      if (attempt(offer_)) return true;
    }
    return false;
  }
  /// @param taken  how many tuples of the lane were found taken so far
  template <typename Attempt>
  bool try_clear(Side varied, std::uint32_t from, std::uint32_t to, std::uint32_t& taken, Attempt& attempt) {
    while (const auto port = lanes_.next_clear(offer_.lane, from, to)) {
      if (taken >= kDirect) offer_.lanes = &lanes_;
      offer_.reply.set_port(varied, *port);
      if (attempt(offer_)) return true;
      ++taken;
      from = *port + 1u;
      if (from > to) break;
    }
    return false;
  }

  const TupleKey& original_;
  const Secret& secret_;
  const std::uint64_t random_;
  PortLanes& lanes_;
  Side side_;
  bool possible_ = true;
  Address first_address_, addresses_, chosen_;  ///< number of addresses; the one to begin with
  PortSpan ports_{0, 0};
  std::uint16_t first_port_ = 0;
  PortSpan client_ports_{0, 0};  ///< destination NAT: what the client's port may become
  std::uint16_t client_port_ = 0;
  std::uint32_t second_looks_ = kSecondLooks;
  Offer offer_;
};

}  // namespace sluice::conntrack::nat
