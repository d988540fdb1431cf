// Connections that a command removes: a zone by raising its generation, others one by one.
#include <algorithm>

#include "base/limits.h"
#include "conntrack/dump.h"
#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {

void Tracker::Impl::purge_flushed() {
  Notes notes(books, Instant{books.last_now_ns.load(std::memory_order_relaxed)});
  for_each(0, slab.touched(), [&](Entry& entry, std::uint32_t name) {
    if (is_flushed(entry)) retire(entry, name, End::Flushed, notes);
  });
}

void Tracker::flush(std::optional<std::uint16_t> zone) {
  bool purge = false;
  std::uint64_t destroyed = 0;
  const auto flush_one = [&](std::uint16_t z) {
    const ZoneTable::Flushed flushed = impl_->zones.flush(z);
    impl_->total.fetch_sub(flushed.connections, std::memory_order_relaxed);
    destroyed += flushed.connections;
    // Entries keep 16 bits of the generation.
    purge = purge || (flushed.generation & 0x7fff) == 0;
  };
  if (zone) {
    flush_one(*zone);
  } else {
    for (unsigned z = 0; z < ZoneTable::kZones; ++z)
      if (impl_->zones.connections(static_cast<std::uint16_t>(z)) != 0)
        flush_one(static_cast<std::uint16_t>(z));
  }
  impl_->books.counters[Books::stripe_here()].events[static_cast<unsigned>(Event::Destroyed)].fetch_add(
      destroyed, std::memory_order_relaxed);
  if (purge) impl_->purge_flushed();
  impl_->wheel.sweep();
}

std::uint64_t Tracker::flush_matching(const Filter& filter, Instant now) {
  std::uint64_t flushed = 0;
  for (std::uint64_t cursor = 0; cursor != kDumpDone;) cursor = flush_matching(filter, cursor, flushed, now);
  return flushed;
}

std::uint64_t Tracker::flush_matching(const Filter& filter, std::uint64_t cursor, std::uint64_t& flushed,
                                      Instant now) {
  const std::uint32_t end = impl_->slab.touched();
  const auto from = static_cast<std::uint32_t>(std::min<std::uint64_t>(cursor, end));
  const std::uint32_t to = from + std::min(limits::kFlushSlice, end - from);
  const std::uint64_t before = flushed;
  {
    const Instant known{impl_->books.last_now_ns.load(std::memory_order_relaxed)};
    Notes notes(impl_->books, std::max(now, known));
    impl_->for_each(from, to, [&](Entry& entry, std::uint32_t name) {
      if (impl_->is_flushed(entry) || !filter.matches(impl_->snapshot(entry, name, Instant{}))) return;
      impl_->retire(entry, name, End::Flushed, notes);
      ++flushed;
    });
  }
  if (flushed != before) impl_->wheel.sweep();
  return to < end ? to : kDumpDone;
}

}  // namespace sluice::conntrack
