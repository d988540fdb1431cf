#include "ofproto/packet_in.h"

#include <gtest/gtest.h>

#include "ofproto/frame_budget.h"

namespace sluice::ofproto {
namespace {

PacketIn packet(std::uint8_t number) {
  PacketIn made;
  made.bytes = {number};
  return made;
}

TEST(PacketInQueue, IsTakenInParts) {
  PacketInQueue queue;
  unsigned notified = 0;
  queue.set_notify([&] { ++notified; });
  for (std::uint8_t i = 0; i < 5; ++i) EXPECT_TRUE(queue.push(packet(i)));
  const auto first = queue.take(2);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[1].bytes[0], 1);
  EXPECT_EQ(queue.waiting(), 3u);
  EXPECT_TRUE(queue.push(packet(5)));
  EXPECT_EQ(notified, 1u) << "who left some behind knows";
  const auto rest = queue.take(4);
  ASSERT_EQ(rest.size(), 4u);
  EXPECT_EQ(rest[0].bytes[0], 2);
  EXPECT_EQ(rest[3].bytes[0], 5);
  EXPECT_TRUE(queue.take(1).empty());
}

TEST(PacketInQueue, HasRoomAgainWhenAPartWasTaken) {
  PacketInQueue queue;
  for (std::size_t i = 0; i < PacketInQueue::kMaxWaiting; ++i)
    EXPECT_FALSE(queue.refuse() || !queue.push(packet(0)));
  EXPECT_TRUE(queue.refuse());
  EXPECT_FALSE(queue.push(packet(0)));
  EXPECT_EQ(queue.dropped(), 2u);
  EXPECT_EQ(queue.take(1).size(), 1u);
  EXPECT_FALSE(queue.refuse());
  EXPECT_TRUE(queue.push(packet(0)));
  EXPECT_EQ(queue.queued(), PacketInQueue::kMaxWaiting + 1);
}

TEST(FrameBudget, FillsWithTimeUpToABurst) {
  FrameBudget budget({.per_second = 10, .burst = 20});
  const auto all = [&](std::uint32_t port) {
    unsigned taken = 0;
    while (budget.take(port, 1)) ++taken;
    return taken;
  };
  Instant now{Duration::seconds(1000).ns};
  budget.refill(now);
  EXPECT_EQ(all(1), 20u);
  EXPECT_FALSE(budget.take(2, 21)) << "what costs more than there is takes nothing";
  EXPECT_EQ(all(2), 20u);
  for (unsigned i = 0; i < 10; ++i) budget.refill(now = now + Duration::milliseconds(150));
  EXPECT_EQ(all(1), 15u) << "nothing is lost to short steps";
  budget.refill(now - Duration::milliseconds(500));
  EXPECT_EQ(all(1), 0u) << "time that goes back earns nothing";
  budget.refill(now + Duration::seconds(3600));
  EXPECT_EQ(all(1), 10u) << "a second's at most in one step";
  EXPECT_EQ(all(3), 20u) << "never more than a burst";
}

}  // namespace
}  // namespace sluice::ofproto
