// The connection table. Formats: what ovs-vswitchd prints (spec: shared/spec/dropin.md section 2,
// conntrack.md 2.4).
#include <fmt/core.h>

#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/conntrack_arguments.h"
#include "daemon/dpctl_arguments.h"
#include "daemon/sliced_work.h"
#include "io/clock.h"

namespace sluice::daemon {

namespace {

using conntrack::ConnectionSnapshot;
using conntrack::Tracker;
using unixctl::Args;

/// Connections copied before others get their turn: about two milliseconds.
constexpr unsigned kSlice = 4096;

/// A walk through the table: it answers when it has come to the end, or as it goes and the client reads.
class Walk : public SlicedWork::Job {
 public:
  Walk(bridge::Switch& device, std::optional<std::uint16_t> zone, unixctl::Reply reply)
      : device_(device), zone_(zone), reply_(std::move(reply)) {}

  bool step() final {
    if (!reply_.waiting()) return false;  // the client has gone
    slice_.clear();
    cursor_ = device_.tracker().dump(cursor_, kSlice, device_.now(), slice_);
    for (const auto& connection : slice_)
      if (!zone_ || connection.zone == *zone_) visit(connection);
    if (cursor_ == Tracker::kDumpDone) {
      reply_(finish());
      return false;
    }
    if (auto part = take_part(); !part.empty()) reply_.append(std::move(part));
    return true;
  }
  bool ready() const final { return reply_.waiting().value_or(0) < SlicedWork::kMaxWaiting; }

 protected:
  virtual void visit(const ConnectionSnapshot& connection) = 0;
  /// Lines that can be sent already.
  virtual std::string take_part() { return {}; }
  virtual std::string finish() = 0;

 private:
  bridge::Switch& device_;
  std::optional<std::uint16_t> zone_;
  unixctl::Reply reply_;
  std::uint64_t cursor_ = 0;
  std::vector<ConnectionSnapshot> slice_;
};

class DumpExpectations final : public SlicedWork::Job {
 public:
  DumpExpectations(bridge::Switch& device, std::optional<std::uint16_t> zone, unixctl::Reply reply)
      : device_(device), zone_(zone), reply_(std::move(reply)) {}

  bool step() override {
    slice_.clear();
    cursor_ = device_.tracker().dump_expectations(cursor_, kSlice, device_.now(), slice_);
    for (const auto& expectation : slice_)
      if (!zone_ || expectation.zone == *zone_) text_ += conntrack::format_expectation(expectation) + '\n';
    if (cursor_ != Tracker::kDumpDone) return true;
    reply_(std::move(text_));
    return false;
  }

 private:
  bridge::Switch& device_;
  std::optional<std::uint16_t> zone_;
  unixctl::Reply reply_;
  std::uint64_t cursor_ = 0;
  std::vector<conntrack::ExpectationSnapshot> slice_;
  std::string text_;
};

class Dump final : public Walk {
 public:
  Dump(bridge::Switch& device, std::optional<std::uint16_t> zone, conntrack::DumpFormat format,
       unixctl::Reply reply)
      : Walk(device, zone, std::move(reply)), format_(format) {}

 private:
  void visit(const ConnectionSnapshot& connection) override {
    text_ += conntrack::format_connection(connection, format_);
    text_ += '\n';
  }
  std::string take_part() override { return std::exchange(text_, {}); }
  std::string finish() override { return std::move(text_); }

  conntrack::DumpFormat format_;
  std::string text_;
};

class Count final : public Walk {
 public:
  Count(bridge::Switch& device, std::optional<std::uint16_t> zone, bool verbose, unixctl::Reply reply)
      : Walk(device, zone, std::move(reply)), verbose_(verbose) {}

 private:
  void visit(const ConnectionSnapshot& connection) override { stats_.add(connection); }
  std::string finish() override { return stats_.format(verbose_); }

  bool verbose_;
  conntrack::ConnectionStats stats_;
};

/// Options, then "[DP] [zone=N]".
struct WalkArguments {
  DpctlArguments options;
  std::optional<std::uint16_t> zone;
};
Result<WalkArguments> parse_walk(Args args) {
  WalkArguments parsed;
  SLUICE_ASSIGN(parsed.options, parse_dpctl(args));
  auto& words = parsed.options.words;
  for (auto it = words.begin(); it != words.end(); ++it) {
    parsed.zone = parse_zone(*it);
    if (!parsed.zone) continue;
    words.erase(it);
    break;
  }
  SLUICE_TRY(take_datapath(words, 0));
  return parsed;
}

/// A flush by filter, slice by slice; what was given may name a connection by its reply direction.
class Flush final : public SlicedWork::Job {
 public:
  Flush(bridge::Switch& device, FlushArguments arguments, unixctl::Reply reply)
      : device_(device), arguments_(std::move(arguments)), reply_(std::move(reply)) {}

