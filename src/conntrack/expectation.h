// Expectations: connections that a helper has seen announced inside another connection, its parent. The first
// packet that matches one is +new+rel, and the connection that is committed for it is related to the parent
// for all its life.
//
// An expectation names both addresses and the destination port; the source port is any (RFC 959 lets an FTP
// server use others than 20; a TFTP server chooses one, RFC 1350 section 4). It is used once, and ends with
// its parent, with its zone's flush, after its timeout, or when its parent announces too many others.
//
// A Family is what parent and children share: the parent's tuple, which children show as their original tuple
// even when the parent is gone. Its members refer to it by number (Entry::family); the last to leave frees
// it.
//
// Who looks for a connection in vain asks has() first: one load while nothing is expected anywhere, one more
// and a hash while something is. Everything else takes the table's lock for some tens of nanoseconds; it may
// be taken while an entry is locked, and no other lock is taken under it but those inside the slabs.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/reserved_memory.h"
#include "base/slab.h"
#include "base/spin_lock.h"
#include "conntrack/tuple.h"
#include "net/endian.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// What is compared with a packet.
struct ExpectedTuple {
  be128 src, dst;  ///< IPv4 v4-mapped
  be16 dst_port;
  std::uint16_t zone = 0;
  std::uint8_t proto = 0;
  bool is_ipv6 = false;

  bool operator==(const ExpectedTuple&) const = default;
};

struct Expectation {
  ExpectedTuple tuple;
  /// Translation that the parent's makes necessary: where the connection is really to go, and whom the
  /// receiver is to see as its source. The same as in the tuple where nothing is translated.
  be128 to, from;
  be16 to_port;
  std::uint32_t mark = 0;  ///< of the parent when it announced
  be128 label;
  std::uint16_t zone_generation = 0;
  std::uint32_t family = 0;
  Instant expires;
  std::uint64_t serial = 0;  ///< given by the table
  packet::CtTuple parent;    ///< filled in by find()

  bool is_translated() const { return to != tuple.dst || to_port != tuple.dst_port || from != tuple.src; }
};

/// A copy for dumps.
struct ExpectationSnapshot {
  Tuple expected, parent;
  std::uint16_t zone = 0;
  std::uint32_t mark = 0;
  be128 label;
  std::uint8_t helper = 0;  ///< its port
  std::int64_t expires_in_ns = 0;
};

/// A parent's tuple as dumps show it: it is TCP or UDP.
Tuple parent_of(const packet::CtTuple& parent);

struct ExpectationLimits {
  std::uint32_t total = limits::kExpectations, per_zone = limits::kExpectationsPerZone;
  std::uint32_t families = limits::kHelperFamilies, ftp_controls = limits::kFtpControls;
};

class ExpectationTable {
 public:
  ExpectationTable(const ExpectationLimits& limits, std::uint64_t secret);

  bool has_memory() const {
    return slots_.has_memory() && families_.has_memory() && buckets_ && zone_counts_ && filter_;
  }

  static constexpr std::uint32_t kNoFamily = 0;
  /// A family of one, the parent. kNoFamily if there is no room.
  /// @param attachment  whatever its helper wants to find again
  std::uint32_t found_family(const packet::CtTuple& parent, std::uint8_t helper, std::uint32_t attachment);
  /// A member's life ends; with a parent's end what is expected of the family.
  void leave_as_parent(std::uint32_t family);
  void leave_as_child(std::uint32_t family);
  // For members of the family, without the lock: these do not change.
  const packet::CtTuple& parent_tuple(std::uint32_t family) const { return families_[family - 1].parent; }
  std::uint32_t attachment(std::uint32_t family) const { return families_[family - 1].attachment; }
  bool parent_lives(std::uint32_t family);
  /// For those who are no member (any more).
  packet::CtTuple copy_parent_tuple(std::uint32_t family);

