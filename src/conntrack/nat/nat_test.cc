// NAT through the whole tracker: what leaves, in both directions, and what +snat, +dnat and the tuples say.
#include <set>

#include "conntrack/nat/nat_fixture.h"
#include "net/checksum.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr const char* kClient = "10.0.0.1";
constexpr const char* kServer = "10.0.0.2";
constexpr const char* kNat = "10.9.0.1";
constexpr const char* kVirtual = "10.0.0.99";

Layers udp(const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport) {
  return Ip4{.src = src, .dst = dst} / Udp{.sport = sport, .dport = dport} / Payload{"data"};
}
Layers tcp(const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport, const char* flags,
           std::uint32_t seq = 0, std::uint32_t ack = 0) {
  return Ip4{.src = src, .dst = dst} /
         Tcp{.sport = sport, .dport = dport, .flags = flags, .seq = seq, .ack = ack} / Payload{"data"};
}
/// An INIT (type 1) or INIT ACK (2) that offers a tag.
Layers sctp(const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport, char type,
            std::uint32_t tag) {
  std::string chunk{type, 0, 0, 20};
  chunk += std::string{0, 0, 0, 9} + std::string{0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 7};
  return Ip4{.src = src, .dst = dst} / (Sctp{.sport = sport, .dport = dport, .tag = tag} / Payload{chunk});
}

class NatTest : public NatFixture {};

TEST_F(NatTest, SourceForthAndBack) {
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), commits(snat_to(kNat))), "+new+trk+snat");
  EXPECT_EQ(seen(udp(kNat, 1000, kServer, 53)), "");
  EXPECT_EQ(net::format_ipv4(net::v4_of(meta().original.src)), kClient);
  EXPECT_EQ(format_connection(only_connection()),
            "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53),"
            "reply=(src=10.0.0.2,dst=10.9.0.1,sport=53,dport=1000)");
  EXPECT_EQ(track(udp(kServer, 53, kNat, 1000), bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(udp(kServer, 53, kClient, 1000)), "");
  EXPECT_EQ(net::format_ipv4(net::v4_of(meta().original.src)), kClient);
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), bare()), "+est+trk+snat");
  EXPECT_EQ(seen(udp(kNat, 1000, kServer, 53)), "");
  expect_delta({{"created", 1}, {"committed", 1}, {"lookups", 3}, {"hits", 2}});
  expect_no_leak();
}

TEST_F(NatTest, DestinationForthAndBack) {
  EXPECT_EQ(track(tcp(kClient, 1000, kVirtual, 80, "S", 5), commits(dnat_to(kServer, "", 8080, 8080))),
            "+new+trk+dnat");
  EXPECT_EQ(seen(tcp(kClient, 1000, kServer, 8080, "S", 5)), "");
  EXPECT_EQ(track(tcp(kServer, 8080, kClient, 1000, "SA", 7, 6), bare()), "+est+rpl+trk+snat");
  EXPECT_EQ(seen(tcp(kVirtual, 80, kClient, 1000, "SA", 7, 6)), "");
  EXPECT_EQ(track(tcp(kClient, 1000, kVirtual, 80, "A", 6, 8), bare()), "+est+trk+dnat");
  EXPECT_EQ(seen(tcp(kClient, 1000, kServer, 8080, "A", 6, 8)), "");
}

