// What a switch shall be: bridges, ports, flows, limits. A value, made from a TOML file or from command line
// options, and compared with what runs by Switch::reconcile(). Nothing here opens anything.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "conntrack/strictness.h"
#include "conntrack/timeout.h"
#include "io/tls.h"
#include "l2/bond.h"
#include "l2/lacp.h"
#include "l2/mac_table.h"
#include "l2/multicast_table.h"
#include "l2/rstp.h"
#include "l2/stp.h"
#include "l2/vlan.h"
#include "net/address.h"
#include "ofproto/connections_config.h"
#include "pipeline/port_table.h"
#include "port/qos.h"

namespace sluice::bridge {

/// How much a port may receive; 0: unlimited (ovs-vswitchd.conf.db(5), ingress_policing_*).
struct Policing {
  std::uint32_t kbps = 0, burst_kb = 0;        ///< thousands of bits; a burst of 0: 8000
  std::uint32_t kpps = 0, burst_kpackets = 0;  ///< thousands of packets; a burst of 0: 16

  bool operator==(const Policing&) const = default;
};

/// A port's part in a spanning tree.
struct TreePortConfig {
  bool enabled = true;
  std::uint8_t priority = 128;
  std::optional<std::uint16_t> number;
  std::optional<std::uint32_t> cost;  ///< absent: by the speed of the link
  // Of RSTP.
  bool admin_edge = false, auto_edge = true, mcheck = false;

  bool operator==(const TreePortConfig&) const = default;
};

/// One interface of a bridge.
struct PortConfig {
  std::string name;
  std::string type = "system";  ///< system, internal, tap, patch (option peer), pcap, dummy
  std::optional<std::uint32_t>
      number;  ///< OpenFlow port; absent: the lowest free one, in the order of the file
  std::map<std::string, std::string> options;
  /// Wishes, when `number` is absent: a number that is moved to as soon as it is free, and one that is taken
  /// if it is free when the port is opened.
  std::optional<std::uint32_t> number_wish, number_before;
  // Of a kernel interface, changed while it is open; absent: left as they are.
  std::optional<net::Mac> mac;
  std::optional<std::uint32_t> mtu;
  l2::VlanConfig vlan;        ///< for NORMAL
  std::string bond;           ///< that it is a member of; empty: of none
  bool is_protected = false;  ///< NORMAL does not forward between protected ports
  Policing policing;
  bool speaks_lacp = false;
  bool wants_multicast = false, wants_reports = false;  ///< with multicast snooping: all of them
  TreePortConfig tree;
  std::optional<std::uint16_t> lacp_number, lacp_priority;
  std::map<std::uint32_t, std::uint8_t> queue_dscp;  ///< of IP packets that leave by a queue
  std::optional<port::QosConfig> qos;                ///< of what is sent; absent: the operator's

  bool operator==(const PortConfig&) const = default;
};

/// Multicast snooping of a bridge.
struct MulticastConfig {
  pipeline::BridgeConfig::Multicast forwarding;
  l2::MulticastTable::Config table;

  bool operator==(const MulticastConfig&) const = default;
};

/// What ports are that name it as their bond.
struct BondConfig {
  std::string name;
  l2::BondSettings settings;
  std::optional<l2::LacpSettings> lacp;  ///< absent: not spoken

  bool operator==(const BondConfig&) const = default;
};

/// What a bridge does with packets before anything told it what to do (ovs-vswitchd.conf.db(5), fail_mode).
enum class FailMode : std::uint8_t {
  Secure,      ///< no flow: all packets are dropped
  Standalone,  ///< one flow of priority 0: NORMAL; with controllers, once none of them answers
};

/// The OpenFlow port LOCAL, named like the bridge.
enum class LocalPort : std::uint8_t { None, Internal, Dummy };

/// Which number a port gets that asks for none.
enum class Numbering : std::uint8_t {
  LowestFree,  ///< in the order of the configuration, those that can't be opened yet as well
  CountUp,     ///< the next one after the last that was given, so that a number is not soon another port's
};

struct BridgeConfig {
  std::string name;
  LocalPort local = LocalPort::Internal;
  bool local_up = true;  ///< bring the device up that is made for LOCAL
  std::optional<std::uint32_t> local_mtu;
  l2::VlanConfig local_vlan;
  /// Address of LOCAL, from which the datapath id is made. Absent: the lowest of the ports of type system,
  /// else `fallback_mac`; if that is absent, too, LOCAL keeps what the kernel gave it.
  std::optional<net::Mac> mac, fallback_mac;
  std::optional<std::uint64_t> datapath_id;  ///< absent: from this address, else from the lowest of all ports
  Numbering numbering = Numbering::LowestFree;
  FailMode fail_mode = FailMode::Secure;
  std::vector<PortConfig> ports;
  std::vector<std::string> flow_files;                 ///< paths, read at every reload
  std::string flows;                                   ///< further flows, a line each
  std::map<std::uint8_t, std::uint32_t> table_limits;  ///< table -> most flows in it
  std::vector<ofproto::ControllerConfig> controllers;
  std::uint32_t openflow_versions = 0x7e;  ///< bit n is wire version n
  std::set<std::uint8_t> evicting_tables;  ///< that make room instead of refusing a flow
  /// Sub-fields whose values make flows of the table a group: the largest gives up a flow.
  std::map<std::uint8_t, std::vector<std::string>> eviction_groups;
  std::map<std::uint8_t, std::string> table_names;
  bool local_protected = false;
  std::vector<BondConfig> bonds;
  // Which spanning tree protocol is spoken: at most one.
  std::optional<l2::StpSettings> stp;
  std::optional<l2::RstpSettings> rstp;
  std::vector<pipeline::Mirror> mirrors;
  l2::VlanSet flood_vlans;                   ///< in which NORMAL learns no addresses
  bool forward_bpdu = false;                 ///< NORMAL forwards frames to reserved addresses
  std::optional<MulticastConfig> multicast;  ///< absent: multicast is flooded
  l2::MacTable::Config macs;
  // What the bridge says of itself over OpenFlow; empty: nothing particular.
  std::string description, serial_number;

