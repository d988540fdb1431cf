// A megaflow as one line of ovs-appctl dpctl/dump-flows.
#include <fmt/core.h>

#include "datapath/datapath.h"

namespace sluice::datapath {
namespace {

/// "SFP." as tcpdump writes flags.
std::string tcp_flags_text(std::uint16_t flags) {
  std::string text;
  constexpr std::pair<std::uint16_t, char> kLetters[] = {{0x002, 'S'}, {0x001, 'F'}, {0x008, 'P'},
                                                         {0x004, 'R'}, {0x020, 'U'}, {0x010, '.'},
                                                         {0x040, 'E'}, {0x080, 'C'}, {0x100, 'N'}};
  for (const auto& [bit, letter] : kLetters)
    if ((flags & bit) != 0) text += letter;
  return text;
}

}  // namespace

std::string format_flow(const FlowSnapshot& flow, const field::NameResolver* names) {
  std::string text = dp_action::format_odp_match(flow.match, names);
  text += fmt::format(", packets:{}, bytes:{}, used:", flow.packets, flow.bytes);
  if (flow.used) {
    const std::int64_t ms = flow.used->whole_milliseconds();
    text += fmt::format("{}.{:03}s", ms / 1000, ms % 1000);
  } else {
    text += "never";
  }
  if (flow.tcp_flags != 0) text += ", flags:" + tcp_flags_text(flow.tcp_flags);
  text += ", actions:" + dp_action::format_program(flow.program, names);
  return text;
}

}  // namespace sluice::datapath
