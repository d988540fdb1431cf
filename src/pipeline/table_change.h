// Inside of FlowTables, for table.cc and table_groups.cc only: a change in progress, and the writer's lock.
#pragma once

#include <mutex>
#include <vector>

#include "action/all_actions.h"
#include "pipeline/table.h"

namespace sluice::pipeline {

/// What a change did so far, to be shown or undone as one.
struct FlowTables::Change {
  /// A rule or group that came or went.
  template <typename T>
  struct Step {
    Ref<T> object;
    bool added;
  };

  std::uint64_t version;
  std::uint64_t sequence;  ///< FlowTables::next_sequence_ before the change
  std::size_t effort;      ///< FlowTables::effort_ before the change
  KeepEvents keeps_events;
  std::vector<Step<Rule>> steps{};
  std::vector<Step<Group>> group_steps{};
  RuleRef fleeting{};  ///< the last that came and went, no version sees it; still in its classifier
  std::vector<Ref<RuleStats>> reset{},
      used{};                        ///< counters that begin anew, or idle times, when the change shows
  std::vector<Learned> unlearned{};  ///< whose last learn action may have gone
  FlowModResult result{};
  bool is_worker = false;  ///< nothing may wait for readers: this thread is one

  void tell(FlowEvent event) {
    if (keeps_events == KeepEvents::All ||
        (keeps_events == KeepEvents::FlowRemoved && event.kind == FlowEvent::Kind::Removed &&
         event.rule->flags().send_flow_rem))
      result.events.push_back(std::move(event));
  }
};

/// The writer's lock. Whoever lets it go does what workers asked for meanwhile.
class FlowTables::Writing {
 public:
  explicit Writing(FlowTables& tables) : tables_(tables) { tables_.writer_.lock(); }
  ~Writing() {
    tables_.writer_.unlock();
    tables_.serve_requests();
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  FlowTables& tables_;
};

/// Calls `predicate` for each action, those inside write_actions and clone too, until it returns true.
template <typename Predicate>
bool any_action(const action::ActionList& actions, const Predicate& predicate) {
  for (const action::Action& action : actions) {
    if (predicate(action)) return true;
    if (const auto* write = action::as<action::WriteActions>(action);
        write && any_action(write->actions, predicate))
      return true;
    if (const auto* clone = action::as<action::Clone>(action); clone && any_action(clone->actions, predicate))
      return true;
  }
  return false;
}

}  // namespace sluice::pipeline
