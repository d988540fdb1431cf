#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>
#include <vector>

#include "base/rng.h"
#include "jsonrpc/connection.h"
#include "jsonrpc/message.h"
#include "jsonrpc/splitter.h"

namespace sluice::jsonrpc {
namespace {

/// All complete texts that the splitter has, and the error that ended it ("" if none did).
struct Split {
  std::vector<std::string> texts;
  std::string error;
};
void drain(Splitter& splitter, Split& split) {
  for (;;) {
    auto text = splitter.next();
    if (!text) {
      split.error = text.error().message;
      return;
    }
    if (!*text) return;
    split.texts.push_back(**text);
  }
}
Split split(std::string_view bytes, SplitterLimits limits = {}) {
  Splitter splitter(limits);
  Split result;
  splitter.feed(bytes);
  drain(splitter, result);
  return result;
}

TEST(Splitter, CutsWhereBracesBalanceOutsideOfStrings) {
  const Split s = split(R"( {"a":1}{"b":[{"c":"}\"{\\"}]}  {"d":"]"} {"e")"
                        "\n");
  EXPECT_EQ(s.texts, (std::vector<std::string>{R"({"a":1})", R"({"b":[{"c":"}\"{\\"}]})", R"({"d":"]"})"}));
  EXPECT_EQ(s.error, "");
}

TEST(Splitter, DoesNotMindHowBytesArrive) {
  const std::string stream = R"({"a":"x\"}"}  {"b":[[],{}]}{"c":null})"
                             "\n\n"
                             R"({"d":"\\"})";
  const std::vector<std::string> whole = split(stream).texts;
  ASSERT_EQ(whole.size(), 4u);
  Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    Splitter splitter;
    Split parts;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t n = 1 + rng.below(6);
      splitter.feed(std::string_view(stream).substr(at, n));
      at += n;
      drain(splitter, parts);
    }
    EXPECT_EQ(parts.texts, whole);
    EXPECT_EQ(parts.error, "");
  }
}

TEST(Splitter, RefusesWhatIsNoObjectTooDeepOrTooLong) {
  EXPECT_EQ(split("garbage").error, "byte 0 of the JSON stream: expected an object");
  EXPECT_EQ(split("{} []").error, "byte 3 of the JSON stream: expected an object");
  EXPECT_EQ(split("{} []").texts, std::vector<std::string>{"{}"});
  EXPECT_EQ(split(R"({"a":[[[]]]})", {.max_depth = 3}).error,
            "byte 7 of the JSON stream: nested more than 3 deep");
  EXPECT_EQ(split(R"({"a":[[]]})", {.max_depth = 3}).error, "");
  EXPECT_EQ(split(R"({"a":"0123456789"})", {.max_bytes = 10}).error,
            "byte 0 of the JSON stream: a text of more than 10 bytes");
}

TEST(Splitter, FailsForGood) {
  Splitter splitter;
  splitter.feed("x");
  EXPECT_FALSE(splitter.next());
  splitter.feed("{}");
  EXPECT_EQ(splitter.next().error().message, "byte 0 of the JSON stream: expected an object");
}

TEST(Message, RoundTrips) {
  const std::vector<std::pair<Message, std::string>> cases = {
      {Message::request("version", Json::array(), 0), R"({"method":"version","params":[],"id":0})"},
      {Message::request("x", Json::array({"a", 1}), "id"), R"({"method":"x","params":["a",1],"id":"id"})"},
      {Message::notification("update", Json::array({nullptr})),
       R"({"method":"update","params":[null],"id":null})"},
      {Message::reply(7, "text\n"), R"({"id":7,"result":"text\n","error":null})"},
      {Message::reply(7, nullptr), R"({"id":7,"result":null,"error":null})"},
      {Message::failure(7, "no"), R"({"id":7,"result":null,"error":"no"})"},
  };
  for (const auto& [message, text] : cases) {
    EXPECT_EQ(format_message(message), text);
    const auto parsed = parse_message(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, message) << text;
  }
  // What ovs-vswitchd 3.1 sends for an error.
  EXPECT_EQ(*parse_message(R"({"id":0,"error":"no"})"), Message::failure(0, "no"));
}

