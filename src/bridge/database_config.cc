#include "bridge/database_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>

namespace sluice::bridge {

namespace {

using ovsdb::Replica;
using ovsdb::Row;
using ovsdb::Uuid;

constexpr std::string_view kNoDevice = "No such device";
/// What the installed ovs-vswitchd says of a type that it does not know.
constexpr std::string_view kNoType = "Address family not supported by protocol";

const ovsdb::Wanted& read_columns() {
  static const ovsdb::Wanted kColumns = {
      {"Open_vSwitch", {"bridges", "datapaths", "next_cfg", "other_config", "ssl"}},
      {"Bridge",
       {"controller", "datapath_type", "fail_mode", "flood_vlans", "flow_tables", "ipfix",
        "mcast_snooping_enable", "mirrors", "name", "netflow", "other_config", "ports", "protocols",
        "rstp_enable", "sflow", "stp_enable"}},
      {"Port",
       {"bond_downdelay", "bond_mode", "bond_updelay", "cvlans", "interfaces", "lacp", "name", "other_config",
        "protected", "qos", "tag", "trunks", "vlan_mode"}},
      {"Interface",
       {"ingress_policing_burst", "ingress_policing_kpkts_burst", "ingress_policing_kpkts_rate",
        "ingress_policing_rate", "mac", "mtu_request", "name", "ofport_request", "other_config", "options",
        "type"}},
      {"Controller",
       {"controller_burst_limit", "controller_queue_size", "controller_rate_limit", "enable_async_messages",
        "inactivity_probe", "max_backoff", "target", "type"}},
      {"Mirror",
       {"name", "output_port", "output_vlan", "select_all", "select_dst_port", "select_src_port",
        "select_vlan", "snaplen"}},
      {"QoS", {"other_config", "queues", "type"}},
      {"Queue", {"dscp", "other_config"}},
      {"Flow_Table", {"flow_limit", "groups", "name", "overflow_policy"}},
      {"Datapath", {"ct_zone_default_limit", "ct_zones"}},
      {"CT_Zone", {"limit", "timeout_policy"}},
      {"CT_Timeout_Policy", {"timeouts"}},
      {"SSL", {"bootstrap_ca_cert", "ca_cert", "certificate", "private_key"}},
  };
  return kColumns;
}

const ovsdb::Wanted& written_columns() {
  static const ovsdb::Wanted kColumns = {
      {"Open_vSwitch",
       {"cur_cfg", "datapath_types", "db_version", "dpdk_initialized", "dpdk_version", "iface_types",
        "ovs_version", "statistics", "system_type", "system_version"}},
      {"Bridge", {"datapath_id", "datapath_version", "rstp_status", "status"}},
      {"Interface",
       {"admin_state", "duplex", "error", "ifindex", "lacp_current", "link_resets", "link_speed",
        "link_state", "mac_in_use", "mtu", "ofport", "statistics", "status"}},
      {"Mirror", {"statistics"}},
      {"Port", {"bond_active_slave", "rstp_statistics", "rstp_status", "statistics", "status"}},
      {"Controller", {"is_connected", "role", "status"}},
      {"Datapath", {"capabilities", "datapath_version"}},
  };
  return kColumns;
}

std::optional<std::string> option(const std::map<std::string, std::string, std::less<>>& options,
                                  std::string_view key) {
  const auto found = options.find(key);
  return found == options.end() ? std::nullopt : std::optional(found->second);
}

std::optional<net::Mac> unicast_mac(const std::optional<std::string>& text) {
  const auto mac = text ? net::parse_mac(*text) : std::nullopt;
  return mac && !mac->is_multicast() && !mac->is_zero() ? mac : std::nullopt;
}

/// The address of a bridge without ports, from its row's id as ovs-vswitchd makes it: the same after every
/// restart.
net::Mac mac_of_row(const Uuid& id) {
  const auto& b = id.bytes;
  constexpr std::uint8_t kMulticast = 1, kLocal = 2;
  net::Mac mac;
  mac.bytes = {static_cast<std::uint8_t>((b[3] & ~kMulticast) | kLocal), b[2], b[1], b[0], b[7], b[6]};
  return mac;
}

std::uint32_t clamp_u32(std::int64_t value) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(value, 0, std::numeric_limits<std::uint32_t>::max()));
}

