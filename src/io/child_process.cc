#include "io/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

extern char** environ;

namespace sluice::io {

namespace {

/// Of a program that was killed: it may still be in the kernel's hands.
constexpr Duration kDyingTime = Duration::seconds(1);

UniqueFd memory_file(const char* name) {
  return UniqueFd(::memfd_create(name, MFD_CLOEXEC));
}

bool fill(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno != EINTR) return false;
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::lseek(fd, 0, SEEK_SET) == 0;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(std::vector<std::string> words, std::string_view input) {
  const auto failure = [&](int error) {
    return fail("cannot run " + words.front() + ": " + std::strerror(error));
  };
  const UniqueFd in = memory_file("input");
  UniqueFd out = memory_file("output");
  if (!in || !out || !fill(in.get(), input)) return failure(errno);

  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  ::sigemptyset(&none);
  ::sigemptyset(&usual);
  ::sigaddset(&usual, SIGPIPE);
  ::sigaddset(&usual, SIGCHLD);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &usual);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failure(error);
  UniqueFd ended(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // not in every C++ header
  if (ended) return ChildProcess(pid, std::move(ended), std::move(out));
  const int why = errno;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return failure(why);
}

ChildProcess::~ChildProcess() {
  if (!ended_) return;  // moved from
  if (!wait({})) {
    kill();
    wait(kDyingTime);
  }
  ::waitpid(pid_, nullptr, WNOHANG);
}

bool ChildProcess::wait(Duration most) const {
  pollfd entry{.fd = ended_.get(), .events = POLLIN, .revents = 0};
  int ready = -1;
  do ready = ::poll(&entry, 1, static_cast<int>(most.ns / 1'000'000));
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void ChildProcess::kill() const {
  ::syscall(SYS_pidfd_send_signal, ended_.get(), SIGKILL, nullptr, 0);
}

int ChildProcess::exit_status() const {
  siginfo_t info{};
  // It stays a zombie until the end of this object.
  if (::waitid(P_PIDFD, static_cast<id_t>(ended_.get()), &info, WEXITED | WNOWAIT) != 0)
    return kUnknown;  // this process is set to ignore its children
  return info.si_code == CLD_EXITED ? info.si_status : kKilled + info.si_status;
}

std::string ChildProcess::output() const {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got =
        ::pread(printed_.get(), buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace sluice::io
