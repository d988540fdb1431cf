// Helpers of translated connections: announcements are rewritten, data connections are translated as their
// parents are, and sequence numbers stay right for both ends.
#include <algorithm>

#include "conntrack/nat/nat_fixture.h"
#include "wire/tcp.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

enum class Side { Client, Server };

struct Case {
  const char* name;
  NatRange::Kind kind;
  bool ipv6;
  Side speaker;
  const char *said, *heard;
};

/// A client, a server, and an address that stands for the client (source NAT) or the server (destination
/// NAT).
class TranslatedHelpersTest : public NatFixture {
 protected:
  static constexpr std::uint16_t kClientPort = 40000, kServerPort = 2121, kDataPort = 50000;

  void set_up(NatRange::Kind kind, bool ipv6) {
    kind_ = kind;
    ipv6_ = ipv6;
  }
  bool snat() const { return kind_ == NatRange::Kind::Source; }
  const char* client() const { return ipv6_ ? "fd00::1" : "10.0.0.1"; }
  const char* server() const { return ipv6_ ? "fd00::2" : "10.0.0.2"; }
  const char* public_address() const { return ipv6_ ? "2001:db8::77" : "203.0.113.7"; }
  const char* client_as_seen() const { return snat() ? public_address() : client(); }
  const char* server_as_seen() const { return snat() ? server() : public_address(); }

  Layers ip(const char* from, const char* to) const {
    return ipv6_ ? Layers(Ip6{.src = from, .dst = to}) : Layers(Ip4{.src = from, .dst = to});
  }
  /// As they come and as they leave.
  Layers from(Side side) const {
    return side == Side::Client ? ip(client(), server_as_seen()) : ip(server(), client_as_seen());
  }
  Layers out(Side side) const {
    return side == Side::Client ? ip(client_as_seen(), server()) : ip(server_as_seen(), client());
  }
  static Tcp control(Side side, std::uint32_t seq, std::uint32_t ack, const char* flags = "PA") {
    Tcp tcp{.sport = kClientPort, .dport = kServerPort, .flags = flags, .seq = seq, .ack = ack};
    if (side == Side::Server) std::swap(tcp.sport, tcp.dport);
    return tcp;
  }
  CtRequest opening() const {
    CtRequest request = commits(nat_to(kind_, snat() ? public_address() : server()));
    request.helper = Helper::Ftp;
    request.mark = 5;
    request.mark_mask = ~0u;
    return request;
  }
  void open() {
    track(from(Side::Client) / control(Side::Client, 999, 0, "S"), opening());
    EXPECT_EQ(seen(out(Side::Client) / control(Side::Client, 999, 0, "S")), "");
    track(from(Side::Server) / control(Side::Server, 4999, 1000, "SA"), bare());
    track(from(Side::Client) / control(Side::Client, 1000, 5000, "A"), bare());
  }
  std::vector<std::string> expectations() {
    std::vector<ExpectationSnapshot> all;
    tracker_.dump_expectations(0, 100, clock_.now(), all);
    std::vector<std::string> lines;
    for (const auto& e : all) lines.push_back(format_expectation(e));
    return lines;
  }

  NatRange::Kind kind_ = NatRange::Kind::Source;
  bool ipv6_ = false;
};

class TranslatedFtpTest : public TranslatedHelpersTest, public ::testing::WithParamInterface<Case> {};

