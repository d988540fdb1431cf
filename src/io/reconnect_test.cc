#include "io/reconnect.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::io {
namespace {

using State = Reconnect::State;
using Step = Reconnect::Step;

class ReconnectTest : public ::testing::Test {
 protected:
  static constexpr Duration s(std::int64_t n) { return Duration::seconds(n); }

  ReconnectTest() { fsm.enable(clock.now()); }
  Step poll() { return fsm.poll(clock.now()); }
  /// The time until poll() has something to say.
  Duration wait() {
    const Instant before = clock.now();
    clock.set(*fsm.deadline() - Duration::nanoseconds(1));
    EXPECT_EQ(poll(), Step::None);
    clock.set(*fsm.deadline());
    return clock.now() - before;
  }

  ManualClock clock;
  Reconnect fsm;
};

TEST_F(ReconnectTest, DoublesUpToTheMaximum) {
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 6; ++i) {
    ASSERT_EQ(poll(), Step::Connect);
    EXPECT_EQ(fsm.status().state, State::Connecting);
    fsm.disconnected(clock.now(), "Connection refused");
    EXPECT_EQ(fsm.status().state, State::Backoff);
    waits.push_back(wait().whole_seconds());
  }
  EXPECT_EQ(waits, (std::vector<std::int64_t>{1, 2, 4, 8, 8, 8}));
  EXPECT_EQ(fsm.status().last_error, "Connection refused");
  EXPECT_EQ(fsm.status().attempts, 6u);
  EXPECT_EQ(fsm.status().successes, 0u);
  EXPECT_FALSE(fsm.status().disconnected_at) << "it never was connected";
}

TEST_F(ReconnectTest, ConnectionThatLastedStartsAnew) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(poll(), Step::Connect);
    fsm.disconnected(clock.now(), "x");
    wait();
  }
  ASSERT_EQ(poll(), Step::Connect);
  fsm.connected(clock.now());
  EXPECT_FALSE(fsm.deadline());
  clock.advance(s(8));
  fsm.disconnected(clock.now(), "");
  EXPECT_EQ(wait(), s(8)) << "not longer than the wait before it";
  ASSERT_EQ(poll(), Step::Connect);
  fsm.connected(clock.now());
  clock.advance(s(9));
  fsm.disconnected(clock.now(), "");
  EXPECT_EQ(wait(), s(1));
  EXPECT_EQ(fsm.status().last_error, "x");
  EXPECT_EQ(fsm.status().successes, 2u);
}

TEST_F(ReconnectTest, AttemptIsAbandonedAfterTheWait) {
  ASSERT_EQ(poll(), Step::Connect);
  EXPECT_EQ(wait(), s(1));
  EXPECT_EQ(poll(), Step::Abandon);
  EXPECT_EQ(poll(), Step::None);
  fsm.disconnected(clock.now(), "Connection timed out");
  EXPECT_EQ(wait(), s(1));
  ASSERT_EQ(poll(), Step::Connect);
  fsm.disconnected(clock.now(), "Connection timed out");
  EXPECT_EQ(wait(), s(2));
  ASSERT_EQ(poll(), Step::Connect);
  EXPECT_EQ(wait(), s(2));
  EXPECT_EQ(poll(), Step::Abandon);
}

TEST_F(ReconnectTest, HurryAndDisable) {
  ASSERT_EQ(poll(), Step::Connect);
  fsm.disconnected(clock.now(), "x");
  fsm.hurry(clock.now());
  EXPECT_EQ(poll(), Step::Connect);
  fsm.disable();
  EXPECT_EQ(fsm.status().state, State::Void);
  EXPECT_FALSE(fsm.deadline());
  fsm.disconnected(clock.now(), "late");
  EXPECT_EQ(fsm.status().state, State::Void);
}

TEST_F(ReconnectTest, ShorterMaximumHoldsAtOnce) {
  fsm.set_max_backoff(s(2));
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(poll(), Step::Connect);
    fsm.disconnected(clock.now(), "x");
    EXPECT_LE(wait(), s(2));
  }
}

}  // namespace
}  // namespace sluice::io
