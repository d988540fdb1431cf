#include "ofproto/upcalls.h"

#include <algorithm>
#include <bit>

#include "ofproto/ofproto.h"
#include "pipeline/pipeline.h"

namespace sluice::ofproto {

/// One published version. The epoch that workers see is base + the sum of the pipelines' own: `base` jumps so
/// far with every version that no sum of an earlier version comes back.
struct Upcalls::Map {
  std::vector<Place> ports;  ///< index: datapath port
  std::vector<Ofproto*> bridges;
  std::vector<Ofproto*> nowhere;  ///< index: datapath port - kNowhere; null: free
  std::uint64_t base = 0;

  static constexpr std::uint64_t kStride = std::uint64_t{1} << 40;
  static constexpr std::uint32_t kNowhere = 0xff000000;  ///< no port is numbered so high
};

namespace {

/// What a megaflow's packets are credited to.
class CreditSink final : public datapath::StatsSink {
 public:
  explicit CreditSink(pipeline::Credits credits) : credits_(std::move(credits)) {}
  void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used,
              std::uint16_t tcp_flags) override {
    credits_.credit(packets, bytes, last_used, tcp_flags);
  }

 private:
  pipeline::Credits credits_;
};

/// What a megaflow's translation rested on.
struct Rest {
  std::uint64_t tables = 0;  ///< Upcalls::tables_epoch() before it began
  pipeline::L2Dependence l2;
};
static_assert(sizeof(Rest) == sizeof(datapath::Basis));

}  // namespace

Upcalls::Upcalls() : map_(std::make_unique<Map>()) {}
Upcalls::~Upcalls() = default;

void Upcalls::publish(std::unique_ptr<Map> next) {
  next->base = map_.get()->base + Map::kStride;
  map_.publish(std::move(next));
}

void Upcalls::connect(std::uint32_t dp_port, Ofproto& bridge, std::uint32_t of_port) {
  auto next = std::make_unique<Map>(*map_.get());
  if (next->ports.size() <= dp_port) next->ports.resize(dp_port + 1);
  next->ports[dp_port] = {&bridge, of_port};
  if (std::find(next->bridges.begin(), next->bridges.end(), &bridge) == next->bridges.end())
    next->bridges.push_back(&bridge);
  publish(std::move(next));
}

void Upcalls::disconnect(std::uint32_t dp_port) {
  auto next = std::make_unique<Map>(*map_.get());
  if (dp_port < next->ports.size()) next->ports[dp_port] = {};
  publish(std::move(next));
}

void Upcalls::remove(Ofproto& bridge) {
  auto next = std::make_unique<Map>(*map_.get());
  for (Place& place : next->ports)
    if (place.bridge == &bridge) place = {};
  std::erase(next->bridges, &bridge);
  std::replace(next->nowhere.begin(), next->nowhere.end(), &bridge, static_cast<Ofproto*>(nullptr));
  publish(std::move(next));
  rcu::synchronize();
  packet_ins_.forget(bridge);
  own_frames_.forget(bridge);
  memberships_.forget(bridge);
}

std::uint32_t Upcalls::nowhere(Ofproto& bridge) {
  const auto& places = map_.get()->nowhere;
  const auto number_of = [&](auto it) {
    return Map::kNowhere + static_cast<std::uint32_t>(it - places.begin());
  };
  if (const auto it = std::find(places.begin(), places.end(), &bridge); it != places.end())
    return number_of(it);
  const auto free = std::find(places.begin(), places.end(), nullptr);
  const std::uint32_t number = number_of(free);
  auto next = std::make_unique<Map>(*map_.get());
  if (free == places.end())
    next->nowhere.push_back(&bridge);
  else
    next->nowhere[number - Map::kNowhere] = &bridge;
  publish(std::move(next));
  return number;
}

Upcalls::Place Upcalls::place(std::uint32_t dp_port) const {
  const Map* map = map_.get();
  if (dp_port >= Map::kNowhere) {
    const std::uint32_t i = dp_port - Map::kNowhere;
    return i < map->nowhere.size() ? Place{map->nowhere[i], action::of_port::kNone} : Place{};
  }
  return dp_port < map->ports.size() ? map->ports[dp_port] : Place{};
}

std::uint64_t Upcalls::epoch() const {
  const Map* map = map_.get();
  std::uint64_t sum = map->base;
  for (const Ofproto* bridge : map->bridges) sum += bridge->pipeline().epoch();
  return sum;
}

std::uint64_t Upcalls::tables_epoch() const {
  const Map* map = map_.get();
  std::uint64_t sum = map->base;
  for (const Ofproto* bridge : map->bridges) sum += bridge->pipeline().tables_epoch();
  return sum;
}

