// The bytes of one datagram as its fragments bring them, in any order: copied to where they belong, in pages
// of 512 bytes that are taken when the first byte of them arrives. Whether a fragment overlaps, repeats or
// completes is a matter of bit masks, so that no order of arrival costs more than another.
//
//   page: [ filled: a bit per 8 bytes | starts: a bit where a fragment begins | 512 bytes ]
//
// Offsets of fragments are multiples of eight by format, and so are the lengths of all but the last.
//
// Not thread-safe: a datagram is guarded by the shard that it is in.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "base/slab.h"
#include "conntrack/reassembly/fragment.h"
#include "packet/packet_pool.h"

namespace sluice::conntrack {

struct Page {
  static constexpr std::uint32_t kBytes = 512;
  static constexpr std::uint32_t kUnits = kBytes / 8;

  std::uint64_t filled, starts;
  std::uint8_t bytes[kBytes];
};
using PageSlab = Slab<Page>;

/// What a fragment is to the datagram that it belongs to.
enum class Fit : std::uint8_t {
  Fits,
  Duplicate,  ///< exactly what arrived before, bytes included
  Overlap,
  Contradiction,  ///< disagrees with others about where the datagram ends
};

struct Datagram {
  static constexpr std::uint32_t kNone = PageSlab::kNone;
  static constexpr std::uint32_t kPages = (kMaxDatagram + Page::kBytes - 1) / Page::kBytes;
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  static_assert(kMaxFragmentHeaders <= Page::kBytes, "headers are kept in a page");

  FragmentKey key;
  Instant arrived;  ///< of the first fragment that came
  /// In the hash bucket, among those of the source (unless buried), and by age in the shard.
  std::uint32_t next_in_bucket, source;
  std::uint32_t source_previous, source_next, previous, next;
  std::uint32_t total;   ///< bytes of the fragmentable part; kUnknown until the last fragment came
  std::uint32_t filled;  ///< of those
  std::uint32_t end;     ///< of the farthest fragment
  std::uint16_t fragments, pages;
  std::uint16_t mru, dont_fragment_mru;  ///< largest fragment; largest that had Don't Fragment set
  std::uint16_t headers, l3, next_header_at;
  std::uint8_t next_header;
  std::uint8_t ecn;  ///< a bit for each code point seen
  std::uint8_t shard;
  bool buried;  ///< its fragments were dropped, and those that still come are dropped for the same reason
  packet::DropReason reason;
  std::uint32_t header_page;                ///< name + 1, 0 = none
  std::array<std::uint32_t, kPages> table;  ///< names + 1 of the pages by place

  bool is_complete() const { return total != kUnknown && filled == total; }
  bool has_first() const { return header_page != 0; }
};

Fit fit(const Datagram& datagram, const Fragment& fragment, const PageSlab& pages);

/// Pages to take before store().
unsigned pages_needed(const Datagram& datagram, const Fragment& fragment);

/// Copies the bytes of a fragment that fits, and the headers of `packet` if it is the first. False if the
/// slab has no page left; what was taken until then is the datagram's.
bool store(Datagram& datagram, const Fragment& fragment, const packet::Packet& packet, PageSlab& pages);

/// Gives all pages back. Returns how many.
unsigned release_pages(Datagram& datagram, PageSlab& pages);

/// ECN of the whole by what was seen on its fragments; nothing if the datagram must be dropped. Where
/// fragments differ without congestion, RFC 3168 leaves the choice: not ECN-capable if one is not.
std::optional<std::uint8_t> merge_ecn(std::uint8_t seen, std::uint8_t first);

/// The whole packet, walked, with MRU and fragment id set and all other metadata its maker's. Null if the
/// pool has no buffer. `refused` tells why a complete datagram makes no packet.
packet::Packet* assemble(const Datagram& datagram, const PageSlab& pages, packet::PacketPool& pool,
                         std::optional<packet::DropReason>& refused);

}  // namespace sluice::conntrack
