// The connection tracker. A library of its own: it knows packets and time, no OpenFlow.
//
// Tracker::process gives every packet of a batch its CtMetadata (ct_state, zone, mark, label, original
// tuple), looking the connection up in the request's zone in both directions, advancing its protocol state
// and, on commit, creating it or updating mark and label.
//
// Threads: process() may run on several workers at once; everything else on any thread. Time is an argument.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "conntrack/connection.h"
#include "conntrack/event.h"
#include "conntrack/expectation.h"
#include "conntrack/reason.h"
#include "conntrack/reason_log.h"
#include "conntrack/reassembly/reassembler.h"
#include "conntrack/request.h"
#include "conntrack/strictness.h"
#include "conntrack/timeout.h"
#include "conntrack/tuple.h"
#include "packet/packet.h"

namespace sluice::conntrack {

struct Filter;  // conntrack/dump.h

struct TrackerOptions {
  /// Also what memory is reserved for: the maximum can later be set to anything up to twice this.
  std::uint32_t max_connections = limits::kMaxConnections;
  std::uint64_t hash_secret = 0;  ///< random per process; fixed in tests
  bool tcp_sequence_check = true;
  ReassemblyOptions reassembly;  ///< its hash_secret is set from the tracker's
  ExpectationLimits expectations = {};
  Duration sweep_interval = Duration::seconds(20);  ///< Tracker::set_sweep_interval()
};

struct TrackerCounters {
  std::uint64_t created, destroyed;  ///< created - destroyed = connections()
  std::uint64_t expired;             ///< of those destroyed: by their timeout
  std::uint64_t dropped_early;       ///< of those destroyed: unassured, to make room
  std::uint64_t committed;           ///< packets that created a connection or met one, with commit
  std::uint64_t lookups, hits;       ///< packets looked up; those that found a connection
  std::uint64_t related;             ///< of those created: connections that a helper had expected
  std::uint64_t expected, expectations_refused;  ///< expectations made; those for which there was no room
  std::uint64_t helpers_refused;                 ///< connections that got no helper for want of room
  std::uint64_t by_reason[kReasonCount];         ///< packets
};

/// What trace asks: how would this packet be classified, without changing anything.
struct PeekResult {
  std::uint8_t state = 0;
  Reason reason = Reason::None;
  std::optional<ConnectionSnapshot> connection;
  std::optional<Expectation> expectation;  ///< what it is expected by, if it has no connection yet
  /// With ct(nat): what the packet's addresses and ports become (of an ICMP error only the addresses count),
  /// and which of +snat and +dnat that means. As `connection` also told where the packet is invalid.
  struct Translation {
    Tuple tuple;
    std::uint8_t state;
  };
  std::optional<Translation> translated;
  /// It would be dropped: no connection can be made. `reason` says why.
  bool refused = false;
};

class Tracker {
 public:
  /// What a connection takes of a full table, in bytes, at most: NAT and its index included.
  static constexpr std::size_t kBytesPerConnection = 256;

  /// The tracker, or a sentence if the machine has not the address space for its tables.
  static Result<std::unique_ptr<Tracker>> make(const TrackerOptions& options);
  /// The same for tests and tools: aborts instead.
  explicit Tracker(const TrackerOptions& options);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  /// Tracks every packet of the batch in place; never drops one, except that packets that could not get a
  /// connection because of a limit are moved to `dropped` (their Reason is counted). Packets need a valid
  /// Layout. `dropped` has room for the batch.
  void process(packet::PacketBatch& batch, const CtRequest& request, Instant now,
               packet::PacketBatch& dropped);

  /// What fragments go through before process(), which calls those that reach it invalid.
  Reassembler& reassembler();
  const Reassembler& reassembler() const;

  /// How process() would classify the packet now. Changes nothing.
  PeekResult peek(const packet::Packet& packet, const CtRequest& request, Instant now) const;
  PeekResult peek(const packet::Packet& packet, std::uint16_t zone, Instant now) const {
    return peek(packet, CtRequest{.zone = zone}, now);
  }

  /// Expires what is due, visiting at most `budget` connections; returns whether more is due. Called by any
  /// worker, some times a second; one at a time does the work, others return at once. Connections whose time
  /// is over are invisible to packets and dumps from that moment on, visited or not.
  bool expire(Instant now, unsigned budget);