bool Upcalls::unchanged(const flow::FlowKey& key, const datapath::Basis& basis) const {
  const auto rest = std::bit_cast<Rest>(basis);
  const Place from = place(key.in_port.host());
  return rest.tables == tables_epoch() && from.bridge && rest.l2.unchanged();
}

void Upcalls::translate(const flow::FlowKey& key, const packet::Packet* packet, Instant now,
                        datapath::UpcallResult& result) {
  const Place from = place(key.in_port.host());
  if (!from.bridge) {  // the port is being added or removed at this moment
    result.mask.bits.in_port = ~be32{0};
    result.mask.bits.recirc_id = ~be32{0};
    result.mask.bits.eth_type = ~be16{0};
    result.drop_reason = packet::DropReason::UnknownInputPort;
    return;
  }
  Rest rest{.tables = tables_epoch()};
  flow::FlowKey seen = key;
  seen.in_port = be32{from.of_port};
  pipeline::TranslationResult translation;
  from.bridge->pipeline().translate(seen, packet != nullptr, now, translation);

  result.mask = translation.mask;
  if (!wildcards_.load(std::memory_order_relaxed))
    for (std::size_t word = 0; word < flow::kDatapathWords; ++word)
      flow::set_word(result.mask.bits, word, ~std::uint64_t{0});
  result.cacheable = translation.cacheable;
  if (observer_ && packet) {
    observer_->translated(*from.bridge, seen, translation);
    result.cacheable = false;
  }
  rest.l2 = translation.l2;
  result.basis = std::bit_cast<datapath::Basis>(rest);
  result.program = std::move(translation.program);
  if (translation.drop) result.drop_reason = *translation.drop;
  result.stats = std::make_unique<CreditSink>(std::move(translation.credits));
}

void Upcalls::packet_in(const packet::Packet& packet, const flow::FlowKey& key,
                        const dp_action::Userspace& action) {
  const Place from = place(key.in_port.host());
  PacketInQueue& queue = queue_of(action.slow);
  if (!from.bridge || action.dont_send) return;
  const auto unwanted = [&](const Ofproto& bridge) {
    return action.slow == dp_action::Userspace::Slow::None &&
           (bridge.wanted_packet_ins() >> (action.reason & 31) & 1) == 0;
  };
  const bool may_be_elsewhere = action.recirc_id != 0;
  if (!may_be_elsewhere && unwanted(*from.bridge)) return;
  // Before the other bridge is looked for: what the queue has no room for is to cost as little as can be.
  if (queue.refuse()) return;
  Ofproto* const bridge = may_be_elsewhere ? bridge_of(action, *from.bridge) : from.bridge;
  if (may_be_elsewhere && unwanted(*bridge)) return;
  if (!within_budget(packet, key.in_port.host(), action.slow)) return queue.count_refused();
  PacketIn message;
  message.bridge = bridge;
  message.key = key;
  message.key.in_port = be32{from.of_port};
  message.meta = packet.meta;
  message.action = action;
  const Bytes contents = packet.contents();
  message.bytes.assign(contents.begin(), contents.end());
  queue.push(std::move(message));
}

PacketInQueue& Upcalls::queue_of(dp_action::Userspace::Slow slow) {
  using Slow = dp_action::Userspace::Slow;
  if (slow == Slow::None) return packet_ins_;
  return slow == Slow::Multicast ? memberships_ : own_frames_;
}

bool Upcalls::within_budget(const packet::Packet& packet, std::uint32_t dp_port,
                            dp_action::Userspace::Slow slow) {
  using Slow = dp_action::Userspace::Slow;
  if (slow == Slow::None || dp_port >= Map::kNowhere) return true;  // what main sends it need not fear
  if (slow != Slow::Multicast) return own_frames_budget_.take(dp_port, 1);
  constexpr std::uint32_t kUnit = 64;
  return memberships_budget_.take(dp_port, 1 + packet.size() / kUnit);
}

void Upcalls::refill(Instant now) {
  own_frames_budget_.refill(now);
  memberships_budget_.refill(now);
}

/// Patch ports may have led the packet to another bridge than that of its port.
Ofproto* Upcalls::bridge_of(const dp_action::Userspace& action, Ofproto& first) const {
  const auto state = first.pipeline().frozen_state(action.recirc_id);
  if (!state) return &first;
  for (Ofproto* bridge : map_.get()->bridges)
    if (&bridge->pipeline() == state->data.bridge) return bridge;
  return &first;
}

}  // namespace sluice::ofproto
