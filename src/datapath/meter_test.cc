#include "datapath/meter.h"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::datapath {
namespace {

constexpr Instant at_ms(std::int64_t ms) {
  return Instant{5'000'000'000 + ms * 1'000'000};
}

TEST(Meter, PacketsBeyondRateAndBurstAreDropped) {
  Meter meter({.packets = true, .bands = {{.rate = 100, .burst = 10}}}, at_ms(0));
  for (unsigned i = 0; i < 10; ++i) EXPECT_FALSE(meter.measure(1500, at_ms(0)).drop) << i;
  EXPECT_TRUE(meter.measure(64, at_ms(0)).drop);
  EXPECT_TRUE(meter.measure(64, at_ms(9)).drop);
  EXPECT_FALSE(meter.measure(64, at_ms(10)).drop);  // one every 10 ms
  EXPECT_TRUE(meter.measure(64, at_ms(10)).drop);
  for (unsigned i = 0; i < 10; ++i) EXPECT_FALSE(meter.measure(64, at_ms(1000)).drop) << i;
  EXPECT_TRUE(meter.measure(64, at_ms(1000)).drop);
  const Meter::Stats stats = meter.stats();
  EXPECT_EQ(stats.in.packets, 25u);
  EXPECT_EQ(stats.in.bytes, 10 * 1500 + 15 * 64u);
  ASSERT_EQ(stats.bands.size(), 1u);
  EXPECT_EQ(stats.bands[0].packets, 4u);
  EXPECT_EQ(stats.bands[0].bytes, 4 * 64u);
}

TEST(Meter, KilobitsAreExactOverTime) {
  // 8000 kbit/s are a million bytes a second: 1000 bytes each millisecond, whatever their sizes.
  Meter meter({.bands = {{.rate = 8000, .burst = 16}}}, at_ms(0));
  std::uint64_t passed = 0;
  for (std::int64_t ms = 0; ms < 10'000; ++ms)
    for (const std::uint32_t bytes : {64u, 900u, 500u})
      if (!meter.measure(bytes, at_ms(ms)).drop) passed += bytes;
  EXPECT_GE(passed, 9'950'000u);
  EXPECT_LE(passed, 10'000'000u + 2'000u);  // and the burst of 16 kbit
}

TEST(Meter, WithoutABurstSizeASecondMayBeSentAtOnce) {
  Meter meter({.packets = true, .bands = {{.rate = 50}}}, at_ms(0));
  unsigned passed = 0;
  for (unsigned i = 0; i < 200; ++i) passed += !meter.measure(64, at_ms(0)).drop;
  EXPECT_EQ(passed, 50u);
}

TEST(Meter, TheHighestRateThatIsExceededTakesEffect) {
  Meter meter({.packets = true, .bands = {{.rate = 10, .burst = 1, .raise = 1}, {.rate = 100, .burst = 2}}},
              at_ms(0));
  EXPECT_EQ(meter.measure(64, at_ms(0)).raise, 0);
  const Meter::Verdict second = meter.measure(64, at_ms(0));
  EXPECT_FALSE(second.drop);
  EXPECT_EQ(second.raise, 1);
  EXPECT_TRUE(meter.measure(64, at_ms(0)).drop);
  EXPECT_EQ(meter.measure(64, at_ms(20)).raise, 1);
  const Meter::Stats stats = meter.stats();
  EXPECT_EQ(stats.bands[0].packets, 2u);
  EXPECT_EQ(stats.bands[1].packets, 1u);
}

TEST(Meter, WorkersShareABandExactly) {
  Meter meter({.packets = true, .bands = {{.rate = 1000, .burst = 5000}}}, at_ms(0));
  std::atomic<unsigned> passed{0};
  std::vector<std::thread> workers;
  for (unsigned n = 0; n < 4; ++n)
    workers.emplace_back([&] {
      for (unsigned i = 0; i < 3000; ++i)
        if (!meter.measure(64, at_ms(0)).drop) passed.fetch_add(1);
    });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(passed.load(), 5000u);
}

TEST(MeterTable, NumbersAreTheLowestFreeOnes) {
  MeterTable table;
  const MeterConfig config{.packets = true, .bands = {{.rate = 1}}};
  EXPECT_EQ(table.add(config, at_ms(0)), 0u);
  EXPECT_EQ(table.add(config, at_ms(0)), 1u);
  table.remove(0);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(7), nullptr);
  EXPECT_EQ(table.add(config, at_ms(1)), 0u);
  table.find(1)->measure(60, at_ms(1));
  EXPECT_EQ(table.stats(1)->in.packets, 1u);
  table.replace(1, config, at_ms(2));
  EXPECT_EQ(table.stats(1)->in.packets, 0u);
  EXPECT_EQ(table.stats(5), std::nullopt);
  rcu::reclaim();
}

TEST(MeterTable, TakesAsManyAsItSays) {
  MeterTable table;
  const MeterConfig config{.packets = true, .bands = {{.rate = 1}}};
  for (std::uint32_t number = 0; number < MeterTable::kMaxMeters; ++number)
    ASSERT_EQ(table.add(config, at_ms(0)), number);
  EXPECT_EQ(table.add(config, at_ms(0)), std::nullopt);
  EXPECT_EQ(table.find(MeterTable::kMaxMeters), nullptr);
  table.remove(40'000);
  table.remove(300);
  EXPECT_EQ(table.add(config, at_ms(0)), 300u);
  EXPECT_EQ(table.add(config, at_ms(0)), 40'000u);
  EXPECT_EQ(table.add(config, at_ms(0)), std::nullopt);
  rcu::reclaim();
}

// A worker that measures by a number finds the meter that is there, or the one that was.
TEST(MeterTable, MetersChangeWhileTheyMeasure) {
  MeterTable table;
  const MeterConfig config{.packets = true, .bands = {{.rate = 1'000'000}}};
  ASSERT_EQ(table.add(config, at_ms(0)), 0u);
  std::atomic<bool> stop{false};
  std::atomic<unsigned> measured{0};
  std::vector<std::thread> workers;
  for (unsigned n = 0; n < 2; ++n)
    workers.emplace_back([&] {
      const rcu::ThreadRegistration registration;
      while (!stop.load()) {
        for (std::uint32_t number = 0; number < 600; ++number)
          if (Meter* meter = table.find(number)) {
            meter->measure(64, at_ms(0));
            measured.fetch_add(number == 0);
          }
        rcu::quiescent();
      }
    });
  for (unsigned changes = 0; changes < 10 || measured.load() < 30; ++changes) {
    for (unsigned n = 0; n < 500; ++n) table.add(config, at_ms(0));
    table.replace(0, config, at_ms(0));
    for (std::uint32_t number = 1; number <= 500; ++number) table.remove(number);
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(table.find(1), nullptr);
  EXPECT_NE(table.find(0), nullptr);
  rcu::reclaim();
}

TEST(MeterTable, DropPrecedenceRisesWithinItsClass) {
  EXPECT_EQ(raised_dscp(10, 1), 12);  // AF11 -> AF12
  EXPECT_EQ(raised_dscp(10, 9), 14);
  EXPECT_EQ(raised_dscp(38, 1), 38);  // AF43
  EXPECT_EQ(raised_dscp(0, 1), 0);
  EXPECT_EQ(raised_dscp(46, 1), 46);  // EF
  EXPECT_EQ(raised_dscp(8, 1), 8);    // CS1
}

}  // namespace
}  // namespace sluice::datapath
