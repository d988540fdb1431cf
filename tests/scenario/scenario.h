// The whole switch in one process on dummy ports and a manual clock: a test sends packets in, says what must
// come out where, and which counters changed by how much. What it does not mention must not have happened.
//
//   class Firewall : public Scenario {};
//   TEST_F(Firewall, …) {
//     start(2, "table=0,priority=10,ip,actions=ct(table=1)\n…");
//     send(1, Ip4{} / Udp{.dport = 53});
//     expect(2, Udp{.dport = 53});
//     expect_delta({{"t0p10", 1}, {"ct.created", 1}});
//   }
//
// Counters: "tTpP" packets of the flows of table T and priority P, "ct.…" of the tracker, "ct.reason.…",
// "drop.…", "copied", "finished", "recirculated", "tracked", "packet_ins", "delivered". What send() and
// expect() already say (received, sent, the ports' own counters) is added by them. Left out are only the
// datapath's counters about its cache, which say how the work was done, not what was done: batches, look-ups,
// hits, upcalls, probes, revalidation.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bridge/switch.h"
#include "port/dummy/dummy_port.h"
#include "tests/support/packet_dsl.h"

namespace sluice::testing {

using Counters = std::map<std::string, std::int64_t>;

/// A switch with one bridge, br0, and dummy ports 1 … n, inline. Usable without a fixture, for comparing two
/// of them.
class TestSwitch {
 public:
  explicit TestSwitch(unsigned ports, const bridge::SwitchConfig* config = nullptr);
  ~TestSwitch();

  /// Replaces the flows; the reasons why not, if so.
  std::string load(const std::string& flows);
  /// The packet arrives and everything that follows from it happens.
  void send(std::uint32_t port, const Frame& frame);
  void run_datapath();
  /// Time passes and timers fire.
  void advance(Duration duration);

  std::vector<Frame> take_sent(std::uint32_t port);
  Counters counters();
  /// Lines of dpctl/dump-conntrack, sorted.
  std::vector<std::string> connections(bool verbose = false);
  std::string dump_flows();

  std::vector<std::uint32_t> port_numbers() const;
  port::DummyPort& port(std::uint32_t number) { return *dummies_.at(number); }
  ofproto::Ofproto& bridge() { return *device->find_bridge("br0"); }

  ManualClock clock;
  std::unique_ptr<bridge::Switch> device;

 private:
  bridge::SwitchConfig config_;
  std::map<std::uint32_t, port::DummyPort*> dummies_;  ///< owned by the datapath; LOCAL is kLocalPort
};

inline constexpr std::uint32_t kLocalPort = 0xfffffffe;

class Scenario : public ::testing::Test {
 protected:
  void start(unsigned ports, const std::string& flows);
  /// The same with a LOCAL port.
  void start_with_local(unsigned ports, const std::string& flows);

  void send(std::uint32_t port, const Layers& packet) { send_frame(port, build(packet)); }
  void send_frame(std::uint32_t port, const Frame& frame);
  /// The next frame that left through the port; it must have these layers and right checksums.
  void expect(std::uint32_t port, const Layers& packet);
  /// The next frames that left through the port, byte for byte.
  void expect_frames(std::uint32_t port, const std::vector<Frame>& frames);
  /// What changed since the last call, besides what send() and expect() said; and nothing left a port
  /// unexpectedly.
  void expect_delta(const Counters& changes);
  void advance(Duration duration) { device().advance(duration); }

  void add_flow(const std::string& flow);
  void del_flows(const std::string& match);
  std::vector<std::string> connections() { return device().connections(); }
  std::string trace(const std::vector<std::string>& words);

  TestSwitch& device() { return *switch_; }

 private:
  void begin();

  std::unique_ptr<TestSwitch> switch_;
  Counters before_, implied_;
};

}  // namespace sluice::testing
