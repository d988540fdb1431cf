#include "io/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "io/clock.h"

namespace sluice::io {
namespace {

constexpr Duration kLong = Duration::seconds(10);

TEST(EventLoop, RunsWhatIsPostedInOrderFromAnyThread) {
  EventLoop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(EventLoop, RunsAgainAfterStop) {
  EventLoop loop;
  int runs = 0;
  for (int i = 0; i < 2; ++i) {
    loop.post([&] {
      ++runs;
      loop.stop();
    });
    loop.run();
  }
  EXPECT_EQ(runs, 2);
}

TEST(Timer, FiresInOrderOfDelay) {
  EventLoop loop;
  std::vector<int> seen;
  Timer late(loop), early(loop);
  late.start(Duration::milliseconds(20), [&] {
    seen.push_back(2);
    loop.stop();
  });
  early.start(Duration::milliseconds(1), [&] { seen.push_back(1); });
  loop.run_for(kLong);
  EXPECT_EQ(seen, (std::vector{1, 2}));
}

TEST(Timer, CancelledDestroyedAndRestartedOnesDoNotFire) {
  EventLoop loop;
  int wrong = 0, right = 0;
  Timer cancelled(loop), restarted(loop), end(loop);
  cancelled.start(Duration::milliseconds(1), [&] { ++wrong; });
  cancelled.cancel();
  {
    Timer destroyed(loop);
    destroyed.start(Duration::milliseconds(1), [&] { ++wrong; });
  }
  restarted.start(Duration::milliseconds(1), [&] { ++wrong; });
  restarted.start(Duration::milliseconds(2), [&] { ++right; });
  end.start(Duration::milliseconds(20), [&] { loop.stop(); });
  loop.run_for(kLong);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(right, 1);
}

TEST(Timer, PeriodicOneRepeatsUntilItDestroysItself) {
  EventLoop loop;
  int count = 0;
  auto timer = std::make_unique<Timer>(loop);
  timer->start_periodic(Duration::milliseconds(1), [&] {
    if (++count < 5) return;
    timer.reset();
    loop.stop();
  });
  loop.run_for(kLong);
  loop.run_for(Duration::milliseconds(5));
  EXPECT_EQ(count, 5);
}

TEST(EventLoop, LeapsAndTimersAreDueSoMuchEarlier) {
  EventLoop loop;
  std::vector<int> seen;
  Timer once(loop), later(loop), often(loop), cancelled(loop);
  once.start(Duration::seconds(100), [&] { seen.push_back(1); });
  later.start(Duration::seconds(200), [&] { seen.push_back(2); });
  often.start_periodic(Duration::seconds(60), [&] { seen.push_back(3); });
  cancelled.start(Duration::seconds(50), [&] { seen.push_back(4); });
  cancelled.cancel();
  const Instant before = loop.clock().now();
  loop.leap(Duration::seconds(99));
  EXPECT_GE(loop.clock().now() - before, Duration::seconds(99));
  loop.poll();
  EXPECT_EQ(seen, (std::vector{3}));
  loop.leap(Duration::seconds(20));
  loop.poll();
  EXPECT_EQ(seen, (std::vector{3, 1}));
  loop.leap(Duration::seconds(100));
  loop.poll();
  ASSERT_EQ(seen.size(), 4u) << "a period that was missed is skipped";
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 2), 1);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 3), 2);
}

TEST(Timer, MayOutliveItsLastWaitWhenTheLoopGoes) {
  // The loop frees waits in flight: nothing may be left behind (the leak check of the sanitized build sees
  // it).
  auto loop = std::make_unique<EventLoop>();
  {
    Timer timer(*loop);
    timer.start(kLong, [] {});
  }
  loop.reset();
}

TEST(ReadWatch, CallsWhileThereIsSomethingToRead) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EventLoop loop;
  std::string read_back;
  {
    ReadWatch watch(loop, ends[0], [&] {
      char c;  // one at a time: the rest must wake the watch again
      ASSERT_EQ(read(ends[0], &c, 1), 1);
      read_back += c;
      if (read_back.size() == 3) loop.stop();
    });
    ASSERT_EQ(write(ends[1], "abc", 3), 3);
    loop.run_for(kLong);
  }
  EXPECT_EQ(read_back, "abc");
  ASSERT_EQ(write(ends[1], "d", 1), 1);
  loop.run_for(Duration::milliseconds(5));
  EXPECT_EQ(read_back, "abc") << "the watch is gone";
  close(ends[0]);
  close(ends[1]);
}

TEST(ReadWatch, MayBeDestroyedInItsCallback) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EventLoop loop;
  std::unique_ptr<ReadWatch> watch;
  int calls = 0;
  watch = std::make_unique<ReadWatch>(loop, ends[0], [&] {
    ++calls;
    watch.reset();
    loop.stop();
  });
  ASSERT_EQ(write(ends[1], "a", 1), 1);
  loop.run_for(kLong);
  loop.run_for(Duration::milliseconds(5));
  EXPECT_EQ(calls, 1);
  close(ends[0]);
  close(ends[1]);
}

TEST(EventLoop, TellsSignals) {
  EventLoop loop;
  std::vector<int> seen;
  ASSERT_TRUE(loop.on_signal({SIGUSR1, SIGUSR2}, [&](int signal) {
    seen.push_back(signal);
    if (seen.size() == 2) return loop.stop();
    raise(SIGUSR2);
  }));
  raise(SIGUSR1);
  loop.run_for(kLong);
  EXPECT_EQ(seen, (std::vector{SIGUSR1, SIGUSR2}));
}

TEST(MonotonicClock, NeverGoesBack) {
  const MonotonicClock clock;
  const Instant first = clock.now();
  EXPECT_LE(first, clock.now());
  EXPECT_GT(wall_clock_ns(), 1'700'000'000'000'000'000);
}

}  // namespace
}  // namespace sluice::io
