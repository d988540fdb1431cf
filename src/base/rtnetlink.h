// What the kernel lists of its network: a socket of rtnetlink(7), a request, and each message of the answer.
//
// Any thread, a socket at a time. A call waits for the kernel, for each message at most some seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

struct nlmsghdr;

namespace sluice::rtnetlink {

class Socket {
 public:
  /// @param groups  RTMGRP_… whose news it hears beside answers
  static Result<Socket> open(std::uint32_t groups = 0);
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket();

  int fd() const { return fd_; }
  using Take = std::function<void(const nlmsghdr&)>;
  /// Asks for all objects of a kind. `body` follows the header of the request. News that come meanwhile are
  /// taken, too.
  /// @return whether that is all: false if objects changed so that some may have been left out, or if the
  /// kernel had more news than it could keep.
  Result<bool> list(std::uint16_t type, Bytes body, const Take& take);
  /// Asks for one object. There may be none: then nothing is taken, or the error says so.
  Status get(std::uint16_t type, Bytes body, const Take& take);

 private:
  explicit Socket(int fd) : fd_(fd) {}
  Result<bool> ask(std::uint16_t type, std::uint16_t flags, Bytes body, const Take& take);

  int fd_;
  std::uint32_t sequence_ = 0;
};

/// Hands on the messages of a datagram.
void for_each_message(Bytes datagram, const Socket::Take& take);
/// More than a message has, unless larger ones are asked for.
inline constexpr std::size_t kDatagramBytes = 32'768;

}  // namespace sluice::rtnetlink
