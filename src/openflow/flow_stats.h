// FLOW and AGGREGATE statistics: the flows of a table, one by one or added up.
#pragma once

#include "action/flow_spec.h"
#include "openflow/match.h"

namespace sluice::openflow {

/// Which flows: as a loose delete would choose them.
struct FlowFilter {
  flow::Match match;
  std::uint8_t table = action::kNoTable;  ///< kNoTable: every table
  std::uint32_t out_port = action::of_port::kNone, out_group = 0xffffffff;
  std::uint64_t cookie = 0, cookie_mask = 0;

  static Status decode(ByteReader& body, const DecodeContext& context, FlowFilter& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct FlowStatsRequest : FlowFilter {
  static std::span<const WireForm> wire_forms();
};
struct AggregateRequest : FlowFilter {
  static std::span<const WireForm> wire_forms();
};

struct FlowStatsReply {
  struct Entry {
    action::FlowSpec flow;  ///< new_cookie is the flow's
    action::FlowCounters counters;
  };
  std::vector<Entry> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct AggregateReply {
  std::uint64_t packets = 0, bytes = 0;
  std::uint32_t flows = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, AggregateReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
