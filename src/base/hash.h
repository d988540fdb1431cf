// Hashing of fixed-size keys. Every table keys its hash with a random secret, so that a peer cannot aim at a
// bucket.
#pragma once

#include <cstdint>

namespace sluice {

/// The step that all hashes here are made of: both halves of a 128-bit product (the wyhash family). Nobody
/// who does not know one of the operands can aim at a result.
inline std::uint64_t hash_fold(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Mixes one 64-bit word into a running hash: about 1 ns a word.
inline std::uint64_t hash_mix(std::uint64_t hash, std::uint64_t word) {
  return hash_fold(hash ^ 0xa0761d6478bd642f, word ^ 0xe7037ed1a0b428db);
}

inline std::uint64_t hash_words(const std::uint64_t* words, unsigned n, std::uint64_t secret) {
  std::uint64_t hash = secret;
  for (unsigned i = 0; i < n; ++i) hash = hash_mix(hash, words[i]);
  return hash;
}

}  // namespace sluice
