// Locks: a shard's, then those inside the slabs. While one shard is locked, another's is tried and never
// waited for. What is counted in Impl's atomics is reserved before it is taken and given back after it is
// released, so that the slabs are never asked for more than they have.
#include "conntrack/reassembly/reassembler.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/hash.h"
#include "base/reserved_memory.h"
#include "base/rng.h"
#include "base/slab.h"
#include "base/spin_lock.h"
#include "conntrack/reassembly/datagram.h"
#include "net/protocol.h"
#include "wire/checksum_verify.h"

namespace sluice::conntrack {
namespace {

using packet::DropReason;
using packet::Packet;
using packet::PacketPool;

constexpr std::uint32_t kNone = PageSlab::kNone;
constexpr unsigned kShards = 8;
constexpr unsigned kVersions = 2;
/// Datagrams that make room for one fragment at most; past it the fragment is dropped.
constexpr unsigned kMaxEvictions = 16;
/// A source is heavy from twice the pages of the largest datagram on, or an eighth of the fragments allowed;
/// levels count doublings.
constexpr unsigned kHeavyLevel = std::bit_width(2 * (Datagram::kPages + 1)) - 1;
constexpr std::uint64_t kHeavyShare = 8;
constexpr unsigned kLevels = 32;
/// Buckets that a dump looks at before it lets packets pass.
constexpr std::uint32_t kBucketsPerLock = 64;
/// A slot of each for four pages: the least that a datagram of common size takes.
constexpr std::uint32_t kPagesPerDatagram = 4;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Source {
  be128 address;
  std::uint16_t zone;
  IpVersion version;
  std::uint8_t level;  ///< 0, or at least kHeavyLevel: which list of heavy sources it is in
  std::uint32_t next_in_bucket, previous, next;
  std::uint32_t first, last;  ///< its datagrams, oldest first
  std::uint32_t pages, fragments;
};

/// A doubly linked list of slab names.
struct List {
  std::uint32_t first = kNone, last = kNone;
};

struct alignas(64) Shard {
  mutable SpinLock lock;
  std::array<List, kVersions> by_age;  ///< datagrams that wait; each version has its own time-out
  List buried;                         ///< those that must not become whole, by the time of that
  std::array<std::uint32_t, kLevels> heavy;
  std::uint32_t heavy_levels = 0;  ///< a bit for each list that is not empty
  std::array<ReassemblyCounters, kVersions> counters;
  /// For others that look for room, without the lock.
  std::atomic<std::uint32_t> heaviest{0};
  std::atomic<std::int64_t> oldest{kNever};
  std::atomic<bool> has_buried{false};

  Shard() { heavy.fill(kNone); }
};

/// Another shard for a moment, if nobody has it.
class Visit {
 public:
  Visit(Shard& shard, const Shard& own) : is_own_(&shard == &own) {
    if (!is_own_) guard_ = std::unique_lock(shard.lock, std::try_to_lock);
  }
  explicit operator bool() const { return is_own_ || guard_.owns_lock(); }

 private:
  bool is_own_;
  std::unique_lock<SpinLock> guard_;
};

/// Heads of hash chains, each guarded by the shard that its number falls into: names + 1, 0 = empty.
class Buckets {
 public:
  explicit Buckets(std::uint32_t names)
      : per_shard_(std::bit_ceil(std::max(names, 8u))),
        memory_(std::size_t{per_shard_} * kShards * sizeof(std::uint32_t)) {}

  std::uint32_t& head(unsigned shard, std::uint64_t hash) const {
    return static_cast<std::uint32_t*>(memory_.data())[shard * per_shard_ + (hash & (per_shard_ - 1))];
  }
  std::uint32_t per_shard() const { return per_shard_; }
  bool has_memory() const { return static_cast<bool>(memory_); }

