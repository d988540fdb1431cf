#include "base/mpsc_ring.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

namespace sluice {
namespace {

TEST(MpscRing, FirstInFirstOutAndFull) {
  MpscRing<int> ring(3);
  EXPECT_EQ(ring.capacity(), 4u);
  int value = 0;
  EXPECT_FALSE(ring.pop(value));
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(round * 10 + i));
    EXPECT_FALSE(ring.push(99));
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(ring.pop(value));
      EXPECT_EQ(value, round * 10 + i);
    }
    EXPECT_FALSE(ring.pop(value));
  }
}

struct Item {
  std::uint32_t producer, number, check;
};

TEST(MpscRing, EveryProducersItemsArriveWholeAndInOrder) {
  constexpr unsigned kProducers = 3, kItems = 20'000;
  MpscRing<Item> ring(64);
  std::vector<std::thread> producers;
  for (unsigned p = 0; p < kProducers; ++p)
    producers.emplace_back([&ring, p] {
      for (unsigned n = 0; n < kItems; ++n)
        while (!ring.push({p, n, p ^ n ^ 0x5a5a})) std::this_thread::yield();
    });
  std::array<unsigned, kProducers> next{};
  for (unsigned taken = 0; taken < kProducers * kItems;) {
    Item item;
    if (!ring.pop(item)) {
      std::this_thread::yield();
      continue;
    }
    ++taken;
    ASSERT_LT(item.producer, kProducers);
    ASSERT_EQ(item.number, next[item.producer]++);
    ASSERT_EQ(item.check, item.producer ^ item.number ^ 0x5a5a);
  }
  for (std::thread& t : producers) t.join();
}

}  // namespace
}  // namespace sluice
