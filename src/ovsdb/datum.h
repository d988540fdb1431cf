// The values of a database: atoms, and the sets and maps of atoms that a column holds (RFC 7047 section 5.1).
// Values without JSON; codec.h reads and writes them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace sluice::ovsdb {

/// In the order of its text.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
};
/// "550e8400-e29b-41d4-a716-446655440000", digits of either case; nothing for another form.
std::optional<Uuid> parse_uuid(std::string_view text);
std::string to_string(const Uuid& uuid);

/// In the order of Atom's alternatives.
enum class AtomType : std::uint8_t { Integer, Real, Boolean, String, Uuid };
using Atom = std::variant<std::int64_t, double, bool, std::string, Uuid>;

/// A <type> of a column without what the server alone must check (ranges, enumerations, references).
struct ColumnType {
  static constexpr std::uint32_t kUnlimited = ~std::uint32_t{0};

  AtomType key = AtomType::String;
  std::optional<AtomType> value;  ///< of maps
  std::uint32_t min = 1, max = 1;

  bool operator==(const ColumnType&) const = default;
};

/// What a column holds: keys ascending and unique; of a map a value for each, of a set no values.
struct Datum {
  std::vector<Atom> keys, values;

  Datum() = default;
  // A set of one, which is how a single value is held.
  Datum(std::int64_t integer) : keys{integer} {}
  Datum(bool boolean) : keys{boolean} {}
  Datum(std::string text) : keys{std::move(text)} {}
  Datum(const char* text) : keys{std::string(text)} {}
  Datum(const Uuid& uuid) : keys{uuid} {}

  bool operator==(const Datum&) const = default;
};

/// A set out of atoms in any order; doubles go.
Datum make_set(std::vector<Atom> keys);
/// A map out of pairs in any order; of two with the same key the later one stays.
Datum make_map(std::vector<std::pair<Atom, Atom>> pairs);

/// What a row holds in a column that nobody set.
Datum default_datum(const ColumnType& type);

/// Applies a difference, as update2 carries it (ovsdb-server(7) section 4.1.14): of a column of at most one
/// element the new value; of a set the elements to be added or taken away; of a map the pairs that are new,
/// changed, or, if they are as before, gone.
Datum apply_difference(const ColumnType& type, const Datum& old, const Datum& difference);

}  // namespace sluice::ovsdb
