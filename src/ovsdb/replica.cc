#include "ovsdb/replica.h"

#include <fmt/core.h>
#include <strings.h>

#include "ovsdb/codec.h"

namespace sluice::ovsdb {

// --- Row ---

Row::Row(const TableSchema& schema, Uuid id) : schema_(&schema), id_(id) {
  for (const auto& column : schema.columns) data_.push_back(default_datum(column.type));
}

const Datum* Row::find(std::string_view column) const {
  const auto index = schema_->find(column);
  return index ? &data_[*index] : nullptr;
}

template <typename T>
std::optional<T> Row::one(std::string_view column) const {
  const Datum* datum = find(column);
  if (datum == nullptr || datum->keys.size() != 1) return std::nullopt;
  const T* value = std::get_if<T>(&datum->keys[0]);
  return value != nullptr ? std::optional<T>(*value) : std::nullopt;
}

template <typename T>
std::vector<T> Row::all(std::string_view column) const {
  std::vector<T> values;
  if (const Datum* datum = find(column))
    for (const Atom& key : datum->keys)
      if (const T* value = std::get_if<T>(&key)) values.push_back(*value);
  return values;
}

template <typename Map>
Map Row::pairs(std::string_view column) const {
  Map map;
  const Datum* datum = find(column);
  if (datum == nullptr || datum->values.size() != datum->keys.size()) return map;
  for (std::size_t i = 0; i < datum->keys.size(); ++i) {
    const auto* key = std::get_if<typename Map::key_type>(&datum->keys[i]);
    const auto* value = std::get_if<typename Map::mapped_type>(&datum->values[i]);
    if (key != nullptr && value != nullptr) map.emplace(*key, *value);
  }
  return map;
}

std::optional<std::string> Row::text(std::string_view column) const {
  return one<std::string>(column);
}
std::optional<std::int64_t> Row::integer(std::string_view column) const {
  return one<std::int64_t>(column);
}
std::optional<bool> Row::boolean(std::string_view column) const {
  return one<bool>(column);
}
std::optional<Uuid> Row::reference(std::string_view column) const {
  return one<Uuid>(column);
}
std::vector<std::string> Row::texts(std::string_view column) const {
  return all<std::string>(column);
}
std::vector<std::int64_t> Row::integers(std::string_view column) const {
  return all<std::int64_t>(column);
}
std::vector<Uuid> Row::references(std::string_view column) const {
  return all<Uuid>(column);
}
std::map<std::string, std::string, std::less<>> Row::text_map(std::string_view column) const {
  return pairs<std::map<std::string, std::string, std::less<>>>(column);
}
std::map<std::string, std::int64_t, std::less<>> Row::integer_map(std::string_view column) const {
  return pairs<std::map<std::string, std::int64_t, std::less<>>>(column);
}
std::map<std::string, Uuid, std::less<>> Row::named_references(std::string_view column) const {
  return pairs<std::map<std::string, Uuid, std::less<>>>(column);
}
std::map<std::int64_t, Uuid> Row::numbered_references(std::string_view column) const {
  return pairs<std::map<std::int64_t, Uuid>>(column);
}

bool is_true(const std::map<std::string, std::string, std::less<>>& options, std::string_view key) {
  const auto found = options.find(key);
  return found != options.end() && ::strcasecmp(found->second.c_str(), "true") == 0;
}

// --- Replica ---

struct Replica::Staged {
  std::string table;
  Uuid id;
  std::optional<Row> row;  ///< nothing: it goes
};

namespace {

/// "table Bridge, row 550e…".
std::string place_of(const std::string& table, const std::string& row) {
  return fmt::format("table {}, row {}", table, row);
}

/// Columns of two rows of the same table that differ. Their schemas may: then those that both have count.
std::vector<std::string> changed_columns(const TableSchema& schema, const Row& before, const Row& after) {
  std::vector<std::string> changed;
  for (const auto& column : schema.columns) {
    const Datum* old = before.find(column.name);
    if (old == nullptr || *old != *after.find(column.name)) changed.push_back(column.name);
  }
  return changed;
}

/// The member of a <row-update> that says what it is about, and its kind.
struct RowUpdate {
  Change::Kind kind;
  const Json* columns = nullptr;  ///< of Insert and Modify
};

Result<RowUpdate> read_row_update(const Json& json, UpdateFormat format) {
  if (!json.is_object()) return fail(fmt::format("expected an object, not {}", excerpt(json)));
  const auto member = [&](const char* name) -> const Json* {
    const auto found = json.find(name);
    return found == json.end() ? nullptr : &*found;
  };
  RowUpdate update{};
  if (format == UpdateFormat::Full) {
    const Json *old = member("old"), *now = member("new");
    if (old == nullptr && now == nullptr)
      return fail(fmt::format("expected \"old\" or \"new\" in {}", excerpt(json)));
    update.kind = now == nullptr ? Change::Kind::Delete : Change::Kind::Insert;
    update.columns = now;
  } else {
    const Json* insert = member("insert");
    if (insert == nullptr) insert = member("initial");
    const Json* modify = member("modify");
    if (insert == nullptr && modify == nullptr && member("delete") == nullptr)
      return fail(
          fmt::format("expected \"initial\", \"insert\", \"modify\" or \"delete\" in {}", excerpt(json)));
    update.kind = insert != nullptr   ? Change::Kind::Insert
                  : modify != nullptr ? Change::Kind::Modify
                                      : Change::Kind::Delete;
    update.columns = insert != nullptr ? insert : modify;
  }
  if (update.kind != Change::Kind::Delete && !update.columns->is_object())
    return fail(fmt::format("expected columns, not {}", excerpt(*update.columns)));
  return update;
}

/// Sets the columns of `data` that the update has; `difference`: they are differences.
Status read_columns(const TableSchema& schema, const Json& columns, bool difference,
                    std::vector<Datum>& data) {
  for (const auto& [name, value] : columns.items()) {
    const auto index = schema.find(name);
    if (!index) continue;  // _version and what else was not asked for
    const ColumnType& type = schema.columns[*index].type;
    auto datum = parse_datum(value, type);
    if (!datum) return fail(fmt::format("column {}: {}", name, datum.error().message));
    data[*index] = difference ? apply_difference(type, data[*index], *datum) : std::move(*datum);
  }
  return {};
}

}  // namespace

const Replica::Rows& Replica::rows(std::string_view table) const {
  static const Rows kNone;
  const auto found = tables_.find(table);
  return found == tables_.end() ? kNone : found->second;
}

const Row* Replica::find(std::string_view table, const Uuid& id) const {
  const Rows& all = rows(table);
  const auto found = all.find(id);
  return found == all.end() ? nullptr : &found->second;
}

const Row* Replica::only(std::string_view table) const {
  const Rows& all = rows(table);
  return all.size() == 1 ? &all.begin()->second : nullptr;
}

Result<std::vector<Replica::Staged>> Replica::stage(const Schema& schema, const Tables& tables,
                                                    const Json& updates, UpdateFormat format) const {
  if (!updates.is_object())
    return fail(fmt::format("table updates: expected an object, not {}", excerpt(updates)));
  std::vector<Staged> staged;
  for (const auto& [table, rows_json] : updates.items()) {
    const auto table_schema = schema.tables.find(table);
    if (table_schema == schema.tables.end())
      return fail(fmt::format("table {}: not one that is monitored", table));
    if (!rows_json.is_object())
      return fail(fmt::format("table {}: expected rows, not {}", table, excerpt(rows_json)));
    const auto known = tables.find(table);
    for (const auto& [id_text, json] : rows_json.items()) {
      const auto at_fault = [&, &id = id_text, &name = table](const std::string& what) {
        return fail(fmt::format("{}: {}", place_of(name, id), what));
      };
      const auto id = parse_uuid(id_text);
      if (!id) return at_fault("expected a UUID");
      auto update = read_row_update(json, format);
      if (!update) return at_fault(update.error().message);
      Staged& next = staged.emplace_back(Staged{table, *id, std::nullopt});
      if (update->kind == Change::Kind::Delete) continue;

      const Row* old = nullptr;
      if (known != tables.end())
        if (const auto row = known->second.find(*id); row != known->second.end()) old = &row->second;
      const bool modifies = update->kind == Change::Kind::Modify;
      if (modifies && old == nullptr) return at_fault("\"modify\" of a row that is not there");
      // RFC 7047: "new" holds all columns of the row, "insert" all that have not their default.
      next.row = modifies ? *old : Row(table_schema->second, *id);
      if (auto status = read_columns(table_schema->second, *update->columns, modifies, next.row->data_);
          !status)
        return at_fault(status.error().message);
    }
  }
  return staged;
}

Result<Changes> Replica::replace(Schema schema, const Json& updates, UpdateFormat format) {
  auto fresh_schema = std::make_unique<Schema>(std::move(schema));
  SLUICE_ASSIGN(auto staged, stage(*fresh_schema, {}, updates, format));
  if (staged.size() > kMaxRows) return fail(fmt::format("more than {} rows", kMaxRows));
  Tables fresh;
  for (auto& next : staged)
    if (next.row) fresh[next.table].emplace(next.id, std::move(*next.row));

  Changes changes;
  for (const auto& [table, rows_before] : tables_)
    for (const auto& [id, row] : rows_before)
      if (const auto now = fresh.find(table); now == fresh.end() || !now->second.contains(id))
        changes.push_back({Change::Kind::Delete, table, id, {}});
  for (const auto& [table, rows_now] : fresh) {
    for (const auto& [id, row] : rows_now) {
      const Row* old = find(table, id);
      if (old == nullptr) {
        changes.push_back({Change::Kind::Insert, table, id, {}});
        continue;
      }
      auto columns = changed_columns(fresh_schema->tables.find(table)->second, *old, row);
      if (!columns.empty()) changes.push_back({Change::Kind::Modify, table, id, std::move(columns)});
    }
  }
  tables_ = std::move(fresh);
  schema_ = std::move(fresh_schema);
  return changes;
}

Result<Changes> Replica::apply(const Json& updates, UpdateFormat format) {
  SLUICE_ASSIGN(auto staged, stage(*schema_, tables_, updates, format));
  std::size_t total = staged.size();
  for (const auto& [table, all] : tables_) total += all.size();
  if (total > kMaxRows) return fail(fmt::format("more than {} rows", kMaxRows));

  Changes changes;
  for (auto& next : staged) {
    Rows& all = tables_[next.table];
    const auto old = all.find(next.id);
    if (!next.row) {
      if (old == all.end()) continue;
      all.erase(old);
      changes.push_back({Change::Kind::Delete, next.table, next.id, {}});
    } else if (old == all.end()) {
      all.emplace(next.id, std::move(*next.row));
      changes.push_back({Change::Kind::Insert, next.table, next.id, {}});
    } else {
      auto columns = changed_columns(schema_->tables.find(next.table)->second, old->second, *next.row);
      if (columns.empty()) continue;
      old->second = std::move(*next.row);
      changes.push_back({Change::Kind::Modify, next.table, next.id, std::move(columns)});
    }
  }
  return changes;
}

}  // namespace sluice::ovsdb