  bool step() final {
    cursor_ = device_.tracker().flush_matching(arguments_.filter, cursor_, removed_, device_.now());
    if (cursor_ != Tracker::kDumpDone) return true;
    if (arguments_.names_one && removed_ == 0 && !turned_) {
      std::swap(arguments_.filter.original, arguments_.filter.reply);
      turned_ = true;
      cursor_ = 0;
      return true;
    }
    if (arguments_.names_one && removed_ == 0)
      reply_(dpctl_error("failed to flush conntrack", ENOENT));
    else
      reply_("");
    return false;
  }

 private:
  bridge::Switch& device_;
  FlushArguments arguments_;
  unixctl::Reply reply_;
  std::uint64_t cursor_ = 0, removed_ = 0;
  bool turned_ = false;
};

void flush(bridge::Switch& device, SlicedWork& work, Args args, unixctl::Reply reply) {
  auto parsed = parse_dpctl(args);
  if (!parsed) return reply(tl::unexpected<Error>(parsed.error()));
  auto& words = parsed->words;
  if (!words.empty() && is_datapath(words.front())) words.erase(words.begin());
  auto arguments = parse_flush(words);
  if (!arguments) return reply(tl::unexpected<Error>(arguments.error()));
  const auto& filter = arguments->filter;
  if (filter.mark_mask == 0 && filter.label_mask.is_zero() && filter.original.is_empty() &&
      filter.reply.is_empty()) {
    device.tracker().flush(filter.zone);
    return reply("");
  }
  work.start(std::make_unique<Flush>(device, std::move(*arguments), std::move(reply)));
}

Result<std::string> set_maxconns(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 1));
  std::uint64_t number = 0;
  bool ok = parsed.words.size() == 1 && !parsed.words[0].empty();
  if (ok) {
    for (const char c : parsed.words[0]) {
      ok = ok && c >= '0' && c <= '9' && number <= 0xffffffff;
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
    }
  }
  if (!ok || number > 0xffffffff) return dpctl_error("maxconns missing or malformed");
  if (const std::uint32_t most = device.tracker().most_connections(); number > most)
    return dpctl_error(
        fmt::format("maxconns {} is too large: the table was made for at most {}; a larger "
                    "conntrack.max_connections needs a restart",
                    number, most));
  device.tracker().set_max_connections(static_cast<std::uint32_t>(number));
  return "setting maxconns successful";
}

std::string limit_line(const Tracker& tracker, std::uint16_t zone) {
  return fmt::format("zone={},limit={},count={}\n", zone,
                     tracker.zone_limit(zone).value_or(tracker.default_zone_limit()),
                     tracker.connections_in_zone(zone));
}

Result<std::string> get_limits(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 1));
  const auto& tracker = device.tracker();
  std::string text = fmt::format("default limit={}\n", tracker.default_zone_limit());
  if (!parsed.words.empty()) {
    SLUICE_ASSIGN(const auto zones, parse_zones(parsed.words[0]));
    for (const auto zone : zones) text += limit_line(tracker, zone);
    return text;
  }
  for (unsigned zone = 0; zone <= 0xffff; ++zone)
    if (tracker.zone_limit(static_cast<std::uint16_t>(zone)))
      text += limit_line(tracker, static_cast<std::uint16_t>(zone));
  return text;
}

/// Refuses what would contradict the database.
Status check_limits_are_free(const bridge::Switch& device) {
  if (!device.config().conntrack.limits_are_fixed) return {};
  return dpctl_error("the zone limits are set via database, use 'ovs-vsctl set-zone-limit <...>' instead.",
                     EPERM);
}

Result<std::string> set_limits(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  auto& words = parsed.words;
  if (!words.empty() && is_datapath(words.front())) words.erase(words.begin());
  SLUICE_ASSIGN(const auto limits, parse_limits(words));
  SLUICE_TRY(check_limits_are_free(device));
  if (limits.default_limit) device.tracker().set_default_zone_limit(*limits.default_limit);
  for (const auto& [zone, limit] : limits.zones) device.tracker().set_zone_limit(zone, limit);
  return "";
}

Result<std::string> del_limits(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  const bool both = !parsed.words.empty() && parsed.words.front() == "default";
  SLUICE_TRY(take_datapath(parsed.words, both ? 2 : 1));
  if (parsed.words.empty()) return dpctl_error("invalid argument");
  const bool with_default = parsed.words.front() == "default";
  if (with_default) parsed.words.erase(parsed.words.begin());
  std::vector<std::uint16_t> zones;
  if (!parsed.words.empty()) {
    SLUICE_ASSIGN(zones, parse_zones(parsed.words[0]));
  }
  SLUICE_TRY(check_limits_are_free(device));
  if (with_default) device.tracker().set_default_zone_limit(0);
  for (const auto zone : zones) device.tracker().set_zone_limit(zone, std::nullopt);
  return "";
}

/// The histogram of ct-bkts, which has one bucket: the table is found by hash, not by zone.
Result<std::string> buckets(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  auto& words = parsed.words;
  std::uint32_t above = 0;
  if (!words.empty()) {
    if (const auto given = parse_greater_than(words.back())) {
      above = *given;
      words.pop_back();
    }
  }
  SLUICE_TRY(take_datapath(words, 0));
  const std::uint32_t connections = device.tracker().connections();
  std::string text = fmt::format("Total Buckets: 1\nCurrent Connections: {}\n\n", connections);
  if (connections == 0) return text;
  text +=
      "+-----------+-----------------------------------------+\n"
      "|  Buckets  |         Connections per Buckets         |\n"
      "+-----------+-----------------------------------------+\n";
  text += fmt::format("   0..  7   |{:>6}\n\n", connections > above ? std::to_string(connections) : ".");
  return text;
}