/// Types of tunnels. None makes sense without the option remote_ip.
constexpr std::array<std::string_view, 9> kTunnelTypes = {"bareudp",   "erspan", "geneve", "gre",  "gtpu",
                                                          "ip6erspan", "ip6gre", "stt",    "vxlan"};

class Reader {
 public:
  Reader(const Replica& replica, const DatabaseEnvironment& environment)
      : replica_(replica), environment_(environment) {
    result_.config = environment.base;
  }

  DatabaseConfig read() {
    const Row* root = replica_.only("Open_vSwitch");
    if (root == nullptr) return std::move(result_);
    // As for all that is no time, ovs-vswitchd takes its default for 0.
    if (const auto seconds = number_of(root->text_map("other_config"), "bundle-idle-timeout");
        seconds.value_or(0) != 0)
      result_.config.bundle_idle_s = *seconds;
    for (const Uuid& id : root->references("bridges"))
      if (const Row* row = replica_.find("Bridge", id)) bridges_.emplace(row->text("name").value_or(""), row);
    for (const auto& [name, row] : bridges_) read_bridge(name, *row);
    if (const auto ssl = root->reference("ssl"))
      if (const Row* row = replica_.find("SSL", *ssl)) read_ssl(*row);
    for (const auto& [type, id] : root->named_references("datapaths"))
      if (const Row* row = replica_.find("Datapath", id)) read_datapath(*row);
    return std::move(result_);
  }

 private:
  template <typename... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    result_.warnings.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void refuse(const Row& interface, std::string why) {
    result_.refused.emplace(interface.id(), std::move(why));
  }

  /// The ports of a bridge by name: what is opened first gets the lower number.
  std::map<std::string, const Row*> ports_of(const Row& bridge) const {
    std::map<std::string, const Row*> ports;
    for (const Uuid& id : bridge.references("ports"))
      if (const Row* row = replica_.find("Port", id)) ports.emplace(row->text("name").value_or(""), row);
    return ports;
  }
  std::vector<const Row*> interfaces_of(const Row& port) const {
    std::vector<const Row*> interfaces;
    for (const Uuid& id : port.references("interfaces"))
      if (const Row* row = replica_.find("Interface", id)) interfaces.push_back(row);
    return interfaces;
  }

  /// Whether a type that would make a device is a dummy here.
  bool stands_in(std::string_view type) const {
    const bool system = type.empty() || type == "system";
    return environment_.dummy_all ? system || type == "tap" : environment_.dummy_system && system;
  }

  std::string bridge_fault(const std::string& name, const Row& row) const {
    if (const auto fault = name_fault(name, true); !fault.empty())
      return fmt::format("bridge name \"{}\" {}", name, fault);
    const auto type = row.text("datapath_type").value_or("");
    if (type.empty() || type == "system" || type == "netdev" || (type == "dummy" && environment_.dummy))
      return {};
    return fmt::format("bridge {}: datapath_type {} is unknown: expected netdev or system", name, type);
  }

