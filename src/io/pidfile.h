// The file that says which process is the running daemon: its number in decimal, and a write lock (fcntl)
// held for life, so that a reader can tell a live one from what a crash left behind. ovs-appctl refuses one
// without the lock.
//
// The lock belongs to the process: create the file after the last fork. It ends when the process closes any
// descriptor of the file, so nobody may open and close it meanwhile (read_pidfile() of the own file
// included).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "io/unique_fd.h"

namespace sluice::io {

class PidFile {
 public:
  /// Writes PATH.tmp, locks it, renames it to PATH. If a running process holds PATH this is an error unless
  /// `overwrite`.
  static Result<std::unique_ptr<PidFile>> create(const std::string& path, bool overwrite = false);
  /// Removes the file.
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  PidFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

/// The process that holds the pidfile; an error if there is no file, it is malformed, or no process has it
/// locked.
Result<pid_t> read_pidfile(const std::string& path);

}  // namespace sluice::io
