#include "io/connector.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "io/asio_loop.h"
#include "io/held.h"
#include "io/ip_address.h"
#include "io/tls.h"
#include "io/unix_address.h"
// Asio's parts after asio_loop.h, which configures it.
#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/tcp.hpp>

namespace sluice::io {

using Endpoint = asio::generic::stream_protocol::endpoint;

/// Shared by the connector and its operations in flight.
struct Connector::State : Holdable {
  State(EventLoop& l, Remote r, TlsContext* t, OnDone done)
      : loop(l),
        remote(std::move(r)),
        tls(t),
        on_done(std::move(done)),
        resolver(l.impl().context),
        socket(l.impl().context),
        self(this) {}

  EventLoop& loop;
  Remote remote;
  TlsContext* tls;
  OnDone on_done;
  asio::ip::tcp::resolver resolver;
  asio::generic::stream_protocol::socket socket;
  std::vector<Endpoint> left;  ///< addresses to try after the present one, the next one last
  Held<State> self;            ///< the owner's hold

  void begin() {
    if (remote.transport == Remote::Transport::Tls && !tls)
      return fail_soon("no private key, certificate and CA certificate are configured");
    if (remote.transport == Remote::Transport::Unix) {
      const auto address = UnixAddress::of(remote.path);
      if (!address) return fail_soon(address.error().message);
      return connect(Endpoint(address->get(), address->length));
    }
    if (const auto address = IpAddress::parse(remote.host, remote.port))
      return connect(Endpoint(address->get(), address->length));
    resolver.async_resolve(
        remote.host, std::to_string(remote.port),
        [held = Held<State>(this)](const asio::error_code& error, const auto& results) {
          if (!held->on_done) return;
          if (error || results.empty())
            return held->done(fail(fmt::format("the name {} has no address", held->remote.host)));
          for (const auto& entry : results) held->left.emplace_back(entry.endpoint());
          std::reverse(held->left.begin(), held->left.end());
          held->next_address();
        });
  }
  void next_address() {
    const Endpoint to = left.back();
    left.pop_back();
    connect(to);
  }
  void connect(const Endpoint& to) {
    asio::error_code error;
    socket.close(error);
    socket.open(to.protocol(), error);
    if (error) return failed(error.message());
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);  // no child keeps the connection open
    socket.async_connect(to, [held = Held<State>(this)](const asio::error_code& result) {
      if (!held->on_done) return;
      if (result)
        held->failed(result.message());
      else
        held->connected();
    });
  }
  /// One address of a name that does not answer leaves the others.
  void failed(std::string reason) {
    if (left.empty()) return fail_soon(std::move(reason));
    next_address();
  }
  void connected() {
    asio::error_code error;
    UniqueFd fd(socket.release(error));
    if (error) return done(fail(error.message()));
    done(std::make_unique<Stream>(loop, std::move(fd), remote.text,
                                  remote.transport == Remote::Transport::Tls
                                      ? tls->make_channel(TlsContext::Side::Client)
                                      : std::unique_ptr<TlsChannel>{}));
  }
  void done(Result<std::unique_ptr<Stream>> result) {
    if (const OnDone call = std::exchange(on_done, nullptr)) call(std::move(result));
  }
  void fail_soon(std::string reason) {
    loop.post([held = Held<State>(this), reason = std::move(reason)] { held->done(fail(reason)); });
  }
};

Connector::Connector(EventLoop& loop, const Remote& remote, TlsContext* tls, OnDone on_done)
    : state_(new State(loop, remote, tls, std::move(on_done))) {
  state_->begin();
}

Connector::~Connector() {
  state_->on_done = nullptr;
  state_->resolver.cancel();
  asio::error_code ignored;
  state_->socket.close(ignored);
  const Held<State> last = std::move(state_->self);
}

}  // namespace sluice::io
