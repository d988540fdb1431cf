#include "cli/ofctl/signals.h"

#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

namespace sluice::cli::ofctl {

namespace {

/// What a handler can reach is static; nothing else may be.
volatile std::sig_atomic_t& pending() {
  static volatile std::sig_atomic_t signal = 0;
  return signal;
}
volatile std::sig_atomic_t& descriptor() {
  static volatile std::sig_atomic_t fd = -1;
  return fd;
}

void on_signal(int signal) {
  pending() = signal;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(descriptor(), &one, sizeof one);
}

}  // namespace

void catch_signals(unsigned timeout_s) {
  descriptor() = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action{};
  action.sa_handler = on_signal;
  // A second signal of the kind ends the process where it is; the alarm comes again for that.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGALRM}) sigaction(signal, &action, nullptr);
  set_alarm(timeout_s);
}

void set_alarm(unsigned timeout_s) {
  const itimerval alarm{.it_interval = {1, 0}, .it_value = {static_cast<time_t>(timeout_s), 0}};
  if (timeout_s != 0) setitimer(ITIMER_REAL, &alarm, nullptr);
}

int signal_descriptor() {
  return descriptor();
}

void take_signals(log::Log& log) {
  const int signal = pending();
  if (signal == 0) return;
  std::fflush(stdout);
  log.logger("fatal_signal").warn("terminating with signal {} ({})", signal, strsignal(signal));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace sluice::cli::ofctl
