#include "cli/ofctl/names.h"

#include <fmt/core.h>

#include "action/codec.h"
#include "cli/ofctl/connection.h"

namespace sluice::cli::ofctl {

using openflow::OfVersion;

void NameMap::add_port(const std::string& name, std::uint32_t number) {
  if (name.empty()) return;
  ports_[name].push_back(number);
  port_names_[number] = name;
}

void NameMap::add_table(const std::string& name, std::uint8_t number) {
  if (name.empty()) return;
  tables_[name].push_back(number);
  table_names_[number] = name;
}

std::optional<std::uint32_t> NameMap::port_number(std::string_view name) const {
  const auto found = ports_.find(name);
  if (found == ports_.end() || found->second.size() != 1) return std::nullopt;
  return found->second.front();
}

std::optional<std::string> NameMap::port_name(std::uint32_t port) const {
  const auto found = port_names_.find(port);
  if (found == port_names_.end() || !port_number(found->second)) return std::nullopt;
  return found->second;
}

std::optional<std::uint8_t> NameMap::table_number(std::string_view name) const {
  const auto found = tables_.find(name);
  if (found == tables_.end() || found->second.size() != 1) return std::nullopt;
  return static_cast<std::uint8_t>(found->second.front());
}

std::optional<std::string> NameMap::table_name(std::uint8_t table) const {
  const auto found = table_names_.find(table);
  if (found == table_names_.end() || !table_number(found->second)) return std::nullopt;
  return found->second;
}

Result<std::vector<openflow::PortDescription>> fetch_ports(Run& run, const std::string& target) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  std::vector<openflow::PortDescription> ports;
  if (connection.version() < OfVersion::k13) {
    SLUICE_ASSIGN(const auto answer, connection.ask(openflow::FeaturesRequest{}));
    const auto message = openflow::decode(answer);
    if (const auto* features = message ? openflow::as<openflow::FeaturesReply>(*message) : nullptr)
      ports = features->ports;
    else
      return fail(target + ": received bad features reply");
    return ports;
  }
  SLUICE_TRY(connection.ask_all(openflow::PortDescRequest{}, [&](Bytes bytes) -> Status {
    const auto message = openflow::decode(bytes);
    const auto* part = message ? openflow::as<openflow::PortDescReply>(*message) : nullptr;
    if (part != nullptr) ports.insert(ports.end(), part->entries.begin(), part->entries.end());
    return {};
  }));
  return ports;
}

Status fetch_port_names(Run& run, const std::string& target, NameMap& names) {
  SLUICE_ASSIGN(const auto ports, fetch_ports(run, target));
  for (const auto& port : ports) names.add_port(port.name, port.number);
  return {};
}

Status fetch_table_names(Run& run, const std::string& target, NameMap& names) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  const auto take = [&](Bytes bytes) -> Status {
    const auto message = openflow::decode(bytes);
    if (!message) return {};
    if (const auto* stats = openflow::as<openflow::TableStatsReply>(*message))
      for (const auto& entry : stats->entries) names.add_table(entry.features.name, entry.features.table);
    if (const auto* features = openflow::as<openflow::TableFeaturesReply>(*message))
      for (const auto& entry : features->entries) names.add_table(entry.name, entry.table);
    return {};
  };
  if (connection.version() < OfVersion::k13) return connection.ask_all(openflow::TableStatsRequest{}, take);
  return connection.ask_all(openflow::TableFeaturesRequest{}, take);
}

Result<NameMap> names_to_read(Run& run, const std::string& target) {
  NameMap names;
  if (!run.reads_names()) return names;
  SLUICE_TRY(fetch_table_names(run, target, names));
  SLUICE_TRY(fetch_port_names(run, target, names));
  return names;
}

Result<NameMap> names_to_show(Run& run, const std::string& target, bool tables) {
  NameMap names;
  if (!run.shows_names()) return names;
  if (tables) SLUICE_TRY(fetch_table_names(run, target, names));
  SLUICE_TRY(fetch_port_names(run, target, names));
  return names;
}

Result<std::uint8_t> read_table(Run& run, const std::string& text, const action::Names& names) {
  if (const auto table = action::parse_table(text, names)) return *table;
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos)
    run.log.logger("ofp_table").warn("table {} is outside the supported range 0 through 255", text);
  return fail(fmt::format("unknown table \"{}\"", text));
}

Result<std::uint32_t> find_port(Run& run, const std::string& target, const std::string& text) {
  if (const auto port = field::parse_port(text)) return *port;
  if (run.reads_names()) {
    SLUICE_ASSIGN(const auto ports, fetch_ports(run, target));
    for (const auto& port : ports)
      if (port.name == text) return port.number;
  }
  return fail(fmt::format("{}: unknown port `{}'", target, text));
}

}  // namespace sluice::cli::ofctl
