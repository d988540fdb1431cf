#include "cli/hex.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace sluice::cli {

Result<std::vector<std::uint8_t>> parse_hex(std::string_view line) {
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : line.substr(0, std::min(line.find('#'), line.size()))) {
    if (std::isspace(static_cast<unsigned char>(c))) continue;
    const int lower = std::tolower(static_cast<unsigned char>(c));
    int digit;
    if (lower >= '0' && lower <= '9')
      digit = lower - '0';
    else if (lower >= 'a' && lower <= 'f')
      digit = lower - 'a' + 10;
    else
      return fail("Trailing garbage in hex data");
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) return fail("Trailing garbage in hex data");
  return bytes;
}

std::string hex_differences(Bytes before, Bytes after) {
  std::string text;
  for (std::size_t i = 0; i < std::max(before.size(), after.size()); ++i) {
    const bool a = i < before.size(), b = i < after.size();
    if (a && b && before[i] == after[i]) continue;
    text += fmt::format("{:2}: {} -> {}\n", i, a ? fmt::format("{:02x}", before[i]) : "(none)",
                        b ? fmt::format("{:02x}", after[i]) : "(none)");
  }
  return text;
}

Result<action::OfVersion> parse_version(std::string_view name) {
  constexpr std::string_view kPrefix = "OpenFlow1";
  if (name.size() == kPrefix.size() + 1 && name.starts_with(kPrefix) && name.back() >= '0' &&
      name.back() <= '5')
    return static_cast<action::OfVersion>(name.back() - '0' + 1);
  return fail(fmt::format("{}: not a valid OpenFlow version: expected OpenFlow10 to OpenFlow15", name));
}

}  // namespace sluice::cli
