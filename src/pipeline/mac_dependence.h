// Which addresses of the MAC table a translation rests on: while none of them changed, it would come out the
// same, whatever else was learned. A value; vouched for by MacTable::watch().
#pragma once

#include <array>
#include <cstdint>

#include "l2/mac_table.h"

namespace sluice::pipeline {

class MacDependence {
 public:
  MacDependence() = default;
  /// Before the first look-up of the translation.
  explicit MacDependence(const l2::MacTable& macs) : changes_(macs.changes()) {}

  void add(const l2::MacTable::Watch& watch) {
    if (count_ < kMost) watches_[count_] = watch;
    ++count_;
  }
  bool unchanged(const l2::MacTable& macs) const {
    if (count_ > kMost) return macs.changes() == changes_;
    for (unsigned i = 0; i < count_; ++i)
      if (!macs.unchanged(watches_[i])) return false;
    return true;
  }

 private:
  /// Source and destination, and one to spare; a translation that looked up more rests on the whole table.
  static constexpr unsigned kMost = 3;

  std::array<l2::MacTable::Watch, kMost> watches_;
  std::uint64_t count_ = 0, changes_ = 0;
};

}  // namespace sluice::pipeline
