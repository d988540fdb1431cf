// The parts of a database's schema that a client replicates: tables, columns and their types (RFC 7047
// section 3.2).
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ovsdb/datum.h"

namespace sluice::ovsdb {

struct ColumnSchema {
  std::string name;
  ColumnType type;

  bool operator==(const ColumnSchema&) const = default;
};

struct TableSchema {
  std::vector<ColumnSchema> columns;  ///< by name

  std::optional<std::size_t> find(std::string_view column) const {
    const auto at =
        std::lower_bound(columns.begin(), columns.end(), column,
                         [](const ColumnSchema& c, std::string_view name) { return c.name < name; });
    if (at == columns.end() || at->name != column) return std::nullopt;
    return static_cast<std::size_t>(at - columns.begin());
  }
  bool operator==(const TableSchema&) const = default;
};

struct Schema {
  std::string version;
  std::map<std::string, TableSchema, std::less<>> tables;

  bool has(std::string_view table, std::string_view column) const {
    const auto found = tables.find(table);
    return found != tables.end() && found->second.find(column);
  }
  bool operator==(const Schema&) const = default;
};

/// Table -> the columns that a client wants. What a server's schema lacks is left out: an older database has
/// fewer columns.
using Wanted = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

}  // namespace sluice::ovsdb