  /// Removes connections: all, of a zone (O(1) by generation), or those that match the filter. Memory comes
  /// back with the next expire().
  void flush(std::optional<std::uint16_t> zone);
  using Filter = conntrack::Filter;
  /// @param now  of the events that tell of it; it may be that of the last expire() if that is later
  std::uint64_t flush_matching(const Filter& filter, Instant now = {});
  /// The same in slices, as dump() goes: looks at limits::kFlushSlice entries from the cursor on and adds to
  /// `flushed` how many went. @return the next cursor, or kDumpDone
  std::uint64_t flush_matching(const Filter& filter, std::uint64_t cursor, std::uint64_t& flushed,
                               Instant now = {});

  /// Visits connections in slices: copies up to `max` snapshots from the cursor on; cursor is 0 at first and
  /// kDumpDone at the end. A slice may be empty and yet not the last. Never delays a packet.
  static constexpr std::uint64_t kDumpDone = ~std::uint64_t{0};
  std::uint64_t dump(std::uint64_t cursor, unsigned max, Instant now,
                     std::vector<ConnectionSnapshot>& out) const;

  /// Visits what helpers expect in the same way.
  std::uint64_t dump_expectations(std::uint64_t cursor, unsigned max, Instant now,
                                  std::vector<ExpectationSnapshot>& out) const;

  std::uint32_t connections() const;
  std::uint32_t connections_in_zone(std::uint16_t zone) const;
  std::uint32_t max_connections() const;
  /// The largest maximum: what memory is reserved for.
  std::uint32_t most_connections() const;
  void set_max_connections(std::uint32_t n);  ///< capped at most_connections()
  void set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit);  ///< 0 blocks the zone
  std::optional<std::uint32_t> zone_limit(std::uint16_t zone) const;
  void set_default_zone_limit(std::uint32_t limit);  ///< of zones without their own; 0 = unlimited
  std::uint32_t default_zone_limit() const;
  /// Nothing = the defaults. Holds at once for the connections that the zone has.
  void set_timeout_policy(std::uint16_t zone, const std::optional<TimeoutPolicy>& policy);
  void set_strictness(std::uint16_t zone, const Strictness& strictness);
  Strictness strictness(std::uint16_t zone) const;
  /// Nothing if the zone has the defaults.
  std::optional<TimeoutPolicy> timeout_policy(std::uint16_t zone) const;
  bool tcp_sequence_check() const;
  void set_tcp_sequence_check(bool on);
  /// The longest that memory of a connection whose time is over is kept, with what it occupies: its place in
  /// the limits, its port of a NAT pool. At most 30 s, and not less than a tick of the timer wheel. Short
  /// intervals cost a visit of every connection each.
  void set_sweep_interval(Duration interval);
  Duration sweep_interval() const;
  TrackerCounters counters() const;

  /// Which packets got +inv or were dropped, of one zone or all.
  ReasonReport reasons(std::optional<std::uint16_t> zone) const;

  /// What happens to connections from now on is kept for take_events(), or no longer. One thread.
  void listen_for_events(bool on);
  /// Appends up to `max` events in the order of time; whether more wait. The thread that listens.
  bool take_events(std::vector<ConnectionEvent>& out, std::size_t max);
  /// Events that were not taken in time.
  std::uint64_t lost_events() const;

  /// Memory in use by table, index and timers. With huge pages the kernel rounds each of them up to 2 MiB.
  std::size_t memory_bytes() const;
  /// Connections found by walking the table, how many of them NAT translates, and names in the index: one for
  /// each and another for each translated one; with nothing left to sweep `live` is connections(). For tests
  /// of leaks, on a quiet tracker.
  struct Census {
    std::uint32_t live, translated, indexed;
    std::uint32_t port_chunks;   ///< of nat::PortLanes; none without translated connections
    std::uint64_t lane_members;  ///< the same
  };
  Census census() const;
  /// Families of helpers with members, and what is expected (timed out but not yet swept included).
  struct HelperCensus {
    std::uint32_t families, expectations;
  };
  HelperCensus helper_census() const;

 private:
  struct Impl;
  explicit Tracker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::conntrack
