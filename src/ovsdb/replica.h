// A copy of the rows that a client monitors, kept equal to the server's by its notifications (RFC 7047
// sections 4.1.5 and 4.1.6, ovsdb-server(7) sections 4.1.12 and 4.1.14), and what changed with each.
//
// A message is applied whole or, if anything in it is nonsense, not at all. After a new connection replace()
// compares the old copy with what the server has now, so that whoever follows the changes misses none and
// sees none twice.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ovsdb/datum.h"
#include "ovsdb/schema.h"

namespace sluice::ovsdb {

/// A row. What its table's schema lacks reads as empty, and so does what has another type than asked for.
class Row {
 public:
  Row(const TableSchema& schema, Uuid id);

  const Uuid& id() const { return id_; }
  /// Null if the table has no such column.
  const Datum* find(std::string_view column) const;

  // The single value of a column, or nothing.
  std::optional<std::string> text(std::string_view column) const;
  std::optional<std::int64_t> integer(std::string_view column) const;
  std::optional<bool> boolean(std::string_view column) const;
  std::optional<Uuid> reference(std::string_view column) const;

  std::vector<std::string> texts(std::string_view column) const;
  std::vector<std::int64_t> integers(std::string_view column) const;
  std::vector<Uuid> references(std::string_view column) const;
  std::map<std::string, std::string, std::less<>> text_map(std::string_view column) const;
  std::map<std::string, std::int64_t, std::less<>> integer_map(std::string_view column) const;
  std::map<std::string, Uuid, std::less<>> named_references(std::string_view column) const;
  std::map<std::int64_t, Uuid> numbered_references(std::string_view column) const;

 private:
  friend class Replica;
  template <typename T>
  std::optional<T> one(std::string_view column) const;
  template <typename T>
  std::vector<T> all(std::string_view column) const;
  template <typename Map>
  Map pairs(std::string_view column) const;

  const TableSchema* schema_;
  Uuid id_;
  std::vector<Datum> data_;  ///< by the schema's columns
};

/// Whether an option says "true", in whatever case (smap_get_bool of Open vSwitch).
bool is_true(const std::map<std::string, std::string, std::less<>>& options, std::string_view key);

/// What happened to a row.
struct Change {
  enum class Kind : std::uint8_t { Insert, Modify, Delete };
  Kind kind;
  std::string table;
  Uuid row;
  std::vector<std::string> columns;  ///< that a Modify changed, by name

  bool operator==(const Change&) const = default;
};
using Changes = std::vector<Change>;

/// Which notifications a server sends: those of monitor_cond, or those of RFC 7047 itself.
enum class UpdateFormat : std::uint8_t { Full, Difference };

class Replica {
 public:
  using Rows = std::map<Uuid, Row>;

  /// Most rows of all tables together; a switch of 10,000 ports has 20,000.
  static constexpr std::size_t kMaxRows = 4'000'000;

  Replica() : schema_(std::make_unique<Schema>()) {}

  const Schema& schema() const { return *schema_; }
  /// Empty for a table that the server does not have.
  const Rows& rows(std::string_view table) const;
  const Row* find(std::string_view table, const Uuid& id) const;
  /// The row of a table that has one at most; null if there is none.
  const Row* only(std::string_view table) const;

  /// Makes the copy what a monitor's reply says.
  Result<Changes> replace(Schema schema, const nlohmann::json& updates, UpdateFormat format);
  /// Applies a notification.
  Result<Changes> apply(const nlohmann::json& updates, UpdateFormat format);

 private:
  using Tables = std::map<std::string, Rows, std::less<>>;
  struct Staged;  ///< a row that is to be, or not to be

  Result<std::vector<Staged>> stage(const Schema& schema, const Tables& tables, const nlohmann::json& updates,
                                    UpdateFormat format) const;

  std::unique_ptr<Schema> schema_;  ///< rows point into it
  Tables tables_;
};

}  // namespace sluice::ovsdb
