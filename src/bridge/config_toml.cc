// The TOML form of SwitchConfig. docs and examples/switch.toml show it; every key is read here and nowhere
// else.
//
// Section is the idea: it wraps one TOML table, each getter marks its key as known, and finish() refuses what
// was left over, so a key can't be read without being allowed nor allowed without being read.
#include <fmt/core.h>

#include <toml++/toml.h>
#include <charconv>
#include <limits>
#include <set>

#include "bridge/config.h"

namespace sluice::bridge {

namespace {

class Section {
 public:
  Section(const toml::table& table, const std::string& path, std::string name)
      : table_(table), path_(path), name_(std::move(name)) {}

  Result<std::string> text(std::string_view key, std::string fallback) {
    return get<std::string>(key, std::move(fallback), "a string");
  }
  Result<bool> boolean(std::string_view key, bool fallback) {
    return get<bool>(key, fallback, "true or false");
  }

  Result<std::int64_t> integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                               std::int64_t high) {
    const toml::node* node = find(key);
    if (!node) return fallback;
    return checked_integer(*node, key, low, high);
  }

  /// A string out of a list of words; the index of the word.
  Result<unsigned> word(std::string_view key, unsigned fallback,
                        std::initializer_list<std::string_view> words) {
    const toml::node* node = find(key);
    if (!node) return fallback;
    if (const auto* value = node->as_string()) {
      unsigned index = 0;
      for (const auto word : words) {
        if (word == value->get()) return index;
        ++index;
      }
    }
    std::string expected;
    for (const auto word : words) expected += fmt::format("{}\"{}\"", expected.empty() ? "" : " or ", word);
    return wrong(*node, key, expected);
  }

  /// A string, or an array of strings.
  Result<std::vector<std::string>> texts(std::string_view key) {
    std::vector<std::string> values;
    const toml::node* node = find(key);
    if (!node) return values;
    if (const auto* one = node->as_string()) return std::vector<std::string>{one->get()};
    const auto* array = node->as_array();
    if (!array) return wrong(*node, key, "a string or an array of strings");
    for (const auto& item : *array) {
      const auto* value = item.as_string();
      if (!value) return wrong(item, key, "an array of strings");
      values.push_back(value->get());
    }
    return values;
  }

  /// A table whose values are strings, numbers or booleans: as text.
  Result<std::map<std::string, std::string>> options(std::string_view key) {
    std::map<std::string, std::string> values;
    SLUICE_ASSIGN(const auto* inner, subtable(key));
    if (!inner) return values;
    for (const auto& [name, item] : *inner) {
      std::string& value = values[std::string(name.str())];
      if (const auto* s = item.as_string())
        value = s->get();
      else if (const auto* i = item.as_integer())
        value = std::to_string(i->get());
      else if (const auto* b = item.as_boolean())
        value = b->get() ? "true" : "false";
      else
        return wrong(item, name.str(), "a string, a number or a boolean");
    }
    return values;
  }

  /// A table number -> number, as `5 = 1000`.
  template <typename Key>
  Result<std::map<Key, std::uint32_t>> numbers(std::string_view key, std::int64_t highest_key) {
    std::map<Key, std::uint32_t> values;
    SLUICE_ASSIGN(const auto* inner, subtable(key));
    if (!inner) return values;
    for (const auto& [name, item] : *inner) {
      std::int64_t number = 0;
      for (const char c : name.str()) {
        number = c >= '0' && c <= '9' && number <= highest_key ? number * 10 + (c - '0') : highest_key + 1;
      }
      if (number > highest_key)
        return fail(fmt::format("{}in [{}]: key \"{}\" is not a number from 0 to {}", at(name.source().begin),
                                qualified(key), name.str(), highest_key));
      SLUICE_ASSIGN(const auto value,
                    checked_integer(item, name.str(), 0, std::numeric_limits<std::uint32_t>::max()));
      values[static_cast<Key>(number)] = static_cast<std::uint32_t>(value);
    }
    return values;
  }

