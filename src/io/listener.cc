#include "io/listener.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "io/acceptor.h"
#include "io/ip_address.h"
#include "io/tls.h"

namespace sluice::io {

Listener::Listener(EventLoop& loop, Remote remote, TlsContext* tls, OnAccept on_accept)
    : loop_(loop), remote_(std::move(remote)), tls_(tls), on_accept_(std::move(on_accept)) {}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::open(EventLoop& loop, const Remote& remote, TlsContext* tls,
                                                 OnAccept on_accept) {
  if (remote.transport == Remote::Transport::Tls && !tls)
    return fail(fmt::format(
        "cannot listen on {}: no private key, certificate and CA certificate are configured", remote.text));
  std::unique_ptr<Listener> listener(new Listener(loop, remote, tls, std::move(on_accept)));
  SLUICE_TRY(remote.transport == Remote::Transport::Unix ? listener->listen_on_unix()
                                                         : listener->listen_on_ip());
  return listener;
}

Status Listener::listen_on_unix() {
  constexpr unsigned kOwnerOnly = 0600;
  SLUICE_ASSIGN(
      unix_, UnixListener::open(loop_, remote_.path, kOwnerOnly,
                                [this](std::unique_ptr<Stream> stream) { on_accept_(std::move(stream)); }));
  return {};
}

Status Listener::listen_on_ip() {
  const auto failed = [&](int error) {
    return fail(fmt::format("cannot listen on {}: {}", remote_.text, std::strerror(error)));
  };
  const auto address = IpAddress::parse(remote_.host.empty() ? "0.0.0.0" : remote_.host, remote_.port);
  if (!address)
    return fail(fmt::format("cannot listen on {}: \"{}\" is not an IP address", remote_.text, remote_.host));
  UniqueFd socket(::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failed(errno);
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(socket.get(), address->get(), address->length) != 0 || listen(socket.get(), 64) != 0)
    return failed(errno);
  ip_ = std::make_unique<Acceptor>(loop_, std::move(socket),
                                   [this](UniqueFd client) { accepted(std::move(client)); });
  return {};
}

void Listener::accepted(UniqueFd socket) {
  const auto peer = IpAddress::of_peer(socket.get());
  const bool encrypted = remote_.transport == Remote::Transport::Tls;
  const auto name = fmt::format("{}:{}", encrypted ? "ssl" : "tcp", peer ? peer->text() : "?");
  on_accept_(std::make_unique<Stream>(
      loop_, std::move(socket), name,
      encrypted ? tls_->make_channel(TlsContext::Side::Server) : std::unique_ptr<TlsChannel>{}));
}

std::uint16_t Listener::port() const {
  const auto own = ip_ ? IpAddress::of_socket(ip_->socket()) : std::nullopt;
  return own ? own->port() : 0;
}

}  // namespace sluice::io
