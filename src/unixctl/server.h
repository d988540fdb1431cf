// The control socket of a daemon: the ovs-appctl protocol (JSON-RPC 1.0 on a unix stream; a request names a
// command, its params are the arguments, result or error is the text to print). Requests of one connection
// are answered in order, one at a time. Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "io/event_loop.h"
#include "unixctl/command.h"

namespace sluice::unixctl {

class Server {
 public:
  /// Listens on `path`; the socket file is removed when the server goes. The registry must outlive the
  /// server.
  static Result<std::unique_ptr<Server>> open(io::EventLoop& loop, const std::string& path,
                                              const CommandRegistry& commands);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& path() const;
  /// Whether an answer still waits for its client to read it: `exit` is answered before the process ends.
  bool idle() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// RUNDIR/PROGRAM.PID.ctl, where clients look.
std::string default_socket_path(const std::string& rundir, const std::string& program, int pid);

/// vlog/set, vlog/list, vlog/list-pattern, vlog/reopen, vlog/close, vlog/enable-rate-limit,
/// vlog/disable-rate-limit.
void add_log_commands(CommandRegistry& commands, log::Log& log);

}  // namespace sluice::unixctl
