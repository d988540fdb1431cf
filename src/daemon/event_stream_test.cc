// The event stream as a client meets it: a socket, a filter, lines of JSON.
#include "daemon/event_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "conntrack/tracker.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"

namespace sluice::daemon {
namespace {

using namespace sluice::testing;
using Json = nlohmann::ordered_json;

constexpr Duration kLong = Duration::seconds(20);

class EventStreamTest : public ::testing::Test {
 protected:
  EventStreamTest() {
    std::string folder = ::testing::TempDir() + "sluice_events_XXXXXX";
    folder_ = mkdtemp(folder.data());
    bridge::SwitchConfig config;
    config.conntrack.max_connections = 100'000;
    device_ = std::make_unique<bridge::Switch>(clock_, bridge::SwitchOptions{}, config);
    auto stream = EventStream::open(loop_, *device_, folder_ + "/x.events");
    EXPECT_TRUE(stream) << stream.error().message;
    stream_ = std::move(*stream);
  }
  ~EventStreamTest() override {
    stream_.reset();
    std::filesystem::remove_all(folder_);
  }

  struct Client {
    std::unique_ptr<io::Stream> stream;
    std::string text;
    bool closed = false;

    std::vector<Json> lines() const {
      std::vector<Json> all;
      std::size_t start = 0;
      for (std::size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
        all.push_back(Json::parse(text.substr(start, end - start)));
      return all;
    }
  };
  std::unique_ptr<Client> connect(const std::string& request, bool reads = true) {
    auto client = std::make_unique<Client>();
    auto socket = io::connect_unix(folder_ + "/x.events");
    EXPECT_TRUE(socket);
    client->stream = std::make_unique<io::Stream>(loop_, std::move(*socket), "test");
    if (reads)
      client->stream->start([c = client.get()](Bytes b) { c->text.append(b.begin(), b.end()); },
                            [c = client.get()](const Status&) { c->closed = true; });
    client->stream->send(request);
    return client;
  }
  /// Runs the loop until the condition holds.
  template <typename Condition>
  void until(Condition condition) {
    const Instant end = loop_.clock().now() + kLong;
    while (!condition() && loop_.clock().now() < end) loop_.run_for(Duration::milliseconds(5));
    EXPECT_TRUE(condition());
  }
  void listening(const Client& client) {
    until([&] { return !client.lines().empty(); });
    EXPECT_EQ(client.lines().at(0), (Json{{"event", "listening"}}));
  }
  void commit(std::uint16_t port, std::uint16_t zone, std::uint32_t mark = 0) {
    packet::PacketBatch batch, dropped;
    batch.push(
        make_packet(pool_, Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = port, .dport = 53}));
    device_->tracker().process(batch,
                               {.commit = true, .zone = zone, .mark = mark, .mark_mask = ~0u, .cookie = 77},
                               clock_.now(), dropped);
    pool_.give(batch);
    pool_.give(dropped);
  }

  io::EventLoop loop_;
  ManualClock clock_{Instant{Duration::seconds(1000).ns}};
  packet::PacketPool pool_{64};
  std::string folder_;
  std::unique_ptr<bridge::Switch> device_;
  std::unique_ptr<EventStream> stream_;
};

TEST_F(EventStreamTest, TellsTheLifeOfAConnection) {
  const auto client = connect("\n");
  listening(*client);
  commit(1, 5);
  commit(1, 5, 9);
  device_->tracker().flush_matching({}, clock_.now());
  until([&] { return client->lines().size() == 4; });
  const auto lines = client->lines();
  EXPECT_EQ(lines[1]["event"], "new");
  EXPECT_EQ(lines[1]["protocol"], "udp");
  EXPECT_EQ(lines[1]["original"]["src"], "10.0.0.1");
  EXPECT_EQ(lines[1]["zone"], 5);
  EXPECT_EQ(lines[1]["cookie"], 77);
  EXPECT_EQ(lines[2]["event"], "update");  // a second packet without answer, and its mark: one event
  EXPECT_EQ(lines[2]["mark"], 9);
  EXPECT_EQ(lines[3]["event"], "destroy");
  EXPECT_EQ(lines[3]["why"], "flushed");
  EXPECT_EQ(lines[3]["packets"], (Json{2, 0}));
}

TEST_F(EventStreamTest, EachClientHasItsFilter) {
  const auto zone = connect("zone=5\n"), mark = connect("mark=0x1/0x1 zone=6\n");
  listening(*zone);
  listening(*mark);
  commit(1, 5);
  commit(2, 6);
  commit(3, 6, 3);
  commit(4, 5);
  until([&] { return zone->lines().size() == 3 && mark->lines().size() == 2; });
  EXPECT_EQ(zone->lines()[2]["original"]["sport"], 4);
  EXPECT_EQ(mark->lines()[1]["original"]["sport"], 3);
}

TEST_F(EventStreamTest, AWrongFilterIsAnsweredAndEnds) {
  const auto client = connect("zone=x\n");
  until([&] { return client->closed; });
  EXPECT_EQ(client->lines().at(0),
            (Json{{"event", "error"}, {"message", "\"zone=x\": expected zone=0 to zone=65535"}}));
  const auto endless = connect(std::string(EventStream::kMaxLine + 1, 'x'));
  until([&] { return endless->closed; });
  EXPECT_EQ(stream_->listeners(), 0u);
}

TEST_F(EventStreamTest, NothingIsKeptWhenTheLastHasGone) {
  auto client = connect("\n");
  listening(*client);
  client.reset();
  until([&] { return stream_->listeners() == 0; });
  loop_.run_for(Duration::milliseconds(50));
  commit(1, 5);
  std::vector<conntrack::ConnectionEvent> events;
  EXPECT_FALSE(device_->tracker().take_events(events, 10));
  EXPECT_TRUE(events.empty());
  // The next one begins with what happens from now on.
  const auto next = connect("\n");
  listening(*next);
  commit(2, 5);
  until([&] { return next->lines().size() == 2; });
  EXPECT_EQ(next->lines()[1]["original"]["sport"], 2);
}

TEST_F(EventStreamTest, ASlowReaderIsToldHowManyItMissed) {
  const auto slow = connect("\n", false), quick = connect("\n");
  listening(*quick);
  unsigned made = 0;
  // More than its socket and its queue hold.
  while (made < 12'000) {
    for (unsigned i = 0; i < 1000; ++i) commit(static_cast<std::uint16_t>(1 + made++), 7);
    until([&] { return std::count(quick->text.begin(), quick->text.end(), '\n') == 1 + made; });
  }
  slow->stream->start([c = slow.get()](Bytes b) { c->text.append(b.begin(), b.end()); },
                      [](const Status&) {});
  std::uint64_t lost = 0, told = 0;
  std::size_t read = 0;
  until([&] {
    for (std::size_t end; (end = slow->text.find('\n', read)) != std::string::npos; read = end + 1) {
      const Json line = Json::parse(slow->text.substr(read, end - read));
      if (line["event"] == "lost") lost += line["count"].get<std::uint64_t>();
      told += line["event"] == "new";
    }
    return lost + told == made;
  });
  EXPECT_GT(lost, 0u);
  EXPECT_GT(told, 0u);
}

TEST(EventsPath, LiesBesideTheControlSocket) {
  EXPECT_EQ(events_path("/run/sluice/sluiced.12.ctl"), "/run/sluice/sluiced.12.events");
  EXPECT_EQ(events_path("/tmp/control"), "/tmp/control.events");
}

}  // namespace
}  // namespace sluice::daemon
