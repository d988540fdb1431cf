// Long work on the main thread, done a slice at a time: a dump of millions of connections never keeps another
// command, a timer or a signal waiting for longer than a slice.
//
// Main thread. Destroying it drops what is unfinished.
#pragma once

#include <list>
#include <memory>

#include "io/event_loop.h"

namespace sluice::daemon {

class SlicedWork {
 public:
  class Job {
   public:
    virtual ~Job() = default;
    /// Does some milliseconds of work; false when it is done.
    virtual bool step() = 0;
  };

  explicit SlicedWork(io::EventLoop& loop) : timer_(loop) {}

  void start(std::unique_ptr<Job> job);
  bool idle() const { return jobs_.empty(); }

 private:
  void run_slice();

  std::list<std::unique_ptr<Job>> jobs_;
  io::Timer timer_;
};

}  // namespace sluice::daemon
