#include "io/stream.h"

#include <fmt/core.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/acceptor.h"
#include "io/asio_loop.h"
#include "io/held.h"
#include "io/tls.h"
#include "io/unix_address.h"
// Asio's parts after asio_loop.h, which configures it.
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/write.hpp>

namespace sluice::io {
namespace {

std::string error_text(int error) {
  return std::strerror(error);
}

/// Makes room for a listener at `path`: removes a socket file that nobody listens on.
Status remove_stale_socket(const std::string& path, const UnixAddress& address) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return fail(fmt::format("cannot listen on {}: it exists and is not a socket", path));
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect(probe.get(), address.get(), address.length) == 0 || errno == EAGAIN)
    return fail(fmt::format("cannot listen on {}: another process is listening there", path));
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail(fmt::format("cannot replace socket {}: {}", path, error_text(errno)));
  return {};
}

}  // namespace

/// Shared by the stream and its operations in flight. `closed` is final: nothing is called back after it.
struct Stream::State : Holdable {
  State(EventLoop& l, std::string n, std::unique_ptr<TlsChannel> t)
      : loop(l), socket(l.impl().context), self(this), name(std::move(n)), tls(std::move(t)) {}

  EventLoop& loop;
  asio::generic::stream_protocol::socket socket;
  Held<State> self;  ///< the owner's hold
  std::string name;
  std::unique_ptr<TlsChannel> tls;
  OnData on_data;
  OnClose on_close;
  EventLoop::Callback on_sent;
  std::array<std::uint8_t, 65536> input;
  std::string writing, waiting;                      ///< in the kernel's hands, and behind it
  std::size_t writing_plain = 0, waiting_plain = 0;  ///< bytes of send() in them
  std::size_t max_queued = kDefaultMaxQueued;
  bool reading = false, paused = false;
  bool write_pending = false, finishing = false, overflown = false, closed = false;
  Status outcome;  ///< of a stream that is finishing

  void read() {
    if (reading || paused || closed || finishing) return;
    reading = true;
    socket.async_read_some(asio::buffer(input),
                           [held = Held<State>(this)](const asio::error_code& error, std::size_t n) {
                             held->reading = false;
                             held->received(error, n);
                           });
  }
  void received(const asio::error_code& error, std::size_t n) {
    if (closed || finishing) return;
    if (error == asio::error::eof || error == asio::error::connection_reset) return close({});
    if (error) return close(fail(fmt::format("{}: receive error: {}", name, error.message())));
    if (tls)
      received_encrypted(Bytes(input.data(), n));
    else
      on_data(Bytes(input.data(), n));
    read();
  }
  void received_encrypted(Bytes network) {
    const Status status = tls->receive(network);
    if (const std::string plain = tls->take_plain(); !plain.empty())
      on_data(Bytes(reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()));
    if (closed || finishing) return;
    encrypted(status);
    if (status && tls->finished_by_peer()) close_soon({});
  }
  /// Sends what TLS has to say; after an error that is the last.
  void encrypted(const Status& status, std::size_t plain = 0) {
    queue(tls->take_network(), plain);
    if (!status) finish(fail(fmt::format("{}: {}", name, status.error().message)));
  }

  /// `plain`: what the bytes were before TLS
  void queue(std::string bytes, std::size_t plain = 0) {
    waiting_plain += plain;
    if (bytes.empty()) return;
    if (waiting.empty())
      waiting = std::move(bytes);
    else
      waiting += bytes;
    if (writing.size() + waiting.size() > max_queued) {
      waiting.clear();
      waiting_plain = 0;
      finishing = overflown = true;
      close_soon(fail(fmt::format("{}: the peer does not read what it is sent", name)));
    } else if (!write_pending) {
      write();
    }
  }
  void write() {
    writing = std::exchange(waiting, {});
    writing_plain = std::exchange(waiting_plain, 0);
    write_pending = true;
    asio::async_write(
        socket, asio::buffer(writing),
        [held = Held<State>(this)](const asio::error_code& error, std::size_t) { held->written(error); });
  }
  void written(const asio::error_code& error) {
    write_pending = false;
    writing.clear();
    writing_plain = 0;
    if (closed || overflown) return;
    if (error == asio::error::broken_pipe || error == asio::error::connection_reset) return close({});
    if (error) return close(fail(fmt::format("{}: send error: {}", name, error.message())));
    if (!waiting.empty())
      write();
    else if (finishing)
      return close(std::move(outcome));
    if (const EventLoop::Callback call = on_sent) call();
  }

