// Result<T>: a value or one sentence that says what was wrong, where, and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace sluice {

struct Error {
  std::string message;
  /// The OpenFlow error that answers this mistake on the wire, as (type << 16 | code) + 1; 0 = none has been
  /// assigned. field/of_error.h names the values.
  std::uint32_t of_error = 0;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

inline tl::unexpected<Error> fail(std::string message, std::uint32_t of_error = 0) {
  return tl::unexpected<Error>(Error{std::move(message), of_error});
}

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

/// Leaves the enclosing function with the error of `expression` (a Status), if it is one.
#define SLUICE_TRY(expression)                                                    \
  do {                                                                            \
    if (auto sluice_status = (expression); !sluice_status)                        \
      return ::tl::unexpected<::sluice::Error>(std::move(sluice_status).error()); \
  } while (0)

/// SLUICE_ASSIGN(auto value, parse(text)): declares or assigns the value, or leaves with the error.
#define SLUICE_ASSIGN(target, expression) \
  SLUICE_ASSIGN_INNER(SLUICE_CONCAT(sluice_result_, __LINE__), target, expression)
#define SLUICE_ASSIGN_INNER(result, target, expression)                             \
  auto result = (expression);                                                       \
  if (!result) return ::tl::unexpected<::sluice::Error>(std::move(result).error()); \
  target = std::move(*result)
