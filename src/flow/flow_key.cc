#include "flow/flow_key.h"

namespace sluice::flow {
namespace {

// Two words at a time, in vectors that every x86-64 has. A FlowKey is aligned to
// eight bytes only, so blocks are copied in and out.
typedef std::uint64_t Block __attribute__((vector_size(16)));
constexpr std::size_t kBlocks = kKeyWords / 2;
constexpr std::size_t kTail = kBlocks * 2;

[[gnu::always_inline]] inline Block block(const FlowKey& key, std::size_t i) {
  Block result;
  std::memcpy(&result, reinterpret_cast<const unsigned char*>(&key) + i * sizeof(Block), sizeof(Block));
  return result;
}
[[gnu::always_inline]] inline void set_block(FlowKey& key, std::size_t i, const Block& value) {
  std::memcpy(reinterpret_cast<unsigned char*>(&key) + i * sizeof(Block), &value, sizeof(Block));
}
[[gnu::always_inline]] inline bool any(const Block& b) {
  return (b[0] | b[1]) != 0;
}

}  // namespace

bool Mask::matches_everything() const {
  Block seen{};
  for (std::size_t i = 0; i < kBlocks; ++i) seen |= block(bits, i);
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i) tail |= word_at(bits, i);
  return !any(seen) && tail == 0;
}

void Mask::unite(const Mask& other) {
  for (std::size_t i = 0; i < kBlocks; ++i) set_block(bits, i, block(bits, i) | block(other.bits, i));
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    set_word(bits, i, word_at(bits, i) | word_at(other.bits, i));
}

bool Mask::covers(const Mask& other) const {
  Block missing{};
  for (std::size_t i = 0; i < kBlocks; ++i) missing |= block(other.bits, i) & ~block(bits, i);
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i) tail |= word_at(other.bits, i) & ~word_at(bits, i);
  return !any(missing) && tail == 0;
}

FlowKey masked(const FlowKey& key, const Mask& mask) {
  FlowKey result;
  for (std::size_t i = 0; i < kBlocks; ++i) set_block(result, i, block(key, i) & block(mask.bits, i));
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    set_word(result, i, word_at(key, i) & word_at(mask.bits, i));
  return result;
}

bool equal_under(const FlowKey& a, const FlowKey& b, const Mask& mask) {
  Block differing{};
  for (std::size_t i = 0; i < kBlocks; ++i) differing |= (block(a, i) ^ block(b, i)) & block(mask.bits, i);
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    tail |= (word_at(a, i) ^ word_at(b, i)) & word_at(mask.bits, i);
  return !any(differing) && tail == 0;
}

}  // namespace sluice::flow
