// sluice replay: captures through flows, offline. The whole switch runs inline on the captures' clock;
// packets of all captures are taken in the order of their time stamps (at equal times the lower port first),
// each to its end before the next. Nothing depends on anything but the inputs: two runs give the same bytes.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "bridge/switch.h"
#include "cli/commands.h"
#include "cli/replay_ports.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "field/match_text.h"
#include "wire/print.h"

namespace sluice::cli {

namespace {

using Json = nlohmann::ordered_json;
using datapath::Counter;

/// The first time a clock shows, so that no time of a capture that begins in 1970 is before it.
constexpr std::int64_t kBeforeAnything = 0;
/// How much capture time may pass until flows are looked at for timeouts.
constexpr Duration kTick = Duration::seconds(1);
/// Captures of fewer bytes are done before a progress bar could be read.
constexpr std::uint64_t kProgressFromBytes = 4 << 20;

/// One look-up of a packet's way: with what it came, and the rules that it met.
struct Pass {
  std::uint32_t recirc_id = 0, ct_state = 0;
  std::vector<pipeline::RuleRef> rules;
};

/// Notes every translation that the packet at hand causes.
class Recorder final : public ofproto::TranslationObserver {
 public:
  void translated(const ofproto::Ofproto&, const flow::FlowKey& key,
                  const pipeline::TranslationResult& result) override {
    passes.push_back({key.recirc_id.host(), key.ct_state.host(), result.credits.rules()});
  }
  std::vector<Pass> passes;
};

/// What became of one packet.
struct Outcome {
  std::vector<std::uint32_t> ports;  ///< where it left, ascending; a port twice if two copies did
  std::vector<packet::DropReason> drops;
  unsigned packet_ins = 0;
};

class Replay {
 public:
  explicit Replay(const ReplayArguments& arguments)
      : arguments_(arguments), clock_(Instant{kBeforeAnything}) {}

  Status run();

 private:
  Status set_up();
  ReplayPort* next_port();
  void process(ReplayPort& port);
  Outcome take_outcome();
  void report(const ReplayPort& port, const Outcome& outcome);
  std::string verdict(const Outcome& outcome) const;
  void print_line(const ReplayPort& port, const Outcome& outcome) const;
  void print_json(const ReplayPort& port, const Outcome& outcome) const;
  void print_summary();
  Status write_connections();
  void show_progress();
  std::string ct_states() const;