TEST_P(TranslatedFtpTest, AnnouncementAndDataConnection) {
  const Case& c = GetParam();
  set_up(c.kind, c.ipv6);
  open();
  const std::uint32_t seq = c.speaker == Side::Client ? 1000 : 5000,
                      ack = c.speaker == Side::Client ? 5000 : 1000;
  track(from(c.speaker) / control(c.speaker, seq, ack) / Payload{c.said}, bare());
  EXPECT_EQ(seen(out(c.speaker) / control(c.speaker, seq, ack) / Payload{c.heard}), "");

  // Numbers of what follows, both ways.
  const auto said = static_cast<std::uint32_t>(std::string(c.said).size());
  const auto heard = static_cast<std::uint32_t>(std::string(c.heard).size());
  const Side other = c.speaker == Side::Client ? Side::Server : Side::Client;
  EXPECT_EQ(
      track(from(other) / control(other, ack, seq + heard) / Payload{"200 ok\r\n"}, bare()).substr(0, 4),
      "+est");
  EXPECT_EQ(seen(out(other) / control(other, ack, seq + said) / Payload{"200 ok\r\n"}), "");
  EXPECT_EQ(track(from(c.speaker) / control(c.speaker, seq + said, ack + 8) / Payload{"LIST\r\n"}, bare())
                .substr(0, 4),
            "+est");
  EXPECT_EQ(seen(out(c.speaker) / control(c.speaker, seq + heard, ack + 8) / Payload{"LIST\r\n"}), "");
  // Said again it reads the same.
  track(from(c.speaker) / control(c.speaker, seq + said, ack + 8) / Payload{"LIST\r\n"}, bare());
  EXPECT_EQ(seen(out(c.speaker) / control(c.speaker, seq + heard, ack + 8) / Payload{"LIST\r\n"}), "");
  EXPECT_EQ(expectations().size(), 1u);

  // The data connection runs the other way and is translated as its parent.
  const Tcp data{.sport = 20, .dport = kDataPort, .flags = "S", .seq = 1};
  EXPECT_EQ(track(from(other) / data, bare()), "+new+rel+trk");
  EXPECT_EQ(meta().mark, 5u);
  CtRequest commit = bare();
  commit.commit = true;
  const bool source_translated = snat() == (other == Side::Client);
  EXPECT_EQ(track(from(other) / data, commit), source_translated ? "+new+rel+trk+snat" : "+new+rel+trk+dnat");
  EXPECT_EQ(seen(out(other) / data), "");
  EXPECT_EQ(meta().original.dst_port, be16{kServerPort});
  const Tcp answer{.sport = kDataPort, .dport = 20, .flags = "SA", .seq = 70, .ack = 2};
  EXPECT_EQ(track(from(c.speaker) / answer, bare()),
            source_translated ? "+est+rel+rpl+trk+dnat" : "+est+rel+rpl+trk+snat");
  EXPECT_EQ(seen(out(c.speaker) / answer), "");
  EXPECT_EQ(expectations().size(), 0u);
  expect_no_leak();
}

using Kind = NatRange::Kind;
INSTANTIATE_TEST_SUITE_P(
    Ways, TranslatedFtpTest,
    ::testing::Values(
        Case{"SnatPort", Kind::Source, false, Side::Client, "PORT 10,0,0,1,195,80\r\n",
             "PORT 203,0,113,7,195,80\r\n"},
        Case{"SnatEprt", Kind::Source, false, Side::Client, "EPRT |1|10.0.0.1|50000|\r\n",
             "EPRT |1|203.0.113.7|50000|\r\n"},
        Case{"SnatPasv", Kind::Source, false, Side::Server, "227 x (10,0,0,2,195,80)\r\n",
             "227 x (10,0,0,2,195,80)\r\n"},
        Case{"SnatEpsv", Kind::Source, false, Side::Server, "229 x (|||50000|)\r\n", "229 x (|||50000|)\r\n"},
        Case{"DnatPort", Kind::Destination, false, Side::Client, "PORT 10,0,0,1,195,80\r\n",
             "PORT 10,0,0,1,195,80\r\n"},
        Case{"DnatPasv", Kind::Destination, false, Side::Server, "227 x (10,0,0,2,195,80)\r\n",
             "227 x (203,0,113,7,195,80)\r\n"},
        Case{"DnatEpsv", Kind::Destination, false, Side::Server, "229 x (|||50000|)\r\n",
             "229 x (|||50000|)\r\n"},
        Case{"Snat6Eprt", Kind::Source, true, Side::Client, "EPRT |2|fd00::1|50000|\r\n",
             "EPRT |2|2001:db8::77|50000|\r\n"},
        Case{"Snat6Epsv", Kind::Source, true, Side::Server, "229 (|||50000|)\r\n", "229 (|||50000|)\r\n"},
        Case{"Dnat6Eprt", Kind::Destination, true, Side::Client, "EPRT |2|fd00::1|50000|\r\n",
             "EPRT |2|fd00::1|50000|\r\n"},
        Case{"Dnat6Epsv", Kind::Destination, true, Side::Server, "229 (|||50000|)\r\n",
             "229 (|||50000|)\r\n"}),
    [](const auto& row) { return row.param.name; });

