#include "base/rcu.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::rcu {
namespace {

struct Counted {
  explicit Counted(std::atomic<int>& counter, int number) : alive(counter), value(number) { ++alive; }
  ~Counted() { --alive; }
  std::atomic<int>& alive;
  int value;
};

TEST(Rcu, WhatWasRetiredIsFreedByReclaim) {
  std::atomic<int> alive{0};
  {
    Published<Counted> published(std::make_unique<Counted>(alive, 1));
    published.publish(std::make_unique<Counted>(alive, 2));
    EXPECT_EQ(published.get()->value, 2);
    reclaim();
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0) << "the last one belongs to Published";
}

TEST(Rcu, AReaderKeepsWhatItHoldsUntilItIsQuiescent) {
  std::atomic<int> alive{0}, stage{0};
  Published<Counted> published(std::make_unique<Counted>(alive, 1));
  std::thread reader([&] {
    const ThreadRegistration registration;
    const Counted* const held = published.get();
    stage = 1;
    while (stage != 2) std::this_thread::yield();
    EXPECT_EQ(held->value, 1);  // a use after free if the writer did not wait
    EXPECT_EQ(alive, 2);
    stage = 3;
    quiescent();
    EXPECT_EQ(published.get()->value, 2);
    offline();
    while (stage != 4) std::this_thread::yield();
    online();
  });
  while (stage != 1) std::this_thread::yield();
  published.publish(std::make_unique<Counted>(alive, 2));
  stage = 2;
  reclaim();  // waits for the reader
  EXPECT_EQ(stage, 3);
  EXPECT_EQ(alive, 1);
  stage = 4;
  reader.join();
}

TEST(Rcu, AWriterMayBeAReader) {
  const ThreadRegistration registration;
  bool destroyed = false;
  retire([&] { destroyed = true; });
  synchronize();
  reclaim();
  EXPECT_TRUE(destroyed);
}

}  // namespace
}  // namespace sluice::rcu
