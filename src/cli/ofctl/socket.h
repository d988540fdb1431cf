// A blocking byte stream to a peer: a unix or TCP socket, under TLS if it is asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "cli/ofctl/run.h"
#include "io/remote.h"
#include "io/tls.h"
#include "io/unique_fd.h"

namespace sluice::cli::ofctl {

/// What an end of the stream is called among errno values.
inline constexpr int kEndOfFile = -1;

class Socket {
 public:
  /// Connects to "unix:PATH", "tcp:HOST[:PORT]" or "ssl:HOST[:PORT]". The error is an errno value; what there
  /// is to say beside it is logged.
  static tl::expected<Socket, int> connect(Run& run, const std::string& name);

  /// Sends all of the bytes, taking in what arrives meanwhile. @return 0 or an errno value.
  int send(Bytes bytes);
  /// Waits for bytes, unless some have been taken in. @return 0, kEndOfFile or an errno value; EINTR after a
  /// signal.
  int receive(std::string& bytes);
  /// The same without waiting: there may be none.
  int receive_if_any(std::string& bytes);
  int fd() const { return fd_.get(); }

 private:
  explicit Socket(io::UniqueFd fd) : fd_(std::move(fd)) {}

  int read(bool wait);
  int write(std::string_view bytes);

  io::UniqueFd fd_;
  std::unique_ptr<io::TlsContext> context_;
  std::unique_ptr<io::TlsChannel> tls_;
  std::string received_;
};

}  // namespace sluice::cli::ofctl