  void finish(Status status) {
    if (closed || finishing) return;
    finishing = true;
    outcome = std::move(status);
    if (!write_pending) close_soon(outcome);
  }
  /// Ends everything; on_close runs last, since it may destroy the stream.
  void close(Status status) {
    if (closed) return;
    closed = true;
    asio::error_code ignored;
    socket.close(ignored);
    on_sent = nullptr;
    if (const OnClose call = std::move(on_close)) call(std::move(status));
  }
  void close_soon(Status status) {
    loop.post([held = Held<State>(this), status = std::move(status)] { held->close(status); });
  }
};

Stream::Stream(EventLoop& loop, UniqueFd socket, std::string name)
    : Stream(loop, std::move(socket), std::move(name), nullptr) {}

Stream::Stream(EventLoop& loop, UniqueFd socket, std::string name, std::unique_ptr<TlsChannel> tls)
    : state_(new State(loop, std::move(name), std::move(tls))) {
  int family = AF_UNIX, on = 1;
  socklen_t size = sizeof family;
  getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  // Messages go in one piece each; waiting for more to come would only delay them. Unix sockets know no such
  // option.
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  asio::error_code error;
  state_->socket.assign(asio::generic::stream_protocol(family, 0), socket.get(), error);
  if (!error) socket.release();
  if (!error) state_->socket.non_blocking(true, error);
}

Stream::~Stream() {
  state_->closed = true;
  asio::error_code ignored;
  state_->socket.close(ignored);
  const Held<State> last = std::move(state_->self);
}

void Stream::start(OnData on_data, OnClose on_close) {
  state_->on_data = std::move(on_data);
  state_->on_close = std::move(on_close);
  if (state_->tls) state_->encrypted(state_->tls->receive({}));
  state_->read();
}

void Stream::send(std::string bytes) {
  if (state_->closed || state_->finishing || bytes.empty()) return;
  const std::size_t plain = bytes.size();
  if (!state_->tls) return state_->queue(std::move(bytes), plain);
  state_->encrypted(state_->tls->send(bytes), plain);
}

void Stream::finish() {
  if (state_->closed || state_->finishing) return;
  if (state_->tls) {
    state_->tls->finish();
    state_->queue(state_->tls->take_network());
  }
  state_->finish({});
}

void Stream::pause() {
  state_->paused = true;
}
void Stream::resume() {
  state_->paused = false;
  state_->read();
}
void Stream::set_on_sent(EventLoop::Callback on_sent) {
  state_->on_sent = std::move(on_sent);
}

std::size_t Stream::queued() const {
  return state_->writing_plain + state_->waiting_plain;
}
const std::string& Stream::name() const {
  return state_->name;
}
void Stream::set_max_queued(std::size_t bytes) {
  state_->max_queued = bytes;
}

Result<std::unique_ptr<UnixListener>> UnixListener::open(EventLoop& loop, const std::string& path,
                                                         unsigned mode, OnAccept on_accept) {
  SLUICE_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  SLUICE_TRY(remove_stale_socket(path, address));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail(fmt::format("cannot make a socket for {}: {}", path, error_text(errno)));
  if (bind(socket.get(), address.get(), address.length) != 0)
    return fail(fmt::format("cannot create socket {}: {}", path, error_text(errno)));
  // Until listen() nobody can connect, so the permissions are right from the first client on.
  if (chmod(path.c_str(), mode) != 0 || listen(socket.get(), 64) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return fail(fmt::format("cannot listen on {}: {}", path, error_text(error)));
  }
  return std::unique_ptr<UnixListener>(new UnixListener(loop, std::move(socket), path, std::move(on_accept)));
}

UnixListener::UnixListener(EventLoop& loop, UniqueFd socket, std::string path, OnAccept on_accept)
    : path_(std::move(path)),
      acceptor_(std::make_unique<Acceptor>(loop, std::move(socket),
                                           [this, &loop, call = std::move(on_accept)](UniqueFd client) {
                                             call(std::make_unique<Stream>(loop, std::move(client), path_));
                                           })) {}

UnixListener::~UnixListener() {
  acceptor_.reset();
  unlink(path_.c_str());
}

Result<UniqueFd> connect_unix(const std::string& path) {
  SLUICE_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || connect(socket.get(), address.get(), address.length) != 0)
    return fail(fmt::format("cannot connect to \"{}\" ({})", path, error_text(errno)));
  return socket;
}

}  // namespace sluice::io
