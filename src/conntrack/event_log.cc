#include "conntrack/event_log.h"

#include <algorithm>

namespace sluice::conntrack {

std::string_view end_name(End end) {
  switch (end) {
    case End::Expired:
      return "expired";
    case End::Flushed:
      return "flushed";
    case End::DroppedEarly:
      return "dropped_early";
    case End::Replaced:
      break;
  }
  return "replaced";
}

std::string_view event_name(ConnectionEvent::Kind kind) {
  switch (kind) {
    case ConnectionEvent::Kind::New:
      return "new";
    case ConnectionEvent::Kind::Update:
      return "update";
    case ConnectionEvent::Kind::Destroy:
      break;
  }
  return "destroy";
}

void EventLog::listen(bool on) {
  if (!on) return current_.store(nullptr, std::memory_order_release);
  if (rings() != nullptr) return;
  if (!rings_) rings_ = std::make_unique<Rings>();
  ConnectionEvent stale;  // from those who listened before
  for (auto& ring : rings_->stripes)
    while (ring.pop(stale)) {
    }
  current_.store(rings_.get(), std::memory_order_release);
}

bool EventLog::take(std::vector<ConnectionEvent>& out, std::size_t max) {
  if (!rings_) return false;
  const std::size_t begin = out.size();
  bool more = false;
  for (unsigned n = 0; n < kStripes; ++n) {
    auto& ring = rings_->stripes[(next_ + n) % kStripes];
    ConnectionEvent event;
    while (out.size() - begin < max && ring.pop(event)) out.push_back(event);
    if (out.size() - begin >= max) {
      more = true;
      next_ = (next_ + n + 1) % kStripes;
      break;
    }
  }
  std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
                   [](const ConnectionEvent& a, const ConnectionEvent& b) { return a.time_ns < b.time_ns; });
  return more;
}

std::uint64_t EventLog::lost() const {
  return rings_ ? rings_->lost.load(std::memory_order_relaxed) : 0;
}

}  // namespace sluice::conntrack
