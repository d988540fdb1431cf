// What packets change in the flow tables: flows that learn actions make, timeouts that fin_timeout shortens.
//
// A worker must see its learned flow with its next packet, and must never wait for main. So it puts the
// change into this bounded queue and then tries for the writer's lock: if it gets it, it makes the change
// itself, at once; if main has it, main finds the change there when it lets go (FlowTables::Writing). What
// does not fit is counted and forgotten: a packet that goes on using the flow asks again.
//
// Threads: any. The mutex is held for a pointer move.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "action/flow_spec.h"
#include "base/clock.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

/// A flow that a learn action makes; referred to by what may make it again (the megaflow's credits).
class LearnedFlow {
 public:
  LearnedFlow(action::FlowSpec flow, std::uint32_t most) : spec(std::move(flow)), limit(most) {}
  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const action::FlowSpec spec;
  const std::uint32_t limit;  ///< flows of that table and cookie; 0: none

 private:
  std::atomic<std::uint32_t> references_{1};
};

struct FlowRequest {
  Ref<LearnedFlow> learned;  ///< empty: `shortened` needs another look at its timeouts
  RuleRef shortened;
  Instant now;
};

class FlowInbox {
 public:
  /// Requests that may wait: what a few milliseconds of packets ask for while main changes flows.
  static constexpr std::size_t kMaxWaiting = 8192;

  bool push(FlowRequest request) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    waiting_.push_back(std::move(request));
    count_.store(waiting_.size(), std::memory_order_release);
    return true;
  }
  std::vector<FlowRequest> take() {
    std::vector<FlowRequest> taken;
    const std::lock_guard lock(mutex_);
    taken.swap(waiting_);
    count_.store(0, std::memory_order_release);
    return taken;
  }
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::vector<FlowRequest> waiting_;  ///< guarded by mutex_
  std::atomic<std::size_t> count_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace sluice::pipeline
