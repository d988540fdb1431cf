#include "ofproto/packet_in_pacer.h"

#include <algorithm>

namespace sluice::ofproto {

PacketInPacer::PacketInPacer(const Options& options, Instant now)
    : rate_(options.rate),
      burst_(options.burst != 0 ? options.burst : std::max(1u, options.rate / 4)),
      credit_ns_(rate_ != 0 ? packet_ns() * burst_ : 0),
      filled_(now) {}

void PacketInPacer::refill(Instant now) {
  // Bounded before it is added: what passed may be more than the sum can hold.
  const std::int64_t most = packet_ns() * burst_;
  credit_ns_ = std::min(most, credit_ns_ + std::clamp<std::int64_t>((now - filled_).ns, 0, most));
  filled_ = std::max(filled_, now);
}

bool PacketInPacer::take_token() {
  if (credit_ns_ < packet_ns()) return false;
  credit_ns_ -= packet_ns();
  return true;
}

std::optional<openflow::PacketIn> PacketInPacer::submit(openflow::PacketIn packet, Instant now) {
  if (!limited()) return packet;
  refill(now);
  if (waiting_ == 0 && take_token()) {
    ++counters_.bypassed;
    return packet;
  }
  if (waiting_ >= burst_) drop_from_longest();
  queues_[packet.in_port()].push_back(std::move(packet));
  ++waiting_;
  ++counters_.queued;
  return std::nullopt;
}

void PacketInPacer::drop_from_longest() {
  const auto longest = std::max_element(queues_.begin(), queues_.end(), [](const auto& a, const auto& b) {
    return a.second.size() < b.second.size();
  });
  longest->second.pop_back();
  if (longest->second.empty()) queues_.erase(longest);
  --waiting_;
  ++counters_.dropped;
}

std::optional<openflow::PacketIn> PacketInPacer::next(Instant now) {
  if (waiting_ == 0) return std::nullopt;
  refill(now);
  if (!take_token()) return std::nullopt;
  auto turn = queues_.upper_bound(last_port_);
  if (turn == queues_.end()) turn = queues_.begin();
  last_port_ = turn->first;
  openflow::PacketIn packet = std::move(turn->second.front());
  turn->second.pop_front();
  if (turn->second.empty()) queues_.erase(turn);
  --waiting_;
  return packet;
}

std::optional<Instant> PacketInPacer::deadline() const {
  if (waiting_ == 0) return std::nullopt;
  return filled_ + Duration::nanoseconds(std::max<std::int64_t>(0, packet_ns() - credit_ns_));
}

}  // namespace sluice::ofproto
