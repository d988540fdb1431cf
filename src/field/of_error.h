// OpenFlow errors: one row each in of_error.def, with their names and what they look like in each version.
// One value everywhere: Error::of_error = value + 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "field/oxm.h"

namespace sluice::field {

/// Named for the OpenFlow 1.3+ constants: BacBadType is OFPBAC_BAD_TYPE, in OFPET_BAD_ACTION.
enum class OfError : std::uint16_t {
#define SLUICE_OF_ERROR(name, text, ...) name,
#include "field/of_error.def"
#undef SLUICE_OF_ERROR
};
inline constexpr std::size_t kOfErrorCount = 0
#define SLUICE_OF_ERROR(name, text, ...) +1
#include "field/of_error.def"
#undef SLUICE_OF_ERROR
    ;

using sluice::fail;

inline tl::unexpected<Error> fail(std::string message, OfError code) {
  return sluice::fail(std::move(message), static_cast<std::uint32_t>(code) + 1);
}

/// The code of an error made by fail(), if it has one.
std::optional<OfError> of_error(const Error& error);

/// "OFPBAC_BAD_ARGUMENT".
std::string_view of_error_name(OfError code);
/// The error of that name, as ovs-ofctl print-error takes it.
std::optional<OfError> find_of_error(std::string_view name);

/// How an error travels in one version. `vendor` 0 is OpenFlow's own.
struct OfErrorCode {
  std::uint32_t vendor;
  std::uint16_t type, code;
  bool operator==(const OfErrorCode&) const = default;
};
/// Nothing if the version cannot express it.
std::optional<OfErrorCode> of_error_code(OfError error, OfVersion version);
std::optional<OfError> find_of_error(const OfErrorCode& code, OfVersion version);

}  // namespace sluice::field