  void read_bridge(const std::string& name, const Row& row) {
    if (const auto fault = bridge_fault(name, row); !fault.empty()) {
      warn("{}", fault);
      for (const auto& [port_name, port] : ports_of(row))
        for (const Row* interface : interfaces_of(*port)) refuse(*interface, fault);
      return;
    }
    BridgeConfig& bridge = result_.config.bridges.emplace_back();
    bridge.name = name;
    const auto datapath_type = row.text("datapath_type").value_or("");
    bridge.local = environment_.dummy_all || stands_in(datapath_type) || datapath_type == "dummy"
                       ? LocalPort::Dummy
                       : LocalPort::Internal;
    bridge.local_up = false;  // as ovs-vswitchd: whoever gives it an address brings it up
    bridge.numbering = Numbering::CountUp;
    bridge.fail_mode = row.text("fail_mode") == "secure" ? FailMode::Secure : FailMode::Standalone;
    bridge.fallback_mac = mac_of_row(row.id());
    const auto other = row.text_map("other_config");
    bridge.mac = unicast_mac(option(other, "hwaddr"));
    if (const auto text = option(other, "datapath-id")) {
      bridge.datapath_id = parse_datapath_id(*text);
      if (!bridge.datapath_id)
        warn("bridge {}: other_config:datapath-id={}: expected 16 hexadecimal digits that are not all 0",
             name, *text);
    }
    bridge.description = option(other, "dp-desc").value_or("");
    bridge.serial_number = option(other, "dp-sn").value_or("");
    read_tables(row, bridge);
    read_controllers(row, bridge);
    read_tree(row, other, bridge);
    for (const auto& [port_name, port] : ports_of(row)) read_port(*port, bridge);
    read_switching(row, other, bridge);
    for (const Uuid& id : row.references("mirrors"))
      if (const Row* mirror = replica_.find("Mirror", id)) read_mirror(*mirror, bridge);
    // The order decides which bit a mirror has, and a set of rows has none.
    std::sort(bridge.mirrors.begin(), bridge.mirrors.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    warn_of_missing(name, row);
  }

  void warn_of_missing(const std::string& name, const Row& row) {
    const auto missing = [&](bool asked, std::string_view what) {
      if (asked) warn("bridge {}: {} not supported yet, and left out", name, what);
    };
    missing(row.reference("netflow").has_value(), "NetFlow is");
    missing(row.reference("sflow").has_value(), "sFlow is");
    missing(row.reference("ipfix").has_value(), "IPFIX is");
  }

  static l2::VlanSet vlan_set(const Row& row, const char* column) {
    l2::VlanSet set;
    for (const auto vlan : row.integers(column))
      if (vlan >= 0 && vlan < l2::kVlanCount) set.set(static_cast<std::size_t>(vlan));
    return set;
  }
  template <typename Options>
  static std::optional<std::uint32_t> number_of(const Options& options, std::string_view key) {
    const auto text = option(options, key);
    std::uint32_t value = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{})
      return std::nullopt;
    return value;
  }

  /// STP and RSTP exclude each other.
  template <typename Options>
  void read_tree(const Row& row, const Options& other, BridgeConfig& bridge) {
    if (row.boolean("rstp_enable").value_or(false))
      read_rstp(other, bridge.rstp.emplace());
    else if (row.boolean("stp_enable").value_or(false))
      read_stp(other, bridge.stp.emplace());
  }
  template <typename Options>
  static void read_stp(const Options& other, l2::StpSettings& stp) {
    const auto seconds = [&](const char* key, Duration& time, std::uint32_t least, std::uint32_t most) {
      if (const auto value = number_of(other, key)) time = Duration::seconds(std::clamp(*value, least, most));
    };
    // IEEE 802.1D-1998 table 8-3.
    seconds("stp-hello-time", stp.hello, 1, 10);
    seconds("stp-max-age", stp.max_age, 6, 40);
    seconds("stp-forward-delay", stp.forward_delay, 4, 30);
    if (const auto priority = number_of(other, "stp-priority"))
      stp.priority = static_cast<std::uint16_t>(std::min<std::uint32_t>(*priority, 0xffff));
    stp.system = unicast_mac(option(other, "stp-system-id")).value_or(net::Mac{});
  }
  template <typename Options>
  static void read_rstp(const Options& other, l2::RstpSettings& rstp) {
    const auto number = [&](const char* key, unsigned& value, std::uint32_t least, std::uint32_t most) {
      if (const auto given = number_of(other, key); given && *given >= least && *given <= most)
        value = *given;
    };
    // IEEE 802.1D-2004 table 17-1.
    number("rstp-max-age", rstp.max_age, 6, 40);
    number("rstp-forward-delay", rstp.forward_delay, 4, 30);
    number("rstp-transmit-hold-count", rstp.transmit_hold_count, 1, 10);
    rstp.stp_only = option(other, "rstp-force-protocol-version") == "0";
    constexpr std::uint32_t kMost = 61'440, kSteps = 0xf000;
    if (const auto priority = number_of(other, "rstp-priority"); priority && *priority <= kMost)
      rstp.priority = static_cast<std::uint16_t>(*priority & kSteps);
    rstp.system = unicast_mac(option(other, "rstp-address")).value_or(net::Mac{});
  }
  /// @param rapid  whether the bridge speaks RSTP
  static TreePortConfig read_tree_port(const Row& row, bool rapid) {
    const auto other = row.text_map("other_config");
    TreePortConfig port;
    const std::string prefix = rapid ? "rstp-" : "stp-";
    port.enabled = option(other, prefix + "enable") != "false";
    const std::uint32_t most_number = rapid ? 4095 : 255, most_priority = rapid ? 240 : 255;
    if (const auto number = number_of(other, prefix + "port-num");
        number && *number >= 1 && *number <= most_number)
      port.number = static_cast<std::uint16_t>(*number);
    if (const auto priority = number_of(other, prefix + "port-priority");
        priority && *priority <= most_priority)
      port.priority = static_cast<std::uint8_t>(*priority);
    port.cost = number_of(other, prefix + "path-cost");
    port.admin_edge = ovsdb::is_true(other, "rstp-port-admin-edge");
    port.auto_edge = option(other, "rstp-port-auto-edge") != "false";
    port.mcheck = ovsdb::is_true(other, "rstp-port-mcheck");
    return port;
  }

