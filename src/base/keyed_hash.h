// The hash of tables of the standard library whose keys a peer chooses: theirs of an integer is the integer,
// so that keys can be aimed at one bucket.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/hash.h"

namespace sluice {

struct KeyedHash {
  std::uint64_t secret;
  std::size_t operator()(std::uint64_t key) const noexcept { return hash_mix(secret, key); }
};

}  // namespace sluice
