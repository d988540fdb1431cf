#include "net/address.h"

#include <arpa/inet.h>

#include <bit>
#include <cctype>
#include <cstdio>

namespace sluice::net {

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    if (i > 0 && (at >= text.size() || text[at++] != ':')) return std::nullopt;
    unsigned value = 0;
    std::size_t digits = 0;
    for (; at < text.size() && digits < 2 && std::isxdigit(static_cast<unsigned char>(text[at]));
         ++at, ++digits) {
      const char c = text[at];
      value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (digits == 0) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(value);
  }
  if (at != text.size()) return std::nullopt;
  return mac;
}

std::string format_mac(const Mac& mac) {
  char text[18];
  const auto& b = mac.bytes;
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
  return text;
}

namespace {

/// inet_pton() for text of known length, in which a NUL is a character like any other: a wrong one.
template <std::size_t kSize>
bool pton(int family, std::string_view text, void* address) {
  char buffer[kSize];
  if (text.size() >= kSize || text.find('\0') != std::string_view::npos) return false;
  buffer[text.copy(buffer, text.size())] = '\0';
  return inet_pton(family, buffer, address) == 1;
}

}  // namespace

std::optional<be32> parse_ipv4(std::string_view text) {
  std::uint32_t raw;
  if (!pton<INET_ADDRSTRLEN>(AF_INET, text, &raw)) return std::nullopt;
  return be32::from_raw(raw);
}

std::string format_ipv4(be32 address) {
  char text[INET_ADDRSTRLEN];
  const std::uint32_t raw = address.raw();
  inet_ntop(AF_INET, &raw, text, sizeof text);
  return text;
}

std::optional<be128> parse_ipv6(std::string_view text) {
  be128 address;
  if (!pton<INET6_ADDRSTRLEN>(AF_INET6, text, &address)) return std::nullopt;
  return address;
}

std::string format_ipv6(const be128& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &address, text, sizeof text);
  return text;
}

be32 ipv4_prefix_mask(unsigned length) {
  return be32{length == 0 ? 0 : static_cast<std::uint32_t>(~std::uint64_t{0} << (32 - length))};
}

be128 ipv6_prefix_mask(unsigned length) {
  const auto half = [](unsigned n) {
    return be64{n == 0 ? 0 : n >= 64 ? ~std::uint64_t{0} : ~(~std::uint64_t{0} >> n)};
  };
  return {half(length < 64 ? length : 64), half(length > 64 ? length - 64 : 0)};
}

std::optional<unsigned> ipv4_prefix_length(be32 mask) {
  const auto length = static_cast<unsigned>(std::popcount(mask.raw()));
  if (ipv4_prefix_mask(length) != mask) return std::nullopt;
  return length;
}

std::optional<unsigned> ipv6_prefix_length(const be128& mask) {
  const auto length = static_cast<unsigned>(std::popcount(mask.hi.raw()) + std::popcount(mask.lo.raw()));
  if (ipv6_prefix_mask(length) != mask) return std::nullopt;
  return length;
}

}  // namespace sluice::net
