// For tests, benches and fuzz targets of the datapath: an UpcallHandler whose decisions are a function, and a
// whole datapath on dummy ports with a manual clock.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conntrack/tracker.h"
#include "datapath/datapath.h"
#include "port/dummy/dummy_port.h"

namespace sluice::datapath {

class FakePipeline final : public UpcallHandler {
 public:
  using Decide = std::function<void(const flow::FlowKey& key, UpcallResult& result)>;

  explicit FakePipeline(Decide decide) : decide_(std::move(decide)) {}

  void translate(const flow::FlowKey& key, const packet::Packet* packet, Instant,
                 UpcallResult& result) override {
    (packet != nullptr ? upcalls : revalidations).fetch_add(1, std::memory_order_relaxed);
    decide_(key, result);
  }
  void packet_in(const packet::Packet& packet, const flow::FlowKey& key,
                 const dp_action::Userspace& action) override {
    packet_ins.push_back({{packet.data(), packet.data() + packet.size()}, key, action});
  }
  bool unchanged(const flow::FlowKey&, const Basis& basis) const override { return basis.words == holds; }
  std::uint64_t epoch() const override { return epoch_.load(std::memory_order_acquire); }

  void decide(Decide decide) { decide_ = std::move(decide); }
  void bump() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

  struct PacketIn {
    std::vector<std::uint8_t> bytes;
    flow::FlowKey key;
    dp_action::Userspace action;
  };
  std::vector<PacketIn> packet_ins;
  decltype(Basis::words) holds = {1};  ///< megaflows with this basis need no new translation
  std::atomic<std::uint64_t> upcalls{0}, revalidations{0};

 private:
  Decide decide_;
  std::atomic<std::uint64_t> epoch_{1};
};

/// Adds up what a megaflow's packets are credited to.
struct Credit {
  std::uint64_t packets = 0, bytes = 0;

  struct Sink final : StatsSink {
    explicit Sink(Credit& to) : to_(to) {}
    void credit(std::uint64_t more_packets, std::uint64_t more_bytes, Instant, std::uint16_t) override {
      to_.packets += more_packets;
      to_.bytes += more_bytes;
    }
    Credit& to_;
  };
  std::unique_ptr<StatsSink> sink() { return std::make_unique<Sink>(*this); }
};

/// Makes the mask exact over everything that tells packets of the tests apart: ct_state, VLAN, addresses,
/// ports.
inline void exact_headers(flow::Mask& mask) {
  flow::FlowKey& bits = mask.bits;
  bits.eth_type = be16{0xffff};
  bits.vlan[0] = {be16{0xffff}, be16{0xffff}};
  bits.ct_state = be32{0xff};
  bits.nw_src = bits.nw_dst = be32{0xffffffff};
  bits.nw_proto = bits.nw_frag = 0xff;
  bits.tp_src = bits.tp_dst = be16{0xffff};
}

/// A datapath in inline mode with ports 1..n.
struct Rig {
  explicit Rig(FakePipeline::Decide decide, unsigned ports = 3, DatapathOptions options = {},
               conntrack::TrackerOptions tracker_options = {.max_connections = 1000})
      : tracker(tracker_options), pipeline(std::move(decide)), datapath(options, clock, tracker) {
    datapath.set_handler(&pipeline);
    for (unsigned i = 1; i <= ports; ++i) {
      auto port = std::make_unique<port::DummyPort>("p" + std::to_string(i));
      dummies.push_back(port.get());
      (void)datapath.add_port(std::move(port));
    }
  }

  /// A frame arrives at port `number`; nothing is processed yet.
  void arrive(unsigned number, Bytes frame) { dummies[number - 1]->inject(frame); }
  /// Everything that waits is processed.
  void run() {
    while (datapath.poll() != 0) {
    }
  }
  void send(unsigned number, Bytes frame) {
    arrive(number, frame);
    run();
  }
  /// What came out of the port since the last call.
  std::vector<std::vector<std::uint8_t>> sent(unsigned number) {
    std::vector<std::vector<std::uint8_t>> frames;
    while (auto frame = dummies[number - 1]->take_sent()) frames.push_back(std::move(frame->bytes));
    return frames;
  }

  ManualClock clock;
  conntrack::Tracker tracker;
  FakePipeline pipeline;
  Datapath datapath;
  std::vector<port::DummyPort*> dummies;
};

}  // namespace sluice::datapath
