// Room in a full table or zone: a connection that nobody would miss makes way for a new one, in bounded work.
//
// A connection is assured when both ends have shown that they exist and want it: those survive any flood. All
// others can go, the one idle for longest first, among those that a look at a few places finds:
//
//   the buckets of the index near the new connection's own: chosen by a keyed hash, so nobody can aim, and
//     spread evenly, so what is found is a fair sample
//   for a zone, its Newcomers
//   some entries in the order of the slab, from where the last search ended: finds them in the long run where
//     few are left
//
// The victim's entry is reused by the new connection: the timer wheel has it already. The one who searches
// may hold a HomeLock and locks of other entries, so entries that are locked are passed over.
#include <optional>

#include "base/limits.h"
#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {
/// The best victim so far, locked.
class Tracker::Impl::VictimSearch {
 public:
  VictimSearch(Impl& tracker, std::optional<std::uint16_t> zone, CoarseTime now)
      : t_(tracker), zone_(zone), now_(now) {}

  void consider(std::uint32_t name) {
    Entry& entry = t_.slab[name];
    if (!entry.try_lock()) return;
    if (!may_go(entry) || (found() && now_.since(entry.last_seen) <= now_.since(t_.slab[best_].last_seen))) {
      entry.unlock();
      return;
    }
    if (found()) t_.slab[best_].unlock();
    best_ = name;
  }
  bool found() const { return best_ != kNone; }
  std::uint32_t best() const { return best_; }

 private:
  bool may_go(const Entry& entry) const {
    if (!entry.has(Entry::kLive) || (zone_ && entry.zone != *zone_) || t_.is_flushed(entry)) return false;
    return !is_assured(entry) || ticks_left(entry, t_.timeouts(entry.zone), now_) <= 0;
  }

  Impl& t_;
  const std::optional<std::uint16_t> zone_;
  const CoarseTime now_;
  std::uint32_t best_ = kNone;
};

std::uint32_t Tracker::Impl::drop_early(std::optional<std::uint16_t> zone, std::uint64_t hash, CoarseTime now,
                                        Notes& notes) {
  VictimSearch search(*this, zone, now);
  for (unsigned i = 0; i < limits::kEarlyDropBuckets && !search.found(); ++i) {
    index.visit_bucket(hash, i, [&](std::uint32_t name) { __builtin_prefetch(&slab[name], 1); });
    index.visit_bucket(hash, i, [&](std::uint32_t name) { search.consider(name); });
  }
  if (zone && !search.found())
    newcomers.for_each(*zone, hash, [&](std::uint32_t name) {
      search.consider(name);
      return search.found();
    });
  if (const std::uint32_t end = slab.touched(); !search.found() && end != 0) {
    std::uint32_t at = early_drop_hand.fetch_add(limits::kEarlyDropEntries, std::memory_order_relaxed) % end;
    for (unsigned i = 0; i < limits::kEarlyDropEntries && !search.found();
         ++i, at = at + 1 == end ? 0 : at + 1)
      search.consider(at);
  }
  if (!search.found()) return kNone;
  Entry& victim = slab[search.best()];
  const bool expired = ticks_left(victim, timeouts(victim.zone), now) <= 0;
  retire(victim, search.best(), expired ? End::Expired : End::DroppedEarly, notes);
  return search.best();
}

void Tracker::Impl::remember_newcomer(const Entry& entry, std::uint32_t name, std::uint64_t hash) {
  newcomers.offer(entry.zone, hash, name, [&](std::uint32_t old) {
    if (old == name) return true;
    Entry& other = slab[old];
    if (!other.try_lock()) return false;
    const bool stale = !other.has(Entry::kLive) || other.zone != entry.zone || is_assured(other);
    other.unlock();
    return stale;
  });
}

}  // namespace sluice::conntrack
