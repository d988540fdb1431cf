// ARP and RARP for Ethernet and IPv4 (RFC 826, RFC 903).
//
//   0      2      4    5    6    8      14     18     24     28
//   | htype| ptype| 6  | 4  | op | sha  | spa  | tha  | tpa  |
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class ArpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 28;
  static constexpr std::uint16_t kRequest = 1, kReply = 2;
  using View<Byte>::View;

  /// Hardware Ethernet, protocol IPv4, lengths 6 and 4: only then are there addresses to read.
  bool is_ethernet_ipv4() const { return this->template get<be64>(0).host() >> 16 == 0x000108000604; }
  be16 operation() const { return this->template get<be16>(6); }
  net::Mac sha() const { return this->template get<net::Mac>(8); }
  be32 spa() const { return this->template get<be32>(14); }
  net::Mac tha() const { return this->template get<net::Mac>(18); }
  be32 tpa() const { return this->template get<be32>(24); }
  void set_ethernet_ipv4() const { this->put(0, be64{std::uint64_t{0x000108000604} << 16}); }
  void set_operation(be16 op) const { this->put(6, op); }
  void set_sha(const net::Mac& mac) const { this->put(8, mac); }
  void set_spa(be32 address) const { this->put(14, address); }
  void set_tha(const net::Mac& mac) const { this->put(18, mac); }
  void set_tpa(be32 address) const { this->put(24, address); }
};
template <typename Byte>
ArpHeader(Byte*) -> ArpHeader<Byte>;

constexpr bool is_arp_type(be16 type) {
  return type == be16{net::ethertype::kArp} || type == be16{net::ethertype::kRarp};
}

}  // namespace sluice::wire
