#include "conntrack/nat/port_lanes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.h"

namespace sluice::conntrack::nat {
namespace {

std::uint64_t chunk_hash(std::uint64_t lane, std::uint32_t number) {
  return hash_mix(lane, number + 1);
}

}  // namespace

std::uint64_t lane_hash(const TupleKey& tuple, Side varied, const Secret& secret) {
  TupleKey fixed = tuple;
  fixed.set_port(varied, 0);
  const Key::Words words = fixed.key.words();
  std::uint64_t hash = hash_mix(hash_mix(secret.address_hi, words.addresses), words.rest);
  if (tuple.is_ipv6()) {
    std::uint64_t addresses[4];
    std::memcpy(addresses, tuple.ipv6, sizeof addresses);
    hash = hash_words(addresses, 4, hash);
  }
  return hash_mix(hash, varied == Side::Source ? 1 : 2);
}

PortLanes::PortLanes(std::uint32_t max_chunks) : index_(max_chunks), slab_(max_chunks) {}

std::uint32_t PortLanes::find(std::uint64_t hash) const {
  return index_.find(
      hash, [&](std::uint32_t name) { return __atomic_load_n(&slab_[name].hash, __ATOMIC_RELAXED) == hash; });
}

bool PortLanes::set(std::uint64_t lane, std::uint16_t port) {
  const std::uint64_t hash = chunk_hash(lane, port >> kShift);
  const TagIndex::HomeLock lock(index_, hash);
  std::uint32_t name = find(hash);
  if (name == TagIndex::kNone) {
    const auto hint = static_cast<std::uint32_t>(hash);
    name = slab_.allocate(hint);
    if (name == Slab<Chunk>::kNone) return false;
    Chunk& fresh = slab_[name];
    __atomic_store_n(&fresh.hash, hash, __ATOMIC_RELAXED);
    fresh.ports = 0;
    std::fill(std::begin(fresh.bits), std::end(fresh.bits), 0);
    if (!index_.insert(hash, name)) {
      slab_.release(name, hint);
      return false;
    }
    used_.fetch_add(1, std::memory_order_relaxed);
  }
  Chunk& chunk = slab_[name];
  std::uint64_t& word = chunk.bits[(port % kPorts) / 64];
  const std::uint64_t bit = std::uint64_t{1} << port % 64;
  chunk.ports += (word & bit) == 0;
  word |= bit;
  return true;
}

void PortLanes::clear(std::uint64_t lane, std::uint16_t port) {
  const std::uint64_t hash = chunk_hash(lane, port >> kShift);
  const TagIndex::HomeLock lock(index_, hash);
  const std::uint32_t name = find(hash);
  if (name == TagIndex::kNone) return;
  Chunk& chunk = slab_[name];
  std::uint64_t& word = chunk.bits[(port % kPorts) / 64];
  const std::uint64_t bit = std::uint64_t{1} << port % 64;
  chunk.ports -= (word & bit) != 0;
  word &= ~bit;
  if (chunk.ports != 0) return;
  index_.erase(hash, name);
  // Nobody may take it for what it was while it waits for its next use.
  __atomic_store_n(&chunk.hash, 0, __ATOMIC_RELAXED);
  slab_.release(name, static_cast<std::uint32_t>(hash));
  used_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<std::uint16_t> PortLanes::next_clear(std::uint64_t lane, std::uint32_t from, std::uint32_t to) {
  while (from <= to) {
    const std::uint32_t number = from >> kShift;
    const std::uint32_t last = std::min(to, (number << kShift) + kPorts - 1);
    const std::uint64_t hash = chunk_hash(lane, number);
    const TagIndex::HomeLock lock(index_, hash);
    const std::uint32_t name = find(hash);
    if (name == TagIndex::kNone) return static_cast<std::uint16_t>(from);
    const Chunk& chunk = slab_[name];
    while (from <= last) {
      const std::uint64_t free = ~chunk.bits[(from % kPorts) / 64] >> from % 64;
      const std::uint32_t skip =
          free == 0 ? 64 - from % 64 : static_cast<std::uint32_t>(std::countr_zero(free));
      from += skip;
      if (free != 0) {
        if (from <= last) return static_cast<std::uint16_t>(from);
        break;
      }
    }
    from = last + 1;
  }
  return std::nullopt;
}

void PortLanes::forget(const Entry& entry, const Secret& secret) {
  const std::uint8_t held = entry.port_lanes();
  if (held == 0) [[likely]]
    return;
  for (const Lane lane : kLanes) {
    if ((held & static_cast<unsigned>(lane)) == 0) continue;
    const bool reply = lane == Lane::ReplySource || lane == Lane::ReplyDestination;
    const Side varied =
        lane == Lane::OriginalSource || lane == Lane::ReplySource ? Side::Source : Side::Destination;
    const TupleKey key = reply ? reply_of(entry, secret) : original_of(entry);
    clear(lane_hash(key, varied, secret), key.port(varied));
  }
}

}  // namespace sluice::conntrack::nat
