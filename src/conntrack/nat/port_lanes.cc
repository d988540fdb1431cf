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

namespace {

/// A crowded lane of kCrowd + n connections has at most min(n, 32) chunks and a summary; a lane of some more
/// than Search::kDirect that collide has one chunk.
std::uint32_t max_chunks(std::uint32_t max_connections) {
  return max_connections / 8 + 64;
}
/// About four connections for a counter if no two of them share a lane.
std::uint32_t crowds(std::uint32_t max_connections) {
  return std::bit_ceil(std::max(max_connections / 4, 1024u));
}

}  // namespace

PortLanes::PortLanes(std::uint32_t max_connections)
    : index_(max_chunks(max_connections)),
      slab_(max_chunks(max_connections)),
      crowd_mask_(crowds(max_connections) - 1),
      crowds_memory_(std::size_t{crowds(max_connections)} * sizeof(std::atomic<std::uint32_t>)) {}

std::uint64_t PortLanes::counted() const {
  const auto* const all = static_cast<const std::atomic<std::uint32_t>*>(crowds_memory_.data());
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i <= crowd_mask_; ++i) sum += all[i].load(std::memory_order_relaxed);
  return sum;
}

std::uint32_t PortLanes::find(std::uint64_t hash) const {
  return index_.find(
      hash, [&](std::uint32_t name) { return __atomic_load_n(&slab_[name].hash, __ATOMIC_RELAXED) == hash; });
}

PortLanes::Chunk* PortLanes::obtain(std::uint64_t hash) {
  if (const std::uint32_t known = find(hash); known != TagIndex::kNone) return &slab_[known];
  const auto hint = static_cast<std::uint32_t>(hash);
  const std::uint32_t name = slab_.allocate(hint);
  if (name == Slab<Chunk>::kNone) return nullptr;
  Chunk& fresh = slab_[name];
  __atomic_store_n(&fresh.hash, hash, __ATOMIC_RELAXED);
  fresh.set = fresh.full_words = 0;
  std::fill(std::begin(fresh.bits), std::end(fresh.bits), 0);
  if (!index_.insert(hash, name)) {
    slab_.release(name, hint);
    return nullptr;
  }
  used_.fetch_add(1, std::memory_order_relaxed);
  return &fresh;
}

void PortLanes::release_empty(std::uint64_t hash, std::uint32_t name) {
  Chunk& chunk = slab_[name];
  if (chunk.set != 0) return;
  index_.erase(hash, name);
  // Nobody may take it for what it was while it waits for its next use.
  __atomic_store_n(&chunk.hash, 0, __ATOMIC_RELAXED);
  slab_.release(name, static_cast<std::uint32_t>(hash));
  used_.fetch_sub(1, std::memory_order_relaxed);
}

void PortLanes::put(Chunk& chunk, std::uint16_t port) {
  const unsigned number = port % kPorts / 64;
  std::uint64_t& word = chunk.bits[number];
  word |= std::uint64_t{1} << port % 64;
  chunk.full_words |= static_cast<std::uint32_t>(~word == 0) << number;
  ++chunk.set;
}

void PortLanes::take(Chunk& chunk, std::uint16_t port) {
  const unsigned number = port % kPorts / 64;
  chunk.bits[number] &= ~(std::uint64_t{1} << port % 64);
  chunk.full_words &= ~(1u << number);
  --chunk.set;
}

void PortLanes::summarize(std::uint64_t summary_hash, std::uint32_t number, bool full) {
  const std::uint32_t bit = 1u << number;
  if (full) {
    Chunk* const summary = obtain(summary_hash);
    if (summary == nullptr || (summary->full_words & bit) != 0) return;
    summary->full_words |= bit;
    ++summary->set;
  } else if (const std::uint32_t name = find(summary_hash); name != TagIndex::kNone) {
    Chunk& summary = slab_[name];
    if ((summary.full_words & bit) == 0) return;
    summary.full_words &= ~bit;
    --summary.set;
    release_empty(summary_hash, name);
  }
}

