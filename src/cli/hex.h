// Bytes in hex, as the plumbing verbs read and compare them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "action/action.h"
#include "base/bytes.h"
#include "base/result.h"

namespace sluice::cli {

/// Pairs of digits, blanks anywhere between, up to a "#".
Result<std::vector<std::uint8_t>> parse_hex(std::string_view line);
/// Bytes that differ, a line each: " 5: 01 -> 00".
std::string hex_differences(Bytes before, Bytes after);

/// "OpenFlow13".
Result<action::OfVersion> parse_version(std::string_view name);

}  // namespace sluice::cli
