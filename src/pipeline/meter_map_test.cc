#include "pipeline/meter_map.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace sluice::pipeline {
namespace {

TEST(MeterMap, IsAMap) {
  MeterMap map(1);
  std::map<std::uint32_t, std::uint32_t> model;
  Rng rng(5);
  const auto some_id = [&] { return static_cast<std::uint32_t>(1 + rng.below(2'000)); };
  for (unsigned step = 0; step < 50'000; ++step) {
    const std::uint32_t id = some_id();
    if (rng.below(3) == 0) {
      map.remove(id);
      model.erase(id);
    } else {
      map.set(id, step);
      model[id] = step;
    }
    if (step % 20'000 == 19'999) {
      map.clear();
      model.clear();
    }
    ASSERT_EQ(map.size(), model.size());
    const std::uint32_t other = some_id();
    const auto found = model.find(other);
    ASSERT_EQ(map.find(other), found == model.end() ? std::nullopt : std::optional(found->second));
  }
  rcu::reclaim();
}

TEST(MeterMap, WhatIsNoMeterIsNotThere) {
  MeterMap map(2);
  map.set(0xfffffffe, 7);
  map.set(9, 0);
  map.remove(9);
  for (const std::uint32_t id : {0u, 1u, 9u, 0xffffffffu}) EXPECT_EQ(map.find(id), std::nullopt) << id;
  EXPECT_EQ(map.find(0xfffffffe), 7u);
}

// Readers find what stays, whatever comes and goes, and never another's number.
TEST(MeterMap, ReadersFindWhatStays) {
  constexpr std::uint32_t kStay = 50, kCome = 400;
  MeterMap map(3);
  for (std::uint32_t id = 1; id <= kStay; ++id) map.set(id, id * 3);
  std::atomic<bool> stop{false};
  std::atomic<unsigned> rounds{0}, wrong{0};
  std::vector<std::thread> readers;
  for (unsigned n = 0; n < 3; ++n)
    readers.emplace_back([&] {
      const rcu::ThreadRegistration registration;
      while (!stop.load()) {
        for (std::uint32_t id = 1; id <= kStay; ++id) wrong += map.find(id) != id * 3;
        for (std::uint32_t id = kStay + 1; id <= kStay + kCome; ++id)
          if (const auto number = map.find(id)) wrong += *number != id * 3;
        rounds.fetch_add(1);
        rcu::quiescent();
      }
    });
  for (unsigned changes = 0; changes < 20 || rounds.load() < 30; ++changes) {
    for (std::uint32_t id = kStay + 1; id <= kStay + kCome; ++id) map.set(id, id * 3);
    for (std::uint32_t id = kStay + 1; id <= kStay + kCome; ++id) map.remove(id);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(map.size(), kStay);
  rcu::reclaim();
}

}  // namespace
}  // namespace sluice::pipeline
