// A program that is run beside the event loop: what it reads and what it prints are files in memory, so that
// neither side ever waits for the other, and its end makes a descriptor readable.
//
// One thread. Whoever destroys it before the program ended ends the program.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/unique_fd.h"

namespace sluice::io {

class ChildProcess {
 public:
  /// Found through PATH. @param input  its standard input
  static Result<ChildProcess> start(std::vector<std::string> words, std::string_view input);
  ChildProcess(ChildProcess&& other) noexcept = default;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  /// Polls readable when the program has ended.
  int fd() const { return ended_.get(); }
  /// Blocks, for the real time `most`. @return whether the program has ended
  bool wait(Duration most) const;
  void kill() const;
  /// Of a program that has ended: what it returned, kKilled and the signal that ended it, or kUnknown.
  int exit_status() const;
  static constexpr int kKilled = 128;
  /// Nobody can tell how it ended.
  static constexpr int kUnknown = 255;
  /// What it printed, on standard output and error alike, up to now.
  std::string output() const;

 private:
  ChildProcess(pid_t pid, UniqueFd ended, UniqueFd printed)
      : pid_(pid), ended_(std::move(ended)), printed_(std::move(printed)) {}

  pid_t pid_;
  UniqueFd ended_, printed_;
};

}  // namespace sluice::io
