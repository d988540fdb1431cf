// sluice flow: the flows of a bridge of a running daemon.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/input.h"
#include "cli/table.h"

namespace sluice::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string raw_line(const Json& flow) {
  std::string line =
      fmt::format("table={},priority={}", flow["table"].get<unsigned>(), flow["priority"].get<unsigned>());
  if (const auto cookie = flow["cookie"].get<std::uint64_t>()) line += fmt::format(",cookie=0x{:x}", cookie);
  for (const char* timeout : {"idle_timeout", "hard_timeout"})
    if (const auto s = flow[timeout].get<unsigned>()) line += fmt::format(",{}={}", timeout, s);
  if (const std::string match = flow["match"]; !match.empty()) line += "," + match;
  return line + ",actions=" + flow["actions"].get<std::string>() + "\n";
}

/// Says what a change did; warnings go to standard error.
int report(const Common& common, const Result<std::string>& answer) {
  if (!answer) return complain(answer.error());
  const Json change = Json::parse(*answer, nullptr, false);
  if (change.is_discarded()) return complain("the daemon's answer is no JSON");
  for (const auto& warning : change["warnings"])
    std::fputs(("sluice: warning: " + warning.get<std::string>() + "\n").c_str(), stderr);
  if (common.json) return print(change.dump());
  return print(fmt::format("{} added, {} modified, {} removed", change["added"].get<unsigned>(),
                           change["modified"].get<unsigned>(), change["removed"].get<unsigned>()));
}

int send_file(const Common& common, const FlowArguments& arguments, const char* command) {
  const auto text = read_input(arguments.file);
  if (!text) return complain(text.error());
  const std::string name = arguments.file == "-" ? "standard input" : arguments.file;
  return report(common, ask(common, command, {arguments.bridge, name, *text}));
}

std::vector<std::string> change_words(const FlowArguments& arguments) {
  std::vector<std::string> words;
  if (arguments.strict) words.push_back("--strict");
  words.push_back(arguments.bridge);
  if (!arguments.flow.empty()) words.push_back(arguments.flow);
  return words;
}

}  // namespace

int flow_list(const Common& common, const FlowArguments& arguments) {
  std::vector<std::string> words = {arguments.bridge};
  if (!arguments.flow.empty()) words.push_back(arguments.flow);
  const auto answer = ask(common, "sluice/flows", words);
  if (!answer) return complain(answer.error());
  if (common.json) return print(*answer);
  const Json flows = Json::parse(*answer, nullptr, false);
  if (flows.is_discarded()) return complain("the daemon's answer is no JSON");
  if (arguments.raw) {
    std::string text;
    for (const auto& flow : flows) text += raw_line(flow);
    return print(text);
  }
  if (flows.empty()) return print("no flows");
  Table table({{"TABLE", Align::Right},
               {"PRIORITY", Align::Right},
               {"PACKETS", Align::Right},
               {"BYTES", Align::Right},
               {"AGE", Align::Right},
               {"MATCH"},
               {"ACTIONS"}});
  for (const auto& flow : flows) {
    const std::string match = flow["match"];
    table.add({std::to_string(flow["table"].get<unsigned>()),
               std::to_string(flow["priority"].get<unsigned>()), human_count(flow["packets"]),
               human_bytes(flow["bytes"]), human_seconds(flow["duration_s"]), match.empty() ? "(all)" : match,
               flow["actions"]});
  }
  return print(table.text());
}

int flow_add(const Common& common, const FlowArguments& arguments) {
  if (!arguments.file.empty()) return send_file(common, arguments, "sluice/flow-add-file");
  return report(common, ask(common, "sluice/flow-add", {arguments.bridge, arguments.flow}));
}

int flow_mod(const Common& common, const FlowArguments& arguments) {
  return report(common, ask(common, "sluice/flow-mod", change_words(arguments)));
}

int flow_del(const Common& common, const FlowArguments& arguments) {
  return report(common, ask(common, "sluice/flow-del", change_words(arguments)));
}

int flow_replace(const Common& common, const FlowArguments& arguments) {
  return send_file(common, arguments, "sluice/flow-replace");
}

}  // namespace sluice::cli
