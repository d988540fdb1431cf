// Connections whose time is over, and the memory of those that a flush left behind.
#include <algorithm>

#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {

std::optional<Instant> Tracker::Impl::visit_due(std::uint32_t name, Instant now, Notes& notes) {
  Entry& entry = slab[name];
  entry.lock();
  if (entry.has(Entry::kLive)) {
    const std::int64_t left = ticks_left(entry, timeouts(entry.zone), CoarseTime::of(now));
    const bool flushed = is_flushed(entry);
    if (left > 0 && !flushed) {
      entry.unlock();
      return next_visit(now, left);
    }
    retire(entry, name, flushed ? End::Flushed : End::Expired, notes);
  }
  entry.unlock();
  slab.release(name, name);
  return std::nullopt;
}

Instant Tracker::Impl::next_visit(Instant now, std::int64_t ticks_left) const {
  return now + Duration::nanoseconds(std::min(ticks_left << CoarseTime::kShift,
                                              sweep_interval_ns.load(std::memory_order_relaxed)));
}

void Tracker::set_sweep_interval(Duration interval) {
  impl_->sweep_interval_ns.store(interval.ns, std::memory_order_relaxed);
  impl_->wheel.sweep();  // all are visited soon, and then as often as they have to be
}

Duration Tracker::sweep_interval() const {
  return Duration::nanoseconds(impl_->sweep_interval_ns.load(std::memory_order_relaxed));
}

bool Tracker::expire(Instant now, unsigned budget) {
  const std::unique_lock turn(impl_->expire_mutex, std::try_to_lock);
  if (!turn) return false;
  impl_->books.last_now_ns.store(now.ns, std::memory_order_relaxed);
  Notes notes(impl_->books, now);
  impl_->helpers.table.expire(now, limits::kSweepExpectations);
  return impl_->wheel.advance(
      now, budget, [this](std::uint32_t name) { __builtin_prefetch(&impl_->slab[name], 1); },
      [&](std::uint32_t name) { return impl_->visit_due(name, now, notes); });
}

}  // namespace sluice::conntrack
