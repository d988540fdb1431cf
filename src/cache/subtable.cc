#include "cache/subtable.h"

#include "base/check.h"

namespace sluice::cache {
namespace {

constexpr std::size_t kFirstSlots = 16;

}  // namespace

Subtable::Subtable(const flow::Mask& mask, const std::uint64_t* secrets)
    : mask_(mask), slots_(kFirstSlots), index_mask_(kFirstSlots - 1) {
  for (std::uint32_t i = 0; i < flow::kDatapathWords; ++i) {
    const std::uint64_t word = flow::word_at(mask.bits, i);
    if (word == 0) continue;
    touched_[n_words_] = {word, secrets[n_words_], i * 8};
    ++n_words_;
  }
  n_padded_ = n_words_;
  if (n_padded_ % 2 != 0) {
    touched_[n_padded_] = {0, secrets[n_padded_], 0};
    ++n_padded_;
  }
}

void Subtable::place(std::uint64_t hash, Megaflow* megaflow) {
  std::size_t i = hash & index_mask_;
  while (slots_[i].megaflow != nullptr) i = (i + 1) & index_mask_;
  slots_[i] = {hash, megaflow};
}

void Subtable::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  index_mask_ = slots_.size() - 1;
  for (const Slot& slot : old)
    if (slot.megaflow != nullptr) place(slot.hash, slot.megaflow);
}

void Subtable::insert(Megaflow& megaflow) {
  if ((size_ + 1) * 2 > slots_.size()) grow();
  place(megaflow.hash, &megaflow);
  if (size_ < kFew) few_[size_] = &megaflow;
  ++size_;
}

void Subtable::remove(const Megaflow& megaflow) {
  std::size_t hole = megaflow.hash & index_mask_;
  while (slots_[hole].megaflow != &megaflow) {
    SLUICE_CHECK(slots_[hole].megaflow != nullptr);
    hole = (hole + 1) & index_mask_;
  }
  // Close the gap: what would be found through the hole moves into it (Knuth 6.4, algorithm R).
  for (std::size_t i = (hole + 1) & index_mask_; slots_[i].megaflow != nullptr; i = (i + 1) & index_mask_) {
    const std::size_t home = slots_[i].hash & index_mask_;
    if (((i - home) & index_mask_) >= ((i - hole) & index_mask_)) {
      slots_[hole] = slots_[i];
      hole = i;
    }
  }
  slots_[hole] = {};
  --size_;
  if (size_ > kFew) return;
  std::uint32_t n = 0;
  for (const Slot& slot : slots_)
    if (slot.megaflow != nullptr) few_[n++] = slot.megaflow;
}

}  // namespace sluice::cache
