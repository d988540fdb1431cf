#include "flow/flow_key.h"

namespace sluice::flow {
namespace {

// Four words at a time: the compiler makes of it the widest vectors that it may use.
typedef std::uint64_t Block __attribute__((vector_size(32), aligned(8), may_alias));
constexpr std::size_t kBlocks = kKeyWords / 4;
constexpr std::size_t kTail = kBlocks * 4;

const Block* blocks(const FlowKey& key) {
  return reinterpret_cast<const Block*>(&key);
}
Block* blocks(FlowKey& key) {
  return reinterpret_cast<Block*>(&key);
}
bool any(const Block& b) {
  return (b[0] | b[1] | b[2] | b[3]) != 0;
}

}  // namespace

bool Mask::matches_everything() const {
  Block seen{};
  for (std::size_t i = 0; i < kBlocks; ++i) seen |= blocks(bits)[i];
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i) tail |= word_at(bits, i);
  return !any(seen) && tail == 0;
}

void Mask::unite(const Mask& other) {
  for (std::size_t i = 0; i < kBlocks; ++i) blocks(bits)[i] |= blocks(other.bits)[i];
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    set_word(bits, i, word_at(bits, i) | word_at(other.bits, i));
}

bool Mask::covers(const Mask& other) const {
  Block missing{};
  for (std::size_t i = 0; i < kBlocks; ++i) missing |= blocks(other.bits)[i] & ~blocks(bits)[i];
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i) tail |= word_at(other.bits, i) & ~word_at(bits, i);
  return !any(missing) && tail == 0;
}

FlowKey masked(const FlowKey& key, const Mask& mask) {
  FlowKey result;
  for (std::size_t i = 0; i < kBlocks; ++i) blocks(result)[i] = blocks(key)[i] & blocks(mask.bits)[i];
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    set_word(result, i, word_at(key, i) & word_at(mask.bits, i));
  return result;
}

bool equal_under(const FlowKey& a, const FlowKey& b, const Mask& mask) {
  Block differing{};
  for (std::size_t i = 0; i < kBlocks; ++i) differing |= (blocks(a)[i] ^ blocks(b)[i]) & blocks(mask.bits)[i];
  std::uint64_t tail = 0;
  for (std::size_t i = kTail; i < kKeyWords; ++i)
    tail |= (word_at(a, i) ^ word_at(b, i)) & word_at(mask.bits, i);
  return !any(differing) && tail == 0;
}

}  // namespace sluice::flow
