// The main thread's event loop: timers, signals, descriptors, and work posted from other threads. Asio does
// it; no header shows Asio, so that its compile time and its exceptions stay in io's .cc files.
//
// Threads: everything is called, and calls back, on the thread that runs the loop, except post() and stop(),
// which any thread may call. The loop outlives its timers, watches and streams. A callback may destroy the
// object it came from.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>

#include "base/clock.h"
#include "base/result.h"

namespace sluice::io {

class EventLoop {
 public:
  using Callback = std::function<void()>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Runs until stop(), also while there is nothing to wait for. May be run again afterwards.
  void run();
  /// Handles what happens within `duration`, then returns; earlier after stop().
  void run_for(Duration duration);
  /// Handles what is ready now.
  void poll();
  /// Any thread.
  void stop();

  /// Runs `work` soon on the loop's thread, in order of posting. Any thread.
  void post(Callback work);

  /// Calls back for each arrival of one of the signals, for the rest of the loop's life.
  Status on_signal(std::initializer_list<int> signals, const std::function<void(int)>& callback);

  /// The time that timers go by.
  const Clock& clock() const;
  /// Time leaps: the clock is on by so much, and pending timers are due so much earlier. For tests of
  /// timeouts.
  void leap(Duration by);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// One pending callback. Starting it again replaces what was pending; destroying or cancelling it means no
/// callback.
class Timer {
 public:
  explicit Timer(EventLoop& loop);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Duration delay, EventLoop::Callback callback);
  /// Calls back every `period`, the first time after one period, without drift; missed periods are skipped.
  void start_periodic(Duration period, EventLoop::Callback callback);
  void cancel();

 private:
  struct State;
  State* state_;
};

/// Calls back whenever a descriptor that somebody else owns is readable. The descriptor must outlive the
/// watch.
class ReadWatch {
 public:
  ReadWatch(EventLoop& loop, int fd, EventLoop::Callback callback);
  ~ReadWatch();
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;

 private:
  struct State;
  State* state_;
};

}  // namespace sluice::io
