// JSON <-> values of a database (RFC 7047 sections 3.2 and 5.1). Everything read is the server's word: each
// function refuses what is not as the RFC says with a sentence that names the place.
//
// Private to the module: whoever uses ovsdb needs no JSON.
#pragma once

#include "jsonrpc/message.h"
#include "ovsdb/datum.h"
#include "ovsdb/schema.h"

namespace sluice::ovsdb {

using jsonrpc::Json;

Result<Datum> parse_datum(const Json& json, const ColumnType& type);
/// As short as the RFC allows: a set of one element is the element.
Json format_datum(const Datum& datum, bool is_map);
Json format_uuid(const Uuid& uuid);

/// The wanted part of a <database-schema>.
Result<Schema> parse_schema(const Json& json, const Wanted& wanted);

/// At most 80 bytes of a JSON text, for messages.
std::string excerpt(const Json& json);

}  // namespace sluice::ovsdb