/// A sender that sends a byte at a time and waits for each to be acknowledged.
TEST_F(TranslatedHelpersTest, OneByteAtATime) {
  open();
  const std::string said = "PORT 10,0,0,1,195,80\r\nNOOP\r\n";
  std::string heard;
  std::uint32_t server_ack = 1000;
  for (std::uint32_t i = 0; i < said.size(); ++i) {
    ASSERT_EQ(track(from(Side::Client) / control(Side::Client, 1000 + i, 5000) / Payload{said.substr(i, 1)},
                    bare()),
              "+est+trk+snat");
    const wire::TcpHeader tcp(last()->data() + last()->layout.l4);
    ASSERT_EQ(tcp.seq().host(), 1000 + heard.size());
    ASSERT_EQ(seen(out(Side::Client)), "");
    heard.append(reinterpret_cast<const char*>(last()->data()) + last()->layout.payload,
                 last()->size() - last()->layout.payload);
    server_ack = 1000 + static_cast<std::uint32_t>(heard.size());
    ASSERT_EQ(track(from(Side::Server) / control(Side::Server, 5000, server_ack, "A"), bare()),
              "+est+rpl+trk+dnat");
    ASSERT_EQ(seen(out(Side::Server) / control(Side::Server, 5000, 1000 + i + 1, "A")), "");
  }
  EXPECT_EQ(heard, "PORT 203,0,113,7,195,80\r\nNOOP\r\n");
  EXPECT_EQ(expectations().size(), 1u);
}

TEST_F(TranslatedHelpersTest, ASegmentAheadOfAGapIsDroppedAndCounted) {
  open();
  forget_counters();
  EXPECT_EQ(track(from(Side::Client) / control(Side::Client, 1005, 5000) / Payload{"NOOP\r\n"}, bare()),
            "dropped");
  EXPECT_EQ(track(from(Side::Client) / control(Side::Client, 1005, 5000, "A"), bare()), "+est+trk+snat");
  expect_delta({{"lookups", 2}, {"hits", 2}, {"reason.helper_gap", 1}});
}

TEST_F(TranslatedHelpersTest, SelectiveAcknowledgementsAreTranslated) {
  open();
  track(from(Side::Client) / control(Side::Client, 1000, 5000) / Payload{"PORT 10,0,0,1,195,80\r\n"}, bare());
  track(from(Side::Client) / control(Side::Client, 1022, 5000) / Payload{"NOOP\r\n"}, bare());
  const auto sack = [](std::uint32_t left, std::uint32_t right) {
    std::string option("\1\1\5\12", 4);
    for (const std::uint32_t edge : {left, right})
      for (int shift = 24; shift >= 0; shift -= 8) option += static_cast<char>(edge >> shift & 0xff);
    return option;
  };
  // Three bytes were added in the middle: the server has NOOP, not PORT.
  Tcp with = control(Side::Server, 5000, 1000, "A"), expected = with;
  with.options = sack(1025, 1031);
  expected.options = sack(1022, 1028);
  track(from(Side::Server) / with, bare());
  EXPECT_EQ(seen(out(Side::Server) / expected), "");
}