TEST_F(NatTest, Ipv6BothWays) {
  const auto packet = [](const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport) {
    return Ip6{.src = src, .dst = dst} / Udp{.sport = sport, .dport = dport} / Payload{"data"};
  };
  EXPECT_EQ(track(packet("fd00::1", 1000, "fd00::2", 53), commits(snat_to("fd09::1", "", 4000, 4000))),
            "+new+trk+snat");
  EXPECT_EQ(seen(packet("fd09::1", 4000, "fd00::2", 53)), "");
  EXPECT_EQ(track(packet("fd00::2", 53, "fd09::1", 4000), bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(packet("fd00::2", 53, "fd00::1", 1000)), "");
  EXPECT_EQ(track(packet("fd00::2", 53, "fd09::1", 4001), bare()), "+new+trk");
  EXPECT_EQ(track(packet("fd00::1", 1000, "fd00::99", 53), commits(dnat_to("fd00::2"))), "+new+trk+dnat");
  EXPECT_EQ(seen(packet("fd00::1", 1000, "fd00::2", 53)), "");
  EXPECT_EQ(track(packet("fd00::2", 53, "fd00::1", 1000), bare()), "+est+rpl+trk+snat");
  EXPECT_EQ(seen(packet("fd00::99", 53, "fd00::1", 1000)), "");
  EXPECT_EQ(format_connection(connections().front()),
            "udp,orig=(src=fd00::1,dst=fd00::2,sport=1000,dport=53),"
            "reply=(src=fd00::2,dst=fd09::1,sport=53,dport=4000)");
  expect_no_leak();
  advance(Duration::seconds(100));
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
  expect_no_leak();
}

TEST_F(NatTest, WithoutNatNothingIsTranslated) {
  track(udp(kClient, 1000, kServer, 53), commits(snat_to(kNat)));
  EXPECT_EQ(track(udp(kServer, 53, kNat, 1000), {}), "+est+rpl+trk");
  EXPECT_EQ(seen(udp(kServer, 53, kNat, 1000)), "");
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), {.commit = true}), "+est+trk");
  EXPECT_EQ(seen(udp(kClient, 1000, kServer, 53)), "");
  // A range means nothing to a connection that there is.
  track(udp(kClient, 1001, kServer, 53), {.commit = true});
  EXPECT_EQ(track(udp(kClient, 1001, kServer, 53), commits(snat_to(kNat))), "+new+trk");
  EXPECT_EQ(seen(udp(kClient, 1001, kServer, 53)), "");
  // And bare nat opens none.
  EXPECT_EQ(track(udp(kClient, 1002, kServer, 53), {.commit = true, .nat = true}), "+new+trk");
  EXPECT_EQ(seen(udp(kClient, 1002, kServer, 53)), "");
}

