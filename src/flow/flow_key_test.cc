#include "flow/flow_key.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "flow/mini_key.h"

namespace sluice::flow {
namespace {

FlowKey random_key(Rng& rng) {
  FlowKey key;
  for (std::size_t i = 0; i < kKeyWords; ++i) set_word(key, i, rng.next());
  return key;
}
Mask sparse_mask(Rng& rng) {
  Mask mask;
  for (std::uint64_t n = rng.below(8); n > 0; --n) set_word(mask.bits, rng.below(kKeyWords), rng.next());
  return mask;
}

TEST(Mask, EachBitIsSeenByEachHelper) {
  Rng rng(1);
  const FlowKey a = random_key(rng);
  for (std::size_t bit = 0; bit < kKeyBytes * 8; ++bit) {
    Mask one;
    set_word(one.bits, bit / 64, std::uint64_t{1} << bit % 64);
    FlowKey b = a;
    set_word(b, bit / 64, word_at(a, bit / 64) ^ word_at(one.bits, bit / 64));
    ASSERT_FALSE(one.matches_everything());
    ASSERT_FALSE(Mask{}.covers(one));
    ASSERT_TRUE(one.covers(Mask{}));
    ASSERT_FALSE(equal_under(a, b, one));
    ASSERT_EQ(word_at(masked(a, one), bit / 64), word_at(a, bit / 64) & word_at(one.bits, bit / 64));
    Mask rest;
    std::memset(static_cast<void*>(&rest), 0xff, sizeof rest);
    set_word(rest.bits, bit / 64, ~word_at(one.bits, bit / 64));
    ASSERT_TRUE(equal_under(a, b, rest));
    ASSERT_FALSE(rest.covers(one));
    rest.unite(one);
    ASSERT_TRUE(rest.covers(one));
    ASSERT_FALSE(equal_under(a, b, rest));
  }
  EXPECT_TRUE(Mask{}.matches_everything());
}

TEST(Mask, HelpersAgreeWithWordByWord) {
  Rng rng(2);
  for (int n = 0; n < 2000; ++n) {
    const FlowKey a = random_key(rng), b = rng.chance(50) ? a : random_key(rng);
    const Mask mask = sparse_mask(rng), other = sparse_mask(rng);
    bool equal = true, covers = true;
    Mask both = mask;
    both.unite(other);
    for (std::size_t i = 0; i < kKeyWords; ++i) {
      equal = equal && ((word_at(a, i) ^ word_at(b, i)) & word_at(mask.bits, i)) == 0;
      covers = covers && (word_at(other.bits, i) & ~word_at(mask.bits, i)) == 0;
      ASSERT_EQ(word_at(both.bits, i), word_at(mask.bits, i) | word_at(other.bits, i));
    }
    ASSERT_EQ(equal_under(a, b, mask), equal);
    ASSERT_EQ(mask.covers(other), covers);
  }
}

TEST(MiniMask, IsTheMaskInFewerWords) {
  Rng rng(3);
  for (int n = 0; n < 2000; ++n) {
    const Mask mask = sparse_mask(rng);
    const MiniMask mini(mask);
    ASSERT_LE(mini.words(), 8u);
    ASSERT_EQ(mini.expand(), mask);
    ASSERT_TRUE(mini == MiniMask(mask));
    const FlowKey a = random_key(rng);
    FlowKey b = a;
    if (rng.chance(70)) set_word(b, rng.below(kKeyWords), rng.next());
    const MiniKey compressed(a, mini);
    ASSERT_EQ(mini.expand(compressed.words()), masked(a, mask));
    ASSERT_EQ(mini.matches(compressed.words(), b), equal_under(a, b, mask));
    ASSERT_EQ(mini.hash(a, 7), mini.hash(compressed.words(), 7));
    if (equal_under(a, b, mask)) {
      ASSERT_EQ(mini.hash(a, 7), mini.hash(b, 7));
    } else {
      ASSERT_NE(mini.hash(a, 7), mini.hash(b, 7));
    }
    const unsigned half = mini.words() / 2;
    ASSERT_EQ(mini.hash_range(a, mini.hash_range(a, 7, 0, half), half, mini.words()), mini.hash(a, 7));
  }
}

TEST(MiniMask, DifferentMasksDiffer) {
  Mask a, b;
  a.bits.tp_src = be16{0xffff};
  b.bits.tp_dst = be16{0xffff};
  EXPECT_FALSE(MiniMask(a) == MiniMask(b));
  EXPECT_NE(MiniMask(a).hash_of_mask(1), MiniMask(b).hash_of_mask(1));
  EXPECT_FALSE(MiniMask(a) == MiniMask(Mask{}));
}

}  // namespace
}  // namespace sluice::flow
