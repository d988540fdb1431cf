#include "conntrack/reassembly/reassembler.h"

#include <algorithm>
#include <map>
#include <thread>

#include "base/rng.h"
#include "conntrack/reassembly/datagram.h"
#include "conntrack/reassembly/reassembler_fixture.h"
#include "packet/segment.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

class ReassemblerTest : public ReassemblerFixture {};

TEST_F(ReassemblerTest, Ipv4FragmentsBecomeThePacketThatWasCut) {
  Rng rng(1);
  const Whole w{.id = 77, .data = random_bytes(rng, 3000)};
  EXPECT_EQ(add(w.piece(0, 1480)), Outcome::Held);
  EXPECT_EQ(add(w.piece(1480, 1480)), Outcome::Held);
  EXPECT_EQ(frags_.fragments(), 2u);
  EXPECT_EQ(add(w.piece(2960, 40)), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame());
  EXPECT_EQ(last_->meta.mru, 1500);
  EXPECT_EQ(last_->meta.in_port, 7u);
  EXPECT_EQ(last_->layout.fragment, 0);
  EXPECT_EQ(last_->layout.l3_end, last_->size());
  EXPECT_EQ(frags_.fragments(), 0u);
  EXPECT_EQ(frags_.datagrams(), 0u);
  EXPECT_EQ(frags_.memory_bytes(), 0u);
  EXPECT_EQ(ends_.merged, 2u);
  const ReassemblyCounters c = frags_.counters(IpVersion::V4);
  EXPECT_EQ(c.accepted, 3u);
  EXPECT_EQ(c.completed, 3u);
  EXPECT_EQ(c.datagrams, 1u);
  EXPECT_EQ(frags_.counters(IpVersion::V6).accepted, 0u);
}

TEST_F(ReassemblerTest, Ipv6FragmentsBecomeThePacketThatWasCut) {
  Rng rng(2);
  const Whole w{.ipv6 = true, .id = 0x12345678, .data = random_bytes(rng, 2000)};
  EXPECT_EQ(add(w.piece(1448, 552)), Outcome::Held);
  EXPECT_EQ(add(w.piece(0, 1448)), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame());
  EXPECT_EQ(last_->meta.mru, 1496);
  EXPECT_EQ(last_->meta.fragment_id, 0x12345678u);
}

TEST_F(ReassemblerTest, TagsAndExtensionHeadersOfTheFirstFragmentStay) {
  Rng rng(3);
  const Whole tagged{.before = Eth{} / Vlan{.vid = 5, .pcp = 3}, .data = random_bytes(rng, 100)};
  add(tagged.piece(80, 20));
  ASSERT_EQ(add(tagged.piece(0, 80)), Outcome::Whole);
  EXPECT_EQ(whole(), tagged.frame());

  const Whole extended{.before = Eth{} / Vlan{.vid = 5} / Vlan{.vid = 6},
                       .ipv6 = true,
                       .data = random_bytes(rng, 1000),
                       .extensions = Ext6{.kind = 0, .data = std::string(14, '\1')} /
                                     Ext6{.kind = 60, .data = std::string(22, '\1')}};
  add(extended.piece(0, 512));
  ASSERT_EQ(add(extended.piece(512, 488)), Outcome::Whole);
  EXPECT_EQ(whole(), extended.frame());
}

TEST_F(ReassemblerTest, ExtensionHeadersBehindTheFragmentHeaderArePartOfWhatIsCut) {
  const Frame whole_frame =
      build(Ip6{} / Ext6{.kind = 60, .data = std::string(6, '\1')} / Udp{.dport = 53} / Payload{.size = 400});
  for (const Frame& f : fragment(whole_frame, 208)) add(f);
  EXPECT_EQ(whole(), whole_frame);
}

TEST_F(ReassemblerTest, EthernetPaddingIsNoPartOfAFragment) {
  Rng rng(4);
  const Whole w{.data = random_bytes(rng, 70)};
  Frame last = w.piece(64, 6);
  last.resize(60, 0xee);
  add(w.piece(0, 64));
  ASSERT_EQ(add(last), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame());
}

TEST_F(ReassemblerTest, OptionsOfTheFirstIpv4FragmentStay) {
  const Frame frame =
      build(Ip4{.id = 9, .options = std::string("\x94\x04\0\0", 4)} / Udp{} / Payload{.size = 200});
  auto pieces = fragment(frame, 104, 9);
  std::ranges::reverse(pieces);
  for (const Frame& f : pieces) add(f);
  EXPECT_EQ(whole(), frame);
}

TEST_F(ReassemblerTest, WhatIsNoFragmentIsNotTaken) {
  EXPECT_EQ(add(build(Ip4{} / Udp{})), Outcome::NotTaken);
  EXPECT_EQ(add(build(Arp{})), Outcome::NotTaken);
  // An atomic fragment is a whole datagram (RFC 6946).
  EXPECT_EQ(add(build(Ip6{} / Frag6{.offset = 0, .mf = false} / Udp{})), Outcome::NotTaken);
  const Whole w{.data = std::string(64, 'x')};
  Frame damaged = w.piece(0, 32);
  damaged[24] ^= 1;  // the checksum
  EXPECT_EQ(add(damaged), Outcome::NotTaken);
}

