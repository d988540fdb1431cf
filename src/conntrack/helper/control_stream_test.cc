// Control streams cut, lost, repeated and reordered in every way, against what the whole stream says.
#include "conntrack/helper/control_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/rng.h"
#include "net/address.h"

namespace sluice::conntrack::ftp {
namespace {

/// Notes the ports announced, and moves everything to another address and 1000 ports up.
class Recorder final : public Listener {
 public:
  explicit Recorder(std::string_view address = "203.0.113.200") : address_(address) {}
  Announcement announced(const Announcement& announcement) override {
    ports.push_back(announcement.port);
    Announcement instead = announcement;
    instead.port = static_cast<std::uint16_t>(announcement.port + 1000);
    if (announcement.form != Announcement::Form::Epsv)
      instead.address = announcement.is_ipv6 ? *net::parse_ipv6("2001:db8::1:2:3")
                                             : net::v4_mapped(*net::parse_ipv4(address_));
    return instead;
  }
  std::vector<std::uint16_t> ports;

 private:
  std::string_view address_;
};

struct Stream {
  std::string in, out;
  std::vector<std::uint16_t> ports;
};

/// A dialogue with announcements and with text that nearly is one.
Stream random_stream(Rng& rng, Speaker speaker, std::string_view quad) {
  Stream stream;
  std::string comma_quad(quad);
  std::replace(comma_quad.begin(), comma_quad.end(), '.', ',');
  const auto both = [&](const std::string& text) {
    stream.in += text;
    stream.out += text;
  };
  static constexpr const char* kClient[] = {"USER anonymous\r\n",
                                            "PORT 1,2,3\r\n",
                                            "PORT 1,2,3,4,5,6,7\r\n",
                                            "EPRT |1|1.2.3.4|\r\n",
                                            "PORTX 1,2,3,4,5,6\r\n",
                                            "LIST\r\n",
                                            "PORT \r\n",
                                            "EPRT |2|1.2.3.4|7|\r\n",
                                            "NOOP\n"};
  static constexpr const char* kServer[] = {"220-Hi\r\n227 not (1,2,3,4,5,6)\r\n220 there\r\n",
                                            "229 (|||x|)\r\n",
                                            "227 (1,2,3,4,5)\r\n",
                                            "200 ok 1,2,3,4,5,6\r\n",
                                            "226 done\r\n",
                                            "229 |||5|\r\n",
                                            "230-\r\n\r\n230 \r\n"};
  for (auto n = 1 + rng.below(8); n > 0; --n) {
    if (rng.chance(40)) {
      both(speaker == Speaker::Client ? kClient[rng.below(std::size(kClient))]
                                      : kServer[rng.below(std::size(kServer))]);
      continue;
    }
    const auto port = static_cast<std::uint16_t>(1 + rng.below(64000));
    stream.ports.push_back(port);
    const auto six = [](const std::string& address, unsigned p) {
      return address + "," + std::to_string(p >> 8) + "," + std::to_string(p & 0xff);
    };
    const std::string p = std::to_string(port), q = std::to_string(port + 1000);
    if (speaker == Speaker::Client && rng.chance(50)) {
      both("PORT ");
      stream.in += six("10,0,0,1", port);
      stream.out += six(comma_quad, port + 1000u);
      both("\r\n");
    } else if (speaker == Speaker::Client) {
      const bool is_ipv6 = rng.chance(50);
      both("EPRT ");
      stream.in += is_ipv6 ? "|2|fd00::1|" + p + "|" : "|1|10.0.0.1|" + p + "|";
      stream.out += is_ipv6 ? "|2|2001:db8::1:2:3|" + q + "|" : "|1|" + std::string(quad) + "|" + q + "|";
      both("\r\n");
    } else if (rng.chance(50)) {
      both("227 Passive since 12,5 days (");
      stream.in += six("192,168,100,100", port);
      stream.out += six(comma_quad, port + 1000u);
      both(").\r\n");
    } else {
      both("229 Extended (|||");
      stream.in += p;
      stream.out += q;
      both("|)\r\n");
    }
  }
  return stream;
}

struct Case {
  Speaker speaker;
  std::string_view quad;  ///< what takes the place of the address: shorter or longer
};
class ControlStreamTest : public ::testing::TestWithParam<Case> {};

/// Sender and receiver keep the rules of TCP; between them segments are cut anew, lost, repeated and
/// reordered, before and behind us.
TEST_P(ControlStreamTest, ReceiverGetsTheRewrittenStream) {
  const auto [speaker, quad] = GetParam();
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Stream stream = random_stream(rng, speaker, quad);
    const auto base = static_cast<std::uint32_t>(rng.chance(50) ? 0 - rng.below(200) : rng.next());
    const auto size = static_cast<std::uint32_t>(stream.in.size());
    const std::uint32_t room = rng.chance(20) ? size + 80 : 4000;
    const std::uint32_t max_segment = rng.chance(30) ? 1 : rng.chance(50) ? 12 : 300;
    ControlStream control(speaker);
    control.begin(base);
    Recorder recorder(quad);
    std::uint32_t acked = 0, sent = 0;  // as the sender knows it
    bool fin_arrived = false;
    std::string received;
    std::vector<int> later(stream.out.size() + 64, -1);  // arrived ahead of a gap
    for (unsigned step = 0; acked < size || !fin_arrived; ++step) {
      ASSERT_LT(step, 100000u);
      const std::uint32_t begin =
          rng.chance(70) ? acked : acked + static_cast<std::uint32_t>(rng.below(sent - acked + 1));
      const auto length = static_cast<std::uint32_t>(rng.below(std::min(max_segment, size - begin) + 1));
      const bool fin = begin + length == size;
      sent = std::max(sent, begin + length);
      if (rng.chance(15)) continue;  // lost before us
      std::string payload = stream.in.substr(begin, length);
      payload.resize(room);
      auto* bytes = reinterpret_cast<std::uint8_t*>(payload.data());
      const auto done = control.rewrite(base + begin, bytes, length, fin, room, recorder);
      if (done.drop) continue;
      ASSERT_LE(done.length, room);
      if (rng.chance(15)) continue;  // lost behind us
      const std::uint32_t at = control.to_receiver(base + begin) - base;
      if (fin && !done.cut) {
        ASSERT_EQ(at + done.length, stream.out.size());
        fin_arrived = true;
      }
      for (std::uint32_t i = 0; i < done.length; ++i) {
        if (at + i < received.size()) continue;
        ASSERT_LT(at + i, stream.out.size());
        later[at + i] = static_cast<unsigned char>(payload[i]);
        ASSERT_EQ(payload[i], stream.out[at + i]);
      }
      while (received.size() < stream.out.size() && later[received.size()] >= 0)
        received += static_cast<char>(later[received.size()]);
      if (rng.chance(30)) continue;  // the acknowledgement is lost
      const std::uint32_t ack = control.to_sender(base + static_cast<std::uint32_t>(received.size())) - base;
      ASSERT_LE(ack, sent);
      control.acknowledged(base + ack);
      acked = std::max(acked, ack);
    }
    EXPECT_EQ(received, stream.out);
    EXPECT_EQ(recorder.ports, stream.ports);
  }
}

TEST_P(ControlStreamTest, ListensInOrderWhateverTheOrderOfSegments) {
  const auto [speaker, quad] = GetParam();
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    const Stream stream = random_stream(rng, speaker, quad);
    const auto base = static_cast<std::uint32_t>(rng.chance(50) ? 0 - rng.below(200) : rng.next());
    std::vector<std::pair<std::uint32_t, std::uint32_t>> segments;
    for (std::uint32_t at = 0; at < stream.in.size();) {
      const auto length = std::min(static_cast<std::uint32_t>(1 + rng.below(40)),
                                   static_cast<std::uint32_t>(stream.in.size()) - at);
      segments.emplace_back(at, length);
      if (rng.chance(20)) segments.emplace_back(at / 2, at - at / 2);  // repeated, cut in another way
      at += length;
    }
    for (std::size_t i = 0; i + 5 < segments.size(); ++i)
      if (rng.chance(40)) std::swap(segments[i], segments[i + 1 + rng.below(4)]);
    ControlStream control(speaker);
    control.begin(base);
    Recorder recorder;
    for (const auto& [at, length] : segments)
      control.observe(base + at, reinterpret_cast<const std::uint8_t*>(stream.in.data()) + at, length,
                      recorder);
    EXPECT_EQ(recorder.ports, stream.ports);
    EXPECT_TRUE(control.is_identity());
  }
}

