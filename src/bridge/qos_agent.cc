#include "bridge/qos_agent.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::bridge {

namespace {

/// Interfaces of one tc: so many are done well within the patience.
constexpr std::size_t kAtOnce = 64;

}  // namespace

const std::vector<port::QueueState>& QosAgent::queues(const std::string& interface, Instant now) {
  constexpr Duration kFresh = Duration::milliseconds(100);
  const auto [found, is_new] = counted_.try_emplace(interface);
  Counted& counted = found->second;
  if (is_new || now - counted.at >= kFresh)
    counted = {now, port::read_queues(interface).value_or(std::vector<port::QueueState>())};
  return counted.queues;
}

void QosAgent::replace(const std::string& interface, std::string commands) {
  counted_.erase(interface);
  waiting_[interface] = {.interface = interface, .commands = std::move(commands)};
  if (!loop_) return finish();
  if (!running_) start();
}

void QosAgent::finish() {
  while (!idle()) {
    if (!running_) start();
    if (running_) end(!running_->child || running_->child->wait(patience_));
  }
}

/// Gives what waits to a tc.
void QosAgent::start() {
  if (waiting_.empty()) return;
  std::vector<Job> jobs;
  std::string input;
  unsigned line = 1;
  while (!waiting_.empty() && jobs.size() < kAtOnce) {
    Job& job = jobs.emplace_back(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
    const std::string text = port::remove_command(job.interface) + job.commands;
    job.first_line = line;
    line += static_cast<unsigned>(std::count(text.begin(), text.end(), '\n'));
    job.last_line = line - 1;
    input += text;
  }
  running_ = std::make_unique<Run>(io::ChildProcess::start({program_, "-force", "-batch", "-"}, input),
                                   std::move(jobs));
  if (!loop_) return;
  running_->deadline = std::make_unique<io::Timer>(*loop_);
  if (!running_->child) return running_->deadline->start({}, [this] { end(true); });
  running_->watch = std::make_unique<io::ReadWatch>(*loop_, running_->child->fd(), [this] { end(true); });
  running_->deadline->start(patience_, [this] { end(false); });
}

/// Why a tc that ended did nothing of what it read, or only a part of it; empty: it went through everything.
std::string QosAgent::failure_of(const io::ChildProcess& child, bool complained) {
  const int status = child.exit_status();
  if (status == 0 || (complained && status < io::ChildProcess::kKilled)) return {};
  const std::string said = child.output();
  return said.empty() ? fmt::format("tc ended with status {}", status) : said.substr(0, said.find('\n'));
}

/// The tc that runs has ended, or is made to.
void QosAgent::end(bool in_time) {
  auto run = std::move(running_);
  std::map<unsigned, std::string> complaints;
  std::string all_fail;
  if (!run->child)
    all_fail = fmt::format("{}: it takes iproute2", run->child.error().message);
  else if (!in_time)
    all_fail = fmt::format("tc took longer than {} s", patience_.whole_seconds());
  else
    all_fail = failure_of(*run->child, !(complaints = port::parse_complaints(run->child->output())).empty());
  const auto status_of = [&](const Job& job) -> Status {
    if (!all_fail.empty()) return fail(all_fail);
    // That there was no discipline to take away is no fault.
    const auto complaint = complaints.upper_bound(job.first_line);
    if (complaint == complaints.end() || complaint->first > job.last_line) return {};
    return fail(complaint->second);
  };
  auto jobs = std::move(run->jobs);
  if (!in_time) {
    run->child->kill();
    Run* const dying = dying_.emplace_back(std::move(run)).get();
    if (loop_) {
      dying->deadline.reset();
      dying->watch.reset();  // a descriptor has one watch at a time
      dying->watch = std::make_unique<io::ReadWatch>(*loop_, dying->child->fd(), [this, dying] {
        std::erase_if(dying_, [&](const auto& other) { return other.get() == dying; });
      });
    }
  }
  tell(std::move(jobs), status_of);
}

void QosAgent::tell(std::vector<Job> jobs, const std::function<Status(const Job&)>& status_of) {
  std::vector<std::pair<std::string, Status>> news;
  for (Job& job : jobs) {
    if (waiting_.contains(job.interface)) continue;  // something else is wanted by now
    Status status = status_of(job);
    if (!status && !job.commands.empty())  // no half of a discipline stays
      waiting_[job.interface] = {.interface = job.interface, .commands = {}, .cleans_up = true};
    if (!job.cleans_up) news.emplace_back(job.interface, std::move(status));
  }
  if (!running_) start();
  for (const auto& [interface, status] : news) done_(interface, status);
  if (idle()) became_idle_();
}

}  // namespace sluice::bridge
