#include "ovsdb/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "ovsdb/codec.h"

namespace sluice::ovsdb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kA = "550e8400-e29b-41d4-a716-446655440000";
constexpr const char* kB = "550e8400-e29b-41d4-a716-446655440001";
constexpr auto kUnlimited = ColumnType::kUnlimited;

Schema schema() {
  Schema all;
  all.tables["T"].columns = {
      {"list", {AtomType::Integer, {}, 0, kUnlimited}},
      {"map", {AtomType::String, AtomType::String, 0, kUnlimited}},
      {"name", {AtomType::String, {}, 1, 1}},
      {"tag", {AtomType::Integer, {}, 0, 1}},
      {"weight", {AtomType::Real, {}, 1, 1}},
  };
  return all;
}

Json map_of(const std::map<std::string, std::string>& pairs) {
  Json json = Json::array();
  for (const auto& [key, value] : pairs) json.push_back(Json::array({key, value}));
  return Json::array({"map", std::move(json)});
}

Json row_update(const char* id, const char* what, Json columns) {
  return {{"T", {{id, {{what, std::move(columns)}}}}}};
}

class ReplicaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto changes = replica_.replace(
        schema(),
        row_update(kA, "initial",
                   {{"name", "a"}, {"list", {"set", {3, 1, 2}}}, {"map", map_of({{"k", "v"}})}}),
        UpdateFormat::Difference);
    ASSERT_TRUE(changes);
    ASSERT_THAT(*changes, ElementsAre(Change{Change::Kind::Insert, "T", *parse_uuid(kA), {}}));
  }
  const Row& row(const char* id = kA) { return *replica_.find("T", *parse_uuid(id)); }
  Changes apply(const Json& updates, UpdateFormat format = UpdateFormat::Difference) {
    auto changes = replica_.apply(updates, format);
    EXPECT_TRUE(changes) << changes.error().message;
    return changes ? *changes : Changes{};
  }
  std::string refusal(const Json& updates) {
    const auto changes = replica_.apply(updates, UpdateFormat::Difference);
    return changes ? "accepted" : changes.error().message;
  }
  Change modified(std::vector<std::string> columns) {
    return {Change::Kind::Modify, "T", *parse_uuid(kA), std::move(columns)};
  }

  Replica replica_;
};

TEST_F(ReplicaTest, ReadsWhatARowHoldsAndDefaultsForTheRest) {
  EXPECT_EQ(row().text("name"), "a");
  EXPECT_THAT(row().integers("list"), ElementsAre(1, 2, 3));
  EXPECT_EQ(row().text_map("map").at("k"), "v");
  EXPECT_EQ(row().integer("tag"), std::nullopt);
  EXPECT_EQ(*row().find("weight"), default_datum({AtomType::Real}));
  EXPECT_EQ(row().find("nothing"), nullptr);
  EXPECT_EQ(row().integer("name"), std::nullopt) << "a string is no integer";
  EXPECT_EQ(replica_.only("T"), &row());
  EXPECT_TRUE(replica_.rows("no such table").empty());
}

TEST_F(ReplicaTest, DifferencesToggleSetsAndMapsAndReplaceSingleValues) {
  const auto changes = apply(row_update(
      kA, "modify", {{"list", {"set", {2, 9}}}, {"map", map_of({{"k", "w"}, {"l", "x"}})}, {"tag", 7}}));
  EXPECT_THAT(changes, ElementsAre(modified({"list", "map", "tag"})));
  EXPECT_THAT(row().integers("list"), ElementsAre(1, 3, 9));
  EXPECT_THAT(row().text_map("map"), ElementsAre(std::pair("k", "w"), std::pair("l", "x")));
  EXPECT_EQ(row().integer("tag"), 7);
  apply(row_update(kA, "modify", {{"map", map_of({{"k", "w"}})}, {"tag", {"set", Json::array()}}}));
  EXPECT_THAT(row().text_map("map"), ElementsAre(std::pair("l", "x")));
  EXPECT_EQ(row().integer("tag"), std::nullopt);
}

TEST_F(ReplicaTest, RowsComeAndGo) {
  EXPECT_THAT(apply(row_update(kB, "insert", {{"name", "b"}})),
              ElementsAre(Change{Change::Kind::Insert, "T", *parse_uuid(kB), {}}));
  EXPECT_EQ(replica_.rows("T").size(), 2u);
  EXPECT_EQ(replica_.only("T"), nullptr);
  EXPECT_THAT(apply(row_update(kB, "delete", nullptr)),
              ElementsAre(Change{Change::Kind::Delete, "T", *parse_uuid(kB), {}}));
  EXPECT_THAT(apply(row_update(kB, "delete", nullptr)), ElementsAre());
}

