// The verb bundle: a file of flows, groups and packets that take effect together. Each line begins with what
// it is: "flow", "group" or "packet-out".
#include <fmt/core.h>

#include "action/group_spec.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/flow_messages.h"
#include "cli/ofctl/packet_out.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

namespace {

/// Takes the first word off a line.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  const auto next = line.find_first_not_of(" \t", end);
  line = next == std::string_view::npos ? std::string_view{} : line.substr(next);
  return word;
}

Result<openflow::Body> parse_line(Run& run, std::string_view line, const action::Names& names,
                                  action::Protocols& usable) {
  const std::string_view kind = take_word(line);
  if (kind == "flow") {
    const auto words = action::FlowLines(line, action::FlowCommand::Add).next();
    SLUICE_ASSIGN(auto flow, parse_flow(run, words ? words->text : line,
                                        words ? words->command : action::FlowCommand::Add, names));
    usable = usable & carriers(flow);
    openflow::FlowMod mod;
    mod.flow = std::move(flow);
    return openflow::Body(std::move(mod));
  }
  if (kind == "group") {
    SLUICE_ASSIGN(auto group, action::parse_group(line, action::GroupCommand::Add, names));
    return openflow::Body(openflow::GroupMod{std::move(group)});
  }
  if (kind == "packet-out") {
    SLUICE_ASSIGN(auto packet, parse_packet_out(line, names));
    usable = usable & packet.usable;
    return openflow::Body(std::move(packet.message));
  }
  return fail(fmt::format("Unsupported bundle message type: {}", kind.substr(0, kind.find(','))));
}

}  // namespace

Result<int> bundle(Run& run) {
  const std::string& target = run.words[0];
  const std::string& name = run.words[1];
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, target));
  SLUICE_ASSIGN(const std::string text, read_file(name, "open failed"));
  action::Protocols usable;
  std::vector<openflow::Body> bodies;
  action::FlowLines lines(text, {}, false);
  while (const auto line = lines.next()) {
    auto body = parse_line(run, line->text, names.names(), usable);
    if (!body) return fail(fmt::format("{}:{}: {}", name, line->number, body.error().message));
    bodies.push_back(std::move(*body));
  }
  allow_bundles(run.options);
  action::Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, target, usable, format));
  MessageList messages;
  for (openflow::Body& body : bodies) {
    if (!openflow::can_express(body, connection.dialect))
      return fail("a message of the bundle does not exist in the version of OpenFlow that was agreed upon");
    messages.add(openflow::encode(openflow::make_message(std::move(body), connection.dialect, 0)));
  }
  SLUICE_TRY(send_bundle(run, connection, messages));
  return 0;
}

}  // namespace sluice::cli::ofctl