TEST_F(NatTest, ASecondCtInTheZoneTranslatesOnce) {
  track(udp(kClient, 1000, kServer, 53), commits(snat_to(kNat)));
  packet::Packet* reply = make(udp(kServer, 53, kNat, 1000));
  EXPECT_EQ(track(reply, {}), "+est+rpl+trk");
  EXPECT_EQ(track(reply, bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(udp(kServer, 53, kClient, 1000)), "");
  EXPECT_EQ(track(reply, bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(track(reply, {}), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(udp(kServer, 53, kClient, 1000)), "");
  EXPECT_EQ(only_connection().packets[1], 1u);
}

TEST_F(NatTest, DestinationInOneZoneSourceInAnother) {
  packet::Packet* out = make(udp(kClient, 1000, kVirtual, 53));
  EXPECT_EQ(track(out, commits(dnat_to(kServer), 1)), "+new+trk+dnat");
  EXPECT_EQ(track(out, commits(snat_to(kNat), 2)), "+new+trk+snat");
  EXPECT_EQ(seen(udp(kNat, 1000, kServer, 53)), "");
  packet::Packet* in = make(udp(kServer, 53, kNat, 1000));
  EXPECT_EQ(track(in, bare(2)), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(udp(kServer, 53, kClient, 1000)), "");
  EXPECT_EQ(track(in, bare(1)), "+est+rpl+trk+snat");
  EXPECT_EQ(seen(udp(kVirtual, 53, kClient, 1000)), "");
}

TEST_F(NatTest, Hairpin) {
  // A client reaches its neighbour by the outer address; both are translated, in two zones.
  packet::Packet* out = make(udp(kClient, 1000, kNat, 53));
  track(out, commits(dnat_to(kServer), 1));
  track(out, commits(snat_to(kNat), 2));
  EXPECT_EQ(seen(udp(kNat, 1000, kServer, 53)), "");
  packet::Packet* in = make(udp(kServer, 53, kNat, 1000));
  EXPECT_EQ(track(in, bare(2)), "+est+rpl+trk+dnat");
  EXPECT_EQ(track(in, bare(1)), "+est+rpl+trk+snat");
  EXPECT_EQ(seen(udp(kNat, 53, kClient, 1000)), "");
}

TEST_F(NatTest, SctpKeepsItsCrc) {
  EXPECT_EQ(track(sctp(kClient, 1000, kServer, 5000, 1, 0), commits(snat_to(kNat, "", 7, 7))),
            "+new+trk+snat");
  EXPECT_EQ(seen(sctp(kNat, 7, kServer, 5000, 1, 0)), "");
  EXPECT_EQ(track(sctp(kServer, 5000, kNat, 7, 2, 9), bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(sctp(kServer, 5000, kClient, 1000, 2, 9)), "");
}

TEST_F(NatTest, UdpWithoutChecksumHasNoneAfterwards) {
  EXPECT_EQ(
      track(Ip4{.src = kClient, .dst = kServer} / Udp{.sport = 1, .dport = 53, .checksum = 0} / Payload{"x"},
            commits(snat_to(kNat, "", 9, 9))),
      "+new+trk+snat");
  EXPECT_EQ(seen(Ip4{.src = kNat} / Udp{.sport = 9, .checksum = 0}), "");
}

TEST_F(NatTest, AWrongChecksumStaysWrong) {
  packet::Packet* p = make(Ip4{.src = kClient, .dst = kServer} /
                           Udp{.sport = 1, .dport = 53, .checksum = 0x1234} / Payload{"x"});
  EXPECT_EQ(track(p, commits(snat_to(kNat))), "+inv+trk");
  p = make(Ip4{.src = kClient, .dst = kServer} / Udp{.sport = 1, .dport = 53, .checksum = 0x1234} /
           Payload{"x"});
  p->meta.offload.checksum_valid = true;  // the receiver is mistaken
  EXPECT_EQ(track(p, commits(snat_to(kNat))), "+new+trk+snat");
  EXPECT_EQ(seen({Ip4{}}), "wrong checksum");
}

TEST_F(NatTest, PartialChecksumsHoldThePseudoHeader) {
  const auto pseudo = [](packet::Packet* p) {
    net::ChecksumSum sum;
    const std::uint8_t* l3 = p->data() + p->layout.l3;
    sum.add({l3 + 12, 8});
    sum.add16(be16{net::ip_proto::kTcp});
    sum.add16(be16{static_cast<std::uint16_t>(p->layout.l3_end - p->layout.l4)});
    return sum.partial();
  };
  packet::Packet* p = make(tcp(kClient, 1000, kServer, 80, "S"));
  p->meta.offload.checksum_partial = true;
  p->meta.offload.checksum_start = p->layout.l4;
  p->meta.offload.checksum_offset = 16;
  pseudo(p).store(p->data() + p->layout.l4 + 16);
  EXPECT_EQ(track(p, commits(snat_to(kNat, "", 7, 7))), "+new+trk+snat");
  EXPECT_EQ(be16::load(p->data() + p->layout.l4 + 16), pseudo(p));
  EXPECT_EQ(mismatch(Ip4{.src = kNat} / Tcp{.sport = 7}, p->bytes()), "");
}

TEST_F(NatTest, EchoIdsAreChosenWhereTheyCollide) {
  const auto echo = [](const char* src, std::uint16_t id) {
    return Ip4{.src = src, .dst = kServer} / Icmp4{.type = 8, .code = 0, .id = id, .seq = 1};
  };
  const CtRequest request = commits(snat_to(kNat));
  EXPECT_EQ(track(echo(kClient, 7), request), "+new+trk+snat");
  EXPECT_EQ(seen(Ip4{.src = kNat, .dst = kServer} / Icmp4{.type = 8, .id = 7}), "");
  EXPECT_EQ(track(echo("10.0.0.3", 7), request), "+new+trk+snat");
  EXPECT_EQ(seen(Ip4{.src = kNat, .dst = kServer} / Icmp4{.type = 8, .id = 8}), "");
  EXPECT_EQ(track(Ip4{.src = kServer, .dst = kNat} / Icmp4{.type = 0, .code = 0, .id = 8}, bare()),
            "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(Ip4{.src = kServer, .dst = "10.0.0.3"} / Icmp4{.type = 0, .id = 7}), "");
  EXPECT_EQ(track(Ip4{.src = kServer, .dst = kNat} / Icmp4{.type = 0, .code = 0, .id = 7}, bare()),
            "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(Ip4{.src = kServer, .dst = kClient} / Icmp4{.type = 0, .id = 7}), "");
}

TEST_F(NatTest, Icmpv6EchoToo) {
  const auto echo = [](const char* src, const char* dst, std::uint8_t type, std::uint16_t id) {
    return Ip6{.src = src, .dst = dst} / Icmp6{.type = type, .code = 0, .id = id, .seq = 1};
  };
  track(echo("fd00::1", "fd00::2", 128, 7), commits(snat_to("fd09::1")));
  EXPECT_EQ(track(echo("fd00::3", "fd00::2", 128, 7), commits(snat_to("fd09::1"))), "+new+trk+snat");
  EXPECT_EQ(seen(echo("fd09::1", "fd00::2", 128, 8)), "");
  EXPECT_EQ(track(echo("fd00::2", "fd09::1", 129, 8), bare()), "+est+rpl+trk+dnat");
  EXPECT_EQ(seen(echo("fd00::2", "fd00::3", 129, 7)), "");
}

TEST_F(NatTest, OtherProtocolsHaveAddressesOnly) {
  const auto gre = [](const char* src, const char* dst) {
    return Ip4{.src = src, .dst = dst, .proto = 47} / Payload{"12345678"};
  };
  const CtRequest request = commits(snat_to("10.9.0.1", "10.9.0.2", 5000, 6000));
  EXPECT_EQ(track(gre("10.0.0.1", kServer), request), "+new+trk+snat");
  EXPECT_EQ(track(gre("10.0.0.3", kServer), request), "+new+trk+snat");
  EXPECT_EQ(track(gre("10.0.0.4", kServer), request), "dropped");
  EXPECT_EQ(track(gre(kServer, "10.9.0.2"), bare()), "+est+rpl+trk+dnat");
}

// ICMP errors: both headers are translated, and a receiver finds its own packet in them.

Layers error(const char* src, const char* dst, const Layers& quoted, std::uint8_t type = 11) {
  return Ip4{.src = src, .dst = dst} / (Icmp4{.type = type, .code = 0, .rest = 0} / quoted);
}

TEST_F(NatTest, ErrorsToATranslatedSource) {
  track(udp(kClient, 1000, kServer, 53), commits(snat_to(kNat, "", 7, 7)));
  // From a router on the way.
  EXPECT_EQ(track(error("10.0.0.77", kNat, udp(kNat, 7, kServer, 53)), bare()), "+rel+rpl+trk+dnat");
  EXPECT_EQ(seen(error("10.0.0.77", kClient, udp(kClient, 1000, kServer, 53))), "");
  // What the client says of a reply.
  EXPECT_EQ(track(error(kClient, kServer, udp(kServer, 53, kClient, 1000), 3), bare()), "+rel+trk+snat");
  EXPECT_EQ(seen(error(kNat, kServer, udp(kServer, 53, kNat, 7), 3)), "");
  // Without nat they are related all the same.
  EXPECT_EQ(track(error("10.0.0.77", kNat, udp(kNat, 7, kServer, 53)), {}), "+rel+rpl+trk");
  EXPECT_EQ(seen(error("10.0.0.77", kNat, udp(kNat, 7, kServer, 53))), "");
  // As the packet was before translation nobody outside has seen it.
  EXPECT_EQ(track(error("10.0.0.77", kClient, udp(kClient, 1000, kServer, 53)), bare()), "+inv+trk");
}

TEST_F(NatTest, ErrorsFromATranslatedDestination) {
  track(tcp(kClient, 1000, kVirtual, 80, "S", 5), commits(dnat_to(kServer, "", 8080, 8080)));
  EXPECT_EQ(track(error(kServer, kClient, tcp(kClient, 1000, kServer, 8080, "S", 5), 3), bare()),
            "+rel+rpl+trk+snat");
  EXPECT_EQ(seen(error(kVirtual, kClient, tcp(kClient, 1000, kVirtual, 80, "S", 5), 3)), "");
  // A router before the server speaks for the virtual address.
  EXPECT_EQ(track(error("10.0.0.77", kClient, tcp(kClient, 1000, kServer, 8080, "S", 5)), bare()),
            "+rel+rpl+trk+snat");
  EXPECT_EQ(seen(error(kVirtual, kClient, tcp(kClient, 1000, kVirtual, 80, "S", 5))), "");
}

std::string text(const Frame& f) {
  return std::string(f.begin(), f.end());
}

TEST_F(NatTest, ErrorsQuoteAsLittleAsTheyMay) {
  const Layers whole = tcp(kClient, 1000, kServer, 80, "S", 5);
  track(whole, commits(snat_to(kNat, "", 7, 7)));
  // Header and eight bytes: the TCP checksum is not among them.
  Frame quoted = build_bare(tcp(kNat, 7, kServer, 80, "S", 5));
  Frame original = build_bare(whole);
  quoted.resize(28);
  original.resize(28);
  EXPECT_EQ(track(Ip4{.src = "10.0.0.77", .dst = kNat} /
                      (Icmp4{.type = 11, .code = 0, .rest = 0} / Payload{text(quoted)}),
                  bare()),
            "+rel+rpl+trk+dnat");
  ASSERT_TRUE(checksums_ok(last()->bytes()));
  const Frame expected = build(Ip4{.src = "10.0.0.77", .dst = kClient} /
                               (Icmp4{.type = 11, .code = 0, .rest = 0} / Payload{text(original)}));
  EXPECT_EQ(describe(last()->bytes()), describe(expected));
}

TEST_F(NatTest, QuotedSctpKeepsARightCrc) {
  EXPECT_EQ(track(sctp(kClient, 1000, kServer, 5000, 1, 0), commits(snat_to(kNat, "", 7, 7))),
            "+new+trk+snat");
  EXPECT_EQ(track(error("10.0.0.77", kNat, sctp(kNat, 7, kServer, 5000, 1, 0), 3), bare()),
            "+rel+rpl+trk+dnat");
  EXPECT_EQ(seen(error("10.0.0.77", kClient, sctp(kClient, 1000, kServer, 5000, 1, 0), 3)), "");

  // What is quoted wrong stays wrong by the same bits; of a part the CRC stays as it was.
  const auto quote = [&](const char* src, std::uint16_t port, std::uint8_t flip, std::size_t size,
                         const Layers& crc_of) {
    Frame frame = build_bare(sctp(src, port, kServer, 5000, 1, 0));
    const Frame other = build_bare(crc_of);
    for (std::size_t i = 28; i < 32; ++i) frame[i] = other[i];
    frame[28] ^= flip;
    frame.resize(size);
    return Ip4{.src = "10.0.0.77", .dst = src} /
           (Icmp4{.type = 3, .code = 0, .rest = 0} / Payload{text(frame)});
  };
  const Layers inner = sctp(kClient, 1000, kServer, 5000, 1, 0), outer = sctp(kNat, 7, kServer, 5000, 1, 0);
  const std::size_t whole = build_bare(outer).size();
  EXPECT_EQ(track(quote(kNat, 7, 0x5a, whole, outer), bare()), "+rel+rpl+trk+dnat");
  EXPECT_EQ(describe(last()->bytes()), describe(build(quote(kClient, 1000, 0x5a, whole, inner))));
  EXPECT_EQ(track(quote(kNat, 7, 0, whole - 1, outer), bare()), "+rel+rpl+trk+dnat");
  EXPECT_EQ(describe(last()->bytes()), describe(build(quote(kClient, 1000, 0, whole - 1, outer))));
}

TEST_F(NatTest, ErrorsAboutEchoes) {
  const auto echo = [](const char* src, std::uint16_t id) {
    return Ip4{.src = src, .dst = kServer} /
           (Icmp4{.type = 8, .code = 0, .id = id, .seq = 1} / Payload{"ping"});
  };
  track(echo("10.0.0.3", 7), commits(snat_to(kNat)));
  track(echo(kClient, 7), commits(snat_to(kNat)));
  EXPECT_EQ(seen(echo(kNat, 8)), "");
  EXPECT_EQ(track(error("10.0.0.77", kNat, echo(kNat, 8)), bare()), "+rel+rpl+trk+dnat");
  EXPECT_EQ(seen(error("10.0.0.77", kClient, echo(kClient, 7))), "");
}

TEST_F(NatTest, Icmpv6Errors) {
  const auto packet = [](const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport) {
    return Ip6{.src = src, .dst = dst} / Udp{.sport = sport, .dport = dport} / Payload{"data"};
  };
  const auto too_big = [](const char* src, const char* dst, const Layers& quoted) {
    return Ip6{.src = src, .dst = dst} / (Icmp6{.type = 2, .code = 0, .rest = 1280} / quoted);
  };
  track(packet("fd00::1", 1000, "fd00::2", 53), commits(snat_to("fd09::1", "", 7, 7)));
  EXPECT_EQ(track(too_big("fd00::77", "fd09::1", packet("fd09::1", 7, "fd00::2", 53)), bare()),
            "+rel+rpl+trk+dnat");
  EXPECT_EQ(seen(too_big("fd00::77", "fd00::1", packet("fd00::1", 1000, "fd00::2", 53))), "");
  EXPECT_EQ(track(too_big("fd00::1", "fd00::2", packet("fd00::2", 53, "fd00::1", 1000)), bare()),
            "+rel+trk+snat");
  EXPECT_EQ(seen(too_big("fd09::1", "fd00::2", packet("fd00::2", 53, "fd09::1", 7))), "");
}

// Which address and port.

TEST_F(NatTest, TheOriginalPortFirstThenItsNeighbours) {
  const CtRequest request = commits(snat_to(kNat));
  for (const auto& [client, port, expected] : {std::tuple{"10.0.0.1", 1000, 1000},
                                               {"10.0.0.3", 1000, 1001},
                                               {"10.0.0.4", 1000, 1002},
                                               {"10.0.0.1", 1023, 1023},
                                               {"10.0.0.3", 1023, 600},
                                               {"10.0.0.1", 511, 511},
                                               {"10.0.0.3", 511, 1},
                                               {"10.0.0.1", 65535, 65535},
                                               {"10.0.0.3", 65535, 1024},
                                               {"10.0.0.1", 550, 550},
                                               {"10.0.0.3", 550, 601}}) {
    if (expected == 601) track(udp("10.0.0.9", 600, kServer, 53), request);  // 600 is taken: see above
    EXPECT_EQ(track(udp(client, static_cast<std::uint16_t>(port), kServer, 53), request), "+new+trk+snat");
    if (expected == 601)
      EXPECT_EQ(source_port(), 602);
    else
      EXPECT_EQ(source_port(), expected) << client << ":" << port;
  }
}

TEST_F(NatTest, TheSamePortServesDifferentPeers) {
  const CtRequest request = commits(snat_to(kNat, "", 5000, 5000));
  EXPECT_EQ(track(udp("10.0.0.1", 1000, "10.0.0.2", 53), request), "+new+trk+snat");
  EXPECT_EQ(track(udp("10.0.0.3", 1000, "10.0.0.2", 54), request), "+new+trk+snat");
  EXPECT_EQ(track(udp("10.0.0.3", 1000, "10.0.0.9", 53), request), "+new+trk+snat");
  EXPECT_EQ(track(tcp("10.0.0.3", 1000, "10.0.0.2", 53, "S"), request), "+new+trk+snat");
  EXPECT_EQ(track(udp("10.0.0.3", 1000, "10.0.0.2", 53), commits(request.nat_range, 1)), "+new+trk+snat");
  EXPECT_EQ(track(udp("10.0.0.3", 1000, "10.0.0.2", 53), request), "dropped");
  expect_delta({{"created", 5}, {"committed", 5}, {"lookups", 6}, {"reason.nat_exhausted", 1}});
}

TEST_F(NatTest, AnExplicitRangeIsNeverLeft) {
  const CtRequest request = commits(snat_to(kNat, "", 5000, 5002));
  EXPECT_EQ(track(udp(kClient, 5001, kServer, 53), request), "+new+trk+snat");
  EXPECT_EQ(source_port(), 5001);  // in the range already
  std::set<std::uint16_t> ports{5001};
  for (std::uint16_t i = 0; i < 2; ++i) {
    EXPECT_EQ(track(udp(kClient, static_cast<std::uint16_t>(1000 + i), kServer, 53), request),
              "+new+trk+snat");
    ports.insert(source_port());
  }
  EXPECT_EQ(ports, (std::set<std::uint16_t>{5000, 5001, 5002}));
  packet::Packet* refused = make(udp(kClient, 1002, kServer, 53));
  EXPECT_EQ(track(refused, request), "dropped");
  EXPECT_EQ(mismatch(udp(kClient, 1002, kServer, 53), refused->bytes()), "");
  expect_no_leak();
}

TEST_F(NatTest, AllZeroChangesThePortOnlyOnCollision) {
  for (const NatRange& range : {snat_to("0.0.0.0"), snat_to()}) {
    EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), commits(range)), "+new+trk");
    EXPECT_EQ(seen(udp(kClient, 1000, kServer, 53)), "");
    // Another one that becomes the same through its destination.
    EXPECT_EQ(track(udp(kClient, 1000, kVirtual, 53), commits(dnat_to(kServer))), "+new+trk+dnat");
    EXPECT_EQ(seen(udp(kClient, 1001, kServer, 53)), "");
    tracker_.flush({});
    // The other way round it is the one with all zeros that moves.
    EXPECT_EQ(track(udp(kClient, 1000, kVirtual, 53), commits(dnat_to(kServer))), "+new+trk+dnat");
    EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), commits(range)), "+new+trk+snat");
    EXPECT_EQ(seen(udp(kClient, 1001, kServer, 53)), "");
    EXPECT_EQ(track(udp(kServer, 53, kClient, 1001), bare()), "+est+rpl+trk+dnat");
    EXPECT_EQ(seen(udp(kServer, 53, kClient, 1000)), "");
    tracker_.flush({});
  }
  EXPECT_EQ(track(Ip6{.src = "fd00::1", .dst = "fd00::2"} / Udp{.sport = 1}, commits(snat_to("::"))),
            "+new+trk");
}

