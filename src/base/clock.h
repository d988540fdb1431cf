// Time as an argument. Only the datapath's worker loop, the I/O layer and the daemon may name a real clock;
// all others are handed an Instant.
#pragma once

#include <compare>
#include <cstdint>

namespace sluice {

/// A span of time in nanoseconds.
struct Duration {
  std::int64_t ns = 0;

  static constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
  static constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
  constexpr std::int64_t whole_milliseconds() const { return ns / 1'000'000; }
  constexpr std::int64_t whole_seconds() const { return ns / 1'000'000'000; }
  constexpr auto operator<=>(const Duration&) const = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator*(Duration a, std::int64_t k) { return {a.ns * k}; }
};

/// A point on a monotonic time line, in nanoseconds since an origin that the clock's owner chose.
struct Instant {
  std::int64_t ns = 0;

  constexpr auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant a, Duration d) { return {a.ns + d.ns}; }
  friend constexpr Instant operator-(Instant a, Duration d) { return {a.ns - d.ns}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
  constexpr Instant& operator+=(Duration d) {
    ns += d.ns;
    return *this;
  }
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

/// A clock that moves only when told to: tests and offline replay.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start = Instant{Duration::seconds(1).ns}) : now_(start) {}
  Instant now() const override { return now_; }
  void advance(Duration d) { now_ += d; }
  void set(Instant t) { now_ = t; }

 private:
  Instant now_;
};

}  // namespace sluice
