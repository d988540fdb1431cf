#include "io/event_loop.h"

#include <fmt/core.h>

#include "io/asio_loop.h"
#include "io/held.h"
// Asio's parts after asio_loop.h, which configures it.
#include <asio/executor_work_guard.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>

namespace sluice::io {
namespace {

std::chrono::nanoseconds chrono(Duration d) {
  return std::chrono::nanoseconds(d.ns);
}

/// Waits for the next signal of the set, calls back, waits again.
void wait_for_signal(asio::signal_set& set, const std::function<void(int)>& callback) {
  set.async_wait([&set, callback](const asio::error_code& error, int signal) {
    if (error) return;
    callback(signal);
    wait_for_signal(set, callback);
  });
}

}  // namespace

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  const auto work = asio::make_work_guard(impl_->context);
  impl_->context.restart();
  impl_->context.run();
}

void EventLoop::run_for(Duration duration) {
  const auto work = asio::make_work_guard(impl_->context);
  impl_->context.restart();
  impl_->context.run_for(chrono(duration));
}

void EventLoop::poll() {
  impl_->context.restart();
  impl_->context.poll();
}

void EventLoop::stop() {
  impl_->context.stop();
}

void EventLoop::post(Callback work) {
  asio::post(impl_->context, std::move(work));
}

Status EventLoop::on_signal(std::initializer_list<int> signals, const std::function<void(int)>& callback) {
  auto set = std::make_unique<asio::signal_set>(impl_->context);
  for (const int signal : signals) {
    asio::error_code error;
    set->add(signal, error);
    if (error) return fail(fmt::format("cannot handle signal {}: {}", signal, error.message()));
  }
  wait_for_signal(*set, callback);
  impl_->signals.push_back(std::move(set));
  return {};
}

const Clock& EventLoop::clock() const {
  return impl_->clock;
}

void EventLoop::leap(Duration by) {
  impl_->clock.warp(by);
  for (Leaper* leaper : impl_->leapers) leaper->leap(by);
}

/// Shared by the timer and the waits in flight; each wait knows by its number whether it is still wanted.
struct Timer::State final : Holdable, Leaper {
  explicit State(EventLoop& l) : loop(l.impl()), timer(loop.context), self(this) {
    loop.leapers.insert(this);
  }

  EventLoop::Impl& loop;
  asio::steady_timer timer;
  Held<State> self;  ///< the owner's hold
  EventLoop::Callback callback;
  std::chrono::nanoseconds period{0};
  unsigned serial = 0;

  void wait() {
    timer.async_wait([held = Held<State>(this), mine = serial](const asio::error_code& error) {
      if (!error && mine == held->serial) held->fire();
    });
  }
  void fire() {
    const unsigned mine = serial;
    const EventLoop::Callback call = callback;  // the callback may start the timer anew
    if (period.count() > 0) {
      const auto now = std::chrono::steady_clock::now();
      auto next = timer.expiry() + period;
      if (next <= now) next += (now - next) / period * period + period;
      timer.expires_at(next);
      wait();
    } else {
      callback = nullptr;
    }
    if (call && mine == serial) call();
  }
  void restart(Duration delay, std::chrono::nanoseconds every, EventLoop::Callback call) {
    ++serial;
    period = every;
    callback = std::move(call);
    timer.expires_after(chrono(delay));
    wait();
  }
  void leap(Duration by) override {
    if (!callback) return;
    ++serial;
    timer.expires_at(timer.expiry() - chrono(by));
    wait();
  }
  void cancel() {
    ++serial;
    callback = nullptr;
    timer.cancel();
  }
  void end() {
    cancel();
    loop.leapers.erase(this);
  }
};

Timer::Timer(EventLoop& loop) : state_(new State(loop)) {}
Timer::~Timer() {
  state_->end();
  const Held<State> last = std::move(state_->self);
}
void Timer::start(Duration delay, EventLoop::Callback callback) {
  state_->restart(delay, std::chrono::nanoseconds(0), std::move(callback));
}
void Timer::start_periodic(Duration period, EventLoop::Callback callback) {
  state_->restart(period, chrono(period), std::move(callback));
}
void Timer::cancel() {
  state_->cancel();
}

struct ReadWatch::State : Holdable {
  State(EventLoop& loop, EventLoop::Callback call)
      : descriptor(loop.impl().context), self(this), callback(std::move(call)) {}

  asio::posix::stream_descriptor descriptor;
  Held<State> self;  ///< the owner's hold
  EventLoop::Callback callback;
  bool cancelled = false;

  void wait() {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [held = Held<State>(this)](const asio::error_code& error) {
                            if (error || held->cancelled) return;
                            held->callback();
                            if (!held->cancelled) held->wait();
                          });
  }
};

ReadWatch::ReadWatch(EventLoop& loop, int fd, EventLoop::Callback callback)
    : state_(new State(loop, std::move(callback))) {
  asio::error_code error;
  state_->descriptor.assign(fd, error);
  if (!error) state_->wait();
}
ReadWatch::~ReadWatch() {
  state_->cancelled = true;
  if (state_->descriptor.is_open()) state_->descriptor.release();
  const Held<State> last = std::move(state_->self);
}

}  // namespace sluice::io
