#include "bridge/database_status.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "bridge/bonds.h"
#include "bridge/capabilities.h"
#include "bridge/spanning_tree.h"
#include "port/interface.h"

namespace sluice::bridge {

namespace {

using ovsdb::Atom;
using ovsdb::Datum;
using ovsdb::Row;

constexpr const char* kVersionText = "<built-in>";

Datum optional_text(const std::string& text) {
  return text.empty() ? Datum() : Datum(text);
}

Datum text_set(const std::vector<std::string>& texts) {
  return ovsdb::make_set({texts.begin(), texts.end()});
}

Datum text_map(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::vector<std::pair<Atom, Atom>> atoms;
  for (const auto& [key, value] : pairs) atoms.emplace_back(key, value);
  return ovsdb::make_map(std::move(atoms));
}

std::pair<Atom, Atom> counter(const char* name, std::uint64_t value) {
  return {std::string(name), static_cast<std::int64_t>(value)};
}

/// @param device  null: there is no kernel interface
Datum statistics_of(const datapath::PortInfo& port, const port::DeviceCounters* device) {
  std::vector<std::pair<Atom, Atom>> all = {
      counter("rx_packets", port.rx_packets), counter("rx_bytes", port.rx_bytes),
      counter("tx_packets", port.tx_packets), counter("tx_bytes", port.tx_bytes)};
  if (port.type != "patch")
    all.insert(all.end(), {counter("rx_dropped", port.rx_dropped), counter("rx_errors", port.rx_errors),
                           counter("tx_dropped", port.tx_dropped), counter("tx_errors", port.tx_errors)});
  if (device != nullptr)
    all.insert(
        all.end(),
        {counter("rx_multicast_packets", device->rx_multicast), counter("collisions", device->collisions),
         counter("rx_over_err", device->rx_over_errors), counter("rx_crc_err", device->rx_crc_errors),
         counter("rx_frame_err", device->rx_frame_errors),
         counter("rx_missed_errors", device->rx_missed_errors)});
  return ovsdb::make_map(std::move(all));
}

Datum capabilities() {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& capability : kCapabilities)
    pairs.emplace_back(capability.key, capability.is_number ? std::to_string(capability.value)
                                                            : (capability.value != 0 ? "true" : "false"));
  // Of the database alone: ovs-appctl does not show them.
  pairs.emplace_back("ct_flush", "true");
  pairs.emplace_back("psample", "false");
  return text_map(pairs);
}

/// "8000.3aac03319742"
std::string format_bridge_id(std::uint64_t id) {
  return fmt::format("{:04x}.{:012x}", id >> 48, id & 0xffffffffffff);
}

/// "8.000.3aac03319742": priority, system id extension, address.
std::string format_rapid_id(std::uint64_t id) {
  return fmt::format("{:x}.{:03x}.{:012x}", id >> 60, id >> 48 & 0xfff, id & 0xffffffffffff);
}

Datum rapid_tree_of(const Switch& device, const ofproto::Ofproto& bridge) {
  const auto* rstp = device.tree(bridge).rstp();
  if (rstp == nullptr) return {};
  return text_map({{"rstp_bridge_id", format_rapid_id(rstp->bridge_id())},
                   {"rstp_bridge_port_id", fmt::format("{:04x}", rstp->root_port_id())},
                   {"rstp_designated_id", format_rapid_id(rstp->designated_id())},
                   {"rstp_designated_port_id", fmt::format("{:04x}", rstp->designated_port_id())},
                   {"rstp_root_id", format_rapid_id(rstp->root_id())},
                   {"rstp_root_path_cost", std::to_string(rstp->root_cost())}});
}

Datum tree_of(const Switch& device, const ofproto::Ofproto& bridge) {
  const auto* stp = device.tree(bridge).stp();
  if (stp == nullptr) return {};
  return text_map({{"stp_bridge_id", format_bridge_id(stp->bridge_id())},
                   {"stp_designated_root", format_bridge_id(stp->root_id())},
                   {"stp_root_path_cost", std::to_string(stp->root_cost())}});
}

bool has_kernel_interface(const PortStatus& port) {
  return port.type == "system" || port.type == "internal" || port.type == "tap";
}

/// What the device of a port looks like from outside; of one without a kernel interface what the datapath
/// knows.
port::InterfaceFacts facts_of(const PortStatus& port) {
  const bool kernel = has_kernel_interface(port);
  if (kernel)
    if (auto facts = port::interface_facts(port.name)) return *facts;
  port::InterfaceFacts facts;
  facts.mac = port.datapath->mac;
  facts.mtu = port.datapath->mtu;
  facts.link_up = port.datapath->link_up;
  facts.admin_up = !kernel && port.datapath->link_up;  // a dummy has no other reason to be without link
  return facts;
}

}  // namespace

