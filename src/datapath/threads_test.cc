// Workers on their own threads while the control plane does everything it can do. Meant for ThreadSanitizer;
// also checks that nothing is lost from the books.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "datapath/fake_pipeline.h"
#include "tests/support/packet_dsl.h"

namespace sluice::datapath {
namespace {

using namespace dp_action;
using testing::build;
using testing::Eth;
using testing::Ip4;
using testing::Udp;

struct SteadyClock final : Clock {
  Instant now() const override {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(
                std::chrono::steady_clock::now().time_since_epoch())
                .count()};
  }
};

std::vector<std::uint8_t> frame(std::uint16_t sport) {
  return build(Eth{} / Ip4{} / Udp{.sport = sport, .dport = 53});
}

/// Waits until `done`, at most ten seconds.
template <typename Done>
bool eventually(Done&& done) {
  for (int i = 0; i < 10'000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

struct ThreadedRig {
  explicit ThreadedRig(unsigned workers, FakePipeline::Decide decide)
      : tracker({.max_connections = 10'000}),
        pipeline(std::move(decide)),
        datapath({.workers = workers, .megaflow_idle = Duration::milliseconds(20)}, clock, tracker) {
    datapath.set_handler(&pipeline);
    for (unsigned i = 1; i <= 3; ++i) add("p" + std::to_string(i));
  }
  port::DummyPort* add(const std::string& name) {
    auto port =
        std::make_unique<port::DummyPort>(name, port::DummyOptions{.max_received = 512, .max_sent = 0});
    auto* const added = port.get();
    EXPECT_TRUE(datapath.add_port(std::move(port)));
    if (dummies.size() < 3) dummies.push_back(added);
    return added;
  }
  std::uint64_t received() const { return datapath.stats()[Counter::Received]; }

  SteadyClock clock;
  conntrack::Tracker tracker;
  FakePipeline pipeline;
  Datapath datapath;
  std::vector<port::DummyPort*> dummies;
};

void stateful(const flow::FlowKey& key, UpcallResult& result) {
  exact_headers(result.mask);
  if (key.recirc_id.host() == 0) {
    result.program = {Ct{conntrack::CtRequest{.commit = true}}, Recirc{1}};
  } else {
    // To a port that is there, one that comes and goes, and one of another worker.
    result.program = {Output{1u + key.tp_src.host() % 4u}, Output{1u + (key.in_port.host() + 1u) % 3u}};
  }
}

TEST(DatapathThreads, SleepsWhenIdleAndWakesForAPacket) {
  ThreadedRig rig(1, stateful);
  ASSERT_TRUE(rig.datapath.start());
  for (std::uint16_t i = 1; i <= 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(rig.dummies[0]->inject(frame(i)));
    ASSERT_TRUE(eventually([&] { return rig.received() == i; }));
  }
  rig.datapath.stop();
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

TEST(DatapathThreads, ControlPlaneWorksWhilePacketsFlow) {
  ThreadedRig rig(2, stateful);
  ASSERT_TRUE(rig.datapath.start());
  ASSERT_TRUE(rig.datapath.running());

  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> injected{0};
  std::thread traffic([&] {
    for (std::uint16_t i = 0; !enough.load(); ++i) {
      for (auto* port : rig.dummies)
        if (port->inject(frame(static_cast<std::uint16_t>(1 + i % 100)))) injected.fetch_add(1);
      if (i % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  std::size_t dumped = 0;
  const auto dump = [&] {
    rig.datapath.dump_flows([&](const FlowSnapshot& flow) { dumped += format_flow(flow).empty() ? 0 : 1; });
    return dumped > 0;
  };
  EXPECT_TRUE(eventually(dump));
  for (int round = 0; round < 12; ++round) {
    rig.pipeline.bump();
    rig.add("extra");
    dump();
    rig.datapath.push_stats();
    const Program program{Output{2}};
    const auto bytes = frame(1);
    ASSERT_TRUE(rig.datapath.inject({.bytes = bytes, .meta = {.in_port = 1}, .program = &program}));
    ASSERT_TRUE(rig.datapath.remove_port(*rig.datapath.port_number("extra")));
    if (round % 4 == 0) rig.datapath.revalidate();
    if (round % 8 == 0) rig.datapath.flush_flows();
    EXPECT_EQ(rig.datapath.ports().size(), 3u);
  }
  enough.store(true);
  traffic.join();
  EXPECT_TRUE(eventually([&] { return rig.received() == injected.load(); }));
  rig.datapath.stop();

  const auto stats = rig.datapath.stats();
  EXPECT_EQ(stats[Counter::Received], injected.load());
  EXPECT_EQ(stats[Counter::Injected], 12u);
  EXPECT_EQ(stats.unaccounted(), 0);
  EXPECT_EQ(rig.datapath.packets_in_use(), 0u);
}

/// More than a worker polls: it serves those that have something, however many these are.
TEST(DatapathThreads, ManyPortsComeAndGoWhilePacketsFlow) {
  constexpr unsigned kPorts = 100, kRounds = 20;
  SteadyClock clock;
  conntrack::Tracker tracker({.max_connections = 10'000});
  FakePipeline pipeline([](const flow::FlowKey&, UpcallResult& result) {
    exact_headers(result.mask);
    result.program = {Output{1}};
  });
  Datapath datapath({.workers = 2}, clock, tracker);
  datapath.set_handler(&pipeline);
  ASSERT_TRUE(datapath.start());
  std::vector<port::DummyPort*> ports;
  const auto add = [&](unsigned i) {
    auto port = std::make_unique<port::DummyPort>("p" + std::to_string(i), port::DummyOptions{.max_sent = 0});
    ports[i] = port.get();
    EXPECT_EQ(datapath.add_port(std::move(port)).value_or(0), i + 1) << "the lowest number that is free";
  };
  ports.resize(kPorts);
  for (unsigned i = 0; i < kPorts; ++i) add(i);

  std::uint64_t injected = 0;
  for (unsigned round = 0; round < kRounds; ++round) {
    for (unsigned i = round % 7; i < kPorts; i += 1 + round % 3) {
      ASSERT_TRUE(ports[i]->inject(frame(static_cast<std::uint16_t>(i + 1))));
      ++injected;
    }
    ASSERT_TRUE(eventually([&] { return datapath.stats()[Counter::Received] == injected; }));
    const unsigned goes = 1 + round * 13 % (kPorts - 1);
    ASSERT_TRUE(datapath.remove_port(*datapath.port_number("p" + std::to_string(goes))));
    EXPECT_FALSE(datapath.port_number("p" + std::to_string(goes)));
    add(goes);
  }
  datapath.stop();
  EXPECT_EQ(datapath.stats().unaccounted(), 0);
  EXPECT_EQ(datapath.ports().size(), kPorts);
}

TEST(DatapathThreads, FragmentsOfOneDatagramComeOnDifferentWorkers) {
  ThreadedRig rig(2, stateful);
  ASSERT_TRUE(rig.datapath.start());
  constexpr unsigned kDatagrams = 200;
  std::uint64_t injected = 0;
  for (unsigned d = 0; d < kDatagrams; ++d) {
    const auto whole = build(Eth{} / Ip4{} / Udp{.sport = 1, .dport = 53} / testing::Payload{.size = 2500});
    unsigned port = d;
    for (const auto& piece : testing::fragment(whole, 512, d)) {  // ports 1 … 3 are not all of one worker
      auto* const to = rig.dummies[port++ % 3];
      ASSERT_TRUE(eventually([&] { return to->inject(piece); }));
    }
    injected += 5;
  }
  EXPECT_TRUE(eventually([&] { return rig.received() == injected; }));
  EXPECT_TRUE(eventually([&] { return rig.datapath.stats()[Counter::Reassembled] == kDatagrams; }));
  rig.datapath.stop();
  const auto stats = rig.datapath.stats();
  EXPECT_EQ(stats[Counter::Merged], injected - kDatagrams);
  EXPECT_EQ(stats[Counter::Sent], 10u * kDatagrams);  // two ways out, five fragments each
  EXPECT_EQ(stats.unaccounted(), 0);
  EXPECT_EQ(stats.fragments_waiting, 0u);
  EXPECT_EQ(rig.datapath.packets_in_use(), 0u);
}

TEST(DatapathThreads, StopsAndStartsAgain) {
  ThreadedRig rig(2, stateful);
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(rig.datapath.start());
    ASSERT_TRUE(rig.dummies[0]->inject(frame(7)));
    ASSERT_TRUE(eventually([&] { return rig.received() == static_cast<std::uint64_t>(i); }));
    rig.datapath.stop();
    EXPECT_FALSE(rig.datapath.running());
  }
  EXPECT_EQ(rig.datapath.stats().unaccounted(), 0);
}

}  // namespace
}  // namespace sluice::datapath
