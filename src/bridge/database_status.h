// What a switch reports into an Open_vSwitch database: the columns that ovs-vsctl and controllers read,
// compared with what is there, so that only what differs is written.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bridge/database_config.h"
#include "bridge/switch.h"
#include "ovsdb/transaction.h"

namespace sluice::bridge {

/// The interfaces that may differ from what their rows say: the others are not looked at.
struct InterfaceScope {
  bool all = false;
  std::set<std::string> names;
  std::set<ovsdb::Uuid> rows;

  bool covers(const ovsdb::Row& interface) const {
    return all || rows.contains(interface.id()) || names.contains(interface.text("name").value_or(""));
  }
  bool empty() const { return !all && names.empty() && rows.empty(); }
};

struct DatabaseReport {
  /// Open_vSwitch.next_cfg that the switch is made of by now: becomes cur_cfg, which ovs-vsctl waits for.
  std::optional<std::int64_t> applied_cfg;
  InterfaceScope interfaces;
  bool statistics = false;  ///< counters of all interfaces as well
  bool dummy = false;       ///< --enable-dummy
  std::string version, system_type, system_version;
  /// Open_vSwitch.statistics: of the machine, as far as anybody wants it.
  std::vector<std::pair<std::string, std::string>> host;
};

class DatabaseStatus {
 public:
  /// Empty if all is as it should be.
  ovsdb::Transaction update(const ovsdb::Replica& replica, const Switch& device, const DatabaseConfig& config,
                            const DatabaseReport& report);

 private:
  class Writer;
  struct Link {
    bool up = false;
    std::int64_t resets = 0;  ///< how often it went up or down since it was first seen
  };

  void write_switch(Writer& writer, const ovsdb::Row& row, const std::string& schema_version,
                    const DatabaseReport& report);
  void write_stp_port(Writer& writer, const ovsdb::Row& row, const PortStatus& port,
                      const DatabaseReport& report);
  void write_rstp_port(Writer& writer, const ovsdb::Row& row, const PortStatus& port,
                       const DatabaseReport& report);
  void write_mirror(Writer& writer, const ovsdb::Row& row, const ofproto::Ofproto& bridge);
  void write_datapath(Writer& writer, const ovsdb::Row& row);
  void write_controllers(Writer& writer, const ovsdb::Replica& replica, const ovsdb::Row& bridge,
                         const std::vector<ofproto::ControllerStatus>& controllers,
                         const DatabaseReport& report);
  void write_controller(Writer& writer, const ovsdb::Row& row, const ofproto::ControllerStatus& controller,
                        const DatabaseReport& report);
  void write_interface(Writer& writer, const ovsdb::Row& row, const PortStatus* port,
                       const std::string& error, const DatabaseReport& report);

  std::map<std::string, Link> links_;  ///< by interface
};

/// Milliseconds between two writes of statistics: other_config:stats-update-interval, 5000 or more.
std::int64_t statistics_interval_ms(const ovsdb::Replica& replica);

}  // namespace sluice::bridge
