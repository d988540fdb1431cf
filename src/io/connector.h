// Connects to where an active Remote says, without blocking: unix:, tcp:, ssl:. One attempt, at each address
// of a name in turn; when to try again is Reconnect's.
#pragma once

#include <functional>
#include <memory>

#include "io/remote.h"
#include "io/stream.h"

namespace sluice::io {

class TlsContext;

class Connector {
 public:
  /// The stream, or why there is none: the system's word for it, "Connection refused". Called once, never
  /// from the constructor; the Connector may be destroyed inside.
  using OnDone = std::function<void(Result<std::unique_ptr<Stream>>)>;

  /// @param remote  active. @param tls  for ssl:, null is then an error.
  Connector(EventLoop& loop, const Remote& remote, TlsContext* tls, OnDone on_done);
  /// Nothing is called back afterwards.
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

 private:
  struct State;
  State* state_;
};

}  // namespace sluice::io
