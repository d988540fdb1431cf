// Sequences of fragments through a small reassembler. The input is a list of steps; a step's first byte tells
// its kind: an IP packet of any content, or a well-formed fragment at a place that the input chooses.
//   kind | length, bytes
//   kind | source and id, offset in units, length in units, byte to fill with
// Whatever comes: the books balance, memory stays in its bound, and a packet that comes out whole is sound
// and can be cut again to fragments none of which is larger than those that came.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "conntrack/reassembly/reassembler.h"
#include "net/protocol.h"
#include "packet/segment.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace {

using namespace sluice;
using namespace sluice::conntrack;

constexpr std::size_t kMemory = 64 << 10;
constexpr std::uint8_t kRaw = 0x80, kIpv6 = 0x40, kMore = 0x20, kOtherZone = 0x10, kTimePasses = 0x08,
                       kTcp = 0x04;

std::vector<std::uint8_t> ethernet(bool ipv6) {
  std::vector<std::uint8_t> frame(14, 0);
  frame[12] = ipv6 ? 0x86 : 0x08;
  frame[13] = ipv6 ? 0xdd : 0x00;
  return frame;
}

std::vector<std::uint8_t> raw(ByteReader& reader, std::uint8_t kind) {
  auto frame = ethernet((kind & kIpv6) != 0);
  const std::size_t length = reader.u8();
  const Bytes bytes = reader.take(std::min(length, reader.remaining()));
  frame.insert(frame.end(), bytes.begin(), bytes.end());
  return frame;
}

std::vector<std::uint8_t> well_formed(ByteReader& reader, std::uint8_t kind) {
  const bool ipv6 = (kind & kIpv6) != 0;
  const std::uint8_t who = reader.u8();
  const std::uint16_t offset = static_cast<std::uint16_t>(reader.u8() * ((kind & 1) != 0 ? 32 : 1));
  const std::size_t bytes = (reader.u8() % 64 + 1u) * 8u - ((kind & kMore) != 0 ? 0u : kind & 2u);
  const std::uint8_t fill = reader.u8();
  const std::uint8_t proto = (kind & kTcp) != 0 ? net::ip_proto::kTcp : std::uint8_t{99};
  const bool more = (kind & kMore) != 0;
  auto frame = ethernet(ipv6);
  ByteWriter ip;
  if (ipv6) {
    ip.u32(0x60000000u | std::uint32_t{fill & 3u} << 20);
    ip.u16(static_cast<std::uint16_t>(8 + bytes));
    ip.u8(net::ip_proto::kFragment);
    ip.u8(64);
    for (unsigned i = 0; i < 31; ++i) ip.u8(0);
    ip.u8(1);
    ip.u8(proto);
    ip.u8(0);
    ip.u16(static_cast<std::uint16_t>(offset % 8192 << 3 | (more ? 1 : 0)));
    ip.u32(who & 3u);
  } else {
    ip.u8(0x45);
    ip.u8(fill & 3);
    ip.u16(static_cast<std::uint16_t>(20 + bytes));
    ip.u16(who & 3u);
    ip.u16(static_cast<std::uint16_t>(offset % 8192 | (more ? 0x2000 : 0) | ((fill & 4) != 0 ? 0x4000 : 0)));
    ip.u8(64);
    ip.u8(proto);
    ip.u16(0);
    ip.u32(0x0a000000u + (who >> 2 & 7u));
    ip.u32(0x0a000100u);
  }
  const auto header = ip.bytes();
  frame.insert(frame.end(), header.begin(), header.end());
  if (!ipv6) wire::fill_ipv4_checksum(frame.data() + 14);
  frame.insert(frame.end(), bytes, fill);
  return frame;
}

void check_whole(const packet::Packet& whole, packet::PacketPool& pool) {
  SLUICE_CHECK(whole.layout.has_l3() && whole.layout.fragment == 0);
  SLUICE_CHECK(whole.layout.l3_end == whole.size());
  SLUICE_CHECK(wire::ipv4_checksum_ok(whole.bytes(), whole.layout));
  SLUICE_CHECK(whole.meta.mru != 0);
  packet::Fragmenter fragments(whole, whole.meta.mru, whole.meta.fragment_id);
  SLUICE_CHECK(fragments.valid());
  packet::Packet* const piece = pool.take(packet::PacketPool::kLargeBytes);
  while (fragments.next(*piece)) SLUICE_CHECK(piece->size() - whole.layout.l3 <= whole.meta.mru);
  pool.give(piece);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Reassembler fragments({.max_bytes = kMemory, .max_fragments = 64, .hash_secret = 1});
  packet::PacketPool pool(4);
  FragmentEnds ends;
  Instant now{Duration::seconds(1).ns};
  std::uint64_t arrived = 0, wholes = 0;
  const auto balance = [&] {
    std::uint64_t out = wholes + ends.merged + fragments.fragments();
    for (const std::uint32_t n : ends.dropped) out += n;
    SLUICE_CHECK(out == arrived);
    SLUICE_CHECK(fragments.memory_bytes() <= kMemory);
    SLUICE_CHECK(fragments.fragments() <= 64);
  };
  ByteReader reader({data, size});
  while (reader.remaining() >= 5) {
    const std::uint8_t kind = reader.u8();
    const auto frame = (kind & kRaw) != 0 ? raw(reader, kind) : well_formed(reader, kind);
    packet::Packet* const packet = pool.take(static_cast<std::uint32_t>(frame.size()));
    packet->assign(frame);
    packet->layout = wire::walk(packet->bytes());
    const auto added = fragments.add(*packet, (kind & kOtherZone) != 0 ? 1 : 0, now, pool, ends);
    pool.give(packet);
    if (added.outcome != Reassembler::Outcome::NotTaken) ++arrived;
    SLUICE_CHECK((added.whole != nullptr) == (added.outcome == Reassembler::Outcome::Whole));
    if (added.whole != nullptr) {
      ++wholes;
      check_whole(*added.whole, pool);
      pool.give(added.whole);
    }
    if ((kind & kTimePasses) != 0) {
      now += Duration::seconds(7);
      fragments.expire(now, 2, ends);
    }
    balance();
  }
  std::vector<DatagramSnapshot> all;
  for (std::uint32_t cursor = 0; cursor != Reassembler::kDumpDone;) cursor = fragments.dump(cursor, 8, all);
  std::uint32_t waiting = 0;
  for (const DatagramSnapshot& d : all) waiting += d.fragments;
  SLUICE_CHECK(waiting == fragments.fragments());
  now += Duration::seconds(100);
  while (fragments.expire(now, 4, ends)) {
  }
  balance();
  SLUICE_CHECK(fragments.memory_bytes() == 0 && fragments.datagrams() == 0 && pool.in_use() == 0);
  return 0;
}