TEST_F(NatTest, WithoutNatACommitThatWouldCollideIsRefused) {
  EXPECT_EQ(track(udp(kClient, 1000, kVirtual, 53), commits(dnat_to(kServer))), "+new+trk+dnat");
  forget_counters();
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), {.commit = true}), "dropped");
  expect_delta({{"lookups", 1}, {"reason.tuple_taken", 1}});
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), {.commit = true, .zone = 1}), "+new+trk");
  // Once the other is over, its tuple is free, swept or not.
  advance(Duration::seconds(61));
  EXPECT_EQ(track(udp(kClient, 1000, kServer, 53), {.commit = true}), "+new+trk");
  expire();
  expect_no_leak();
}

TEST_F(NatTest, AddressesOfARange) {
  std::set<std::string> addresses;
  for (std::uint16_t port = 1; port <= 60; ++port) {
    EXPECT_EQ(track(udp(kClient, static_cast<std::uint16_t>(2000 + port), kServer, 53),
                    commits(snat_to("10.9.0.1", "10.9.0.4"))),
              "+new+trk+snat");
    addresses.insert(source().substr(0, source().find(':')));
    EXPECT_EQ(source_port(), 2000 + port);
  }
  EXPECT_EQ(addresses, (std::set<std::string>{"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"}));
}

