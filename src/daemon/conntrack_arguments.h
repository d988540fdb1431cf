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
#include "conntrack/strictness.h"
#include "conntrack/timeout.h"

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

/// What `sluice ct` chooses by, in any order: zone=N mark=X[/M] label=X[/M] cookie=X[/M], then ORIG [REPLY].
Result<conntrack::Filter> parse_filter(std::span<const std::string> words);

/// How a zone is kept: "liberal=on|off", "loose=on|off", "seq-check=on|off|default", "TIMEOUT=SECONDS" in the
/// names of CT_Timeout_Policy, and "default" for all of it as at first. Changes what is named in `settings`.
struct ZoneSettings {
  conntrack::Strictness strictness;
  std::optional<conntrack::TimeoutPolicy> timeouts;
};
Status parse_zone_settings(std::span<const std::string> words, ZoneSettings& settings);

/// "default=N", "zone=N,limit=M" …
struct LimitArguments {
  std::optional<std::uint32_t> default_limit;
  std::map<std::uint16_t, std::uint32_t> zones;
};
Result<LimitArguments> parse_limits(std::span<const std::string> words);
/// "zone=1,2,3".
Result<std::vector<std::uint16_t>> parse_zones(std::string_view word);
/// "gt=N" to N; nothing if it is something else.
std::optional<std::uint32_t> parse_greater_than(std::string_view word);
/// A whole number of milliseconds, at least 1.
std::optional<std::uint32_t> parse_milliseconds(std::string_view word);

}  // namespace sluice::daemon
