#include "datapath/sleeper.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

#include "base/check.h"

namespace sluice::datapath {

Sleeper::Sleeper() : epoll_(epoll_create1(EPOLL_CLOEXEC)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SLUICE_CHECK(epoll_ >= 0 && event_ >= 0);
  watch(event_);
}

Sleeper::~Sleeper() {
  close(event_);
  close(epoll_);
}

void Sleeper::watch(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  SLUICE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void Sleeper::forget(int fd) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Sleeper::sleep(Duration at_most) {
  const timespec timeout{.tv_sec = at_most.ns / 1'000'000'000, .tv_nsec = at_most.ns % 1'000'000'000};
  epoll_event events[8];
  const int n = epoll_pwait2(epoll_, events, 8, &timeout, nullptr);
  for (int i = 0; i < n; ++i) {
    if (events[i].data.fd != event_) continue;
    std::uint64_t ignored;
    [[maybe_unused]] const auto got = read(event_, &ignored, sizeof ignored);
  }
}

void Sleeper::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = write(event_, &one, sizeof one);
}

}  // namespace sluice::datapath