TEST_F(NatTest, PersistentMeansOneAddressForAClient) {
  NatRange range = snat_to("10.9.0.0", "10.9.0.255");
  range.persistent = true;
  std::set<std::string> all;
  for (unsigned client = 1; client <= 20; ++client) {
    std::set<std::string> addresses;
    for (std::uint16_t port = 1; port <= 10; ++port) {
      const std::string from = "10.0.1." + std::to_string(client);
      track(udp(from.c_str(), static_cast<std::uint16_t>(2000 + port), port % 2 == 0 ? kServer : "10.0.0.9",
                port),
            commits(range));
      addresses.insert(source().substr(0, source().find(':')));
    }
    EXPECT_EQ(addresses.size(), 1u);
    all.insert(*addresses.begin());
  }
  EXPECT_GT(all.size(), 10u);
  // After a restart, with another secret, it is the same address.
  Tracker other({.max_connections = 10, .hash_secret = 99});
  packet::Packet* p = make(udp("10.0.1.20", 4000, kServer, 53));
  packet::PacketBatch batch, dropped;
  batch.push(p);
  other.process(batch, commits(range), clock_.now(), dropped);
  const std::string before = source();
  EXPECT_EQ(net::format_ipv4(be32::load(p->data() + p->layout.l3 + 12)), before.substr(0, before.find(':')));
}