/// ct(table) and then ct(nat): what is not translated yet is not rewritten yet.
TEST_F(TranslatedHelpersTest, TranslatedByALaterCt) {
  open();
  packet::Packet* port =
      make(from(Side::Client) / control(Side::Client, 1000, 5000) / Payload{"PORT 10,0,0,1,195,80\r\n"});
  EXPECT_EQ(track(port), "+est+trk");
  EXPECT_EQ(seen(from(Side::Client) / Tcp{} / Payload{"PORT 10,0,0,1,195,80\r\n"}), "");
  EXPECT_EQ(expectations().size(), 0u);
  EXPECT_EQ(track(port, bare()), "+est+trk+snat");
  EXPECT_EQ(seen(out(Side::Client) / Tcp{} / Payload{"PORT 203,0,113,7,195,80\r\n"}), "");
  EXPECT_EQ(expectations().size(), 1u);
  EXPECT_EQ(track(port, bare()), "+est+trk+snat");
  EXPECT_EQ(seen(out(Side::Client) / Tcp{} / Payload{"PORT 203,0,113,7,195,80\r\n"}), "");
}

/// Two clients behind one address that announce the same port: the second is given another.
TEST_F(TranslatedHelpersTest, PortsOfAnnouncementsDoNotCollide) {
  open();
  track(from(Side::Client) / control(Side::Client, 1000, 5000) / Payload{"PORT 10,0,0,1,195,80\r\n"}, bare());
  const Layers other = Ip4{.src = "10.0.0.9", .dst = "10.0.0.2"};
  const auto tcp = [](std::uint32_t seq, const char* flags) {
    return Tcp{.sport = 41000, .dport = kServerPort, .flags = flags, .seq = seq, .ack = 8000};
  };
  track(other / tcp(1, "S"), opening());
  track(Ip4{.src = "10.0.0.2", .dst = "203.0.113.7"} /
            Tcp{.sport = kServerPort, .dport = 41000, .flags = "SA", .seq = 7999, .ack = 2},
        bare());
  track(other / tcp(2, "PA") / Payload{"PORT 10,0,0,9,195,80\r\n"}, bare());
  EXPECT_EQ(seen(Tcp{} / Payload{"PORT 203,0,113,7,195,81\r\n"}), "");
  CtRequest commit = bare();
  commit.commit = true;
  const auto data = [](std::uint16_t port) {
    return Ip4{.src = "10.0.0.2", .dst = "203.0.113.7"} / Tcp{.sport = 20, .dport = port, .flags = "S"};
  };
  EXPECT_EQ(track(data(50001), commit), "+new+rel+trk+dnat");
  EXPECT_EQ(seen(Ip4{.src = "10.0.0.2", .dst = "10.0.0.9"} / Tcp{.sport = 20, .dport = 50000}), "");
  EXPECT_EQ(track(data(50000), commit), "+new+rel+trk+dnat");
  EXPECT_EQ(seen(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Tcp{.sport = 20, .dport = 50000}), "");
  expect_no_leak();
}

TEST_F(TranslatedHelpersTest, Tftp) {
  const std::string request("\0\1file\0octet\0", 13);
  for (const NatRange::Kind kind : {NatRange::Kind::Source, NatRange::Kind::Destination})
    for (const bool ipv6 : {false, true}) {
      set_up(kind, ipv6);
      CtRequest ask = commits(nat_to(kind, snat() ? public_address() : server()));
      ask.helper = Helper::Tftp;
      CtRequest commit = bare();
      commit.commit = true;
      const Udp forth{.sport = 3000, .dport = 69}, data{.sport = 55555, .dport = 3000},
          ack{.sport = 3000, .dport = 55555};
      EXPECT_EQ(track(from(Side::Client) / forth / Payload{request}, ask),
                snat() ? "+new+trk+snat" : "+new+trk+dnat");
      EXPECT_EQ(seen(out(Side::Client) / forth / Payload{request}), "");
      EXPECT_EQ(track(from(Side::Server) / data / Payload{"data"}, commit),
                snat() ? "+new+rel+trk+dnat" : "+new+rel+trk+snat");
      EXPECT_EQ(seen(out(Side::Server) / data / Payload{"data"}), "");
      EXPECT_EQ(track(from(Side::Client) / ack / Payload{"ack"}, bare()),
                snat() ? "+est+rel+rpl+trk+snat" : "+est+rel+rpl+trk+dnat");
      EXPECT_EQ(seen(out(Side::Client) / ack / Payload{"ack"}), "");
      tracker_.flush(std::nullopt);
      expire();
    }
}

}  // namespace
}  // namespace sluice::conntrack