  enum class Added : std::uint8_t { New, Refreshed, ZoneFull, TableFull };
  /// What the parent of expectation.family announced. One more than limits::kExpectationsPerParent and the
  /// parent's oldest goes; what another parent expects of the same tuple makes way.
  Added add(const Expectation& expectation);
  /// Whether another family expects this tuple.
  bool is_taken(const ExpectedTuple& tuple, std::uint32_t family);

  bool has(const ExpectedTuple& tuple) const {
    return total_.load(std::memory_order_relaxed) != 0 &&
           filter(hash(tuple)).load(std::memory_order_relaxed) != 0;
  }
  bool empty() const { return total_.load(std::memory_order_relaxed) == 0; }
  /// @param zone_generation  that of the zone now: what was expected before a flush is not
  std::optional<Expectation> find(const ExpectedTuple& tuple, std::uint16_t zone_generation, Instant now);
  /// Uses up what find() returned: the caller is its child from now on, a member of the family. False if it
  /// is gone.
  bool take(const Expectation& expectation);

  /// Visits some slots and removes what has timed out.
  void expire(Instant now, unsigned budget);
  std::uint32_t size() const { return total_.load(std::memory_order_relaxed); }
  std::uint32_t families() const { return family_count_.load(std::memory_order_relaxed); }

  static constexpr std::uint32_t kDumpDone = 0xffffffff;
  /// Appends at most `max` from the cursor on, 0 at first; returns the next cursor. `generation_of(zone)`
  /// tells what a flush has made invalid.
  template <typename GenerationOf>
  std::uint32_t dump(std::uint32_t cursor, unsigned max, Instant now, GenerationOf&& generation_of,
                     std::vector<ExpectationSnapshot>& out) {
    for (; max > 0 && cursor < slots_.touched(); --max, ++cursor) {
      const std::lock_guard guard(lock_);
      const Slot& slot = slots_[cursor];
      if (slot.live && slot.expectation.expires > now &&
          slot.expectation.zone_generation == generation_of(slot.expectation.tuple.zone))
        out.push_back(snapshot(slot.expectation, now));
    }
    return cursor < slots_.touched() ? cursor : kDumpDone;
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kBuckets = 65536;
  static constexpr std::uint32_t kZones = 65536;

  struct Slot {
    Expectation expectation;
    std::uint32_t next;  ///< index + 1 in its bucket
    bool live;
  };
  struct Family {
    packet::CtTuple parent;
    std::uint32_t members;
    std::uint32_t attachment;
    std::array<std::uint32_t, limits::kExpectationsPerParent> slots;  ///< index + 1, 0 = none
    std::uint8_t helper;
    bool parent_lives;
  };

  std::uint64_t hash(const ExpectedTuple& tuple) const;
  std::atomic<std::uint32_t>& filter(std::uint64_t h) const {
    return static_cast<std::atomic<std::uint32_t>*>(filter_.data())[h % kBuckets];
  }
  // All below: with the lock.
  std::uint32_t& bucket(std::uint64_t h) {
    return static_cast<std::uint32_t*>(buckets_.data())[h % kBuckets];
  }
  std::atomic<std::uint32_t>& zone_count(std::uint16_t zone) {
    return static_cast<std::atomic<std::uint32_t>*>(zone_counts_.data())[zone];
  }
  std::uint32_t lookup(const ExpectedTuple& tuple);
  void remove(std::uint32_t slot);
  void leave(std::uint32_t family);
  ExpectationSnapshot snapshot(const Expectation& expectation, Instant now) const;

  const ExpectationLimits limits_;
  const std::uint64_t secret_;
  SpinLock lock_;
  Slab<Slot> slots_;
  Slab<Family> families_;
  ReservedMemory buckets_;
  ReservedMemory zone_counts_;
  ReservedMemory filter_;  ///< how many expectations hash here: what finds 0 is not expected
  std::uint64_t next_serial_ = 1;
  std::uint32_t sweep_ = 0;
  std::atomic<std::uint32_t> family_count_{0};
  alignas(64) std::atomic<std::uint32_t> total_{0};
};

}  // namespace sluice::conntrack
