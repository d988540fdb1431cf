// Groups of one bridge: what a flow's group action sends packets to (OpenFlow 1.5.1 section 5.10).
//
// A Group is immutable once published, except for its visibility (versions, as in Rule) and its counters; a
// group-mod publishes another Group under the same id. Counters live on their own, so that a megaflow counts
// into what it once went through. GroupTable finds groups by id: open addressing over pointers, each to the
// newest group with that id and behind it the older ones that a reader may still be at.
//
// Threads: find() by any worker under RCU; the rest by the writer of the flow tables.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "action/group_spec.h"
#include "base/clock.h"
#include "base/rcu.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

class Group {
 public:
  /// Slots of the dp_hash table: more are not worth a mask of more than eight bits.
  static constexpr unsigned kMinSlots = 16, kMaxSlots = 256, kMaxHashedBuckets = 64;

  /// @param described_bytes  what its description takes of a message of OpenFlow 1.5
  static Ref<Group> create(action::GroupSpec spec, std::size_t described_bytes, Instant created) {
    return Ref<Group>::adopt(new Group(std::move(spec), described_bytes, created));
  }

  const action::GroupSpec& spec() const { return spec_; }
  std::uint32_t id() const { return spec_.id; }
  std::size_t described_bytes() const { return described_bytes_; }
  Instant created() const { return created_; }
  const Ref<RuleStats>& stats() const { return stats_; }
  const Ref<RuleStats>& bucket_stats(std::size_t bucket) const { return bucket_stats_[bucket]; }

  /// Whether packets are spread by a hash that the datapath computes, and how.
  bool uses_dp_hash() const { return !slots_.empty(); }
  std::uint32_t slot_mask() const { return static_cast<std::uint32_t>(slots_.size() - 1); }
  /// The bucket (by index) that a hash falls to.
  unsigned bucket_of(std::uint32_t hash) const { return slots_[hash & slot_mask()]; }
  bool symmetric() const { return symmetric_; }
  std::uint32_t basis() const { return basis_; }

  bool visible_in(std::uint64_t version) const {
    return added_.load(std::memory_order_relaxed) <= version &&
           version < removed_.load(std::memory_order_relaxed);
  }
  void set_added(std::uint64_t version) { added_.store(version, std::memory_order_relaxed); }
  void set_removed(std::uint64_t version) { removed_.store(version, std::memory_order_relaxed); }
  std::uint64_t added_in() const { return added_.load(std::memory_order_relaxed); }
  bool is_removed() const { return removed_.load(std::memory_order_relaxed) != Rule::kForever; }

  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  friend class GroupTable;
  Group(action::GroupSpec spec, std::size_t described_bytes, Instant created);
  ~Group() = default;
  void fill_slots();

  std::atomic<Group*> older_{nullptr};  ///< same id
  const action::GroupSpec spec_;
  const std::size_t described_bytes_;
  const Instant created_;
  Ref<RuleStats> stats_;
  std::vector<Ref<RuleStats>> bucket_stats_;
  std::vector<std::uint8_t> slots_;  ///< of a hash, to the index of the bucket
  std::uint32_t basis_ = 0;
  bool symmetric_ = true;
  std::atomic<std::uint64_t> added_{0}, removed_{Rule::kForever};
  std::atomic<std::uint32_t> references_{1};
};
using GroupRef = Ref<Group>;

class GroupTable {
 public:
  GroupTable();
  ~GroupTable();
  GroupTable(const GroupTable&) = delete;
  GroupTable& operator=(const GroupTable&) = delete;

  const Group* find(std::uint32_t id, std::uint64_t version) const;

  // --- Writer

  /// The group that is there now, changes in progress included.
  Group* current(std::uint32_t id) const;
  /// Takes a reference.
  void insert(Group* group);
  /// Unlinks; the reference goes after a grace period.
  void remove(Group* group);
  /// Groups that are not removed, by id.
  std::vector<Group*> all() const;

 private:
  struct Cells {
    explicit Cells(std::size_t size);
    std::size_t mask;
    std::unique_ptr<std::atomic<Group*>[]> cell;
  };
  static Group* tombstone() {
    return reinterpret_cast<Group*>(std::uintptr_t{1});  // NOLINT(performance-no-int-to-ptr): never followed
  }
  std::atomic<Group*>* cell_of(std::uint32_t id) const;
  void make_room();

  rcu::Published<Cells> cells_;
  std::size_t used_ = 0;
};

}  // namespace sluice::pipeline
