// The hash spreads the keys that networks have: ports in sequence, addresses in sequence, grids of both, one
// connection in many zones. Load of buckets as TagIndex takes them and of tags, against what chance would do.
#include "conntrack/key.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace sluice::conntrack {
namespace {

constexpr std::uint32_t kKeys = 50'000;

std::uint32_t be(std::uint32_t host) {
  return __builtin_bswap32(host);
}
std::uint32_t ports(std::uint32_t source, std::uint32_t destination) {
  return be(source << 16 | (destination & 0xffff));
}

/// By how many standard deviations the loads of the cells are more uneven than chance makes them.
double unevenness(const std::vector<std::uint64_t>& hashes, unsigned cells,
                  const std::function<std::uint64_t(std::uint64_t)>& cell_of) {
  std::vector<unsigned> load(cells);
  for (const std::uint64_t hash : hashes) ++load[cell_of(hash)];
  const double mean = static_cast<double>(hashes.size()) / cells;
  double chi_square = 0;
  for (const unsigned n : load) chi_square += (n - mean) * (n - mean) / mean;
  return (chi_square - cells) / std::sqrt(2.0 * cells);
}

class HashSpread : public ::testing::TestWithParam<unsigned> {
 protected:
  static Key key_of(unsigned pattern, std::uint32_t i) {
    Key key{be(0x0a000001), be(0xc0a80001), ports(1024, 80), 6, Key::kIpv4, 7};
    switch (pattern) {
      case 0:
        key.ports = ports(1024 + i, 80);
        break;
      case 1:
        key.src = be(0x0a000000 + i);
        break;
      case 2:
        key.src = be(0x0a000000 + (i << 8));
        break;
      case 3:
        key.src = be(0x0a000000 + i % 250);
        key.dst = be(0x0b000000 + i / 250);
        break;
      case 4:
        key.src = be(0x0a000000 + i % 250);
        key.ports = ports(1024 + i / 250, 443);
        break;
      case 5:
        key.zone = static_cast<std::uint16_t>(i);
        break;
      default:
        key.dst = key.src;
        key.ports = ports(1000 + i % 250, 2000 + i / 250);
    }
    return key;
  }
};

TEST_P(HashSpread, AsEvenAsChance) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Secret secret(seed);
    std::vector<std::uint64_t> hashes;
    for (std::uint32_t i = 0; i < kKeys; ++i) hashes.push_back(secret.hash(key_of(GetParam(), i), false));
    EXPECT_LT(unevenness(hashes, 10'007, [](std::uint64_t h) { return (h >> 32) * 10'007 >> 32; }), 6)
        << "buckets, seed " << seed;
    EXPECT_LT(unevenness(hashes, 4096, [](std::uint64_t h) { return h & 4095; }), 6) << "tags, seed " << seed;
    EXPECT_LT(unevenness(hashes, 16, [](std::uint64_t h) { return h >> 16 & 15; }), 6)
        << "hints, seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Patterns, HashSpread, ::testing::Range(0u, 7u));

TEST(Hash, IsTheSameForBothDirections) {
  const Secret secret(5);
  const Key there{be(0x0a000001), be(0xc0a80001), ports(1024, 80), 6, Key::kIpv4, 7};
  const Key back{there.dst, there.src, ports(80, 1024), 6, Key::kIpv4, 7};
  EXPECT_EQ(secret.hash(there, false), secret.hash(back, false));
  Key other = there;
  other.zone = 8;
  EXPECT_NE(secret.hash(other, false), secret.hash(there, false));
  other = there;
  other.proto = 17;
  EXPECT_NE(secret.hash(other, false), secret.hash(there, false));
  EXPECT_NE(Secret(6).hash(there, false), secret.hash(there, false));
}

TEST(Hash, OfIcmpGoesByTheIdAlone) {
  const Secret secret(5);
  const Key request{be(0x0a000001), be(0xc0a80001), 0x00081234, 1, Key::kIpv4, 0};
  const Key reply{request.dst, request.src, 0x00001234, 1, Key::kIpv4, 0};
  EXPECT_EQ(secret.hash(request, true), secret.hash(reply, true));
}

}  // namespace
}  // namespace sluice::conntrack
