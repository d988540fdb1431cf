// What the NAT tests share: requests in one line, and packets tracked and looked at as they leave.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {

/// An address or a range of them, v4-mapped, as NatRange has it.
inline NatRange nat_to(NatRange::Kind kind, const std::string& first = {}, const std::string& last = {},
                       std::uint16_t min_port = 0, std::uint16_t max_port = 0) {
  NatRange range{.kind = kind};
  const auto parse = [&](const std::string& text) {
    range.is_ipv6 = text.find(':') != std::string::npos;
    return range.is_ipv6 ? *sluice::testing::Ip6Arg(text.c_str())
                         : net::v4_mapped(*sluice::testing::Ip4Arg(text.c_str()));
  };
  if (!first.empty()) {
    range.has_address = true;
    range.min_address = parse(first);
    range.max_address = last.empty() ? range.min_address : parse(last);
  }
  range.has_ports = max_port != 0;
  range.min_port = min_port;
  range.max_port = max_port;
  return range;
}
template <typename... Words>
NatRange snat_to(Words&&... words) {
  return nat_to(NatRange::Kind::Source, std::forward<Words>(words)...);
}
template <typename... Words>
NatRange dnat_to(Words&&... words) {
  return nat_to(NatRange::Kind::Destination, std::forward<Words>(words)...);
}

class NatFixture : public TrackerFixture {
 protected:
  explicit NatFixture(TrackerOptions options = {.max_connections = 1000, .hash_secret = 7})
      : TrackerFixture(options) {}

  static CtRequest commits(const NatRange& range, std::uint16_t zone = 0) {
    return {.commit = true, .nat = true, .zone = zone, .nat_range = range};
  }
  static CtRequest bare(std::uint16_t zone = 0) { return {.nat = true, .zone = zone}; }

  /// Why the packet tracked last is not what is expected; "" if it is, with right checksums.
  std::string seen(const Layers& expected) {
    if (!sluice::testing::checksums_ok(last()->bytes())) return "wrong checksum";
    return sluice::testing::mismatch(expected, last()->bytes());
  }
  /// "10.9.0.1:1000", what the client of the packet tracked last has become.
  std::string source() {
    const std::uint8_t* at = last()->data();
    const wire::Layout& layout = last()->layout;
    return net::format_ipv4(be32::load(at + layout.l3 + 12)) + ":" +
           std::to_string(be16::load(at + layout.l4).host());
  }
  std::uint16_t source_port() { return be16::load(last()->data() + last()->layout.l4).host(); }

  void expect_no_leak() {
    const auto census = tracker_.census();
    EXPECT_EQ(census.indexed, census.live + census.translated);
    EXPECT_EQ(census.live, tracker_.connections());
  }
};

}  // namespace sluice::conntrack
