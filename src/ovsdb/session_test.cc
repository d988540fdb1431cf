// A session and the messages of a server, on a manual clock.
#include "ovsdb/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ovsdb/codec.h"

namespace sluice::ovsdb {
namespace {

using jsonrpc::Message;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kRow = "550e8400-e29b-41d4-a716-446655440000";
const Uuid kRowId = *parse_uuid(kRow);

SessionOptions options() {
  SessionOptions options;
  options.database = "D";
  options.wanted = {{"T", {"name", "count"}}};
  options.lock = "L";
  return options;
}

Json schema_json() {
  return {
      {"version", "1.0.0"},
      {"tables", {{"T", {{"columns", {{"name", {{"type", "string"}}}, {"count", {{"type", "integer"}}}}}}}}}};
}

Json contents(const char* name) {
  return {{"T", {{kRow, {{"initial", {{"name", name}}}}}}}};
}

class SessionTest : public ::testing::Test {
 protected:
  Status input(const Message& message) { return session_.input(message, now_); }
  /// The one message that the session sends now.
  Message sent() {
    const auto messages = session_.take_output();
    EXPECT_THAT(messages, SizeIs(1));
    return messages.empty() ? Message{} : messages[0];
  }
  void answer(const Message& request, Json result) {
    const auto status = input(Message::reply(request.id, std::move(result)));
    ASSERT_TRUE(status) << status.error().message;
  }
  void connect(const Json& initial, bool locked = true) {
    session_.connected(now_);
    const auto first = session_.take_output();
    ASSERT_THAT(first, SizeIs(2));
    EXPECT_EQ(first[0].method, "get_schema");
    EXPECT_EQ(first[0].params, Json::array({"D"}));
    EXPECT_EQ(first[1].method, "lock");
    EXPECT_EQ(first[1].params, Json::array({"L"}));
    answer(first[1], {{"locked", locked}});
    answer(first[0], schema_json());
    const Message monitor = sent();
    EXPECT_EQ(monitor.method, "monitor_cond");
    EXPECT_EQ(monitor.params[2], Json({{"T", {{{"columns", {"count", "name"}}}}}}));
    answer(monitor, initial);
  }
  void update(const Json& updates) {
    ASSERT_TRUE(input(Message::notification("update2", {"sluice", updates})));
  }