 private:
  std::uint32_t per_shard_;
  ReservedMemory memory_;
};

std::uint64_t hash_of(const be128& address, std::uint64_t rest, std::uint64_t secret) {
  return hash_mix(hash_mix(hash_mix(secret, address.hi.raw()), address.lo.raw()), rest);
}

constexpr std::size_t kBytesPerSlot = kPagesPerDatagram * sizeof(Page) + sizeof(Datagram) + sizeof(Source);

}  // namespace

struct Reassembler::Impl {
  explicit Impl(const ReassemblyOptions& o)
      : options(o),
        slots(static_cast<std::uint32_t>(std::max<std::size_t>(o.max_bytes / kBytesPerSlot, 1))),
        max_pages(slots * kPagesPerDatagram),
        pages(max_pages),
        datagrams(slots),
        sources(slots),
        datagram_buckets(slots),
        source_buckets(slots),
        max_fragments(o.max_fragments),
        timeout_ns{o.ipv4_timeout.ns, o.ipv6_timeout.ns} {
    Rng rng(o.hash_secret);
    secret = rng.next();
  }

  const ReassemblyOptions options;
  const std::uint32_t slots, max_pages;
  std::uint64_t secret;
  PageSlab pages;
  Slab<Datagram> datagrams;
  Slab<Source> sources;
  Buckets datagram_buckets, source_buckets;
  std::array<Shard, kShards> shards;

  std::atomic<std::uint32_t> max_fragments;
  std::array<std::atomic<bool>, kVersions> enabled{true, true};
  std::array<std::atomic<std::uint32_t>, kVersions> min_fragment{0, 0};
  std::array<std::atomic<std::int64_t>, kVersions> timeout_ns;

  alignas(64) std::atomic<std::uint32_t> used_pages{0};
  std::atomic<std::uint32_t> used_slots{0}, held{0};

  // ---- Finding

  std::uint64_t source_hash(const be128& address, std::uint16_t zone, IpVersion version) const {
    return hash_of(address, std::uint64_t{zone} << 8 | static_cast<unsigned>(version), secret);
  }
  std::uint64_t key_hash(const FragmentKey& key) const {
    std::uint64_t words[5];
    std::memcpy(words, &key, sizeof words);
    return hash_words(words, 5, secret);
  }
  static unsigned shard_of(std::uint64_t source_hash_value) {
    return static_cast<unsigned>(source_hash_value >> 60) % kShards;
  }
  std::uint32_t find(unsigned shard, const FragmentKey& key) const {
    std::uint32_t name = datagram_buckets.head(shard, key_hash(key));
    while (name != 0 && !(datagrams[name - 1].key == key)) name = datagrams[name - 1].next_in_bucket;
    return name - 1;  // kNone if there is none
  }
  std::uint32_t find_source(unsigned shard, std::uint64_t hash, const FragmentKey& key) const {
    std::uint32_t name = source_buckets.head(shard, hash);
    for (; name != 0; name = sources[name - 1].next_in_bucket) {
      const Source& s = sources[name - 1];
      if (s.address == key.src && s.zone == key.zone && s.version == key.version) break;
    }
    return name - 1;
  }
  Instant deadline(const Datagram& d) const {
    const auto version = static_cast<unsigned>(d.key.version);
    return d.arrived + Duration::nanoseconds(timeout_ns[version].load(std::memory_order_relaxed));
  }

  // ---- Books of a shard, which is locked

  static ReassemblyCounters& counters_of(Shard& shard, IpVersion version) {
    return shard.counters[static_cast<unsigned>(version)];
  }
  static void count_loss(ReassemblyCounters& counters, DropReason reason, std::uint32_t n) {
    if (reason == DropReason::FragmentExpired) counters.expired += n;
    if (reason == DropReason::FragmentMemory) counters.purged += n;
    if (reason == DropReason::FragmentOverlap) counters.overlapped += n;
    if (reason == DropReason::FragmentTooSmall) counters.too_small += n;
    if (reason == DropReason::FragmentDuplicate) counters.duplicate += n;
    if (reason == DropReason::FragmentMalformed) counters.malformed += n;
    if (reason == DropReason::FragmentTooLong) counters.too_long += n;
  }
  void publish(Shard& shard) const {
    std::int64_t oldest = kNever;
    for (const List& list : shard.by_age)
      if (list.first != kNone) oldest = std::min(oldest, datagrams[list.first].arrived.ns);
    shard.oldest.store(oldest, std::memory_order_relaxed);
    shard.heaviest.store(static_cast<std::uint32_t>(std::bit_width(shard.heavy_levels)),
                         std::memory_order_relaxed);
    shard.has_buried.store(shard.buried.first != kNone, std::memory_order_relaxed);
  }
  unsigned level_of(const Source& source) const {
    unsigned level = 0;
    if (const auto by_pages = static_cast<unsigned>(std::bit_width(source.pages)); by_pages > kHeavyLevel)
      level = by_pages - 1;
    const std::uint64_t most = std::max(max_fragments.load(std::memory_order_relaxed), 1u);
    if (const std::uint64_t share = source.fragments * kHeavyShare / most; share != 0)
      level = std::max(level,
                       std::min(kHeavyLevel - 1 + static_cast<unsigned>(std::bit_width(share)), kLevels - 1));
    return level;
  }
  /// A source has more or less than before: it may change its list of heavy ones.
  void weigh(Shard& shard, std::uint32_t name) {
    Source& source = sources[name];
    const unsigned level = level_of(source);
    if (level == source.level) return;
    if (source.level != 0) {
      (source.previous != kNone ? sources[source.previous].next : shard.heavy[source.level]) = source.next;
      if (source.next != kNone) sources[source.next].previous = source.previous;
      if (shard.heavy[source.level] == kNone) shard.heavy_levels &= ~(1u << source.level);
    }
    source.level = static_cast<std::uint8_t>(level);
    if (level == 0) return;
    source.previous = kNone;
    source.next = shard.heavy[level];
    if (source.next != kNone) sources[source.next].previous = name;
    shard.heavy[level] = name;
    shard.heavy_levels |= 1u << level;
  }

