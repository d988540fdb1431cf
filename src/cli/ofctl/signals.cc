#include "cli/ofctl/signals.h"

#include <fmt/core.h>
#include <sys/time.h>

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

}  // namespace

void catch_signals(unsigned timeout_s) {
  struct sigaction action{};
  action.sa_handler = [](int signal) { pending() = signal; };
  // A second signal of the kind ends the process where it is; the alarm comes again for that.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGALRM}) sigaction(signal, &action, nullptr);
  const itimerval alarm{.it_interval = {1, 0}, .it_value = {static_cast<time_t>(timeout_s), 0}};
  if (timeout_s != 0) setitimer(ITIMER_REAL, &alarm, nullptr);
}

void take_signals(Log& log) {
  const int signal = pending();
  if (signal == 0) return;
  std::fflush(stdout);
  log.write("fatal_signal", Log::Level::Warn,
            fmt::format("terminating with signal {} ({})", signal, strsignal(signal)));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace sluice::cli::ofctl