void PortLanes::prefetch(std::uint64_t lane, std::uint16_t port) const {
  __builtin_prefetch(&crowd(lane), 1);
  index_.prefetch(chunk_hash(lane, port >> kShift));
}

bool PortLanes::set(std::uint64_t lane, std::uint16_t port) {
  const std::uint32_t number = port >> kShift;
  const std::uint64_t hash = chunk_hash(lane, number);
  {
    const TagIndex::HomeLock lock(index_, hash);
    Chunk* const chunk = obtain(hash);
    if (chunk == nullptr) return false;
    if (has(*chunk, port)) return true;
    if (chunk->set + 1 < kPorts) {
      put(*chunk, port);
      return true;
    }
  }
  // The last one: the summary is to know. Others may have been here since.
  const std::uint64_t summary_hash = chunk_hash(lane, kSummary);
  const TagIndex::TwoHomeLocks locks(index_, hash, summary_hash);
  Chunk* const chunk = obtain(hash);
  if (chunk == nullptr) return false;
  if (!has(*chunk, port)) put(*chunk, port);
  if (chunk->set == kPorts) summarize(summary_hash, number, true);
  return true;
}

void PortLanes::clear(std::uint64_t lane, std::uint16_t port) {
  const std::uint32_t number = port >> kShift;
  const std::uint64_t hash = chunk_hash(lane, number);
  {
    const TagIndex::HomeLock lock(index_, hash);
    const std::uint32_t name = find(hash);
    if (name == TagIndex::kNone || !has(slab_[name], port)) return;
    if (slab_[name].set < kPorts) {
      take(slab_[name], port);
      release_empty(hash, name);
      return;
    }
  }
  const std::uint64_t summary_hash = chunk_hash(lane, kSummary);
  const TagIndex::TwoHomeLocks locks(index_, hash, summary_hash);
  const std::uint32_t name = find(hash);
  if (name == TagIndex::kNone || !has(slab_[name], port)) return;
  take(slab_[name], port);
  summarize(summary_hash, number, false);
  release_empty(hash, name);
}

std::uint32_t PortLanes::next_clear(const Chunk& chunk, std::uint32_t from) {
  const std::uint32_t base = from & ~(kPorts - 1), word = from % kPorts / 64;
  if (const std::uint64_t here = ~chunk.bits[word] >> from % 64; here != 0)
    return from + static_cast<std::uint32_t>(std::countr_zero(here));
  const std::uint32_t later = word + 1 == kWords ? 0 : ~chunk.full_words & ~0u << (word + 1);
  if (later == 0) return base + kPorts;
  const auto next = static_cast<std::uint32_t>(std::countr_zero(later));
  return base + next * 64 + static_cast<std::uint32_t>(std::countr_zero(~chunk.bits[next]));
}

std::optional<std::uint16_t> PortLanes::next_clear(std::uint64_t lane, std::uint32_t from, std::uint32_t to) {
  while (from <= to) {
    const std::uint32_t number = from >> kShift;
    {
      const std::uint64_t hash = chunk_hash(lane, number);
      const TagIndex::HomeLock lock(index_, hash);
      const std::uint32_t name = find(hash);
      const std::uint32_t found = name == TagIndex::kNone ? from : next_clear(slab_[name], from);
      if (found >> kShift == number) {
        if (found > to) return std::nullopt;
        return static_cast<std::uint16_t>(found);
      }
    }
    if (number + 1 == kChunks) break;
    std::uint32_t open = ~0u << (number + 1);
    {
      const std::uint64_t hash = chunk_hash(lane, kSummary);
      const TagIndex::HomeLock lock(index_, hash);
      if (const std::uint32_t name = find(hash); name != TagIndex::kNone) open &= ~slab_[name].full_words;
    }
    if (open == 0) break;
    from = static_cast<std::uint32_t>(std::countr_zero(open)) << kShift;
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
  for (const Side varied : {Side::Source, Side::Destination})
    if ((held & counted_by(varied)) != 0) leave(lane_hash(reply_of(entry, secret), varied, secret));
}

}  // namespace sluice::conntrack::nat
