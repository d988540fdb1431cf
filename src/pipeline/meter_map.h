// From the meters that flows name to the datapath's numbers of them: open addressing over cells of one word,
// so that a reader needs no lock, and one more meter is one store. Cells that are half full make room for
// more.
//
// Threads: find() by any worker under RCU; the rest by the writer of the flow tables.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/keyed_hash.h"
#include "base/rcu.h"

namespace sluice::pipeline {

class MeterMap {
 public:
  explicit MeterMap(std::uint64_t secret)
      : hash_{secret}, cells_(std::make_unique<const Cells>(kFirstCells)) {}

  /// The datapath's meter, nothing if there is none.
  std::optional<std::uint32_t> find(std::uint32_t id) const;

  // --- Writer

  /// @param id  not 0
  void set(std::uint32_t id, std::uint32_t dp_meter);
  void remove(std::uint32_t id);
  void clear();
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kFirstCells = 16;
  /// A cell holds the id above, the datapath's number below. No meter has the id 0.
  static constexpr std::uint64_t kEmpty = 0, kGone = 1;
  using Cell = std::atomic<std::uint64_t>;
  struct Cells {
    explicit Cells(std::size_t size) : mask(size - 1), cell(std::make_unique<Cell[]>(size)) {}
    /// The first cell from the id's own on that is empty.
    Cell& place_of(std::size_t hash) const;
    std::size_t mask;
    std::unique_ptr<Cell[]> cell;
  };
  static std::uint32_t id_of(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }
  Cell* cell_of(std::uint32_t id) const;
  void make_room();

  KeyedHash hash_;
  rcu::Published<Cells> cells_;
  std::size_t size_ = 0, used_ = 0;  ///< meters; cells that are not empty
};

}  // namespace sluice::pipeline