  Instant now_{Duration::seconds(100).ns};
  Session session_{options()};
};

TEST_F(SessionTest, FillsTheReplicaAndFollows) {
  EXPECT_FALSE(session_.has_contents());
  connect(contents("a"));
  EXPECT_TRUE(session_.ready());
  EXPECT_EQ(session_.has_lock(), true);
  EXPECT_THAT(session_.take_changes(), ElementsAre(Change{Change::Kind::Insert, "T", kRowId, {}}));
  update({{"T", {{kRow, {{"modify", {{"count", 4}}}}}}}});
  EXPECT_THAT(session_.take_changes(), ElementsAre(Change{Change::Kind::Modify, "T", kRowId, {"count"}}));
  EXPECT_EQ(session_.replica().only("T")->integer("count"), 4);
  EXPECT_THAT(session_.take_changes(), IsEmpty());
}

TEST_F(SessionTest, AfterReconnectingOnlyWhatDiffersIsNews) {
  connect(contents("a"));
  session_.take_changes();
  session_.disconnected();
  EXPECT_FALSE(session_.ready());
  EXPECT_EQ(session_.has_lock(), std::nullopt);
  EXPECT_EQ(session_.replica().only("T")->text("name"), "a") << "the replica stands meanwhile";
  connect(contents("a"));
  EXPECT_THAT(session_.take_changes(), IsEmpty());
  session_.disconnected();
  connect(contents("b"));
  EXPECT_THAT(session_.take_changes(), ElementsAre(Change{Change::Kind::Modify, "T", kRowId, {"name"}}));
  session_.disconnected();
  connect(Json::object());
  EXPECT_THAT(session_.take_changes(), ElementsAre(Change{Change::Kind::Delete, "T", kRowId, {}}));
}

TEST_F(SessionTest, FallsBackToTheMonitorOfTheRfc) {
  session_.connected(now_);
  const auto first = session_.take_output();
  answer(first[0], schema_json());
  ASSERT_TRUE(input(Message::failure(sent().id, "unknown method")));
  const Message monitor = sent();
  EXPECT_EQ(monitor.method, "monitor");
  answer(monitor, {{"T", {{kRow, {{"new", {{"name", "a"}, {"count", 0}}}}}}}});
  EXPECT_TRUE(session_.ready());
  ASSERT_TRUE(input(Message::notification(
      "update",
      {"sluice", {{"T", {{kRow, {{"old", {{"count", 0}}}, {"new", {{"name", "a"}, {"count", 9}}}}}}}}})));
  EXPECT_EQ(session_.replica().only("T")->integer("count"), 9);
  EXPECT_FALSE(input(Message::notification("update2", {"sluice", Json::object()})));
}

TEST_F(SessionTest, TheLockIsWaitedForStolenAndTaken) {
  connect(contents("a"), false);
  EXPECT_EQ(session_.has_lock(), false);
  ASSERT_TRUE(input(Message::notification("locked", {"L"})));
  EXPECT_EQ(session_.has_lock(), true);
  ASSERT_TRUE(input(Message::notification("stolen", {"other"})));
  EXPECT_EQ(session_.has_lock(), true);
  ASSERT_TRUE(input(Message::notification("stolen", {"L"})));
  EXPECT_EQ(session_.has_lock(), false);
  session_.steal_lock();
  const Message steal = sent();
  EXPECT_EQ(steal.method, "steal");
  answer(steal, {{"locked", true}});
  EXPECT_EQ(session_.has_lock(), true);
}

TEST_F(SessionTest, TransactionsAreAnsweredInAnyOrderAndLostWithTheConnection) {
  connect(contents("a"));
  std::vector<std::string> outcomes;
  const auto note = [&](const char* name) {
    return [&outcomes, name](const Outcome& o) {
      outcomes.push_back(std::string(name) + (o.kind == Outcome::Kind::Committed ? " committed"
                                              : o.kind == Outcome::Kind::Failed  ? " failed " + o.error
                                                                                 : " lost"));
    };
  };
  Transaction transaction;
  transaction.assert_lock("L");
  transaction.update("T", kRowId, "name", {"x"});
  session_.transact(transaction, note("first"));
  session_.transact(transaction, note("second"));
  session_.transact(transaction, note("third"));
  const auto requests = session_.take_output();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].method, "transact");
  answer(requests[1],
         Json::array(
             {Json::object({{"error", "not owner"}, {"details", "Asserted lock L not held."}}), nullptr}));
  answer(requests[0], Json::array({Json::object(), {{"count", 1}}}));
  EXPECT_THAT(outcomes, ElementsAre("second failed not owner: Asserted lock L not held.", "first committed"));
  session_.disconnected();
  EXPECT_THAT(outcomes, SizeIs(3));
  EXPECT_EQ(outcomes.back(), "third lost");
  EXPECT_EQ(session_.pending_transactions(), 0u);
}

TEST_F(SessionTest, AnswersEchoAndRefusesOtherRequests) {
  connect(contents("a"));
  ASSERT_TRUE(input(Message::request("echo", {"x", 1}, "id1")));
  EXPECT_EQ(sent(), Message::reply("id1", {"x", 1}));
  ASSERT_TRUE(input(Message::request("dance", Json::array(), 4)));
  EXPECT_EQ(sent(), Message::failure(4, "unknown method"));
}

