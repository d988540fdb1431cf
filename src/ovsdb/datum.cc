#include "ovsdb/datum.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>

namespace sluice::ovsdb {

namespace {

constexpr std::size_t kUuidText = 36;

bool is_dash_place(std::size_t at) {
  return at == 8 || at == 13 || at == 18 || at == 23;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

Atom default_atom(AtomType type) {
  switch (type) {
    case AtomType::Integer:
      return std::int64_t{0};
    case AtomType::Real:
      return 0.0;
    case AtomType::Boolean:
      return false;
    case AtomType::String:
      return std::string();
    case AtomType::Uuid:
      break;
  }
  return Uuid{};
}

Datum apply_map_difference(const Datum& old, const Datum& difference) {
  std::map<Atom, Atom> pairs;
  for (std::size_t i = 0; i < old.keys.size(); ++i) pairs.emplace(old.keys[i], old.values[i]);
  for (std::size_t i = 0; i < difference.keys.size(); ++i) {
    const auto found = pairs.find(difference.keys[i]);
    if (found != pairs.end() && found->second == difference.values[i])
      pairs.erase(found);
    else
      pairs.insert_or_assign(difference.keys[i], difference.values[i]);
  }
  Datum result;
  for (auto& [key, value] : pairs) {
    result.keys.push_back(key);
    result.values.push_back(std::move(value));
  }
  return result;
}

}  // namespace

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != kUuidText) return std::nullopt;
  Uuid uuid;
  unsigned digits = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (is_dash_place(at)) {
      if (text[at] != '-') return std::nullopt;
      continue;
    }
    const auto digit = hex_digit(text[at]);
    if (!digit) return std::nullopt;
    auto& byte = uuid.bytes[digits++ / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | *digit);
  }
  return uuid;
}

std::string to_string(const Uuid& uuid) {
  std::string text;
  for (const std::uint8_t byte : uuid.bytes) {
    if (is_dash_place(text.size())) text += '-';
    text += fmt::format("{:02x}", byte);
  }
  return text;
}

Datum make_set(std::vector<Atom> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Datum datum;
  datum.keys = std::move(keys);
  return datum;
}

Datum make_map(std::vector<std::pair<Atom, Atom>> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Datum datum;
  for (auto& [key, value] : pairs) {
    if (!datum.keys.empty() && datum.keys.back() == key) {
      datum.values.back() = std::move(value);
      continue;
    }
    datum.keys.push_back(std::move(key));
    datum.values.push_back(std::move(value));
  }
  return datum;
}

Datum default_datum(const ColumnType& type) {
  Datum datum;
  if (type.min == 0) return datum;
  datum.keys.push_back(default_atom(type.key));
  if (type.value) datum.values.push_back(default_atom(*type.value));
  return datum;
}

Datum apply_difference(const ColumnType& type, const Datum& old, const Datum& difference) {
  if (type.max == 1) return difference;
  if (type.value) return apply_map_difference(old, difference);
  Datum result;
  std::set_symmetric_difference(old.keys.begin(), old.keys.end(), difference.keys.begin(),
                                difference.keys.end(), std::back_inserter(result.keys));
  return result;
}

}  // namespace sluice::ovsdb
