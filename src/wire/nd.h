// IPv6 neighbour solicitation and advertisement (RFC 4861 sections 4.3, 4.4) and their options (4.6).
//
//   0                    4                8        24
//   | ICMPv6 type … sum  | R S O reserved | target | options: type, length in 8 bytes, value
#pragma once

#include "base/bytes.h"
#include "wire/icmp.h"

namespace sluice::wire {

template <typename Byte>
class NdHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 24;
  using View<Byte>::View;

  be32 reserved() const { return this->template get<be32>(4); }
  be128 target() const { return this->template get<be128>(8); }
  void set_reserved(be32 value) const { this->put(4, value); }
  void set_target(const be128& value) const { this->put(8, value); }
};
template <typename Byte>
NdHeader(Byte*) -> NdHeader<Byte>;

namespace nd_option {
inline constexpr std::uint8_t kSourceLinkAddress = 1, kTargetLinkAddress = 2;
/// Bytes of a link-layer address option for Ethernet: type, length 1, MAC.
inline constexpr std::size_t kLinkAddressBytes = 8;

/// Calls visit(type, at, bytes) for each well-formed option; stops at the first that is not.
template <typename Visit>
void for_each(Bytes options, Visit&& visit) {
  std::size_t at = 0;
  while (options.size() - at >= 8) {
    const std::size_t bytes = options[at + 1] * std::size_t{8};
    if (bytes == 0 || bytes > options.size() - at) return;
    visit(options[at], at, bytes);
    at += bytes;
  }
}
}  // namespace nd_option

/// True for an ICMPv6 message that carries a target address: NS or NA with code 0.
constexpr bool is_nd(std::uint8_t type, std::uint8_t code) {
  return (type == net::icmpv6::kNeighborSolicit || type == net::icmpv6::kNeighborAdvert) && code == 0;
}

}  // namespace sluice::wire
