// Executes Programs on packets: the packets of a batch that share a Program go through its actions side by
// side.
//
// A Run owns its packets. Each action but the last leaves them in the Run; the last one may take them (moved
// to a port, to the next pass, to the control plane) and what is left at the end is given back and counted:
// every packet buffer gets exactly one end (counters.h). Nothing is allocated but packet copies from the
// pool.
//
// Headers are rewritten at once; the FlowKey of a packet is brought up to date only where somebody will look
// at it: when it is recirculated or shown to the control plane.
//
// Thread: one worker.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/limits.h"
#include "base/rng.h"
#include "datapath/counters.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::conntrack {
class Tracker;
struct FragmentEnds;
}  // namespace sluice::conntrack

namespace sluice::datapath {

class MeterTable;
class UpcallHandler;

/// Packets that look in the megaflow table together, each with its key.
struct Pass {
  packet::PacketBatch packets;
  std::array<flow::FlowKey*, limits::kBatchSize> keys;
  /// Packets that recirculate, at the place that they had: the next pass, in order of arrival.
  std::array<packet::Packet*, limits::kBatchSize> again;
  std::uint32_t again_bits = 0;
};

/// Packets that share a Program.
struct Run {
  enum class KeyState : std::uint8_t { Fresh, CtChanged, Stale };

  packet::PacketBatch packets;
  std::array<flow::FlowKey*, limits::kBatchSize> keys;
  std::array<std::uint8_t, limits::kBatchSize> places;  ///< of each packet in `pass`
  Pass* pass = nullptr;           ///< where packets recirculate to; null for copies: they recirculate at once
  unsigned depth = 0;             ///< recirculations so far
  std::uint32_t truncate_to = 0;  ///< for the next Output; 0 = no
  KeyState key_state = KeyState::Fresh;
  packet::DropReason drop_reason = packet::DropReason::NoActions;  ///< of what goes nowhere
  bool copied = false;  ///< copies of the packets went on: what ends here is finished, not dropped

  void push(packet::Packet* packet, flow::FlowKey* key, unsigned place) {
    keys[packets.size()] = key;
    places[packets.size()] = static_cast<std::uint8_t>(place);
    packets.push(packet);
  }
};

/// What the engine needs of the worker.
class EngineHost {
 public:
  /// Sends packets as they are, to a port; false if there is none. Does not take them.
  virtual bool send(std::uint32_t port, const packet::PacketBatch& packets) = 0;
  /// Takes the packets through the megaflow table, to their end.
  virtual void run_passes(Pass& pass, unsigned depth) = 0;

 protected:
  ~EngineHost() = default;
};

class ActionEngine {
 public:
  ActionEngine(EngineHost& host, packet::PacketPool& pool, CounterCells& counters,
               conntrack::Tracker& tracker, std::uint64_t seed)
      : host_(host), pool_(pool), counters_(counters), tracker_(tracker), rng_(seed) {}

  void set_handler(UpcallHandler* handler) { handler_ = handler; }
  /// Null: packets pass all meters.
  void set_meters(const MeterTable* meters) { meters_ = meters; }
  /// Time stands still during a batch.
  void begin_batch(Instant now) {
    now_ = now;
    copies_left_ = limits::kCopiesPerBatch;
  }
  /// From now to the end of the batch packets may have an MRU.
  void expect_reassembled() { reassembled_ = true; }
  void end_batch() { reassembled_ = false; }
  /// Counts how fragments ended.
  void count(const conntrack::FragmentEnds& ends);

  /// Executes the program; the run is empty afterwards.
  void execute(const dp_action::Program& program, Run& run) { execute(program, run, 0); }

  void drop(packet::PacketBatch& packets, packet::DropReason reason);

 private:
  void execute(const dp_action::Program& program, Run& run, unsigned nesting);
  void finish(Run& run);

  void apply(const dp_action::Output& action, Run& run, bool last);
  void apply(const dp_action::Userspace& action, Run& run, bool last);
  void apply(const dp_action::Recirc& action, Run& run, bool last);
  void apply(const dp_action::Ct& action, Run& run);
  /// Takes fragments out of the run, and those that complete a datagram in again as the whole packet.
  void reassemble(std::uint16_t zone, Run& run);
  /// Sends and counts the run's packets, each whole or in fragments no larger than those it came in. Does not
  /// take them.
  void output_in_fragments(std::uint32_t port, const Run& run);
  /// Nothing if all of it was sent.
  std::optional<packet::DropReason> send_fragments(std::uint32_t port, const packet::Packet& packet);
  void apply(const dp_action::SetHeader& action, Run& run);
  void apply(const dp_action::PushVlan& action, Run& run);
  void apply(const dp_action::PopVlan& action, Run& run);
  void apply(const dp_action::PushMpls& action, Run& run);
  void apply(const dp_action::PopMpls& action, Run& run);
  void apply(const dp_action::PopEth& action, Run& run);
  void apply(const dp_action::PushEth& action, Run& run);
  void apply(const dp_action::Hash& action, Run& run);
  void apply(const dp_action::Meter& action, Run& run);
  void apply(const dp_action::Sample& action, Run& run, bool last, unsigned nesting);
  void apply(const dp_action::CheckPktLen& action, Run& run, bool last, unsigned nesting);

  /// Executes a nested program on the run itself if it was the last thing to do, else on copies.
  void branch(const dp_action::Program& program, Run& run, bool last, unsigned nesting);
  /// Copies of the run's packets; `keys` is room for their keys.
  void copy(Run& run, Run& copies, flow::FlowKey* keys);
  /// Takes the packets of the run through the megaflow table before anything else happens.
  void recirculate_now(std::uint32_t id, Run& run);
  void refresh_keys(Run& run);
  /// Gives back the packets whose place in the run has no bit.
  void keep_only(Run& run, std::uint32_t places);
  /// Changes each packet's bytes; drops those that cannot be changed.
  template <typename Change>
  void change(Run& run, packet::DropReason reason, Change&& change_one);
  /// Moves the packets to two runs.
  template <typename Choose>
  std::pair<Run, Run> split(Run& run, Choose&& choose);
  static void join(const Run& a, const Run& b, Run& run);
  static packet::DropReason no_such_port(std::uint32_t port);

  EngineHost& host_;
  packet::PacketPool& pool_;
  CounterCells& counters_;
  conntrack::Tracker& tracker_;
  UpcallHandler* handler_ = nullptr;
  const MeterTable* meters_ = nullptr;
  Rng rng_;
  Instant now_;
  unsigned copies_left_ = 0;
  bool reassembled_ = false;  ///< packets of this batch may have to leave in fragments
};

}  // namespace sluice::datapath
