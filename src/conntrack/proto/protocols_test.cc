// UDP, ICMP, ICMPv6, other protocols, and what is invalid before any of them, through the whole
// tracker.
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr const char* kA = "10.0.0.1";
constexpr const char* kB = "10.0.0.2";
Ip4 forth() {
  return {.src = kA, .dst = kB};
}
Ip4 back() {
  return {.src = kB, .dst = kA};
}
Udp query() {
  return {.sport = 1000, .dport = 53};
}
Udp answer() {
  return {.sport = 53, .dport = 1000};
}

class ProtocolsTest : public TrackerFixture {};

TEST_F(ProtocolsTest, UdpIsNewUntilAnswered) {
  EXPECT_EQ(commit(forth() / query()), "+new+trk");
  EXPECT_EQ(expires_in_seconds(), 60);
  EXPECT_EQ(track(forth() / query()), "+new+trk");
  EXPECT_EQ(expires_in_seconds(), 60);
  EXPECT_EQ(track(back() / answer()), "+est+rpl+trk");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(track(forth() / query()), "+est+trk");
  EXPECT_EQ(only_connection().packets[0], 3u);
  EXPECT_EQ(only_connection().packets[1], 1u);
  EXPECT_TRUE(only_connection().seen_reply);
  expect_delta({{"created", 1}, {"committed", 1}, {"lookups", 4}, {"hits", 3}});
}

TEST_F(ProtocolsTest, UdpOverIpv6BothDirections) {
  const Ip6 there{.src = "2001:db8::1", .dst = "2001:db8::2"},
      here{.src = "2001:db8::2", .dst = "2001:db8::1"};
  EXPECT_EQ(commit(there / query()), "+new+trk");
  EXPECT_EQ(track(here / answer()), "+est+rpl+trk");
  EXPECT_EQ(track(Ip6{.src = "2001:db8::3", .dst = "2001:db8::2"} / query()), "+new+trk");
  EXPECT_TRUE(only_connection().original.is_ipv6);
  EXPECT_EQ(net::format_ipv6(only_connection().original.src), "2001:db8::1");
  EXPECT_EQ(track(here / answer()), "+est+rpl+trk");
  EXPECT_EQ(net::format_ipv6(meta().original.src), "2001:db8::1");
  EXPECT_TRUE(meta().original.is_ipv6);
}

TEST_F(ProtocolsTest, EchoHasAnIdAndAnAnswer) {
  const auto echo = [](std::uint16_t id) { return Icmp4{.type = 8, .code = 0, .id = id}; };
  EXPECT_EQ(commit(forth() / echo(7)), "+new+trk");
  EXPECT_EQ(expires_in_seconds(), 60);
  EXPECT_EQ(track(forth() / echo(7)), "+new+trk");
  EXPECT_EQ(track(forth() / echo(8)), "+new+trk");
  EXPECT_EQ(track(back() / Icmp4{.type = 0, .code = 0, .id = 7}), "+est+rpl+trk");
  EXPECT_EQ(expires_in_seconds(), 30);
  EXPECT_EQ(meta().original.src_port, be16{8});  // type
  EXPECT_EQ(meta().original.dst_port, be16{0});  // code
  EXPECT_EQ(track(forth() / echo(7)), "+est+trk");
  forget_counters();
  EXPECT_EQ(track(forth() / Icmp4{.type = 0, .code = 0, .id = 7}),
            "+inv+trk");  // the asker does not answer itself
  EXPECT_EQ(track(forth() / Icmp4{.type = 8, .code = 1, .id = 7}), "+inv+trk");
  EXPECT_EQ(track(forth() / Icmp4{.type = 17, .code = 0, .id = 7}), "+inv+trk");
  expect_delta({{"lookups", 1},
                {"reason.reply_without_connection", 1},
                {"reason.icmp_bad_code", 1},
                {"reason.icmp_unsupported_type", 1}});
}

