// What the flow monitors of one controller want to hear, ready to be asked about a flow: monitors of one
// shape (the same table, matched bits, output port and group) are one look-up, however many they are and
// whatever they match.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "flow/mini_key.h"
#include "openflow/flow_monitor.h"
#include "pipeline/pipeline.h"

namespace sluice::ofproto {

struct FlowMonitor {
  pipeline::FlowFilter filter;
  openflow::MonitorFlags flags;
};

class MonitorIndex {
 public:
  void add(const FlowMonitor& monitor);
  /// Look-ups that a flow takes.
  std::size_t shapes() const { return shapes_.size(); }
  /// What flags the monitors have together that are to hear of an event; nothing if there are none.
  /// @param old  of a flow that was modified, how it was, or null. @param own  the controller did it itself.
  std::optional<openflow::MonitorFlags> flags_for(pipeline::FlowEvent::Kind kind, const pipeline::Rule& rule,
                                                  const pipeline::Rule* old, bool own) const;

 private:
  /// By whether it was the controller itself, by kind of event.
  using Wanted = std::array<std::array<std::optional<openflow::MonitorFlags>, 3>, 2>;
  struct Shape {
    pipeline::FlowFilter rest;  ///< without match
    flow::MiniMask mask;
    std::map<std::vector<std::uint64_t>, Wanted> by_value;

    bool covers(const pipeline::Rule& rule, const flow::Match& match) const;
    bool passes(const pipeline::Rule& rule) const;
  };

  std::vector<Shape> shapes_;
};

}  // namespace sluice::ofproto
