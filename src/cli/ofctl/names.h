// The names that a switch gives its ports and tables, asked of it over OpenFlow, for flows in text.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/ofctl/run.h"
#include "openflow/port.h"

namespace sluice::cli::ofctl {

class NameMap : public field::NameResolver, public action::TableNames {
 public:
  void add_port(const std::string& name, std::uint32_t number);
  void add_table(const std::string& name, std::uint8_t number);
  action::Names names() const { return {.ports = this, .tables = this}; }

  std::optional<std::uint32_t> port_number(std::string_view name) const override;
  std::optional<std::string> port_name(std::uint32_t port) const override;
  std::optional<std::uint8_t> table_number(std::string_view name) const override;
  std::optional<std::string> table_name(std::uint8_t table) const override;

 private:
  /// Numbers of a name; a name that two have is neither understood nor shown.
  std::map<std::string, std::vector<std::uint32_t>, std::less<>> ports_, tables_;
  std::map<std::uint32_t, std::string> port_names_, table_names_;
};

Result<std::vector<openflow::PortDescription>> fetch_ports(Run& run, const std::string& target);
Status fetch_port_names(Run& run, const std::string& target, NameMap& names);
Status fetch_table_names(Run& run, const std::string& target, NameMap& names);
/// Tables, then ports; nothing if names are not to be read.
Result<NameMap> names_to_read(Run& run, const std::string& target);
/// The same if names are to be shown, and without tables if only ports are wanted.
Result<NameMap> names_to_show(Run& run, const std::string& target, bool tables = true);

/// A table by number or name.
Result<std::uint8_t> read_table(Run& run, const std::string& text, const action::Names& names);
/// A port by number, reserved word, or the name that the switch has for it.
Result<std::uint32_t> find_port(Run& run, const std::string& target, const std::string& text);

}  // namespace sluice::cli::ofctl
