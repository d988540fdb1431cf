// Flow statistics: dumps of any number of flows, made as the peer reads them.
#pragma once

#include <optional>

#include "ofproto/openflow_agent.h"
#include "openflow/session.h"

namespace sluice::ofproto {

/// The pipeline's filter for OpenFlow's.
pipeline::FlowFilter filter_of(const openflow::FlowFilter& filter);

/// Flows that one slice of a dump looks at: some hundred microseconds.
inline constexpr std::size_t kFlowsPerSlice = 2048;

/// The flows that are there, with counters that are exact when it begins.
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
  openflow::FlowStatsReply piece_;  ///< held back until it is known whether more follow
};

/// Their sum.
class FlowSum final : public openflow::SlicedRequest {
 public:
  FlowSum(const AgentEnvironment& environment, const openflow::Message& request,
          const openflow::FlowFilter& filter);
  Result<bool> step(openflow::Session& session) override;

 private:
  const openflow::Message request_;
  pipeline::FlowCursor cursor_;
  openflow::AggregateReply sum_;
};

/// Descriptions or counters of groups: those that were there when it began and still are. `Reply` is
/// GroupDescReply or GroupStatsReply.
template <typename Reply>
class GroupDump final : public openflow::SlicedRequest {
 public:
  /// @param group  group_id::kAll: all
  GroupDump(const AgentEnvironment& environment, const openflow::Message& request, std::uint32_t group);
  Result<bool> step(openflow::Session& session) override;

 private:
  /// Buckets of one piece: some ten kilobytes.
  static constexpr std::size_t kBucketsPerPiece = 1024;

  const AgentEnvironment env_;
  const openflow::Message request_;
  std::vector<std::uint32_t> ids_;
  std::size_t position_ = 0;
};

/// Descriptions or counters of meters, by id: those that are there when it comes to them. `Reply` is
/// MeterConfigReply or MeterStatsReply.
template <typename Reply>
class MeterDump final : public openflow::SlicedRequest {
 public:
  /// @param meter  meter_id::kAll: all
  MeterDump(const AgentEnvironment& environment, const openflow::Message& request, std::uint32_t meter);
  Result<bool> step(openflow::Session& session) override;

 private:
  /// Meters and bands of one piece: some ten kilobytes.
  static constexpr std::size_t kBandsPerPiece = 1024;

  const AgentEnvironment env_;
  const openflow::Message request_;
  std::uint32_t next_, last_;
};

}  // namespace sluice::ofproto
