// Connections and what befalls them as JSON, for every command and stream that shows them. Times are seconds,
// addresses and names as in dumps.
#pragma once

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "conntrack/connection.h"
#include "conntrack/event.h"
#include "conntrack/reason_log.h"

namespace sluice::daemon {

using Json = nlohmann::ordered_json;

Json json_of(const conntrack::Tuple& tuple);
Json json_of(const conntrack::ConnectionSnapshot& connection, Instant now);
/// @param wall_ahead_ns  what the wall clock is ahead of the tracker's time
Json json_of(const conntrack::ConnectionEvent& event, std::int64_t wall_ahead_ns);
Json json_of(const conntrack::ReasonSample& sample, std::int64_t wall_ahead_ns);

/// On one line; bytes that are not UTF-8 are replaced.
std::string text_of(const Json& json);

}  // namespace sluice::daemon
