// A whole flow as a line of text: "table=1,priority=10,tcp,ct_state=+trk,actions=ct(commit),2", and back, in
// the words of ovs-ofctl. A value: whoever adds the flow to a switch decides what defaults mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "action/action.h"

namespace sluice::action {

enum class FlowCommand : std::uint8_t { Add, Modify, ModifyStrict, Delete, DeleteStrict };

inline constexpr std::uint16_t kDefaultPriority = 0x8000;

struct FlowFlags {
  bool send_flow_rem = false, check_overlap = false, reset_counts = false, no_packet_counts = false,
       no_byte_counts = false;
  bool operator==(const FlowFlags&) const = default;
};

struct FlowSpec {
  FlowCommand command = FlowCommand::Add;
  std::uint8_t table = kNoTable;  ///< kNoTable: not given; table 0 for an add, every table for a delete
  std::uint16_t priority = kDefaultPriority;
  std::uint64_t cookie = 0, cookie_mask = 0;  ///< of existing flows that a modify or delete is about
  std::optional<std::uint64_t> new_cookie;    ///< that an add or modify leaves in the flow
  std::uint16_t idle_timeout = 0, hard_timeout = 0, importance = 0;  ///< timeouts in seconds
  FlowFlags flags;
  std::uint32_t buffer_id = 0xffffffff;
  std::uint32_t out_port = of_port::kNone, out_group = 0xffffffff;  ///< only flows that output there
  flow::Match match;
  ActionList actions;
  Protocols usable;
  /// What the user should know though the flow is valid: matches that can never be met.
  std::vector<std::string> warnings;
};

struct FlowParseOptions {
  FlowCommand command = FlowCommand::Add;
  Names names;
  /// Refuse actions that don't fit the match as a switch of OpenFlow 1.1 or later would (ovs-ofctl does).
  bool check_consistency = true;
};

/// One flow. The text may begin with a command word ("add", "modify_strict", "delete" …) as in bundle files
/// only if `options.command` is overridden by it: see parse_flow_file.
Result<FlowSpec> parse_flow(std::string_view text, const FlowParseOptions& options = {});
/// As the contract of the pipeline names it.
inline Result<FlowSpec> parse_flow(std::string_view text, FlowCommand command,
                                   const field::NameResolver* ports = nullptr,
                                   const TableNames* tables = nullptr) {
  return parse_flow(text, {.command = command, .names = {.ports = ports, .tables = tables}});
}

struct FlowFile {
  std::vector<FlowSpec> flows;
  std::vector<Error> errors;  ///< "FILE:LINE: …", in order; flows holds what was right
};
/// One flow a line; "#" begins a comment; blank lines don't count. A line may begin with "add ", "modify ",
/// "modify_strict ", "delete ", "delete_strict " when `options.command` is Add.
FlowFile parse_flow_file(std::string_view text, std::string_view file_name,
                         const FlowParseOptions& options = {});

/// "table=1, tcp,nw_src=10.0.0.1 actions=output:1": as ovs-ofctl prints a flow_mod, from the command on
/// ("ADD priority=5,tcp actions=output:1").
std::string format_flow_mod(const FlowSpec& flow, const Names& names = {});
/// A line that parse_flow reads back to the same flow: "table=1,priority=5,tcp,actions=output:1".
std::string format_flow(const FlowSpec& flow, const Names& names = {});

/// What a switch counts for a flow.
struct FlowCounters {
  std::uint64_t packets = 0, bytes = 0;
  std::int64_t duration_ns = 0;
  std::int64_t idle_age_s = -1, hard_age_s = -1;  ///< -1: unknown
};
/// "cookie=0x0, duration=1.500s, table=0, n_packets=1, n_bytes=98, idle_age=1, priority=5,tcp
/// actions=output:1": a line of ovs-ofctl dump-flows, without the leading blank. `stats` false: as dump-flows
/// --no-stats.
std::string format_flow_stats(const FlowSpec& flow, const FlowCounters& counters, const Names& names = {},
                              bool stats = true);

/// "usable protocols: any\nchosen protocol: OpenFlow10-table_id\n": what ovs-ofctl parse-flows says first.
/// `allowed` limits the choice.
Protocols common_protocols(const std::vector<FlowSpec>& flows);
std::string protocol_name(Protocols::Bit protocol);
/// The first that both sets have, or nothing.
std::optional<Protocols::Bit> choose_protocol(Protocols usable, Protocols allowed);

}  // namespace sluice::action