  template <typename Options>
  void read_switching(const Row& row, const Options& other, BridgeConfig& bridge) {
    bridge.flood_vlans = vlan_set(row, "flood_vlans");
    bridge.forward_bpdu = ovsdb::is_true(other, "forward-bpdu");
    constexpr std::uint32_t kLeastAge = 15, kMostAge = 3600, kLeastEntries = 10, kMostEntries = 1'000'000;
    if (const auto age = number_of(other, "mac-aging-time"))
      bridge.macs.ageing = Duration::seconds(std::clamp(*age, kLeastAge, kMostAge));
    if (const auto entries = number_of(other, "mac-table-size"))
      bridge.macs.max_entries = std::clamp(*entries, kLeastEntries, kMostEntries);
    if (!row.boolean("mcast_snooping_enable").value_or(false)) return;
    MulticastConfig& multicast = bridge.multicast.emplace();
    multicast.forwarding.floods_unregistered =
        !ovsdb::is_true(other, "mcast-snooping-disable-flood-unregistered");
    if (const auto age = number_of(other, "mcast-snooping-aging-time"))
      multicast.table.ageing = Duration::seconds(std::clamp(*age, kLeastAge, kMostAge));
    if (const auto groups = number_of(other, "mcast-snooping-table-size"))
      multicast.table.max_groups = std::clamp(*groups, kLeastEntries, kMostEntries);
  }

  /// What the pipeline calls a port of the database: a bond by its own name, else by that of its interface.
  std::string bundle_name(const Uuid& id) const {
    const Row* port = replica_.find("Port", id);
    if (port == nullptr) return {};
    const auto interfaces = interfaces_of(*port);
    return (interfaces.size() == 1 ? *interfaces.front() : *port).text("name").value_or("");
  }

  void read_mirror(const Row& row, BridgeConfig& bridge) {
    pipeline::Mirror mirror;
    mirror.name = row.text("name").value_or("");
    if (bridge.mirrors.size() == pipeline::kMaxMirrors)
      return warn("bridge {}: mirror {} is one more than the {} that a bridge can have", bridge.name,
                  mirror.name, pipeline::kMaxMirrors);
    mirror.all_ports = row.boolean("select_all").value_or(false);
    for (const Uuid& id : row.references("select_src_port")) mirror.sources.push_back(bundle_name(id));
    for (const Uuid& id : row.references("select_dst_port")) mirror.destinations.push_back(bundle_name(id));
    mirror.vlans = vlan_set(row, "select_vlan");
    if (const auto id = row.reference("output_port")) mirror.output = bundle_name(*id);
    if (const auto vlan = row.integer("output_vlan"); vlan && mirror.output.empty())
      mirror.output_vlan = static_cast<std::uint16_t>(*vlan & 0xfff);
    if (const auto snaplen = row.integer("snaplen"))
      mirror.snaplen = static_cast<std::uint16_t>(std::clamp<std::int64_t>(*snaplen, 0, 0xffff));
    if (mirror.output.empty() && !mirror.output_vlan)
      return warn("bridge {}: mirror {} does not specify output; ignoring", bridge.name, mirror.name);
    bridge.mirrors.push_back(std::move(mirror));
  }

