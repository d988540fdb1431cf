// Makes ports by type name, so that who configures a switch needs to know no backend.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "port/port.h"

namespace sluice::port {

using Options = std::map<std::string, std::string, std::less<>>;

/// @param type  "system" or "" (an existing network interface), "internal" or "tap" (a new TAP device),
/// "pcap"
///   (a capture file), "dummy", "dummy-internal" or "dummy-pmd" (in memory).
/// @param options  what the type takes, an unknown one is an error:
///   tap: mac, mtu, up (true/false, default true), persistent (the same, default false) · dummy: as (the
///   type that it stands in for), mac, mtu, n_rxq, pcap, rxq_pcap, tx_pcap (captures) · pcap: in (file to
///   read), out (file to write).
Result<std::unique_ptr<Port>> make_port(std::string_view type, const std::string& name,
                                        const Options& options = {});

/// Destroys ports; when it returns, devices that were made for them and not kept are gone. The kernel waits
/// for a grace period of its own for every device and every packet socket that is closed: many are closed
/// side by side.
void close_ports(std::vector<std::unique_ptr<Port>> ports);

/// Whether a network interface of this name exists in the process's network namespace.
bool interface_exists(const std::string& name);

}  // namespace sluice::port
