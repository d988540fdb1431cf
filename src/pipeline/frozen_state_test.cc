#include "pipeline/frozen_state.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace sluice::pipeline {
namespace {

FrozenData data(std::uint32_t in_port, std::uint32_t reg0) {
  FrozenData result;
  result.in_port = in_port;
  result.regs[0] = be32{reg0};
  result.table = 1;
  return result;
}

TEST(FrozenStore, EqualStatesShareAnId) {
  FrozenStore store(1);
  const FrozenRef first = store.intern(data(1, 2));
  EXPECT_EQ(first->id(), 1u);
  EXPECT_EQ(store.intern(data(1, 2))->id(), 1u);
  EXPECT_EQ(store.intern(data(1, 3))->id(), 2u);
  FrozenData tracked = data(1, 2);
  tracked.conntracked = true;
  EXPECT_EQ(store.intern(std::move(tracked))->id(), 3u);
  FrozenData stacked = data(1, 2);
  stacked.stack.push_back(7);
  EXPECT_EQ(store.intern(std::move(stacked))->id(), 4u);
  EXPECT_EQ(store.size(), 4u);
  EXPECT_EQ(store.find(1)->data, data(1, 2));
  EXPECT_FALSE(store.find(5));
}

TEST(FrozenStore, KeepsWhatIsReferredTo) {
  FrozenStore store(1);
  FrozenRef held = store.intern(data(1, 1));
  store.intern(data(1, 2));
  const auto at = [](std::int64_t seconds) { return Instant{Duration::seconds(seconds).ns}; };
  store.sweep(at(0));
  store.sweep(at(9));
  EXPECT_EQ(store.size(), 2u);
  store.sweep(at(10));
  EXPECT_EQ(store.size(), 1u);
  EXPECT_TRUE(store.find(1));
  EXPECT_FALSE(store.find(2));
  held = {};
  store.sweep(at(100));
  held = store.find(1);  // used again before its time: the clock starts anew
  store.sweep(at(109));
  held = {};
  store.sweep(at(110));
  store.sweep(at(119));
  EXPECT_EQ(store.size(), 1u);
  store.sweep(at(120));
  EXPECT_EQ(store.size(), 0u);
}

TEST(FrozenStore, WorkersInternAndFindWhileMainSweeps) {
  FrozenStore store(1);
  std::atomic<bool> stop{false};
  std::atomic<unsigned> wrong{0};
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&, worker] {
      Rng rng(worker);
      for (int i = 0; i < 20'000; ++i) {
        const auto port = static_cast<std::uint32_t>(rng.below(50));
        const FrozenRef state = store.intern(data(port, 1));
        const FrozenRef again = store.find(state->id());
        if (again.get() != state.get() || again->data.in_port != port) ++wrong;
      }
    });
  }
  std::thread main([&] {
    for (std::int64_t t = 0; !stop; t += FrozenStore::kLinger.ns) store.sweep(Instant{t});
  });
  for (std::thread& worker : workers) worker.join();
  stop = true;
  main.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace sluice::pipeline
