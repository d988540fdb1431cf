// Where pipeline and datapath meet: answers the datapath's questions from the pipelines of the bridges that
// share it.
//
// A datapath knows ports of all bridges under numbers of its own; a pipeline knows its bridge's ports under
// OpenFlow numbers. This class holds the table that says which datapath port is which port of which bridge,
// and turns one language into the other: in_port on the way in; what comes out already speaks datapath ports.
//
// Threads: translate(), packet_in() and epoch() by any worker inside its RCU read section; everything else by
// main.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/rcu.h"
#include "datapath/upcall.h"
#include "ofproto/frame_budget.h"
#include "ofproto/packet_in.h"

namespace sluice::pipeline {
struct TranslationResult;
}

namespace sluice::ofproto {

class Ofproto;

/// Sees every translation that a packet caused, as it is made. For offline replay and tests, inline mode
/// only: while there is one, nothing is cached, so that every pass of every packet is seen.
class TranslationObserver {
 public:
  virtual ~TranslationObserver() = default;
  virtual void translated(const Ofproto& bridge, const flow::FlowKey& key,
                          const pipeline::TranslationResult& result) = 0;
};

class Upcalls final : public datapath::UpcallHandler {
 public:
  Upcalls();
  ~Upcalls() override;
  Upcalls(const Upcalls&) = delete;
  Upcalls& operator=(const Upcalls&) = delete;

  void connect(std::uint32_t dp_port, Ofproto& bridge, std::uint32_t of_port);
  void disconnect(std::uint32_t dp_port);
  /// Forgets the bridge. When this returns no worker is inside it any more; megaflows may still hold its
  /// rules: flush them before the bridge goes.
  void remove(Ofproto& bridge);

  /// Null: none.
  void set_observer(TranslationObserver* observer) { observer_ = observer; }

  /// Whether a megaflow covers all packets that would be treated alike, or each only packets with the same
  /// headers. Those that are there stay.
  void set_wildcards(bool enabled) { wildcards_.store(enabled, std::memory_order_relaxed); }

  /// A datapath port number that packets of this bridge carry which came in nowhere: those of controllers.
  std::uint32_t nowhere(Ofproto& bridge);

  struct Place {
    Ofproto* bridge = nullptr;
    std::uint32_t of_port = 0;
  };
  /// Whose port this is; bridge null if nobody's.
  Place place(std::uint32_t dp_port) const;

  PacketInQueue& packet_ins() { return packet_ins_; }
  const PacketInQueue& packet_ins() const { return packet_ins_; }
  /// Frames of protocols that the switch itself speaks.
  PacketInQueue& own_frames() { return own_frames_; }
  const PacketInQueue& own_frames() const { return own_frames_; }
  /// Frames of IGMP and MLD, apart: any host can send many.
  PacketInQueue& memberships() { return memberships_; }
  const PacketInQueue& memberships() const { return memberships_; }
  /// Time passes: ports may hand in more such frames.
  void refill(Instant now);

  void translate(const flow::FlowKey& key, const packet::Packet* packet, Instant now,
                 datapath::UpcallResult& result) override;
  void packet_in(const packet::Packet& packet, const flow::FlowKey& key,
                 const dp_action::Userspace& action) override;
  bool unchanged(const flow::FlowKey& key, const datapath::Basis& basis) const override;
  std::uint64_t epoch() const override;

 private:
  struct Map;
  void publish(std::unique_ptr<Map> next);
  std::uint64_t tables_epoch() const;
  Ofproto* bridge_of(const dp_action::Userspace& action, Ofproto& first) const;
  PacketInQueue& queue_of(dp_action::Userspace::Slow slow);
  bool within_budget(const packet::Packet& packet, std::uint32_t dp_port, dp_action::Userspace::Slow slow);

  rcu::Published<Map> map_;
  TranslationObserver* observer_ = nullptr;
  std::atomic<bool> wildcards_{true};
  PacketInQueue packet_ins_, own_frames_, memberships_;
  /// Of LACP, STP and RSTP a port brings a few frames a second.
  FrameBudget own_frames_budget_{{.per_second = 50, .burst = 100}};
  /// In units of 64 bytes, which name some eight groups: a segment of hosts that answer a query at once, or a
  /// few thousand groups a second.
  FrameBudget memberships_budget_{{.per_second = 1000, .burst = 4000}};
};

}  // namespace sluice::ofproto
