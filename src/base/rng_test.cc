#include "base/rng.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Rng, TheSameSeedGivesTheSameNumbers) {
  Rng a(7), b(7), other(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t number = a.next();
    EXPECT_EQ(number, b.next());
    differs = differs || number != other.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Rng, BelowCoversItsRangeEvenly) {
  Rng rng(1);
  unsigned counts[10] = {};
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t n = rng.below(10);
    ASSERT_LT(n, 10u);
    ++counts[n];
  }
  // Six standard deviations of a fair count around 10000.
  for (const unsigned count : counts) EXPECT_NEAR(count, 10000, 570);
  EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, ChanceIsInPercent) {
  Rng rng(2);
  unsigned hits = 0;
  for (int i = 0; i < 100000; ++i) hits += rng.chance(30);
  EXPECT_NEAR(hits, 30000, 900);
  EXPECT_FALSE(rng.chance(0));
  EXPECT_TRUE(rng.chance(100));
}

}  // namespace
}  // namespace sluice
