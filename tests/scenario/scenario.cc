#include "tests/scenario/scenario.h"

#include <fmt/core.h>

#include <algorithm>

#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "pipeline/pipeline.h"

namespace sluice::testing {

namespace {

using datapath::Counter;

constexpr Counter kWhatWasDone[] = {Counter::Received,     Counter::Injected,  Counter::Copied,
                                    Counter::Sent,         Counter::Delivered, Counter::Finished,
                                    Counter::Merged,       Counter::PacketIns, Counter::Recirculated,
                                    Counter::Refragmented, Counter::Tracked,   Counter::Reassembled};

std::string port_label(std::uint32_t number) {
  return number == kLocalPort ? std::string("LOCAL") : fmt::format("p{}", number);
}

/// A frame without what may be a long payload.
std::string brief(const Frame& frame) {
  const std::string text = describe(frame);
  return fmt::format("{} bytes: {}", frame.size(), text.substr(0, text.find("Payload")));
}

bridge::SwitchConfig plain_config(unsigned ports) {
  bridge::SwitchConfig config;
  config.conntrack.max_connections = 10'000;
  auto& br0 = config.bridges.emplace_back();
  br0.name = "br0";
  br0.local = bridge::LocalPort::None;
  for (unsigned n = 1; n <= ports; ++n) br0.ports.push_back({fmt::format("p{}", n), "dummy", n, {}});
  return config;
}

}  // namespace

TestSwitch::TestSwitch(unsigned ports, const bridge::SwitchConfig* config)
    : clock(Instant{Duration::seconds(1000).ns}), config_(config ? *config : plain_config(ports)) {
  bridge::SwitchOptions options;
  options.secret = 42;
  options.make_port = [this](const bridge::PortConfig& wanted) -> Result<std::unique_ptr<port::Port>> {
    auto dummy = std::make_unique<port::DummyPort>(wanted.name);
    dummies_[*wanted.number] = dummy.get();
    return dummy;
  };
  device = std::make_unique<bridge::Switch>(clock, std::move(options), config_);
}

TestSwitch::~TestSwitch() = default;

std::string TestSwitch::load(const std::string& flows) {
  config_.bridges.front().flows = flows;
  const auto report = device->reconcile(config_);
  return report.ok() ? "" : report.errors.front();
}

void TestSwitch::send(std::uint32_t number, const Frame& frame) {
  ASSERT_TRUE(port(number).inject(frame));
  run_datapath();
}

void TestSwitch::run_datapath() {
  while (device->datapath().poll() != 0) {
  }
}

void TestSwitch::advance(Duration duration) {
  clock.advance(duration);
  run_datapath();
  device->run();
}

std::vector<std::uint32_t> TestSwitch::port_numbers() const {
  std::vector<std::uint32_t> numbers;
  for (const auto& [number, dummy] : dummies_) numbers.push_back(number);
  return numbers;
}

std::vector<Frame> TestSwitch::take_sent(std::uint32_t number) {
  std::vector<Frame> frames;
  while (auto sent = port(number).take_sent()) frames.push_back(std::move(sent->bytes));
  return frames;
}

Counters TestSwitch::counters() {
  device->push_stats();
  Counters counters;
  const auto stats = device->datapath().stats();
  EXPECT_EQ(stats.unaccounted(), 0) << "a packet went in and its end is not known";
  for (const auto& row : datapath::kCounters)
    if (std::find(std::begin(kWhatWasDone), std::end(kWhatWasDone), row.counter) != std::end(kWhatWasDone))
      counters[std::string(row.name)] = static_cast<std::int64_t>(stats[row.counter]);
  for (const auto& row : packet::kDropReasons)
    counters[fmt::format("drop.{}", row.name)] = static_cast<std::int64_t>(stats[row.reason]);

  const auto ct = device->tracker().counters();
  counters["ct.created"] = static_cast<std::int64_t>(ct.created);
  counters["ct.destroyed"] = static_cast<std::int64_t>(ct.destroyed);
  counters["ct.expired"] = static_cast<std::int64_t>(ct.expired);
  counters["ct.committed"] = static_cast<std::int64_t>(ct.committed);
  counters["ct.lookups"] = static_cast<std::int64_t>(ct.lookups);
  counters["ct.hits"] = static_cast<std::int64_t>(ct.hits);
  for (unsigned r = 1; r < conntrack::kReasonCount; ++r)
    counters[fmt::format("ct.reason.{}", conntrack::reason_name(static_cast<conntrack::Reason>(r)))] =
        static_cast<std::int64_t>(ct.by_reason[r]);

  for (const auto& [number, dummy] : dummies_) {
    const auto& c = dummy->counters();
    const auto label = port_label(number);
    counters[label + ".rx"] = static_cast<std::int64_t>(c.rx_packets.load());
    counters[label + ".tx"] = static_cast<std::int64_t>(c.tx_packets.load());
    counters[label + ".lost"] = static_cast<std::int64_t>(c.rx_dropped.load() + c.rx_errors.load() +
                                                          c.tx_dropped.load() + c.tx_errors.load());
  }
  pipeline::FlowInfo flow;
  for (auto cursor = bridge().pipeline().dump(); cursor.next(flow);)
    counters[fmt::format("t{}p{}", flow.table, flow.priority)] += static_cast<std::int64_t>(flow.packets);
  return counters;
}

std::vector<std::string> TestSwitch::connections(bool verbose) {
  std::vector<conntrack::ConnectionSnapshot> snapshots;
  for (std::uint64_t cursor = 0; cursor != conntrack::Tracker::kDumpDone;)
    cursor = device->tracker().dump(cursor, 100, clock.now(), snapshots);
  std::vector<std::string> lines;
  for (const auto& connection : snapshots)
    lines.push_back(conntrack::format_connection(connection, {.verbose = verbose, .statistics = verbose}));
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string TestSwitch::dump_flows() {
  return device->dump_flows(bridge());
}

void Scenario::start(unsigned ports, const std::string& flows) {
  switch_ = std::make_unique<TestSwitch>(ports);
  ASSERT_EQ(switch_->load(flows), "");
  begin();
}

void Scenario::start_with_local(unsigned ports, const std::string& flows) {
  auto config = plain_config(ports);
  config.bridges.front().local = bridge::LocalPort::Dummy;
  switch_ = std::make_unique<TestSwitch>(ports, &config);
  ASSERT_EQ(switch_->load(flows), "");
  begin();
}

void Scenario::begin() {
  before_ = switch_->counters();
  implied_.clear();
}

void Scenario::send_frame(std::uint32_t port, const Frame& frame) {
  switch_->send(port, frame);
  ++implied_["received"];
  ++implied_[port_label(port) + ".rx"];
}

void Scenario::expect(std::uint32_t port, const Layers& packet) {
  const auto sent = switch_->port(port).take_sent();
  ASSERT_TRUE(sent) << "nothing left " << port_label(port) << ", expected " << describe(packet);
  EXPECT_EQ(mismatch(packet, sent->bytes), "") << "at " << port_label(port);
  EXPECT_TRUE(checksums_ok(sent->bytes)) << describe(sent->bytes);
  ++implied_["sent"];
  ++implied_[port_label(port) + ".tx"];
}

void Scenario::expect_frames(std::uint32_t port, const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    const auto sent = switch_->port(port).take_sent();
    ASSERT_TRUE(sent) << "nothing left " << port_label(port) << ", expected " << brief(frame);
    EXPECT_TRUE(sent->bytes == frame)
        << port_label(port) << " sent " << brief(sent->bytes) << "\nexpected " << brief(frame);
    ++implied_["sent"];
    ++implied_[port_label(port) + ".tx"];
  }
}

void Scenario::expect_delta(const Counters& changes) {
  for (const std::uint32_t number : switch_->port_numbers())
    for (const auto& frame : switch_->take_sent(number))
      ADD_FAILURE() << port_label(number) << " also sent " << describe(frame);
  Counters expected = implied_;
  for (const auto& [name, n] : changes) expected[name] += n;
  Counters actual;
  const auto now = switch_->counters();
  for (const auto& [name, n] : now)
    if (const auto delta = n - (before_.contains(name) ? before_[name] : 0)) actual[name] = delta;
  EXPECT_EQ(actual, expected);
  before_ = now;
  implied_.clear();
}

void Scenario::add_flow(const std::string& flow) {
  const auto change = switch_->bridge().change_flow(flow, action::FlowCommand::Add, switch_->clock.now());
  ASSERT_TRUE(change) << change.error().message;
}

void Scenario::del_flows(const std::string& match) {
  const auto change = switch_->bridge().change_flow(match, action::FlowCommand::Delete, switch_->clock.now());
  ASSERT_TRUE(change) << change.error().message;
  begin();  // counters of flows that are gone are gone
}

std::string Scenario::trace(const std::vector<std::string>& words) {
  const auto text = switch_->device->trace(words);
  return text ? *text : "error: " + text.error().message;
}

}  // namespace sluice::testing
