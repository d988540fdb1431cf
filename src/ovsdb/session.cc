#include "ovsdb/session.h"

#include <fmt/core.h>

#include <utility>

#include "ovsdb/codec.h"

namespace sluice::ovsdb {

namespace {

using jsonrpc::Message;
using Kind = Message::Kind;

/// Names our monitor in notifications: there is one on a connection.
constexpr const char* kMonitor = "sluice";

bool is_ours(const Json& params) {
  return params.size() == 2 && params[0].is_string() && params[0].get_ref<const std::string&>() == kMonitor;
}

}  // namespace

Session::Id Session::request(std::string method, Json params) {
  output_.push_back(Message::request(std::move(method), std::move(params), ++next_id_));
  return next_id_;
}

void Session::connected(Instant now) {
  state_ = State::Schema;
  format_ = UpdateFormat::Difference;
  last_heard_ = now;
  probed_ = false;
  schema_request_ = request("get_schema", Json::array({options_.database}));
  if (!options_.lock.empty()) lock_request_ = request("lock", Json::array({options_.lock}));
}

void Session::disconnected() {
  state_ = State::Offline;
  output_.clear();
  has_lock_.reset();
  schema_request_.reset();
  monitor_request_.reset();
  lock_request_.reset();
  for (auto& [id, on_outcome] : std::exchange(transactions_, {}))
    on_outcome({Outcome::Kind::Lost, "the connection to the database was lost"});
}

void Session::steal_lock() {
  if (state_ != State::Offline) lock_request_ = request("steal", Json::array({options_.lock}));
}

void Session::transact(const Transaction& transaction, OnOutcome on_outcome) {
  const Id id = request("transact", transaction.format(options_.database));
  transactions_.emplace(id, std::move(on_outcome));
}

Status Session::poll(Instant now) {
  const auto due = deadline();
  if (!due || now < *due) return {};
  if (probed_)
    return fail(fmt::format("no answer to an echo request within {} ms",
                            options_.probe_interval.whole_milliseconds()));
  probed_ = true;
  output_.push_back(Message::request("echo", Json::array(), "echo"));
  return {};
}

std::optional<Instant> Session::deadline() const {
  if (state_ == State::Offline || options_.probe_interval == Duration{}) return std::nullopt;
  return last_heard_ + options_.probe_interval * (probed_ ? 2 : 1);
}

Status Session::input(const Message& message, Instant now) {
  last_heard_ = now;
  probed_ = false;
  switch (message.kind) {
    case Kind::Request:
      return received_request(message);
    case Kind::Notification:
      return received_notification(message);
    case Kind::Reply:
    case Kind::Error:
      break;
  }
  return received_reply(message);
}

Status Session::received_request(const Message& message) {
  if (message.method == "echo")
    output_.push_back(Message::reply(message.id, message.params));
  else
    output_.push_back(Message::failure(message.id, "unknown method"));
  return {};
}

Status Session::received_notification(const Message& message) {
  const auto& params = message.params;
  if (message.method == "update" || message.method == "update2") {
    const auto format = message.method == "update" ? UpdateFormat::Full : UpdateFormat::Difference;
    if (!is_ours(params) || state_ != State::Ready || format != format_)
      return fail(fmt::format("{} notification that nobody asked for: {}", message.method, excerpt(params)));
    auto changes = replica_.apply(params[1], format);
    if (!changes) return fail(fmt::format("{} notification: {}", message.method, changes.error().message));
    changes_.insert(changes_.end(), std::make_move_iterator(changes->begin()),
                    std::make_move_iterator(changes->end()));
    return {};
  }
  if (message.method == "locked" || message.method == "stolen") {
    if (params.size() != 1 || !params[0].is_string())
      return fail(fmt::format("{} notification: expected the name of a lock, not {}", message.method,
                              excerpt(params)));
    if (params[0].get_ref<const std::string&>() == options_.lock) has_lock_ = message.method == "locked";
  }
  // Others are of newer servers, for clients that asked for them.
  return {};
}

Status Session::received_reply(const Message& message) {
  if (message.id.is_string() && message.id.get_ref<const std::string&>() == "echo") return {};
  if (!message.id.is_number_integer())
    return fail(fmt::format("reply to no request: id {}", excerpt(message.id)));
  const Id id = message.id.get<Id>();
  if (id == schema_request_) return received_schema(message);
  if (id == monitor_request_) return received_contents(message);
  if (id == lock_request_) return received_lock(message);
  const auto transaction = transactions_.find(id);
  if (transaction == transactions_.end()) return fail(fmt::format("reply to no request: id {}", id));
  const OnOutcome on_outcome = std::move(transaction->second);
  transactions_.erase(transaction);
  on_outcome(read_outcome(message));
  return {};
}

Status Session::received_schema(const Message& message) {
  schema_request_.reset();
  if (message.kind == Kind::Error)
    return fail(fmt::format("no schema of database {}: {}", options_.database, excerpt(message.error)));
  SLUICE_ASSIGN(schema_, parse_schema(message.result, options_.wanted));
  state_ = State::Monitor;
  ask_for_monitor();
  return {};
}

void Session::ask_for_monitor() {
  Json tables = Json::object();
  for (const auto& [name, table] : schema_.tables) {
    Json columns = Json::array();
    for (const auto& column : table.columns) columns.push_back(column.name);
    Json request = {{"columns", std::move(columns)}};
    // RFC 7047 has one request or an array of them, monitor_cond an array.
    tables[name] = Json::array({std::move(request)});
  }
  const char* method = format_ == UpdateFormat::Difference ? "monitor_cond" : "monitor";
  monitor_request_ = request(method, Json::array({options_.database, kMonitor, std::move(tables)}));
}

Status Session::received_contents(const Message& message) {
  monitor_request_.reset();
  if (message.kind == Kind::Error) {
    if (format_ == UpdateFormat::Full)
      return fail(
          fmt::format("database {} can't be monitored: {}", options_.database, excerpt(message.error)));
    format_ = UpdateFormat::Full;  // a server older than monitor_cond
    ask_for_monitor();
    return {};
  }
  auto changes = replica_.replace(std::move(schema_), message.result, format_);
  if (!changes) return fail(fmt::format("contents of the database: {}", changes.error().message));
  state_ = State::Ready;
  has_contents_ = true;
  changes_.insert(changes_.end(), std::make_move_iterator(changes->begin()),
                  std::make_move_iterator(changes->end()));
  return {};
}

Status Session::received_lock(const Message& message) {
  lock_request_.reset();
  if (message.kind == Kind::Error)
    return fail(fmt::format("lock {}: {}", options_.lock, excerpt(message.error)));
  const auto locked = message.result.is_object() ? message.result.find("locked") : message.result.end();
  if (!message.result.is_object() || locked == message.result.end() || !locked->is_boolean())
    return fail(fmt::format("reply to lock: expected a member \"locked\" in {}", excerpt(message.result)));
  // "locked" may have come before this reply.
  has_lock_ = locked->get<bool>() || has_lock_.value_or(false);
  return {};
}

Outcome read_outcome(const Message& reply) {
  if (reply.kind == Kind::Error) return {Outcome::Kind::Failed, excerpt(reply.error)};
  if (!reply.result.is_array())
    return {Outcome::Kind::Failed, "the reply to transact is no array of results"};
  for (const Json& result : reply.result) {
    if (!result.is_object()) continue;  // null: not reached, or nothing to say
    const auto error = result.find("error");
    if (error == result.end() || error->is_null()) continue;
    std::string text = error->is_string() ? error->get<std::string>() : excerpt(*error);
    if (const auto details = result.find("details"); details != result.end() && details->is_string())
      text += ": " + details->get<std::string>();
    return {Outcome::Kind::Failed, std::move(text)};
  }
  return {};
}

}  // namespace sluice::ovsdb
