#include "io/pidfile.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

namespace sluice::io {
namespace {

struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// The process that has the file locked, 0 if none (or this one).
pid_t lock_holder(int fd) {
  struct flock lock = whole_file(F_WRLCK);
  if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return 0;
  return lock.l_pid;
}

}  // namespace

Result<std::unique_ptr<PidFile>> PidFile::create(const std::string& path, bool overwrite) {
  if (!overwrite) {
    const UniqueFd old(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const pid_t holder = old ? lock_holder(old.get()) : 0;
    if (holder != 0) return fail(fmt::format("{}: already running as pid {}, aborting", path, holder));
  }
  const std::string temporary = path + ".tmp";
  const auto give_up = [&](const char* what) {
    return fail(fmt::format("{}: {} failed ({})", temporary, what, std::strerror(errno)));
  };
  UniqueFd fd(open(temporary.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  if (!fd) return give_up("create");
  struct flock lock = whole_file(F_WRLCK);
  if (fcntl(fd.get(), F_SETLK, &lock) != 0) return give_up("lock");
  // Only with the lock: a process that starts at the same moment may have written it just now.
  if (ftruncate(fd.get(), 0) != 0) return give_up("truncate");
  const std::string text = fmt::format("{}\n", getpid());
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return give_up("write");
  if (rename(temporary.c_str(), path.c_str()) != 0) return give_up("rename");
  return std::unique_ptr<PidFile>(new PidFile(path, std::move(fd)));
}

PidFile::~PidFile() {
  // Removed only if it is still this one: another daemon may have overwritten it.
  struct stat mine{}, there{};
  if (fstat(fd_.get(), &mine) == 0 && stat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
      mine.st_dev == there.st_dev)
    unlink(path_.c_str());
}

Result<pid_t> read_pidfile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(fmt::format("cannot read pidfile \"{}\" ({})", path, std::strerror(errno)));
  char text[32];
  const ssize_t n = read(fd.get(), text, sizeof text);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text, text + (n > 0 ? n : 0), pid);
  if (n <= 0 || error != std::errc{} || pid <= 0 || (end != text + n && *end != '\n'))
    return fail(fmt::format("pidfile \"{}\" does not hold a process number", path));
  const pid_t holder = lock_holder(fd.get());
  if (holder == 0) return fail(fmt::format("pidfile \"{}\" is stale: no process has it locked", path));
  if (holder != pid)
    return fail(
        fmt::format("pidfile \"{}\" names process {}, but process {} has it locked", path, pid, holder));
  return pid;
}

}  // namespace sluice::io
