// The rate at which packet-ins go to one controller: a token bucket and, for what exceeds it, a queue for
// each port, served in turn, so that a port that floods delays itself and not the others.
//
// A packet that finds the queue full makes room by dropping the newest of the longest queue. All in all at
// most `burst` packets wait. Source: ovs-vswitchd.conf.db(5), Controller, "Controller Rate Limiting".
//
// Owner: a Peer, on the main thread. No clock.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/clock.h"
#include "openflow/packet_in.h"

namespace sluice::ofproto {

class PacketInPacer {
 public:
  struct Options {
    std::uint32_t rate = 0;   ///< packets a second; 0: as they come
    std::uint32_t burst = 0;  ///< packets that may wait; 0: a quarter of the rate
  };
  struct Counters {
    std::uint64_t bypassed = 0;  ///< sent at once
    std::uint64_t queued = 0;
    std::uint64_t dropped = 0;  ///< of those queued, for want of room
  };

  PacketInPacer(const Options& options, Instant now);

  /// The packet, if it may go at once; else it waits.
  std::optional<openflow::PacketIn> submit(openflow::PacketIn packet, Instant now);
  /// The next one that may go now.
  std::optional<openflow::PacketIn> next(Instant now);
  /// When next() will have one.
  std::optional<Instant> deadline() const;

  bool limited() const { return rate_ != 0; }
  const Counters& counters() const { return counters_; }
  std::size_t waiting() const { return waiting_; }

 private:
  void refill(Instant now);
  bool take_token();
  void drop_from_longest();

  std::uint32_t rate_, burst_;
  std::int64_t credit_ns_;  ///< time that has been saved up; a packet costs packet_ns()
  Instant filled_;
  std::map<std::uint32_t, std::deque<openflow::PacketIn>> queues_;  ///< by port, none empty
  std::uint32_t last_port_ = 0;                                     ///< the port that was served last
  std::size_t waiting_ = 0;
  Counters counters_;

  std::int64_t packet_ns() const { return Duration::seconds(1).ns / rate_; }
};

}  // namespace sluice::ofproto
