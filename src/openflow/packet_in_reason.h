// Why a packet goes to controllers, as each version of OpenFlow calls it.
#pragma once

#include "openflow/packet_in.h"

namespace sluice::openflow {

/// Inside the switch only: the table-miss flow of OpenFlow 1.3 sent it, priority 0 and matching all.
inline constexpr PacketInReason kExplicitMiss{6};

/// What a version calls it, in messages and in asynchronous configurations: what it has no word for is an
/// action, and of table-miss flows versions before 1.3 know nothing.
constexpr PacketInReason reason_in(OfVersion version, PacketInReason reason) {
  if (reason == kExplicitMiss) return version < k13 ? PacketInReason::Action : PacketInReason::NoMatch;
  return version < k14 && reason > PacketInReason::InvalidTtl ? PacketInReason::Action : reason;
}

}  // namespace sluice::openflow
