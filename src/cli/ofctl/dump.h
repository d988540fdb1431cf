// Asking a switch and printing what it says, message by message.
#pragma once

#include "cli/ofctl/connection.h"
#include "cli/ofctl/names.h"

namespace sluice::cli::ofctl {

/// Asks over a connection and prints each part of the answer, or the error.
Status dump(Run& run, Connection& connection, const std::string& target, openflow::Body request);
/// The same over a connection of its own.
Result<int> dump(Run& run, const std::string& target, openflow::Body request);

/// Sends a change; if the switch refuses, prints its error to standard error and gives false.
Result<bool> change(Run& run, Connection& connection, const std::string& target,
                    const std::vector<std::uint8_t>& message);
Result<bool> change(Run& run, Connection& connection, const std::string& target, openflow::Body body);

Result<openflow::SwitchConfig> fetch_config(Connection& connection);

/// An error that answers a change, to standard error.
Status print_refusal(Run& run, const std::string& target, Bytes error);

/// Needs of a verb: "dump-table-desc needs OpenFlow 1.4 or later ('-O OpenFlow14')".
tl::unexpected<Error> needs_version(std::string_view verb, openflow::OfVersion version);

}  // namespace sluice::cli::ofctl