TEST_F(ReassemblerTest, FragmentsOfDifferentDatagramsDoNotMix) {
  Rng rng(5);
  const std::string data = random_bytes(rng, 64);
  const Whole a{.src = "10.0.0.1", .data = data};
  for (const Whole& other :
       {Whole{.id = 2, .src = "10.0.0.1", .data = data}, Whole{.src = "10.0.0.9", .data = data},
        Whole{.src = "10.0.0.1", .dst = "10.0.0.9", .data = data},
        Whole{.src = "10.0.0.1", .proto = 98, .data = data}}) {
    add(a.piece(0, 32));
    EXPECT_EQ(add(other.piece(32, 32)), Outcome::Held);
    EXPECT_EQ(add(a.piece(32, 32)), Outcome::Whole);
    EXPECT_EQ(whole(), a.frame());
    EXPECT_EQ(add(other.piece(0, 32)), Outcome::Whole);
    EXPECT_EQ(whole(), other.frame());
  }
  add(a.piece(0, 32), 1);
  EXPECT_EQ(add(a.piece(32, 32), 2), Outcome::Held) << "zones are apart";
  EXPECT_EQ(add(a.piece(32, 32), 1), Outcome::Whole);
}

TEST_F(ReassemblerTest, AnExactDuplicateIsIgnored) {
  Rng rng(6);
  const Whole w{.data = random_bytes(rng, 4000)};
  add(w.piece(1024, 1024));
  EXPECT_EQ(add(w.piece(1024, 1024)), Outcome::Dropped);
  EXPECT_EQ(ends_[DropReason::FragmentDuplicate], 1u);
  add(w.piece(3048, 952));
  EXPECT_EQ(add(w.piece(3048, 952)), Outcome::Dropped);
  EXPECT_EQ(ends_[DropReason::FragmentDuplicate], 2u);
  add(w.piece(0, 1024));
  EXPECT_EQ(add(w.piece(2048, 1000)), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame());
  EXPECT_EQ(frags_.counters(IpVersion::V4).duplicate, 2u);
}

TEST_F(ReassemblerTest, AnythingElseThatOverlapsEndsTheDatagram) {
  Rng rng(7);
  Whole w{.id = 0, .data = random_bytes(rng, 4000)};
  struct Overlap {
    std::size_t offset, bytes;
    bool altered;
  };
  const std::vector<Overlap> overlaps = {
      {1024, 1024, true},  // the same place, other bytes
      {1024, 512, false},  // a part of it, equal bytes
      {1536, 512, false}, {1032, 8, false},   {1016, 16, false},
      {2040, 16, false},  {512, 2048, false},  // all of it and more
  };
  for (const Overlap& overlap : overlaps) {
    SCOPED_TRACE(++w.id);
    const FragmentEnds before = ends_;
    ASSERT_EQ(add(w.piece(1024, 1024)), Outcome::Held);
    Whole other = w;
    if (overlap.altered) other.data[1500] ^= 1;
    ASSERT_EQ(add(other.piece(overlap.offset, overlap.bytes)), Outcome::Dropped);
    EXPECT_EQ(ends_[DropReason::FragmentOverlap] - before[DropReason::FragmentOverlap], 2u);
    EXPECT_EQ(frags_.fragments(), 0u);
    // The rest of it never becomes a packet, nor does a repetition of all of it.
    for (const std::size_t at : {0, 2048, 1024, 0})
      EXPECT_EQ(add(w.piece(at, at == 2048 ? 1952 : 1024)), Outcome::Dropped);
  }
  EXPECT_EQ(frags_.datagrams(), overlaps.size());
  clock_.advance(Duration::seconds(30));
  expire();
  EXPECT_EQ(frags_.datagrams(), 0u);
  add(w.piece(0, 2000));
  EXPECT_EQ(add(w.piece(2000, 2000)), Outcome::Whole) << "later, the identification is used again";
}

TEST_F(ReassemblerTest, FragmentsThatDisagreeAboutTheEndEndTheDatagram) {
  const auto contradiction = [&](const Whole& w, std::initializer_list<Frame> frames) {
    const std::uint32_t before = ends_[DropReason::FragmentMalformed];
    Outcome last{};
    for (const Frame& f : frames) last = add(f);
    EXPECT_EQ(last, Outcome::Dropped);
    EXPECT_EQ(ends_[DropReason::FragmentMalformed] - before, frames.size());
    EXPECT_EQ(add(w.piece(0, 8)), Outcome::Dropped) << "it stays dropped";
  };
  const std::string data(4000, 'x');
  Whole w{.data = data};
  contradiction(w, {w.piece(800, 100, false), w.piece(1600, 100, false)});
  ++w.id;
  contradiction(w, {w.piece(1600, 100, false), w.piece(800, 100, false)});
  ++w.id;
  contradiction(w, {w.piece(800, 96, false), w.piece(1600, 96, true)});
  ++w.id;
  contradiction(w, {w.piece(1600, 96, true), w.piece(800, 96, false)});
  ++w.id;
  contradiction(w, {w.piece(800, 96, false), w.piece(800, 96, true)});
}

