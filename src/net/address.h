// Ethernet, IPv4 and IPv6 addresses: values, text both ways (RFC 5952 for IPv6), prefixes.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/endian.h"

namespace sluice::net {

struct Mac {
  std::array<std::uint8_t, 6> bytes{};

  constexpr bool operator==(const Mac&) const = default;
  constexpr auto operator<=>(const Mac&) const = default;
  constexpr bool is_multicast() const { return (bytes[0] & 1) != 0; }
  constexpr bool is_broadcast() const { return *this == Mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  constexpr bool is_zero() const { return *this == Mac{}; }
  /// The address as an integer below 2^48, first byte most significant.
  constexpr std::uint64_t value() const {
    std::uint64_t v = 0;
    for (const std::uint8_t byte : bytes) v = v << 8 | byte;
    return v;
  }
  static constexpr Mac from_value(std::uint64_t v) {
    Mac mac;
    for (int i = 5; i >= 0; --i, v >>= 8)
      mac.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(v);
    return mac;
  }
};

/// "aa:bb:cc:dd:ee:ff", one or two hex digits each.
std::optional<Mac> parse_mac(std::string_view text);
std::string format_mac(const Mac& mac);

/// Dotted quad.
std::optional<be32> parse_ipv4(std::string_view text);
std::string format_ipv4(be32 address);

/// RFC 4291 section 2.2 in all forms, without zone index or brackets.
std::optional<be128> parse_ipv6(std::string_view text);
std::string format_ipv6(const be128& address);

/// Masks of `length` leading ones (0..32, 0..128).
be32 ipv4_prefix_mask(unsigned length);
be128 ipv6_prefix_mask(unsigned length);
/// The length of a contiguous mask, or nothing if the ones are not all leading.
std::optional<unsigned> ipv4_prefix_length(be32 mask);
std::optional<unsigned> ipv6_prefix_length(const be128& mask);

/// An IPv4 address as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), and back.
constexpr be128 v4_mapped(be32 address) {
  if constexpr (std::endian::native == std::endian::little)  // nothing to swap
    return {be64{0}, be64::from_raw(std::uint64_t{address.raw()} << 32 | 0xffff0000)};
  return {be64{0}, be64{0x0000ffff00000000ULL | address.host()}};
}
constexpr be32 v4_of(const be128& mapped) {
  return be32{static_cast<std::uint32_t>(mapped.lo.host())};
}
constexpr bool is_v4_mapped(const be128& a) {
  return a.hi.raw() == 0 && (a.lo.host() >> 32) == 0xffff;
}

}  // namespace sluice::net