  void read_tables(const Row& row, BridgeConfig& bridge) {
    for (const auto& [number, id] : row.numbered_references("flow_tables")) {
      const Row* table = replica_.find("Flow_Table", id);
      if (table == nullptr || number < 0 || number > 254) continue;
      const auto key = static_cast<std::uint8_t>(number);
      if (const auto limit = table->integer("flow_limit")) bridge.table_limits[key] = clamp_u32(*limit);
      if (const auto text = table->text("name")) bridge.table_names[key] = *text;
      if (table->text("overflow_policy") == "evict") bridge.evicting_tables.insert(key);
      if (auto groups = table->texts("groups"); !groups.empty())
        bridge.eviction_groups[key] = std::move(groups);
    }
  }

  void read_controllers(const Row& row, BridgeConfig& bridge) {
    if (const auto versions = ofproto::parse_protocols(row.texts("protocols")))
      bridge.openflow_versions = *versions;
    else
      warn("bridge {}: protocols: {}", bridge.name, versions.error().message);
    std::map<std::string, ofproto::ControllerConfig> controllers;  // one of each target
    for (const Uuid& id : row.references("controller")) {
      const Row* found = replica_.find("Controller", id);
      if (found == nullptr) continue;
      ofproto::ControllerConfig controller;
      controller.target = found->text("target").value_or("");
      const auto number = [&](const char* column, std::uint32_t& value) {
        if (const auto given = found->integer(column)) value = clamp_u32(*given);
      };
      number("max_backoff", controller.max_backoff_ms);
      number("inactivity_probe", controller.inactivity_probe_ms);
      number("controller_rate_limit", controller.rate_limit);
      number("controller_burst_limit", controller.burst_limit);
      controller.queue_size = number_of(row.text_map("other_config"), "controller-queue-size").value_or(0);
      number("controller_queue_size", controller.queue_size);
      controller.async = found->boolean("enable_async_messages").value_or(true);
      if (const auto type = found->text("type")) controller.service = *type == "service";
      if (auto status = ofproto::check_controller(controller); !status)
        warn("bridge {}: {}", bridge.name, status.error().message);
      else
        controllers.emplace(controller.target, controller);
    }
    for (auto& [target, controller] : controllers) bridge.controllers.push_back(std::move(controller));
  }

  void read_ssl(const Row& row) {
    auto& ssl = result_.config.ssl;
    ssl.private_key = row.text("private_key").value_or("");
    ssl.certificate = row.text("certificate").value_or("");
    ssl.ca_cert = row.text("ca_cert").value_or("");
    ssl.bootstrap_ca_cert = row.boolean("bootstrap_ca_cert").value_or(false);
    if (!ssl.private_key.empty() && !ssl.certificate.empty() && !ssl.ca_cert.empty()) return;
    warn("SSL: expected private_key, certificate and ca_cert, all three");
    ssl = {};
  }

  void read_port(const Row& row, BridgeConfig& bridge) {
    const std::string port = row.text("name").value_or("");
    const auto interfaces = interfaces_of(row);
    PortConfig common;
    common.vlan = read_vlan(row);
    common.tree = read_tree_port(row, bridge.rstp.has_value());
    common.is_protected = row.boolean("protected").value_or(false);
    const auto other = row.text_map("other_config");
    common.wants_multicast = ovsdb::is_true(other, "mcast-snooping-flood");
    common.wants_reports = ovsdb::is_true(other, "mcast-snooping-flood-reports");
    const std::string lacp = row.text("lacp").value_or("off");
    if (interfaces.size() > 1 || lacp != "off") {
      common.bond = port;
      common.speaks_lacp = lacp != "off";
      read_bond(row, lacp, bridge);
    }
    const auto qos = row.reference("qos");
    const Row* const qos_row = qos ? replica_.find("QoS", *qos) : nullptr;
    common.qos = qos_row ? read_qos(*qos_row) : port::QosConfig();
    if (qos_row) common.queue_dscp = read_dscp(*qos_row);
    for (const Row* interface : interfaces) {
      if (interfaces.size() > 1 && interface->text("name") == bridge.name)
        refuse(*interface, fmt::format("port {}: the bridge's own interface can't be in a bond", port));
      else
        read_interface(*interface, common, bridge);
    }
  }