TEST_F(ReassemblerTest, MalformedFragmentsAreRefusedAlone) {
  const Whole w{.data = std::string(64, 'x')};
  add(w.piece(0, 32));
  EXPECT_EQ(add(w.piece(32, 0, true)), Outcome::Dropped) << "empty";
  EXPECT_EQ(add(w.piece(32, 9, true)), Outcome::Dropped) << "not the last, no multiple of eight";
  EXPECT_EQ(ends_[DropReason::FragmentMalformed], 2u);
  EXPECT_EQ(add(w.piece(32, 32)), Outcome::Whole);

  const Whole v6{
      .ipv6 = true, .proto = 44, .data = std::string("\x11\0\0\1\0\0\0\1", 8) + std::string(56, 'x')};
  EXPECT_EQ(add(v6.piece(0, 32)), Outcome::Dropped) << "a fragment of a fragment";
  const Whole deep{.ipv6 = true,
                   .data = std::string(64, 'x'),
                   .extensions = Layers(Ext6{.kind = 60, .data = std::string(494, '\1')})};
  EXPECT_EQ(add(deep.piece(0, 32)), Outcome::Dropped) << "more than 512 bytes of headers";
  EXPECT_EQ(ends_[DropReason::FragmentMalformed], 4u);
}

TEST_F(ReassemblerTest, NoDatagramIsLongerThanItsLengthFieldCanSay) {
  // The ping of death: the last fragment begins where a datagram may and ends where none may.
  const Whole v4{.data = std::string(65600, 'x')};
  EXPECT_EQ(add(v4.piece(65512, 8, false)), Outcome::Dropped);
  EXPECT_EQ(add(v4.piece(65504, 16, false)), Outcome::Dropped);
  EXPECT_EQ(ends_[DropReason::FragmentTooLong], 2u);
  EXPECT_EQ(add(v4.piece(65512, 3, false)), Outcome::Held) << "65535 with the header";

  const Whole v6{.ipv6 = true, .data = std::string(65600, 'x')};
  EXPECT_EQ(add(v6.piece(65528, 8, false)), Outcome::Dropped);
  EXPECT_EQ(add(v6.piece(65528, 7, false)), Outcome::Held);

  // Its own header is short enough, but the first fragment's is not.
  Whole late = v4;
  late.id = 5;
  late.data.resize(65515);
  Frame first = build(Ip4{.proto = 99, .id = 5, .mf = true, .options = std::string(40, '\1')} /
                      Payload{late.data.substr(0, 1472)});
  for (std::size_t at = 1472; at < late.data.size(); at += 1472) add(late.piece(at, 1472));
  const std::uint32_t before = ends_[DropReason::FragmentTooLong];
  EXPECT_EQ(add(first), Outcome::Dropped);
  EXPECT_EQ(ends_[DropReason::FragmentTooLong] - before, 45u);
  EXPECT_EQ(frags_.fragments(), 2u);
}

TEST_F(ReassemblerTest, TheLargestDatagramsFit) {
  Rng rng(8);
  for (const bool ipv6 : {false, true}) {
    const Whole w{.before = Eth{} / Vlan{.vid = 1} / Vlan{.vid = 2},
                  .ipv6 = ipv6,
                  .data = random_bytes(rng, ipv6 ? 65535 : 65515)};
    Outcome outcome{};
    for (std::size_t at = 0; at < w.data.size(); at += 1480) outcome = add(w.piece(at, 1480));
    ASSERT_EQ(outcome, Outcome::Whole);
    EXPECT_EQ(whole(), w.frame());
  }
}

TEST_F(ReassemblerTest, FragmentsThatHideATcpHeaderAreDropped) {
  const Whole tcp{.proto = 6, .data = std::string(128, '\x50')};
  EXPECT_EQ(add(tcp.piece(0, 8)), Outcome::Dropped) << "no flags in the first (RFC 1858)";
  EXPECT_EQ(add(tcp.piece(8, 64)), Outcome::Dropped) << "could overwrite them (RFC 3128)";
  EXPECT_EQ(add(tcp.piece(0, 16)), Outcome::Held);
  EXPECT_EQ(ends_[DropReason::FragmentTooSmall], 2u);
  const Whole other{.proto = 17, .data = std::string(128, 'x')};
  EXPECT_EQ(add(other.piece(0, 8)), Outcome::Held);
  EXPECT_EQ(add(other.piece(8, 120)), Outcome::Whole);
}

