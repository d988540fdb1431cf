// Which of the formats for flows (OpenFlow 1.0's own, NXM, OXM, each with or without the table id extension)
// a connection uses: the most widely understood one that can say what is to be said, and the most telling one
// to hear what there is.
#pragma once

#include "cli/ofctl/connection.h"

namespace sluice::cli::ofctl {

/// "none of the usable flow formats (NXM,OXM) is among the allowed flow formats (OpenFlow10)", if so.
Status check_usable(const Run& run, action::Protocols usable);

/// A connection that carries flows of these formats, set up for the first of them that the switch knows.
Result<Connection> open_for_flows(Run& run, const std::string& target, action::Protocols usable,
                                  action::Protocols::Bit& chosen);
/// The same for a query: the best format that is usable.
Result<Connection> open_for_dump(Run& run, const std::string& target, action::Protocols usable);
/// Makes the switch and the connection speak the format, if they don't. False: the switch doesn't know it.
Result<bool> set_format(Connection& connection, action::Protocols::Bit& current,
                        action::Protocols::Bit wanted);
/// What a connection speaks before anything is set.
action::Protocols::Bit initial_format(openflow::OfVersion version);

}  // namespace sluice::cli::ofctl
