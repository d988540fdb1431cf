// All flows of a switch that a filter chooses.
#pragma once

#include "cli/ofctl/connection.h"

namespace sluice::cli::ofctl {

Result<std::vector<openflow::FlowStatsReply::Entry>> fetch_flows(Connection& connection,
                                                                 const std::string& target,
                                                                 openflow::FlowFilter filter);

}  // namespace sluice::cli::ofctl
