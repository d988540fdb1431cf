// Long work on the main thread, done a slice at a time: a dump of millions of connections never keeps another
// command, a timer or a signal waiting for longer than a slice.
//
// Main thread. Destroying it drops what is unfinished.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "io/event_loop.h"

namespace sluice::daemon {

class SlicedWork {
 public:
  /// Flows written in a step: about two milliseconds.
  static constexpr unsigned kFlows = 1000;
  /// Bytes of an answer that wait for its client before the work waits too.
  static constexpr std::size_t kMaxWaiting = 1 << 20;

  class Job {
   public:
    virtual ~Job() = default;
    /// Does some milliseconds of work; false when it is done.
    virtual bool step() = 0;
    /// False: it waits for something that is no event, and is asked again a little later, the rarer the
    /// longer all wait.
    virtual bool ready() const { return true; }
  };

  explicit SlicedWork(io::EventLoop& loop) : timer_(loop) {}

  void start(std::unique_ptr<Job> job);
  bool idle() const { return jobs_.empty(); }

 private:
  static constexpr Duration kLeastWait = Duration::milliseconds(2), kMostWait = Duration::milliseconds(100);

  void run_slice();

  std::list<std::unique_ptr<Job>> jobs_;
  io::Timer timer_;
  Duration wait_ = kLeastWait;
};

}  // namespace sluice::daemon
