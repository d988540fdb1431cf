// Flows of a command line or a file as encoded flow_mods, ready to be sent: the text is read once, and only
// what travels is kept, so that a file of millions of flows costs little more than its messages.
//
// The format in which flows travel follows from all of them together (a later one may need NXM), and from the
// version that the switch agrees to. Flows are encoded in the format that is the likeliest as they are read,
// and again from the text if another turns out to be needed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "action/flow_spec.h"
#include "cli/ofctl/connection.h"

namespace sluice::cli::ofctl {

/// Encoded messages, one behind the other. Transaction ids are given when they are sent.
class MessageList {
 public:
  void add(Bytes message);
  std::size_t size() const { return ends_.size(); }
  Bytes operator[](std::size_t i) const;
  void set_xid(std::size_t i, std::uint32_t xid);
  void clear();

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;
};

/// What is read: one flow, or lines of flows.
struct FlowText {
  std::string_view text;
  bool single = false;  ///< the text is one flow, whatever characters it has
  std::string file;     ///< the name that errors give the lines
  action::FlowCommand command = action::FlowCommand::Add;
  bool own_commands = false;  ///< lines may begin with a command
  action::Names names;
};

/// Connects in the format that the flows need, and encodes them for it.
Result<Connection> open_and_encode(Run& run, const std::string& target, const FlowText& flows,
                                   MessageList& messages);

/// Sends messages in order, stopping at the first that is refused: its error goes to standard error, and the
/// answer is false. Many travel behind one barrier, so those that follow a refused one closely may have taken
/// effect.
/// @param ids  Transaction ids are told with errors: as if each had a barrier behind it, or all in a row.
enum class Ids : std::uint8_t { BetweenBarriers, InARow };
Result<bool> send_all(Run& run, Connection& connection, const std::string& target, MessageList& messages,
                      Ids ids = Ids::BetweenBarriers);

/// Sends messages as one ordered, atomic bundle. If it is refused, standard error says which of them and why,
/// and the result is an error.
Status send_bundle(Run& run, Connection& connection, MessageList& messages);

/// The protocols whose flow-mods can say all of it.
action::Protocols carriers(const action::FlowSpec& flow);

/// A flow whose actions fit its match, in ovs-ofctl's words if they don't. What is not as it was written is
/// logged.
Result<action::FlowSpec> parse_flow(Run& run, std::string_view text, action::FlowCommand command,
                                    const action::Names& names);

}  // namespace sluice::cli::ofctl