Result<std::string> set_sweep_interval(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 1));
  const auto ms = parsed.words.size() == 1 ? parse_milliseconds(parsed.words[0]) : std::nullopt;
  if (!ms) return dpctl_error("sweep interval missing or malformed");
  device.tracker().set_sweep_interval(Duration::milliseconds(*ms));
  return "setting sweep interval successful";
}

/// A command that takes at most a datapath.
template <typename Answer>
unixctl::CommandRegistry::Handler plain(Answer answer) {
  return [answer](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
    SLUICE_TRY(take_datapath(parsed.words, 0));
    return answer();
  };
}

}  // namespace

void add_conntrack_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work) {
  commands.add_deferred(
      "dpctl/dump-conntrack", "[-m] [-s] [dp] [zone=N]", 0, 4, [&](Args args, unixctl::Reply reply) {
        const auto parsed = parse_walk(args);
        if (!parsed) return reply(tl::unexpected<Error>(parsed.error()));
        const conntrack::DumpFormat format{.verbose = parsed->options.more,
                                           .statistics = parsed->options.statistics,
                                           .wall_ahead_ns = io::wall_clock_ns() - device.now().ns};
        work.start(std::make_unique<Dump>(device, parsed->zone, format, std::move(reply)));
      });
  commands.add_deferred(
      "dpctl/ct-stats-show", "[-m] [dp] [zone=N]", 0, 3, [&](Args args, unixctl::Reply reply) {
        const auto parsed = parse_walk(args);
        if (!parsed) return reply(tl::unexpected<Error>(parsed.error()));
        work.start(std::make_unique<Count>(device, parsed->zone, parsed->options.more, std::move(reply)));
      });
  commands.add_deferred(
      "dpctl/dump-conntrack-exp", "[dp] [zone=N]", 0, 2, [&](Args args, unixctl::Reply reply) {
        const auto parsed = parse_walk(args);
        if (!parsed) return reply(tl::unexpected<Error>(parsed.error()));
        work.start(std::make_unique<DumpExpectations>(device, parsed->zone, std::move(reply)));
      });
  commands.add_deferred(
      "dpctl/flush-conntrack", "[dp] [zone=N] [mark=X[/M]] [labels=Y[/N]] [ct-orig-tuple [ct-reply-tuple]]",
      0, 6, [&](Args args, unixctl::Reply reply) { flush(device, work, args, std::move(reply)); });
  commands.add("dpctl/ct-get-nconns", "[dp]", 0, 1,
               plain([&device] { return std::to_string(device.tracker().connections()) + "\n"; }));
  commands.add("dpctl/ct-get-maxconns", "[dp]", 0, 1,
               plain([&device] { return std::to_string(device.tracker().max_connections()) + "\n"; }));
  commands.add("dpctl/ct-set-maxconns", "[dp] maxconns", 1, 2,
               [&device](Args args) { return set_maxconns(device, args); });
  commands.add("dpctl/ct-get-limits", "[dp] [zone=N1[,N2]...]", 0, 2,
               [&device](Args args) { return get_limits(device, args); });
  commands.add("dpctl/ct-set-limits", "[dp] [default=L] [zone=N,limit=L]...", 1,
               unixctl::CommandRegistry::kAnyArgs, [&device](Args args) { return set_limits(device, args); });
  commands.add("dpctl/ct-del-limits", "[dp] [default] [zone=N1[,N2]...]", 1, 3,
               [&device](Args args) { return del_limits(device, args); });
  commands.add("dpctl/ct-bkts", "[dp] [gt=N]", 0, 2, [&device](Args args) { return buckets(device, args); });
  commands.add("dpctl/ct-set-sweep-interval", "[dp] ms", 1, 2,
               [&device](Args args) { return set_sweep_interval(device, args); });
  commands.add("dpctl/ct-get-sweep-interval", "[dp]", 0, 1, plain([&device] {
                 return std::to_string(device.tracker().sweep_interval().ns / 1'000'000) + "\n";
               }));
  commands.add("dpctl/ct-get-tcp-seq-chk", "[dp]", 0, 1, plain([&device] {
                 return fmt::format("TCP sequence checking: {}\n",
                                    device.tracker().tcp_sequence_check() ? "enabled" : "disabled");
               }));
  const auto add_switch = [&](const char* name, bool on, const char* answer) {
    commands.add(name, "[dp]", 0, 1, plain([&device, on, answer] {
                   device.tracker().set_tcp_sequence_check(on);
                   return std::string(answer);
                 }));
  };
  add_switch("dpctl/ct-enable-tcp-seq-chk", true, "enabling TCP sequence checking successful");
  add_switch("dpctl/ct-disable-tcp-seq-chk", false, "disabling TCP sequence checking successful");
}

}  // namespace sluice::daemon
