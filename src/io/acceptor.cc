#include "io/acceptor.h"

#include <sys/socket.h>

#include <cerrno>

namespace sluice::io {

Acceptor::Acceptor(EventLoop& loop, UniqueFd socket, OnSocket on_socket)
    : loop_(loop), socket_(std::move(socket)), on_socket_(std::move(on_socket)), retry_(loop) {
  watch();
}

void Acceptor::watch() {
  watch_ = std::make_unique<ReadWatch>(loop_, socket_.get(), [this] { accept_all(); });
}

void Acceptor::accept_all() {
  constexpr unsigned kAtOnce = 16;  // then other work has its turn
  for (unsigned i = 0; i < kAtOnce; ++i) {
    UniqueFd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) {
      on_socket_(std::move(client));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    // Out of descriptors or memory: the client waits in the backlog; watching on would spin.
    watch_.reset();
    retry_.start(Duration::milliseconds(100), [this] { watch(); });
    return;
  }
}

}  // namespace sluice::io
