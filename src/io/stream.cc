#include "io/stream.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/asio_loop.h"
#include "io/held.h"
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

/// A unix address for a path of any length: one that does not fit goes through a descriptor of its folder.
struct UnixAddress {
  sockaddr_un address{};
  socklen_t length = 0;
  UniqueFd folder;

  static Result<UnixAddress> of(const std::string& path) {
    UnixAddress result;
    std::string usable = path;
    if (path.size() >= sizeof result.address.sun_path) {
      const std::size_t slash = path.rfind('/');
      const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
      result.folder = UniqueFd(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!result.folder) return fail(fmt::format("cannot open folder {}: {}", folder, error_text(errno)));
      usable = fmt::format("/proc/self/fd/{}/{}", result.folder.get(), path.substr(slash + 1));
      if (usable.size() >= sizeof result.address.sun_path)
        return fail(fmt::format("the socket name {} is too long", path));
    }
    result.address.sun_family = AF_UNIX;
    std::memcpy(result.address.sun_path, usable.c_str(), usable.size() + 1);
    result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + usable.size() + 1);
    return result;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

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
  State(EventLoop& l, std::string n) : loop(l), socket(l.impl().context), self(this), name(std::move(n)) {}

  EventLoop& loop;
  asio::generic::stream_protocol::socket socket;
  Held<State> self;  ///< the owner's hold
  std::string name;
  OnData on_data;
  OnClose on_close;
  std::array<std::uint8_t, 65536> input;
  std::string writing, waiting;  ///< in the kernel's hands, and behind it
  std::size_t max_queued = kDefaultMaxQueued;
  bool write_pending = false, finishing = false, overflown = false, closed = false;

  void read() {
    socket.async_read_some(asio::buffer(input),
                           [held = Held<State>(this)](const asio::error_code& error, std::size_t n) {
                             held->received(error, n);
                           });
  }
  void received(const asio::error_code& error, std::size_t n) {
    if (closed || finishing) return;
    if (error == asio::error::eof || error == asio::error::connection_reset) return close({});
    if (error) return close(fail(fmt::format("{}: receive error: {}", name, error.message())));
    on_data(Bytes(input.data(), n));
    if (!closed && !finishing) read();
  }

  void write() {
    writing = std::exchange(waiting, {});
    write_pending = true;
    asio::async_write(
        socket, asio::buffer(writing),
        [held = Held<State>(this)](const asio::error_code& error, std::size_t) { held->written(error); });
  }
  void written(const asio::error_code& error) {
    write_pending = false;
    writing.clear();
    if (closed || overflown) return;
    if (error == asio::error::broken_pipe || error == asio::error::connection_reset) return close({});
    if (error) return close(fail(fmt::format("{}: send error: {}", name, error.message())));
    if (!waiting.empty())
      write();
    else if (finishing)
      close({});
  }

  /// Ends everything; on_close runs last, since it may destroy the stream.
  void close(Status status) {
    if (closed) return;
    closed = true;
    asio::error_code ignored;
    socket.close(ignored);
    if (const OnClose call = std::move(on_close)) call(std::move(status));
  }
  void close_soon(Status status) {
    loop.post([held = Held<State>(this), status = std::move(status)] { held->close(status); });
  }
};

Stream::Stream(EventLoop& loop, UniqueFd socket, std::string name)
    : state_(new State(loop, std::move(name))) {
  asio::error_code error;
  state_->socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), socket.get(), error);
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
  state_->read();
}

void Stream::send(std::string bytes) {
  if (state_->closed || state_->finishing || bytes.empty()) return;
  if (state_->waiting.empty())
    state_->waiting = std::move(bytes);
  else
    state_->waiting += bytes;
  if (queued() > state_->max_queued) {
    state_->waiting.clear();
    state_->finishing = state_->overflown = true;
    state_->close_soon(fail(fmt::format("{}: the peer does not read what it is sent", state_->name)));
  } else if (!state_->write_pending) {
    state_->write();
  }
}

void Stream::finish() {
  if (state_->closed || state_->finishing) return;
  state_->finishing = true;
  if (!state_->write_pending) state_->close_soon({});
}

std::size_t Stream::queued() const {
  return state_->writing.size() + state_->waiting.size();
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
    : loop_(loop),
      socket_(std::move(socket)),
      path_(std::move(path)),
      on_accept_(std::move(on_accept)),
      watch_(std::make_unique<ReadWatch>(loop_, socket_.get(), [this] { accept_all(); })),
      retry_(loop_) {}

UnixListener::~UnixListener() {
  watch_.reset();
  unlink(path_.c_str());
}

void UnixListener::accept_all() {
  constexpr unsigned kAtOnce = 16;  // then other work has its turn
  for (unsigned i = 0; i < kAtOnce; ++i) {
    UniqueFd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) {
      on_accept_(std::make_unique<Stream>(loop_, std::move(client), path_));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    // Out of descriptors or memory: the client waits in the backlog; watching on would spin.
    watch_.reset();
    retry_.start(Duration::milliseconds(100), [this] {
      watch_ = std::make_unique<ReadWatch>(loop_, socket_.get(), [this] { accept_all(); });
    });
    return;
  }
}

Result<UniqueFd> connect_unix(const std::string& path) {
  SLUICE_ASSIGN(const UnixAddress address, UnixAddress::of(path));
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || connect(socket.get(), address.get(), address.length) != 0)
    return fail(fmt::format("cannot connect to \"{}\" ({})", path, error_text(errno)));
  return socket;
}

}  // namespace sluice::io
