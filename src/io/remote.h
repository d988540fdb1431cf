// The names of connections, as Open vSwitch writes them: active "unix:PATH", "tcp:HOST[:PORT]",
// "ssl:HOST[:PORT]" connect; passive "punix:PATH", "ptcp:[PORT][:HOST]", "pssl:[PORT][:HOST]" listen.
// Source: ovs-ofctl(8) and ovs-vswitchd.conf.db(5), Controller, "target".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::io {

struct Remote {
  enum class Transport : std::uint8_t { Unix, Tcp, Tls };

  Transport transport = Transport::Unix;
  bool passive = false;
  std::string path;  ///< Unix
  std::string host;  ///< without brackets; of a passive one the address to bind, empty: any IPv4 address
  std::uint16_t port = 0;  ///< passive: 0 lets the kernel choose
  std::string text;        ///< as it was written

  bool operator==(const Remote&) const = default;
};

/// What OpenFlow listens on unless told otherwise (IANA).
inline constexpr std::uint16_t kOpenFlowPort = 6653;

/// @param folder  where relative unix paths begin; empty: the current one.
/// The error says what was expected, on one line.
Result<Remote> parse_remote(std::string_view text, std::string_view folder = {},
                            std::uint16_t default_port = kOpenFlowPort);

}  // namespace sluice::io
