// A change of the database: operations that are done together or not at all (RFC 7047 section 5.2). A value,
// built before anything is sent.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ovsdb/datum.h"

namespace sluice::ovsdb {

/// What a column is to hold. Maps say that they are one: an empty map and an empty set differ on the wire.
struct ColumnValue {
  Datum datum;
  bool is_map = false;

  bool operator==(const ColumnValue&) const = default;
};
using ColumnValues = std::map<std::string, ColumnValue, std::less<>>;

class Transaction {
 public:
  /// Adds a row. The id names it in later operations of this transaction; the server chooses the real one.
  Uuid insert(std::string table, ColumnValues columns);
  /// Sets columns of one row. Several updates of a row become one.
  void update(std::string_view table, const Uuid& row, std::string column, ColumnValue value);
  /// "insert" or "delete" of elements of a set or a map; arithmetic ("+=") on an integer.
  void mutate(std::string table, const Uuid& row, std::string column, std::string mutator, ColumnValue value);
  void erase(std::string table, const Uuid& row);
  /// Fails, without waiting, unless the row's column holds this now.
  void expect(std::string table, const Uuid& row, std::string column, ColumnValue value);
  void comment(std::string text);
  /// Fails with "not owner" unless this client holds the lock.
  void assert_lock(std::string lock);

  bool empty() const { return operations_.empty(); }
  /// Parameters of "transact".
  nlohmann::json format(std::string_view database) const;

 private:
  enum class Kind : std::uint8_t { Insert, Update, Mutate, Delete, Wait, Comment, Assert };
  struct Operation {
    Kind kind;
    std::string table;
    Uuid row{};
    ColumnValues columns;
    std::string text;  ///< mutator, comment or lock
  };
  nlohmann::json format_operation(const Operation& operation) const;
  nlohmann::json format_value(const ColumnValue& value) const;
  /// The name of a row that this transaction inserts; empty for others.
  std::string name_of(const Uuid& row) const;

  std::vector<Operation> operations_;
  std::uint32_t inserted_ = 0;
};

/// What became of a transaction.
struct Outcome {
  enum class Kind : std::uint8_t {
    Committed,
    Failed,  ///< the server refused it: nothing of it was done
    Lost,    ///< the connection ended before the answer: it was done or not, the replica will show
  };
  Kind kind = Kind::Committed;
  std::string error;
};

}  // namespace sluice::ovsdb
