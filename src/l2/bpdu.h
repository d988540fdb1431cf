// Bridge protocol data units in their frames, of STP and RSTP alike (IEEE 802.1D-2004 clause 9.3): Ethernet
// header with a length, LLC header 42-42-03, then fixed fields.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/clock.h"
#include "net/address.h"
#include "net/endian.h"

namespace sluice::l2 {

inline constexpr std::size_t kBpduFrameBytes = 60;
using BpduFrame = std::array<std::uint8_t, kBpduFrameBytes>;

namespace bpdu {

inline constexpr std::size_t kLengthAt = 12, kLlcAt = 14, kVersionAt = 19, kTypeAt = 20, kFlagsAt = 21,
                             kRootAt = 22, kCostAt = 30, kBridgeAt = 34, kPortAt = 42, kAgeAt = 44,
                             kMaxAgeAt = 46, kHelloAt = 48, kDelayAt = 50, kConfigurationEnd = 52,
                             kRapidEnd = 53, kNotificationEnd = 21;
inline constexpr std::uint8_t kConfiguration = 0x00, kNotification = 0x80, kRapid = 0x02;
inline constexpr std::uint8_t kRapidVersion = 2;
inline constexpr std::uint8_t kTopologyChange = 0x01, kAcknowledgement = 0x80;
inline constexpr std::array<std::uint8_t, 6> kBridgeGroup = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};

/// Times are told in 1/256 seconds (9.2.8).
inline std::uint16_t ticks(Duration time) {
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(time.ns * 256 / 1'000'000'000, 0, 0xffff));
}
inline Duration read_time(const std::uint8_t* at) {
  return Duration::nanoseconds(be16::load(at).host() * std::int64_t{1'000'000'000} / 256);
}

inline BpduFrame frame_of(const net::Mac& source, std::uint8_t type, std::size_t end) {
  BpduFrame frame{};
  std::copy(kBridgeGroup.begin(), kBridgeGroup.end(), frame.begin());
  std::copy(source.bytes.begin(), source.bytes.end(), frame.begin() + 6);
  be16{static_cast<std::uint16_t>(end - kLlcAt)}.store(frame.data() + kLengthAt);
  frame[kLlcAt] = frame[kLlcAt + 1] = 0x42;
  frame[kLlcAt + 2] = 0x03;
  frame[kTypeAt] = type;
  return frame;
}

/// Whether the frame holds one of protocol 0 at all.
inline bool is_bpdu(std::span<const std::uint8_t> frame) {
  return frame.size() >= kNotificationEnd && frame[kLlcAt] == 0x42 && frame[kLlcAt + 1] == 0x42 &&
         frame[kLlcAt + 2] == 0x03 && frame[kLlcAt + 3] == 0 && frame[kLlcAt + 4] == 0;
}

}  // namespace bpdu
}  // namespace sluice::l2
