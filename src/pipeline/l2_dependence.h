// Which parts of the tables of learned addresses and multicast groups a translation rests on: while none of
// them changed, it would come out the same, whatever else was learned. A value.
#pragma once

#include <array>
#include <cstdint>

#include "l2/watch.h"

namespace sluice::pipeline {

class L2Dependence {
 public:
  /// Before the look-up.
  void add(const l2::Watch& watch) {
    if (count_ < kMost) watches_[count_] = watch;
    ++count_;
  }
  bool unchanged() const {
    if (count_ > kMost) return false;
    for (unsigned i = 0; i < count_; ++i)
      if (!watches_[i].unchanged()) return false;
    return true;
  }

 private:
  /// Source and destination in four bridges that patch ports join. A translation that looked up more is made
  /// again whenever anything was learned.
  static constexpr unsigned kMost = 8;

  std::array<l2::Watch, kMost> watches_;
  std::uint64_t count_ = 0;
};

}  // namespace sluice::pipeline