TEST_F(ReplicaTest, FullUpdatesAreThoseOfTheRfc) {
  const Json update = {
      {"T",
       {{kA,
         {{"old", {{"name", "a"}}},
          {"new", {{"name", "z"}, {"list", {"set", {1, 2, 3}}}, {"map", map_of({{"k", "v"}})}}}}}}}};
  EXPECT_THAT(apply(update, UpdateFormat::Full), ElementsAre(modified({"name"})));
  EXPECT_EQ(row().text("name"), "z");
  EXPECT_THAT(apply({{"T", {{kA, {{"old", Json::object()}}}}}}, UpdateFormat::Full),
              ElementsAre(Change{Change::Kind::Delete, "T", *parse_uuid(kA), {}}));
}

TEST_F(ReplicaTest, NewContentsAreToldAsWhatDiffers) {
  apply(row_update(kB, "insert", {{"name", "b"}}));
  const Json now = {{"T",
                     {{kA, {{"initial", {{"name", "a"}, {"list", 5}, {"map", map_of({{"k", "v"}})}}}}},
                      {"550e8400-e29b-41d4-a716-446655440002", {{"initial", {{"name", "c"}}}}}}}};
  auto changes = replica_.replace(schema(), now, UpdateFormat::Difference);
  ASSERT_TRUE(changes);
  EXPECT_THAT(
      *changes,
      ElementsAre(
          Change{Change::Kind::Delete, "T", *parse_uuid(kB), {}}, modified({"list"}),
          Change{Change::Kind::Insert, "T", *parse_uuid("550e8400-e29b-41d4-a716-446655440002"), {}}));
  changes = replica_.replace(schema(), now, UpdateFormat::Difference);
  ASSERT_TRUE(changes);
  EXPECT_THAT(*changes, ElementsAre()) << "the same contents again are no change";
}

TEST_F(ReplicaTest, NonsenseIsRefusedWholeAndNamed) {
  // The first row is sound, the second is not: neither is applied.
  const Json half = {{"T", {{kB, {{"insert", {{"name", "b"}}}}}, {"rubbish", {{"delete", nullptr}}}}}};
  EXPECT_THAT(refusal(half), HasSubstr("table T, row rubbish: expected a UUID"));
  EXPECT_EQ(replica_.rows("T").size(), 1u);

  EXPECT_THAT(refusal(Json::array()), HasSubstr("expected an object, not []"));
  EXPECT_THAT(refusal({{"U", Json::object()}}), HasSubstr("table U: not one that is monitored"));
  EXPECT_THAT(refusal({{"T", 1}}), HasSubstr("table T: expected rows, not 1"));
  EXPECT_THAT(refusal(row_update(kA, "foo", 1)),
              HasSubstr("expected \"initial\", \"insert\", \"modify\" or \"delete\""));
  EXPECT_THAT(refusal(row_update(kB, "modify", {{"tag", 1}})),
              HasSubstr("\"modify\" of a row that is not there"));
  EXPECT_THAT(refusal(row_update(kA, "modify", "x")), HasSubstr("expected columns, not \"x\""));
  const auto column = [&](const char* name, Json value) {
    return refusal(row_update(kA, "modify", {{name, value}}));
  };
  EXPECT_THAT(column("name", 1), HasSubstr("column name: expected a string, not 1"));
  EXPECT_THAT(column("name", {"set", Json::array()}), HasSubstr("expected one value"));
  EXPECT_THAT(column("tag", {"set", {1, 2}}), HasSubstr("expected at most one value"));
  EXPECT_THAT(column("tag", 1.5), HasSubstr("expected an integer, not 1.5"));
  EXPECT_THAT(column("tag", 18446744073709551615u), HasSubstr("expected an integer"));
  EXPECT_THAT(column("list", {"set", 7}), HasSubstr("expected a set, not 7"));
  EXPECT_THAT(column("map", {"set", Json::array()}), HasSubstr("expected a map"));
  EXPECT_THAT(column("map", {"map", {1}}), HasSubstr("expected a pair, not 1"));
  EXPECT_EQ(row().text("name"), "a");
}

