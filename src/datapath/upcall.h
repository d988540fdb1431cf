// What the datapath asks of the control plane when no megaflow covers a packet. ofproto implements it; it is
// called on the worker that has the packet, so it must be safe on several workers at once and must not block.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "cache/basis.h"
#include "cache/stats_sink.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/packet.h"

namespace sluice::datapath {

using StatsSink = cache::StatsSink;

using Basis = cache::Basis;

struct UpcallResult {
  flow::Mask mask;  ///< over the datapath part of the FlowKey; what the program depends on
  dp_action::Program program;
  /// Of a packet that the program sends nowhere.
  packet::DropReason drop_reason = packet::DropReason::NoActions;
  std::unique_ptr<StatsSink> stats;  ///< may be null
  Basis basis;
  bool cacheable = true;  ///< false: execute, but install no megaflow
};

class UpcallHandler {
 public:
  virtual ~UpcallHandler() = default;

  /// Translates the packet's key. Called inside an RCU read section of the calling worker. `now` is the
  /// batch's time. `packet` is null when a megaflow is revalidated: then nothing may be learned and no side
  /// effect may happen.
  virtual void translate(const flow::FlowKey& key, const packet::Packet* packet, Instant now,
                         UpcallResult& result) = 0;

  /// A packet for the control plane (Userspace action). Must not call back into the Datapath: what is to be
  /// sent is injected later, by the control plane's own thread.
  virtual void packet_in(const packet::Packet& packet, const flow::FlowKey& key,
                         const dp_action::Userspace& action) = 0;

  /// Whether what the translation of the key rested on is as it was, so that it need not be made again. False
  /// where that is not known.
  virtual bool unchanged(const flow::FlowKey& key, const Basis& basis) const = 0;

  /// Changes whenever a translation could come out differently (flow, group, port or MAC table change). Read
  /// once a batch before look-ups: a megaflow validated under an older epoch is not used before unchanged()
  /// says so or its translation was made again.
  virtual std::uint64_t epoch() const = 0;
};

}  // namespace sluice::datapath
