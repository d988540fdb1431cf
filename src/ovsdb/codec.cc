#include "ovsdb/codec.h"

#include <fmt/core.h>

namespace sluice::ovsdb {

namespace {

constexpr std::array<std::string_view, 5> kAtomTypes = {"integer", "real", "boolean", "string", "uuid"};

std::string_view name_of(AtomType type) {
  return kAtomTypes[static_cast<std::size_t>(type)];
}

/// [TAG, x] -> x; null if it is not that.
const Json* tagged(const Json& json, std::string_view tag) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_string()) return nullptr;
  return json[0].get_ref<const std::string&>() == tag ? &json[1] : nullptr;
}

Result<Atom> parse_atom(const Json& json, AtomType type) {
  switch (type) {
    case AtomType::Integer:
      // A number beyond 2^63 parses as unsigned and is no integer of a database.
      if (json.is_number_integer() && (!json.is_number_unsigned() || json.get<std::uint64_t>() <= INT64_MAX))
        return json.get<std::int64_t>();
      break;
    case AtomType::Real:
      if (json.is_number()) return json.get<double>();
      break;
    case AtomType::Boolean:
      if (json.is_boolean()) return json.get<bool>();
      break;
    case AtomType::String:
      if (json.is_string()) return json.get<std::string>();
      break;
    case AtomType::Uuid:
      if (const Json* text = tagged(json, "uuid"); text != nullptr && text->is_string())
        if (const auto uuid = parse_uuid(text->get_ref<const std::string&>())) return *uuid;
      break;
  }
  return fail(fmt::format("expected {} {}, not {}", type == AtomType::Integer ? "an" : "a", name_of(type),
                          excerpt(json)));
}

Json format_atom(const Atom& atom) {
  return std::visit(
      [](const auto& value) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, Uuid>)
          return format_uuid(value);
        else
          return value;
      },
      atom);
}

Result<AtomType> parse_atom_type(const Json& json) {
  if (json.is_string())
    for (std::size_t i = 0; i < kAtomTypes.size(); ++i)
      if (json.get_ref<const std::string&>() == kAtomTypes[i]) return static_cast<AtomType>(i);
  return fail(fmt::format("expected integer, real, boolean, string or uuid, not {}", excerpt(json)));
}

/// <base-type>: an <atomic-type>, or an object with one as "type".
Result<AtomType> parse_base_type(const Json& json) {
  if (!json.is_object()) return parse_atom_type(json);
  const auto type = json.find("type");
  if (type == json.end()) return fail(fmt::format("expected a member \"type\" in {}", excerpt(json)));
  return parse_atom_type(*type);
}

Result<std::uint32_t> parse_count(const Json& type, const char* name) {
  const auto found = type.find(name);
  if (found == type.end()) return 1u;
  if (found->is_string() && found->get_ref<const std::string&>() == "unlimited")
    return ColumnType::kUnlimited;
  if (found->is_number_integer() && *found >= 0 && *found < ColumnType::kUnlimited)
    return found->get<std::uint32_t>();
  return fail(fmt::format("expected a number as \"{}\", not {}", name, excerpt(*found)));
}

Result<ColumnType> parse_column_type(const Json& json) {
  ColumnType type;
  if (!json.is_object()) {
    SLUICE_ASSIGN(type.key, parse_atom_type(json));
    return type;
  }
  const auto key = json.find("key");
  if (key == json.end()) return fail(fmt::format("expected a member \"key\" in {}", excerpt(json)));
  SLUICE_ASSIGN(type.key, parse_base_type(*key));
  if (const auto value = json.find("value"); value != json.end()) {
    SLUICE_ASSIGN(type.value, parse_base_type(*value));
  }
  SLUICE_ASSIGN(type.min, parse_count(json, "min"));
  SLUICE_ASSIGN(type.max, parse_count(json, "max"));
  if (type.min > 1 || type.max == 0)
    return fail(fmt::format("\"min\" and \"max\" of {} exclude each other", excerpt(json)));
  return type;
}