  // ---- A datagram's beginning and end; the shard is locked

  /// A datagram of this key, empty. Its slot is reserved.
  std::uint32_t create(unsigned shard_number, std::uint64_t hash, const FragmentKey& key, Instant now) {
    Shard& shard = shards[shard_number];
    const std::uint32_t name = datagrams.allocate(shard_number);
    if (name == kNone) return kNone;
    std::uint32_t source_name = find_source(shard_number, hash, key);
    if (source_name == kNone) {
      source_name = sources.allocate(shard_number);
      if (source_name == kNone) {
        datagrams.release(name, shard_number);
        return kNone;
      }
      std::uint32_t& bucket = source_buckets.head(shard_number, hash);
      sources[source_name] = {.address = key.src,
                              .zone = key.zone,
                              .version = key.version,
                              .level = 0,
                              .next_in_bucket = bucket,
                              .previous = kNone,
                              .next = kNone,
                              .first = kNone,
                              .last = kNone,
                              .pages = 0,
                              .fragments = 0};
      bucket = source_name + 1;
    }
    Datagram& d = datagrams[name];
    std::memset(static_cast<void*>(&d), 0, sizeof d);
    d.key = key;
    d.arrived = now;
    d.total = Datagram::kUnknown;
    d.shard = static_cast<std::uint8_t>(shard_number);
    std::uint32_t& bucket = datagram_buckets.head(shard_number, key_hash(key));
    d.next_in_bucket = bucket;
    bucket = name + 1;

    Source& source = sources[source_name];
    d.source = source_name;
    d.source_previous = source.last;
    d.source_next = kNone;
    (source.last != kNone ? datagrams[source.last].source_next : source.first) = name;
    source.last = name;
    append(shard.by_age[static_cast<unsigned>(key.version)], name);
    publish(shard);
    return name;
  }

  /// Takes the datagram out of every list; its pages stay its own.
  void unlink(Shard& shard, std::uint32_t name) {
    Datagram& d = datagrams[name];
    std::uint32_t* link = &datagram_buckets.head(d.shard, key_hash(d.key));
    while (*link != name + 1) link = &datagrams[*link - 1].next_in_bucket;
    *link = d.next_in_bucket;

    if (!d.buried) leave_source(shard, d);
    remove(d.buried ? shard.buried : shard.by_age[static_cast<unsigned>(d.key.version)], d);
    publish(shard);
  }
  void append(List& list, std::uint32_t name) {
    Datagram& d = datagrams[name];
    d.previous = list.last;
    d.next = kNone;
    (list.last != kNone ? datagrams[list.last].next : list.first) = name;
    list.last = name;
  }
  void remove(List& list, const Datagram& d) {
    (d.previous != kNone ? datagrams[d.previous].next : list.first) = d.next;
    (d.next != kNone ? datagrams[d.next].previous : list.last) = d.previous;
  }
  void leave_source(Shard& shard, const Datagram& d) {
    Source& source = sources[d.source];
    (d.source_previous != kNone ? datagrams[d.source_previous].source_next : source.first) = d.source_next;
    (d.source_next != kNone ? datagrams[d.source_next].source_previous : source.last) = d.source_previous;
    source.pages -= d.pages;
    source.fragments -= d.fragments;
    weigh(shard, d.source);
    if (source.first == kNone) remove_source(d.shard, d.source);
  }
  void remove_source(unsigned shard_number, std::uint32_t name) {
    const Source& source = sources[name];
    std::uint32_t* link =
        &source_buckets.head(shard_number, source_hash(source.address, source.zone, source.version));
    while (*link != name + 1) link = &sources[*link - 1].next_in_bucket;
    *link = source.next_in_bucket;
    sources.release(name, shard_number);
  }

