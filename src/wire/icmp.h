// ICMP (RFC 792), ICMPv6 (RFC 4443) and IGMP (RFC 3376) share their first four bytes; echo adds id and
// sequence.
//
//   0      1      2       4              8
//   | type | code | check | id, sequence | body: errors quote the packet they are about
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class IcmpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 8;
  static constexpr std::size_t kChecksumAt = 2;
  using View<Byte>::View;

  std::uint8_t type() const { return this->byte(0); }
  std::uint8_t code() const { return this->byte(1); }
  be16 checksum() const { return this->template get<be16>(2); }
  be16 id() const { return this->template get<be16>(4); }
  be16 sequence() const { return this->template get<be16>(6); }
  /// Bytes 4..7 of an error: unused, next-hop MTU, pointer or gateway.
  be32 rest() const { return this->template get<be32>(4); }
  void set_type(std::uint8_t value) const { this->put(0, value); }
  void set_code(std::uint8_t value) const { this->put(1, value); }
  void set_checksum(be16 value) const { this->put(2, value); }
  void set_id(be16 value) const { this->put(4, value); }
  void set_sequence(be16 value) const { this->put(6, value); }
  void set_rest(be32 value) const { this->put(4, value); }
};
template <typename Byte>
IcmpHeader(Byte*) -> IcmpHeader<Byte>;

/// ICMPv4 messages that quote the packet they are about.
constexpr bool is_icmp_error(std::uint8_t type) {
  using namespace net::icmp;
  return type == kUnreachable || type == kSourceQuench || type == kRedirect || type == kTimeExceeded ||
         type == kParameterProblem;
}
/// ICMPv6 errors are the types below 128 (RFC 4443 section 2.1).
constexpr bool is_icmpv6_error(std::uint8_t type) {
  return type < 128;
}

}  // namespace sluice::wire
