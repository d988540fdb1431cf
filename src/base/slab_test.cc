#include "base/slab.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace sluice {
namespace {

struct Item {
  std::uint64_t value;
};

TEST(Slab, HandsOutEveryIndexOnceWhateverTheHint) {
  Slab<Item> slab(100);
  std::set<std::uint32_t> seen;
  for (std::uint32_t i = 0; i < 100; ++i) {
    const std::uint32_t index = slab.allocate(i * 7);
    ASSERT_LT(index, 100u);
    EXPECT_TRUE(seen.insert(index).second);
  }
  EXPECT_EQ(slab.allocate(0), Slab<Item>::kNone);
  EXPECT_EQ(slab.touched(), 100u);
}

TEST(Slab, BeginsAsZerosAndKeepsWhatItsLastHolderLeft) {
  Slab<Item> slab(16);
  const std::uint32_t index = slab.allocate(3);
  EXPECT_EQ(slab[index].value, 0u);
  slab[index].value = 42;
  slab.release(index, 3);
  EXPECT_EQ(slab.allocate(3), index);  // the last freed first
  EXPECT_EQ(slab[index].value, 42u);
}

TEST(Slab, FindsWhatOtherShardsFreed) {
  Slab<Item> slab(16);
  for (int i = 0; i < 16; ++i) ASSERT_NE(slab.allocate(0), Slab<Item>::kNone);
  slab.release(5, 9);
  EXPECT_EQ(slab.allocate(2), 5u);
  EXPECT_EQ(slab.allocate(2), Slab<Item>::kNone);
}

TEST(Slab, ThreadsNeverShareAnIndex) {
  Slab<Item> slab(1000);
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 4; ++t)
    threads.emplace_back([&slab, t] {
      std::vector<std::uint32_t> mine;
      for (int round = 0; round < 2000; ++round) {
        const std::uint32_t index = slab.allocate(t);
        ASSERT_NE(index, Slab<Item>::kNone);
        ++slab[index].value;  // a race here is two holders
        mine.push_back(index);
        if (mine.size() < 200) continue;
        for (const std::uint32_t i : mine) slab.release(i, t);
        mine.clear();
      }
    });
  for (std::thread& t : threads) t.join();
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < slab.touched(); ++i) sum += slab[i].value;
  EXPECT_EQ(sum, 8000u);
}

}  // namespace
}  // namespace sluice