  const ReplayArguments& arguments_;
  ManualClock clock_;
  std::vector<ReplayPort*> ports_;  ///< ascending; owned by the datapath
  std::unique_ptr<bridge::Switch> switch_;
  Recorder recorder_;
  datapath::DatapathStats before_;
  std::uint64_t packets_ = 0, forwarded_ = 0, bytes_total_ = 0;
  unsigned percent_shown_ = 0;
  std::int64_t first_ns_ = 0;
  Instant last_tick_;
};

Status Replay::set_up() {
  bridge::SwitchConfig config;
  auto& br0 = config.bridges.emplace_back();
  br0.name = "br0";
  br0.local = bridge::LocalPort::None;
  br0.flow_files = arguments_.flow_files;
  std::map<std::uint32_t, std::pair<std::string, std::string>> files;
  for (const auto& [port, file] : arguments_.in) files[port].first = file;
  for (const auto& [port, file] : arguments_.out) files[port].second = file;
  for (const auto& [number, pair] : files)
    br0.ports.push_back({fmt::format("p{}", number), "pcap", number, {}});

  bridge::SwitchOptions options;
  options.secret = 1;
  options.make_port = [&](const bridge::PortConfig& port) -> Result<std::unique_ptr<port::Port>> {
    const auto& [in, out] = files.at(*port.number);
    SLUICE_ASSIGN(auto opened, ReplayPort::open(port.name, *port.number, in, out));
    bytes_total_ += opened->capture().bytes_total();
    ports_.push_back(opened.get());
    return opened;
  };
  switch_ = std::make_unique<bridge::Switch>(clock_, std::move(options), config);
  const auto report = switch_->reconcile(config);
  for (const auto& warning : report.warnings)
    std::fputs(("sluice: warning: " + warning + "\n").c_str(), stderr);
  if (!report.ok()) return fail(report.errors.front());
  std::sort(ports_.begin(), ports_.end(), [](auto* a, auto* b) { return a->number() < b->number(); });
  if (!arguments_.quiet) switch_->upcalls().set_observer(&recorder_);
  return {};
}

/// The port whose next packet was captured first.
ReplayPort* Replay::next_port() {
  ReplayPort* first = nullptr;
  std::int64_t earliest = 0;
  for (ReplayPort* port : ports_) {
    const auto time = port->capture().next_time();
    if (!time || (first && *time >= earliest)) continue;
    first = port;
    earliest = *time;
  }
  if (!first) return nullptr;
  // A capture may go back in time (clock adjustments, merged files); the switch's time never does.
  const std::int64_t now = std::max(earliest, clock_.now().ns);
  if (packets_ == 0) first_ns_ = now;
  clock_.set(Instant{now});
  for (ReplayPort* port : ports_) port->capture().advance_to(now);
  return first;
}

Status Replay::run() {
  SLUICE_TRY(set_up());
  while (ReplayPort* port = next_port()) {
    if (clock_.now() - last_tick_ >= kTick) {
      last_tick_ = clock_.now();
      switch_->run();
    }
    process(*port);
    show_progress();
  }
  for (ReplayPort* port : ports_) {
    if (!port->capture().status()) return tl::unexpected<Error>(port->capture().status().error());
    SLUICE_TRY(port->capture().finish());
  }
  print_summary();
  return write_connections();
}

void Replay::process(ReplayPort& port) {
  recorder_.passes.clear();
  port.arm();
  switch_->datapath().poll();
  ++packets_;
  const Outcome outcome = take_outcome();
  forwarded_ += !outcome.ports.empty();
  if (!arguments_.quiet) report(port, outcome);
  switch_->upcalls().packet_ins().take();
}

Outcome Replay::take_outcome() {
  Outcome outcome;
  for (ReplayPort* port : ports_)
    outcome.ports.insert(outcome.ports.end(), port->take_sent(), port->number());
  const auto now = switch_->datapath().stats();
  for (const auto& row : packet::kDropReasons)
    outcome.drops.insert(outcome.drops.end(), now[row.reason] - before_[row.reason], row.reason);
  outcome.packet_ins = static_cast<unsigned>(now[Counter::PacketIns] - before_[Counter::PacketIns]);
  before_ = now;
  return outcome;
}

/// "new|trk", what each ct() said, in order.
std::string Replay::ct_states() const {
  std::string text;
  for (const auto& pass : recorder_.passes)
    if (pass.recirc_id != 0) text += (text.empty() ? "" : ",") + ofproto::format_ct_state(pass.ct_state);
  return text;
}

std::string Replay::verdict(const Outcome& outcome) const {
  std::string text;
  for (const auto port : outcome.ports) text += (text.empty() ? "output " : ",") + std::to_string(port);
  if (outcome.packet_ins != 0) text += (text.empty() ? "" : ", ") + std::string("controller");
  for (const auto reason : outcome.drops)
    text += fmt::format("{}drop ({})", text.empty() ? "" : ", ", packet::drop_reason_name(reason));
  return text.empty() ? "consumed" : text;
}

std::string rule_name(const pipeline::RuleRef& rule) {
  return fmt::format("{}/{}", rule->table(), rule->priority());
}

void Replay::print_line(const ReplayPort& port, const Outcome& outcome) const {
  std::string rules;
  for (const auto& pass : recorder_.passes)
    for (const auto& rule : pass.rules) rules += (rules.empty() ? "" : " ") + rule_name(rule);
  const auto states = ct_states();
  std::string line = fmt::format("{:6} {:12.6f}  port {}  {}\n        {}", packets_,
                                 static_cast<double>(clock_.now().ns - first_ns_) / 1e9, port.number(),
                                 wire::print(port.last_received()), verdict(outcome));
  if (!states.empty()) line += "; ct_state " + states;
  if (!rules.empty()) line += "; rules " + rules;
  line += "\n";
  if (arguments_.verbose) {
    for (const auto& reason : outcome.drops)
      line += fmt::format("        {}\n", packet::drop_reason_sentence(reason));
    for (const auto& pass : recorder_.passes) {
      if (pass.recirc_id != 0)
        line += fmt::format("        after ct: ct_state {}\n", ofproto::format_ct_state(pass.ct_state));
      for (const auto& rule : pass.rules) {
        const auto match = field::format_match(rule->match());
        line +=
            fmt::format("        table {}, priority {}: {}, actions={}\n", rule->table(), rule->priority(),
                        match.empty() ? "(all)" : match, action::format_actions(rule->actions()));
      }
    }
  }
  std::fputs(line.c_str(), stdout);
}

void Replay::print_json(const ReplayPort& port, const Outcome& outcome) const {
  Json json;
  json["packet"] = packets_;
  json["time_ns"] = clock_.now().ns;
  json["port"] = port.number();
  json["summary"] = wire::print(port.last_received());
  json["outputs"] = outcome.ports;
  Json& drops = json["drops"] = Json::array();
  for (const auto reason : outcome.drops) drops.push_back(packet::drop_reason_name(reason));
  json["packet_ins"] = outcome.packet_ins;
  Json& passes = json["passes"] = Json::array();
  for (const auto& pass : recorder_.passes) {
    Json entry;
    entry["ct_state"] = ofproto::format_ct_state(pass.ct_state);
    Json& rules = entry["rules"] = Json::array();
    for (const auto& rule : pass.rules)
      rules.push_back({{"table", rule->table()},
                       {"priority", rule->priority()},
                       {"match", field::format_match(rule->match())},
                       {"actions", action::format_actions(rule->actions())}});
    passes.push_back(std::move(entry));
  }
  std::fputs((json.dump() + "\n").c_str(), stdout);
}

void Replay::report(const ReplayPort& port, const Outcome& outcome) {
  if (arguments_.json)
    print_json(port, outcome);
  else
    print_line(port, outcome);
}

void Replay::print_summary() {
  switch_->push_stats();
  const auto stats = switch_->datapath().stats();
  const auto ct = switch_->tracker().counters();
  Json json;
  json["packets"] = packets_;
  json["forwarded"] = forwarded_;
  json["duration_s"] = packets_ ? static_cast<double>(clock_.now().ns - first_ns_) / 1e9 : 0.0;
  Json ports = Json::object(), drops = Json::object(), reasons = Json::object();
  std::uint64_t cut = 0;
  for (ReplayPort* port : ports_) {
    ports[std::to_string(port->number())] = {{"in", port->counters().rx_packets.load()},
                                             {"out", port->counters().tx_packets.load()}};
    cut += port->capture().frames_cut();
  }
  for (const auto& row : packet::kDropReasons)
    if (stats[row.reason]) drops[std::string(row.name)] = stats[row.reason];
  json["ports"] = ports;
  json["drops"] = drops;
  json["packet_ins"] = stats[Counter::PacketIns];
  json["frames_cut_by_capture"] = cut;
  json["connections"] = {
      {"created", ct.created}, {"expired", ct.expired}, {"left", switch_->tracker().connections()}};
  for (unsigned r = 1; r < conntrack::kReasonCount; ++r)
    if (ct.by_reason[r])
      reasons[std::string(conntrack::reason_name(static_cast<conntrack::Reason>(r)))] = ct.by_reason[r];
  json["not_tracked"] = reasons;
  if (arguments_.json) {
    std::fputs((Json{{"summary", json}}.dump() + "\n").c_str(), stdout);
    return;
  }
  std::string text = fmt::format("{} packets in {:.6f} s, {} forwarded\n", packets_,
                                 json["duration_s"].get<double>(), forwarded_);
  for (ReplayPort* port : ports_)
    text += fmt::format("  port {}: {} in, {} out\n", port->number(), port->counters().rx_packets.load(),
                        port->counters().tx_packets.load());
  for (const auto& [name, count] : drops.items())
    text += fmt::format("  dropped, {}: {}\n", name, count.dump());
  if (stats[Counter::PacketIns]) text += fmt::format("  to the controller: {}\n", stats[Counter::PacketIns]);
  if (cut) text += fmt::format("  frames that the capture had cut short: {}\n", cut);
  text += fmt::format("  connections: {} created, {} expired, {} left\n", ct.created, ct.expired,
                      switch_->tracker().connections());
  for (const auto& [name, count] : reasons.items())
    text += fmt::format("  invalid or not created, {}: {}\n", name, count.dump());
  std::fputs(text.c_str(), stdout);
}

Status Replay::write_connections() {
  if (arguments_.connections_file.empty()) return {};
  std::FILE* file = std::fopen(arguments_.connections_file.c_str(), "we");
  if (!file) return fail(fmt::format("{}: {}", arguments_.connections_file, std::strerror(errno)));
  std::vector<conntrack::ConnectionSnapshot> slice;
  for (std::uint64_t cursor = 0; cursor != conntrack::Tracker::kDumpDone;) {
    slice.clear();
    cursor = switch_->tracker().dump(cursor, 1000, clock_.now(), slice);
    for (const auto& connection : slice)
      std::fputs(
          (conntrack::format_connection(connection, {.verbose = true, .statistics = true}) + "\n").c_str(),
          file);
  }
  const bool failed = std::ferror(file) != 0;
  if (std::fclose(file) != 0 || failed) return fail(arguments_.connections_file + ": could not be written");
  return {};
}

/// "[=======>            ] 37%" on standard error, when that is a terminal and the captures are long.
void Replay::show_progress() {
  if (bytes_total_ < kProgressFromBytes || packets_ % 256 != 0 || !::isatty(STDERR_FILENO)) return;
  std::uint64_t read = 0;
  for (ReplayPort* port : ports_) read += port->capture().bytes_read();
  const auto percent = static_cast<unsigned>(std::min<std::uint64_t>(100, read * 100 / bytes_total_));
  if (percent == percent_shown_) return;
  percent_shown_ = percent;
  constexpr unsigned kWidth = 40;
  const std::string done(percent * kWidth / 100, '=');
  std::fputs(fmt::format("\r[{:<{}}] {:3}%{}", done, kWidth, percent, percent == 100 ? "\n" : "").c_str(),
             stderr);
}

}  // namespace

int replay(const ReplayArguments& arguments) {
  Replay replay(arguments);
  const auto status = replay.run();
  return status ? kOk : complain(status.error());
}

}  // namespace sluice::cli
