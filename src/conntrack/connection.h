#pragma once
#include <cstdint>
#include "conntrack/tuple.h"
#include "net/endian.h"

namespace sluice::conntrack {

/// A copy of a connection for dumps, trace and events: nothing in it points into the table.
struct ConnectionSnapshot {
  Tuple original, reply;
  std::uint64_t id = 0;
  std::uint64_t cookie = 0;
  std::uint16_t zone = 0;
  std::uint32_t mark = 0;
  be128 label;
  std::uint8_t state[2] = {0, 0};  ///< protocol state per direction (TcpState for TCP)
  std::uint8_t window_scale[2] = {0, 0};
  std::uint64_t packets[2] = {0, 0}, bytes[2] = {0, 0};  ///< per Direction
  std::int64_t start_ns = 0, last_seen_ns = 0, expires_in_ns = 0;
  std::uint8_t helper = 0;
  bool seen_reply = false;
};

}  // namespace sluice::conntrack
