// Key: what connections are compared by, 16 bytes for every protocol, and its hash.
//
// IPv6 addresses are folded to a keyed 32-bit hash each; the full addresses are compared where the fold
// matches. The hash is symmetric, so both directions of a connection that is not translated are one entry in
// the index.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/hash.h"

namespace sluice::conntrack {

struct Key {
  /// Values of `kind`: bits of Entry::flags.
  static constexpr std::uint8_t kIpv4 = 0x02, kIpv6 = 0x06;

  std::uint32_t src, dst;  ///< network order, or folded IPv6
  std::uint32_t ports;     ///< source, destination in memory order | ICMP: id, type, code
  std::uint8_t proto;
  std::uint8_t kind;
  std::uint16_t zone;

  /// The same bytes. The hot path makes and compares these: members written one by one and read as words at
  /// once would wait for each other in the processor's store buffer.
  struct Words {
    std::uint64_t addresses, rest;

    static Words of(std::uint64_t addresses, std::uint32_t ports, std::uint8_t proto, std::uint8_t kind,
                    std::uint16_t zone) {
      return {addresses,
              ports | std::uint64_t{proto} << 32 | std::uint64_t{kind} << 40 | std::uint64_t{zone} << 48};
    }
  };
  Words words() const { return std::bit_cast<Words>(*this); }
};
static_assert(sizeof(Key) == 16);

/// What hashes are keyed with; random per tracker.
struct Secret {
  explicit Secret(std::uint64_t seed);
  std::uint64_t tuple, address_hi, address_lo, finish_sum, finish_factor;

  std::uint32_t fold_ipv6(const std::uint8_t* address) const {
    std::uint64_t words[2];
    std::memcpy(words, address, sizeof words);
    return static_cast<std::uint32_t>(
        hash_mix(hash_mix(tuple, words[0] ^ address_hi), words[1] ^ address_lo));
  }
  /// @param is_icmp  the id, which comes first in Key::ports, stands for both ports
  std::uint64_t hash(const Key& key, bool is_icmp) const {
    return hash(key.words(), is_icmp ? (key.ports << 16 | (key.ports & 0xffff)) : key.ports);
  }
  /// @param ports  what to hash in place of words.rest's: port of the source, port of the destination
  std::uint64_t hash(const Key::Words& words, std::uint32_t ports) const {
    const std::uint64_t source = words.addresses << 32 | (ports & 0xffff);
    const std::uint64_t destination = (words.addresses & ~kLow32) | ports >> 16;
    const std::uint64_t zone_key = tuple ^ words.rest >> 48 << 16;
    // The product does not mind which end comes first. The second round is what spreads keys that differ in a
    // few bits.
    const std::uint64_t ends = hash_fold(source ^ zone_key, destination ^ zone_key);
    return hash_fold(ends ^ (words.rest & ~kLow32) ^ finish_sum, finish_factor);
  }

 private:
  static constexpr std::uint64_t kLow32 = 0xffffffff;
};
static_assert(std::endian::native == std::endian::little);

}  // namespace sluice::conntrack
