// What the tests of reassembly share: fragments of one made-up datagram at any offset, and a reassembler
// whose books are checked after every fragment.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/clock.h"
#include "conntrack/reassembly/reassembler.h"
#include "tests/support/packet_dsl.h"

namespace sluice::conntrack {

/// A datagram of which fragments are made.
struct Whole {
  testing::Layers before = testing::Layers(testing::Eth{});  ///< Ethernet and tags
  bool ipv6 = false;
  std::uint32_t id = 1;
  std::string src, dst;        ///< empty: what the DSL takes
  std::uint8_t proto = 99;     ///< nothing that has ports
  std::string data;            ///< the fragmentable part
  testing::Layers extensions;  ///< IPv6: before the Fragment header
  std::uint8_t first_extension = 0;

  testing::Layers ip(bool unfragmented, std::size_t offset, bool more, std::uint8_t tos, bool df) const {
    using namespace testing;
    if (!ipv6) {
      Ip4 header{.proto = proto, .tos = tos, .id = static_cast<std::uint16_t>(id)};
      if (!src.empty()) header.src = src.c_str();
      if (!dst.empty()) header.dst = dst.c_str();
      header.offset = static_cast<std::uint16_t>(offset);
      header.mf = more;
      header.df = df;
      return before / header;
    }
    Ip6 header{.tos = tos};
    if (!src.empty()) header.src = src.c_str();
    if (!dst.empty()) header.dst = dst.c_str();
    Layers layers = before / header;
    if (!extensions.list.empty()) layers = layers / extensions;
    if (!unfragmented)
      return layers /
             Frag6{.offset = static_cast<std::uint16_t>(offset), .mf = more, .id = id, .proto = proto};
    // Who names the protocol: the last extension header, or the IP header.
    auto& last = layers.list.back();
    if (auto* extension = std::get_if<Ext6>(&last)) extension->proto = proto;
    if (auto* ip6 = std::get_if<Ip6>(&last)) ip6->proto = proto;
    return layers;
  }

  testing::Frame piece(std::size_t offset, std::size_t bytes, bool more, std::uint8_t tos = 0,
                       bool df = false) const {
    return testing::build(ip(false, offset, more, tos, df) / testing::Payload{data.substr(offset, bytes)});
  }
  /// The piece that ends the datagram if it reaches its end.
  testing::Frame piece(std::size_t offset, std::size_t bytes) const {
    return piece(offset, bytes, offset + bytes < data.size());
  }
  testing::Frame frame(std::uint8_t tos = 0, bool df = false) const {
    return testing::build(ip(true, 0, false, tos, df) / testing::Payload{data});
  }
};

inline std::string random_bytes(Rng& rng, std::size_t n) {
  std::string bytes(n, '\0');
  for (char& c : bytes) c = static_cast<char>(rng.below(256));
  return bytes;
}

class ReassemblerFixture : public ::testing::Test {
 protected:
  using Outcome = Reassembler::Outcome;
  using DropReason = packet::DropReason;

  explicit ReassemblerFixture(const ReassemblyOptions& options = {.hash_secret = 5}) : frags_(options) {}
  ~ReassemblerFixture() override {
    if (last_ != nullptr) pool_.give(last_);
    EXPECT_EQ(pool_.in_use(), 0u);
  }

  Outcome add(const testing::Frame& frame, std::uint16_t zone = 0) {
    packet::Packet* const packet = testing::make_packet(pool_, frame, 7);
    const Reassembler::Added added = frags_.add(*packet, zone, clock_.now(), pool_, ends_);
    pool_.give(packet);
    if (added.outcome != Outcome::NotTaken) ++arrived_;
    EXPECT_EQ(added.whole != nullptr, added.outcome == Outcome::Whole);
    if (added.whole != nullptr) {
      ++wholes_;
      if (last_ != nullptr) pool_.give(last_);
      last_ = added.whole;
    }
    expect_balance();
    return added.outcome;
  }
  /// Whatever came in is merged, whole, dropped or waits.
  void expect_balance() {
    std::uint64_t dropped = 0;
    for (const std::uint32_t n : ends_.dropped) dropped += n;
    EXPECT_EQ(arrived_, ends_.merged + wholes_ + dropped + frags_.fragments());
  }
  void expire() {
    while (frags_.expire(clock_.now(), 3, ends_)) {
    }
    expect_balance();
  }
  testing::Frame whole() const {
    return last_ == nullptr ? testing::Frame{} : testing::Frame(last_->data(), last_->data() + last_->size());
  }

  ManualClock clock_;
  packet::PacketPool pool_{64};
  Reassembler frags_;
  FragmentEnds ends_;
  packet::Packet* last_ = nullptr;  ///< the whole that came out last
  std::uint64_t arrived_ = 0, wholes_ = 0;
};

}  // namespace sluice::conntrack
