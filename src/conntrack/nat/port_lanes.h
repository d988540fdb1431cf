// PortLanes: which ports of a crowded lane are taken, so that the next free one is found at once.
//
// A lane is all tuples that differ in one port only: those that NAT can choose among for one remote endpoint
// and one address of its own. The truth is the connection table, where every tuple is looked up before it is
// taken; a lane's bits say what need not be looked up.
//
//   crowds   how many translated connections have their reply tuple in a lane, for many lanes a counter
//   chunk    the bits of 2048 ports, and which words of them are full     one a lane and stretch of ports
//   summary  which chunks of a lane are full
//
// Most lanes hold a few connections and cost a count each. From the kCrowd-th on their ports are recorded as
// they are taken, and so is what a search finds taken (nat/search.h): a search looks up at most kCrowd ports
// in vain that translated connections hold, and each of them once. Counters are shared by lanes that collide,
// which records some early.
//
// Invariants: a bit is set and cleared under the lock of the entry that has the tuple, and the entry
// remembers that it has one and that it was counted (Entry::port_lanes), so that neither outlives its
// connection. A chunk lives as long as it has bits; a summary knows all full chunks, or is missing for want
// of memory, which costs time alone. Any thread; the locks of a chunk and its summary are the innermost.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/reserved_memory.h"
#include "base/slab.h"
#include "base/tag_index.h"
#include "conntrack/nat/tuple_key.h"

namespace sluice::conntrack::nat {

/// Which tuple of a connection lies in which lane: bits of Entry::port_lanes.
enum class Lane : std::uint8_t {
  OriginalSource = 0x01,  ///< the original tuple, among those that differ in the source port
  OriginalDestination = 0x02,
  ReplySource = 0x04,
  ReplyDestination = 0x08,
};
inline constexpr Lane kLanes[] = {Lane::OriginalSource, Lane::OriginalDestination, Lane::ReplySource,
                                  Lane::ReplyDestination};
/// More bits of Entry::port_lanes: the lanes of the reply tuple in which it counts.
inline constexpr std::uint8_t kCountedBySource = 0x10, kCountedByDestination = 0x20;
constexpr std::uint8_t counted_by(Side varied) {
  return varied == Side::Source ? kCountedBySource : kCountedByDestination;
}
constexpr Lane lane_of(bool reply, Side varied) {
  return kLanes[(reply ? 2 : 0) + (varied == Side::Source ? 0 : 1)];
}

/// Names the lane of the tuples that differ from this one in the port of one side.
std::uint64_t lane_hash(const TupleKey& tuple, Side varied, const Secret& secret);

class PortLanes {
 public:
  /// So many connections of a lane need not be recorded.
  static constexpr std::uint32_t kCrowd = 256;

  explicit PortLanes(std::uint32_t max_connections);

  bool has_memory() const { return index_.has_memory() && slab_.has_memory() && crowds_memory_; }

  /// A connection has its reply tuple in the lane. @return whether its port is to be set()
  bool enter(std::uint64_t lane) { return crowd(lane).fetch_add(1, std::memory_order_relaxed) >= kCrowd; }
  void leave(std::uint64_t lane) { crowd(lane).fetch_sub(1, std::memory_order_relaxed); }

  /// Fetches what enter() and set() will touch.
  void prefetch(std::uint64_t lane, std::uint16_t port) const;

  /// False if there is no memory for it: the port will be looked up again.
  bool set(std::uint64_t lane, std::uint16_t port);
  void clear(std::uint64_t lane, std::uint16_t port);
  /// The first port in [from, to] without a bit.
  std::optional<std::uint16_t> next_clear(std::uint64_t lane, std::uint32_t from, std::uint32_t to);

  /// Forgets all tuples of the locked entry, whose life ends.
  void forget(const Entry& entry, const Secret& secret);

  /// Chunks and summaries now in use; for tests of leaks.
  std::uint32_t chunks() const { return used_.load(std::memory_order_relaxed); }
  /// The sum of all crowds; for tests of leaks.
  std::uint64_t counted() const;
  std::size_t touched_bytes() const { return slab_.touched_bytes() + crowds_memory_.size(); }

 private:
  static constexpr unsigned kShift = 11, kPorts = 1u << kShift, kWords = kPorts / 64;
  static constexpr std::uint32_t kChunks = 65536 / kPorts, kSummary = kChunks;
  struct Chunk {
    std::uint64_t hash;        ///< of lane and number; others read it while they look for theirs
    std::uint32_t set;         ///< bits | of a summary: full chunks
    std::uint32_t full_words;  ///< a bit each | of a summary: a bit for each full chunk
    std::uint64_t bits[kWords];
  };
  static_assert(kWords == 32 && kChunks == 32);

  std::atomic<std::uint32_t>& crowd(std::uint64_t lane) const {
    return static_cast<std::atomic<std::uint32_t>*>(crowds_memory_.data())[lane >> 32 & crowd_mask_];
  }

  // The lock of the hash is held.
  std::uint32_t find(std::uint64_t hash) const;
  /// Finds or makes it; null without memory.
  Chunk* obtain(std::uint64_t hash);
  /// Frees it if it is empty.
  void release_empty(std::uint64_t hash, std::uint32_t name);
  /// The chunk is full now, or no longer. The summary's lock is held.
  void summarize(std::uint64_t summary_hash, std::uint32_t number, bool full);

  /// Sets a bit and whether its word is full.
  static void put(Chunk& chunk, std::uint16_t port);
  static void take(Chunk& chunk, std::uint16_t port);
  static bool has(const Chunk& chunk, std::uint16_t port) {
    return (chunk.bits[port % kPorts / 64] >> port % 64 & 1) != 0;
  }
  /// The first port of the chunk at or after `from` without a bit, beyond its last one if there is none.
  static std::uint32_t next_clear(const Chunk& chunk, std::uint32_t from);

  TagIndex index_;
  Slab<Chunk> slab_;
  const std::uint32_t crowd_mask_;
  ReservedMemory crowds_memory_;
  std::atomic<std::uint32_t> used_{0};
};

}  // namespace sluice::conntrack::nat
