// How the process starts: in the foreground or detached, watched by a monitor or not.
//
//   caller ── --detach ──> [monitor ── --monitor ──>] daemon
//
// The caller ends when the daemon says that it is ready, with status 0, or with the daemon's status if that
// ended before. The monitor starts the daemon again whenever a signal killed it, at most once in
// kRestartInterval; when the daemon ends by itself, or by a signal that asks for it, so does the monitor.
//
// Everything is made after the forks: descriptors, threads, pid file.
#pragma once

#include <string>

#include "io/unique_fd.h"

namespace sluice::io {

struct ProcessOptions {
  bool detach = false;
  bool keep_directory = false;  ///< else a detached process goes to /
  bool keep_errors = false;     ///< else a detached process loses standard error too
  bool monitor = false;
};

class Process {
 public:
  /// Seconds between two restarts at least: a daemon that dies at once must not eat the machine.
  static constexpr unsigned kRestartInterval = 10;

  /// Returns in the daemon only.
  static Process start(const ProcessOptions& options);

  /// The daemon does its work: the caller may go on. A detached one lets go of terminal and directory. Call
  /// once.
  void ready();
  /// How the daemon before this one died; empty for the first.
  const std::string& predecessor() const { return predecessor_; }

 private:
  Process(ProcessOptions options, UniqueFd notice, std::string predecessor)
      : options_(options), notice_(std::move(notice)), predecessor_(std::move(predecessor)) {}

  ProcessOptions options_;
  UniqueFd notice_;  ///< a byte written here says ready
  std::string predecessor_;
};

}  // namespace sluice::io
