#include "net/checksum.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/rng.h"

namespace sluice::net {
namespace {

Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// RFC 1071 read aloud.
std::uint16_t naive(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i] << 8);
    if (i + 1 < bytes.size()) sum += bytes[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

TEST(Checksum, TheExampleOfRfc1071) {
  const std::uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(checksum(bytes), be16{static_cast<std::uint16_t>(~0xddf2)});
}

TEST(Checksum, IsTheNaiveSumForEveryLength) {
  Rng rng(1);
  for (std::size_t n = 0; n < 300; ++n) {
    std::vector<std::uint8_t> bytes(n);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.next() | (n % 3 == 0 ? 0xff : 0));
    EXPECT_EQ(checksum(bytes).host(), naive(bytes)) << n;
  }
}

TEST(Checksum, UpdatesAreSumsOfTheChangedBytes) {
  Rng rng(2);
  std::vector<std::uint8_t> bytes(40);
  for (int i = 0; i < 5000; ++i) {
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
    bytes[39] = 1;  // not all zero: 0 and 0xffff would both be sums of that
    const be16 before = checksum(bytes);
    std::uint8_t* const at = bytes.data() + rng.below(12) * 2;
    be16 updated;
    switch (rng.below(3)) {
      case 0: {
        const be16 from = be16::load(at), to{static_cast<std::uint16_t>(rng.next())};
        updated = checksum_update16(before, from, to);
        to.store(at);
        break;
      }
      case 1: {
        const be32 from = be32::load(at), to{static_cast<std::uint32_t>(rng.next())};
        updated = checksum_update32(before, from, to);
        to.store(at);
        break;
      }
      default: {
        be128 from;
        std::memcpy(&from, bytes.data() + 8, 16);
        const be128 to{be64{rng.next()}, be64{rng.next()}};
        updated = checksum_update128(before, from, to);
        std::memcpy(bytes.data() + 8, &to, 16);
      }
    }
    ASSERT_EQ(updated, checksum(bytes));
  }
}

TEST(Checksum, PartialIsTheSumNotComplemented) {
  ChecksumSum sum;
  sum.add32(be32{0x0a000001});
  sum.add16(be16{6});
  EXPECT_EQ(sum.partial(), be16{0x0a07});
  EXPECT_EQ(sum.finish(), ~be16{0x0a07});
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0)), 0x8a9136aau) << "RFC 3720 appendix B.4";
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xff)), 0x62a8ab43u);
}

TEST(Crc32c, GoesOnWhereItStopped) {
  const std::string_view text = "the quick brown fox jumps";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32c(bytes_of(text.substr(cut)), crc32c(bytes_of(text.substr(0, cut)))),
              crc32c(bytes_of(text)));
}

}  // namespace
}  // namespace sluice::net