TEST_F(NatTest, HashIsStableAndRandomIsNot) {
  NatRange range = snat_to(kNat, "", 10000, 60000);
  const auto choose = [&](std::uint16_t port) {
    track(udp(kClient, port, kServer, 53), commits(range));
    const std::uint16_t chosen = source_port();
    tracker_.flush({});
    expire();
    return chosen;
  };
  range.hash = true;
  EXPECT_EQ(choose(1000), choose(1000));
  EXPECT_NE(choose(1000), choose(1001));
  EXPECT_NE(choose(20000), 20000);
  range.hash = false;
  EXPECT_EQ(choose(20000), 20000);
  range.random = true;
  EXPECT_NE(choose(20000), choose(20000));
  range = snat_to(kNat);
  range.random = true;
  const std::uint16_t high = choose(1024);
  EXPECT_GE(high, 1024);
  EXPECT_NE(high, choose(1024));
  EXPECT_LT(choose(100), 512);
}

TEST_F(NatTest, ForceTurnsATranslatedConnectionRound) {
  track(udp(kClient, 1000, kServer, 53), commits(snat_to(kNat)));
  EXPECT_EQ(track(udp(kServer, 53, kNat, 1000), {.commit = true, .force = true}), "+new+trk");
  EXPECT_EQ(format_connection(only_connection()),
            "udp,orig=(src=10.0.0.2,dst=10.9.0.1,sport=53,dport=1000),"
            "reply=(src=10.9.0.1,dst=10.0.0.2,sport=1000,dport=53)");
  EXPECT_EQ(track(udp(kNat, 1000, kServer, 53), {}), "+est+rpl+trk");
  // And back into a translated one.
  CtRequest request = commits(dnat_to(kClient));
  request.force = true;
  EXPECT_EQ(track(udp(kNat, 1000, kServer, 53), request), "+new+trk+dnat");
  EXPECT_EQ(seen(udp(kNat, 1000, kClient, 53)), "");
  expire();
  expect_no_leak();
  EXPECT_EQ(tracker_.connections(), 1u);
}

