// Byte streams over connected sockets, plain or through TLS, on the event loop's thread; and the unix sockets
// on which a daemon listens for its clients. Listener and Connector make streams of any Remote.
//
// Received bytes are pushed to on_data; what is sent is queued and written as the peer reads, at most
// set_max_queued() bytes: a peer that does not read is disconnected, it never grows the process.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "io/event_loop.h"
#include "io/unique_fd.h"

namespace sluice::io {

class Acceptor;
class TlsChannel;

/// A connection, owned by whoever accepted or made it. Destroying it closes the socket at once (queued bytes
/// are lost).
class Stream {
 public:
  using OnData = std::function<void(Bytes)>;
  /// Called once, when the peer closed (success) or something failed. The stream may be destroyed inside.
  using OnClose = std::function<void(Status)>;

  /// Takes a connected socket; `name` says in messages who the peer is.
  Stream(EventLoop& loop, UniqueFd socket, std::string name);
  /// @param tls  null: plain
  Stream(EventLoop& loop, UniqueFd socket, std::string name, std::unique_ptr<TlsChannel> tls);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Starts reading. Call once.
  void start(OnData on_data, OnClose on_close);
  /// Queues bytes. After a failure or close() they are dropped.
  void send(std::string bytes);
  /// Stops reading, writes what is queued, then closes and calls on_close.
  void finish();
  /// Bytes are left in the socket until resume(), so that the peer waits. What is being read still comes.
  void pause();
  void resume();
  /// Called whenever the peer has taken something of what is queued.
  void set_on_sent(EventLoop::Callback on_sent);
  /// Bytes of send() that have not been written yet, as they were before TLS.
  std::size_t queued() const;
  const std::string& name() const;

  /// Bytes that may wait for a peer that does not read; a dump of three million connections fits.
  void set_max_queued(std::size_t bytes);
  static constexpr std::size_t kDefaultMaxQueued = std::size_t{1} << 30;

 private:
  struct State;
  State* state_;
};

/// A listening unix socket; its path is removed when it goes.
class UnixListener {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Stream>)>;

  /// Binds and listens. A socket file that nobody listens on any more is replaced; one in use, or another
  /// kind of file, is an error. @param mode  permissions of the socket file.
  static Result<std::unique_ptr<UnixListener>> open(EventLoop& loop, const std::string& path, unsigned mode,
                                                    OnAccept on_accept);
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  const std::string& path() const { return path_; }

 private:
  UnixListener(EventLoop& loop, UniqueFd socket, std::string path, OnAccept on_accept);

  std::string path_;
  std::unique_ptr<Acceptor> acceptor_;
};

/// A connected blocking socket, for command-line clients and to start a Stream with. Paths longer than
/// sun_path work.
Result<UniqueFd> connect_unix(const std::string& path);

}  // namespace sluice::io
