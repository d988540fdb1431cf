// How the control plane has something done by a worker: a slot for one piece of work, which the worker
// executes between two batches while the sender waits. One sender thread.
#pragma once

#include <atomic>
#include <functional>

namespace sluice::datapath {

class Mailbox {
 public:
  using Work = std::function<void()>;

  /// Sender: `wake` makes a sleeping worker look.
  template <typename Wake>
  void call(const Work& work, Wake&& wake) {
    work_.store(&work, std::memory_order_release);
    wake();
    while (const Work* const unfinished = work_.load(std::memory_order_acquire)) work_.wait(unfinished);
  }

  /// Worker.
  void drain() {
    const Work* const work = work_.load(std::memory_order_acquire);
    if (work == nullptr) [[likely]]
      return;
    (*work)();
    work_.store(nullptr, std::memory_order_release);
    work_.notify_one();
  }

 private:
  std::atomic<const Work*> work_{nullptr};
};

}  // namespace sluice::datapath
