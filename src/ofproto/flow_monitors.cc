#include "ofproto/flow_monitors.h"

#include <fmt/core.h>

#include <algorithm>

#include "field/of_error.h"
#include "ofproto/of_actions.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using field::OfError;
using openflow::FlowUpdate;
using openflow::FlowUpdates;
using openflow::MonitorCommand;
using openflow::MonitorFlags;
using openflow::MonitorRequest;
using openflow::UpdateEvent;
using pipeline::FlowEvent;

namespace {

Status refuse(std::uint32_t id, OfError code) {
  return field::fail(fmt::format("flow monitor {} ({})", id, field::of_error_name(code)), code);
}

pipeline::FlowFilter filter_of(const MonitorRequest& monitor) {
  return {.table = monitor.table,
          .match = monitor.match,
          .out_port = monitor.out_port,
          .out_group = monitor.out_group};
}

FlowUpdate update_of(UpdateEvent event, const pipeline::Rule& rule, bool with_actions) {
  FlowUpdate update;
  update.event = event;
  action::FlowSpec& flow = update.flow;
  flow.table = rule.table();
  flow.priority = rule.priority();
  flow.new_cookie = rule.cookie();
  flow.idle_timeout = rule.idle_timeout();
  flow.hard_timeout = rule.hard_timeout();
  flow.match = rule.match();
  if (with_actions) flow.actions = rule.actions();
  return update;
}

/// The flows that are there when a monitor begins, a piece at a time. A flow that goes meanwhile is left out:
/// its deletion is told, of what changes the end of this pause tells.
class Initial final : public openflow::SlicedRequest {
 public:
  Initial(FlowMonitors& monitors, const openflow::Message& request)
      : monitors_(monitors), request_(request) {}

  void add(pipeline::FlowCursor flows, bool with_actions) {
    parts_.push_back({std::move(flows), with_actions});
  }

  Result<bool> step(openflow::Session& session) override {
    FlowUpdates updates;
    while (!parts_.empty() && updates.entries.size() < monitor_limits::kEntriesPerMessage) {
      const pipeline::RuleRef rule = parts_.front().flows.next();
      if (!rule)
        parts_.erase(parts_.begin());
      else if (!rule->is_removed())
        updates.entries.push_back(update_of(UpdateEvent::Initial, *rule, parts_.front().with_actions));
    }
    const bool more = !parts_.empty();
    session.reply(request_, std::move(updates), more);
    if (!more) monitors_.initial_done(session);
    return more;
  }

 private:
  struct Part {
    pipeline::FlowCursor flows;
    bool with_actions;
  };
  FlowMonitors& monitors_;
  const openflow::Message request_;
  std::vector<Part> parts_;
};

}  // namespace

Status FlowMonitors::change(openflow::Session& session, const openflow::Message& request,
                            const openflow::FlowMonitorRequest& wanted) {
  // All of them or none.
  const auto found = watchers_.find(&session);
  std::map<std::uint32_t, MonitorRequest> next;
  if (found != watchers_.end()) next = found->second.monitors;
  auto initial = std::make_unique<Initial>(*this, request);
  for (const MonitorRequest& monitor : wanted.entries) {
    const bool exists = next.contains(monitor.id);
    switch (monitor.command) {
      case MonitorCommand::Add:
        if (exists) return refuse(monitor.id, OfError::MofcMonitorExists);
        if (next.size() >= monitor_limits::kMonitors) return refuse(monitor.id, OfError::MofcInvalidMonitor);
        break;
      case MonitorCommand::Modify:
        if (!exists) return refuse(monitor.id, OfError::MofcUnknownMonitor);
        break;
      case MonitorCommand::Delete:
        if (!exists) return refuse(monitor.id, OfError::MofcUnknownMonitor);
        next.erase(monitor.id);
        continue;
    }
    if (monitor.table >= kVisibleTables && monitor.table != action::kNoTable)
      return refuse(monitor.id, OfError::BrcBadTableId);
    next.insert_or_assign(monitor.id, monitor);
    if (monitor.flags.initial) initial->add(pipeline_.dump(filter_of(monitor)), monitor.flags.actions);
  }
  Watcher& watcher = watchers_[&session];
  watcher.monitors = std::move(next);
  if (!watcher.paused) watcher.paused = pipeline_.moment();
  watcher.answering = true;
  session.proceed(request, std::move(initial));
  return {};
}

void FlowMonitors::initial_done(openflow::Session& session) {
  const auto found = watchers_.find(&session);
  if (found == watchers_.end()) return;
  found->second.answering = false;
  if (!found->second.told_paused) resume(session, found->second);
  if (found->second.monitors.empty()) watchers_.erase(found);
}

Status FlowMonitors::cancel(openflow::Session& session, std::uint32_t id) {
  const auto found = watchers_.find(&session);
  if (found == watchers_.end() || found->second.monitors.erase(id) == 0)
    return refuse(id, OfError::MofcUnknownMonitor);
  if (found->second.monitors.empty() && !found->second.answering) watchers_.erase(found);
  return {};
}

// --- What happens
// ---------------------------------------------------------------------------------------------------------