Result<TableSchema> parse_table(const Json& json, const std::string& name,
                                const std::set<std::string, std::less<>>& wanted) {
  const auto columns = json.find("columns");
  if (!json.is_object() || columns == json.end() || !columns->is_object())
    return fail(fmt::format("schema of table {}: expected an object \"columns\"", name));
  TableSchema table;
  for (const auto& column : wanted) {
    const auto found = columns->find(column);
    if (found == columns->end()) continue;
    const auto type = found->is_object() ? found->find("type") : found->end();
    if (!found->is_object() || type == found->end())
      return fail(fmt::format("schema of table {}, column {}: expected a member \"type\"", name, column));
    auto parsed = parse_column_type(*type);
    if (!parsed)
      return fail(fmt::format("schema of table {}, column {}: {}", name, column, parsed.error().message));
    table.columns.push_back({column, *parsed});
  }
  return table;
}

Result<Datum> parse_set(const Json& elements, const ColumnType& type) {
  if (!elements.is_array()) return fail(fmt::format("expected a set, not {}", excerpt(elements)));
  std::vector<Atom> keys;
  for (const Json& element : elements) {
    SLUICE_ASSIGN(Atom key, parse_atom(element, type.key));
    keys.push_back(std::move(key));
  }
  return make_set(std::move(keys));
}

Result<Datum> parse_map(const Json& json, const ColumnType& type) {
  const Json* pairs = tagged(json, "map");
  if (pairs == nullptr || !pairs->is_array())
    return fail(fmt::format("expected a map, not {}", excerpt(json)));
  std::vector<std::pair<Atom, Atom>> parsed;
  for (const Json& pair : *pairs) {
    if (!pair.is_array() || pair.size() != 2)
      return fail(fmt::format("expected a pair, not {}", excerpt(pair)));
    SLUICE_ASSIGN(Atom key, parse_atom(pair[0], type.key));
    SLUICE_ASSIGN(Atom value, parse_atom(pair[1], *type.value));
    parsed.emplace_back(std::move(key), std::move(value));
  }
  return make_map(std::move(parsed));
}

}  // namespace

std::string excerpt(const Json& json) {
  constexpr std::size_t kMost = 80;
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost - 3) + "...";
  return text;
}

Result<Datum> parse_datum(const Json& json, const ColumnType& type) {
  if (type.value) return parse_map(json, type);
  Datum datum;
  if (const Json* elements = tagged(json, "set")) {
    SLUICE_ASSIGN(datum, parse_set(*elements, type));
  } else {
    SLUICE_ASSIGN(Atom key, parse_atom(json, type.key));
    datum.keys.push_back(std::move(key));
  }
  // A column that must hold one value and holds none is nonsense; more are not: a difference of a set has as
  // many as were taken away and added.
  if (type.max == 1 && (datum.keys.size() > 1 || datum.keys.size() < type.min))
    return fail(
        fmt::format("expected {} value, not {}", type.min == 1 ? "one" : "at most one", excerpt(json)));
  return datum;
}

Json format_uuid(const Uuid& uuid) {
  return Json::array({"uuid", to_string(uuid)});
}

Json format_datum(const Datum& datum, bool is_map) {
  if (is_map) {
    Json pairs = Json::array();
    for (std::size_t i = 0; i < datum.keys.size(); ++i)
      pairs.push_back(Json::array({format_atom(datum.keys[i]), format_atom(datum.values[i])}));
    return Json::array({"map", std::move(pairs)});
  }
  if (datum.keys.size() == 1) return format_atom(datum.keys[0]);
  Json elements = Json::array();
  for (const Atom& key : datum.keys) elements.push_back(format_atom(key));
  return Json::array({"set", std::move(elements)});
}

Result<Schema> parse_schema(const Json& json, const Wanted& wanted) {
  if (!json.is_object()) return fail(fmt::format("schema: expected an object, not {}", excerpt(json)));
  const auto tables = json.find("tables");
  if (tables == json.end() || !tables->is_object()) return fail("schema: expected an object \"tables\"");
  Schema schema;
  if (const auto version = json.find("version"); version != json.end() && version->is_string())
    schema.version = version->get<std::string>();
  for (const auto& [name, columns] : wanted) {
    const auto found = tables->find(name);
    if (found == tables->end()) continue;
    SLUICE_ASSIGN(schema.tables[name], parse_table(*found, name, columns));
  }
  return schema;
}

}  // namespace sluice::ovsdb