  port::QosConfig read_qos(const Row& row) {
    port::QosConfig qos;
    qos.type = row.text("type").value_or("");
    for (const auto& [key, value] : row.text_map("other_config")) qos.options.emplace(key, value);
    for (const auto& [number, id] : row.numbered_references("queues")) {
      const Row* found = replica_.find("Queue", id);
      if (found == nullptr || number < 0 || number >= port::kMaxQueues) continue;
      const auto other = found->text_map("other_config");
      const auto rate = [&](std::string_view key) -> std::optional<std::uint64_t> {
        const auto text = option(other, key);
        std::uint64_t value = 0;
        if (text) std::from_chars(text->data(), text->data() + text->size(), value);
        return value != 0 ? std::optional(value) : std::nullopt;
      };
      qos.queues[static_cast<std::uint32_t>(number)] = {.min_rate = rate("min-rate"),
                                                        .max_rate = rate("max-rate"),
                                                        .burst = rate("burst"),
                                                        .priority = number_of(other, "priority").value_or(0)};
    }
    return qos;
  }

  std::map<std::uint32_t, std::uint8_t> read_dscp(const Row& qos) {
    constexpr std::int64_t kMost = 63;
    std::map<std::uint32_t, std::uint8_t> marks;
    for (const auto& [number, id] : qos.numbered_references("queues"))
      if (const Row* queue = replica_.find("Queue", id); queue != nullptr && number >= 0)
        if (const auto dscp = queue->integer("dscp"); dscp && *dscp >= 0 && *dscp <= kMost)
          marks[clamp_u32(number)] = static_cast<std::uint8_t>(*dscp);
    return marks;
  }

  void read_bond(const Row& row, const std::string& lacp, BridgeConfig& bridge) {
    const auto other = row.text_map("other_config");
    BondConfig& bond = bridge.bonds.emplace_back();
    bond.name = row.text("name").value_or("");
    l2::BondSettings& settings = bond.settings;
    const std::string mode = row.text("bond_mode").value_or("active-backup");
    if (mode == "balance-slb") settings.mode = l2::BondMode::BalanceSlb;
    if (mode == "balance-tcp") settings.mode = l2::BondMode::BalanceTcp;
    const auto delay = [&](const char* column) {
      return Duration::milliseconds(clamp_u32(row.integer(column).value_or(0)));
    };
    settings.up_delay = delay("bond_updelay");
    settings.down_delay = delay("bond_downdelay");
    constexpr std::uint32_t kLeastInterval = 1000;
    if (const auto interval = number_of(other, "bond-rebalance-interval"))
      settings.rebalance = Duration::milliseconds(*interval == 0 ? 0 : std::max(*interval, kLeastInterval));
    settings.basis = number_of(other, "bond-hash-basis").value_or(0);
    settings.lacp_fallback = ovsdb::is_true(other, "lacp-fallback-ab");
    settings.all_members_active = ovsdb::is_true(other, "all-members-active");
    settings.primary = option(other, "bond-primary").value_or("");
    settings.last_active = unicast_mac(row.text("bond_active_slave")).value_or(net::Mac{});
    if (ovsdb::is_true(other, "lb-output-action"))
      warn("port {}: other_config:lb-output-action has no effect: packets are always spread by recirculation",
           bond.name);
    if (lacp == "off") return;
    l2::LacpSettings& speaks = bond.lacp.emplace();
    speaks.active = lacp == "active";
    speaks.fast = option(other, "lacp-time") == "fast";
    speaks.falls_back = settings.lacp_fallback;
    speaks.system = unicast_mac(option(other, "lacp-system-id")).value_or(net::Mac{});
    if (const auto priority = number_u16(other, "lacp-system-priority")) speaks.system_priority = *priority;
    for (const Row* interface : interfaces_of(row))
      if (const auto key = number_u16(interface->text_map("other_config"), "lacp-aggregation-key"))
        speaks.key = *key;
  }

  /// From 1 on.
  template <typename Options>
  static std::optional<std::uint16_t> number_u16(const Options& options, std::string_view key) {
    const auto value = number_of(options, key);
    return value && *value != 0 && *value <= 0xffff ? std::optional(static_cast<std::uint16_t>(*value))
                                                    : std::nullopt;
  }

