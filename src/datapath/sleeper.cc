#include "datapath/sleeper.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>

#include "base/limits.h"

namespace sluice::datapath {
namespace {

constexpr int kAtOnce = 64;
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
  return add(event_, nullptr);
}

Sleeper::~Sleeper() {
  for (const int fd : {event_, epoll_})
    if (fd >= 0) close(fd);
}

Status Sleeper::watch(int fd, PortSlot& slot) {
  return add(fd, &slot);
}

Status Sleeper::add(int fd, PortSlot* slot) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = slot}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return fail(std::string("cannot wait for what a port receives: ") + std::strerror(errno));
}

void Sleeper::forget(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Sleeper::sleep(Duration at_most, std::vector<PortSlot*>& ready) {
  const timespec timeout = to_timespec(at_most);
  std::array<epoll_event, kAtOnce> events;
  const int n = epoll_pwait2(epoll_, events.data(), kAtOnce, &timeout, nullptr);
  bool readable = n <= 0, woken = false;
  for (int i = 0; i < n; ++i) {
    const bool is_readable = (events[i].events & EPOLLIN) != 0;
    readable = readable || is_readable;
    if (auto* const slot = static_cast<PortSlot*>(events[i].data.ptr))
      ready.push_back(slot);
    else
      woken = is_readable;
  }
  if (!readable && at_most > Duration{}) {
    pollfd event{.fd = event_, .events = POLLIN, .revents = 0};
    const timespec pause = to_timespec(std::min(at_most, kErrorPause));
    woken = ppoll(&event, 1, &pause, nullptr) > 0;
  }
  std::uint64_t ignored;
  if (woken) [[maybe_unused]]
    const auto got = read(event_, &ignored, sizeof ignored);
}

void Sleeper::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = write(event_, &one, sizeof one);
}

}  // namespace sluice::datapath
