// sluice stats: counters of a running daemon.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"

namespace sluice::cli {

namespace {

using Json = nlohmann::ordered_json;

/// A heading and the numbers of an object below it; zeros only on request.
void section(std::string& text, const std::string& heading, const Json& object, bool zeros) {
  Table table({{heading}, {"", Align::Right}});
  for (const auto& [name, value] : object.items()) {
    if (!value.is_number() || (!zeros && value.get<double>() == 0)) continue;
    table.add(
        {"  " + name, value.is_number_integer() ? value.dump() : fmt::format("{:.1f}", value.get<double>())});
  }
  if (table.rows() != 0) text += table.text();
}

}  // namespace

int stats(const Common& common, const StatsArguments& arguments) {
  const auto answer = ask(common, "sluice/stats");
  if (!answer) return complain(answer.error());
  if (common.json) return print(*answer);
  const Json json = Json::parse(*answer, nullptr, false);
  if (json.is_discarded()) return complain("the daemon's answer is no JSON");
  std::string text = fmt::format("up {}, {} worker{}\n", human_seconds(json["uptime_s"]),
                                 json["workers"].get<unsigned>(), json["workers"] == 1 ? "" : "s");
  for (const auto& bridge : json["bridges"])
    text += fmt::format("bridge {}: {} flows, {} ports, {} MAC addresses\n",
                        bridge["name"].get<std::string>(), bridge["flows"].get<std::uint64_t>(),
                        bridge["ports"].get<std::uint64_t>(), bridge["mac_entries"].get<std::uint64_t>());
  section(text, "datapath", json["datapath"], arguments.all);
  section(text, "drops", json["drops"], arguments.all);
  section(text, "conntrack", json["conntrack"], arguments.all);
  section(text, "not tracked or not created, because", json["conntrack"]["reasons"], arguments.all);
  section(text, "fragments", json["fragments"], arguments.all);
  section(text, "packet-ins", json["packet_ins"], arguments.all);
  section(text, "memory", json["memory"], arguments.all);
  if (arguments.all) section(text, "limits", json["limits"], true);
  return print(text);
}

}  // namespace sluice::cli
