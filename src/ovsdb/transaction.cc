#include "ovsdb/transaction.h"

#include <fmt/core.h>

#include <algorithm>

#include "ovsdb/codec.h"

namespace sluice::ovsdb {

namespace {

/// Ids of rows to be inserted count up from 1 in the last four bytes; no server makes such (RFC 4122 version
/// bits).
Uuid placeholder(std::uint32_t number) {
  Uuid id;
  for (unsigned i = 0; i < 4; ++i) id.bytes[15 - i] = static_cast<std::uint8_t>(number >> 8 * i);
  return id;
}

}  // namespace

Uuid Transaction::insert(std::string table, ColumnValues columns) {
  const Uuid id = placeholder(++inserted_);
  operations_.push_back({Kind::Insert, std::move(table), id, std::move(columns), {}});
  return id;
}

void Transaction::update(std::string_view table, const Uuid& row, std::string column, ColumnValue value) {
  const auto same = std::find_if(operations_.rbegin(), operations_.rend(), [&](const Operation& operation) {
    return operation.row == row && operation.table == table;
  });
  const bool extend = same != operations_.rend() && same->kind == Kind::Update;
  Operation& operation =
      extend ? *same : operations_.emplace_back(Operation{Kind::Update, std::string(table), row, {}, {}});
  operation.columns.insert_or_assign(std::move(column), std::move(value));
}

void Transaction::mutate(std::string table, const Uuid& row, std::string column, std::string mutator,
                         ColumnValue value) {
  operations_.push_back(
      {Kind::Mutate, std::move(table), row, {{std::move(column), std::move(value)}}, std::move(mutator)});
}

void Transaction::erase(std::string table, const Uuid& row) {
  operations_.push_back({Kind::Delete, std::move(table), row, {}, {}});
}

void Transaction::expect(std::string table, const Uuid& row, std::string column, ColumnValue value) {
  operations_.push_back({Kind::Wait, std::move(table), row, {{std::move(column), std::move(value)}}, {}});
}

void Transaction::comment(std::string text) {
  operations_.push_back({Kind::Comment, {}, {}, {}, std::move(text)});
}

void Transaction::assert_lock(std::string lock) {
  operations_.push_back({Kind::Assert, {}, {}, {}, std::move(lock)});
}

std::string Transaction::name_of(const Uuid& row) const {
  for (std::uint32_t i = 1; i <= inserted_; ++i)
    if (row == placeholder(i)) return fmt::format("row{}", i);
  return {};
}

Json Transaction::format_value(const ColumnValue& value) const {
  Json json = format_datum(value.datum, value.is_map);
  if (inserted_ == 0) return json;
  // References to rows that are inserted here go by name.
  const auto rename = [&](auto& self, Json& part) -> void {
    if (!part.is_array()) return;
    if (part.size() == 2 && part[0] == "uuid" && part[1].is_string()) {
      const auto id = parse_uuid(part[1].template get_ref<const std::string&>());
      if (const auto name = id ? name_of(*id) : std::string(); !name.empty())
        part = Json::array({"named-uuid", name});
      return;
    }
    for (Json& inner : part) self(self, inner);
  };
  rename(rename, json);
  return json;
}

Json Transaction::format_operation(const Operation& operation) const {
  Json json = Json::object();
  const auto columns = [&] {
    Json row = Json::object();
    for (const auto& [name, value] : operation.columns) row[name] = format_value(value);
    return row;
  };
  if (!operation.table.empty()) json["table"] = operation.table;
  if (operation.kind != Kind::Insert && !operation.table.empty())
    json["where"] = Json::array({Json::array({"_uuid", "==", format_value({operation.row, false})})});
  switch (operation.kind) {
    case Kind::Insert:
      json["op"] = "insert";
      json["uuid-name"] = name_of(operation.row);
      json["row"] = columns();
      break;
    case Kind::Update:
      json["op"] = "update";
      json["row"] = columns();
      break;
    case Kind::Mutate: {
      const auto& [name, value] = *operation.columns.begin();
      json["op"] = "mutate";
      json["mutations"] = Json::array({Json::array({name, operation.text, format_value(value)})});
      break;
    }
    case Kind::Delete:
      json["op"] = "delete";
      break;
    case Kind::Wait:
      json["op"] = "wait";
      json["timeout"] = 0;
      json["columns"] = Json::array({operation.columns.begin()->first});
      json["until"] = "==";
      json["rows"] = Json::array({columns()});
      break;
    case Kind::Comment:
      json["op"] = "comment";
      json["comment"] = operation.text;
      break;
    case Kind::Assert:
      json["op"] = "assert";
      json["lock"] = operation.text;
      break;
  }
  return json;
}

Json Transaction::format(std::string_view database) const {
  Json params = Json::array({std::string(database)});
  for (const auto& operation : operations_) params.push_back(format_operation(operation));
  return params;
}

}  // namespace sluice::ovsdb
