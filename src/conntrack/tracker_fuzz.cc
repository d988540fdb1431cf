// Packet sequences from the fuzzer through one tracker. The input is a list of steps:
//   length (1 byte), command (1 byte), translation (1 byte), then `length` bytes of an IP packet, walked as a
//   frame; a length of 0 says that the last packet comes again, the other way round if the command is odd.
// Whatever comes, the tracker's books balance, states obey the rules of ct_state, and no two connections of a
// zone share a tuple.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "packet/packet_pool.h"
#include "wire/walk.h"

namespace {

using namespace sluice;
using namespace sluice::conntrack;

void check_state(const packet::CtMetadata& meta) {
  using namespace ct_state;
  const std::uint32_t s = meta.state;
  SLUICE_CHECK((s & kTracked) != 0);
  if ((s & kInvalid) != 0) SLUICE_CHECK(s == (kInvalid | kTracked) && meta.mark == 0 && meta.label.is_zero());
  if ((s & kNew) != 0) SLUICE_CHECK((s & (kEstablished | kReply)) == 0);
}

/// Source NAT to two ports, destination NAT, or what else two bits say.
NatRange range_of(std::uint8_t choice) {
  NatRange range;
  if ((choice & 3) == 0) return range;
  range.kind = (choice & 1) != 0 ? NatRange::Kind::Source : NatRange::Kind::Destination;
  range.has_address = (choice & 4) != 0;
  range.is_ipv6 = (choice & 0x80) != 0;
  range.min_address =
      range.is_ipv6 ? be128{be64{0xfd09000000000000}, be64{1}} : be128{be64{}, be64{0xffff0a090001}};
  range.max_address = range.min_address;
  range.has_ports = (choice & 8) != 0;
  range.min_port = 5000;
  range.max_port = 5001;
  return range;
}

/// The other end's answer to a frame: addresses and ports, where they are expected, change places.
void turn_round(std::vector<std::uint8_t>& frame) {
  const bool is_ipv6 = frame[12] == 0x86;
  const std::size_t address = is_ipv6 ? 16 : 4, first = is_ipv6 ? 22 : 26, ports = first + 2 * address;
  if (frame.size() < ports + 4) return;
  const auto at = frame.begin() + static_cast<std::ptrdiff_t>(first);
  const auto width = static_cast<std::ptrdiff_t>(address);
  std::swap_ranges(at, at + width, at + width);
  const auto port = frame.begin() + static_cast<std::ptrdiff_t>(ports);
  std::swap_ranges(port, port + 2, port + 2);
}

void check_tuples(const std::vector<ConnectionSnapshot>& all) {
  for (const ConnectionSnapshot& a : all)
    for (const ConnectionSnapshot& b : all)
      if (&a != &b && a.zone == b.zone)
        SLUICE_CHECK(a.original != b.original && a.reply != b.reply && a.original != b.reply);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint32_t kMost = 16;
  Tracker tracker({.max_connections = kMost, .hash_secret = 1});
  packet::PacketPool pool(2);
  Instant now{Duration::seconds(1).ns};
  ByteReader reader({data, size});
  std::vector<std::uint8_t> frame(14, 0);
  while (reader.remaining() >= 3) {
    const std::size_t length = reader.u8();
    const std::uint8_t command = reader.u8();
    const std::uint8_t translation = reader.u8();
    if (length != 0) {
      const Bytes bytes = reader.take(std::min(length, reader.remaining()));
      frame.assign(14, 0);
      frame[12] = (command & 0x80) != 0 ? 0x86 : 0x08;
      frame[13] = (command & 0x80) != 0 ? 0xdd : 0x00;
      frame.insert(frame.end(), bytes.begin(), bytes.end());
    } else if ((command & 1) != 0) {
      turn_round(frame);
    }

    packet::PacketBatch batch, dropped;
    packet::Packet* packet = pool.take(static_cast<std::uint32_t>(frame.size()));
    packet->assign(frame);
    packet->layout = wire::walk(packet->bytes());
    packet->meta.offload.checksum_valid = (command & 0x40) == 0;
    batch.push(packet);
    const CtRequest request{.commit = (command & 1) != 0,
                            .force = (command & 2) != 0,
                            .nat = (translation & 0x13) != 0,
                            .helper = (command & 0x10) != 0 ? Helper::Ftp : Helper::Tftp,
                            .zone = static_cast<std::uint16_t>(command >> 2 & 1),
                            .mark = command,
                            .mark_mask = 0xf,
                            .nat_range = range_of(translation)};
    const PeekResult peeked = tracker.peek(*packet, request.zone, now);
    tracker.process(batch, request, now, dropped);
    if (!batch.empty()) {
      check_state(packet->meta.ct);
      constexpr std::uint8_t kNat = ct_state::kSourceNat | ct_state::kDestinationNat;
      if (!request.force)
        SLUICE_CHECK((packet->meta.ct.state & ~std::uint32_t{kNat}) == (peeked.state & ~std::uint32_t{kNat}));
      tracker.process(batch, request, now, dropped);  // a second ct in the zone
      if (!batch.empty()) check_state(packet->meta.ct);
      const Bytes left = packet->bytes();
      frame.assign(left.begin(), left.end());
    }
    pool.give(packet);
    if ((command & 0x20) != 0) now += Duration::seconds(7);
    if ((command & 0x18) == 0x18) tracker.flush(std::uint16_t{0});
    tracker.expire(now, 8);
    std::vector<ConnectionSnapshot> all;
    tracker.dump(0, 64, now, all);
    SLUICE_CHECK(all.size() <= kMost && tracker.connections() <= kMost);
    check_tuples(all);
    for (const ConnectionSnapshot& c : all) format_connection(c, {.verbose = true, .statistics = true});
    std::vector<ExpectationSnapshot> expected;
    tracker.dump_expectations(0, 64, now, expected);
    for (const ExpectationSnapshot& e : expected) format_expectation(e);
  }
  while (tracker.expire(now, 64)) {
  }
  const TrackerCounters counters = tracker.counters();
  SLUICE_CHECK(counters.created - counters.destroyed == tracker.connections());
  const Tracker::Census census = tracker.census();
  SLUICE_CHECK(census.indexed == census.live + census.translated);
  tracker.flush(std::nullopt);
  while (tracker.expire(now, 64)) {
  }
  SLUICE_CHECK(tracker.census().live == 0 && tracker.census().indexed == 0 &&
               tracker.census().port_chunks == 0 && tracker.census().lane_members == 0);
  SLUICE_CHECK(tracker.helper_census().families == 0 && tracker.helper_census().expectations == 0);
  return 0;
}
