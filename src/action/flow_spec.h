// A whole flow as a line of text: "table=1,priority=10,tcp,ct_state=+trk,actions=ct(commit),2", and back, in
// the words of ovs-ofctl. A value: whoever adds the flow to a switch decides what defaults mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "action/action.h"
#include "action/protocols.h"

namespace sluice::action {

enum class FlowCommand : std::uint8_t { Add, Modify, ModifyStrict, Delete, DeleteStrict };

inline constexpr std::uint16_t kDefaultPriority = 0x8000;

/// The new cookie of a modify that leaves the cookies of flows as they are, as messages of OpenFlow 1.0 say
/// it.
inline constexpr std::uint64_t kKeepCookie = ~std::uint64_t{0};

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
  /// The match as it was written, if what it demands without meaning was dropped.
  std::string written_match;
  /// What the user should know though the flow is valid: matches that can never be met, demands that were
  /// dropped.
  std::vector<std::string> warnings;
};

struct FlowParseOptions {
  FlowCommand command = FlowCommand::Add;
  Names names;
  /// Refuse actions that don't fit the match or each other (ovs-ofctl does).
  bool check = true;
  /// The OpenFlow version that `check` is for: 1.0 forgives more.
  OfVersion version = OfVersion::k10;
};

/// One flow: match and options, then "actions=" and actions.
Result<FlowSpec> parse_flow(std::string_view text, const FlowParseOptions& options = {});
inline Result<FlowSpec> parse_flow(std::string_view text, FlowCommand command,
                                   const field::NameResolver* ports = nullptr,
                                   const TableNames* tables = nullptr) {
  return parse_flow(text, FlowParseOptions{.command = command, .names = {.ports = ports, .tables = tables}});
}

/// A match with what queries of flows take beside it: table, out_port, out_group and cookie=VALUE/MASK.
Result<FlowSpec> parse_flow_filter(std::string_view text, const Names& names = {});
/// A match on pipeline fields and actions: what a packet-out says beside its packet.
Result<FlowSpec> parse_packet_fields(std::string_view text, const Names& names = {});

/// The lines of a flow file that hold a flow: without comments and blank lines, and without a command of
/// their own in front ("add", "modify", "modify_strict", "delete" or "delete_strict", as in ovs-ofctl's flow
/// files).
class FlowLines {
 public:
  struct Line {
    std::string_view text;
    unsigned number = 0;
    FlowCommand command = FlowCommand::Add;
  };
  /// @param own_commands  whether lines may begin with a command
  FlowLines(std::string_view text, FlowCommand command, bool own_commands = true)
      : rest_(text), command_(command), own_commands_(own_commands) {}
  std::optional<Line> next();

 private:
  std::string_view rest_;
  FlowCommand command_;
  bool own_commands_;
  unsigned number_ = 0;
};

struct FlowFile {
  std::vector<FlowSpec> flows;
  std::vector<Error> errors;  ///< "FILE:LINE: …", in order; flows holds what was right
};
/// One flow a line, see FlowLines.
FlowFile parse_flow_file(std::string_view text, std::string_view file_name,
                         const FlowParseOptions& options = {});

/// As ovs-ofctl prints a flow_mod, from the command on: "ADD table:1 priority=5,tcp cookie:0x1
/// actions=output:1".
std::string format_flow_mod(const FlowSpec& flow, const Names& names = {});
/// A line that parse_flow() reads back to the same flow: "table=1,priority=5,tcp,actions=output:1".
std::string format_flow(const FlowSpec& flow, const Names& names = {});

/// What a switch counts for a flow.
struct FlowCounters {
  std::uint64_t packets = 0, bytes = 0;  ///< all ones: unknown
  std::int64_t duration_ns = 0;
  std::int64_t idle_age_s = -1, hard_age_s = -1;  ///< -1: unknown
};
/// A line of ovs-ofctl dump-flows without the leading blank:
/// "cookie=0x0, duration=1.500s, table=0, n_packets=1, n_bytes=98, priority=5,tcp actions=output:1".
std::string format_flow_stats(const FlowSpec& flow, const FlowCounters& counters, const Names& names = {});
/// The same of dump-flows --no-stats: "table=1, priority=5,tcp actions=output:1".
std::string format_flow_without_stats(const FlowSpec& flow, const Names& names = {});

/// The protocols that can carry every one of the flows.
Protocols common_protocols(const std::vector<FlowSpec>& flows);

/// The whole output of "ovs-ofctl parse-flows FILE" for these flows, the chosen protocol being the first
/// usable one among `allowed`; an error if there is none.
Result<std::string> format_parsed_flows(const std::vector<FlowSpec>& flows, Protocols allowed,
                                        const Names& names = {});
/// What ovs-ofctl allows if no version is asked for.
inline constexpr Protocols kDefaultProtocols{Protocols::kAnyOf10 | Protocols::kAnyNxm};

}  // namespace sluice::action
