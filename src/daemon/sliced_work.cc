#include "daemon/sliced_work.h"

#include <algorithm>

namespace sluice::daemon {

void SlicedWork::start(std::unique_ptr<Job> job) {
  if (!job->step()) return;
  jobs_.push_back(std::move(job));
  if (jobs_.size() == 1) timer_.start(Duration{}, [this] { run_slice(); });
}

void SlicedWork::run_slice() {
  bool all_wait = true;
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    const bool ready = (*it)->ready();
    all_wait = all_wait && !ready;
    if (!ready || (*it)->step())
      ++it;
    else
      it = jobs_.erase(it);
  }
  wait_ = all_wait ? std::min(wait_ + wait_, kMostWait) : kLeastWait;
  if (!jobs_.empty()) timer_.start(all_wait ? wait_ : Duration{}, [this] { run_slice(); });
}

}  // namespace sluice::daemon
