#include "cli/ofctl/socket.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "io/stream.h"

namespace sluice::cli::ofctl {

namespace {

tl::expected<io::UniqueFd, int> connect_tcp(const io::Remote& remote) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(remote.host.c_str(), std::to_string(remote.port).c_str(), &wanted, &found) != 0)
    return tl::unexpected<int>(EAFNOSUPPORT);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  int error = EAFNOSUPPORT;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    io::UniqueFd fd(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int one = 1;
    if (fd && ::connect(fd.get(), address->ai_addr, address->ai_addrlen) == 0) {
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      return fd;
    }
    error = errno;
  }
  return tl::unexpected<int>(error);
}

tl::expected<io::UniqueFd, int> connect_unix(const io::Remote& remote) {
  errno = 0;
  auto fd = io::connect_unix(remote.path);
  if (!fd) return tl::unexpected<int>(errno != 0 ? errno : ENAMETOOLONG);
  return std::move(*fd);
}

/// Keys and whom to trust, or what is missing.
tl::expected<std::unique_ptr<io::TlsContext>, int> load_tls(Run& run) {
  const Options& options = run.options;
  const auto demand = [&](const std::string& file, std::string_view what) {
    if (file.empty()) run.log.logger("stream_ssl").err("{} must be configured to use SSL", what);
  };
  demand(options.private_key, "Private key");
  demand(options.certificate, "Certificate");
  demand(options.ca_certificate, "CA certificate");
  if (options.private_key.empty() || options.certificate.empty() || options.ca_certificate.empty())
    return tl::unexpected<int>(ENOPROTOOPT);
  auto context = io::TlsContext::load({.private_key = options.private_key,
                                       .certificate = options.certificate,
                                       .ca_cert = options.ca_certificate});
  if (context) return std::move(*context);
  run.log.logger("stream_ssl").err("{}", context.error().message);
  return tl::unexpected<int>(ENOPROTOOPT);
}

}  // namespace

tl::expected<Socket, int> Socket::connect(Run& run, const std::string& name) {
  const auto remote = io::parse_remote(name);
  if (!remote || remote->passive) return tl::unexpected<int>(EAFNOSUPPORT);
  const bool tls = remote->transport == io::Remote::Transport::Tls;
  std::unique_ptr<io::TlsContext> context;
  if (tls) {
    auto loaded = load_tls(run);
    if (!loaded) return tl::unexpected<int>(loaded.error());
    context = std::move(*loaded);
  }
  auto fd = remote->transport == io::Remote::Transport::Unix ? connect_unix(*remote) : connect_tcp(*remote);
  if (!fd) return tl::unexpected<int>(fd.error());
  Socket socket(std::move(*fd));
  if (tls) {
    socket.context_ = std::move(context);
    socket.tls_ = socket.context_->make_channel(io::TlsContext::Side::Client);
  }
  return socket;
}

int Socket::send(Bytes bytes) {
  const std::string_view plain(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!tls_) return write(plain);
  if (!tls_->send(plain)) return EPROTO;
  return write(tls_->take_network());
}

int Socket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    // The peer may wait for us to read before it reads on.
    pollfd wait{.fd = fd_.get(), .events = POLLIN | POLLOUT, .revents = 0};
    if (poll(&wait, 1, -1) < 0) return errno;
    if ((wait.revents & POLLOUT) == 0) {
      if (const int error = read(false)) return error;
      continue;
    }
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return errno;
    if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

int Socket::read(bool wait) {
  char buffer[65536];
  const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, wait ? 0 : MSG_DONTWAIT);
  if (n == 0) return kEndOfFile;
  if (n < 0) return errno == EAGAIN ? 0 : errno;
  const std::string_view bytes(buffer, static_cast<std::size_t>(n));
  if (!tls_) {
    received_.append(bytes);
    return 0;
  }
  const Status taken =
      tls_->receive(Bytes(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  const std::string answer = tls_->take_network();
  if (!answer.empty() && ::send(fd_.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return errno;
  if (!taken) return EPROTO;
  received_ += tls_->take_plain();
  return tls_->finished_by_peer() && received_.empty() ? kEndOfFile : 0;
}

int Socket::receive_if_any(std::string& bytes) {
  const int error = received_.empty() ? read(false) : 0;
  bytes = std::exchange(received_, {});
  return error;
}

int Socket::receive(std::string& bytes) {
  while (received_.empty())
    if (const int error = read(true)) return error;
  bytes = std::exchange(received_, {});
  return 0;
}

}  // namespace sluice::cli::ofctl
