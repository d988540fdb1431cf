// Any JSON as contents and updates of a monitored table: nothing crashes, and what is refused leaves the
// replica as it was.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ovsdb/codec.h"
#include "ovsdb/replica.h"

using namespace sluice::ovsdb;

namespace {

Schema schema() {
  Schema all;
  all.tables["T"].columns = {
      {"flags", {AtomType::Boolean, {}, 0, 1}},
      {"list", {AtomType::Integer, {}, 0, ColumnType::kUnlimited}},
      {"map", {AtomType::String, AtomType::Uuid, 0, ColumnType::kUnlimited}},
      {"name", {AtomType::String, {}, 1, 1}},
      {"weight", {AtomType::Real, {}, 1, 1}},
  };
  return all;
}

std::string contents(const Replica& replica) {
  std::string text;
  for (const auto& [id, row] : replica.rows("T")) {
    text += to_string(id);
    for (const auto& column : replica.schema().tables.find("T")->second.columns)
      text += format_datum(*row.find(column.name), column.type.value.has_value())
                  .dump(-1, ' ', true, Json::error_handler_t::replace);
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Replica replica;
  const Json start = {{"T", {{"550e8400-e29b-41d4-a716-446655440000", {{"initial", {{"name", "a"}}}}}}}};
  if (!replica.replace(schema(), start, UpdateFormat::Difference)) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A line is a message.
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const Json json = Json::parse(text.substr(at, end - at), nullptr, false);
    at = end + 1;
    if (json.is_discarded()) continue;
    (void)parse_schema(json, {{"T", {"name", "map"}}});
    for (const auto format : {UpdateFormat::Difference, UpdateFormat::Full}) {
      const std::string before = contents(replica);
      const auto changes = replica.apply(json, format);
      if ((!changes || changes->empty()) && contents(replica) != before) std::abort();
    }
  }
  return 0;
}
