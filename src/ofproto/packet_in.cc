#include "ofproto/packet_in.h"

#include <algorithm>

namespace sluice::ofproto {

bool PacketInQueue::refuse() {
  if (!full_.load(std::memory_order_relaxed)) return false;
  dropped_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool PacketInQueue::push(PacketIn packet_in) {
  std::unique_lock lock(mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
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

std::vector<PacketIn> PacketInQueue::take() {
  std::vector<PacketIn> taken;
  const std::lock_guard lock(mutex_);
  taken.swap(waiting_);
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
