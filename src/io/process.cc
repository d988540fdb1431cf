#include "io/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace sluice::io {

namespace {

/// A fork and the pipe on which the child says that it is ready.
struct Child {
  pid_t pid;        ///< 0 in the child
  UniqueFd notice;  ///< parent: the reading end; child: the writing one
};

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

Child fork_with_notice() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) give_up("pipe");
  UniqueFd reading(ends[0]), writing(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) give_up("fork");
  return {pid, pid == 0 ? std::move(writing) : std::move(reading)};
}

/// Whether the child said that it is ready; false if it ended before.
bool wait_for_notice(const UniqueFd& notice) {
  char byte;
  ssize_t got;
  do got = ::read(notice.get(), &byte, 1);
  while (got < 0 && errno == EINTR);
  return got == 1;
}

void give_notice(UniqueFd& notice) {
  if (notice && ::write(notice.get(), "", 1) != 1) give_up("pipe");
  notice.reset();
}

int wait_for_end(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

[[noreturn]] void end_as(int status) {
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/// Signals by which somebody wants the daemon gone.
bool is_asked_for(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

}  // namespace

Process Process::start(const ProcessOptions& options) {
  UniqueFd notice;
  if (options.detach) {
    Child child = fork_with_notice();
    if (child.pid != 0) {
      if (wait_for_notice(child.notice)) ::_exit(0);
      end_as(wait_for_end(child.pid));
    }
    ::setsid();
    notice = std::move(child.notice);
  }
  if (!options.monitor) return {options, std::move(notice), {}};

  std::string predecessor;
  for (;;) {
    const std::time_t started = std::time(nullptr);
    Child child = fork_with_notice();
    if (child.pid == 0) {
      notice.reset();
      return {options, std::move(child.notice), std::move(predecessor)};
    }
    const bool was_ready = wait_for_notice(child.notice);
    if (was_ready) Process(options, std::exchange(notice, {}), {}).ready();
    const int status = wait_for_end(child.pid);
    const bool crashed = WIFSIGNALED(status) && !is_asked_for(WTERMSIG(status));
    if (!crashed) end_as(status);
    predecessor = fmt::format("pid {} died, killed ({})", child.pid, ::strsignal(WTERMSIG(status)));
    const std::time_t lasted = std::time(nullptr) - started;
    if (lasted >= 0 && lasted < kRestartInterval) ::sleep(kRestartInterval - static_cast<unsigned>(lasted));
  }
}

void Process::ready() {
  if (options_.detach && notice_) {
    if (!options_.keep_directory && ::chdir("/") != 0) give_up("chdir /");
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) give_up("/dev/null");
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
      if ((fd != STDERR_FILENO || !options_.keep_errors) && ::dup2(null.get(), fd) < 0) give_up("/dev/null");
  }
  give_notice(notice_);
}

}  // namespace sluice::io