  /// Gives pages and slot of an unlinked datagram back.
  void release(std::uint32_t name) {
    Datagram& d = datagrams[name];
    const unsigned shard_number = d.shard;
    const unsigned n = release_pages(d, pages);
    datagrams.release(name, shard_number);
    used_pages.fetch_sub(n, std::memory_order_relaxed);
    used_slots.fetch_sub(1, std::memory_order_relaxed);
  }

  /// The datagram's fragments end for this reason, and with it what is known of it.
  void discard(Shard& shard, std::uint32_t name, DropReason reason, FragmentEnds& ends) {
    drop_fragments(shard, datagrams[name], reason, ends);
    unlink(shard, name);
    release(name);
  }
  /// The same, but the datagram stays known: what is still to come ends likewise.
  void bury(Shard& shard, std::uint32_t name, DropReason reason, FragmentEnds& ends) {
    Datagram& d = datagrams[name];
    drop_fragments(shard, d, reason, ends);
    leave_source(shard, d);
    remove(shard.by_age[static_cast<unsigned>(d.key.version)], d);
    d.buried = true;
    d.reason = reason;
    append(shard.buried, name);
    used_pages.fetch_sub(release_pages(d, pages), std::memory_order_relaxed);
    publish(shard);
  }
  void drop_fragments(Shard& shard, Datagram& d, DropReason reason, FragmentEnds& ends) {
    if (d.fragments == 0) return;
    ends.drop(reason, d.fragments);
    count_loss(counters_of(shard, d.key.version), reason, d.fragments);
    held.fetch_sub(d.fragments, std::memory_order_relaxed);
    sources[d.source].fragments -= d.fragments;
    d.fragments = 0;
  }

  // ---- Room

  /// The datagram of the shard, which is locked, that makes room: not `keep`.
  std::uint32_t victim(const Shard& shard, bool heavy_only, std::uint32_t keep) const {
    for (std::uint32_t levels = shard.heavy_levels; levels != 0; levels &= ~std::bit_floor(levels))
      for (std::uint32_t s = shard.heavy[std::bit_width(levels) - 1u]; s != kNone; s = sources[s].next) {
        const std::uint32_t first = sources[s].first;
        const std::uint32_t name = first == keep ? datagrams[first].source_next : first;
        if (name != kNone) return name;
      }
    if (heavy_only) return kNone;
    std::uint32_t oldest = kNone;
    for (const List& list : shard.by_age) {
      const bool kept = keep != kNone && list.first == keep;
      const std::uint32_t name = kept ? datagrams[list.first].next : list.first;
      if (name != kNone && (oldest == kNone || datagrams[name].arrived < datagrams[oldest].arrived))
        oldest = name;
    }
    return oldest;
  }

