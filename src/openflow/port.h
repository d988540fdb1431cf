// A port as OpenFlow describes it (ofp_phy_port of 1.0, ofp_port of 1.1+), in features replies, port status
// and port descriptions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"
#include "openflow/codec.h"

namespace sluice::openflow {

/// Configuration and state bits, as 1.0 has them; later versions lack those named STP and know `kLive`.
namespace port_config {
inline constexpr std::uint32_t kDown = 1 << 0, kNoStp = 1 << 1, kNoRecv = 1 << 2, kNoRecvStp = 1 << 3,
                               kNoFlood = 1 << 4, kNoForward = 1 << 5, kNoPacketIn = 1 << 6;
/// What each version has.
inline constexpr std::uint32_t kOf10 = 0x7f, kOf11 = kDown | kNoRecv | kNoForward | kNoPacketIn;
}  // namespace port_config
namespace port_state {
inline constexpr std::uint32_t kLinkDown = 1 << 0, kBlocked = 1 << 1, kLive = 1 << 2, kStpListen = 0 << 8,
                               kStpLearn = 1 << 8, kStpForward = 2 << 8, kStpBlock = 3 << 8,
                               kStpMask = 3 << 8;
}  // namespace port_state

/// Link features in the numbering of OpenFlow 1.1+.
namespace port_feature {
inline constexpr std::uint32_t k10Half = 1 << 0, k10Full = 1 << 1, k100Half = 1 << 2, k100Full = 1 << 3,
                               k1GHalf = 1 << 4, k1GFull = 1 << 5, k10GFull = 1 << 6, k40GFull = 1 << 7,
                               k100GFull = 1 << 8, k1TFull = 1 << 9, kOther = 1 << 10, kCopper = 1 << 11,
                               kFiber = 1 << 12, kAutoneg = 1 << 13, kPause = 1 << 14,
                               kPauseAsymmetric = 1 << 15;
}  // namespace port_feature

struct PortDescription {
  std::uint32_t number = 0;
  net::Mac address;
  std::string name;
  std::uint32_t config = 0, state = 0;
  std::uint32_t current = 0, advertised = 0, supported = 0, peer = 0;  ///< port_feature bits
  std::uint32_t current_kbps = 0, max_kbps = 0;
};

/// Features as each version numbers them.
std::uint32_t features_to_wire(std::uint32_t features, OfVersion version);
std::uint32_t features_from_wire(std::uint32_t bits, OfVersion version);
/// The highest speed among the features, in kbit/s; 0 if none is named.
std::uint32_t features_kbps(std::uint32_t features);
/// "10MB-FD COPPER", "0".
std::string format_features(std::uint32_t features);
/// The value with a comment, "PORT_DOWN NO_FLOOD".
std::string format_port_config(std::uint32_t config);

void encode_port(const PortDescription& port, Encoder& out);
Status decode_port(ByteReader& in, OfVersion version, PortDescription& port);
/// " 1(eth0): addr:…" and the lines below it.
void format_port(const PortDescription& port, Printer& out);
/// The same of several, by number.
void format_ports(const std::vector<PortDescription>& ports, Printer& out);

}  // namespace sluice::openflow
