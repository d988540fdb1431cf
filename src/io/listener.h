// Listens where a passive Remote says: punix:, ptcp:, pssl:.
#pragma once

#include <memory>

#include "io/remote.h"
#include "io/stream.h"

namespace sluice::io {

class Acceptor;
class TlsContext;

class Listener {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Stream>)>;

  /// @param remote  passive. @param tls  for pssl:; null is then an error. It may be replaced by set_tls().
  /// Streams are named after their peer: "tcp:127.0.0.1:40962". Unix sockets are for their owner only.
  static Result<std::unique_ptr<Listener>> open(EventLoop& loop, const Remote& remote, TlsContext* tls,
                                                OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const Remote& remote() const { return remote_; }
  /// The port listened on, also where the kernel chose it; 0 of punix:.
  std::uint16_t port() const;
  void set_tls(TlsContext* tls) { tls_ = tls; }

 private:
  Listener(EventLoop& loop, Remote remote, TlsContext* tls, OnAccept on_accept);
  Status listen_on_unix();
  Status listen_on_ip();
  void accepted(UniqueFd socket);

  EventLoop& loop_;
  Remote remote_;
  TlsContext* tls_;
  OnAccept on_accept_;
  std::unique_ptr<UnixListener> unix_;
  std::unique_ptr<Acceptor> ip_;
};

}  // namespace sluice::io