  /// Ends one datagram to make room; false if none could be found. `own` is locked.
  bool make_room(Shard& own, std::uint32_t keep, FragmentEnds& ends) {
    std::uint32_t heaviest = 0;
    std::int64_t oldest = kNever;
    Shard *heavy_shard = nullptr, *old_shard = nullptr;
    for (Shard& shard : shards) {
      const std::uint32_t level = shard.heaviest.load(std::memory_order_relaxed);
      // Of two as heavy, our own: no second lock.
      if (level > heaviest || (level == heaviest && level != 0 && &shard == &own)) {
        heaviest = level;
        heavy_shard = &shard;
      }
      if (const std::int64_t age = shard.oldest.load(std::memory_order_relaxed); age < oldest) {
        oldest = age;
        old_shard = &shard;
      }
    }
    if (heavy_shard != nullptr && evict_from(*heavy_shard, own, true, keep, ends)) return true;
    if (old_shard != nullptr && evict_from(*old_shard, own, false, keep, ends)) return true;
    return evict_from(own, own, false, keep, ends);
  }
  bool evict_from(Shard& shard, Shard& own, bool heavy_only, std::uint32_t keep, FragmentEnds& ends) {
    const Visit visit(shard, own);
    if (!visit) return false;
    const std::uint32_t name = victim(shard, heavy_only, keep);
    if (name == kNone) return false;
    discard(shard, name, DropReason::FragmentMemory, ends);
    return true;
  }
  /// Forgets a datagram that was buried: it holds nothing but a slot.
  bool exhume(Shard& own, FragmentEnds& ends) {
    for (Shard& shard : shards) {
      if (!shard.has_buried.load(std::memory_order_relaxed)) continue;
      const Visit visit(shard, own);
      if (!visit || shard.buried.first == kNone) continue;
      discard(shard, shard.buried.first, DropReason::FragmentMemory, ends);
      return true;
    }
    return false;
  }

  /// Reserves `n` of what `used` counts, ending other datagrams if need be.
  bool reserve(std::atomic<std::uint32_t>& used, std::uint32_t n, std::uint32_t limit, Shard& own,
               std::uint32_t keep, FragmentEnds& ends) {
    for (unsigned tries = 0;; ++tries) {
      if (used.fetch_add(n, std::memory_order_relaxed) + n <= limit) return true;
      used.fetch_sub(n, std::memory_order_relaxed);
      if (&used == &used_slots && exhume(own, ends)) continue;
      if (tries >= kMaxEvictions || !make_room(own, keep, ends)) return false;
    }
  }