TEST_F(NatTest, AClosedConnectionIsOpenedAnew) {
  const CtRequest request = commits(snat_to(kNat));
  track(tcp(kClient, 1000, kServer, 80, "S", 5), request);
  track(tcp(kServer, 80, kNat, 1000, "SA", 7, 6), bare());
  track(tcp(kClient, 1000, kServer, 80, "R", 6), bare());
  const std::uint64_t id = only_connection().id;
  EXPECT_EQ(track(tcp(kClient, 1000, kServer, 80, "S", 90000), request), "+new+trk+snat");
  EXPECT_EQ(seen(tcp(kNat, 1000, kServer, 80, "S", 90000)), "");
  EXPECT_NE(only_connection().id, id);
  expire();
  expect_no_leak();
}

TEST_F(NatTest, ExpiredAndFlushedOnesGiveTheirPortsBackAtOnce) {
  const CtRequest request = commits(snat_to(kNat, "", 5000, 5001));
  for (int round = 0; round < 3; ++round) {
    for (std::uint16_t i = 0; i < 2; ++i)
      EXPECT_EQ(track(udp(kClient, static_cast<std::uint16_t>(1000 + round * 10 + i), kServer, 53), request),
                "+new+trk+snat");
    EXPECT_EQ(track(udp(kClient, static_cast<std::uint16_t>(1005 + round * 10), kServer, 53), request),
              "dropped");
    if (round == 0)
      tracker_.flush(0);
    else
      advance(Duration::seconds(61));
  }
  expire();
  advance(Duration::seconds(61));
  expire();
  expect_no_leak();
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(NatTest, DestinationNatMovesTheClientsPortWhereItMust) {
  const CtRequest request = commits(dnat_to("10.9.0.5", "", 80, 80));
  for (unsigned i = 0; i < 3; ++i) {
    const std::string to = "10.0.0." + std::to_string(10 + i);
    EXPECT_EQ(track(udp(kClient, 1000, to.c_str(), 3), request), "+new+trk+dnat");
    EXPECT_EQ(seen(udp(kClient, static_cast<std::uint16_t>(1000 + i), "10.9.0.5", 80)), "");
  }
  EXPECT_EQ(track(udp("10.9.0.5", 80, kClient, 1002), bare()), "+est+rpl+trk+snat");
  EXPECT_EQ(seen(udp("10.0.0.12", 3, kClient, 1000)), "");
}

}  // namespace
}  // namespace sluice::conntrack
