// The daemon: a switch, its control socket and its log, on an event loop. Builds every object, hands out
// references, takes all of it down again.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "daemon/options.h"

namespace sluice::daemon {

class Daemon {
 public:
  /// Everything up and forwarding, or one sentence on what is wrong. `program` names pidfile, log and control
  /// socket. `process` is told when the switch is configured, which with a database is later.
  static Result<std::unique_ptr<Daemon>> start(Options options, const std::string& program,
                                               io::Process process);
  ~Daemon();

  /// Until SIGTERM, SIGINT or the command `exit`.
  void run();

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::daemon
