#include "conntrack/notes.h"

#include "conntrack/snapshot.h"

namespace sluice::conntrack {

[[gnu::noinline]] void Notes::publish(ConnectionEvent::Kind kind, End why, const Entry& entry,
                                      std::uint32_t name) {
  rings_->publish(stripe_, {.kind = kind,
                            .why = why,
                            .time_ns = now_.ns,
                            .connection = snapshot_of(entry, name, books_.zones.timeouts(entry.zone), now_)});
}

[[gnu::noinline]] void Notes::sample(const packet::Packet& packet, std::uint16_t zone, Reason reason,
                                     bool dropped) {
  books_.reasons.add(stripe_, sample_of(packet, zone, reason, dropped, now_));
}

void Notes::close() {
  CounterCells& cells = books_.counters[stripe_];
  for (unsigned i = 0; i < kEventCount; ++i)
    if (events_[i] != 0) cells.events[i].fetch_add(events_[i], std::memory_order_relaxed);
  if (!any_reason_) return;
  for (unsigned i = 0; i < kReasonCount; ++i) {
    if (reasons_[i] == 0) continue;
    cells.reasons[i].fetch_add(reasons_[i], std::memory_order_relaxed);
    books_.reasons.count(zone_, static_cast<Reason>(i), reasons_[i]);
  }
}

}  // namespace sluice::conntrack
