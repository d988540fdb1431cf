// PortLanes: which ports of a crowded lane are taken, so that the next free one is found without trying them
// all.
//
// A lane is all tuples that differ in one port only: those that NAT can choose among for one remote endpoint
// and one address of its own. The truth is the connection table, where every tuple is looked up before it is
// taken; a lane's bits say what need not be looked up. They are made where a search meets many taken ports
// (nat/search.h), chunk by chunk, and cost nothing elsewhere.
//
// Invariants: a bit is set and cleared under the lock of the entry that has the tuple, and the entry
// remembers that it has one (Entry::port_lanes), so that no bit outlives its connection. A chunk lives as
// long as it has bits. Any thread; the lock of a chunk is the innermost of all.
#pragma once

#include <cstdint>
#include <optional>

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
constexpr Lane lane_of(bool reply, Side varied) {
  return kLanes[(reply ? 2 : 0) + (varied == Side::Source ? 0 : 1)];
}

/// Names the lane of the tuples that differ from this one in the port of one side.
std::uint64_t lane_hash(const TupleKey& tuple, Side varied, const Secret& secret);

class PortLanes {
 public:
  explicit PortLanes(std::uint32_t max_chunks);

  /// False if there is no memory for it: the port will be looked up again.
  bool set(std::uint64_t lane, std::uint16_t port);
  void clear(std::uint64_t lane, std::uint16_t port);
  /// The first port in [from, to] without a bit.
  std::optional<std::uint16_t> next_clear(std::uint64_t lane, std::uint32_t from, std::uint32_t to);

  /// Forgets all tuples of the locked entry, whose life ends.
  void forget(const Entry& entry, const Secret& secret);

  /// Chunks now in use; for tests of leaks.
  std::uint32_t chunks() const { return used_.load(std::memory_order_relaxed); }
  std::size_t touched_bytes() const { return slab_.touched_bytes(); }

 private:
  static constexpr unsigned kShift = 11, kPorts = 1u << kShift;
  struct Chunk {
    std::uint64_t hash;   ///< of lane and number; others read it while they look for theirs
    std::uint32_t ports;  ///< bits set
    std::uint64_t bits[kPorts / 64];
  };

  /// The chunk's lock is held.
  std::uint32_t find(std::uint64_t hash) const;

  TagIndex index_;
  Slab<Chunk> slab_;
  std::atomic<std::uint32_t> used_{0};
};

}  // namespace sluice::conntrack::nat