namespace {

bool flag_of(const MonitorFlags& flags, FlowEvent::Kind kind) {
  switch (kind) {
    case FlowEvent::Kind::Added:
      return flags.add;
    case FlowEvent::Kind::Modified:
      return flags.modify;
    case FlowEvent::Kind::Removed:
      return flags.removed;
  }
  return false;
}

/// What flags a flow's monitors have together; nothing if none is about it.
std::optional<MonitorFlags> flags_for(const std::map<std::uint32_t, MonitorRequest>& monitors,
                                      FlowEvent::Kind kind, const pipeline::Rule& rule,
                                      const pipeline::Rule* old, bool own) {
  std::optional<MonitorFlags> flags;
  for (const auto& [id, monitor] : monitors) {
    if (!flag_of(monitor.flags, kind) || (monitor.flags.only_own && !own)) continue;
    if (!pipeline::is_about(filter_of(monitor), rule) &&
        !(old && pipeline::is_about(filter_of(monitor), *old)))
      continue;
    if (!flags) flags.emplace();
    flags->actions |= monitor.flags.actions;
    flags->own |= monitor.flags.own;
    flags->no_abbrev |= monitor.flags.no_abbrev;
    flags->only_own |= monitor.flags.only_own;
  }
  return flags;
}

/// A flow that was put again as it was has not changed for those who watch.
bool is_change(const FlowEvent& event) {
  return event.kind != FlowEvent::Kind::Modified || !event.old ||
         event.old->cookie() != event.rule->cookie() || !(event.old->actions() == event.rule->actions());
}

UpdateEvent update_event(FlowEvent::Kind kind) {
  return kind == FlowEvent::Kind::Added     ? UpdateEvent::Added
         : kind == FlowEvent::Kind::Removed ? UpdateEvent::Removed
                                            : UpdateEvent::Modified;
}

}  // namespace

void FlowMonitors::tell(std::span<const FlowEvent> events, openflow::Session* source, std::uint32_t xid) {
  for (auto& [session, watcher] : watchers_) {
    tell_one(*session, watcher, events, session == source, xid);
    pause_if_slow(*session, watcher);
  }
}

void FlowMonitors::tell_one(openflow::Session& session, Watcher& watcher, std::span<const FlowEvent> events,
                            bool own, std::uint32_t xid) {
  FlowUpdates updates;
  bool abbreviated = false;
  for (const FlowEvent& event : events) {
    const bool removed = event.kind == FlowEvent::Kind::Removed;
    // In a pause only that flows go which were there before it.
    if (watcher.paused && (!removed || event.rule->sequence() >= watcher.paused->sequence)) continue;
    if (!is_change(event)) continue;
    const auto flags = flags_for(watcher.monitors, event.kind, *event.rule, event.old.get(), own);
    if (!flags) continue;
    const bool full = !own || flags->own || flags->only_own || flags->no_abbrev || watcher.paused;
    if (full) {
      updates.entries.push_back(update_of(update_event(event.kind), *event.rule, flags->actions));
      if (removed) updates.entries.back().reason = static_cast<std::uint8_t>(event.reason);
    } else if (!std::exchange(abbreviated, true)) {
      FlowUpdate& update = updates.entries.emplace_back();
      update.event = UpdateEvent::Abbreviated;
      update.xid = xid;
    }
    if (updates.entries.size() >= monitor_limits::kEntriesPerMessage) send(session, updates);
  }
  send(session, updates);
}

void FlowMonitors::send(openflow::Session& session, FlowUpdates& updates) {
  if (updates.entries.empty()) return;
  session.send(std::exchange(updates, {}));
}

// --- Pauses
// -----------------------------------------------------------------------------------------------------------

std::size_t FlowMonitors::waiting(const openflow::Session& session) const {
  for (const Peer* peer : sessions_.peers())
    if (&peer->session() == &session) return peer->waiting();
  return session.output_bytes();
}

void FlowMonitors::pause_if_slow(openflow::Session& session, Watcher& watcher) {
  if (watcher.paused || waiting(session) <= monitor_limits::kPauseBytes) return;
  watcher.paused = pipeline_.moment();
  watcher.told_paused = true;
  if (session.version() >= openflow::k14) {
    FlowUpdates updates;
    updates.entries.emplace_back().event = UpdateEvent::Paused;
    send(session, updates);
  } else {
    session.send(openflow::FlowMonitorPaused{});
  }
}

void FlowMonitors::resume_paused() {
  for (auto& [session, watcher] : watchers_)
    if (watcher.told_paused && !watcher.answering && waiting(*session) == 0) resume(*session, watcher);
}

/// Tells of the flows that came or changed in the pause.
void FlowMonitors::resume(openflow::Session& session, Watcher& watcher) {
  const pipeline::Moment since = *std::exchange(watcher.paused, std::nullopt);
  if (pipeline_.moment().version != since.version) {
    FlowUpdates updates;
    auto flows = pipeline_.dump();
    while (const pipeline::RuleRef rule = flows.next()) {
      if (rule->added_in() <= since.version || rule->is_removed()) continue;
      const auto kind =
          rule->sequence() >= since.sequence ? FlowEvent::Kind::Added : FlowEvent::Kind::Modified;
      const auto flags = flags_for(watcher.monitors, kind, *rule, nullptr, false);
      if (!flags) continue;
      updates.entries.push_back(update_of(update_event(kind), *rule, flags->actions));
      if (updates.entries.size() >= monitor_limits::kEntriesPerMessage) send(session, updates);
    }
    send(session, updates);
  }
  if (!std::exchange(watcher.told_paused, false)) return;
  if (session.version() >= openflow::k14) {
    FlowUpdates updates;
    updates.entries.emplace_back().event = UpdateEvent::Resumed;
    send(session, updates);
  } else {
    session.send(openflow::FlowMonitorResumed{});
  }
}

}  // namespace sluice::ofproto
