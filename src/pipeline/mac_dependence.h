// Which addresses of the MAC table a translation rests on: while none of them changed, it would come out the
// same, whatever else was learned. A value; vouched for by MacTable::watch().
#pragma once

#include <array>
#include <cstdint>

#include "l2/mac_table.h"

namespace sluice::pipeline {

class MacDependence {
 public:
  /// Before the look-up. The table outlives whoever asks unchanged().
  void add(const l2::MacTable& table, const net::Mac& mac, std::uint16_t vlan) {
    if (count_ < kMost) looked_up_[count_] = {&table, table.watch(mac, vlan)};
    ++count_;
  }
  bool unchanged() const {
    if (count_ > kMost) return false;
    for (unsigned i = 0; i < count_; ++i)
      if (!looked_up_[i].table->unchanged(looked_up_[i].watch)) return false;
    return true;
  }

 private:
  /// Source and destination in two bridges; a translation that looked up more is made again.
  static constexpr unsigned kMost = 4;
  struct LookedUp {
    const l2::MacTable* table = nullptr;
    l2::MacTable::Watch watch;
  };

  std::array<LookedUp, kMost> looked_up_;
  std::uint64_t count_ = 0;
};

}  // namespace sluice::pipeline
