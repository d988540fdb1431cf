// TagIndex: from a 64-bit hash to 32-bit names of objects that live elsewhere. It stores no keys: it offers
// candidates, and the caller compares.
//
//   bucket, one cache line:  [ control 4 | tags 10 x 2 | names 10 x 4 ]
//   control:  bit 31 lock | number of names that wanted to be in this bucket or before and found it full
//
// A name lies in its home bucket or, when that was full, in one of the next kMaxProbe - 1; each full bucket
// on the way counts it, so a look-up goes on to the next bucket only where something overflowed. A name never
// moves, therefore readers need no lock and no version: what was in the index before the look-up began and
// stays until after it, is found. A candidate may be gone or be another object by the time it is looked at:
// the object's own lock and generation tell.
//
// Writers claim a slot by compare-and-swap. Who must not insert a key twice holds the HomeLock of the hash
// from the look-up to the insert; that is a bit in the home bucket, hence one lock per bucket. The number of
// buckets is fixed at start; memory is address space until it is touched. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/reserved_memory.h"
#include "base/spin_lock.h"

namespace sluice {

class TagIndex {
  static constexpr unsigned kSlots = 10;
  static constexpr unsigned kMaxProbe = 32;
  static constexpr std::uint16_t kEmpty = 0, kClaimed = 1;
  static constexpr std::uint32_t kLocked = 0x80000000, kOverflowMask = 0x7fffffff;

  struct alignas(64) Bucket {
    std::uint32_t control;
    std::uint16_t tags[kSlots];
    std::uint32_t names[kSlots];
  };
  static_assert(sizeof(Bucket) == 64);

 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  /// Room for `names` names at a load that keeps look-ups in one bucket for nearly all.
  explicit TagIndex(std::uint32_t names)
      : buckets_(static_cast<std::uint32_t>((std::uint64_t{names} * 4 / 3 + kSlots - 1) / kSlots + 1)),
        memory_(std::size_t{buckets_} * sizeof(Bucket)) {}

  bool has_memory() const { return static_cast<bool>(memory_); }

  /// The bucket in which a hash is looked for first.
  class Home {
    friend class TagIndex;
    const Bucket* bucket;
  };
  /// Has the home of the hash on its way into the cache.
  Home prefetch(std::uint64_t hash) const {
    Home here;
    here.bucket = &at(home(hash));
    __builtin_prefetch(here.bucket, 0, 3);
    return here;
  }

  /// The first name with the tag of this hash, or kNone: what to prefetch. The look-up itself is find().
  std::uint32_t candidate(Home where, std::uint64_t hash) const {
    const Bucket& bucket = *where.bucket;
    const std::uint32_t hits = matching_slots(bucket, tag_of(hash));
    if (hits != 0) [[likely]]
      return name_at(bucket, static_cast<unsigned>(__builtin_ctz(hits)));
    if ((control(bucket) & kOverflowMask) == 0) return kNone;
    return find(hash, [](std::uint32_t) { return true; });
  }

  /// The first name with the tag of this hash that `is_it` accepts, or kNone.
  template <typename IsIt>
  std::uint32_t find(std::uint64_t hash, IsIt&& is_it) const {
    const std::uint16_t tag = tag_of(hash);
    std::uint32_t b = home(hash);
    for (unsigned probe = 0; probe < kMaxProbe; ++probe, b = next(b)) {
      const Bucket& bucket = at(b);
      for (std::uint32_t hits = matching_slots(bucket, tag); hits != 0; hits &= hits - 1) {
        const std::uint32_t name = name_at(bucket, static_cast<unsigned>(__builtin_ctz(hits)));
        if (is_it(name)) return name;
      }
      if ((control(bucket) & kOverflowMask) == 0) break;
    }
    return kNone;
  }

  /// Keeps all other inserters of hashes with this home out.
  class HomeLock {
   public:
    HomeLock(TagIndex& index, std::uint64_t hash) : bucket_(index.at(index.home(hash))) {
      std::atomic_ref<std::uint32_t> word(bucket_.control);
      for (;;) {
        std::uint32_t seen = word.load(std::memory_order_relaxed);
        if ((seen & kLocked) == 0 &&
            word.compare_exchange_weak(seen, seen | kLocked, std::memory_order_acquire,
                                       std::memory_order_relaxed))
          return;
        cpu_relax();
      }
    }
    ~HomeLock() { std::atomic_ref(bucket_.control).fetch_and(~kLocked, std::memory_order_release); }
    HomeLock(const HomeLock&) = delete;
    HomeLock& operator=(const HomeLock&) = delete;

   private:
    friend class TagIndex;
    Bucket& bucket_;
  };

  /// The HomeLocks of two hashes, taken in one order by everyone; one lock where they have the same home.
  class TwoHomeLocks {
   public:
    TwoHomeLocks(TagIndex& index, std::uint64_t a, std::uint64_t b)
        : first_(index, index.home(a) < index.home(b) ? a : b) {
      if (index.home(a) != index.home(b)) second_.emplace(index, index.home(a) < index.home(b) ? b : a);
    }

   private:
    HomeLock first_;
    std::optional<HomeLock> second_;
  };

