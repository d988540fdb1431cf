#include "field/of_error.h"

#include <array>
#include <iterator>

namespace sluice::field {

namespace {

constexpr std::uint32_t kNicira = 0x00002320, kOnf = 0x4f4e4600;

/// Versions as 10 … 15; first 0: an unused place.
struct R {
  std::uint8_t first = 0, last = 0;
  std::uint32_t vendor = 0;
  std::uint16_t type = 0, code = 0;
};

struct Row {
  std::string_view name;
  std::array<R, 4> ranges;
};

constexpr Row kRows[] = {
#define SLUICE_OF_ERROR(name, text, ...) {text, {__VA_ARGS__}},
#include "field/of_error.def"
#undef SLUICE_OF_ERROR
};

constexpr std::uint8_t decimal(OfVersion version) {
  return static_cast<std::uint8_t>(static_cast<std::uint8_t>(version) + 9);
}

const R* find_range(const Row& row, OfVersion version) {
  for (const R& range : row.ranges)
    if (range.first != 0 && range.first <= decimal(version) && decimal(version) <= range.last) return &range;
  return nullptr;
}

}  // namespace

std::optional<OfError> of_error(const Error& error) {
  if (error.of_error == 0) return std::nullopt;
  return static_cast<OfError>(error.of_error - 1);
}

std::string_view of_error_name(OfError code) {
  const auto i = static_cast<std::size_t>(code);
  return i < std::size(kRows) ? kRows[i].name : "unknown error";
}

std::optional<OfError> find_of_error(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kRows); ++i)
    if (kRows[i].name == name) return static_cast<OfError>(i);
  return std::nullopt;
}

std::optional<OfErrorCode> of_error_code(OfError error, OfVersion version) {
  const auto i = static_cast<std::size_t>(error);
  const R* range = i < std::size(kRows) ? find_range(kRows[i], version) : nullptr;
  if (range == nullptr) return std::nullopt;
  return OfErrorCode{range->vendor, range->type, range->code};
}

std::optional<OfError> find_of_error(const OfErrorCode& code, OfVersion version) {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    const R* range = find_range(kRows[i], version);
    if (range != nullptr && OfErrorCode{range->vendor, range->type, range->code} == code)
      return static_cast<OfError>(i);
  }
  return std::nullopt;
}

}  // namespace sluice::field
