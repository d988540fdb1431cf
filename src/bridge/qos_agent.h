// Sets up queueing disciplines of interfaces (port/qos.h) without keeping main waiting: what is wanted is
// collected and given to one tc(8) after another, many interfaces at a time. The kernel may take tens of
// milliseconds for each.
//
// Invariant: of an interface only what was wanted last is set up, and only of that anybody hears.
//
// Owned by Switch; main only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/child_process.h"
#include "io/event_loop.h"
#include "port/qos.h"

namespace sluice::bridge {

class QosAgent {
 public:
  using Done = std::function<void(const std::string& interface, const Status& status)>;

  /// @param loop  null: replace() waits until it is done
  /// @param became_idle  called after the last of `done`, and of what nobody is told of
  QosAgent(io::EventLoop* loop, Done done, std::function<void()> became_idle, std::string program = "tc")
      : loop_(loop),
        done_(std::move(done)),
        became_idle_(std::move(became_idle)),
        program_(std::move(program)) {}

  /// How long one tc may take. Then it is ended, and has failed for all of its interfaces.
  void set_patience(Duration patience) { patience_ = patience; }
  /// Puts what the commands make (port::qos_commands) in the place of the interface's discipline. Without
  /// commands, or if they fail, it has none.
  void replace(const std::string& interface, std::string commands);
  bool idle() const { return waiting_.empty() && !running_; }
  /// What the kernel says of the interface's queues; a tenth of a second old, so that who asks again and
  /// again does not keep main busy.
  const std::vector<port::QueueState>& queues(const std::string& interface, Instant now);
  /// Waits until it is idle.
  void finish();

 private:
  struct Job {
    std::string interface, commands;
    bool cleans_up = false;  ///< after commands that failed: nobody hears of it
    unsigned first_line = 0, last_line = 0;
  };
  struct Run {
    Run(Result<io::ChildProcess> started, std::vector<Job> its_jobs)
        : child(std::move(started)), jobs(std::move(its_jobs)) {}
    Result<io::ChildProcess> child;  ///< or why it can't be run, which is told as its end
    std::vector<Job> jobs;
    std::unique_ptr<io::ReadWatch> watch;
    std::unique_ptr<io::Timer> deadline;
  };

  struct Counted {
    Instant at;
    std::vector<port::QueueState> queues;
  };

  void start();
  void end(bool in_time);
  static std::string failure_of(const io::ChildProcess& child, bool complained);
  void tell(std::vector<Job> jobs, const std::function<Status(const Job&)>& status_of);

  io::EventLoop* const loop_;
  const Done done_;
  const std::function<void()> became_idle_;
  const std::string program_;
  Duration patience_ = Duration::seconds(10);
  std::map<std::string, Job> waiting_;      ///< by interface
  std::map<std::string, Counted> counted_;  ///< by interface
  std::unique_ptr<Run> running_;
  std::vector<std::unique_ptr<Run>> dying_;  ///< were told to end
};

}  // namespace sluice::bridge