TEST_F(ReassemblerTest, TheFirstIpv6FragmentHasAllHeaders) {
  const Frame frame =
      build(Ip6{} / Ext6{.kind = 60, .data = std::string(14, '\1')} / Udp{} / Payload{.size = 100});
  const auto pieces = fragment(frame, 16);
  EXPECT_EQ(add(pieces[0]), Outcome::Dropped) << "ends before UDP (RFC 7112)";
  EXPECT_EQ(ends_[DropReason::FragmentTooSmall], 1u);
  EXPECT_EQ(add(fragment(frame, 24)[0]), Outcome::Held);
}

TEST_F(ReassemblerTest, AMinimumHoldsForAllButTheLast) {
  frags_.set_min_fragment(IpVersion::V4, 500);
  EXPECT_EQ(frags_.min_fragment(IpVersion::V4), 500u);
  EXPECT_EQ(frags_.min_fragment(IpVersion::V6), 0u);
  const Whole w{.data = std::string(1000, 'x')};
  EXPECT_EQ(add(w.piece(0, 472)), Outcome::Dropped);
  EXPECT_EQ(ends_[DropReason::FragmentTooSmall], 1u);
  EXPECT_EQ(add(w.piece(0, 480)), Outcome::Held);
  EXPECT_EQ(add(w.piece(960, 40)), Outcome::Held);
  EXPECT_EQ(add(w.piece(480, 480)), Outcome::Whole);
  EXPECT_EQ(frags_.counters(IpVersion::V4).too_small, 1u);
}

TEST_F(ReassemblerTest, SwitchedOffFragmentsPass) {
  const Whole v4{.data = std::string(64, 'x')}, v6{.ipv6 = true, .data = std::string(64, 'x')};
  frags_.set_enabled(IpVersion::V4, false);
  EXPECT_FALSE(frags_.is_enabled(IpVersion::V4));
  EXPECT_EQ(add(v4.piece(0, 32)), Outcome::NotTaken);
  EXPECT_EQ(add(v6.piece(0, 32)), Outcome::Held);
  frags_.set_enabled(IpVersion::V4, true);
  EXPECT_EQ(add(v4.piece(0, 32)), Outcome::Held);
}

