#include "datapath/sleeper.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>

#include "base/limits.h"

namespace sluice::datapath {
namespace {

constexpr Duration kErrorPause = Duration::milliseconds(limits::kSweepIntervalMs);

timespec to_timespec(Duration d) {
  return {.tv_sec = d.ns / 1'000'000'000, .tv_nsec = d.ns % 1'000'000'000};
}

}  // namespace

Status Sleeper::open() {
  if (epoll_ >= 0) return {};
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return fail(std::string("cannot make an epoll descriptor: ") + std::strerror(errno));
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_ < 0) return fail(std::string("cannot make an event descriptor: ") + std::strerror(errno));
  return watch(event_);
}

Sleeper::~Sleeper() {
  for (const int fd : {event_, epoll_})
    if (fd >= 0) close(fd);
}

Status Sleeper::watch(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return fail(std::string("cannot wait for what a port receives: ") + std::strerror(errno));
}

void Sleeper::forget(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Sleeper::sleep(Duration at_most) {
  const timespec timeout = to_timespec(at_most);
  epoll_event events[8];
  const int n = epoll_pwait2(epoll_, events, 8, &timeout, nullptr);
  bool ready = n <= 0;
  for (int i = 0; i < n; ++i) ready = ready || (events[i].events & EPOLLIN) != 0;
  if (!ready) {
    pollfd event{.fd = event_, .events = POLLIN, .revents = 0};
    const timespec pause = to_timespec(std::min(at_most, kErrorPause));
    ppoll(&event, 1, &pause, nullptr);
  }
  std::uint64_t ignored;
  [[maybe_unused]] const auto got = read(event_, &ignored, sizeof ignored);
}

void Sleeper::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = write(event_, &one, sizeof one);
}

}  // namespace sluice::datapath
