// What the pipeline must remember while a packet is in the datapath between two passes (recirculation after
// ct() or MPLS), or until a controller looks at it: registers, metadata, stack, action set. A datapath key
// has room for one number, the recirculation id; the state behind it is here.
//
// States are interned: equal states have one id, so that megaflows of one path share one recirculation
// megaflow. A state lives as long as something refers to it (a megaflow through its Credits, a translation)
// and ten seconds more, because the packets themselves hold no reference.
//
// Threads: intern() and find() by any worker (short critical sections in one of 16 shards), sweep() by main.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "action/action.h"
#include "base/clock.h"
#include "flow/flow_key.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

/// What is pushed: a value of up to 128 bits.
using StackItem = field::FieldValue;

/// Beside OpenFlow's reasons of packet-ins, inside the switch only: the table-miss flow of OpenFlow 1.3 sent
/// it, priority 0 and matching all. The number is what ovs-vswitchd shows in datapath actions.
inline constexpr std::uint8_t kReasonExplicitMiss = 6;

class Pipeline;

struct FrozenData {
  const Pipeline* bridge = nullptr;  ///< where the packet goes on: patch ports may have led it there
  std::uint32_t in_port = 0;         ///< OpenFlow port
  be64 metadata;
  std::array<be32, flow::kRegisters> regs{};
  std::vector<StackItem> stack;
  action::ActionList action_set;
  action::ActionList remaining;  ///< of the list that was interrupted, to run before the table
  std::uint8_t table =
      action::kNoTable;           ///< resumes here; kNoTable: nowhere (controller, or only `remaining`)
  std::uint16_t zone = 0;         ///< of the ct() that froze
  bool conntracked = false;       ///< false: ct_* fields of the packet are hidden
  std::uint64_t rule_cookie = 0;  ///< of the rule that sent the packet to a controller
  std::uint8_t rule_table = 0;
  std::uint32_t mirrored = 0;  ///< mirrors that have their copy already
  std::string bond;            ///< not empty: the packet leaves by the member that its dp_hash chooses
  bool from_rule = false;      ///< false: a packet-out's own action
  std::vector<std::uint8_t> userdata;  ///< of the controller action

  bool operator==(const FrozenData&) const = default;
  std::uint64_t hash(std::uint64_t secret) const;
};

class FrozenState {
 public:
  FrozenState(std::uint32_t id, FrozenData frozen) : data(std::move(frozen)), id_(id) {}
  std::uint32_t id() const { return id_; }
  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const FrozenData data;

 private:
  friend class FrozenStore;
  const std::uint32_t id_;
  std::atomic<std::uint32_t> references_{1};
  Instant idle_since_{
      -1};  ///< unreferenced since this sweep, negative: referenced. Guarded by the hash shard.
};
using FrozenRef = Ref<FrozenState>;

class FrozenStore {
 public:
  /// Most states at once: each is some hundred bytes, and a flow table that needs more makes states out of
  /// packets.
  static constexpr std::size_t kMaxStates = 1'000'000;
  /// How long a state outlives its last reference.
  static constexpr Duration kLinger = Duration::seconds(10);

  explicit FrozenStore(std::uint64_t secret) : secret_(secret) {}
  ~FrozenStore();

  /// The state equal to this, made if there is none. Empty if kMaxStates are in use.
  FrozenRef intern(FrozenData data);
  FrozenRef find(std::uint32_t id) const;
  /// Forgets what has been unreferenced for kLinger.
  void sweep(Instant now);
  /// Forgets what is left of a bridge that goes away. No worker uses it any more.
  void forget(const Pipeline& bridge);
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kShards = 16;
  struct HashShard {
    std::mutex mutex;
    std::unordered_multimap<std::uint64_t, FrozenState*> states;  ///< by hash; owns a reference
  };
  struct IdShard {
    std::mutex mutex;  ///< taken inside the hash shard's
    std::unordered_map<std::uint32_t, FrozenState*> states;
  };

  static constexpr std::size_t kNoBucket = ~std::size_t{0};
  /// Buckets looked at under one lock: some microseconds.
  static constexpr std::size_t kSliceBuckets = 128;
  std::size_t sweep_slice(HashShard& shard, std::size_t bucket, Instant now);
  bool is_forgotten(FrozenState& state, Instant now);

  std::uint64_t secret_;
  std::array<HashShard, kShards> by_hash_;
  mutable std::array<IdShard, kShards> by_id_;
  std::atomic<std::uint32_t> next_id_{1};
  std::atomic<std::size_t> size_{0};
};

}  // namespace sluice::pipeline
