// The arguments of the conntrack commands: zones, marks, labels, tuples, limits, in the words of
// ovs-vswitchd.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "conntrack/dump.h"

namespace sluice::daemon {

/// "[zone=N] [mark=X[/M]] [labels=X[/M]] [ORIG [REPLY]]". Errors are complete answers of
/// dpctl/flush-conntrack.
struct FlushArguments {
  conntrack::Filter filter;
  /// A whole tuple names one connection, which is looked for in zone 0 if none was given, in either
  /// direction.
  bool names_one = false;
};
Result<FlushArguments> parse_flush(std::span<const std::string> words);

/// "zone=5" to 5; nothing if it is something else.
std::optional<std::uint16_t> parse_zone(std::string_view word);

/// "default=N", "zone=N,limit=M" …
struct LimitArguments {
  std::optional<std::uint32_t> default_limit;
  std::map<std::uint16_t, std::uint32_t> zones;
};
Result<LimitArguments> parse_limits(std::span<const std::string> words);
/// "zone=1,2,3".
Result<std::vector<std::uint16_t>> parse_zones(std::string_view word);

}  // namespace sluice::daemon
