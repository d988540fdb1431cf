// What hosts and routers say of multicast groups: IGMPv1, v2 and v3 (RFC 1112 appendix I, RFC 2236, RFC 3376)
// and MLDv1 and v2 (RFC 2710, RFC 3810).
//
// Main.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "l2/multicast_table.h"

namespace sluice::l2 {

// Types of messages, as flow keys have them in tp_src.
namespace igmp {
inline constexpr std::uint8_t kQuery = 0x11, kReport1 = 0x12, kReport2 = 0x16, kLeave = 0x17, kReport3 = 0x22;
}
namespace mld {
inline constexpr std::uint8_t kQuery = 130, kReport1 = 131, kDone = 132, kReport2 = 143;
}

/// Changes the table by what a frame of IGMP or MLD says, from its Ethernet header on. What is no such frame,
/// is cut short or has a wrong checksum changes nothing.
/// @param one_listener  false: behind the port may be many, and who leaves does not speak for the others
///                      (RFC 4541 section 2.1.1); they age.
void hear_multicast(MulticastTable& table, Bytes frame, std::uint16_t vlan, std::uint32_t port,
                    bool one_listener, Instant now);

}  // namespace sluice::l2