/// Collects what differs.
class DatabaseStatus::Writer {
 public:
  explicit Writer(const ovsdb::Replica& replica) : replica_(replica) {}

  void set(std::string_view table, const Row& row, const char* column, Datum value) {
    const Datum* now = row.find(column);
    if (now == nullptr || *now == value) return;  // an older database has no such column
    const auto& schema = replica_.schema().tables.find(table)->second;
    const bool is_map = schema.columns[*schema.find(column)].type.value.has_value();
    transaction.update(table, row.id(), column, {std::move(value), is_map});
  }

  /// Asked for once, when somebody wants to know.
  const port::DeviceCounters* device(const PortStatus& port) {
    if (!has_kernel_interface(port)) return nullptr;
    if (!devices_) devices_ = port::device_counters();
    const auto found = devices_->find(port.name);
    return found == devices_->end() ? nullptr : &found->second;
  }

  ovsdb::Transaction transaction;

 private:
  std::optional<std::map<std::string, port::DeviceCounters>> devices_;
  const ovsdb::Replica& replica_;
};

ovsdb::Transaction DatabaseStatus::update(const ovsdb::Replica& replica, const Switch& device,
                                          const DatabaseConfig& config, const DatabaseReport& report) {
  Writer writer(replica);
  const Row* root = replica.only("Open_vSwitch");
  if (root == nullptr) return {};

  for (const auto& bridge_id : root->references("bridges")) {
    const Row* bridge = replica.find("Bridge", bridge_id);
    if (bridge == nullptr) continue;
    const std::string name = bridge->text("name").value_or("");
    if (device.find_bridge(name) != nullptr) {
      writer.set("Bridge", *bridge, "datapath_id", fmt::format("{:016x}", device.datapath_id(name)));
      writer.set("Bridge", *bridge, "datapath_version", kVersionText);
      writer.set("Bridge", *bridge, "status", tree_of(device, *device.find_bridge(name)));
      writer.set("Bridge", *bridge, "rstp_status", rapid_tree_of(device, *device.find_bridge(name)));
    }
    if (const auto* ofproto = device.find_bridge(name))
      if (const auto* connections = device.connections(*ofproto))
        write_controllers(writer, replica, *bridge, connections->status(), report);
    if (const auto* ofproto = device.find_bridge(name); ofproto && report.statistics)
      for (const auto& id : bridge->references("mirrors"))
        if (const Row* mirror = replica.find("Mirror", id)) write_mirror(writer, *mirror, *ofproto);
    if (report.interfaces.empty() && !report.statistics) continue;
    for (const auto& port_id : bridge->references("ports")) {
      const Row* port = replica.find("Port", port_id);
      if (port == nullptr) continue;
      for (const Bonds* bonds : device.bonds())
        if (const auto* bond = bonds->find(port->text("name").value_or("")); bond && bond->bonded())
          writer.set("Port", *port, "bond_active_slave",
                     bond->bond.active() ? Datum(net::format_mac(bond->bond.active()->mac)) : Datum());
      for (const auto& interface_id : port->references("interfaces")) {
        const Row* interface = replica.find("Interface", interface_id);
        if (interface == nullptr) continue;
        if (!report.statistics && !report.interfaces.covers(*interface)) continue;
        const auto status = device.port(name, interface->text("name").value_or(""));
        if (status) {
          write_stp_port(writer, *port, *status, report);
          write_rstp_port(writer, *port, *status, report);
        }
        const auto refused = config.refused.find(interface_id);
        write_interface(writer, *interface, refused == config.refused.end() && status ? &*status : nullptr,
                        refused != config.refused.end() ? refused->second
                        : status                        ? status->error
                                                        : "",
                        report);
      }
    }
  }
  for (const auto& [type, id] : root->named_references("datapaths"))
    if (const Row* row = replica.find("Datapath", id)) write_datapath(writer, *row);
  write_switch(writer, *root, replica.schema().version, report);
  return std::move(writer.transaction);
}

