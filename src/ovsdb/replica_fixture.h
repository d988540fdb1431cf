// For tests: a replica of an Open_vSwitch database from a short text, with the schema that Debian's
// openvswitch-common installs.
#pragma once

#include <fmt/core.h>

#include <fstream>
#include <optional>
#include <string>

#include "ovsdb/codec.h"
#include "ovsdb/replica.h"

namespace sluice::ovsdb {

inline constexpr const char* kInstalledSchema = "/usr/share/openvswitch/vswitch.ovsschema";

/// The id of row `n` of a text.
inline Uuid test_row_id(unsigned n) {
  return *parse_uuid(fmt::format("550e8400-e29b-41d4-a716-{:012x}", n));
}

/// Nothing if the schema is not installed.
inline std::optional<Schema> installed_schema(const Wanted& wanted) {
  std::ifstream file(kInstalledSchema);
  if (!file) return std::nullopt;
  const Json json = Json::parse(file, nullptr, false);
  auto schema = parse_schema(json, wanted);
  return schema ? std::optional(std::move(*schema)) : std::nullopt;
}

/// "Bridge": {"#1": {"name": "br0", "ports": "@2"}}: "#N" is row N, "@N" a reference to it.
inline Json expand_rows(const Json& json) {
  if (json.is_string()) {
    const auto text = json.get<std::string>();
    if (text.size() < 2 || text[0] != '@') return json;
    return format_uuid(test_row_id(static_cast<unsigned>(std::stoul(text.substr(1)))));
  }
  Json result = json;
  if (json.is_array())
    for (Json& part : result) part = expand_rows(part);
  if (json.is_object()) {
    result = Json::object();
    for (const auto& [key, value] : json.items()) {
      const bool is_row = key.size() > 1 && key[0] == '#';
      if (is_row)
        result[to_string(test_row_id(static_cast<unsigned>(std::stoul(key.substr(1)))))] = {
            {"initial", expand_rows(value)}};
      else
        result[key] = expand_rows(value);
    }
  }
  return result;
}

/// Makes the replica hold these rows; the error of a text that is wrong.
inline std::string load_rows(Replica& replica, const Schema& schema, const std::string& text) {
  const Json json = Json::parse("{" + text + "}", nullptr, false);
  if (json.is_discarded()) return "not JSON: " + text;
  const auto changes = replica.replace(schema, expand_rows(json), UpdateFormat::Difference);
  return changes ? "" : changes.error().message;
}

}  // namespace sluice::ovsdb
