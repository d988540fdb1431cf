// Integers in network byte order: the type says it, so that no one adds two of them by mistake.
#pragma once

#include <bit>
#include <compare>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace sluice::net {

template <std::unsigned_integral T>
constexpr T byte_swap(T value) {
  if constexpr (sizeof(T) == 1)
    return value;
  else if constexpr (sizeof(T) == 2)
    return __builtin_bswap16(value);
  else if constexpr (sizeof(T) == 4)
    return __builtin_bswap32(value);
  else
    return __builtin_bswap64(value);
}

/// An unsigned integer stored in network byte order, with the alignment of T.
template <std::unsigned_integral T>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr explicit BigEndian(T host)
      : raw_(std::endian::native == std::endian::little ? byte_swap(host) : host) {}
  static constexpr BigEndian from_raw(T raw) {
    BigEndian result;
    result.raw_ = raw;
    return result;
  }
  static BigEndian load(const void* bytes) {
    BigEndian result;
    std::memcpy(&result.raw_, bytes, sizeof(T));
    return result;
  }
  void store(void* bytes) const { std::memcpy(bytes, &raw_, sizeof(T)); }

  constexpr T host() const { return std::endian::native == std::endian::little ? byte_swap(raw_) : raw_; }
  constexpr T raw() const { return raw_; }

  constexpr bool operator==(const BigEndian&) const = default;
  constexpr auto operator<=>(const BigEndian& other) const { return host() <=> other.host(); }
  friend constexpr BigEndian operator&(BigEndian a, BigEndian b) {
    return from_raw(static_cast<T>(a.raw_ & b.raw_));
  }
  friend constexpr BigEndian operator|(BigEndian a, BigEndian b) {
    return from_raw(static_cast<T>(a.raw_ | b.raw_));
  }
  friend constexpr BigEndian operator^(BigEndian a, BigEndian b) {
    return from_raw(static_cast<T>(a.raw_ ^ b.raw_));
  }
  constexpr BigEndian operator~() const { return from_raw(static_cast<T>(~raw_)); }

 private:
  T raw_ = 0;
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

/// 128 bits in network byte order: hi holds the first eight bytes.
struct be128 {
  be64 hi, lo;

  constexpr bool operator==(const be128&) const = default;
  constexpr auto operator<=>(const be128&) const = default;
  friend constexpr be128 operator&(be128 a, be128 b) { return {a.hi & b.hi, a.lo & b.lo}; }
  friend constexpr be128 operator|(be128 a, be128 b) { return {a.hi | b.hi, a.lo | b.lo}; }
  friend constexpr be128 operator^(be128 a, be128 b) { return {a.hi ^ b.hi, a.lo ^ b.lo}; }
  constexpr be128 operator~() const { return {~hi, ~lo}; }
  constexpr bool is_zero() const { return (hi.raw() | lo.raw()) == 0; }
};

}  // namespace sluice::net

namespace sluice {
using net::be128;
using net::be16;
using net::be32;
using net::be64;
}  // namespace sluice