void DatabaseStatus::write_switch(Writer& writer, const Row& row, const std::string& schema_version,
                                  const DatabaseReport& report) {
  const auto set = [&](const char* column, Datum value) {
    writer.set("Open_vSwitch", row, column, std::move(value));
  };
  std::vector<std::string> datapath_types = {"netdev", "system"};
  std::vector<std::string> interface_types = {"internal", "patch", "system", "tap"};
  if (report.dummy) {
    datapath_types.push_back("dummy");
    interface_types.insert(interface_types.end(), {"dummy", "dummy-internal", "dummy-pmd"});
  }
  set("datapath_types", text_set(datapath_types));
  set("iface_types", text_set(interface_types));
  set("dpdk_initialized", false);
  set("dpdk_version", "none");
  set("statistics", text_map(report.host));
  // Of these a starting script knows better (ovs-ctl): they are filled in only where nobody did.
  const auto set_if_empty = [&](const char* column, const std::string& value) {
    if (const Datum* now = row.find(column); now != nullptr && now->keys.empty())
      set(column, optional_text(value));
  };
  set_if_empty("ovs_version", report.version);
  set_if_empty("db_version", schema_version);
  set_if_empty("system_type", report.system_type);
  set_if_empty("system_version", report.system_version);
  if (report.applied_cfg) set("cur_cfg", *report.applied_cfg);
}

void DatabaseStatus::write_stp_port(Writer& writer, const Row& row, const PortStatus& port,
                                    const DatabaseReport& report) {
  if (!port.stp) {
    writer.set("Port", row, "status", {});
    writer.set("Port", row, "statistics", {});
    return;
  }
  const auto& tree = *port.stp;
  // Seconds go on all the time: they are written with the counters, or when something happened.
  const auto before = row.text_map("status");
  const auto state = before.find("stp_state");
  const auto role = before.find("stp_role");
  const bool news = state == before.end() || role == before.end() ||
                    state->second != stp_state_name(tree.state) || role->second != stp_role_name(tree.role);
  if (!news && !report.statistics) return;
  writer.set("Port", row, "status",
             text_map({{"stp_port_id", std::to_string(tree.id)},
                       {"stp_state", std::string(stp_state_name(tree.state))},
                       {"stp_sec_in_state", std::to_string(tree.seconds_in_state)},
                       {"stp_role", std::string(stp_role_name(tree.role))}}));
  writer.set("Port", row, "statistics",
             ovsdb::make_map({counter("stp_tx_count", tree.sent), counter("stp_rx_count", tree.received),
                              counter("stp_error_count", tree.errors)}));
}

void DatabaseStatus::write_rstp_port(Writer& writer, const Row& row, const PortStatus& port,
                                     const DatabaseReport& report) {
  if (!port.rstp) {
    writer.set("Port", row, "rstp_status", {});
    writer.set("Port", row, "rstp_statistics", {});
    return;
  }
  const auto& tree = *port.rstp;
  writer.set("Port", row, "rstp_status",
             text_map({{"rstp_designated_bridge_id", format_rapid_id(tree.designated_bridge)},
                       {"rstp_designated_path_cost", std::to_string(tree.designated_cost)},
                       {"rstp_designated_port_id", fmt::format("{:04x}", tree.designated_port)},
                       {"rstp_port_id", fmt::format("{:04x}", tree.id)},
                       {"rstp_port_role", std::string(rstp_role_name(tree.role))},
                       {"rstp_port_state", std::string(rstp_state_name(tree.state))}}));
  if (!report.statistics) return;
  writer.set("Port", row, "rstp_statistics",
             ovsdb::make_map({counter("rstp_error_count", tree.errors),
                              counter("rstp_rx_count", tree.received),
                              counter("rstp_tx_count", tree.sent),
                              {std::string("rstp_uptime"), tree.seconds_up}}));
}

void DatabaseStatus::write_mirror(Writer& writer, const Row& row, const ofproto::Ofproto& bridge) {
  for (const auto& mirror : bridge.pipeline().mirrors())
    if (mirror.name == row.text("name"))
      writer.set("Mirror", row, "statistics",
                 ovsdb::make_map({counter("tx_packets", mirror.copied->packets()),
                                  counter("tx_bytes", mirror.copied->bytes())}));
}

void DatabaseStatus::write_datapath(Writer& writer, const Row& row) {
  writer.set("Datapath", row, "capabilities", capabilities());
  writer.set("Datapath", row, "datapath_version", kVersionText);
}

void DatabaseStatus::write_controllers(Writer& writer, const ovsdb::Replica& replica, const Row& bridge,
                                       const std::vector<ofproto::ControllerStatus>& controllers,
                                       const DatabaseReport& report) {
  for (const auto& id : bridge.references("controller")) {
    const Row* row = replica.find("Controller", id);
    if (row == nullptr) continue;
    const auto found = std::find_if(controllers.begin(), controllers.end(), [&](const auto& controller) {
      return row->text("target") == controller.target;
    });
    if (found != controllers.end()) {
      write_controller(writer, *row, *found, report);
      continue;
    }
    writer.set("Controller", *row, "is_connected", false);
    for (const char* column : {"role", "status"}) writer.set("Controller", *row, column, {});
  }
}