TEST_F(ReassemblerTest, IncompleteDatagramsExpireAndNotBefore) {
  const Whole v4{.data = std::string(64, 'x')}, v6{.ipv6 = true, .data = std::string(64, 'x')};
  add(v4.piece(0, 16));
  add(v6.piece(0, 16));
  clock_.advance(Duration::seconds(20));
  add(v4.piece(16, 16));  // counts from the first
  clock_.advance(Duration::milliseconds(9'999));
  expire();
  EXPECT_EQ(frags_.fragments(), 3u);
  clock_.advance(Duration::milliseconds(1));
  expire();
  EXPECT_EQ(frags_.fragments(), 1u);
  EXPECT_EQ(ends_[DropReason::FragmentExpired], 2u);
  EXPECT_EQ(frags_.counters(IpVersion::V4).expired, 2u);
  clock_.advance(Duration::milliseconds(29'999));
  expire();
  EXPECT_EQ(frags_.fragments(), 1u);
  clock_.advance(Duration::milliseconds(1));
  // Found before it was swept: the fragment begins a new datagram.
  EXPECT_EQ(add(v6.piece(16, 48)), Outcome::Held);
  EXPECT_EQ(frags_.counters(IpVersion::V6).expired, 1u);
  EXPECT_EQ(add(v6.piece(0, 16)), Outcome::Whole);
  EXPECT_EQ(frags_.memory_bytes(), 0u);
}

TEST_F(ReassemblerTest, CongestionIsNotLost) {
  // RFC 3168 section 5.3, for every pair and triple of code points: 0 not capable, 1 and 2 capable, 3
  // congestion.
  const auto naive = [](std::initializer_list<std::uint8_t> codes) -> std::optional<std::uint8_t> {
    const auto has = [&](std::uint8_t c) { return std::ranges::find(codes, c) != codes.end(); };
    if (has(3)) return has(0) ? std::nullopt : std::optional<std::uint8_t>(3);
    if (has(0)) return 0;
    return *codes.begin();
  };
  for (const bool ipv6 : {false, true})
    for (std::uint8_t a = 0; a < 4; ++a)
      for (std::uint8_t b = 0; b < 4; ++b)
        for (std::uint8_t c = 0; c < 4; ++c) {
          const Whole w{.ipv6 = ipv6, .id = 1u + a * 16u + b * 4u + c, .data = std::string(96, 'x')};
          const auto tos = [](std::uint8_t ecn) { return static_cast<std::uint8_t>(0x28 | ecn); };
          const std::uint32_t before = ends_[DropReason::FragmentEcn];
          add(w.piece(32, 32, true, tos(b)));
          add(w.piece(0, 32, true, tos(a)));
          const Outcome outcome = add(w.piece(64, 32, false, tos(c)));
          if (const auto expected = naive({a, b, c})) {
            ASSERT_EQ(outcome, Outcome::Whole);
            EXPECT_EQ(whole(), w.frame(tos(*expected)));
          } else {
            EXPECT_EQ(outcome, Outcome::Dropped);
            EXPECT_EQ(ends_[DropReason::FragmentEcn] - before, 3u);
          }
        }
}

TEST_F(ReassemblerTest, DontFragmentHoldsWhereTheLargestFragmentHadIt) {
  const Whole w{.data = std::string(3000, 'x')};
  add(w.piece(0, 1480, true, 0, true));
  add(w.piece(1480, 1480, true, 0, true));
  ASSERT_EQ(add(w.piece(2960, 40, false, 0, true)), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame(0, true));
  add(w.piece(0, 1480, true, 0, false));
  add(w.piece(1480, 1480, true, 0, false));
  ASSERT_EQ(add(w.piece(2960, 40, false, 0, true)), Outcome::Whole);
  EXPECT_EQ(whole(), w.frame(0, false)) << "a router cut what was smaller";
}

TEST_F(ReassemblerTest, WithoutABufferTheDatagramIsDropped) {
  packet::PacketPool tiny(1);
  const Whole w{.data = std::string(4000, 'x')};
  packet::Packet* const large = tiny.take(4000);
  add(w.piece(0, 2000));
  packet::Packet* const packet = make_packet(pool_, w.piece(2000, 2000));
  EXPECT_EQ(frags_.add(*packet, 0, clock_.now(), tiny, ends_).outcome, Outcome::Dropped);
  ++arrived_;
  EXPECT_EQ(ends_[DropReason::NoBuffer], 2u);
  expect_balance();
  EXPECT_EQ(frags_.memory_bytes(), 0u);
  tiny.give(large);
  pool_.give(packet);
}

TEST_F(ReassemblerTest, ADumpShowsWhatWaits) {
  for (std::uint32_t i = 0; i < 200; ++i)
    add(Whole{.id = i, .src = "10.1.2.3", .data = std::string(96, 'x')}.piece(i % 3 * 32, 32), 9);
  std::vector<DatagramSnapshot> all;
  unsigned slices = 0;
  for (std::uint32_t cursor = 0; cursor != Reassembler::kDumpDone; ++slices)
    cursor = frags_.dump(cursor, 16, all);
  EXPECT_GE(slices, 10u);
  ASSERT_EQ(all.size(), 200u);
  std::ranges::sort(all, {}, [](const DatagramSnapshot& d) { return d.key.id.host(); });
  for (std::uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(all[i].key.id.host(), i);
    EXPECT_EQ(all[i].key.zone, 9);
    EXPECT_EQ(all[i].fragments, 1u);
    EXPECT_EQ(all[i].has_first, i % 3 == 0);
    EXPECT_EQ(all[i].has_last, i % 3 == 2);
  }
}

// ---- Against a model that keeps every fragment as it came

struct Model {
  struct Piece {
    std::size_t offset;
    std::string bytes;
    bool more;
    bool operator==(const Piece&) const = default;
  };
  enum class Result { Held, Whole, Duplicate, Overlap, Contradiction, Dead };

  std::vector<Piece> pieces;
  bool dead = false;

  Result add(const Piece& p, std::string& whole) {
    if (dead) return Result::Dead;
    const std::size_t end = p.offset + p.bytes.size();
    for (const Piece& o : pieces) {
      const std::size_t other_end = o.offset + o.bytes.size();
      const bool bad = (!p.more && !o.more && end != other_end) || (!p.more && o.more && other_end > end) ||
                       (p.more && !o.more && end >= other_end);
      if (bad) return die(Result::Contradiction);
    }
    for (const Piece& o : pieces)
      if (o == p) return Result::Duplicate;
    for (const Piece& o : pieces)
      if (p.offset < o.offset + o.bytes.size() && o.offset < end) return die(Result::Overlap);
    pieces.push_back(p);
    std::ranges::sort(pieces, {}, &Piece::offset);
    std::string all;
    for (const Piece& o : pieces) {
      if (o.offset != all.size()) return Result::Held;
      all += o.bytes;
      if (!o.more) {
        whole = all;
        pieces.clear();
        return Result::Whole;
      }
    }
    return Result::Held;
  }
  Result die(Result result) {
    dead = true;
    pieces.clear();
    return result;
  }
};

TEST_F(ReassemblerTest, AgreesWithConcatenationOverRandomSplitsOrdersAndOverlaps) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    // Some datagrams at once, cut at random, shuffled together, with repetitions and hostile pieces.
    const unsigned datagrams = 1 + static_cast<unsigned>(rng.below(4));
    std::vector<Whole> wholes;
    std::vector<std::pair<unsigned, Model::Piece>> arrivals;
    for (unsigned d = 0; d < datagrams; ++d) {
      Whole w{.ipv6 = rng.chance(50), .id = seed * 8 + d};
      if (rng.chance(30)) w.before = Eth{} / Vlan{.vid = 7};
      w.data = random_bytes(rng, 9 + rng.below(rng.chance(10) ? 20000 : 2000));
      for (std::size_t at = 0; at < w.data.size();) {
        const std::size_t units = 1 + rng.below(rng.chance(50) ? 8 : 180);
        const std::size_t left = w.data.size() - at;
        const std::size_t bytes = std::min(units * 8, at == 0 ? (left - 1) / 8 * 8 : left);
        const Model::Piece piece{at, w.data.substr(at, bytes), at + bytes < w.data.size()};
        arrivals.emplace_back(d, piece);
        if (rng.chance(10)) arrivals.emplace_back(d, piece);
        at += bytes;
      }
      if (rng.chance(15)) {
        const std::size_t at = rng.below(w.data.size() / 8) * 8;
        const std::size_t bytes = std::min<std::size_t>((1 + rng.below(100)) * 8, w.data.size() - at);
        const bool more = at + bytes < w.data.size() ? rng.chance(90) : rng.chance(10);
        // The whole in one piece is no fragment.
        if (more ? bytes % 8 == 0 : at != 0)
          arrivals.emplace_back(d, Model::Piece{at, w.data.substr(at, bytes), more});
      }
      wholes.push_back(std::move(w));
    }
    for (std::size_t i = arrivals.size(); i > 1; --i) std::swap(arrivals[i - 1], arrivals[rng.below(i)]);

    std::vector<Model> models(datagrams);
    for (const auto& [d, piece] : arrivals) {
      std::string expected;
      const Model::Result result = models[d].add(piece, expected);
      const Outcome outcome = add(wholes[d].piece(piece.offset, piece.bytes.size(), piece.more));
      switch (result) {
        case Model::Result::Held:
          ASSERT_EQ(outcome, Outcome::Held);
          break;
        case Model::Result::Whole: {
          ASSERT_EQ(outcome, Outcome::Whole);
          Whole w = wholes[d];
          w.data = expected;
          ASSERT_EQ(whole(), w.frame());
          break;
        }
        default:
          ASSERT_EQ(outcome, Outcome::Dropped);
      }
    }
    clock_.advance(Duration::seconds(61));
    expire();
    ASSERT_EQ(frags_.memory_bytes(), 0u);
  }
}

TEST_F(ReassemblerTest, WhatIsCutAgainIsWhatCame) {
  // Fragments as senders make them: all but the last of one size. They leave as they came, byte for byte.
  Rng rng(11);
  for (unsigned i = 0; i < 200; ++i) {
    Whole w{.ipv6 = rng.chance(50), .id = i};
    if (rng.chance(30)) w.before = Eth{} / Vlan{.vid = 7};
    const std::size_t slice = 8 * (1 + rng.below(185));
    w.data = random_bytes(rng, slice + 9 + rng.below(std::min<std::size_t>(slice * 40, 60000)));
    const bool df = !w.ipv6 && rng.chance(50);
    std::vector<Frame> in;
    for (std::size_t at = 0; at < w.data.size(); at += slice)
      in.push_back(w.piece(at, slice, at + slice < w.data.size(), 0, df));
    for (const Frame& f : in) add(f);
    ASSERT_EQ(whole(), w.frame(0, df));
    packet::Fragmenter fragments(*last_, last_->meta.mru, last_->meta.fragment_id);
    ASSERT_TRUE(fragments.valid());
    packet::Packet* const piece = pool_.take(packet::PacketPool::kLargeBytes);
    std::size_t n = 0;
    for (; fragments.next(*piece); ++n) {
      ASSERT_LT(n, in.size());
      ASSERT_EQ(Frame(piece->data(), piece->data() + piece->size()), in[n]);
    }
    pool_.give(piece);
    ASSERT_EQ(n, in.size());
  }
}

// ---- Bounds and fairness

class SmallReassembler : public ReassemblerFixture {
 protected:
  static constexpr std::size_t kBytes = 1 << 20;
  SmallReassembler()
      : ReassemblerFixture({.max_bytes = kBytes, .max_fragments = 100'000, .hash_secret = 3}) {}

  static std::string source(std::uint32_t n) { return net::format_ipv4(be32{0x0a000000u + n}); }
};

TEST_F(SmallReassembler, MemoryIsBoundedWhateverComes) {
  Rng rng(12);
  std::uint32_t id = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    Whole w{.ipv6 = rng.chance(50), .id = ++id, .data = std::string(3000, 'x')};
    if (!w.ipv6) w.src = source(static_cast<std::uint32_t>(rng.below(40)));
    // Tiny and large fragments, overlapping ones that leave a grave, many of one datagram.
    add(w.piece(8 * rng.below(100), 8 * (1 + rng.below(180)), true));
    if (rng.chance(30)) add(w.piece(8 * rng.below(100), 8, true));
    ASSERT_LE(frags_.memory_bytes(), kBytes);
  }
  EXPECT_GT(frags_.memory_bytes(), kBytes / 2);
  EXPECT_GT(ends_[DropReason::FragmentMemory], 0u);
  clock_.advance(Duration::seconds(60));
  expire();
  EXPECT_EQ(frags_.memory_bytes(), 0u);
  EXPECT_EQ(frags_.datagrams(), 0u);
}

TEST_F(SmallReassembler, AFloodFromOneSourceTakesNothingFromOthers) {
  // Twenty others have a datagram of 8 KiB under way each.
  std::vector<Whole> others;
  Rng rng(13);
  for (std::uint32_t i = 0; i < 20; ++i) {
    others.push_back({.id = 1, .src = source(i + 1), .data = random_bytes(rng, 8192)});
    add(others.back().piece(0, 4096));
  }
  for (std::uint32_t i = 0; i < 5000; ++i)
    add(Whole{.id = i, .src = source(99), .data = std::string(1480, 'x')}.piece(0, 1480, true));
  EXPECT_GT(ends_[DropReason::FragmentMemory], 4000u);
  for (const Whole& w : others) {
    ASSERT_EQ(add(w.piece(4096, 4096)), Outcome::Whole);
    EXPECT_EQ(whole(), w.frame());
  }
}

TEST_F(SmallReassembler, OthersStartWhileAFloodHasTheMemory) {
  std::uint32_t id = 0;
  const auto flood = [&](unsigned n) {
    for (unsigned i = 0; i < n; ++i)
      add(Whole{.id = ++id, .src = source(99), .data = std::string(1480, 'x')}.piece(0, 1480, true));
  };
  flood(2000);
  Rng rng(14);
  for (std::uint32_t i = 0; i < 50; ++i) {
    const Whole w{.id = i, .src = source(i + 1), .data = random_bytes(rng, 60'000)};
    Outcome outcome{};
    for (std::size_t at = 0; at < w.data.size(); at += 1480) {
      outcome = add(w.piece(at, 1480));
      flood(3);
    }
    ASSERT_EQ(outcome, Outcome::Whole) << i;
  }
}

TEST_F(SmallReassembler, AFloodWithForgedSourcesLeavesTimeToOthers) {
  Rng rng(15);
  std::uint32_t forged = 1000;
  const auto flood = [&](unsigned n) {
    for (unsigned i = 0; i < n; ++i) {
      clock_.advance(Duration::microseconds(1));
      add(Whole{.id = 1, .src = source(++forged), .data = std::string(1480, 'x')}.piece(0, 1480, true));
    }
  };
  flood(5000);
  // A datagram of 41 fragments, three forged fragments between each two.
  const Whole w{.id = 1, .src = source(1), .data = random_bytes(rng, 60'000)};
  Outcome outcome{};
  for (std::size_t at = 0; at < w.data.size(); at += 1480) {
    outcome = add(w.piece(at, 1480));
    flood(3);
  }
  EXPECT_EQ(outcome, Outcome::Whole);
}

TEST_F(SmallReassembler, TheNumberOfFragmentsIsBoundedToo) {
  frags_.set_max_fragments(100);
  EXPECT_EQ(frags_.max_fragments(), 100u);
  for (std::uint32_t i = 0; i < 300; ++i)
    add(Whole{.id = i, .src = source(i % 7), .data = std::string(64, 'x')}.piece(0, 32, true));
  EXPECT_EQ(frags_.fragments(), 100u);
  EXPECT_EQ(ends_[DropReason::FragmentMemory], 200u);
  EXPECT_EQ(frags_.counters(IpVersion::V4).purged, 200u);
  frags_.set_max_fragments(0);
  EXPECT_EQ(add(Whole{.id = 999, .data = std::string(64, 'x')}.piece(0, 32)), Outcome::Dropped);
}

TEST_F(SmallReassembler, AFloodOfTinyFragmentsTakesNothingFromOthers) {
  frags_.set_max_fragments(1000);
  std::vector<Whole> others;
  for (std::uint32_t i = 0; i < 50; ++i) {
    others.push_back({.id = 1, .src = source(i + 1), .data = std::string(400, 'x')});
    add(others.back().piece(0, 200));
  }
  // Sixty-four to a page: little memory, many fragments.
  const Whole tiny{.src = source(99), .data = std::string(4000, 'x')};
  for (std::uint32_t i = 0; i < 5000; ++i) {
    Whole w = tiny;
    w.id = i / 100;
    add(w.piece(i % 100 * 8, 8, true));
  }
  EXPECT_LE(frags_.fragments(), 1000u);
  EXPECT_GT(ends_[DropReason::FragmentMemory], 3000u);
  for (const Whole& w : others) EXPECT_EQ(add(w.piece(200, 200)), Outcome::Whole);
}

TEST_F(SmallReassembler, GravesMakeRoomFirst) {
  // Overlapping fragments leave datagrams that hold nothing; a flood of them does not end those that wait.
  const Whole w{.id = 1, .src = source(1), .data = std::string(64, 'x')};
  add(w.piece(0, 32));
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const Whole bad{.id = i, .src = source(2 + i % 1000), .data = std::string(64, 'x')};
    add(bad.piece(0, 32));
    add(bad.piece(8, 16, true));
  }
  EXPECT_EQ(add(w.piece(32, 32)), Outcome::Whole);
}

// ---- Threads

TEST(ReassemblerThreads, FragmentsOfOneDatagramMeetFromAllThreads) {
  constexpr unsigned kThreads = 4, kDatagrams = 400, kPieces = 6;
  Reassembler frags({.max_bytes = 4 << 20, .hash_secret = 9});
  std::array<FragmentEnds, kThreads> ends;
  std::array<unsigned, kThreads> wholes{}, wrong{};
  std::vector<Frame> pieces;
  std::vector<Frame> expected;
  Rng rng(16);
  for (unsigned d = 0; d < kDatagrams; ++d) {
    const Whole w{.ipv6 = d % 2 != 0, .id = d, .data = random_bytes(rng, kPieces * 1000)};
    for (unsigned p = 0; p < kPieces; ++p) pieces.push_back(w.piece(p * 1000, 1000));
    expected.push_back(w.frame());
  }
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      packet::PacketPool pool(8);
      for (std::size_t i = t; i < pieces.size(); i += kThreads) {
        packet::Packet* const packet = make_packet(pool, pieces[i]);
        const auto added = frags.add(*packet, 0, Instant{1}, pool, ends[t]);
        pool.give(packet);
        if (added.whole == nullptr) continue;
        ++wholes[t];
        const Frame got(added.whole->data(), added.whole->data() + added.whole->size());
        if (std::ranges::find(expected, got) == expected.end()) ++wrong[t];
        pool.give(added.whole);
      }
    });
  for (std::thread& t : threads) t.join();
  unsigned whole = 0, merged = 0;
  for (unsigned t = 0; t < kThreads; ++t) {
    whole += wholes[t];
    merged += ends[t].merged;
    EXPECT_EQ(wrong[t], 0u);
  }
  EXPECT_EQ(whole, kDatagrams);
  EXPECT_EQ(merged, kDatagrams * (kPieces - 1));
  EXPECT_EQ(frags.memory_bytes(), 0u);
}

TEST(ReassemblerThreads, BooksBalanceUnderPressureFromAllThreads) {
  constexpr unsigned kThreads = 4, kRounds = 3000;
  Reassembler frags({.max_bytes = 200'000, .max_fragments = 300, .hash_secret = 9});
  std::array<FragmentEnds, kThreads> ends;
  std::array<std::uint64_t, kThreads> arrived{}, wholes{};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      packet::PacketPool pool(8);
      Rng rng(t);
      for (unsigned i = 0; i < kRounds; ++i) {
        const Whole w{.id = static_cast<std::uint32_t>(rng.below(50)),
                      .src = net::format_ipv4(be32{0x0a000001u + static_cast<std::uint32_t>(rng.below(8))}),
                      .data = std::string(2400, 'x')};
        const std::size_t at = rng.below(6) * 400;
        packet::Packet* const packet = make_packet(pool, w.piece(at, rng.chance(90) ? 400 : 408, at < 2000));
        const Instant now{static_cast<std::int64_t>(i) * 20'000'000};
        const auto added = frags.add(*packet, 0, now, pool, ends[t]);
        pool.give(packet);
        arrived[t] += added.outcome != Reassembler::Outcome::NotTaken ? 1 : 0;
        if (added.whole != nullptr) {
          ++wholes[t];
          pool.give(added.whole);
        }
        if (rng.chance(5)) frags.expire(now, 4, ends[t]);
        if (rng.chance(1)) {
          std::vector<DatagramSnapshot> all;
          for (std::uint32_t cursor = 0; cursor != Reassembler::kDumpDone;)
            cursor = frags.dump(cursor, 8, all);
        }
      }
    });
  for (std::thread& t : threads) t.join();
  std::uint64_t in = 0, out = frags.fragments();
  for (unsigned t = 0; t < kThreads; ++t) {
    in += arrived[t];
    out += wholes[t] + ends[t].merged;
    for (const std::uint32_t n : ends[t].dropped) out += n;
  }
  EXPECT_EQ(in, out);
  FragmentEnds rest;
  while (frags.expire(Instant{Duration::seconds(1000).ns}, 64, rest)) {
  }
  EXPECT_EQ(frags.memory_bytes(), 0u);
  EXPECT_EQ(frags.datagrams(), 0u);
  EXPECT_EQ(frags.fragments(), 0u);
}

}  // namespace
}  // namespace sluice::conntrack