INSTANTIATE_TEST_SUITE_P(All, ControlStreamTest,
                         ::testing::Values(Case{Speaker::Client, "203.0.113.200"},
                                           Case{Speaker::Client, "1.1.1.1"},
                                           Case{Speaker::Server, "203.0.113.200"},
                                           Case{Speaker::Server, "1.1.1.1"}),
                         [](const auto& c) {
                           return std::string(c.param.speaker == Speaker::Client ? "Client" : "Server") +
                                  (c.param.quad.size() > 10 ? "Longer" : "Shorter");
                         });

const std::uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// A sender that waits for each byte to be acknowledged (Nagle's algorithm) is not left waiting for ever.
TEST(ControlStream, HeldBytesAreAcknowledged) {
  const std::string in = "PORT 10,0,0,1,4,5\r\n";
  ControlStream control(Speaker::Client);
  control.begin(0xfffffff8);
  Recorder recorder;
  std::string out;
  for (std::uint32_t i = 0; i < in.size(); ++i) {
    std::uint8_t payload[100] = {static_cast<std::uint8_t>(in[i])};
    const auto done = control.rewrite(0xfffffff8 + i, payload, 1, false, sizeof payload, recorder);
    out.append(reinterpret_cast<const char*>(payload), done.length);
    const std::uint32_t ack = control.to_sender(0xfffffff8 + static_cast<std::uint32_t>(out.size()));
    ASSERT_EQ(ack, 0xfffffff8 + i + 1);
    control.acknowledged(ack);
  }
  EXPECT_EQ(out, "PORT 203,0,113,200,7,237\r\n");
}

