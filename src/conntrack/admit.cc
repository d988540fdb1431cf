// Whether there is room for one more connection, and how one leaves the books.
#include <limits>
#include <optional>

#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {

std::uint32_t Tracker::Impl::limit_of(std::uint16_t zone) const {
  if (const auto own = zones.limit(zone)) return *own;
  const std::uint32_t common = default_zone_limit.load(std::memory_order_relaxed);
  return common != 0 ? common : std::numeric_limits<std::uint32_t>::max();
}

Tracker::Impl::Admission Tracker::Impl::enter(std::uint16_t zone) {
  Admission admission;
  const std::uint32_t zone_limit = limit_of(zone);
  admission.limited = zone_limit != std::numeric_limits<std::uint32_t>::max();
  const auto generation = zones.enter(zone, zone_limit);
  if (!generation) {
    admission.reason = Reason::ZoneFull;
    return admission;
  }
  admission.zone_generation = *generation;
  if (total.fetch_add(1, std::memory_order_relaxed) >= max_connections.load(std::memory_order_relaxed)) {
    unadmit(zone, admission);
    admission.reason = Reason::TableFull;
  }
  return admission;
}

Tracker::Impl::Admission Tracker::Impl::admit(std::uint16_t zone, std::uint64_t hash, CoarseTime now,
                                              Notes& notes) {
  Admission admission = enter(zone);
  if (admission.reason == Reason::None) [[likely]]
    return admission;
  const bool zone_full = admission.reason == Reason::ZoneFull;
  // Where a limit was lowered, one that makes way would not make room.
  if (zone_full ? zones.connections(zone) > limit_of(zone)
                : total.load(std::memory_order_relaxed) > max_connections.load(std::memory_order_relaxed))
    return admission;
  const std::uint32_t victim = drop_early(zone_full ? std::optional(zone) : std::nullopt, hash, now, notes);
  if (victim == kNone) return admission;
  admission = enter(zone);
  admission.name = victim;
  return admission;
}

void Tracker::Impl::unadmit(std::uint16_t zone, const Admission& admission) {
  // Where a flush of the zone came in between, it has taken the connection out of the total.
  if (zones.leave(zone, admission.zone_generation)) total.fetch_sub(1, std::memory_order_relaxed);
}

void Tracker::Impl::discharge(const Entry& entry, std::uint32_t name, End why, Notes& notes) {
  if (entry.has(Entry::kHelped | Entry::kExpected)) helpers.leave(entry);
  const bool counted = zones.leave(entry.zone, entry.zone_generation);
  if (counted) total.fetch_sub(1, std::memory_order_relaxed);
  notes.ended(entry, name, why, counted);
}

void Tracker::Impl::remove(Entry& entry, std::uint32_t name) {
  index.erase(hash_of(entry), name);
  if (entry.translated()) index.erase(nat::reply_of(entry, secret).hash(secret), name);
  if (entry.translated() || port_lanes.chunks() != 0) [[unlikely]]
    port_lanes.forget(entry, secret);
  entry.set_flag(Entry::kLive, false);
}

void Tracker::Impl::retire(Entry& entry, std::uint32_t name, End why, Notes& notes) {
  remove(entry, name);
  discharge(entry, name, why, notes);
}

}  // namespace sluice::conntrack