TEST(Message, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(format_message(Message::reply(0,
                                          "a\xff"
                                          "b")),
            "{\"id\":0,\"result\":\"a\xef\xbf\xbd"
            "b\",\"error\":null}");
}

TEST(Message, MalformedOnesAreExplained) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "malformed JSON"},
      {"[]", "message is not a JSON object"},
      {"{}", "message has neither \"method\" nor \"result\" nor \"error\""},
      {R"({"method":1,"params":[],"id":0})", "\"method\" is not a string"},
      {R"({"method":"a","id":0})", "request must have an array of \"params\""},
      {R"({"method":"a","params":{},"id":0})", "request must have an array of \"params\""},
      {R"({"method":"a","params":[],"id":0,"error":null})", "request must not have \"result\" or \"error\""},
      {R"({"params":[],"id":0,"error":"a"})", "reply must not have \"params\""},
      {R"({"id":0,"error":"a","result":1})", "reply must not have both \"result\" and \"error\""},
  };
  for (const auto& [text, message] : cases) {
    const auto parsed = parse_message(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().message, message);
  }
}

/// Two connections over a socket pair.
class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    mine_ = io::UniqueFd(ends[0]);
    peer_ = io::UniqueFd(ends[1]);
  }
  std::unique_ptr<io::Stream> stream(io::UniqueFd& fd) {
    return std::make_unique<io::Stream>(loop_, std::move(fd), "peer");
  }
  io::EventLoop loop_;
  io::UniqueFd mine_, peer_;
};

TEST_F(ConnectionTest, MessagesPassBothWays) {
  std::vector<Message> answers;
  std::unique_ptr<Connection> server;
  server = std::make_unique<Connection>(
      stream(peer_), SplitterLimits{},
      [&](const Message& m) {
        server->send(Message::reply(m.id, m.params));
        if (m.method == "last") server->finish();
      },
      [&](const Status&) { server.reset(); });
  std::optional<bool> closed_well;
  Connection client(
      stream(mine_), {}, [&](Message m) { answers.push_back(std::move(m)); },
      [&](const Status& status) {
        closed_well = status.has_value();
        loop_.stop();
      });
  client.send(Message::request("first", Json::array({1}), 1));
  client.send(Message::request("last", Json::array({2}), 2));
  loop_.run_for(Duration::seconds(10));
  EXPECT_EQ(answers, (std::vector{Message::reply(1, Json::array({1})), Message::reply(2, Json::array({2}))}));
  EXPECT_EQ(closed_well, true);
}

TEST_F(ConnectionTest, MalformedMessageEndsIt) {
  std::string why;
  std::unique_ptr<Connection> server;
  server = std::make_unique<Connection>(
      stream(peer_), SplitterLimits{}, [](const Message&) {},
      [&](const Status& status) {
        why = status ? "" : status.error().message;
        server.reset();
        loop_.stop();
      });
  const std::string text = "{]}";
  ASSERT_EQ(write(mine_.get(), text.data(), text.size()), 3);
  loop_.run_for(Duration::seconds(10));
  EXPECT_EQ(why, "bad JSON-RPC message: malformed JSON");
}

TEST_F(ConnectionTest, MayBeDestroyedByAMessageWithMoreBehindIt) {
  std::unique_ptr<Connection> server;
  int seen = 0;
  server = std::make_unique<Connection>(
      stream(peer_), SplitterLimits{},
      [&](const Message&) {
        ++seen;
        server.reset();
        loop_.stop();
      },
      [](const Status&) { FAIL(); });
  const std::string two = R"({"method":"a","params":[],"id":1}{"method":"b","params":[],"id":2})";
  ASSERT_EQ(write(mine_.get(), two.data(), two.size()), static_cast<ssize_t>(two.size()));
  loop_.run_for(Duration::seconds(10));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace sluice::jsonrpc
