// The plumbing verbs: flows, actions and matches as ovs-ofctl's parse-* commands read and print them. They
// exist to be compared with ovs-ofctl, over inputs that somebody else made.
#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "action/action.h"
#include "action/flow_spec.h"
#include "cli/commands.h"
#include "cli/hex.h"
#include "cli/input.h"
#include "field/of_error.h"
#include "field/oxm.h"

namespace sluice::cli {

namespace {

using action::OfVersion;
using action::Protocols;

struct VersionName {
  std::string_view name;
  OfVersion version;
  std::uint16_t protocols;
};
constexpr VersionName kVersions[] = {
    {"OpenFlow10", OfVersion::k10, Protocols::kAnyOf10 | Protocols::kAnyNxm},
    {"OpenFlow11", OfVersion::k11, Protocols::kOf11},
    {"OpenFlow12", OfVersion::k12, Protocols::kOf12},
    {"OpenFlow13", OfVersion::k13, Protocols::kOf13},
    {"OpenFlow14", OfVersion::k14, Protocols::kOf14},
    {"OpenFlow15", OfVersion::k15, Protocols::kOf15},
};

Result<VersionName> find_version(std::string_view name) {
  for (const auto& version : kVersions)
    if (version.name == name) return version;
  return fail(fmt::format("{}: not a valid OpenFlow version: expected OpenFlow10 to OpenFlow15", name));
}

/// Lines without their comments; what the comment hid is gone, blanks at both ends too.
template <typename Visit>
Status for_each_line(const std::string& text, Visit visit) {
  std::size_t start = 0;
  while (start < text.size()) {
    const auto end = std::min(text.find('\n', start), text.size());
    SLUICE_TRY(visit(std::string_view(text).substr(start, end - start)));
    start = end + 1;
  }
  return {};
}

/// What lines before a wrong one gave is printed before the error.
Result<std::string> finish(std::string out, Status read) {
  if (read) return out;
  (void)print(std::move(out));
  return tl::unexpected<Error>(std::move(read).error());
}

std::string error_name(const Error& error) {
  if (error.of_error == 0) return error.message;
  return std::string(field::of_error_name(static_cast<field::OfError>(error.of_error - 1)));
}

Result<std::string> parse_wire(const VersionName& version, const std::string& input, bool instructions) {
  std::string out;
  Status read = for_each_line(input, [&](std::string_view line) -> Status {
    SLUICE_ASSIGN(const auto bytes, parse_hex(line));
    if (bytes.empty()) return {};
    const auto actions = instructions ? action::decode_instructions(bytes, version.version)
                                      : action::decode_actions(bytes, version.version);
    if (!actions) {
      out += fmt::format("bad {} {}: {}\n\n", version.name, instructions ? "instructions" : "actions",
                         error_name(actions.error()));
      return {};
    }
    out += "actions=" + action::format_actions(*actions) + "\n";
    ByteWriter again;
    if (instructions)
      action::encode_instructions(*actions, version.version, again);
    else
      action::encode_actions(*actions, version.version, again);
    out += hex_differences(bytes, again.bytes()) + "\n";
    return {};
  });
  return finish(std::move(out), std::move(read));
}

Result<std::string> parse_matches(OfVersion version, const std::string& input, bool strict) {
  std::string out;
  Status read = for_each_line(input, [&](std::string_view line) -> Status {
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') {
      out += std::string(line) + "\n";
      return {};
    }
    SLUICE_ASSIGN(const auto bytes, field::parse_oxm_text(line.substr(0, line.find('#'))));
    const auto match = field::decode_match(bytes, version, strict);
    if (!match) {
      out += "nx_pull_match() returned error " + error_name(match.error()) + "\n";
      return {};
    }
    ByteWriter again;
    field::encode_match(*match, version, again);
    out += field::format_oxm_text(again.bytes()) + "\n";
    return {};
  });
  return finish(std::move(out), std::move(read));
}

Result<std::string> parse_flows(const std::string& text, const std::string& name,
                                const std::string& version) {
  Protocols allowed = action::kDefaultProtocols;
  if (!version.empty()) {
    SLUICE_ASSIGN(const auto chosen, find_version(version));
    allowed = Protocols(chosen.protocols);
  }
  auto parsed = action::parse_flow_file(text, name);
  if (!parsed.errors.empty()) return tl::unexpected<Error>(std::move(parsed.errors.front()));
  return action::format_parsed_flows(parsed.flows, allowed);
}

}  // namespace

Result<std::string> parse_text(const ParseArguments& arguments) {
  const auto& verb = arguments.verb;
  if (verb == "parse-flow") {
    Protocols allowed = action::kDefaultProtocols;
    if (!arguments.version.empty()) {
      SLUICE_ASSIGN(const auto chosen, find_version(arguments.version));
      allowed = Protocols(chosen.protocols);
    }
    SLUICE_ASSIGN(auto flow, action::parse_flow(arguments.words[0]));
    std::vector<action::FlowSpec> flows;
    flows.push_back(std::move(flow));
    return action::format_parsed_flows(flows, allowed);
  }
  if (verb == "parse-flows") {
    SLUICE_ASSIGN(const auto text, read_input(arguments.words[0]));
    return parse_flows(text, arguments.words[0], arguments.version);
  }
  std::optional<VersionName> version;
  if (!arguments.words.empty()) {
    auto found = find_version(arguments.words[0]);
    if (verb == "parse-oxm" && (!found || found->version < OfVersion::k12))
      return fail(fmt::format("{}: not a valid version for OXM: expected OpenFlow12 to OpenFlow15",
                              arguments.words[0]));
    if (!found) return tl::unexpected<Error>(std::move(found).error());
    version = *found;
  }
  SLUICE_ASSIGN(const auto input, read_input("-"));
  if (verb == "parse-nxm") return parse_matches(OfVersion::k10, input, arguments.strict);
  if (verb == "parse-oxm") return parse_matches(version->version, input, arguments.strict);
  return parse_wire(*version, input, verb == "parse-instructions");
}

int parse(const ParseArguments& arguments) {
  const auto text = parse_text(arguments);
  return text ? print(*text) : complain(text.error());
}

}  // namespace sluice::cli