  Result<const toml::table*> subtable(std::string_view key) {
    const toml::node* node = find(key);
    if (!node) return static_cast<const toml::table*>(nullptr);
    const toml::table* inner = node->as_table();
    if (!inner) return wrong(*node, key, fmt::format("a table, [{}]", qualified(key)));
    return inner;
  }
  Result<std::vector<const toml::table*>> subtables(std::string_view key) {
    std::vector<const toml::table*> tables;
    const toml::node* node = find(key);
    if (!node) return tables;
    const auto expected = fmt::format("tables, [[{}]]", qualified(key));
    const auto* array = node->as_array();
    if (!array) return wrong(*node, key, expected);
    for (const auto& item : *array) {
      if (!item.is_table()) return wrong(item, key, expected);
      tables.push_back(item.as_table());
    }
    return tables;
  }

  /// The key is allowed: it was read by other means.
  void know(std::string_view key) { known_.insert(std::string(key)); }
  /// Refuses keys that no getter asked for.
  Status finish() const {
    for (const auto& [name, item] : table_) {
      if (known_.contains(std::string(name.str()))) continue;
      std::string expected;
      for (const auto& key : known_) expected += (expected.empty() ? "" : ", ") + key;
      return fail(fmt::format("{}unknown key \"{}\"{}: expected one of {}", at(name.source().begin),
                              name.str(), name_.empty() ? "" : " in [" + name_ + "]", expected));
    }
    return {};
  }

  std::string qualified(std::string_view key) const {
    return name_.empty() ? std::string(key) : name_ + "." + std::string(key);
  }
  std::string at(const toml::source_position& position) const {
    return fmt::format("{}:{}:{}: ", path_, position.line, position.column);
  }
  std::string at() const { return at(table_.source().begin); }

 private:
  const toml::node* find(std::string_view key) {
    known_.insert(std::string(key));
    return table_.get(key);
  }
  tl::unexpected<Error> wrong(const toml::node& node, std::string_view key, std::string_view expected) const {
    return fail(fmt::format("{}{}: expected {}", at(node.source().begin), qualified(key), expected));
  }
  template <typename T>
  Result<T> get(std::string_view key, T fallback, std::string_view expected) {
    const toml::node* node = find(key);
    if (!node) return fallback;
    const auto* value = node->as<T>();
    if (!value) return wrong(*node, key, expected);
    return value->get();
  }
  Result<std::int64_t> checked_integer(const toml::node& node, std::string_view key, std::int64_t low,
                                       std::int64_t high) const {
    const auto* value = node.as_integer();
    if (!value || value->get() < low || value->get() > high)
      return wrong(node, key, fmt::format("a number from {} to {}", low, high));
    return value->get();
  }

