#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/rng.h"

namespace sluice {
namespace {

constexpr Instant kStart{Duration::seconds(500).ns};
void no_prefetch(std::uint32_t) {}

TEST(TimerWheel, VisitsEachWhenDueAndNeverBefore) {
  TimerWheel wheel(1000);
  Rng rng(5);
  std::map<std::uint32_t, Instant> due;
  for (std::uint32_t name = 0; name < 1000; ++name) {
    due[name] = kStart + Duration::milliseconds(static_cast<std::int64_t>(rng.below(29'000)));
    wheel.insert(name, due[name], kStart, name);
  }
  for (Instant now = kStart; !due.empty(); now += Duration::milliseconds(100)) {
    ASSERT_LT(now, kStart + Duration::seconds(31));
    EXPECT_FALSE(wheel.advance(now, 10'000, no_prefetch, [&](std::uint32_t name) -> std::optional<Instant> {
      EXPECT_EQ(due.count(name), 1u);
      EXPECT_GE(now, due[name]);
      EXPECT_LE(now - due[name], TimerWheel::kTick + Duration::milliseconds(100));
      due.erase(name);
      return std::nullopt;
    }));
  }
}

TEST(TimerWheel, FarDeadlinesAreVisitedOnceAHorizon) {
  TimerWheel wheel(10);
  wheel.insert(3, kStart + Duration::seconds(3600), kStart, 0);
  unsigned visits = 0;
  for (Instant now = kStart; now < kStart + Duration::seconds(3500); now += Duration::seconds(1))
    wheel.advance(now, 100, no_prefetch, [&](std::uint32_t) -> std::optional<Instant> {
      ++visits;
      return kStart + Duration::seconds(3600);
    });
  EXPECT_GE(visits, 112u);
  EXPECT_LE(visits, 118u);
}

TEST(TimerWheel, BudgetBoundsTheVisits) {
  TimerWheel wheel(100);
  for (std::uint32_t name = 0; name < 100; ++name) wheel.insert(name, kStart, kStart, name);
  std::set<std::uint32_t> seen;
  const Instant later = kStart + Duration::seconds(1);
  for (int call = 0; call < 10; ++call) {
    const std::size_t before = seen.size();
    const bool more =
        wheel.advance(later, 10, no_prefetch, [&](std::uint32_t name) -> std::optional<Instant> {
          seen.insert(name);
          return std::nullopt;
        });
    EXPECT_EQ(seen.size() - before, 10u);
    EXPECT_EQ(more, call < 9) << call;
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(TimerWheel, SweepVisitsEverythingNow) {
  TimerWheel wheel(100);
  for (std::uint32_t name = 0; name < 100; ++name)
    wheel.insert(name, kStart + Duration::seconds(name % 40), kStart, name);
  wheel.advance(kStart, 1000, no_prefetch,
                [](std::uint32_t) -> std::optional<Instant> { return std::nullopt; });
  std::map<std::uint32_t, int> seen;
  wheel.sweep();
  EXPECT_FALSE(wheel.advance(kStart, 1000, no_prefetch, [&](std::uint32_t name) -> std::optional<Instant> {
    ++seen[name];
    return kStart + Duration::seconds(20);
  }));
  EXPECT_EQ(seen.size(), 100u);
}

TEST(TimerWheel, ALongPauseVisitsEachAtMostTwice) {
  TimerWheel wheel(200);
  for (std::uint32_t name = 0; name < 200; ++name)
    wheel.insert(name, kStart + Duration::milliseconds(137 * name), kStart, name);
  std::map<std::uint32_t, int> seen;
  const Instant later = kStart + Duration::seconds(100'000);
  wheel.advance(later, 1000, no_prefetch, [&](std::uint32_t name) -> std::optional<Instant> {
    ++seen[name];
    return later + Duration::seconds(5);
  });
  EXPECT_EQ(seen.size(), 200u);
  // The wheel catches up slot by slot: what it puts back in the first round may come by again in the same.
  for (const auto& [name, times] : seen) EXPECT_LE(times, 2) << name;
}

}  // namespace
}  // namespace sluice
