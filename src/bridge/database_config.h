// What the rows of an Open_vSwitch database want the switch to be (ovs-vswitchd.conf.db(5)): rows ->
// SwitchConfig. Pure: rows and a question about interfaces in, a value out. The value is always a sound
// configuration: what a row asks for and can't be had is left out of it and told, so that one bad row harms
// no other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bridge/config.h"
#include "ovsdb/replica.h"
#include "ovsdb/schema.h"

namespace sluice::bridge {

struct DatabaseEnvironment {
  SwitchConfig base;          ///< what the database does not say: workers, directories
  bool dummy = false;         ///< datapath and interface types for tests: --enable-dummy
  bool dummy_system = false;  ///< type system is one of them, too: --enable-dummy=system
  bool dummy_all = false;     ///< every type that makes a device is: --enable-dummy=override
  /// Whether a network interface of this name exists.
  std::function<bool(const std::string&)> interface_exists;
};

struct DatabaseConfig {
  SwitchConfig config;
  /// Interfaces that are not in the configuration and why, as ovs-vsctl is to show it.
  std::map<ovsdb::Uuid, std::string> refused;
  /// Interfaces of type system and whether they existed.
  std::map<std::string, bool> system_interfaces;
  /// What the database asks for and is left undone, a sentence each.
  std::vector<std::string> warnings;
};

/// Every column that a switch reads or writes.
ovsdb::Wanted database_columns();
/// Whether a change is one of what the switch shall be, not only of what it reported.
bool concerns_configuration(const ovsdb::Changes& changes);

DatabaseConfig read_database(const ovsdb::Replica& replica, const DatabaseEnvironment& environment);

/// "could not open network device eth7 (No such device)", as ovs-vswitchd says it.
std::string open_fault(const std::string& name, std::string_view why);

}  // namespace sluice::bridge
