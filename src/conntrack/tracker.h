// The connection tracker. A library of its own: it knows packets and time, no OpenFlow.
//
// Tracker::process gives every packet of a batch its CtMetadata (ct_state, zone, mark, label, original tuple), looking
// the connection up in the request's zone in both directions, advancing its protocol state and, on commit, creating it
// or updating mark and label.
//
// Threads: process() may run on several workers at once; everything else on any thread. Time is an argument.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "conntrack/connection.h"
#include "conntrack/request.h"
#include "conntrack/tuple.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// Why a packet got +inv, or why no connection was created. Each has a sentence (reason_text).
enum class Reason : std::uint8_t {
  None,
  NotIp,               ///< neither IPv4 nor IPv6, or the network header could not be parsed
  NoTransport,         ///< transport header absent or truncated
  BadIpChecksum,
  BadTransportChecksum,
  BadTransportLength,
  ZeroPort,
  TcpBadFlags,
  TcpSynAckWithoutConnection,
  TcpOutOfWindow,
  TcpBadAck,
  TcpRstOutOfWindow,
  TcpSynOnEstablished,
  IcmpUnsupportedType,
  IcmpBadCode,
  IcmpErrorTruncated,       ///< the quoted packet cannot be parsed
  IcmpErrorNoConnection,    ///< the quoted packet belongs to no connection
  NeighborDiscovery,        ///< ICMPv6 ND and MLD are never tracked
  Fragment,                 ///< an unassembled fragment
  TableFull,                ///< not created: maximum of connections
  ZoneFull,                 ///< not created: the zone's limit
  ReplyWithoutConnection,   ///< an echo reply or the like that can't open a connection
};
inline constexpr unsigned kReasonCount = static_cast<unsigned>(Reason::ReplyWithoutConnection) + 1;
std::string_view reason_name(Reason reason);      ///< "tcp_out_of_window"
std::string_view reason_text(Reason reason);      ///< one sentence

struct TrackerOptions {
  std::uint32_t max_connections = 3'000'000;
  std::uint64_t hash_secret = 0;   ///< random per process; fixed in tests
  bool tcp_sequence_check = true;
};

struct TrackerCounters {
  std::uint64_t created, destroyed, expired, committed, lookups, hits;
  std::uint64_t by_reason[kReasonCount];
};

/// What trace asks: how would this packet be classified, without changing anything.
struct PeekResult {
  std::uint8_t state = 0;
  Reason reason = Reason::None;
  std::optional<ConnectionSnapshot> connection;
};

class Tracker {
 public:
  explicit Tracker(const TrackerOptions& options);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  /// Tracks every packet of the batch in place; never drops one, except that packets that could not get a connection
  /// because of a limit are moved to `dropped` (their Reason is counted). Packets need a valid Layout.
  void process(packet::PacketBatch& batch, const CtRequest& request, Instant now, packet::PacketBatch& dropped);

  /// How process() would classify the packet now. Changes nothing.
  PeekResult peek(const packet::Packet& packet, std::uint16_t zone, Instant now) const;

  /// Expires what is due, at most `budget` connections; returns whether more is due.
  bool expire(Instant now, unsigned budget);

  /// Removes connections: all, of a zone (O(1) by generation), or those that match the filter.
  void flush(std::optional<std::uint16_t> zone);
  struct Filter;  // declared in conntrack/dump.h
  std::uint64_t flush_matching(const Filter& filter);

  /// Visits connections in slices: copies up to `max` snapshots from the cursor on; cursor is 0 at first and
  /// kDumpDone at the end. Never delays a packet.
  static constexpr std::uint64_t kDumpDone = ~std::uint64_t{0};
  std::uint64_t dump(std::uint64_t cursor, unsigned max, Instant now, std::vector<ConnectionSnapshot>& out) const;

  std::uint32_t connections() const;
  std::uint32_t connections_in_zone(std::uint16_t zone) const;
  std::uint32_t max_connections() const;
  void set_max_connections(std::uint32_t n);
  void set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit);
  std::optional<std::uint32_t> zone_limit(std::uint16_t zone) const;
  void set_default_zone_limit(std::uint32_t limit);  ///< 0 = unlimited
  std::uint32_t default_zone_limit() const;
  bool tcp_sequence_check() const;
  void set_tcp_sequence_check(bool on);
  TrackerCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::conntrack
