#include "daemon/sliced_work.h"

namespace sluice::daemon {

void SlicedWork::start(std::unique_ptr<Job> job) {
  if (!job->step()) return;
  jobs_.push_back(std::move(job));
  if (jobs_.size() == 1) timer_.start(Duration{}, [this] { run_slice(); });
}

void SlicedWork::run_slice() {
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    if ((*it)->step())
      ++it;
    else
      it = jobs_.erase(it);
  }
  if (!jobs_.empty()) timer_.start(Duration{}, [this] { run_slice(); });
}

}  // namespace sluice::daemon
