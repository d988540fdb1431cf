// Flow statistics: dumps of any number of flows, made as the peer reads them.
#pragma once

#include <optional>

#include "ofproto/openflow_agent.h"
#include "openflow/session.h"

namespace sluice::ofproto {

/// The pipeline's filter for OpenFlow's.
pipeline::FlowFilter filter_of(const openflow::FlowFilter& filter);

/// The flows of one moment, with counters that are exact when it begins.
class FlowDump final : public openflow::SlicedRequest {
 public:
  FlowDump(const AgentEnvironment& environment, const openflow::Message& request,
           const openflow::FlowFilter& filter);
  Result<bool> step(openflow::Session& session) override;

 private:
  /// Flows of one piece: some ten kilobytes, some ten microseconds.
  static constexpr std::size_t kFlowsPerPiece = 128;

  const AgentEnvironment env_;
  const openflow::Message request_;
  pipeline::FlowCursor cursor_;
};

}  // namespace sluice::ofproto
