// JSON-RPC 1.0 messages (jsonrpc.org/specification_v1; RFC 7047 section 4): requests, notifications, replies,
// errors.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::jsonrpc {

using Json = nlohmann::json;

struct Message {
  enum class Kind { Request, Notification, Reply, Error };

  Kind kind = Kind::Notification;
  std::string method;  ///< requests and notifications
  Json params;         ///< requests and notifications: an array
  Json id;             ///< null for notifications
  Json result;         ///< replies
  Json error;          ///< errors

  static Message request(std::string method, Json params, Json id);
  static Message notification(std::string method, Json params);
  static Message reply(Json id, Json result);
  static Message failure(Json id, Json error);

  bool operator==(const Message&) const = default;
};

/// Parses one JSON text; the error says what is wrong with it.
Result<Message> parse_message(std::string_view text);
/// On one line, without spaces; bytes that are not UTF-8 become U+FFFD.
std::string format_message(const Message& message);
/// The same for a value alone.
std::string format_json(const Json& json);

}  // namespace sluice::jsonrpc
