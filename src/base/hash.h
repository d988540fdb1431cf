// Hashing of fixed-size keys. Every table keys its hash with a random secret, so that a peer cannot aim at a
// bucket.
#pragma once

#include <cstdint>

namespace sluice {

/// Mixes one 64-bit word into a running hash (multiply-fold of the wyhash family): about 1 ns a word.
inline std::uint64_t hash_mix(std::uint64_t hash, std::uint64_t word) {
  const auto product =
      static_cast<unsigned __int128>(hash ^ 0xa0761d6478bd642f) * (word ^ 0xe7037ed1a0b428db);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_words(const std::uint64_t* words, unsigned n, std::uint64_t secret) {
  std::uint64_t hash = secret;
  for (unsigned i = 0; i < n; ++i) hash = hash_mix(hash, words[i]);
  return hash;
}

}  // namespace sluice
