#include "ofproto/packet_in.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace sluice::ofproto {

bool PacketInQueue::refuse() {
  if (!full_.load(std::memory_order_relaxed)) return false;
  count_refused();
  return true;
}

bool PacketInQueue::push(PacketIn packet_in) {
  std::unique_lock lock(mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    count_refused();
    return false;
  }
  waiting_.push_back(std::move(packet_in));
  full_.store(waiting_.size() == kMaxWaiting, std::memory_order_relaxed);
  queued_.fetch_add(1, std::memory_order_relaxed);
  const bool first = waiting_.size() == 1;
  lock.unlock();
  if (first && notify_) notify_();
  return true;
}

std::vector<PacketIn> PacketInQueue::take(std::size_t most) {
  std::vector<PacketIn> taken;
  const std::lock_guard lock(mutex_);
  if (waiting_.size() <= most) {
    taken.swap(waiting_);
  } else {
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(most);
    taken.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
  }
  full_.store(false, std::memory_order_relaxed);
  return taken;
}

void PacketInQueue::forget(const Ofproto& bridge) {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](const PacketIn& p) { return p.bridge == &bridge; });
  full_.store(waiting_.size() == kMaxWaiting, std::memory_order_relaxed);
}

std::size_t PacketInQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace sluice::ofproto
