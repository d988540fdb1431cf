#include "conntrack/expectation.h"

#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using Added = ExpectationTable::Added;
constexpr Instant kNow{Duration::seconds(1000).ns};

ExpectedTuple tuple(std::uint16_t port, std::uint16_t zone = 0) {
  return {.src = net::v4_mapped(be32{0x0a000001}),
          .dst = net::v4_mapped(be32{0x0a000002}),
          .dst_port = be16{port},
          .zone = zone,
          .proto = net::ip_proto::kTcp};
}
Expectation expectation(std::uint32_t family, const ExpectedTuple& t,
                        Instant expires = kNow + Duration::seconds(300)) {
  Expectation e;
  e.tuple = t;
  e.to = t.dst;
  e.to_port = t.dst_port;
  e.from = t.src;
  e.family = family;
  e.expires = expires;
  return e;
}

class ExpectationTest : public ::testing::Test {
 protected:
  std::uint32_t family(std::uint16_t port = 21) {
    packet::CtTuple parent;
    parent.dst_port = be16{port};
    return table_.found_family(parent, 21, port);
  }
  std::vector<ExpectationSnapshot> dump(Instant now = kNow) {
    std::vector<ExpectationSnapshot> all;
    for (std::uint32_t cursor = 0; cursor != ExpectationTable::kDumpDone;)
      cursor = table_.dump(cursor, 3, now, [](std::uint16_t) { return std::uint16_t{0}; }, all);
    return all;
  }
  ExpectationTable table_{{.total = 40, .per_zone = 20, .families = 16, .ftp_controls = 1}, 7};
};

TEST_F(ExpectationTest, FoundByAllButTheSourcePort) {
  const std::uint32_t f = family();
  EXPECT_FALSE(table_.has(tuple(1000)));
  EXPECT_EQ(table_.add(expectation(f, tuple(1000))), Added::New);
  const auto found = table_.find(tuple(1000), 0, kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->family, f);
  EXPECT_FALSE(found->is_translated());
  EXPECT_FALSE(table_.find(tuple(1001), 0, kNow));
  EXPECT_FALSE(table_.find(tuple(1000, 1), 0, kNow));
  ExpectedTuple other = tuple(1000);
  other.proto = net::ip_proto::kUdp;
  EXPECT_FALSE(table_.find(other, 0, kNow));
  other = tuple(1000);
  other.src = net::v4_mapped(be32{0x0a000003});
  EXPECT_FALSE(table_.find(other, 0, kNow));
}

TEST_F(ExpectationTest, UsedOnce) {
  const std::uint32_t f = family();
  table_.add(expectation(f, tuple(1)));
  const auto found = table_.find(tuple(1), 0, kNow);
  EXPECT_TRUE(table_.take(*found));
  EXPECT_FALSE(table_.take(*found));
  EXPECT_FALSE(table_.find(tuple(1), 0, kNow));
  EXPECT_TRUE(table_.empty());
  // Announced again it is another one.
  table_.add(expectation(f, tuple(1)));
  EXPECT_FALSE(table_.take(*found));
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ExpectationTest, TimesOutAndIsSwept) {
  const std::uint32_t f = family();
  table_.add(expectation(f, tuple(1)));
  table_.add(expectation(f, tuple(2), kNow + Duration::seconds(500)));
  const Instant later = kNow + Duration::seconds(300);
  EXPECT_TRUE(table_.find(tuple(1), 0, later - Duration::nanoseconds(1)));
  EXPECT_FALSE(table_.find(tuple(1), 0, later));
  EXPECT_EQ(dump(later).size(), 1u);
  EXPECT_EQ(table_.size(), 2u);
  table_.expire(later, 100);
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_EQ(table_.add(expectation(f, tuple(2))), Added::Refreshed);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ExpectationTest, AFlushOfTheZoneEndsIt) {
  table_.add(expectation(family(), tuple(1)));
  EXPECT_FALSE(table_.find(tuple(1), 1, kNow));
}

TEST_F(ExpectationTest, TheParentsOldestMakesRoom) {
  const std::uint32_t f = family();
  for (std::uint16_t port = 1; port <= limits::kExpectationsPerParent; ++port)
    table_.add(expectation(f, tuple(port)));
  table_.add(expectation(f, tuple(1)));  // again: now the second is the oldest
  EXPECT_EQ(table_.add(expectation(f, tuple(99))), Added::New);
  EXPECT_EQ(table_.size(), limits::kExpectationsPerParent);
  EXPECT_TRUE(table_.find(tuple(1), 0, kNow));
  EXPECT_FALSE(table_.find(tuple(2), 0, kNow));
  EXPECT_TRUE(table_.find(tuple(99), 0, kNow));
}