TEST_F(ProtocolsTest, TimestampIsAnotherConnectionThanEcho) {
  EXPECT_EQ(commit(forth() / Icmp4{.type = 8, .code = 0, .id = 7}), "+new+trk");
  EXPECT_EQ(commit(forth() / (Icmp4{.type = 13, .code = 0, .id = 7} / Payload{.size = 12})), "+new+trk");
  EXPECT_EQ(commit(forth() / Icmp4{.type = 15, .code = 0, .id = 7}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 3u);
  EXPECT_EQ(track(back() / (Icmp4{.type = 14, .code = 0, .id = 7} / Payload{.size = 12})), "+est+rpl+trk");
  EXPECT_EQ(meta().original.src_port, be16{13});
}

TEST_F(ProtocolsTest, Icmpv6Echo) {
  const Ip6 there{.src = "2001:db8::1", .dst = "2001:db8::2"},
      here{.src = "2001:db8::2", .dst = "2001:db8::1"};
  EXPECT_EQ(track(here / Icmp6{.type = 129, .code = 0, .id = 9}), "+inv+trk");
  EXPECT_EQ(commit(there / Icmp6{.type = 128, .code = 0, .id = 9}), "+new+trk");
  EXPECT_EQ(track(here / Icmp6{.type = 129, .code = 0, .id = 9}), "+est+rpl+trk");
  EXPECT_EQ(expires_in_seconds(), 30);
}

TEST_F(ProtocolsTest, NeighborDiscoveryIsNeverTracked) {
  EXPECT_EQ(commit(Ip6{.src = "fe80::1", .dst = "fe80::2"} / Nd{.type = 135, .target = "fe80::2"}),
            "+inv+trk");
  EXPECT_EQ(commit(Ip6{.src = "fe80::1", .dst = "ff02::16"} /
                   (Icmp6{.type = 143, .code = 0} / Payload{.size = 20})),
            "+inv+trk");
  expect_delta({{"reason.neighbor_discovery", 2}});
}

class RelatedTest : public TrackerFixture {
 protected:
  void SetUp() override {
    track(forth() / query(), {.commit = true, .mark = 0x55, .mark_mask = ~0u});
    track(back() / answer());
    forget_counters();
  }
};

TEST_F(RelatedTest, ErrorsBelongToTheConnectionTheyQuote) {
  const Icmp4 unreachable{.type = 3, .code = 3};
  EXPECT_EQ(track(back() / (unreachable / (forth() / query()))), "+rel+rpl+trk");
  EXPECT_EQ(meta().mark, 0x55u);
  EXPECT_EQ(net::v4_of(meta().original.src), *net::parse_ipv4(kA));
  EXPECT_EQ(meta().original.dst_port, be16{53});
  EXPECT_TRUE(meta().reply);
  EXPECT_EQ(track(Ip4{.src = "10.9.9.9", .dst = kA} / (Icmp4{.type = 11, .code = 0} / (forth() / query()))),
            "+rel+rpl+trk");  // from a router on the way
  EXPECT_EQ(track(forth() / (unreachable / (back() / answer()))), "+rel+trk");
  expect_delta({{"lookups", 3}, {"hits", 3}});
  EXPECT_EQ(only_connection().packets[0], 1u);  // errors are not its packets
}

TEST_F(RelatedTest, ErrorsThatConcernNobodyAreInvalid) {
  const Icmp4 unreachable{.type = 3, .code = 3};
  EXPECT_EQ(commit(back() / (unreachable / (forth() / Udp{.sport = 9, .dport = 9}))), "+inv+trk");
  // Addressed to somebody who did not send what it quotes.
  EXPECT_EQ(commit(Ip4{.src = "10.9.9.9", .dst = "10.0.0.7"} / (unreachable / (forth() / query()))),
            "+inv+trk");
  EXPECT_EQ(commit(back() / (unreachable / Payload{.size = 10})), "+inv+trk");
  expect_delta({{"lookups", 1}, {"reason.icmp_error_no_connection", 2}, {"reason.icmp_error_truncated", 1}});
  EXPECT_EQ(tracker_.connections(), 1u);
}

TEST_F(RelatedTest, CommitOfAnErrorMarksTheParent) {
  const CtRequest request{.commit = true, .mark = 0x77, .mark_mask = 0xff};
  EXPECT_EQ(track(back() / (Icmp4{.type = 3, .code = 3} / (forth() / query())), request), "+rel+rpl+trk");
  EXPECT_EQ(only_connection().mark, 0x77u);
}

TEST_F(RelatedTest, Icmpv6TooBig) {
  const Ip6 there{.src = "2001:db8::1", .dst = "2001:db8::2"};
  commit(there / Tcp{.sport = 5, .dport = 6, .flags = "S"});
  EXPECT_EQ(track(Ip6{.src = "2001:db8:9::9", .dst = "2001:db8::1"} /
                  (Icmp6{.type = 2, .code = 0, .rest = 1280} /
                   (there / Tcp{.sport = 5, .dport = 6, .flags = "S"}))),
            "+rel+rpl+trk");
  EXPECT_EQ(meta().original.proto, 6);
  EXPECT_TRUE(meta().original.is_ipv6);
}

TEST_F(ProtocolsTest, OtherProtocolsByNumber) {
  const auto proto = [](Ip4 ip, std::uint8_t number) {
    ip.proto = number;
    return ip;
  };
  EXPECT_EQ(commit(proto(forth(), 99) / Payload{"xyz"}), "+new+trk");
  EXPECT_EQ(commit(proto(forth(), 47) / Payload{"xyzw"}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 2u);
  EXPECT_EQ(track(proto(back(), 99) / Payload{"x"}), "+est+rpl+trk");
  EXPECT_EQ(track(proto(back(), 98) / Payload{"x"}), "+new+trk");
  // ICMPv6 over IPv4 is just a number.
  EXPECT_EQ(track(proto(forth(), 58) / Payload{.size = 8}), "+new+trk");
}

TEST_F(ProtocolsTest, WhatIsWrongBeforeAnyLookup) {
  EXPECT_EQ(commit(Arp{.op = 1}), "+inv+trk");
  expect_delta({{"reason.not_ip", 1}});
  EXPECT_EQ(commit(forth() / Udp{.sport = 0, .dport = 5}), "+inv+trk");
  EXPECT_EQ(commit(forth() / Tcp{.sport = 5, .dport = 0, .flags = "S"}), "+inv+trk");
  expect_delta({{"reason.zero_port", 2}});
  EXPECT_EQ(commit(forth() / Tcp{.sport = 5, .dport = 6, .flags = "S", .checksum = 0x1234}), "+inv+trk");
  EXPECT_EQ(commit(forth() / (Udp{.sport = 5, .dport = 6, .checksum = 0x1234} / Payload{"a"})), "+inv+trk");
  EXPECT_EQ(commit(forth() / Icmp4{.type = 8, .code = 0, .checksum = 0x1234}), "+inv+trk");
  expect_delta({{"reason.bad_transport_checksum", 3}});
  Ip4 bad = forth();
  bad.checksum = 0x1234;
  EXPECT_EQ(commit(bad / query()), "+inv+trk");
  expect_delta({{"reason.bad_ip_checksum", 1}});
  Ip4 fragment = forth();
  fragment.mf = true;
  EXPECT_EQ(commit(fragment / query()), "+inv+trk");
  expect_delta({{"reason.fragment", 1}});
  EXPECT_EQ(commit(forth() / Udp{.sport = 5, .dport = 6, .length = 200}), "+inv+trk");
  expect_delta({{"reason.bad_transport_length", 1}});
  Ip4 lite = forth();
  lite.proto = 136;
  for (const char coverage : {1, 7, 13})
    EXPECT_EQ(commit(lite / Payload{std::string("\0\1\0\2\0", 5) + coverage + "\x12\x34" + "data"}),
              "+inv+trk");
  expect_delta({{"reason.bad_transport_length", 3}});
  Ip4 tcp = forth();
  tcp.proto = 6;
  EXPECT_EQ(commit(tcp / Payload{"short"}), "+inv+trk");
  expect_delta({{"reason.no_transport", 1}});
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(ProtocolsTest, ZeroUdpChecksumIsFineOverIpv4Only) {
  EXPECT_EQ(track(forth() / Udp{.sport = 5, .dport = 6, .checksum = 0}), "+new+trk");
  EXPECT_EQ(track(Ip6{} / Udp{.sport = 5, .dport = 6, .checksum = 0}), "+inv+trk");
}

TEST_F(ProtocolsTest, OffloadVouchesForTheTransportChecksum) {
  const Layers wrong = forth() / Tcp{.sport = 5, .dport = 6, .flags = "S", .checksum = 0x1234};
  packet::Packet* partial = make(wrong);
  partial->meta.offload.checksum_partial = true;
  EXPECT_EQ(track(partial), "+new+trk");
  packet::Packet* verified = make(wrong);
  verified->meta.offload.checksum_valid = true;
  EXPECT_EQ(track(verified), "+new+trk");
}

TEST_F(ProtocolsTest, OffloadVouchesForSctpAndIcmpToo) {
  const std::string init("\1\0\0\24\0\0\0\7\0\1\0\0\0\1\0\1\0\0\0\1", 20);
  const Layers crc = forth() / (Sctp{.sport = 5, .dport = 6, .tag = 0, .checksum = 0x1234} / Payload{init});
  EXPECT_EQ(track(crc), "+inv+trk");
  expect_delta({{"reason.bad_transport_checksum", 1}});
  packet::Packet* partial = make(crc);
  partial->meta.offload.checksum_partial = true;
  EXPECT_EQ(track(partial), "+new+trk");
  packet::Packet* verified = make(crc);
  verified->meta.offload.checksum_valid = true;
  EXPECT_EQ(track(verified), "+new+trk");
  packet::Packet* echo = make(forth() / Icmp4{.type = 8, .code = 0, .id = 1, .checksum = 0x1234});
  echo->meta.offload.checksum_valid = true;
  EXPECT_EQ(track(echo), "+new+trk");
  // The header of IPv4 is nobody's to vouch for.
  Ip4 bad = forth();
  bad.checksum = 0x1234;
  packet::Packet* header = make(bad / query());
  header->meta.offload.checksum_valid = true;
  EXPECT_EQ(track(header), "+inv+trk");
}

TEST_F(ProtocolsTest, EthernetPaddingIsNotPayload) {
  Frame frame = build(Eth{} / forth() / Tcp{.sport = 5, .dport = 6, .flags = "S"});
  frame.resize(60);
  packet::Packet* packet = make_packet(pool_, frame);
  EXPECT_EQ(track(packet, {.commit = true}), "+new+trk");
  EXPECT_EQ(only_connection().bytes[0], 40u);
  pool_.give(packet);
}

}  // namespace
}  // namespace sluice::conntrack