  static l2::VlanConfig read_vlan(const Row& row) {
    l2::VlanConfig vlan;
    const auto tag = row.integer("tag");
    const auto mode = row.text("vlan_mode").value_or(tag ? "access" : "trunk");
    if (mode == "access") vlan.mode = l2::VlanMode::Access;
    if (mode == "native-tagged") vlan.mode = l2::VlanMode::NativeTagged;
    if (mode == "native-untagged") vlan.mode = l2::VlanMode::NativeUntagged;
    if (mode == "dot1q-tunnel") vlan.mode = l2::VlanMode::Tunnel;
    if (vlan.mode != l2::VlanMode::Trunk) vlan.tag = static_cast<std::uint16_t>(tag.value_or(0) & 0xfff);
    vlan.trunks = vlan_set(row, "trunks");
    vlan.customers = vlan_set(row, "cvlans");
    const auto other = row.text_map("other_config");
    if (option(other, "qinq-ethtype") == "802.1q") vlan.tunnel_type = 0x8100;
    // A native VLAN is carried even if the list of trunks forgot it.
    const bool native = vlan.mode == l2::VlanMode::NativeTagged || vlan.mode == l2::VlanMode::NativeUntagged;
    if (native && vlan.trunks.any()) vlan.trunks.set(vlan.tag);
    const auto priority_tags = option(other, "priority-tags");
    vlan.priority_tags =
        priority_tags == "true" || priority_tags == "if-nonzero" || priority_tags == "always";
    return vlan;
  }

  static Policing read_policing(const Row& row) {
    const auto value = [&](const char* column) { return clamp_u32(row.integer(column).value_or(0)); };
    return {.kbps = value("ingress_policing_rate"),
            .burst_kb = value("ingress_policing_burst"),
            .kpps = value("ingress_policing_kpkts_rate"),
            .burst_kpackets = value("ingress_policing_kpkts_burst")};
  }

  /// @param common  what the interfaces of a port share
  void read_interface(const Row& row, const PortConfig& common, BridgeConfig& bridge) {
    const std::string name = row.text("name").value_or("");
    const auto mtu = row.integer("mtu_request");
    if (name == bridge.name) {
      bridge.local_vlan = common.vlan;
      bridge.local_protected = common.is_protected;
      if (mtu) bridge.local_mtu = clamp_u32(*mtu);
      if (!bridge.mac) bridge.mac = unicast_mac(row.text("mac"));
      return;
    }
    PortConfig port = common;
    port.name = name;
    const auto other = row.text_map("other_config");
    port.lacp_number = number_u16(other, "lacp-port-id");
    port.lacp_priority = number_u16(other, "lacp-port-priority");
    port.policing = read_policing(row);
    const bool dummy_bridge = bridge.local == LocalPort::Dummy;
    if (auto fault = interface_fault(row, port, dummy_bridge); !fault.empty())
      return refuse(row, std::move(fault));
    names_.insert(name);
    if (const auto wish = row.integer("ofport_request")) port.number_wish = clamp_u32(*wish);
    if (const auto before = row.integer("ofport"); before && *before >= 1 && *before <= 0xfeff)
      port.number_before = clamp_u32(*before);
    if (mtu) port.mtu = clamp_u32(*mtu);
    bridge.ports.push_back(std::move(port));
  }

  /// Sets what goes with the type; a sentence if the interface can't be had.
  std::string interface_fault(const Row& row, PortConfig& port, bool dummy_bridge) {
    const std::string type = row.text("type").value_or("");
    const auto options = row.text_map("options");
    if (bridges_.contains(port.name)) return open_fault(port.name, "the name is that of a bridge");
    if (names_.contains(port.name)) return open_fault(port.name, "another port has it already");

    if (type == "patch") {
      const auto peer = option(options, "peer");
      if (!peer) return fmt::format("{}: patch type requires valid 'peer' argument", port.name);
      if (*peer == port.name) return fmt::format("{}: patch peer must not be self", port.name);
      port.type = "patch";
      port.options["peer"] = *peer;
      return {};
    }
    if (std::find(kTunnelTypes.begin(), kTunnelTypes.end(), type) != kTunnelTypes.end())
      return options.contains("remote_ip")
                 ? open_fault(port.name, fmt::format("tunnels, here of type {}, are not supported yet", type))
                 : fmt::format("{}: {} type requires valid 'remote_ip' argument", port.name, type);
    if (type.starts_with("dpdk") || type.starts_with("afxdp"))
      return open_fault(port.name, fmt::format("type {} is not supported yet", type));

    if (type == "internal" && dummy_bridge) return make_dummy(row, port, "dummy-internal");
    if (stands_in(type)) {
      port.options["as"] = type.empty() ? "system" : type;
      return make_dummy(row, port, "dummy");
    }
    if (type.empty() || type == "system") {
      port.type = "system";
      const bool exists = name_fault(port.name, true).empty() && environment_.interface_exists(port.name);
      result_.system_interfaces[port.name] = exists;
      return exists ? std::string() : open_fault(port.name, kNoDevice);
    }
    if (type == "internal" || type == "tap") {
      if (const auto fault = name_fault(port.name, true); !fault.empty())
        return open_fault(port.name, "the name " + fault);
      port.type = type;
      port.options["up"] = "false";
      if (type == "internal") port.mac = unicast_mac(row.text("mac"));
      return {};
    }
    const bool dummy = type == "dummy" || type == "dummy-internal" || type == "dummy-pmd";
    if (!dummy || !environment_.dummy) return open_fault(port.name, kNoType);
    return make_dummy(row, port, type);
  }