TEST(ControlStream, MissedBytesAreSkippedUpToTheNextLine) {
  ControlStream control(Speaker::Client);
  control.begin(100);
  Recorder recorder;
  control.observe(100, bytes("PORT 1,2,3,"), 11, recorder);
  control.acknowledged(120);  // nine bytes went another way
  control.observe(120, bytes("PORT 1,2,3,4,5,6\r\n"), 18, recorder);
  EXPECT_EQ(recorder.ports, std::vector<std::uint16_t>{});
  control.observe(138, bytes("PORT 1,2,3,4,0,7\r\n"), 18, recorder);
  EXPECT_EQ(recorder.ports, std::vector<std::uint16_t>{7});
}

TEST(ControlStream, PickedUpInMidStream) {
  ControlStream control(Speaker::Server);
  Recorder recorder;
  control.observe(5000, bytes("229 (|||9|)\r\n"), 13, recorder);
  EXPECT_EQ(recorder.ports, std::vector<std::uint16_t>{9});
}

TEST(ControlStream, MoreAnnouncementsThanAreKeptComeAgainLater) {
  std::string all;
  for (unsigned i = 0; i < SeqAdjust::kMaxEdits + 1; ++i) all += "PORT 1,2,3,4,1,1\r\n";
  ControlStream control(Speaker::Client);
  control.begin(0);
  Recorder recorder;
  std::string payload = all;
  payload.resize(2000);
  auto done = control.rewrite(0, reinterpret_cast<std::uint8_t*>(payload.data()),
                              static_cast<std::uint32_t>(all.size()), true, 2000, recorder);
  EXPECT_TRUE(done.cut);
  EXPECT_EQ(recorder.ports.size(), SeqAdjust::kMaxEdits);
  EXPECT_EQ(payload.substr(done.length - 5, 5), "PORT ");
  const std::uint32_t sent = 18 * SeqAdjust::kMaxEdits + 5;
  EXPECT_EQ(control.to_receiver(sent), done.length);
  control.acknowledged(control.to_sender(done.length));
  payload = all.substr(sent);
  payload.resize(2000);
  done = control.rewrite(sent, reinterpret_cast<std::uint8_t*>(payload.data()),
                         static_cast<std::uint32_t>(all.size() - sent), true, 2000, recorder);
  EXPECT_FALSE(done.cut);
  EXPECT_EQ(payload.substr(0, done.length), "203,0,113,200,4,233\r\n");
}

}  // namespace
}  // namespace sluice::conntrack::ftp