TEST_F(ExpectationTest, BoundedPerZoneAndInAll) {
  std::uint16_t port = 1;
  const auto fill = [&](std::uint16_t zone, unsigned n) {
    Added last = Added::New;
    std::uint32_t f = 0;
    for (unsigned i = 0; i < n; ++i, ++port) {
      if (i % limits::kExpectationsPerParent == 0) f = family(port);
      last = table_.add(expectation(f, tuple(port, zone)));
    }
    return last;
  };
  EXPECT_EQ(fill(1, 20), Added::New);
  EXPECT_EQ(fill(1, 1), Added::ZoneFull);
  EXPECT_EQ(fill(2, 20), Added::New);
  EXPECT_EQ(table_.size(), 40u);
  EXPECT_EQ(fill(3, 1), Added::TableFull);
  EXPECT_EQ(dump().size(), 40u);
}

TEST_F(ExpectationTest, AnotherParentsMakesWay) {
  const std::uint32_t a = family(1), b = family(2);
  table_.add(expectation(a, tuple(5)));
  EXPECT_TRUE(table_.is_taken(tuple(5), b));
  EXPECT_FALSE(table_.is_taken(tuple(5), a));
  EXPECT_EQ(table_.add(expectation(b, tuple(5))), Added::New);
  EXPECT_EQ(table_.find(tuple(5), 0, kNow)->family, b);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ExpectationTest, AFamilyLivesAsLongAsItsLastMember) {
  const std::uint32_t f = family(77);
  table_.add(expectation(f, tuple(1)));
  table_.add(expectation(f, tuple(2)));
  ASSERT_TRUE(table_.take(*table_.find(tuple(1), 0, kNow)));
  EXPECT_TRUE(table_.parent_lives(f));
  table_.leave_as_parent(f);
  EXPECT_TRUE(table_.empty());
  EXPECT_FALSE(table_.parent_lives(f));
  EXPECT_EQ(table_.families(), 1u);
  EXPECT_EQ(table_.parent_tuple(f).dst_port, be16{77});
  table_.leave_as_child(f);
  EXPECT_EQ(table_.families(), 0u);
}

TEST_F(ExpectationTest, FamiliesAreBounded) {
  for (unsigned i = 0; i < 16; ++i) EXPECT_NE(family(), ExpectationTable::kNoFamily);
  EXPECT_EQ(family(), ExpectationTable::kNoFamily);
  table_.leave_as_parent(3);
  EXPECT_EQ(family(), 3u);
}

/// Random operations against a map.
TEST_F(ExpectationTest, AgreesWithAMap) {
  struct Known {
    std::uint32_t family;
    std::uint64_t age;
    std::int64_t expires;
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    ExpectationTable table({.total = 1000, .per_zone = 1000, .families = 8}, seed);
    std::map<std::pair<std::uint16_t, std::uint16_t>, Known> model;
    std::map<std::uint32_t, unsigned> families;  // with the children that live
    std::uint64_t age = 0;
    Instant now = kNow;
    for (unsigned step = 0; step < 2000; ++step) {
      const std::uint16_t port = static_cast<std::uint16_t>(1 + rng.below(20)), zone = rng.chance(50) ? 1 : 2;
      if (families.size() < 4) families[table.found_family({}, 21, 0)] = 0;
      const std::uint32_t f =
          std::next(families.begin(), static_cast<long>(rng.below(families.size())))->first;
      const auto erase_family = [&] {
        std::erase_if(model, [&](const auto& row) { return row.second.family == f; });
      };
      switch (rng.below(6)) {
        case 0:
        case 1: {
          std::vector<std::pair<std::uint64_t, std::pair<std::uint16_t, std::uint16_t>>> own;
          for (const auto& [key, known] : model)
            if (known.family == f && key != std::pair{zone, port}) own.emplace_back(known.age, key);
          const bool refresh = model.contains({zone, port}) && model[{zone, port}].family == f;
          if (!refresh && own.size() == limits::kExpectationsPerParent)
            model.erase(std::min_element(own.begin(), own.end())->second);
          const Instant expires = now + Duration::seconds(static_cast<std::int64_t>(1 + rng.below(50)));
          model[{zone, port}] = {f, ++age, expires.ns};
          table.add(expectation(f, tuple(port, zone), expires));
          break;
        }
        case 2: {
          const auto found = table.find(tuple(port, zone), 0, now);
          const auto it = model.find({zone, port});
          ASSERT_EQ(found.has_value(), it != model.end() && it->second.expires > now.ns);
          if (!found) break;
          ASSERT_EQ(found->family, it->second.family);
          if (families[found->family] >= 3) break;
          ASSERT_TRUE(table.take(*found));
          ++families[found->family];
          model.erase(it);
          break;
        }
        case 3:
          if (families[f] > 0) {
            table.leave_as_child(f);
            --families[f];
          }
          break;
        case 4:
          if (!rng.chance(10)) break;
          table.leave_as_parent(f);
          for (; families[f] > 0; --families[f]) table.leave_as_child(f);
          families.erase(f);
          erase_family();
          break;
        default:
          now += Duration::seconds(static_cast<std::int64_t>(rng.below(3)));
          table.expire(now, 1000);
          std::erase_if(model, [&](const auto& row) { return row.second.expires <= now.ns; });
      }
      ASSERT_EQ(table.size(), model.size()) << "seed " << seed << " step " << step;
      ASSERT_EQ(table.families(), families.size());
    }
  }
}

}  // namespace
}  // namespace sluice::conntrack
