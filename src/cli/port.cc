// sluice port: the ports of a running daemon.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/table.h"

namespace sluice::cli {

using Json = nlohmann::ordered_json;

int port_list(const Common& common) {
  const auto answer = ask(common, "sluice/ports");
  if (!answer) return complain(answer.error());
  if (common.json) return print(*answer);
  const Json ports = Json::parse(*answer, nullptr, false);
  if (ports.is_discarded()) return complain("the daemon's answer is no JSON");
  if (ports.empty()) return print("no ports");
  Table table({{"BRIDGE"},
               {"PORT", Align::Right},
               {"NAME"},
               {"TYPE"},
               {"LINK"},
               {"MAC"},
               {"MTU", Align::Right},
               {"RX", Align::Right},
               {"RX BYTES", Align::Right},
               {"TX", Align::Right},
               {"TX BYTES", Align::Right},
               {"DROPPED", Align::Right},
               {"ERROR"}});
  for (const auto& port : ports) {
    const auto& number = port["number"];
    std::vector<std::string> row = {port["bridge"],
                                    number.is_null()     ? "-"
                                    : number.is_string() ? number.get<std::string>()
                                                         : number.dump(),
                                    port["name"], port["type"]};
    if (port.contains("rx")) {
      const auto &rx = port["rx"], &tx = port["tx"];
      const auto lost = rx["dropped"].get<std::uint64_t>() + rx["errors"].get<std::uint64_t>() +
                        tx["dropped"].get<std::uint64_t>() + tx["errors"].get<std::uint64_t>();
      row.insert(row.end(), {port["link_up"].get<bool>() ? "up" : "down", port["mac"], port["mtu"].dump(),
                             human_count(rx["packets"]), human_bytes(rx["bytes"]), human_count(tx["packets"]),
                             human_bytes(tx["bytes"]), human_count(lost)});
    }
    row.resize(12);
    row.push_back(port["error"]);
    table.add(std::move(row));
  }
  return print(table.text());
}

}  // namespace sluice::cli
