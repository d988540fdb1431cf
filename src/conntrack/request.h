// What a ct() action asks of the tracker, fully resolved: no field references, no OpenFlow.
#pragma once

#include <cstdint>

#include "net/endian.h"

namespace sluice::conntrack {

/// ct_state bits (the numbering of released Open vSwitch, 2.6 and later).
namespace ct_state {
inline constexpr std::uint8_t kNew = 0x01, kEstablished = 0x02, kRelated = 0x04, kReply = 0x08,
                              kInvalid = 0x10, kTracked = 0x20, kSourceNat = 0x40, kDestinationNat = 0x80;
}  // namespace ct_state

enum class Helper : std::uint8_t { None = 0, Ftp = 21, Tftp = 69 };

/// ct(nat…). kind None with nat requested (CtRequest::nat) translates packets of already NATed connections
/// only.
struct NatRange {
  enum class Kind : std::uint8_t { None, Source, Destination };
  Kind kind = Kind::None;
  bool has_address = false, is_ipv6 = false, has_ports = false;
  bool persistent = false, hash = false, random = false;
  be128 min_address, max_address;            ///< inclusive; IPv4 v4-mapped
  std::uint16_t min_port = 0, max_port = 0;  ///< inclusive

  bool operator==(const NatRange&) const = default;
};

struct CtRequest {
  bool commit = false;
  bool force = false;
  bool nat = false;
  Helper helper = Helper::None;
  std::uint16_t zone = 0;
  std::uint32_t mark = 0, mark_mask = 0;  ///< applied on commit: bits of the mask are replaced
  be128 label, label_mask;
  NatRange nat_range;
  std::uint64_t cookie = 0;  ///< of the rule that asks; kept in the connection that it creates

  bool operator==(const CtRequest&) const = default;
};

}  // namespace sluice::conntrack
