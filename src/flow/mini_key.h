// MiniMask and MiniKey: a mask and masked keys in compressed form. A mask is the list of the FlowKey words it
// uses and their bits; a masked key is just those words, in the same order, so that a rule or a megaflow
// costs eight bytes for each word that its mask uses (a stateful firewall's rule: six words, not forty-five).
//
// Words are in FlowKey order. Hashing and comparing touch only the words used; the hash of a FlowKey under a
// mask equals the hash of the compressed key, and can be computed in stages (hash_range) for staged lookup.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/hash.h"
#include "flow/flow_key.h"

namespace sluice::flow {

class MiniMask {
 public:
  MiniMask() = default;
  explicit MiniMask(const Mask& mask) {
    for (std::size_t i = 0; i < kKeyWords; ++i) {
      const std::uint64_t bits = word_at(mask.bits, i);
      if (bits == 0) continue;
      index_[count_] = static_cast<std::uint8_t>(i);
      bits_[count_++] = bits;
    }
  }

  /// Words that a key masked by this takes.
  unsigned words() const { return count_; }
  /// Which word of the FlowKey the i-th is, and its mask bits.
  unsigned index(unsigned i) const { return index_[i]; }
  std::uint64_t bits(unsigned i) const { return bits_[i]; }

  Mask expand() const {
    Mask mask;
    for (unsigned i = 0; i < count_; ++i) set_word(mask.bits, index_[i], bits_[i]);
    return mask;
  }

  /// Writes words() masked words of the key to `out`.
  void compress(const FlowKey& key, std::uint64_t* out) const {
    for (unsigned i = 0; i < count_; ++i) out[i] = word_at(key, index_[i]) & bits_[i];
  }
  FlowKey expand(const std::uint64_t* words) const {
    FlowKey key;
    for (unsigned i = 0; i < count_; ++i) set_word(key, index_[i], words[i]);
    return key;
  }

  std::uint64_t hash(const FlowKey& key, std::uint64_t secret) const {
    return hash_range(key, secret, 0, count_);
  }
  /// Continues `hash` over the words [from, to): stage by stage gives the same as at once.
  std::uint64_t hash_range(const FlowKey& key, std::uint64_t hash, unsigned from, unsigned to) const {
    for (unsigned i = from; i < to; ++i) hash = hash_mix(hash, word_at(key, index_[i]) & bits_[i]);
    return hash;
  }
  std::uint64_t hash(const std::uint64_t* words, std::uint64_t secret) const {
    return hash_words(words, count_, secret);
  }

  /// True if the key agrees with the compressed key on every bit of the mask.
  bool matches(const std::uint64_t* words, const FlowKey& key) const {
    std::uint64_t differing = 0;
    for (unsigned i = 0; i < count_; ++i) differing |= (word_at(key, index_[i]) & bits_[i]) ^ words[i];
    return differing == 0;
  }
  bool equal(const std::uint64_t* a, const std::uint64_t* b) const {
    return std::memcmp(a, b, count_ * 8u) == 0;
  }

  bool operator==(const MiniMask& other) const {
    return count_ == other.count_ && std::memcmp(index_.data(), other.index_.data(), count_) == 0 &&
           std::memcmp(bits_.data(), other.bits_.data(), count_ * 8u) == 0;
  }
  std::uint64_t hash_of_mask(std::uint64_t secret) const {
    std::uint64_t hash = hash_words(bits_.data(), count_, secret);
    for (unsigned i = 0; i < count_; ++i) hash = hash_mix(hash, index_[i]);
    return hash;
  }

 private:
  unsigned count_ = 0;
  std::array<std::uint8_t, kKeyWords> index_;  // only the first count_ hold anything
  std::array<std::uint64_t, kKeyWords> bits_;
};

/// A masked key on the heap: one pointer; how many words it has is known by its mask.
class MiniKey {
 public:
  MiniKey() = default;
  MiniKey(const FlowKey& key, const MiniMask& mask) : words_(new std::uint64_t[mask.words()]) {
    mask.compress(key, words_.get());
  }
  const std::uint64_t* words() const { return words_.get(); }

 private:
  std::unique_ptr<std::uint64_t[]> words_;
};

}  // namespace sluice::flow
