// sluice/ct-…: what dpctl/ has no words for. Answers are JSON, as in commands_sluice.cc.
#include <fmt/core.h>

#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/connection_json.h"
#include "daemon/conntrack_arguments.h"
#include "io/clock.h"

namespace sluice::daemon {

namespace {

using conntrack::Reason;
using conntrack::Strictness;
using unixctl::Args;

Result<std::uint16_t> get_zone(const std::string& word) {
  const auto zone = parse_zone(word);
  if (!zone) return fail(fmt::format("\"{}\": expected zone=0 to zone=65535", word));
  return *zone;
}

Result<std::string> reasons(const bridge::Switch& device, Args args) {
  std::optional<std::uint16_t> zone;
  if (!args.empty()) {
    SLUICE_ASSIGN(zone, get_zone(args[0]));
  }
  const auto report = device.tracker().reasons(zone);
  const std::int64_t wall_ahead_ns = io::wall_clock_ns() - device.now().ns;
  Json json;
  Json& rows = json["reasons"] = Json::array();
  for (const auto& row : report.rows) {
    Json last;
    if (row.last.reason == row.reason) last = json_of(row.last, wall_ahead_ns);
    rows.push_back({{"zone", row.zone},
                    {"reason", conntrack::reason_name(row.reason)},
                    {"text", conntrack::reason_text(row.reason)},
                    {"packets", row.packets},
                    {"last", std::move(last)}});
  }
  Json& others = json["other_zones"] = Json::object();
  for (unsigned r = 1; r < conntrack::kReasonCount; ++r)
    if (report.other_zones[r] != 0)
      others[std::string(conntrack::reason_name(static_cast<Reason>(r)))] = report.other_zones[r];
  Json& recent = json["recent"] = Json::array();
  for (const auto& sample : report.recent) recent.push_back(json_of(sample, wall_ahead_ns));
  return text_of(json);
}

Result<std::string> flush(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto filter, parse_filter(args));
  return text_of(Json{{"flushed", device.tracker().flush_matching(filter, device.now())}});
}

Json json_of_zone(const conntrack::Tracker& tracker, std::uint16_t zone) {
  const Strictness strictness = tracker.strictness(zone);
  Json json{{"zone", zone}, {"connections", tracker.connections_in_zone(zone)}};
  if (const auto limit = tracker.zone_limit(zone))
    json["limit"] = *limit;
  else
    json["limit"] = nullptr;
  json["liberal"] = strictness.liberal;
  json["loose"] = strictness.loose;
  constexpr const char* kChecks[] = {"default", "on", "off"};
  json["seq-check"] = kChecks[static_cast<unsigned>(strictness.sequence_check)];
  Json& timeouts = json["timeouts"] = Json::object();
  if (const auto policy = tracker.timeout_policy(zone))
    for (unsigned t = 0; t < conntrack::kTimeoutCount; ++t)
      timeouts[std::string(conntrack::timeout_name(static_cast<conntrack::Timeout>(t)))] = policy->seconds[t];
  return json;
}

/// Zones that have connections or settings of their own.
std::string zones(const conntrack::Tracker& tracker) {
  Json json = Json::array();
  for (unsigned n = 0; n <= 0xffff; ++n) {
    const auto zone = static_cast<std::uint16_t>(n);
    if (tracker.connections_in_zone(zone) != 0 || tracker.zone_limit(zone) ||
        tracker.strictness(zone) != Strictness{} || tracker.timeout_policy(zone))
      json.push_back(json_of_zone(tracker, zone));
  }
  return text_of(json);
}

/// "zone=N SETTING…".
Result<std::string> set_zone(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto zone, get_zone(args[0]));
  conntrack::Tracker& tracker = device.tracker();
  ZoneSettings settings{tracker.strictness(zone), tracker.timeout_policy(zone)};
  SLUICE_TRY(parse_zone_settings(args.subspan(1), settings));
  tracker.set_strictness(zone, settings.strictness);
  tracker.set_timeout_policy(zone, settings.timeouts);
  return text_of(json_of_zone(tracker, zone));
}

Json json_of(const conntrack::ExpectationSnapshot& expectation) {
  Json json;
  json["protocol"] = conntrack::protocol_name(expectation.expected.proto);
  json["expected"] = daemon::json_of(expectation.expected);
  json["expected"].erase("sport");  // any
  json["parent"] = daemon::json_of(expectation.parent);
  json["helper"] = conntrack::helper_name(expectation.helper);
  json["zone"] = expectation.zone;
  json["mark"] = expectation.mark;
  json["expires_s"] = static_cast<double>(expectation.expires_in_ns) / 1e9;
  json["line"] = conntrack::format_expectation(expectation);
  return json;
}

Result<std::string> expectations(const bridge::Switch& device, Args args) {
  std::optional<std::uint16_t> zone;
  if (!args.empty()) {
    SLUICE_ASSIGN(zone, get_zone(args[0]));
  }
  std::vector<conntrack::ExpectationSnapshot> all;
  for (std::uint64_t cursor = 0; cursor != conntrack::Tracker::kDumpDone;)
    cursor = device.tracker().dump_expectations(cursor, limits::kExpectations, device.now(), all);
  Json json = Json::array();
  for (const auto& expectation : all)
    if (!zone || expectation.zone == *zone) json.push_back(json_of(expectation));
  return text_of(json);
}

}  // namespace

void add_conntrack_json_commands(unixctl::CommandRegistry& commands, bridge::Switch& device,
                                 const std::string& events_path) {
  commands.add("sluice/ct-reasons", "[zone=N]", 0, 1, [&device](Args args) { return reasons(device, args); });
  commands.add("sluice/ct-expectations", "[zone=N]", 0, 1,
               [&device](Args args) { return expectations(device, args); });
  commands.add("sluice/ct-flush",
               "[zone=N] [mark=X[/M]] [label=X[/M]] [cookie=X[/M]] [orig-tuple [reply-tuple]]", 0, 6,
               [&device](Args args) { return flush(device, args); });
  commands.add("sluice/ct-zones", "", 0, 0,
               [&device](Args) -> Result<std::string> { return zones(device.tracker()); });
  commands.add("sluice/ct-set-zone", "zone=N setting...", 2, unixctl::CommandRegistry::kAnyArgs,
               [&device](Args args) { return set_zone(device, args); });
  commands.add("sluice/ct-events-socket", "", 0, 0,
               [events_path](Args) -> Result<std::string> { return events_path; });
}

}  // namespace sluice::daemon
