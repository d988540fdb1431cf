#include "conntrack/helper/tftp.h"

#include <algorithm>
#include <cstdint>

namespace sluice::conntrack::tftp {
namespace {

constexpr std::uint8_t kRead = 1, kWrite = 2;

/// Takes a text and the zero behind it off the front; false if it is empty or has no end.
bool take_text(Bytes& bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
  if (end == bytes.end() || end == bytes.begin()) return false;
  bytes = bytes.subspan(static_cast<std::size_t>(end - bytes.begin()) + 1);
  return true;
}

}  // namespace

bool is_request(Bytes payload) {
  if (payload.size() < 2 || payload[0] != 0 || (payload[1] != kRead && payload[1] != kWrite)) return false;
  Bytes rest = payload.subspan(2);
  const bool named = take_text(rest);
  return named && take_text(rest);  // the mode
}

}  // namespace sluice::conntrack::tftp
