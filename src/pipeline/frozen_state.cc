#include "pipeline/frozen_state.h"

#include <algorithm>

#include "base/hash.h"

namespace sluice::pipeline {

std::uint64_t FrozenData::hash(std::uint64_t secret) const {
  std::uint64_t h =
      hash_mix(secret, std::uint64_t{in_port} << 32 | table << 17 | std::uint32_t{zone} << 1 | conntracked);
  h = hash_mix(h, metadata.raw() ^ reinterpret_cast<std::uintptr_t>(bridge));
  for (unsigned i = 0; i < flow::kRegisters; i += 2)
    h = hash_mix(h, std::uint64_t{regs[i].raw()} << 32 | regs[i + 1].raw());
  for (const StackItem& item : stack)
    h = hash_mix(hash_mix(h, static_cast<std::uint64_t>(item)), static_cast<std::uint64_t>(item >> 64));
  // Lists are compared, not hashed: states that differ only in them are few.
  return hash_mix(
      h, rule_cookie ^ action_set.size() << 8 ^ remaining.size() << 16 ^ std::uint64_t{rule_table} << 24);
}

FrozenStore::~FrozenStore() {
  for (HashShard& shard : by_hash_)
    for (const auto& [hash, state] : shard.states) state->unref();
}

FrozenRef FrozenStore::intern(FrozenData data) {
  const std::uint64_t hash = data.hash(secret_);
  HashShard& shard = by_hash_[hash % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto [first, last] = shard.states.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (it->second->data == data) return FrozenRef::share(it->second);
  if (size_.load(std::memory_order_relaxed) >= kMaxStates) return {};
  for (;;) {
    const std::uint32_t id = next_id_.fetch_add(1, std::memory_order_relaxed);
    IdShard& ids = by_id_[id % kShards];
    const std::lock_guard id_lock(ids.mutex);
    if (id == 0 || ids.states.contains(id)) continue;
    auto* state = new FrozenState(id, std::move(data));
    ids.states.emplace(id, state);
    shard.states.emplace(hash, state);
    size_.fetch_add(1, std::memory_order_relaxed);
    return FrozenRef::share(state);
  }
}

FrozenRef FrozenStore::find(std::uint32_t id) const {
  IdShard& ids = by_id_[id % kShards];
  const std::lock_guard lock(ids.mutex);
  const auto it = ids.states.find(id);
  return it == ids.states.end() ? FrozenRef{} : FrozenRef::share(it->second);
}

void FrozenStore::sweep(Instant now) {
  for (HashShard& shard : by_hash_)
    for (std::size_t bucket = 0; bucket != kNoBucket;) bucket = sweep_slice(shard, bucket, now);
}

void FrozenStore::forget(const Pipeline& bridge) {
  for (HashShard& shard : by_hash_) {
    const std::lock_guard lock(shard.mutex);
    for (auto it = shard.states.begin(); it != shard.states.end();) {
      FrozenState* const state = it->second;
      if (state->data.bridge != &bridge) {
        ++it;
        continue;
      }
      IdShard& ids = by_id_[state->id() % kShards];
      const std::lock_guard id_lock(ids.mutex);
      ids.states.erase(state->id());
      it = shard.states.erase(it);
      state->unref();
      size_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

/// A worker that interns a state waits for a slice at most. States that a rehash moves between two slices are
/// seen by the next sweep.
std::size_t FrozenStore::sweep_slice(HashShard& shard, std::size_t bucket, Instant now) {
  const std::lock_guard lock(shard.mutex);
  std::vector<FrozenState*> forgotten;
  const std::size_t buckets = shard.states.bucket_count();
  const std::size_t end = std::min(buckets, bucket + kSliceBuckets);
  for (; bucket < end; ++bucket)
    for (auto it = shard.states.cbegin(bucket); it != shard.states.cend(bucket); ++it)
      if (is_forgotten(*it->second, now)) forgotten.push_back(it->second);
  for (FrozenState* state : forgotten) {
    const auto [first, last] = shard.states.equal_range(state->data.hash(secret_));
    shard.states.erase(std::find_if(first, last, [&](const auto& row) { return row.second == state; }));
    state->unref();
    size_.fetch_sub(1, std::memory_order_relaxed);
  }
  return bucket < buckets ? bucket : kNoBucket;
}

/// Under the lock of its hash shard: takes the state out of its id's if its time is over.
bool FrozenStore::is_forgotten(FrozenState& state, Instant now) {
  IdShard& ids = by_id_[state.id() % kShards];
  const std::lock_guard lock(ids.mutex);
  // One reference is the store's own; under both locks none is added to it.
  if (state.references_.load(std::memory_order_acquire) != 1) {
    state.idle_since_ = Instant{-1};
    return false;
  }
  if (state.idle_since_.ns < 0) state.idle_since_ = now;
  if (now - state.idle_since_ < kLinger) return false;
  ids.states.erase(state.id());
  return true;
}

}  // namespace sluice::pipeline
