// What a switch takes of meters.
#pragma once

#include <cstddef>

namespace sluice::action {

inline constexpr std::size_t kMaxMeterBands = 8;

}  // namespace sluice::action
