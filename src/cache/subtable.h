// The megaflows of one Pass that share a mask: an open-addressing hash table (linear probing, backward-shift
// deletion, at most half full) of hash and pointer, four to a cache line.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/hash.h"
#include "cache/megaflow.h"

namespace sluice::cache {

class Subtable {
 public:
  Subtable(const flow::Mask& mask, const std::uint64_t* secrets);

  const flow::Mask& mask() const { return mask_; }
  unsigned words() const { return n_words_; }
  std::uint32_t size() const { return size_; }

  /// Writes the masked words of the key to `out` and returns their hash.
  ///
  /// A sum of products of pairs of keyed words: the NH construction (Black et al., UMAC, 1999), whose terms
  /// the CPU computes side by side, and one mixing step at the end.
  std::uint64_t mask_and_hash(const flow::FlowKey& key, std::uint64_t* out) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&key);
    std::uint64_t sum_lo = 0, sum_hi = 0;
    for (unsigned i = 0; i < n_padded_; i += 2) {
      std::uint64_t a, b;
      std::memcpy(&a, bytes + touched_[i].offset, 8);
      std::memcpy(&b, bytes + touched_[i + 1].offset, 8);
      a &= touched_[i].mask;
      b &= touched_[i + 1].mask;
      out[i] = a;
      out[i + 1] = b;
      const auto product =
          static_cast<unsigned __int128>(a + touched_[i].secret) * (b + touched_[i + 1].secret);
      sum_lo += static_cast<std::uint64_t>(product);
      sum_hi += static_cast<std::uint64_t>(product >> 64);
    }
    return hash_mix(sum_hi, sum_lo);
  }

  bool has_few() const { return size_ <= kFew; }
  /// For has_few(), and keys of this Pass: the first word needs no comparison.
  Megaflow* find_among_few(const flow::FlowKey& key) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(&key);
    for (std::uint32_t m = 0; m < size_; ++m) {
      const std::uint64_t* const words = few_[m]->words.data();
      unsigned i = 1;
      for (; i < n_words_; ++i) {
        std::uint64_t word;
        std::memcpy(&word, bytes + touched_[i].offset, 8);
        if ((word & touched_[i].mask) != words[i]) break;
      }
      if (i == n_words_) return few_[m];
    }
    return nullptr;
  }

  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & index_mask_]); }
  /// The megaflow that is most likely the one, to be prefetched; may be null.
  const Megaflow* likely(std::uint64_t hash) const {
    const Slot& slot = slots_[hash & index_mask_];
    return slot.megaflow;
  }
  Megaflow* find(std::uint64_t hash, const std::uint64_t* words) const {
    for (std::size_t i = hash & index_mask_;; i = (i + 1) & index_mask_) {
      const Slot& slot = slots_[i];
      if (slot.megaflow == nullptr) return nullptr;
      if (slot.hash == hash && same_words(slot.megaflow->words.data(), words)) return slot.megaflow;
    }
  }
  void insert(Megaflow& megaflow);
  void remove(const Megaflow& megaflow);

  std::uint64_t hits = 0;  ///< since the masks were last sorted
  std::uint64_t word0;     ///< of the Pass

 private:
  struct Slot {
    std::uint64_t hash = 0;
    Megaflow* megaflow = nullptr;
  };
  struct Touched {
    std::uint64_t mask, secret;
    std::uint32_t offset;  // in bytes
  };

  bool same_words(const std::uint64_t* a, const std::uint64_t* b) const {
    std::uint64_t difference = 0;
    for (unsigned i = 0; i < n_words_; ++i) difference |= a[i] ^ b[i];
    return difference == 0;
  }
  static constexpr std::uint32_t kFew = 4;

  void place(std::uint64_t hash, Megaflow* megaflow);
  void grow();

  flow::Mask mask_;
  unsigned n_words_ = 0;   // words that the mask touches
  unsigned n_padded_ = 0;  // rounded up to pairs; the pad has mask 0
  std::array<Touched, flow::kDatapathWords + 1> touched_;
  std::array<Megaflow*, kFew> few_;  // all of them while size_ <= kFew
  std::vector<Slot> slots_;
  std::size_t index_mask_;
  std::uint32_t size_ = 0;
};

}  // namespace sluice::cache