TEST(Schema, KeepsWhatIsWantedAndThere) {
  const Json json = {
      {"version", "8.3.1"},
      {"tables",
       {{"T",
         {{"columns",
           {{"name", {{"type", "string"}}},
            {"tag", {{"type", {{"key", {{"type", "integer"}}}, {"min", 0}}}}},
            {"map", {{"type", {{"key", "integer"}, {"value", "uuid"}, {"min", 0}, {"max", "unlimited"}}}}},
            {"unwanted", {{"type", "real"}}}}}}}}}};
  const auto schema = parse_schema(json, {{"T", {"name", "tag", "map", "newer"}}, {"Newer", {"x"}}});
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_EQ(schema->version, "8.3.1");
  EXPECT_EQ(schema->tables.size(), 1u);
  EXPECT_THAT(schema->tables.at("T").columns,
              ElementsAre(ColumnSchema{"map", {AtomType::Integer, AtomType::Uuid, 0, kUnlimited}},
                          ColumnSchema{"name", {AtomType::String, {}, 1, 1}},
                          ColumnSchema{"tag", {AtomType::Integer, {}, 0, 1}}));
  EXPECT_FALSE(schema->has("T", "newer"));
  EXPECT_THAT(
      parse_schema({{"tables", {{"T", {{"columns", {{"name", {{"type", "word"}}}}}}}}}}, {{"T", {"name"}}})
          .error()
          .message,
      HasSubstr(
          "schema of table T, column name: expected integer, real, boolean, string or uuid, not \"word\""));
}

TEST(Datum, ValuesSurviveTheWire) {
  const std::vector<std::pair<Datum, ColumnType>> all = {
      {Datum(std::int64_t{-5}), {AtomType::Integer}},
      {Datum("x\"y"), {AtomType::String}},
      {Datum(true), {AtomType::Boolean}},
      {Datum(*parse_uuid(kA)), {AtomType::Uuid}},
      {make_set({}), {AtomType::Integer, {}, 0, kUnlimited}},
      {make_set({std::int64_t{2}, std::int64_t{1}}), {AtomType::Integer, {}, 0, kUnlimited}},
      {make_map({}), {AtomType::String, AtomType::Integer, 0, kUnlimited}},
      {make_map({{"b", std::int64_t{1}}, {"a", std::int64_t{2}}}),
       {AtomType::String, AtomType::Integer, 0, kUnlimited}},
  };
  for (const auto& [datum, type] : all) {
    const auto again = parse_datum(format_datum(datum, type.value.has_value()), type);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, datum);
  }
  EXPECT_EQ(to_string(*parse_uuid("550E8400-E29B-41D4-A716-446655440000")), kA);
  EXPECT_FALSE(parse_uuid("550e8400-e29b-41d4-a716-44665544000"));
  EXPECT_FALSE(parse_uuid("550e8400+e29b-41d4-a716-446655440000"));
}

/// The difference of two values as a server computes it.
Datum difference(const Datum& from, const Datum& to, bool map) {
  std::vector<std::pair<Atom, Atom>> pairs;
  const auto value = [&](const Datum& datum, std::size_t i) {
    return map ? datum.values[i] : Atom(std::int64_t{0});
  };
  const auto collect = [&](const Datum& of, const Datum& without, bool changed_too) {
    for (std::size_t i = 0; i < of.keys.size(); ++i) {
      const auto at = std::find(without.keys.begin(), without.keys.end(), of.keys[i]);
      const bool there = at != without.keys.end();
      const bool same =
          there && value(of, i) == value(without, static_cast<std::size_t>(at - without.keys.begin()));
      if (!there || (!same && changed_too)) pairs.emplace_back(of.keys[i], value(of, i));
    }
  };
  collect(from, to, false);
  collect(to, from, true);
  Datum result = make_map(std::move(pairs));
  if (!map) result.values.clear();
  return result;
}

TEST(Datum, DifferencesLeadFromAnyValueToAnyOther) {
  Rng rng(7);
  for (int round = 0; round < 2000; ++round) {
    const bool map = rng.below(2) != 0;
    const auto random = [&] {
      std::vector<std::pair<Atom, Atom>> pairs;
      for (auto n = rng.below(6); n > 0; --n)
        pairs.emplace_back(static_cast<std::int64_t>(rng.below(8)), static_cast<std::int64_t>(rng.below(3)));
      Datum datum = make_map(std::move(pairs));
      if (!map) datum.values.clear();
      return datum;
    };
    const Datum from = random(), to = random();
    const ColumnType type{AtomType::Integer, map ? std::optional(AtomType::Integer) : std::nullopt, 0,
                          kUnlimited};
    ASSERT_EQ(apply_difference(type, from, difference(from, to, map)), to) << "round " << round;
  }
}

}  // namespace
}  // namespace sluice::ovsdb
