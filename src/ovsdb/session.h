// A client's side of one database, without its socket (RFC 7047 section 4): schema, monitor, lock,
// transactions, probes. Messages and time go in; messages and news come out.
//
//   Offline ── connected() ──> Schema ── get_schema ──> Monitor ── monitor_cond, or monitor ──> Ready
//      ^                                                                                          │
//      └───────────────────────────── disconnected() ────────────────────────────────────────────┘
//
// The replica stands while the server is away. When it is back, what differs is told as changes, once.
// input() and poll() fail when the connection is worth nothing any more: the server sent what the RFC does
// not know, or nothing. The owner then closes it, calls disconnected() and connects again.
//
// Main thread. No clock, no I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "jsonrpc/message.h"
#include "ovsdb/replica.h"
#include "ovsdb/transaction.h"

namespace sluice::ovsdb {

struct SessionOptions {
  std::string database = "Open_vSwitch";
  Wanted wanted;
  std::string lock;  ///< asked for on every connection; empty: none
  /// A server silent for so long is asked for an echo; 0: never.
  Duration probe_interval = Duration::seconds(5);
};

class Session {
 public:
  enum class State : std::uint8_t { Offline, Schema, Monitor, Ready };
  using OnOutcome = std::function<void(Outcome)>;

  explicit Session(SessionOptions options) : options_(std::move(options)) {}

  /// A new connection.
  void connected(Instant now);
  /// The connection is gone. Transactions without an answer are Lost.
  void disconnected();
  Status input(const jsonrpc::Message& message, Instant now);
  /// Asks a silent server for a sign of life; fails if it gave none.
  Status poll(Instant now);
  /// When poll() is wanted next.
  std::optional<Instant> deadline() const;

  /// Messages for the server, in order.
  std::vector<jsonrpc::Message> take_output() { return std::exchange(output_, {}); }
  /// What happened to the replica since the last call.
  Changes take_changes() { return std::exchange(changes_, {}); }
  bool has_changes() const { return !changes_.empty(); }

  State state() const { return state_; }
  /// The replica is what the server has now, and stays so.
  bool ready() const { return state_ == State::Ready; }
  /// The replica was filled at least once.
  bool has_contents() const { return has_contents_; }
  /// Whether this client holds the lock; nothing until the server said so on this connection.
  std::optional<bool> has_lock() const { return has_lock_; }
  /// Takes the lock from whoever holds it.
  void steal_lock();
  const Replica& replica() const { return replica_; }

  /// Only when ready(). `on_outcome` is called once, from input() or disconnected().
  void transact(const Transaction& transaction, OnOutcome on_outcome);
  std::size_t pending_transactions() const { return transactions_.size(); }

 private:
  using Id = std::int64_t;

  Id request(std::string method, jsonrpc::Json params);
  void ask_for_monitor();
  Status received_request(const jsonrpc::Message& message);
  Status received_notification(const jsonrpc::Message& message);
  Status received_reply(const jsonrpc::Message& message);
  Status received_schema(const jsonrpc::Message& message);
  Status received_contents(const jsonrpc::Message& message);
  Status received_lock(const jsonrpc::Message& message);

  SessionOptions options_;
  State state_ = State::Offline;
  Replica replica_;
  bool has_contents_ = false;
  Schema schema_;  ///< of this connection, until its contents are there
  UpdateFormat format_ = UpdateFormat::Difference;
  std::optional<bool> has_lock_;
  std::vector<jsonrpc::Message> output_;
  Changes changes_;
  std::map<Id, OnOutcome> transactions_;
  Id next_id_ = 0;
  std::optional<Id> schema_request_, monitor_request_, lock_request_;
  Instant last_heard_;
  bool probed_ = false;
};

/// What the reply to "transact" says.
Outcome read_outcome(const jsonrpc::Message& reply);

}  // namespace sluice::ovsdb
