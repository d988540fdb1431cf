#include "jsonrpc/message.h"

#include <fmt/core.h>

namespace sluice::jsonrpc {
namespace {

/// The member, or null.
Json take(Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? Json() : std::move(*found);
}

}  // namespace

Message Message::request(std::string method, Json params, Json id) {
  return {Kind::Request, std::move(method), std::move(params), std::move(id), {}, {}};
}
Message Message::notification(std::string method, Json params) {
  return {Kind::Notification, std::move(method), std::move(params), {}, {}, {}};
}
Message Message::reply(Json id, Json result) {
  return {Kind::Reply, {}, {}, std::move(id), std::move(result), {}};
}
Message Message::failure(Json id, Json error) {
  return {Kind::Error, {}, {}, std::move(id), {}, std::move(error)};
}

Result<Message> parse_message(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return fail("malformed JSON");
  if (!json.is_object()) return fail("message is not a JSON object");

  Json id = take(json, "id");
  if (json.contains("method")) {
    Json method = take(json, "method"), params = take(json, "params");
    if (!method.is_string()) return fail("\"method\" is not a string");
    if (!params.is_array()) return fail("request must have an array of \"params\"");
    if (json.contains("result") || json.contains("error"))
      return fail("request must not have \"result\" or \"error\"");
    auto& name = method.get_ref<std::string&>();
    return id.is_null() ? Message::notification(std::move(name), std::move(params))
                        : Message::request(std::move(name), std::move(params), std::move(id));
  }
  if (!json.contains("result") && !json.contains("error"))
    return fail("message has neither \"method\" nor \"result\" nor \"error\"");
  if (json.contains("params")) return fail("reply must not have \"params\"");
  Json result = take(json, "result"), error = take(json, "error");
  if (!result.is_null() && !error.is_null()) return fail("reply must not have both \"result\" and \"error\"");
  if (!error.is_null()) return Message::failure(std::move(id), std::move(error));
  return Message::reply(std::move(id), std::move(result));
}

std::string format_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string format_message(const Message& message) {
  constexpr auto text = format_json;
  switch (message.kind) {
    case Message::Kind::Request:
    case Message::Kind::Notification:
      return fmt::format(R"({{"method":{},"params":{},"id":{}}})", text(message.method), text(message.params),
                         text(message.id));
    case Message::Kind::Reply:
      return fmt::format(R"({{"id":{},"result":{},"error":null}})", text(message.id), text(message.result));
    case Message::Kind::Error:
      return fmt::format(R"({{"id":{},"result":null,"error":{}}})", text(message.id), text(message.error));
  }
  return {};
}

}  // namespace sluice::jsonrpc
