// The calling side of a control socket, for command-line programs: blocking, one call after another.
#pragma once

#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "io/unique_fd.h"

namespace sluice::unixctl {

/// The socket of a target as ovs-appctl finds it: a name with a leading slash is the socket itself; else
/// RUNDIR/TARGET.pid names the process and RUNDIR/TARGET.PID.ctl is the socket.
Result<std::string> find_socket(const std::string& target, const std::string& rundir);

class Client {
 public:
  static Result<Client> connect(const std::string& socket_path);

  /// What a call came to: the daemon's answer, or its refusal (its text goes to standard error, exit status
  /// 2).
  struct Answer {
    std::string text;
    bool refused = false;
  };
  /// An error means that the daemon could not be talked to. @param timeout  zero = wait for ever.
  Result<Answer> call(const std::string& command, std::span<const std::string> args, Duration timeout = {});

 private:
  Client(io::UniqueFd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  io::UniqueFd socket_;
  std::string path_;
  int next_id_ = 0;
};

}  // namespace sluice::unixctl