  const toml::table& table_;
  const std::string& path_;
  std::string name_;
  std::set<std::string> known_;
};

constexpr std::int64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
/// The highest number that an OpenFlow 1.0 controller can name (OFPP_MAX is 0xff00).
constexpr std::int64_t kMaxPortNumber = 0xfeff;

/// A file that a configuration file names: relative to it.
std::string beside(const std::string& path, const std::string& file) {
  const auto slash = path.rfind('/');
  return file.starts_with('/') || slash == std::string::npos ? file : path.substr(0, slash + 1) + file;
}

Result<PortConfig> read_port(const toml::table& table, const std::string& path) {
  Section section(table, path, "bridge.port");
  PortConfig port;
  SLUICE_ASSIGN(port.name, section.text("name", ""));
  if (port.name.empty()) return fail(section.at() + "[[bridge.port]] without a name");
  SLUICE_ASSIGN(port.type, section.text("type", port.type));
  if (const auto fault = port_type_fault(port.type); !fault.empty())
    return fail(
        fmt::format("{}port {}: {}", section.at(table.get("type")->source().begin), port.name, fault));
  SLUICE_ASSIGN(const auto number, section.integer("number", 0, 1, kMaxPortNumber));
  if (number != 0) port.number = static_cast<std::uint32_t>(number);
  SLUICE_ASSIGN(port.options, section.options("options"));
  SLUICE_TRY(section.finish());
  return port;
}

/// [[bridge.controller]]: keys as ovs-vswitchd.conf.db(5) names the columns.
Result<ofproto::ControllerConfig> read_controller(const toml::table& table, const std::string& path) {
  Section section(table, path, "bridge.controller");
  ofproto::ControllerConfig controller;
  SLUICE_ASSIGN(controller.target, section.text("target", ""));
  const auto number = [&](const char* key, std::uint32_t& value) -> Status {
    SLUICE_ASSIGN(const auto read, section.integer(key, value, 0, kMaxU32));
    value = static_cast<std::uint32_t>(read);
    return {};
  };
  SLUICE_TRY(number("max_backoff", controller.max_backoff_ms));
  SLUICE_TRY(number("inactivity_probe", controller.inactivity_probe_ms));
  SLUICE_TRY(number("controller_rate_limit", controller.rate_limit));
  SLUICE_TRY(number("controller_burst_limit", controller.burst_limit));
  SLUICE_TRY(number("controller_queue_size", controller.queue_size));
  SLUICE_ASSIGN(controller.async, section.boolean("enable_async_messages", true));
  SLUICE_TRY(section.finish());
  if (auto status = ofproto::check_controller(controller); !status)
    return fail(section.at() + status.error().message);
  return controller;
}

/// [ssl]; files are relative to that of the configuration.
Result<io::TlsFiles> read_ssl(const toml::table& table, const std::string& path) {
  Section section(table, path, "ssl");
  io::TlsFiles files;
  SLUICE_ASSIGN(files.private_key, section.text("private_key", ""));
  SLUICE_ASSIGN(files.certificate, section.text("certificate", ""));
  SLUICE_ASSIGN(files.ca_cert, section.text("ca_cert", ""));
  SLUICE_ASSIGN(files.bootstrap_ca_cert, section.boolean("bootstrap_ca_cert", false));
  SLUICE_TRY(section.finish());
  for (auto* file : {&files.private_key, &files.certificate, &files.ca_cert}) {
    if (file->empty()) return fail(section.at() + "[ssl] needs private_key, certificate and ca_cert");
    *file = beside(path, *file);
  }
  return files;
}

Result<BridgeConfig> read_bridge(const toml::table& table, const std::string& path) {
  Section section(table, path, "bridge");
  BridgeConfig bridge;
  SLUICE_ASSIGN(bridge.name, section.text("name", ""));
  if (bridge.name.empty()) return fail(section.at() + "[[bridge]] without a name");
  const auto* no_local = table.get_as<bool>("local");  // `local = false` reads better than "none"
  SLUICE_ASSIGN(const unsigned local, no_local ? Result<unsigned>(no_local->get() ? 1u : 0u)
                                               : section.word("local", 1, {"none", "internal", "dummy"}));
  section.know("local");
  bridge.local = static_cast<LocalPort>(local);
  SLUICE_ASSIGN(const unsigned mode, section.word("fail_mode", 0, {"secure", "standalone"}));
  bridge.fail_mode = static_cast<FailMode>(mode);
  SLUICE_ASSIGN(bridge.flow_files, section.texts("flow_files"));
  for (auto& file : bridge.flow_files) file = beside(path, file);
  SLUICE_ASSIGN(bridge.flows, section.text("flows", ""));
  SLUICE_ASSIGN(bridge.table_limits, section.numbers<std::uint8_t>("table_limits", 254));
  SLUICE_ASSIGN(const auto ports, section.subtables("port"));
  for (const auto* port_table : ports) {
    SLUICE_ASSIGN(auto port, read_port(*port_table, path));
    bridge.ports.push_back(std::move(port));
  }
  SLUICE_ASSIGN(const auto protocols, section.texts("protocols"));
  if (const auto versions = ofproto::parse_protocols(protocols))
    bridge.openflow_versions = *versions;
  else
    return fail(section.at(table.get("protocols")->source().begin) + versions.error().message);
  SLUICE_ASSIGN(const auto id, section.text("datapath_id", ""));
  if (!id.empty()) {
    bridge.datapath_id = parse_datapath_id(id);
    if (!bridge.datapath_id)
      return fail(section.at(table.get("datapath_id")->source().begin) +
                  "datapath_id: expected 16 hexadecimal digits, or up to 16 behind 0x, not all zero");
  }
  SLUICE_ASSIGN(const auto controllers, section.subtables("controller"));
  for (const auto* controller_table : controllers) {
    SLUICE_ASSIGN(auto controller, read_controller(*controller_table, path));
    bridge.controllers.push_back(std::move(controller));
  }
  SLUICE_TRY(section.finish());
  return bridge;
}

/// A key that is the number of a zone.
std::optional<std::uint16_t> zone_of(std::string_view key) {
  unsigned zone = 0;
  for (const char c : key) {
    if (c < '0' || c > '9' || zone > 0xffff) return std::nullopt;
    zone = zone * 10 + static_cast<unsigned>(c - '0');
  }
  if (key.empty() || zone > 0xffff) return std::nullopt;
  return static_cast<std::uint16_t>(zone);
}

/// [conntrack.timeouts.ZONE]: seconds by state; what is not given keeps its default.
Result<conntrack::TimeoutPolicy> read_timeouts(const toml::table& table, const std::string& path,
                                               std::string name) {
  Section section(table, path, std::move(name));
  conntrack::TimeoutPolicy policy;
  constexpr std::int64_t kLongest = 100 * 86400;
  for (unsigned i = 0; i < conntrack::kTimeoutCount; ++i) {
    const auto timeout = static_cast<conntrack::Timeout>(i);
    SLUICE_ASSIGN(const auto seconds,
                  section.integer(conntrack::timeout_name(timeout), policy[timeout], 1, kLongest));
    policy[timeout] = static_cast<std::uint32_t>(seconds);
  }
  for (const auto key : conntrack::kKernelTimeouts)  // of the kernel's tracker: known, without effect
    SLUICE_TRY(section.integer(key, 1, 1, kLongest).map([](auto) {}));
  SLUICE_TRY(section.finish());
  return policy;
}

/// [conntrack.fragments]
Result<FragmentConfig> read_fragments(const toml::table& table, const std::string& path) {
  constexpr std::int64_t kLeastMemory = 1 << 20, kMostMemory = std::int64_t{16} << 30;
  constexpr std::int64_t kLargestFragment = 65535;
  constexpr std::int64_t kLongestFragment = 3600;  // seconds
  Section section(table, path, "conntrack.fragments");
  FragmentConfig fragments;
  SLUICE_ASSIGN(fragments.ipv4, section.boolean("ipv4", true));
  SLUICE_ASSIGN(fragments.ipv6, section.boolean("ipv6", true));
  SLUICE_ASSIGN(const auto memory,
                section.integer("memory_bytes", static_cast<std::int64_t>(fragments.memory_bytes),
                                kLeastMemory, kMostMemory));
  fragments.memory_bytes = static_cast<std::uint64_t>(memory);
  SLUICE_ASSIGN(const auto most, section.integer("max_fragments", fragments.max_fragments, 0, kMaxU32));
  fragments.max_fragments = static_cast<std::uint32_t>(most);
  SLUICE_ASSIGN(const auto timeout_ipv4,
                section.integer("timeout_ipv4", fragments.timeout_ipv4, 1, kLongestFragment));
  fragments.timeout_ipv4 = static_cast<std::uint32_t>(timeout_ipv4);
  SLUICE_ASSIGN(const auto timeout_ipv6,
                section.integer("timeout_ipv6", fragments.timeout_ipv6, 1, kLongestFragment));
  fragments.timeout_ipv6 = static_cast<std::uint32_t>(timeout_ipv6);
  SLUICE_ASSIGN(const auto min_ipv4, section.integer("min_ipv4", 0, 0, kLargestFragment));
  fragments.min_ipv4 = static_cast<std::uint32_t>(min_ipv4);
  SLUICE_ASSIGN(const auto min_ipv6, section.integer("min_ipv6", 0, 0, kLargestFragment));
  fragments.min_ipv6 = static_cast<std::uint32_t>(min_ipv6);
  SLUICE_TRY(section.finish());
  return fragments;
}

/// [conntrack.zones.ZONE]: how strict it is.
Result<conntrack::Strictness> read_strictness(const toml::table& table, const std::string& path,
                                              std::string name) {
  using Check = conntrack::Strictness::SequenceCheck;
  Section section(table, path, std::move(name));
  conntrack::Strictness strictness;
  SLUICE_ASSIGN(strictness.liberal, section.boolean("liberal", false));
  SLUICE_ASSIGN(strictness.loose, section.boolean("loose", true));
  if (table.contains("tcp_sequence_check")) {
    SLUICE_ASSIGN(const bool check, section.boolean("tcp_sequence_check", true));
    strictness.sequence_check = check ? Check::On : Check::Off;
  }
  SLUICE_TRY(section.finish());
  return strictness;
}

/// A table of tables by zone.
template <typename Value, typename Read>
Status read_zones(Section& section, const std::string& path, const char* key, Read read,
                  std::map<std::uint16_t, Value>& out) {
  SLUICE_ASSIGN(const auto* zones, section.subtable(key));
  if (zones == nullptr) return {};
  for (const auto& [name, node] : *zones) {
    const auto zone = zone_of(name.str());
    const auto qualified = fmt::format("conntrack.{}.{}", key, std::string_view(name.str()));
    if (!zone || !node.is_table())
      return fail(fmt::format("{}{}: expected a table for a zone from 0 to 65535, [conntrack.{}.5]",
                              section.at(name.source().begin), qualified, key));
    SLUICE_ASSIGN(out[*zone], read(*node.as_table(), path, qualified));
  }
  return {};
}

Result<ConntrackConfig> read_conntrack(const toml::table& table, const std::string& path) {
  Section section(table, path, "conntrack");
  ConntrackConfig conntrack;
  constexpr std::int64_t kMostConnections = 1'000'000'000;  // names of table entries have 31 bits
  SLUICE_ASSIGN(const auto most,
                section.integer("max_connections", conntrack.max_connections, 1, kMostConnections));
  conntrack.max_connections = static_cast<std::uint32_t>(most);
  SLUICE_ASSIGN(const auto limit, section.integer("default_zone_limit", 0, 0, kMaxU32));
  conntrack.default_zone_limit = static_cast<std::uint32_t>(limit);
  SLUICE_ASSIGN(conntrack.zone_limits, section.numbers<std::uint16_t>("zone_limits", 65535));
  SLUICE_ASSIGN(conntrack.tcp_sequence_check, section.boolean("tcp_sequence_check", true));
  SLUICE_ASSIGN(const auto* fragments, section.subtable("fragments"));
  if (fragments) {
    SLUICE_ASSIGN(conntrack.fragments, read_fragments(*fragments, path));
  }
  SLUICE_TRY(read_zones(section, path, "timeouts", read_timeouts, conntrack.timeouts));
  SLUICE_TRY(read_zones(section, path, "zones", read_strictness, conntrack.strictness));
  SLUICE_TRY(section.finish());
  return conntrack;
}

Result<SwitchConfig> read_switch(const toml::table& table, const std::string& path) {
  Section section(table, path, "");
  SwitchConfig config;
  SLUICE_ASSIGN(const auto workers, section.integer("workers", 1, 1, kMaxWorkers));
  config.workers = static_cast<unsigned>(workers);
  SLUICE_ASSIGN(config.run_dir, section.text("run_dir", ""));
  SLUICE_ASSIGN(config.control, section.text("control", ""));
  SLUICE_ASSIGN(const auto* conntrack, section.subtable("conntrack"));
  if (conntrack) {
    SLUICE_ASSIGN(config.conntrack, read_conntrack(*conntrack, path));
  }
  SLUICE_ASSIGN(const auto* ssl, section.subtable("ssl"));
  if (ssl) {
    SLUICE_ASSIGN(config.ssl, read_ssl(*ssl, path));
  }
  SLUICE_ASSIGN(const auto bridges, section.subtables("bridge"));
  for (const auto* bridge_table : bridges) {
    SLUICE_ASSIGN(auto bridge, read_bridge(*bridge_table, path));
    config.bridges.push_back(std::move(bridge));
  }
  SLUICE_TRY(section.finish());
  if (auto status = check_config(config); !status) return fail(path + ": " + status.error().message);
  return config;
}

/// The library quotes the offending characters as they are; a message is one line.
std::string on_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

Result<SwitchConfig> parse_config(std::string_view text, const std::string& path) {
  try {
    const toml::table table = toml::parse(text, path);
    return read_switch(table, path);
  } catch (const toml::parse_error& error) {
    const auto& where = error.source().begin;
    return fail(
        fmt::format("{}:{}:{}: {}", path, where.line, where.column, on_one_line(error.description())));
  }
}

}  // namespace sluice::bridge
