// Whether there is room for one more connection, and how one leaves the books.
#include <limits>

#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {

Tracker::Impl::Admission Tracker::Impl::admit(std::uint16_t zone) {
  std::uint32_t zone_limit = std::numeric_limits<std::uint32_t>::max();
  if (const auto own = zones.limit(zone))
    zone_limit = *own;
  else if (const std::uint32_t common = default_zone_limit.load(std::memory_order_relaxed); common != 0)
    zone_limit = common;
  const auto generation = zones.enter(zone, zone_limit);
  if (!generation) return {0, Reason::ZoneFull};
  const Admission admission{*generation, Reason::None};
  if (total.fetch_add(1, std::memory_order_relaxed) >= max_connections.load(std::memory_order_relaxed)) {
    unadmit(zone, admission);
    return {0, Reason::TableFull};
  }
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
  if (port_lanes.chunks() != 0) [[unlikely]]
    port_lanes.forget(entry, secret);
  entry.set_flag(Entry::kLive, false);
}

void Tracker::Impl::retire(Entry& entry, std::uint32_t name, End why, Notes& notes) {
  remove(entry, name);
  discharge(entry, name, why, notes);
}

}  // namespace sluice::conntrack