  /// False if the kMaxProbe buckets from home on are full. The caller holds the HomeLock if duplicates
  /// matter.
  bool insert(std::uint64_t hash, std::uint32_t name) {
    const std::uint16_t tag = tag_of(hash);
    std::uint32_t b = home(hash);
    for (unsigned probe = 0; probe < kMaxProbe; ++probe, b = next(b)) {
      Bucket& bucket = at(b);
      if (claim(bucket, tag, name)) return true;
      std::atomic_ref(bucket.control).fetch_add(1, std::memory_order_release);
    }
    uncount(home(hash), kMaxProbe);
    return false;
  }

  /// Takes the name out; false if it is not there.
  bool erase(std::uint64_t hash, std::uint32_t name) {
    const std::uint16_t tag = tag_of(hash);
    std::uint32_t b = home(hash);
    for (unsigned probe = 0; probe < kMaxProbe; ++probe, b = next(b)) {
      Bucket& bucket = at(b);
      for (std::uint32_t hits = matching_slots(bucket, tag); hits != 0; hits &= hits - 1) {
        const auto slot = static_cast<unsigned>(__builtin_ctz(hits));
        if (name_at(bucket, slot) != name) continue;
        std::atomic_ref(bucket.tags[slot]).store(kEmpty, std::memory_order_release);
        uncount(home(hash), probe);
        return true;
      }
      if ((control(bucket) & kOverflowMask) == 0) break;
    }
    return false;
  }

  /// Calls visit(name) for every name in the bucket `steps` after the home of the hash.
  template <typename Visit>
  void visit_bucket(std::uint64_t hash, unsigned steps, Visit&& visit) const {
    const Bucket& bucket = at(static_cast<std::uint32_t>((std::uint64_t{home(hash)} + steps) % buckets_));
    const std::uint32_t none = matching_slots(bucket, kEmpty) | matching_slots(bucket, kClaimed);
    for (std::uint32_t names = ~none & ((1u << kSlots) - 1); names != 0; names &= names - 1)
      visit(name_at(bucket, static_cast<unsigned>(__builtin_ctz(names))));
  }

  std::uint32_t buckets() const { return buckets_; }
  std::size_t bytes() const { return std::size_t{buckets_} * sizeof(Bucket); }

  /// Names now in bucket b; for statistics and tests of leaks.
  unsigned occupied(std::uint32_t b) const {
    return kSlots - static_cast<unsigned>(__builtin_popcount(matching_slots(at(b), kEmpty)));
  }

 private:
  static std::uint16_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint16_t>(hash | (kClaimed + 1));  // neither kEmpty nor kClaimed
  }
  std::uint32_t home(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(((hash >> 32) * buckets_) >> 32);
  }
  std::uint32_t next(std::uint32_t b) const { return b + 1 == buckets_ ? 0 : b + 1; }
  Bucket& at(std::uint32_t b) const { return static_cast<Bucket*>(memory_.data())[b]; }
  static std::uint32_t control(const Bucket& bucket) {
    return __atomic_load_n(&bucket.control, __ATOMIC_ACQUIRE);
  }
  static std::uint32_t name_at(const Bucket& bucket, unsigned slot) {
    return __atomic_load_n(&bucket.names[slot], __ATOMIC_RELAXED);
  }

  /// A bit per slot that holds the tag. Tags are read eight bytes at a time; each is published on its own.
  static std::uint32_t matching_slots(const Bucket& bucket, std::uint16_t tag) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(&bucket);
    const std::uint64_t first = __atomic_load_n(words, __ATOMIC_ACQUIRE);
    const std::uint64_t second = __atomic_load_n(words + 1, __ATOMIC_ACQUIRE);
    const std::uint64_t third = __atomic_load_n(words + 2, __ATOMIC_ACQUIRE);
#if defined(__SSE2__)
    // The control word is compared along with the tags and shifted out: no slot is a case of its own, as a
    // branch on which slot it is would be mispredicted.
    const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
    const __m128i front = _mm_set_epi64x(static_cast<long long>(second), static_cast<long long>(first));
    const __m128i back = _mm_cvtsi64_si128(static_cast<long long>(third));
    const __m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(front, wanted), _mm_cmpeq_epi16(back, wanted));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) >> 2 & ((1u << kSlots) - 1);
#else
    std::uint16_t tags[12];
    std::memcpy(tags, &first, 8);
    std::memcpy(tags + 4, &second, 8);
    std::memcpy(tags + 8, &third, 8);
    std::uint32_t mask = 0;
    for (unsigned i = 0; i < kSlots; ++i) mask |= static_cast<std::uint32_t>(tags[i + 2] == tag) << i;
    return mask;
#endif
  }

  static bool claim(Bucket& bucket, std::uint16_t tag, std::uint32_t name) {
    for (std::uint32_t free = matching_slots(bucket, kEmpty); free != 0; free &= free - 1) {
      const auto slot = static_cast<unsigned>(__builtin_ctz(free));
      std::atomic_ref<std::uint16_t> cell(bucket.tags[slot]);
      std::uint16_t expected = kEmpty;
      if (!cell.compare_exchange_strong(expected, kClaimed, std::memory_order_acq_rel)) continue;
      std::atomic_ref(bucket.names[slot]).store(name, std::memory_order_relaxed);
      cell.store(tag, std::memory_order_release);
      return true;
    }
    return false;
  }

  /// A name that passed the first `n` buckets from b on is no longer waited for there.
  void uncount(std::uint32_t b, unsigned n) {
    for (unsigned i = 0; i < n; ++i, b = next(b))
      std::atomic_ref(at(b).control).fetch_sub(1, std::memory_order_release);
  }

  std::uint32_t buckets_;
  ReservedMemory memory_;
};

}  // namespace sluice
