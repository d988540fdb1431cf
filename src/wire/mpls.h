// An MPLS label stack entry (RFC 3032 section 2.1): label 20, traffic class 3, bottom of stack 1, TTL 8.
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class MplsHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 4;
  static constexpr std::uint32_t kBottom = 0x100;
  using View<Byte>::View;

  be32 lse() const { return this->template get<be32>(0); }
  std::uint32_t label() const { return lse().host() >> 12; }
  std::uint8_t traffic_class() const { return (lse().host() >> 9) & 7; }
  bool bottom() const { return (lse().host() & kBottom) != 0; }
  std::uint8_t ttl() const { return this->byte(3); }
  void set_lse(be32 lse) const { this->put(0, lse); }
};
template <typename Byte>
MplsHeader(Byte*) -> MplsHeader<Byte>;

constexpr bool is_mpls_type(be16 type) {
  return type == be16{net::ethertype::kMpls} || type == be16{net::ethertype::kMplsMulticast};
}

}  // namespace sluice::wire
