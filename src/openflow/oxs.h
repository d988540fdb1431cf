// OXS: the statistics of a flow as TLVs (OpenFlow 1.5.1 section 7.2.4).
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

/// What 1.5 says of a flow or of several. Members that are not there don't travel.
struct FlowStatistics {
  struct Time {
    std::uint32_t s = 0, ns = 0;
  };
  std::optional<Time> duration, idle;
  std::optional<std::uint32_t> flows;
  std::optional<std::uint64_t> packets, bytes;
};

void encode_oxs(const FlowStatistics& statistics, ByteWriter& out);
/// Takes the whole list with its padding.
Result<FlowStatistics> decode_oxs(ByteReader& in);

}  // namespace sluice::openflow
