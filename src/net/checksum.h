// The Internet checksum (RFC 1071), its incremental update (RFC 1624) and SCTP's CRC32c (RFC 9260 appendix
// A).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "net/endian.h"

namespace sluice::net {

/// A one's-complement sum in progress. Runs of bytes must start at even offsets of the summed data.
class ChecksumSum {
 public:
  void add(Bytes bytes) {
    // Eight bytes a step in 128-bit accumulators (an addition and one of its carry), two of them so that they
    // overlap; 2^64 is 1 modulo 65535, so that words of any even size can be added up.
    unsigned __int128 even = 0, odd = 0;
    const std::uint8_t* p = bytes.data();
    std::size_t n = bytes.size();
    for (; n >= 16; n -= 16, p += 16) {
      even += load64(p);
      odd += load64(p + 8);
    }
    if (n >= 8) {
      even += load64(p);
      n -= 8;
      p += 8;
    }
    if (n != 0) odd += tail(p, n);
    add_wide(even + odd);
  }
  void add16(be16 word) { sum_ += word.raw(); }
  void add32(be32 word) { sum_ += word.raw(); }
  void add128(const be128& word) {
    add64(word.hi.raw());
    add64(word.lo.raw());
  }
  /// The folded, complemented checksum as it stands in a header.
  be16 finish() const { return be16::from_raw(static_cast<std::uint16_t>(~fold())); }
  /// The folded sum, not complemented (what a partial-checksum offload leaves in the field).
  be16 partial() const { return be16::from_raw(fold()); }

 private:
  void add64(std::uint64_t raw) { sum_ += (raw >> 32) + (raw & 0xffffffff); }
  void add_wide(unsigned __int128 sum) {
    add64(static_cast<std::uint64_t>(sum));
    add64(static_cast<std::uint64_t>(sum >> 64));
  }
  static std::uint64_t load64(const std::uint8_t* at) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
  }
  /// The last 1 to 7 bytes, as if zeros followed.
  static std::uint64_t tail(const std::uint8_t* at, std::size_t n) {
    std::uint64_t word = 0;
    std::size_t done = 0;
    if ((n & 4) != 0) {
      std::uint32_t part;
      std::memcpy(&part, at, 4);
      word = part;
      done = 4;
    }
    if ((n & 2) != 0) {
      std::uint16_t part;
      std::memcpy(&part, at + done, 2);
      word |= std::uint64_t{part} << done * 8;
      done += 2;
    }
    if ((n & 1) != 0) word |= std::uint64_t{at[done]} << done * 8;
    static_assert(std::endian::native == std::endian::little);
    return word;
  }
  std::uint16_t fold() const {
    std::uint64_t s = (sum_ >> 32) + (sum_ & 0xffffffff);
    s = (s >> 16) + (s & 0xffff);
    s = (s >> 16) + (s & 0xffff);
    return static_cast<std::uint16_t>((s >> 16) + (s & 0xffff));
  }
  std::uint64_t sum_ = 0;
};

be16 checksum(Bytes bytes);

/// The checksum after a 16- or 32-bit word changed from `from` to `to` (RFC 1624, equation 3).
be16 checksum_update16(be16 sum, be16 from, be16 to);
be16 checksum_update32(be16 sum, be32 from, be32 to);
be16 checksum_update128(be16 sum, const be128& from, const be128& to);

/// CRC32c of the bytes, continued from `crc` (0 at first). Uses the CPU's instruction where it has one.
std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0);

}  // namespace sluice::net
