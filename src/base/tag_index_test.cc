#include "base/tag_index.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace sluice {
namespace {

std::uint32_t total(const TagIndex& index) {
  std::uint32_t names = 0;
  for (std::uint32_t b = 0; b < index.buckets(); ++b) names += index.occupied(b);
  return names;
}

std::uint32_t find(const TagIndex& index, std::uint64_t hash, std::uint32_t name) {
  return index.find(hash, [name](std::uint32_t candidate) { return candidate == name; });
}

TEST(TagIndex, FindsWhatWasInsertedAndNothingElse) {
  TagIndex index(1000);
  Rng rng(1);
  std::map<std::uint32_t, std::uint64_t> model;
  for (int step = 0; step < 20'000; ++step) {
    const auto name = static_cast<std::uint32_t>(rng.below(1000));
    if (const auto it = model.find(name); it != model.end()) {
      EXPECT_EQ(find(index, it->second, name), name);
      if (rng.chance(40)) {
        EXPECT_TRUE(index.erase(it->second, name));
        EXPECT_FALSE(index.erase(it->second, name));
        EXPECT_EQ(find(index, it->second, name), TagIndex::kNone);
        model.erase(it);
      }
    } else {
      const std::uint64_t hash = rng.next();
      EXPECT_EQ(find(index, hash, name), TagIndex::kNone);
      ASSERT_TRUE(index.insert(hash, name));
      model[name] = hash;
    }
  }
  EXPECT_EQ(total(index), model.size());
  for (const auto& [name, hash] : model) EXPECT_EQ(find(index, hash, name), name);
}

TEST(TagIndex, OverflowsToTheNextBucketsAndComesBack) {
  TagIndex index(1000);
  // Same bucket, different tags; more than one bucket holds, until 32 are full.
  const auto hash = [](std::uint32_t i) { return 0x1234567800000000 | (i + 2); };
  std::uint32_t n = 0;
  while (index.insert(hash(n), n)) ++n;
  EXPECT_EQ(n, 320u);
  for (std::uint32_t i = 0; i < n; ++i) {
    EXPECT_EQ(find(index, hash(i), i), i);
    EXPECT_NE(index.candidate(index.prefetch(hash(i)), hash(i)), TagIndex::kNone);
  }
  for (std::uint32_t i = 0; i < n; ++i) EXPECT_TRUE(index.erase(hash(i), i));
  EXPECT_EQ(total(index), 0u);
  EXPECT_TRUE(index.insert(hash(0), 7));
  EXPECT_EQ(index.candidate(index.prefetch(hash(0)), hash(0)), 7u);
  // No overflow is remembered: a look-up that finds no tag ends in the first bucket.
  EXPECT_EQ(index.candidate(index.prefetch(hash(1)), hash(1)), TagIndex::kNone);
}

TEST(TagIndex, TagsZeroAndOneAreNotMistakenForEmptyOrClaimed) {
  TagIndex index(100);
  for (std::uint64_t tag = 0; tag < 4; ++tag) {
    ASSERT_TRUE(index.insert(tag, static_cast<std::uint32_t>(tag)));
    EXPECT_EQ(find(index, tag, static_cast<std::uint32_t>(tag)), tag);
  }
  EXPECT_EQ(find(index, 2, 99), TagIndex::kNone);
  EXPECT_EQ(total(index), 4u);
}

TEST(TagIndex, ReadersNeverMissWhatStays) {
  TagIndex index(64);
  const auto hash = [](std::uint32_t i) { return std::uint64_t{i % 3} << 62 | (i + 2); };
  for (std::uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(index.insert(hash(i), i));
  std::vector<std::thread> writers;
  for (std::uint32_t t = 0; t < 2; ++t)
    writers.emplace_back([&, t] {
      for (std::uint32_t round = 0; round < 3000; ++round) {
        const std::uint32_t name = 100 + t * 50 + round % 20;
        const TagIndex::HomeLock lock(index, hash(name));
        ASSERT_TRUE(index.insert(hash(name), name));
        ASSERT_TRUE(index.erase(hash(name), name));
      }
    });
  for (int round = 0; round < 1000; ++round)
    for (std::uint32_t i = 0; i < 20; ++i) ASSERT_EQ(find(index, hash(i), i), i);
  for (std::thread& t : writers) t.join();
  EXPECT_EQ(total(index), 20u);
}

TEST(TagIndex, HoldsAllThatItWasMadeFor) {
  // At full load some names lie far from home: a translated connection must not fail for that.
  constexpr std::uint32_t kNames = 200'000;
  TagIndex index(kNames);
  Rng rng(11);
  for (std::uint32_t name = 0; name < kNames; ++name) ASSERT_TRUE(index.insert(rng.next(), name)) << name;
}

}  // namespace
}  // namespace sluice
