#pragma once

namespace sluice::daemon {
inline constexpr const char* kVersion = "0.1.0";
}