TEST_F(SessionTest, ASilentServerIsProbedAndThenGivenUp) {
  connect(contents("a"));
  EXPECT_EQ(session_.deadline(), now_ + Duration::seconds(5));
  now_ += Duration::milliseconds(4999);
  ASSERT_TRUE(session_.poll(now_));
  EXPECT_THAT(session_.take_output(), IsEmpty());
  now_ += Duration::milliseconds(1);
  ASSERT_TRUE(session_.poll(now_));
  const Message probe = sent();
  EXPECT_EQ(probe.method, "echo");
  EXPECT_EQ(session_.deadline(), now_ + Duration::seconds(5));
  now_ += Duration::seconds(1);
  answer(probe, Json::array());
  EXPECT_EQ(session_.deadline(), now_ + Duration::seconds(5));
  now_ += Duration::seconds(5);
  ASSERT_TRUE(session_.poll(now_));
  now_ += Duration::seconds(5);
  const auto status = session_.poll(now_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "no answer to an echo request within 5000 ms");
  session_.disconnected();
  EXPECT_EQ(session_.deadline(), std::nullopt);
}

TEST_F(SessionTest, NonsenseEndsTheConnectionWithASentence) {
  const auto refusal = [&](const Message& message) {
    Session session(options());
    session.connected(now_);
    const auto status = session.input(message, now_);
    return status ? "accepted" : status.error().message;
  };
  EXPECT_THAT(refusal(Message::reply(77, Json::object())), HasSubstr("reply to no request: id 77"));
  EXPECT_THAT(refusal(Message::reply("x", 1)), HasSubstr("reply to no request: id \"x\""));
  EXPECT_THAT(refusal(Message::reply(1, "x")), HasSubstr("schema: expected an object, not \"x\""));
  EXPECT_THAT(refusal(Message::failure(1, "unknown database")),
              HasSubstr("no schema of database D: \"unknown database\""));
  EXPECT_THAT(refusal(Message::reply(2, 5)), HasSubstr("reply to lock: expected a member \"locked\" in 5"));
  EXPECT_THAT(refusal(Message::notification("locked", {1})),
              HasSubstr("expected the name of a lock, not [1]"));
  EXPECT_THAT(refusal(Message::notification("update2", {"sluice", Json::object()})),
              HasSubstr("nobody asked for"));
  EXPECT_EQ(refusal(Message::notification("update9", {})), "accepted");
  connect(contents("a"));
  const auto status =
      input(Message::notification("update2", {"sluice", {{"T", {{kRow, {{"modify", {{"name", 3}}}}}}}}}));
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("column name: expected a string, not 3"));
  EXPECT_EQ(session_.replica().only("T")->text("name"), "a");
}

TEST(Transaction, IsWhatTheRfcSays) {
  Transaction transaction;
  EXPECT_TRUE(transaction.empty());
  transaction.assert_lock("L");
  transaction.comment("why");
  transaction.expect("T", kRowId, "next", {std::int64_t{1}});
  transaction.update("T", kRowId, "name", {"x"});
  transaction.update("T", kRowId, "map", {make_map({}), true});
  const Uuid fresh = transaction.insert("U", {{"name", {"new"}}});
  transaction.mutate("T", kRowId, "links", "insert", {make_set({fresh})});
  transaction.erase("T", kRowId);
  const Json where = {{"_uuid", "==", {"uuid", kRow}}};
  EXPECT_EQ(
      transaction.format("D"),
      Json::array({"D",
                   {{"op", "assert"}, {"lock", "L"}},
                   {{"op", "comment"}, {"comment", "why"}},
                   {{"op", "wait"},
                    {"table", "T"},
                    {"where", where},
                    {"timeout", 0},
                    {"columns", {"next"}},
                    {"until", "=="},
                    {"rows", Json::array({{{"next", 1}}})}},
                   {{"op", "update"},
                    {"table", "T"},
                    {"where", where},
                    {"row", {{"name", "x"}, {"map", {"map", Json::array()}}}}},
                   {{"op", "insert"}, {"table", "U"}, {"uuid-name", "row1"}, {"row", {{"name", "new"}}}},
                   {{"op", "mutate"},
                    {"table", "T"},
                    {"where", where},
                    {"mutations", Json::array({Json::array({"links", "insert", {"named-uuid", "row1"}})})}},
                   {{"op", "delete"}, {"table", "T"}, {"where", where}}}));
}

}  // namespace
}  // namespace sluice::ovsdb
