// The megaflow table: what the pipeline decided for all packets that agree on a mask, and how to find it
// again fast.
//
// A megaflow always fixes in_port and recirc_id (they are the first word of the FlowKey), so the table is
// split by that word: a Pass holds the megaflows of one port and one recirculation, and a look-up tries only
// the masks of its Pass instead of those of the whole pipeline. Inside a Pass it is tuple-space search
// (Srinivasan, Suri, Varghese 1999): one hash table for each distinct mask, those that hit most tried first.
// A mask is kept as the list of FlowKey words that it touches, so hashing and comparing cost what the mask is
// wide, not what the key is wide.
//
// look_up() takes a batch: for each mask it hashes all keys still unfound and prefetches their buckets, then
// their megaflows, then compares, so that memory latency overlaps. The masked words are computed once and
// serve both the hash and the comparison. Two megaflows may overlap only if they agree (the translator
// guarantees it), so the first hit is the answer.
//
// Bounds: masks per Pass (past it a megaflow is installed with the exact mask), megaflows in all (past it one
// that was not used lately is evicted). Hashes are keyed with a secret.
//
// Invariants: a megaflow's address is stable until reclaim(); remove() and eviction only unlink it, so that a
// batch may keep using what it found. Thread: one worker owns the table; counters of a megaflow may be read
// by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "cache/basis.h"
#include "cache/stats_sink.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"

namespace sluice::cache {

class Subtable;

/// One entry: first the line that every packet touches, then the key words, then the rest.
struct alignas(64) Megaflow {
  // Written by the worker with relaxed stores.
  std::atomic<std::uint64_t> packets{0}, bytes{0};
  std::atomic<std::int64_t> last_used_ns{kNever};
  std::atomic<std::uint16_t> tcp_flags{0};
  /// Of a packet that the program sends nowhere.
  packet::DropReason drop_reason = packet::DropReason::NoActions;
  bool linked = true;          ///< false once removed: only the batch in progress still uses it
  std::uint32_t slot = 0;      ///< index in the table, for cursors
  std::uint64_t epoch = 0;     ///< the pipeline's epoch that the program was last found valid under
  dp_action::Program program;  ///< never changes while linked

  /// The masked key, only the words that the mask touches, in order.
  std::array<std::uint64_t, flow::kDatapathWords> words;

  Subtable* subtable = nullptr;
  std::uint64_t hash = 0;
  std::unique_ptr<StatsSink> stats;
  Basis basis;
  std::uint64_t credited_packets = 0, credited_bytes = 0;
  Instant created;

  static constexpr std::int64_t kNever = INT64_MIN;

  void count(std::uint64_t n, std::uint64_t n_bytes, std::uint16_t flags, Instant now) {
    packets.store(packets.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    bytes.store(bytes.load(std::memory_order_relaxed) + n_bytes, std::memory_order_relaxed);
    const std::uint16_t seen = tcp_flags.load(std::memory_order_relaxed);
    if ((seen | flags) != seen) tcp_flags.store(seen | flags, std::memory_order_relaxed);
    last_used_ns.store(now.ns, std::memory_order_relaxed);
  }
  /// Gives what was counted since the last call to the sink.
  void credit();
  /// The mask and the masked key.
  flow::Match match() const;
  const flow::Mask& mask() const;
};

struct MegaflowLimits {
  std::uint32_t megaflows = limits::kMegaflows;
  std::uint32_t masks_per_pass = limits::kMasksPerPass;  ///< the exact mask not counted
};

class MegaflowTable {
 public:
  MegaflowTable(const MegaflowLimits& limits, std::uint64_t secret);
  ~MegaflowTable();
  MegaflowTable(const MegaflowTable&) = delete;
  MegaflowTable& operator=(const MegaflowTable&) = delete;

  /// Sets found[i] for each of n <= 32 keys, nullptr where no megaflow covers it. Returns the bit set of
  /// those.
  std::uint32_t look_up(const flow::FlowKey* const* keys, unsigned n, Megaflow** found);
  Megaflow* find(const flow::FlowKey& key) {
    const flow::FlowKey* keys[] = {&key};
    Megaflow* found = nullptr;
    look_up(keys, 1, &found);
    return found;
  }

  /// Installs a megaflow that covers the key. The mask is cut to the datapath part of the key and widened by
  /// in_port and recirc_id. One with the same mask and masked key is replaced. Always succeeds.
  Megaflow& insert(const flow::FlowKey& key, const flow::Mask& mask, dp_action::Program program,
                   std::unique_ptr<StatsSink> stats, std::uint64_t epoch, Instant now);
  /// How many there may be, at least one. Those beyond it go with trim() and as others come.
  void set_limit(std::uint32_t megaflows);
  /// Removes at most so many of those beyond the limit.
  void trim(unsigned most);

  /// Unlinks it. It is credited and destroyed by the next reclaim().
  void remove(Megaflow& megaflow);
  void clear();
  /// Credits and destroys what was unlinked. Call when no pointer from look_up() is in use.
  void reclaim();

  std::uint32_t size() const { return size_; }
  std::uint32_t masks() const { return masks_; }
  /// Cursors: slots() grows only; at() is nullptr for an unused slot.
  std::uint32_t slots() const { return static_cast<std::uint32_t>(slots_.size()); }
  Megaflow* at(std::uint32_t slot) { return slots_[slot].get(); }

  /// Sorts the masks of each Pass by their hits since the last time. Housekeeping.
  void sort_masks();

  std::uint64_t probes() const { return probes_; }  ///< masks tried, for all keys
  std::uint64_t exact_instead() const { return exact_instead_; }

 private:
  struct Pass;

  Pass* find_pass(std::uint64_t word0);
  Subtable& subtable_for(Pass& pass, const flow::Mask& mask);
  void evict_one();

  MegaflowLimits limits_;
  std::array<std::uint64_t, flow::kDatapathWords + 1> secrets_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Pass>> passes_;
  Pass* last_pass_ = nullptr;  // most batches are of one port and one recirculation
  std::vector<std::unique_ptr<Megaflow>> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<std::unique_ptr<Megaflow>> unlinked_;
  std::vector<std::unique_ptr<Subtable>> retired_subtables_;
  std::uint32_t size_ = 0, masks_ = 0, evict_hand_ = 0;
  std::uint64_t probes_ = 0, exact_instead_ = 0;
};

}  // namespace sluice::cache
