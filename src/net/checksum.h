// The Internet checksum (RFC 1071), its incremental update (RFC 1624) and SCTP's CRC32c (RFC 9260 appendix A).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "net/endian.h"

namespace sluice::net {

/// A one's-complement sum in progress. Runs of bytes must start at even offsets of the summed data.
class ChecksumSum {
 public:
  void add(Bytes bytes);
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
  std::uint16_t fold() const {
    std::uint64_t s = sum_;
    while (s >> 16) s = (s >> 16) + (s & 0xffff);
    return static_cast<std::uint16_t>(s);
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
