// A JSON-RPC peer over a stream: bytes in, messages out. The peer's first malformed message ends the
// connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "io/stream.h"
#include "jsonrpc/message.h"
#include "jsonrpc/splitter.h"

namespace sluice::jsonrpc {

/// Main thread. Its owner may destroy it inside its callbacks.
class Connection {
 public:
  using OnMessage = std::function<void(Message)>;
  /// Called once: success when the peer closed, else what failed.
  using OnClose = std::function<void(Status)>;

  Connection(std::unique_ptr<io::Stream> stream, SplitterLimits limits, OnMessage on_message,
             OnClose on_close);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(const Message& message);
  /// A part of a message; the rest is to follow before anything else.
  void send_part(std::string text);
  /// Writes what is queued, then closes.
  void finish();
  std::size_t queued() const;
  std::string name() const;

 private:
  void received(Bytes bytes);

  std::unique_ptr<io::Stream> stream_;
  Splitter splitter_;
  OnMessage on_message_;
  OnClose on_close_;
  bool* destroyed_ = nullptr;  ///< set while callbacks run: tells them that the owner destroyed this
};

}  // namespace sluice::jsonrpc
