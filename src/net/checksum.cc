#include "net/checksum.h"

#include <array>
#include <cstring>

namespace sluice::net {
namespace {

be16 update(be16 sum, std::uint64_t removed, std::uint64_t added) {
  // HC' = ~(~HC + ~m + m'); a 64-bit accumulator holds the carries of up to eight words.
  std::uint64_t s = static_cast<std::uint16_t>(~sum.raw()) + removed + added;
  while (s >> 16) s = (s >> 16) + (s & 0xffff);
  return be16::from_raw(static_cast<std::uint16_t>(~s));
}

std::uint64_t words(std::uint64_t raw) {
  return (raw & 0xffff) + ((raw >> 16) & 0xffff) + ((raw >> 32) & 0xffff) + (raw >> 48);
}
std::uint64_t complemented(std::uint64_t raw) {
  return words(~raw);
}

constexpr std::uint32_t kCastagnoliReflected = 0x82f63b78;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kCastagnoliReflected : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t crc32c_table(Bytes bytes, std::uint32_t crc) {
  for (const std::uint8_t byte : bytes) crc = kCrcTable[(crc ^ byte) & 0xff] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(Bytes bytes, std::uint32_t crc) {
  std::uint64_t wide = crc;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; i < bytes.size(); ++i) narrow = __builtin_ia32_crc32qi(narrow, bytes[i]);
  return narrow;
}
#endif

}  // namespace

be16 checksum(Bytes bytes) {
  ChecksumSum sum;
  sum.add(bytes);
  return sum.finish();
}

be16 checksum_update16(be16 sum, be16 from, be16 to) {
  return update(sum, static_cast<std::uint16_t>(~from.raw()), to.raw());
}

be16 checksum_update32(be16 sum, be32 from, be32 to) {
  const std::uint32_t removed = ~from.raw();
  return update(sum, (removed & 0xffff) + (removed >> 16), (to.raw() & 0xffff) + (to.raw() >> 16));
}

be16 checksum_update128(be16 sum, const be128& from, const be128& to) {
  return update(sum, complemented(from.hi.raw()) + complemented(from.lo.raw()),
                words(to.hi.raw()) + words(to.lo.raw()));
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~crc32c_sse42(bytes, ~crc);
#endif
  return ~crc32c_table(bytes, ~crc);
}

}  // namespace sluice::net
