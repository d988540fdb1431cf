// A packet as one line for people, in the manner of tcpdump:
//
//   vlan 5, 10.0.0.1:1024 > 10.0.0.2:80 tcp [S] seq 17 win 65535 len 0
//   arp who-has 10.0.0.2 tell 10.0.0.1
//   10.0.0.9 > 10.0.0.1 icmp host unreachable, about 10.0.0.1:7 > 10.0.0.2:53 udp len 12
//
// Addresses of layer 2 are shown for what is not IP, or on request. Not for the packet path: it allocates.
#pragma once

#include <string>

#include "base/bytes.h"
#include "wire/layout.h"

namespace sluice::wire {

struct PrintOptions {
  bool ethernet = false;  ///< always begin with the MAC addresses
};

std::string print(Bytes frame, const Layout& layout, const PrintOptions& options = {});
std::string print(Bytes frame, const PrintOptions& options = {});

}  // namespace sluice::wire