  static std::string make_dummy(const Row& row, PortConfig& port, const std::string& type) {
    if (const auto fault = name_fault(port.name, false); !fault.empty())
      return open_fault(port.name, "the name " + fault);
    port.type = type;
    const auto options = row.text_map("options");
    for (const char* key : {"n_rxq", "pcap", "pstream", "rxq_pcap", "stream", "tx_pcap"})
      if (auto value = option(options, key)) port.options[key] = *value;
    // The same after a restart, and no other port's.
    const auto& id = row.id().bytes;
    net::Mac mac;
    mac.bytes = {0xaa, 0x55, id[0], id[1], id[2], id[3]};
    port.options["mac"] = net::format_mac(unicast_mac(row.text("mac")).value_or(mac));
    return {};
  }

  void read_datapath(const Row& row) {
    auto& conntrack = result_.config.conntrack;
    if (const auto limit = row.integer("ct_zone_default_limit")) {
      conntrack.default_zone_limit = clamp_u32(*limit);
      conntrack.limits_are_fixed = true;
    }
    for (const auto& [number, id] : row.numbered_references("ct_zones")) {
      const Row* zone = replica_.find("CT_Zone", id);
      if (zone == nullptr || number < 0 || number > 0xffff) continue;
      const auto key = static_cast<std::uint16_t>(number);
      if (const auto limit = zone->integer("limit")) {
        conntrack.zone_limits[key] = clamp_u32(*limit);
        conntrack.limits_are_fixed = true;
      }
      const auto policy_id = zone->reference("timeout_policy");
      const Row* policy = policy_id ? replica_.find("CT_Timeout_Policy", *policy_id) : nullptr;
      if (policy == nullptr) continue;
      conntrack::TimeoutPolicy timeouts;
      for (const auto& [name, seconds] : policy->integer_map("timeouts"))
        if (const auto timeout = conntrack::find_timeout(name)) timeouts[*timeout] = clamp_u32(seconds);
      conntrack.timeouts[key] = timeouts;
    }
  }

  const Replica& replica_;
  const DatabaseEnvironment& environment_;
  DatabaseConfig result_;
  std::map<std::string, const Row*> bridges_;
  std::set<std::string> names_;  ///< of ports so far
};

}  // namespace

std::string open_fault(const std::string& name, std::string_view why) {
  return fmt::format("could not open network device {} ({})", name, why);
}

ovsdb::Wanted database_columns() {
  ovsdb::Wanted all = read_columns();
  for (const auto& [table, columns] : written_columns()) all[table].insert(columns.begin(), columns.end());
  return all;
}

bool concerns_configuration(const ovsdb::Changes& changes) {
  return std::any_of(changes.begin(), changes.end(), [](const ovsdb::Change& change) {
    if (change.kind != ovsdb::Change::Kind::Modify) return true;
    const auto table = read_columns().find(change.table);
    return table != read_columns().end() &&
           std::any_of(change.columns.begin(), change.columns.end(),
                       [&](const std::string& column) { return table->second.contains(column); });
  });
}

DatabaseConfig read_database(const ovsdb::Replica& replica, const DatabaseEnvironment& environment) {
  return Reader(replica, environment).read();
}

}  // namespace sluice::bridge
