// Most packets go a short way through the tracker (Pass::pass_plain), all others a long one. The same random
// conversations go through two trackers: as they are, and with IP options, which no packet on the short way
// has. All that the packets and the tables have to say must agree.
#include "base/rng.h"
#include "conntrack/nat/nat_fixture.h"
#include "conntrack/tracker_fixture.h"
#include "net/checksum.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

/// A TCP conversation with now and then a stray number, flag or window, or UDP.
class Talk {
 public:
  Talk(Rng& rng, std::uint16_t port) : port_(port), udp_(rng.chance(25)) {
    for (std::uint32_t& n : next_) n = static_cast<std::uint32_t>(rng.next());
  }

  /// @param answer_to  where the server sends its answers
  Layers packet(Rng& rng, std::string options, const char* answer_to) {
    const unsigned from = rng.chance(50) ? 1 : 0, to = from ^ 1;
    const Ip4 ip = from == 0 ? Ip4{.src = "10.0.0.1", .dst = "10.0.0.2", .options = options}
                             : Ip4{.src = "10.0.0.2", .dst = answer_to, .options = options};
    const std::uint16_t ports[] = {port_, 80};
    if (udp_) return ip / Udp{.sport = ports[from], .dport = ports[to]};

    const unsigned step = steps_++;
    std::string flags = step == 0 ? "S" : step == 1 ? "SA" : rng.chance(60) ? "A" : "PA";
    if (rng.chance(3)) flags = rng.chance(50) ? "FA" : rng.chance(50) ? "R" : "S";
    std::uint32_t seq = next_[from], ack = next_[to];
    if (rng.chance(10)) seq += static_cast<std::uint32_t>(rng.below(100'000)) - 50'000;
    if (rng.chance(10)) ack += static_cast<std::uint32_t>(rng.below(100'000)) - 50'000;
    const std::size_t bytes = rng.chance(50) ? 0 : rng.below(1400);
    if (seq == next_[from])
      next_[from] += static_cast<std::uint32_t>(bytes) + (flags[0] == 'S') + (flags[0] == 'F');
    Tcp tcp{.sport = ports[from],
            .dport = ports[to],
            .flags = flags.c_str(),
            .seq = seq,
            .ack = flags == "S" ? 0 : ack,
            .window = static_cast<std::uint16_t>(rng.chance(80) ? 60'000 : rng.below(65'536))};
    if (flags[0] == 'S' && rng.chance(70)) tcp.wscale = static_cast<std::uint8_t>(rng.below(15));
    return ip / tcp / Payload{std::string(bytes, 'x')};
  }

 private:
  std::uint16_t port_;
  bool udp_;
  unsigned steps_ = 0;
  std::uint32_t next_[2];
};

class PlainTest : public TrackerFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  void compare(bool translated);

  static constexpr const char* kNoOperations = "\x01\x01\x01\x01";

  unsigned sent_translated_ = 0;  ///< to the client
  Tracker other_{{.max_connections = 1000, .hash_secret = 7}};
};

void expect_same(const packet::CtMetadata& a, const packet::CtMetadata& b) {
  ASSERT_EQ(state_text(a.state), state_text(b.state));
  ASSERT_EQ(a.mark, b.mark);
  ASSERT_EQ(a.label, b.label);
  ASSERT_EQ(a.zone, b.zone);
  ASSERT_EQ(a.connection, b.connection);
  ASSERT_EQ(a.connection_generation, b.connection_generation);
  ASSERT_EQ(a.reply, b.reply);
  ASSERT_EQ(a.original.src, b.original.src);
  ASSERT_EQ(a.original.dst, b.original.dst);
  ASSERT_EQ(a.original.src_port, b.original.src_port);
  ASSERT_EQ(a.original.dst_port, b.original.dst_port);
  ASSERT_EQ(a.original.proto, b.original.proto);
  ASSERT_EQ(a.original.is_ipv6, b.original.is_ipv6);
}

void expect_same(const std::vector<ConnectionSnapshot>& a, const std::vector<ConnectionSnapshot>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const ConnectionSnapshot &x = a[i], &y = b[i];
    // Options count in the datagram.
    for (const int d : {0, 1}) ASSERT_EQ(x.bytes[d] + 4 * x.packets[d], y.bytes[d]);
    ASSERT_EQ(format_connection(x, {.verbose = true}), format_connection(y, {.verbose = true}));
    ASSERT_EQ(x.packets[0], y.packets[0]);
    ASSERT_EQ(x.packets[1], y.packets[1]);
    ASSERT_EQ(x.last_seen_ns, y.last_seen_ns);
    ASSERT_EQ(x.expires_in_ns, y.expires_in_ns);
    ASSERT_EQ(x.seen_reply, y.seen_reply);
  }
}

/// Addresses and all that follows the IP header; the IP checksum is checked.
std::string what_leaves(const packet::Packet& packet) {
  const std::uint8_t* const l3 = packet.data() + packet.layout.l3;
  const std::uint8_t* const l4 = packet.data() + packet.layout.l4;
  EXPECT_EQ(net::checksum({l3, static_cast<std::size_t>(l4 - l3)}), be16{});
  return std::string(l3 + 12, l3 + 20) + std::string(l4, packet.data() + packet.size());
}

/// Checksums as hardware leaves them: verified (perhaps wrong), absent, or still to be filled in.
void vary_checksum(packet::Packet& packet, unsigned how) {
  packet.meta.offload.checksum_partial = how == 1;
  packet.meta.offload.checksum_valid = how == 2 || how == 3;
  const unsigned at = packet.layout.ip_proto == net::ip_proto::kTcp ? 16 : 6;
  if (how == 3) be16{0xffff}.store(packet.data() + packet.layout.l4 + at);
  if (how == 4 && at == 6) be16{}.store(packet.data() + packet.layout.l4 + at);
}

TEST_P(PlainTest, ShortWayAndLongWayAgree) {
  compare(false);
}

TEST_P(PlainTest, TheyTranslateAlike) {
  compare(true);
}

void PlainTest::compare(bool translated) {
  Rng rng(GetParam());
  std::vector<Talk> talks;
  for (unsigned i = 0; i < 12; ++i) talks.emplace_back(rng, static_cast<std::uint16_t>(1000 + i));
  for (unsigned step = 0; step < 400; ++step) {
    if (rng.chance(2)) {
      const std::uint16_t zone = static_cast<std::uint16_t>(rng.below(2));
      tracker_.flush(zone);
      other_.flush(zone);
    }
    CtRequest request{.commit = rng.chance(40),
                      .force = rng.chance(2),
                      .zone = static_cast<std::uint16_t>(rng.below(2)),
                      .mark = static_cast<std::uint32_t>(rng.below(16)),
                      .mark_mask = 7};
    if (rng.chance(30)) {
      request.label = {be64{0}, be64{rng.below(2)}};
      request.label_mask = {be64{0}, be64{1}};
    }
    if (translated) {
      request.force = false;
      request.nat = rng.chance(80);
      if (request.commit && request.nat) request.nat_range = snat_to("10.9.0.1");
    }
    packet::PacketBatch plain, optioned, dropped;
    for (unsigned i = 0, n = 1 + static_cast<unsigned>(rng.below(8)); i < n; ++i) {
      Talk& talk = talks[rng.below(talks.size())];
      const Rng now = rng;
      const Talk as_it_is = talk;
      const char* const answer_to = translated ? "10.9.0.1" : "10.0.0.1";
      plain.push(make_packet(pool_, talk.packet(rng, "", answer_to)));
      rng = now;
      talk = as_it_is;
      optioned.push(make_packet(pool_, talk.packet(rng, kNoOperations, answer_to)));
      const auto how = static_cast<unsigned>(rng.below(20));
      vary_checksum(*plain[i], how);
      vary_checksum(*optioned[i], how);
    }
    tracker_.process(plain, request, clock_.now(), dropped);
    other_.process(optioned, request, clock_.now(), dropped);
    ASSERT_TRUE(dropped.empty());
    for (unsigned i = 0; i < plain.size(); ++i) {
      ASSERT_NO_FATAL_FAILURE(expect_same(plain[i]->meta.ct, optioned[i]->meta.ct));
      ASSERT_EQ(what_leaves(*plain[i]), what_leaves(*optioned[i]));
      sent_translated_ += (plain[i]->meta.ct.state & ct_state::kDestinationNat) != 0;
    }
    pool_.give(plain);
    pool_.give(optioned);
    std::vector<ConnectionSnapshot> mine = connections(), others;
    for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
      cursor = other_.dump(cursor, 64, clock_.now(), others);
    ASSERT_NO_FATAL_FAILURE(expect_same(mine, others));
    clock_.advance(
        Duration::milliseconds(static_cast<std::int64_t>(rng.chance(5) ? 40'000 : rng.below(2000))));
    if (rng.chance(20)) {
      expire();
      while (other_.expire(clock_.now(), 16)) {
      }
    }
  }
  EXPECT_EQ(counter_map(tracker_), counter_map(other_));
  EXPECT_GT(counter_map(tracker_)["hits"], 200u);
  EXPECT_EQ(sent_translated_ > 50, translated) << sent_translated_;
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlainTest, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace sluice::conntrack