void DatabaseStatus::write_controller(Writer& writer, const Row& row,
                                      const ofproto::ControllerStatus& controller,
                                      const DatabaseReport& report) {
  const auto set = [&](const char* column, Datum value) {
    writer.set("Controller", row, column, std::move(value));
  };
  // Seconds go on all the time: they are written with the counters, or when something happened.
  const auto before = row.text_map("status");
  const auto state = before.find("state");
  const bool news = state == before.end() || state->second != controller.state ||
                    row.boolean("is_connected") != controller.is_connected;
  set("is_connected", controller.is_connected);
  if (controller.target.starts_with('p') && !controller.is_connected) {  // it waits for whoever comes
    set("role", {});
    set("status", {});
    return;
  }
  set("role", optional_text(controller.role));
  if (!news && !report.statistics) return;
  std::vector<std::pair<std::string, std::string>> status = {{"state", controller.state}};
  if (!controller.last_error.empty()) status.emplace_back("last_error", controller.last_error);
  if (controller.seconds_since_connect)
    status.emplace_back("sec_since_connect", std::to_string(*controller.seconds_since_connect));
  if (controller.seconds_since_disconnect)
    status.emplace_back("sec_since_disconnect", std::to_string(*controller.seconds_since_disconnect));
  const auto add_pacing = [&](const char* type, const auto& pacing) {
    if (!pacing) return;
    const auto add = [&](const char* what, std::uint64_t value) {
      status.emplace_back(fmt::format("packet-in-{}-{}", type, what), std::to_string(value));
    };
    add("backlog", pacing->backlog);
    add("bypassed", pacing->counters.bypassed);
    add("dropped", pacing->counters.dropped);
    add("queued", pacing->counters.queued);
  };
  add_pacing("miss", controller.miss);
  add_pacing("action", controller.action);
  set("status", text_map(status));
}

void DatabaseStatus::write_interface(Writer& writer, const Row& row, const PortStatus* port,
                                     const std::string& error, const DatabaseReport& report) {
  const auto set = [&](const char* column, Datum value) {
    writer.set("Interface", row, column, std::move(value));
  };
  set("error", optional_text(error));
  const std::string name = row.text("name").value_or("");
  if (port == nullptr || !port->number || !port->datapath) {
    constexpr std::int64_t kFailed = -1;
    set("ofport", error.empty() ? Datum() : Datum(kFailed));
    for (const char* column : {"mac_in_use", "ifindex", "mtu", "admin_state", "link_state", "link_speed",
                               "duplex", "lacp_current", "link_resets", "status", "statistics"})
      set(column, {});
    links_.erase(name);
    return;
  }
  const auto facts = facts_of(*port);
  const auto up_down = [](bool up) { return up ? "up" : "down"; };
  set("ofport", static_cast<std::int64_t>(port->number == action::of_port::kLocal ? 65534 : *port->number));
  set("lacp_current", port->lacp_current ? Datum(*port->lacp_current) : Datum());
  set("mac_in_use", net::format_mac(facts.mac));
  set("ifindex", static_cast<std::int64_t>(facts.index));
  set("mtu", facts.mtu ? Datum(static_cast<std::int64_t>(facts.mtu)) : Datum());  // a patch port has none
  set("admin_state", up_down(facts.admin_up));
  set("link_state", up_down(facts.link_up));
  set("link_speed",
      facts.bits_per_second ? Datum(static_cast<std::int64_t>(*facts.bits_per_second)) : Datum());
  set("duplex", facts.full_duplex ? Datum(*facts.full_duplex ? "full" : "half") : Datum());
  const auto [link, is_new] = links_.try_emplace(name, Link{facts.link_up, 0});
  if (!is_new && link->second.up != facts.link_up) link->second = {facts.link_up, link->second.resets + 1};
  set("link_resets", link->second.resets);
  set("status", facts.driver_name.empty() ? Datum()
                                          : text_map({{"driver_name", facts.driver_name},
                                                      {"driver_version", facts.driver_version},
                                                      {"firmware_version", facts.firmware_version}}));
  const Datum* counters = row.find("statistics");
  if (report.statistics || (counters != nullptr && counters->keys.empty()))
    set("statistics", statistics_of(*port->datapath, writer.device(*port)));
}

std::int64_t statistics_interval_ms(const ovsdb::Replica& replica) {
  constexpr std::int64_t kLeast = 5000;
  const Row* root = replica.only("Open_vSwitch");
  if (root == nullptr) return kLeast;
  const auto options = root->text_map("other_config");
  const auto found = options.find("stats-update-interval");
  if (found == options.end()) return kLeast;
  std::int64_t interval = 0;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), interval);
  return std::max(interval, kLeast);
}

}  // namespace sluice::bridge
