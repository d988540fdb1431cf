// A Session over a real connection: connects, again with growing pauses when it ends, and logs what an
// operator wants to know about it.
//
// Main thread, on the event loop, which outlives it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "io/connector.h"
#include "io/event_loop.h"
#include "io/reconnect.h"
#include "io/remote.h"
#include "ovsdb/session.h"

namespace sluice::jsonrpc {
class Connection;
}

namespace sluice::ovsdb {

class Client {
 public:
  /// @param remote  active. @param tls  for ssl:, outlives the client.
  /// @param on_news  called after anything happened: contents, changes, lock, connection. It may not destroy
  /// the
  ///   client.
  Client(io::EventLoop& loop, io::Remote remote, io::TlsContext* tls, SessionOptions options,
         log::Logger logger, std::function<void()> on_news);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start();
  const Session& session() const { return session_; }
  /// @see Session::transact, Session::take_changes.
  void transact(const Transaction& transaction, Session::OnOutcome on_outcome);
  Changes take_changes() { return session_.take_changes(); }
  /// Nothing waits to be written.
  bool idle() const;

  /// The longest pause between two attempts: a server that comes back is found soon, one that does not costs
  /// nothing.
  static constexpr Duration kMaxBackoff = Duration::seconds(8);

 private:
  void poll();
  void connect();
  void connected(std::unique_ptr<io::Stream> stream);
  void disconnected(const std::string& why);
  void received(const jsonrpc::Message& message);
  void send_output();
  /// Sleeps until something is due.
  void wait();

  io::EventLoop& loop_;
  io::Remote remote_;
  io::TlsContext* tls_;
  log::Logger logger_;
  std::function<void()> on_news_;
  Session session_;
  io::Reconnect reconnect_;
  std::unique_ptr<io::Connector> connector_;
  std::unique_ptr<jsonrpc::Connection> connection_;
  io::Timer timer_;
  std::string last_failure_;  ///< that was logged: the same one again is not news
};

}  // namespace sluice::ovsdb
