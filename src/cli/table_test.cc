#include "cli/table.h"

#include <gtest/gtest.h>

namespace sluice::cli {
namespace {

TEST(Table, ColumnsAreAligned) {
  Table table({{"NAME"}, {"N", Align::Right}, {"TEXT"}});
  table.add({"a", "10", "x"});
  table.add({"longer", "7", "a longer text"});
  table.add({"short"});
  EXPECT_EQ(table.text(),
            "NAME     N  TEXT\n"
            "a       10  x\n"
            "longer   7  a longer text\n"
            "short\n");
}

TEST(Table, CountsKeepThreeDigits) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(9999), "9999");
  EXPECT_EQ(human_count(10'000), "10.0k");
  EXPECT_EQ(human_count(99'949), "99.9k");
  EXPECT_EQ(human_count(99'951), "100k");
  EXPECT_EQ(human_count(999'499), "999k");
  EXPECT_EQ(human_count(999'500), "1.00M");
  EXPECT_EQ(human_count(1'234'567'890), "1.23G");
  EXPECT_EQ(human_count(~std::uint64_t{0}), "18.4E");
}

TEST(Table, BytesCountInPowersOfTwo) {
  EXPECT_EQ(human_bytes(9999), "9999");
  EXPECT_EQ(human_bytes(10'240), "10.0Ki");
  EXPECT_EQ(human_bytes(1'572'864), "1.50Mi");
}

TEST(Table, Durations) {
  EXPECT_EQ(human_seconds(-1), "0.000s");
  EXPECT_EQ(human_seconds(0.25), "0.250s");
  EXPECT_EQ(human_seconds(12.9), "12s");
  EXPECT_EQ(human_seconds(200), "3m20s");
  EXPECT_EQ(human_seconds(7500), "2h05m");
  EXPECT_EQ(human_seconds(4 * 86400 + 3 * 3600), "4d03h");
}

}  // namespace
}  // namespace sluice::cli
