// Private to io: the address of a unix socket.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "base/result.h"
#include "io/unique_fd.h"

namespace sluice::io {

/// For a path of any length: one that does not fit goes through a descriptor of its folder.
struct UnixAddress {
  sockaddr_un address{};
  socklen_t length = 0;
  UniqueFd folder;

  static Result<UnixAddress> of(const std::string& path);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

}  // namespace sluice::io