  Added add(const Packet& packet, const Fragment& fragment, Instant now, PacketPool& pool,
            FragmentEnds& ends);
  std::optional<DropReason> take(unsigned shard_number, std::uint64_t hash, const Packet& packet,
                                 const Fragment& fragment, Instant now, std::uint32_t& name,
                                 FragmentEnds& ends);
};

/// Stores the fragment in the datagram that is its own, `name`; the shard is locked. Returns why not.
std::optional<DropReason> Reassembler::Impl::take(unsigned shard_number, std::uint64_t hash,
                                                  const Packet& packet, const Fragment& fragment, Instant now,
                                                  std::uint32_t& name, FragmentEnds& ends) {
  Shard& shard = shards[shard_number];
  name = find(shard_number, fragment.key);
  if (name != kNone && deadline(datagrams[name]) <= now) {
    discard(shard, name, DropReason::FragmentExpired, ends);
    name = kNone;
  }
  if (name == kNone) {
    if (!reserve(used_slots, 1, slots, shard, kNone, ends)) return DropReason::FragmentMemory;
    name = create(shard_number, hash, fragment.key, now);
    if (name == kNone) {
      used_slots.fetch_sub(1, std::memory_order_relaxed);
      return DropReason::FragmentMemory;
    }
  }
  Datagram& d = datagrams[name];
  if (d.buried) return d.reason;
  switch (fit(d, fragment, pages)) {
    case Fit::Fits:
      break;
    case Fit::Duplicate:
      return DropReason::FragmentDuplicate;
    case Fit::Overlap:
      bury(shard, name, DropReason::FragmentOverlap, ends);
      return DropReason::FragmentOverlap;
    case Fit::Contradiction:
      bury(shard, name, DropReason::FragmentMalformed, ends);
      return DropReason::FragmentMalformed;
  }
  const unsigned needed = pages_needed(d, fragment);
  if (!reserve(held, 1, max_fragments.load(std::memory_order_relaxed), shard, name, ends)) {
    discard(shard, name, DropReason::FragmentMemory, ends);
    return DropReason::FragmentMemory;
  }
  if (!reserve(used_pages, needed, max_pages, shard, name, ends)) {
    held.fetch_sub(1, std::memory_order_relaxed);
    discard(shard, name, DropReason::FragmentMemory, ends);
    return DropReason::FragmentMemory;
  }
  const unsigned before = d.pages;
  const bool stored = store(d, fragment, packet, pages);
  const unsigned taken = d.pages - before;
  sources[d.source].pages += taken;
  if (!stored) {
    used_pages.fetch_sub(needed - taken, std::memory_order_relaxed);
    held.fetch_sub(1, std::memory_order_relaxed);
    discard(shard, name, DropReason::FragmentMemory, ends);
    return DropReason::FragmentMemory;
  }
  ++sources[d.source].fragments;
  weigh(shard, d.source);
  publish(shard);
  ++counters_of(shard, fragment.key.version).accepted;
  return std::nullopt;
}

Reassembler::Added Reassembler::Impl::add(const Packet& packet, const Fragment& fragment, Instant now,
                                          PacketPool& pool, FragmentEnds& ends) {
  const std::uint64_t hash = source_hash(fragment.key.src, fragment.key.zone, fragment.key.version);
  const unsigned shard_number = shard_of(hash);
  Shard& shard = shards[shard_number];
  std::unique_lock guard(shard.lock);
  std::uint32_t name = kNone;
  if (const auto reason = take(shard_number, hash, packet, fragment, now, name, ends)) {
    ends.drop(*reason, 1);
    count_loss(counters_of(shard, fragment.key.version), *reason, 1);
    return {Outcome::Dropped};
  }
  const Datagram& d = datagrams[name];
  if (!d.is_complete()) return {Outcome::Held};

  // Nobody else can find it any more: the copy is made without the lock.
  unlink(shard, name);
  guard.unlock();
  const std::uint32_t fragments = d.fragments;
  held.fetch_sub(fragments, std::memory_order_relaxed);
  std::optional<DropReason> refused;
  Packet* whole = assemble(d, pages, pool, refused);
  release(name);
  if (whole != nullptr && whole->layout.fragment != 0) {  // its first header is a Fragment header again
    pool.give(whole);
    whole = nullptr;
    refused = DropReason::FragmentMalformed;
  }
  guard.lock();
  ReassemblyCounters& counters = counters_of(shard, fragment.key.version);
  if (whole == nullptr) {
    ends.drop(*refused, fragments);
    count_loss(counters, *refused, fragments);
    return {Outcome::Dropped};
  }
  counters.completed += fragments;
  ++counters.datagrams;
  guard.unlock();
  ends.merged += fragments - 1;
  return {Outcome::Whole, whole};
}

Reassembler::Reassembler(const ReassemblyOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Reassembler::~Reassembler() = default;

Reassembler::Added Reassembler::add(const Packet& packet, std::uint16_t zone, Instant now, PacketPool& pool,
                                    FragmentEnds& ends) {
  const wire::Layout& layout = packet.layout;
  if (layout.fragment == 0 || !layout.has_l3()) return {Outcome::NotTaken};
  const IpVersion version = layout.eth_type == be16{net::ethertype::kIpv6} ? IpVersion::V6 : IpVersion::V4;
  if (!is_enabled(version)) return {Outcome::NotTaken};
  if (version == IpVersion::V4 && !wire::ipv4_checksum_ok(packet.bytes(), layout)) return {Outcome::NotTaken};

  Fragment fragment{};
  std::optional<DropReason> refused = read_fragment(packet, zone, fragment);
  if (!refused && fragment.more && fragment.ip_bytes < min_fragment(version))
    refused = DropReason::FragmentTooSmall;
  if (refused) {
    Shard& shard = impl_->shards[0];
    const std::lock_guard guard(shard.lock);
    Impl::count_loss(Impl::counters_of(shard, version), *refused, 1);
    ends.drop(*refused, 1);
    return {Outcome::Dropped};
  }
  Added added = impl_->add(packet, fragment, now, pool, ends);
  if (added.whole != nullptr) {
    const packet::Metadata own = added.whole->meta;
    added.whole->meta = packet.meta;
    added.whole->meta.offload = {};
    added.whole->meta.rss_hash = 0;  // of addresses without ports
    added.whole->meta.mru = own.mru;
    added.whole->meta.fragment_id = own.fragment_id;
  }
  return added;
}

bool Reassembler::expire(Instant now, unsigned budget, FragmentEnds& ends) {
  if (impl_->used_slots.load(std::memory_order_relaxed) == 0) return false;
  for (Shard& shard : impl_->shards) {
    if (shard.oldest.load(std::memory_order_relaxed) == kNever &&
        !shard.has_buried.load(std::memory_order_relaxed))
      continue;
    const std::lock_guard guard(shard.lock);
    for (List* const list : {&shard.by_age[0], &shard.by_age[1], &shard.buried})
      while (list->first != kNone && impl_->deadline(impl_->datagrams[list->first]) <= now) {
        if (budget-- == 0) return true;
        impl_->discard(shard, list->first, DropReason::FragmentExpired, ends);
      }
  }
  return false;
}

bool Reassembler::is_enabled(IpVersion version) const {
  return impl_->enabled[static_cast<unsigned>(version)].load(std::memory_order_relaxed);
}
void Reassembler::set_enabled(IpVersion version, bool on) {
  impl_->enabled[static_cast<unsigned>(version)].store(on, std::memory_order_relaxed);
}
std::uint32_t Reassembler::min_fragment(IpVersion version) const {
  return impl_->min_fragment[static_cast<unsigned>(version)].load(std::memory_order_relaxed);
}
void Reassembler::set_min_fragment(IpVersion version, std::uint32_t bytes) {
  impl_->min_fragment[static_cast<unsigned>(version)].store(bytes, std::memory_order_relaxed);
}
Duration Reassembler::timeout(IpVersion version) const {
  return Duration::nanoseconds(
      impl_->timeout_ns[static_cast<unsigned>(version)].load(std::memory_order_relaxed));
}
void Reassembler::set_timeout(IpVersion version, Duration timeout) {
  impl_->timeout_ns[static_cast<unsigned>(version)].store(timeout.ns, std::memory_order_relaxed);
}
bool Reassembler::has_memory() const {
  return impl_->pages.has_memory() && impl_->datagrams.has_memory() && impl_->sources.has_memory() &&
         impl_->datagram_buckets.has_memory() && impl_->source_buckets.has_memory();
}
std::uint32_t Reassembler::max_fragments() const {
  return impl_->max_fragments.load(std::memory_order_relaxed);
}
void Reassembler::set_max_fragments(std::uint32_t n) {
  impl_->max_fragments.store(n, std::memory_order_relaxed);
}

std::uint32_t Reassembler::fragments() const {
  return impl_->held.load(std::memory_order_relaxed);
}
std::uint32_t Reassembler::datagrams() const {
  return impl_->used_slots.load(std::memory_order_relaxed);
}
std::size_t Reassembler::memory_bytes() const {
  return std::size_t{impl_->used_pages.load(std::memory_order_relaxed)} * sizeof(Page) +
         std::size_t{impl_->used_slots.load(std::memory_order_relaxed)} * (sizeof(Datagram) + sizeof(Source));
}

ReassemblyCounters Reassembler::counters(IpVersion version) const {
  ReassemblyCounters sum;
  for (const Shard& shard : impl_->shards) {
    const std::lock_guard guard(shard.lock);
    const ReassemblyCounters& c = shard.counters[static_cast<unsigned>(version)];
    sum.accepted += c.accepted;
    sum.completed += c.completed;
    sum.datagrams += c.datagrams;
    sum.expired += c.expired;
    sum.too_small += c.too_small;
    sum.overlapped += c.overlapped;
    sum.purged += c.purged;
    sum.duplicate += c.duplicate;
    sum.malformed += c.malformed;
    sum.too_long += c.too_long;
  }
  return sum;
}

std::uint32_t Reassembler::dump(std::uint32_t cursor, unsigned max,
                                std::vector<DatagramSnapshot>& out) const {
  const std::uint32_t per_shard = impl_->datagram_buckets.per_shard();
  const std::size_t enough = out.size() + max;
  while (cursor < kShards * per_shard) {
    const unsigned number = cursor / per_shard;
    const std::uint32_t stop = std::min((number + 1) * per_shard, cursor + kBucketsPerLock);
    const std::lock_guard guard(impl_->shards[number].lock);
    for (; cursor < stop; ++cursor) {
      if (out.size() >= enough) return cursor;
      std::uint32_t name = impl_->datagram_buckets.head(number, cursor % per_shard);
      for (; name != 0; name = impl_->datagrams[name - 1].next_in_bucket) {
        const Datagram& d = impl_->datagrams[name - 1];
        if (d.buried) continue;
        out.push_back({.key = d.key,
                       .fragments = d.fragments,
                       .has_first = d.has_first(),
                       .has_last = d.total != Datagram::kUnknown});
      }
    }
  }
  return kDumpDone;
}

}  // namespace sluice::conntrack
