// Packet sequences from the fuzzer through one tracker. The input is a list of steps:
//   length (1 byte), command (1 byte), then `length` bytes of an IP packet, walked as a frame.
// Whatever comes, the tracker's books balance and states obey the rules of ct_state.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Tracker tracker({.max_connections = 16, .hash_secret = 1});
  packet::PacketPool pool(2);
  Instant now{Duration::seconds(1).ns};
  ByteReader reader({data, size});
  while (reader.remaining() >= 2) {
    const std::size_t length = reader.u8();
    const std::uint8_t command = reader.u8();
    const Bytes bytes = reader.take(std::min(length, reader.remaining()));
    std::vector<std::uint8_t> frame(14, 0);
    frame[12] = (command & 0x80) != 0 ? 0x86 : 0x08;
    frame[13] = (command & 0x80) != 0 ? 0xdd : 0x00;
    frame.insert(frame.end(), bytes.begin(), bytes.end());

    packet::PacketBatch batch, dropped;
    packet::Packet* packet = pool.take(static_cast<std::uint32_t>(frame.size()));
    packet->assign(frame);
    packet->layout = wire::walk(packet->bytes());
    packet->meta.offload.checksum_valid = (command & 0x40) == 0;
    batch.push(packet);
    const CtRequest request{.commit = (command & 1) != 0,
                            .force = (command & 2) != 0,
                            .zone = static_cast<std::uint16_t>(command >> 2 & 1),
                            .mark = command,
                            .mark_mask = 0xf};
    const PeekResult peeked = tracker.peek(*packet, request.zone, now);
    tracker.process(batch, request, now, dropped);
    if (!batch.empty()) {
      check_state(packet->meta.ct);
      if (!request.force) SLUICE_CHECK(packet->meta.ct.state == peeked.state);
      tracker.process(batch, request, now, dropped);  // a second ct in the zone
      if (!batch.empty()) check_state(packet->meta.ct);
    }
    pool.give(packet);
    if ((command & 0x20) != 0) now += Duration::seconds(7);
    if ((command & 0x18) == 0x18) tracker.flush(std::uint16_t{0});
    tracker.expire(now, 8);
    std::vector<ConnectionSnapshot> all;
    tracker.dump(0, 64, now, all);
    for (const ConnectionSnapshot& c : all) format_connection(c, {.verbose = true, .statistics = true});
  }
  while (tracker.expire(now, 64)) {
  }
  const TrackerCounters counters = tracker.counters();
  SLUICE_CHECK(counters.created - counters.destroyed == tracker.connections());
  SLUICE_CHECK(tracker.census().live == tracker.census().indexed);
  return 0;
}
