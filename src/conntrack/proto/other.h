// Protocols without ports, by number: a connection is a pair of addresses. Timers are those of UDP.
#pragma once

#include "conntrack/proto/udp.h"

namespace sluice::conntrack::other {

using udp::timeout_of;

}  // namespace sluice::conntrack::other
