// How much each port may hand to main of frames that the switch itself listens to (LACP, BPDUs, reports of
// multicast listeners): a token bucket a port, so that a flood on one keeps neither main nor the frames of
// others.
//
// Main fills the buckets as time passes; workers take from them. Ports whose numbers differ by kPorts share
// one.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace sluice::ofproto {

class FrameBudget {
 public:
  /// In tokens; what a frame costs the caller says.
  struct Settings {
    std::uint32_t per_second = 0, burst = 0;
  };

  explicit FrameBudget(Settings settings) : settings_(settings) {
    for (auto& bucket : tokens_) bucket.store(settings.burst, std::memory_order_relaxed);
  }

  /// Any worker. False if the port has not so many left.
  bool take(std::uint32_t dp_port, std::uint32_t cost) {
    auto& bucket = tokens_[dp_port % kPorts];
    std::uint32_t left = bucket.load(std::memory_order_relaxed);
    do {
      if (left < cost) return false;
    } while (!bucket.compare_exchange_weak(left, left - cost, std::memory_order_relaxed));
    return true;
  }

  /// Main.
  void refill(Instant now) {
    const std::int64_t elapsed = filled_at_ ? (now - *filled_at_).ns : 0;
    // A clock reading that is older than the last earns nothing.
    const auto earned = static_cast<std::uint32_t>(std::clamp<std::int64_t>(elapsed, 0, kSecond) *
                                                   settings_.per_second / kSecond);
    if (filled_at_ && earned == 0) return;
    // What is less than a token counts the next time.
    filled_at_ = !filled_at_ || elapsed > kSecond
                     ? now
                     : *filled_at_ + Duration{earned * kSecond / settings_.per_second};
    for (auto& bucket : tokens_) {
      std::uint32_t left = bucket.load(std::memory_order_relaxed);
      while (left < settings_.burst &&
             !bucket.compare_exchange_weak(left, std::min(settings_.burst, left + earned),
                                           std::memory_order_relaxed)) {
      }
    }
  }

 private:
  static constexpr std::size_t kPorts = 4096;
  static constexpr std::int64_t kSecond = Duration::seconds(1).ns;

  const Settings settings_;
  std::array<std::atomic<std::uint32_t>, kPorts> tokens_;
  std::optional<Instant> filled_at_;
};

}  // namespace sluice::ofproto
