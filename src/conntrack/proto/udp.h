// UDP (RFC 768): lengths are checked, state is that of simple.h.
#pragma once

#include "conntrack/entry.h"

namespace sluice::conntrack::udp {

inline Timeout timeout_of(SimpleState state) {
  switch (state) {
    case SimpleState::First:
      return Timeout::UdpFirst;
    case SimpleState::Single:
      return Timeout::UdpSingle;
    case SimpleState::Multiple:
      break;
  }
  return Timeout::UdpMultiple;
}

}  // namespace sluice::conntrack::udp
