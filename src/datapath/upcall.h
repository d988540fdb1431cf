// What the datapath asks of the control plane when no megaflow covers a packet. ofproto implements it; it is called
// on the worker that has the packet, so it must be safe on several workers at once and must not block.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/packet.h"

namespace sluice::datapath {

/// What the packets of a megaflow are counted into: rules, groups, tables. Owned by the megaflow; any thread.
class StatsSink {
 public:
  virtual ~StatsSink() = default;
  /// Credits packets and bytes that went through the megaflow since the last call, and when the last one came.
  virtual void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used) = 0;
};

struct UpcallResult {
  flow::Mask mask;                  ///< over the datapath part of the FlowKey; what the program depends on
  dp_action::Program program;
  std::unique_ptr<StatsSink> stats; ///< may be null
  bool cacheable = true;            ///< false: execute, but install no megaflow
};

class UpcallHandler {
 public:
  virtual ~UpcallHandler() = default;

  /// Translates the packet's key. Called inside an RCU read section of the calling worker. `now` is the batch's time.
  /// `packet` is null when a megaflow is revalidated: then nothing may be learned and no side effect may happen.
  virtual void translate(const flow::FlowKey& key, const packet::Packet* packet, Instant now, UpcallResult& result) = 0;

  /// A packet for the control plane (Userspace action).
  virtual void packet_in(const packet::Packet& packet, const flow::FlowKey& key, const dp_action::Userspace& action) = 0;

  /// Changes whenever a translation could come out differently (flow, group, port or MAC table change). Read once a
  /// batch before look-ups: a megaflow validated under an older epoch is translated again before it is used.
  virtual std::uint64_t epoch() const = 0;
};

}  // namespace sluice::datapath
