// IPv4 header (RFC 791 section 3.1; ECN RFC 3168).
//
//   0          1     2         4      6                  8     9       10       12    16    20
//   | ver, ihl | tos | length  | id   | flags 3, off 13  | ttl | proto | check  | src | dst | options
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class Ipv4Header : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 20;
  static constexpr std::size_t kMaxBytes = 60;
  static constexpr std::uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kOffsetMask = 0x1fff;
  using View<Byte>::View;

  std::uint8_t version_ihl() const { return this->byte(0); }
  std::uint8_t version() const { return this->byte(0) >> 4; }
  /// In bytes, options included.
  unsigned header_bytes() const { return (this->byte(0) & 0xfu) * 4; }
  std::uint8_t tos() const { return this->byte(1); }
  be16 total_length() const { return this->template get<be16>(2); }
  be16 id() const { return this->template get<be16>(4); }
  be16 flags_offset() const { return this->template get<be16>(6); }
  bool more_fragments() const { return (flags_offset().host() & kMoreFragments) != 0; }
  /// In bytes.
  unsigned fragment_offset() const { return (flags_offset().host() & kOffsetMask) * 8u; }
  std::uint8_t ttl() const { return this->byte(8); }
  std::uint8_t proto() const { return this->byte(9); }
  be16 checksum() const { return this->template get<be16>(10); }
  be32 src() const { return this->template get<be32>(12); }
  be32 dst() const { return this->template get<be32>(16); }

  void set_version_ihl(std::uint8_t value) const { this->put(0, value); }
  void set_tos(std::uint8_t value) const { this->put(1, value); }
  void set_total_length(be16 value) const { this->put(2, value); }
  void set_id(be16 value) const { this->put(4, value); }
  void set_flags_offset(be16 value) const { this->put(6, value); }
  void set_ttl(std::uint8_t value) const { this->put(8, value); }
  void set_proto(std::uint8_t value) const { this->put(9, value); }
  void set_checksum(be16 value) const { this->put(10, value); }
  void set_src(be32 value) const { this->put(12, value); }
  void set_dst(be32 value) const { this->put(16, value); }
};
template <typename Byte>
Ipv4Header(Byte*) -> Ipv4Header<Byte>;

}  // namespace sluice::wire
