// Puts fragments of IPv4 and IPv6 datagrams together before they are tracked: a connection has ports, and
// only the first fragment has those.
//
// Fragments come in any order, on any worker. Their bytes are copied (datagram.h), so that no packet buffer
// is held; the worker on which the last one arrives gets the whole packet. Zones are apart.
//
//   shards (by source): lock -> datagrams by key, by source, by age      pages and datagrams: one slab each
//
// What is bounded: memory, the number of fragments, the time. When memory or number runs out, a source that
// has more waiting than two of the largest datagrams, or an eighth of the number, pays first, the heaviest
// before others, with its oldest datagram; if there is none such, the oldest datagram of all goes. So a flood
// from one source takes nothing from others, and a flood with forged sources, each of which has little,
// leaves to everyone the time in which it fills the whole memory; the fragments of one datagram lie far
// closer together.
//
// Overlapping fragments end their datagram (RFC 5722, RFC 8200 section 4.5), and it stays known until its
// time is over, so that the rest of it is dropped too. A fragment that comes exactly as before is ignored.
// What comes back whole has its first fragment's headers, the ECN of all (RFC 3168 section 5.3), and in
// Metadata::mru the size of the largest fragment, to which it is cut again when it leaves.
//
// Sources: RFC 791 section 3.2, RFC 815 (the idea of holes), RFC 8200 section 4.5, RFC 8900.
//
// Threads: all members on any. Time is an argument. Nothing waits: a lock is held while one fragment is
// copied, and another shard's is only tried.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "conntrack/reassembly/fragment.h"
#include "packet/drop_reason.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::conntrack {

struct ReassemblyOptions {
  std::size_t max_bytes = limits::kReassemblyBytes;
  std::uint32_t max_fragments = limits::kReassemblyFragments;
  /// From the first fragment that arrives. IPv4: what Linux waits, as an identification comes back sooner the
  /// faster a sender is (RFC 4963). IPv6: RFC 8200 section 4.5.
  Duration ipv4_timeout = Duration::seconds(30), ipv6_timeout = Duration::seconds(60);
  std::uint64_t hash_secret = 0;  ///< random per process; fixed in tests
};

/// How fragments ended, to be added to the counters of who asks: one end for each.
struct FragmentEnds {
  std::uint32_t merged = 0;  ///< became part of a packet that another one stands for
  std::array<std::uint32_t, packet::kDropReasonCount> dropped{};

  std::uint32_t operator[](packet::DropReason reason) const { return dropped[static_cast<unsigned>(reason)]; }
  void drop(packet::DropReason reason, std::uint32_t n) { dropped[static_cast<unsigned>(reason)] += n; }
};

/// Fragments, of one IP version.
struct ReassemblyCounters {
  std::uint64_t accepted = 0;   ///< taken in, to be completed or dropped later
  std::uint64_t completed = 0;  ///< of those: part of a packet that became whole
  std::uint64_t datagrams = 0;  ///< packets that became whole
  std::uint64_t expired = 0, too_small = 0, overlapped = 0, purged = 0, duplicate = 0, malformed = 0;
  std::uint64_t too_long = 0;  ///< of datagrams that would have more bytes than IP can say
};

/// A datagram that waits for more.
struct DatagramSnapshot {
  FragmentKey key;
  std::uint32_t fragments = 0;
  bool has_first = false, has_last = false;
};

class Reassembler {
 public:
  explicit Reassembler(const ReassemblyOptions& options = {});
  ~Reassembler();
  Reassembler(const Reassembler&) = delete;
  Reassembler& operator=(const Reassembler&) = delete;

  /// Whether the machine had the address space; without it nothing else may be called.
  bool has_memory() const;

  enum class Outcome : std::uint8_t {
    NotTaken,  ///< no fragment, reassembly is off, or the IPv4 header is damaged: the packet goes on as it is
    Held,      ///< copied; the packet is no longer needed
    Whole,     ///< the same, and all of the datagram is here
    Dropped,   ///< counted in `ends`
  };
  struct Added {
    Outcome outcome;
    packet::Packet* whole = nullptr;  ///< from the pool; with the metadata of the fragment that came last
  };
  /// Takes one packet with a valid Layout. The packet stays the caller's. `ends` grows by all that ended
  /// because of it.
  Added add(const packet::Packet& packet, std::uint16_t zone, Instant now, packet::PacketPool& pool,
            FragmentEnds& ends);

  /// Drops datagrams whose time is over, at most `budget`; returns whether there are more.
  bool expire(Instant now, unsigned budget, FragmentEnds& ends);

  bool is_enabled(IpVersion version) const;
  /// Off: new fragments go through as they are; those that wait expire.
  void set_enabled(IpVersion version, bool on);
  /// Fragments but the last that are smaller, IP header included, are dropped. 0 = none, as at first.
  std::uint32_t min_fragment(IpVersion version) const;
  void set_min_fragment(IpVersion version, std::uint32_t bytes);
  /// How long a datagram may take from its first fragment on; also of those that wait already.
  Duration timeout(IpVersion version) const;
  void set_timeout(IpVersion version, Duration timeout);
  std::uint32_t max_fragments() const;
  void set_max_fragments(std::uint32_t n);

  std::uint32_t fragments() const;   ///< that wait
  std::uint32_t datagrams() const;   ///< that wait, and overlapping ones still remembered
  std::size_t memory_bytes() const;  ///< in use by what waits; at most ReassemblyOptions::max_bytes
  ReassemblyCounters counters(IpVersion version) const;

  /// Appends what waits to `out`, about `max` datagrams from the cursor on; cursor is 0 at first and
  /// kDumpDone at the end.
  static constexpr std::uint32_t kDumpDone = 0xffffffff;
  std::uint32_t dump(std::uint32_t cursor, unsigned max, std::vector<DatagramSnapshot>& out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::conntrack