  bool operator==(const BridgeConfig&) const = default;
};

/// Reassembly before ct(). Of a version that is off, fragments are invalid to ct().
struct FragmentConfig {
  bool ipv4 = true, ipv6 = true;
  std::uint64_t memory_bytes = limits::kReassemblyBytes;
  std::uint32_t max_fragments = limits::kReassemblyFragments;
  std::uint32_t timeout_ipv4 = 30, timeout_ipv6 = 60;  ///< seconds
  std::uint32_t min_ipv4 = 0, min_ipv6 = 0;  ///< bytes of fragments but the last; smaller ones are dropped

  bool operator==(const FragmentConfig&) const = default;
};

struct ConntrackConfig {
  std::uint32_t max_connections = 3'000'000;
  std::uint32_t default_zone_limit = 0;  ///< 0 = unlimited
  std::map<std::uint16_t, std::uint32_t> zone_limits;
  bool limits_are_fixed = false;  ///< a database has some: commands are to change neither them nor others
  bool tcp_sequence_check = true;
  // Of zones that differ from the defaults.
  std::map<std::uint16_t, conntrack::TimeoutPolicy> timeouts;
  std::map<std::uint16_t, conntrack::Strictness> strictness;
  FragmentConfig fragments;

  bool operator==(const ConntrackConfig&) const = default;
};

struct SwitchConfig {
  unsigned workers = 1;
  std::string run_dir;  ///< empty: SLUICE_RUNDIR, OVS_RUNDIR or the default
  std::string control;  ///< path of the control socket; empty: in the run directory, named after the program
  ConntrackConfig conntrack;
  /// Somebody puts flows back: until that is done no packet is looked at and no controller connected to.
  bool restoring = false;
  std::uint32_t bundle_idle_s = 10;  ///< that an open OpenFlow bundle may be let lie, 1 at least
  io::TlsFiles ssl;                  ///< for ssl: and pssl:; empty names: not to be used
  std::vector<BridgeConfig> bridges;

  bool operator==(const SwitchConfig&) const = default;
};

inline constexpr unsigned kMaxWorkers = 64;
/// The port types that can be opened, for messages.
inline constexpr std::string_view kPortTypes = "system, internal, tap, patch, pcap or dummy";

/// What is wrong with a type of port, empty if nothing is.
std::string port_type_fault(std::string_view type);

/// What is wrong with the name of a bridge or a port ("is empty"), empty if nothing is.
/// @param interface  whether it names a network interface, too
std::string name_fault(std::string_view name, bool interface);

/// 16 hexadecimal digits, or up to 16 behind "0x", not all 0; else nothing.
std::optional<std::uint64_t> parse_datapath_id(std::string_view text);

/// Finds what no single value shows: names used twice, numbers taken twice, names that can't be an
/// interface's.
Status check_config(const SwitchConfig& config);

/// Reads a TOML document. Errors begin "PATH:LINE:COLUMN: ". `path` names it in errors; flow files are
/// relative to its directory.
Result<SwitchConfig> parse_config(std::string_view text, const std::string& path);
/// Reads the file, then as parse_config().
Result<SwitchConfig> load_config(const std::string& path);

/// Where pidfile and control socket are: `option` if not empty, else SLUICE_RUNDIR, else OVS_RUNDIR, else
/// `configured`, else /var/run/sluice.
std::string resolve_run_dir(const std::string& option, const std::string& configured);

/// The whole file; the error names path and reason.
Result<std::string> read_file(const std::string& path);

}  // namespace sluice::bridge
