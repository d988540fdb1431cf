// How much a zone lets pass that does not fit its connections.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::conntrack {

/// Of one zone. The defaults are what a zone does that nobody was strict or lenient about.
struct Strictness {
  enum class SequenceCheck : std::uint8_t {
    Global,  ///< as Tracker::set_tcp_sequence_check says
    On,
    Off,  ///< nothing is out of window, and every segment moves the window
  };
  SequenceCheck sequence_check = SequenceCheck::Global;
  /// Segments outside the window are valid, resets excepted; they move no window.
  bool liberal = false;
  /// A connection may begin in mid-stream: without SYN, without INIT.
  bool loose = true;

  bool operator==(const Strictness&) const = default;

  /// In a byte; 0 is the default.
  constexpr std::uint8_t encoded() const {
    return static_cast<std::uint8_t>(static_cast<unsigned>(sequence_check) | (liberal ? 4u : 0) |
                                     (loose ? 0 : 8u));
  }
  static constexpr Strictness decoded(std::uint8_t byte) {
    return {static_cast<SequenceCheck>(byte & 3), (byte & 4) != 0, (byte & 8) == 0};
  }
};

}  // namespace sluice::conntrack
