// Which controllers a bridge has and how it talks to them: a value.
// Source: ovs-vswitchd.conf.db(5), Controller, and Bridge "protocols", "fail_mode".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::ofproto {

struct ControllerConfig {
  std::string target;  ///< "tcp:127.0.0.1:6653"; a passive one listens
  /// Whether it only looks after the switch now and then, or sets up its flows; absent: who connects to us is
  /// the former, whom we connect to the latter.
  std::optional<bool> service;
  std::uint32_t max_backoff_ms = 8000;
  std::uint32_t inactivity_probe_ms = 5000;  ///< 0: never probed
  std::uint32_t rate_limit = 0;              ///< packet-ins a second, of each kind; 0: unlimited
  std::uint32_t burst_limit = 0;             ///< packet-ins that wait; 0: a quarter of the rate
  std::uint32_t queue_size = 0;              ///< packet-ins that wait to be read; 0: as many as fit
  bool async = true;                         ///< asynchronous messages without being asked for

  bool operator==(const ControllerConfig&) const = default;
};

struct ConnectionsConfig {
  std::vector<ControllerConfig> controllers;
  std::uint32_t versions = 0x7e;  ///< bit n is wire version n
  /// Without any controller for long the bridge switches by itself, until one is back.
  bool standalone = false;

  bool operator==(const ConnectionsConfig&) const = default;
};

/// "OpenFlow10" … "OpenFlow15" to bits of ConnectionsConfig::versions; all of them if there is no word.
Result<std::uint32_t> parse_protocols(const std::vector<std::string>& words);
/// Whether it sets up the flows of the switch: fail_mode is about these.
bool is_primary(const ControllerConfig& controller);
/// The same of one whose target has been read.
bool sets_up_flows(const ControllerConfig& controller, bool passive);
/// What is wrong with a controller, nothing else: it is not looked up.
Status check_controller(const ControllerConfig& controller);

}  // namespace sluice::ofproto
