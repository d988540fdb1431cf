#include "pipeline/meter_map.h"

namespace sluice::pipeline {

std::optional<std::uint32_t> MeterMap::find(std::uint32_t id) const {
  const Cells& cells = *cells_.get();
  for (std::size_t i = hash_(id) & cells.mask;; i = (i + 1) & cells.mask) {
    const std::uint64_t value = cells.cell[i].load(std::memory_order_acquire);
    if (value == kEmpty) return std::nullopt;
    if (value > kGone && id_of(value) == id) return static_cast<std::uint32_t>(value);
  }
}

MeterMap::Cell* MeterMap::cell_of(std::uint32_t id) const {
  const Cells& cells = *cells_.get();
  for (std::size_t i = hash_(id) & cells.mask;; i = (i + 1) & cells.mask) {
    const std::uint64_t value = cells.cell[i].load(std::memory_order_relaxed);
    if (value == kEmpty) return nullptr;
    if (value > kGone && id_of(value) == id) return &cells.cell[i];
  }
}

MeterMap::Cell& MeterMap::Cells::place_of(std::size_t hash) const {
  std::size_t i = hash & mask;
  while (cell[i].load(std::memory_order_relaxed) != kEmpty) i = (i + 1) & mask;
  return cell[i];
}

void MeterMap::set(std::uint32_t id, std::uint32_t dp_meter) {
  const std::uint64_t value = std::uint64_t{id} << 32 | dp_meter;
  if (Cell* cell = cell_of(id)) {
    cell->store(value, std::memory_order_release);
    return;
  }
  make_room();
  cells_.get()->place_of(hash_(id)).store(value, std::memory_order_release);
  ++used_;
  ++size_;
}

void MeterMap::make_room() {
  const Cells& old = *cells_.get();
  if ((used_ + 1) * 2 <= old.mask + 1) return;
  std::size_t size = kFirstCells;
  while (size < (size_ + 1) * 3) size *= 2;
  auto next = std::make_unique<Cells>(size);
  for (std::size_t i = 0; i <= old.mask; ++i) {
    const std::uint64_t value = old.cell[i].load(std::memory_order_relaxed);
    if (value > kGone) next->place_of(hash_(id_of(value))).store(value, std::memory_order_relaxed);
  }
  used_ = size_;
  cells_.publish(std::move(next));
}

void MeterMap::remove(std::uint32_t id) {
  Cell* cell = cell_of(id);
  if (!cell) return;
  cell->store(kGone, std::memory_order_release);
  --size_;
}

void MeterMap::clear() {
  cells_.publish(std::make_unique<const Cells>(kFirstCells));
  size_ = used_ = 0;
}

}  // namespace sluice::pipeline
