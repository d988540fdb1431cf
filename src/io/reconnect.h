// When to connect, and what to tell of it: the life of a connection that is made again whenever it ends.
// Without the connection itself: the owner does what poll() says and reports what became of it.
//
//   Void ── enable() ──> Backoff ── poll(): Connect ──> Connecting ── connected() ──> Active
//                           ^                               │                           │
//                           └────────── disconnected() ─────┴───────────────────────────┘
//
// The wait before an attempt starts at a second and doubles up to max_backoff, unless the connection had
// lasted longer than the wait before it. An attempt may take as long as the wait, at least a second.
// Source: ovs-vswitchd.conf.db(5), Controller, "status" and "max_backoff".
//
// Main thread. No clock, no I/O.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"

namespace sluice::io {

class Reconnect {
 public:
  static constexpr Duration kFirstBackoff = Duration::seconds(1);

  enum class State : std::uint8_t { Void, Backoff, Connecting, Active };
  enum class Step : std::uint8_t {
    None,
    Connect,  ///< begin an attempt
    Abandon,  ///< give the attempt up and report disconnected()
  };

  struct Status {
    State state = State::Void;
    std::string last_error;
    std::optional<Instant> connected_at, disconnected_at;  ///< the last time each
    std::uint64_t attempts = 0, successes = 0;
  };

  explicit Reconnect(Duration max_backoff = Duration::seconds(8)) { set_max_backoff(max_backoff); }

  void set_max_backoff(Duration max_backoff);
  /// The first attempt is due at once.
  void enable(Instant now);
  void disable();
  /// What is due. An answer is given once.
  Step poll(Instant now);
  /// When poll() is wanted next.
  std::optional<Instant> deadline() const;

  void connected(Instant now);
  /// The attempt failed or the connection ended. @param error  empty: nothing was wrong
  void disconnected(Instant now, std::string error);
  /// What was wrong so far is no reason to wait: the next attempt is due at once.
  void hurry(Instant now);

  const Status& status() const { return status_; }
  Duration backoff() const { return backoff_; }

 private:
  Duration max_backoff_, backoff_{};
  std::optional<Instant> due_;
  Status status_;
};

}  // namespace sluice::io
