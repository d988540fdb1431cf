#include "base/rtnetlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace sluice::rtnetlink {

namespace {

/// How long the kernel may be silent in the middle of an answer.
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};
constexpr std::size_t kMostBody = 64;

tl::unexpected<Error> failure(const char* what, int error) {
  return fail(std::string("rtnetlink: ") + what + ": " + std::strerror(error));
}

}  // namespace

Result<Socket> Socket::open(std::uint32_t groups) {
  Socket socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket.fd_ < 0) return failure("no socket", errno);
  ::setsockopt(socket.fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (::bind(socket.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure("bind", errno);
  return socket;
}

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

void for_each_message(Bytes datagram, const Socket::Take& take) {
  const auto* header = reinterpret_cast<const nlmsghdr*>(datagram.data());
  for (std::size_t left = datagram.size(); NLMSG_OK(header, left); header = NLMSG_NEXT(header, left))
    take(*header);
}

Result<bool> Socket::list(std::uint16_t type, Bytes body, const Take& take) {
  return ask(type, NLM_F_DUMP, body, take);
}

Status Socket::get(std::uint16_t type, Bytes body, const Take& take) {
  SLUICE_TRY(ask(type, NLM_F_ACK | NLM_F_ECHO, body, take));  // some answer only to an echo
  return {};
}

Result<bool> Socket::ask(std::uint16_t type, std::uint16_t flags, Bytes body, const Take& take) {
  if (body.size() > kMostBody) return failure("request", EMSGSIZE);
  alignas(nlmsghdr) std::array<std::uint8_t, NLMSG_HDRLEN + kMostBody> request{};
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(body.size()));
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  std::memcpy(request.data(), &header, sizeof header);
  std::memcpy(request.data() + NLMSG_HDRLEN, body.data(), body.size());
  if (::send(fd_, request.data(), header.nlmsg_len, 0) < 0) return failure("send", errno);

  alignas(nlmsghdr) std::array<std::uint8_t, kDatagramBytes> buffer;
  bool complete = false, whole = true;
  int error = 0;
  while (!complete) {
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == ENOBUFS) whole = false;  // lost news are no part of the answer
    if (got < 0 && (errno == EINTR || errno == ENOBUFS)) continue;
    if (got < 0) return failure("receive", errno);
    for_each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& message) {
      if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
      const bool last = message.nlmsg_type == NLMSG_DONE || message.nlmsg_type == NLMSG_ERROR;
      if (!last) return take(message);
      if (message.nlmsg_seq != sequence_) return;  // of a request that was given up
      complete = true;
      if (message.nlmsg_type == NLMSG_ERROR)
        error = -static_cast<const nlmsgerr*>(NLMSG_DATA(&message))->error;
    });
  }
  if (error != 0) return failure("request", error);
  return whole;
}

}  // namespace sluice::rtnetlink
