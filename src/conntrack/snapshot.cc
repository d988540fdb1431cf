// Connections as others see them: copied out one at a time under their lock.
#include "conntrack/snapshot.h"

#include <algorithm>

#include "conntrack/tracker_impl.h"
#include "net/protocol.h"

namespace sluice::conntrack {

ConnectionSnapshot Tracker::Impl::snapshot(const Entry& entry, std::uint32_t name, Instant now) {
  ConnectionSnapshot c = snapshot_of(entry, name, timeouts(entry.zone), now);
  if (entry.has(Entry::kExpected)) c.parent = parent_of(helpers.table.copy_parent_tuple(entry.family));
  return c;
}

ConnectionSnapshot snapshot_of(const Entry& entry, std::uint32_t name, const TimeoutTicks& timeouts,
                               Instant now) {
  ConnectionSnapshot c;
  c.original = original_tuple(entry);
  c.reply = reply_tuple(entry);
  c.id = entry.id();
  c.helper = entry.helper();
  c.cookie = entry.cookie;
  c.zone = entry.zone;
  c.mark = entry.mark;
  c.label = entry.label;
  c.index = name;
  c.generation = entry.generation();
  c.seen_reply = entry.has(Entry::kSeenReply);
  c.assured = is_assured(entry);
  for (const Direction d : {Direction::Original, Direction::Reply}) {
    const auto i = static_cast<unsigned>(d);
    c.state[i] = entry.state(d);
    c.packets[i] = entry.total_packets(d);
    c.bytes[i] = entry.total_bytes(d);
    if (entry.proto == net::ip_proto::kSctp) c.sctp_tag[i] = entry.seq_low[i];
    if (entry.proto != net::ip_proto::kTcp) continue;
    const std::uint8_t scale = entry.scale(d);
    if (entry.scales == Entry::kUnknownScale * 0x11) {
      c.tcp_flags[i] = ConnectionSnapshot::kLiberal;
    } else if (scale != Entry::kNoScale) {
      c.tcp_flags[i] = ConnectionSnapshot::kWindowScale;
      c.window_scale[i] = scale;
    }
  }
  c.start_ns = static_cast<std::int64_t>(entry.start_parent & ~std::uint64_t{0xffff});
  const CoarseTime coarse = CoarseTime::of(now);
  c.last_seen_ns = now.ns - (std::int64_t{coarse.since(entry.last_seen)} << CoarseTime::kShift);
  c.expires_in_ns = ticks_left(entry, timeouts, coarse) << CoarseTime::kShift;
  return c;
}

std::uint64_t Tracker::dump(std::uint64_t cursor, unsigned max, Instant now,
                            std::vector<ConnectionSnapshot>& out) const {
  constexpr std::uint32_t kSliceEntries = 4096;
  const std::uint32_t end = impl_->slab.touched();
  auto name = static_cast<std::uint32_t>(std::min<std::uint64_t>(cursor, end));
  const std::uint32_t slice_end = end - name > kSliceEntries ? name + kSliceEntries : end;
  unsigned taken = 0;
  for (; name < slice_end && taken < max; ++name)
    impl_->for_each(name, name + 1, [&](const Entry& entry, std::uint32_t) {
      if (impl_->is_flushed(entry)) return;
      ConnectionSnapshot snapshot = impl_->snapshot(entry, name, now);
      if (snapshot.expires_in_ns <= 0) return;
      out.push_back(snapshot);
      ++taken;
    });
  return name < end ? name : kDumpDone;
}

Tracker::Census Tracker::census() const {
  Census census{0, 0, 0, impl_->port_lanes.chunks(), impl_->port_lanes.counted()};
  impl_->for_each(0, impl_->slab.touched(), [&](const Entry& entry, std::uint32_t) {
    ++census.live;
    if (entry.translated()) ++census.translated;
  });
  for (std::uint32_t b = 0; b < impl_->index.buckets(); ++b) census.indexed += impl_->index.occupied(b);
  return census;
}

}  // namespace sluice::conntrack
