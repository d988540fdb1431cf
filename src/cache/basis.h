// What a translation rested on, in the control plane's own terms: kept with the megaflow, shown to it again
// when the epoch has moved on.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::cache {

struct Basis {
  std::array<std::uint64_t, 18> words{};
};

}  // namespace sluice::cache
