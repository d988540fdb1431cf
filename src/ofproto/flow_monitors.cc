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

}  // namespace

/// The flows that are there when monitors begin and when they are told, each once however many of them are
/// about it, as it is then. A flow that goes before is left out: its deletion is told.
class FlowMonitors::Initial final : public openflow::SlicedRequest {
 public:
  Initial(FlowMonitors& monitors, const openflow::Message& request)
      : monitors_(monitors), request_(request) {}

  void add(const FlowMonitor& monitor) { wanted_.push_back(monitor); }
  /// When all were added.
  void begin(const pipeline::Pipeline& pipeline, const pipeline::Moment& moment) {
    if (!wanted_.empty())
      flows_ =
          pipeline.walk(wanted_.size() == 1 ? wanted_[0].filter : pipeline::FlowFilter{}, moment.sequence);
  }

  Result<bool> step(openflow::Session& session) override {
    if (answered_) return monitors_.resume_step(session);
    std::size_t budget = monitor_limits::kSlice;
    while (const pipeline::RuleRef rule = flows_.next(budget)) {
      budget -= std::min(budget, wanted_.size());
      bool about = false, with_actions = false;
      for (const FlowMonitor& monitor : wanted_) {
        if (!pipeline::is_about(monitor.filter, *rule)) continue;
        about = true;
        with_actions |= monitor.flags.actions;
      }
      if (!about) continue;
      if (piece_.entries.size() == monitor_limits::kEntriesPerMessage)
        session.reply(request_, std::exchange(piece_, {}), true);
      piece_.entries.push_back(update_of(UpdateEvent::Initial, *rule, with_actions));
    }
    if (!flows_.at_end()) return true;
    session.reply(request_, std::move(piece_));
    answered_ = true;
    monitors_.initial_done(session);
    return monitors_.resume_step(session);
  }

 private:
  FlowMonitors& monitors_;
  const openflow::Message request_;
  std::vector<FlowMonitor> wanted_;
  pipeline::FlowCursor flows_;
  FlowUpdates piece_;  ///< held back until it is known whether more follow
  bool answered_ = false;
};

/// The end of a pause, that nobody asked for.
class FlowMonitors::Resume final : public openflow::SlicedRequest {
 public:
  explicit Resume(FlowMonitors& monitors) : monitors_(monitors) {}
  Result<bool> step(openflow::Session& session) override { return monitors_.resume_step(session); }

 private:
  FlowMonitors& monitors_;
};

Status FlowMonitors::change(openflow::Session& session, const openflow::Message& request,
                            const openflow::FlowMonitorRequest& wanted) {
  // All of them or none.
  const auto found = watchers_.find(&session);
  Monitors next;
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
    const FlowMonitor made{filter_of(monitor), monitor.flags};
    next.insert_or_assign(monitor.id, made);
    if (monitor.flags.initial) initial->add(made);
  }
  MonitorIndex index = index_of(next);
  if (!fits(session, next, index)) return refuse(wanted.entries.back().id, OfError::MofcInvalidMonitor);
  Watcher& watcher = watchers_[&session];
  keep_events();
  const pipeline::Moment now = catch_up();
  watcher.monitors = std::move(next);
  watcher.index = std::move(index);
  if (!watcher.paused) watcher.paused = now;
  watcher.known_sequence = now.sequence;
  watcher.answering = true;
  initial->begin(pipeline_, now);
  session.proceed(request, std::move(initial));
  return {};
}

MonitorIndex FlowMonitors::index_of(const Monitors& monitors) {
  MonitorIndex index;
  for (const auto& [id, monitor] : monitors) index.add(monitor);
  return index;
}

bool FlowMonitors::fits(const openflow::Session& session, const Monitors& monitors,
                        const MonitorIndex& index) const {
  std::size_t all_monitors = monitors.size(), all_shapes = index.shapes();
  for (const auto& [other, watcher] : watchers_) {
    if (other == &session) continue;
    all_monitors += watcher.monitors.size();
    all_shapes += watcher.index.shapes();
  }
  return index.shapes() <= monitor_limits::kShapes && all_shapes <= monitor_limits::kAllShapes &&
         all_monitors <= monitor_limits::kAllMonitors;
}

void FlowMonitors::keep_events() {
  pipeline_.keep_events(watchers_.empty() ? pipeline::KeepEvents::FlowRemoved : pipeline::KeepEvents::All);
}

void FlowMonitors::forget(openflow::Session& session) {
  watchers_.erase(&session);
  keep_events();
}

void FlowMonitors::initial_done(openflow::Session& session) {
  const auto found = watchers_.find(&session);
  if (found == watchers_.end()) return;
  Watcher& watcher = found->second;
  watcher.answering = false;
  if (watcher.monitors.empty()) return forget(session);
  if (!watcher.told_paused) begin_resuming(watcher);
}

Status FlowMonitors::cancel(openflow::Session& session, std::uint32_t id) {
  const auto found = watchers_.find(&session);
  if (found == watchers_.end() || found->second.monitors.erase(id) == 0)
    return refuse(id, OfError::MofcUnknownMonitor);
  found->second.index = index_of(found->second.monitors);
  if (found->second.monitors.empty() && !found->second.answering) forget(session);
  return {};
}

// --- What happens

namespace {

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

/// In a pause only that flows go which the controller may know of: one too many does no harm.
bool FlowMonitors::Watcher::hears(const FlowEvent& event) const {
  if (!paused) return true;
  const bool passed = resuming && resuming->flows.has_passed(*event.rule);
  if (passed && !resuming->again) return true;
  return event.kind == FlowEvent::Kind::Removed && (passed || event.rule->sequence() < known_sequence);
}

void FlowMonitors::tell(std::span<const FlowEvent> events, openflow::Session* source, std::uint32_t xid) {
  for (auto& [session, watcher] : watchers_) tell_one(*session, watcher, events, session == source, xid);
}

void FlowMonitors::pause_slow() {
  std::vector<std::pair<openflow::Session*, Watcher*>> slow;
  for (auto& [session, watcher] : watchers_)
    if (is_slow(*session, watcher)) slow.emplace_back(session, &watcher);
  if (slow.empty()) return;
  const pipeline::Moment now = catch_up();
  for (const auto& [session, watcher] : slow) pause(*session, *watcher, now);
}

pipeline::Moment FlowMonitors::catch_up() {
  const pipeline::TakenEvents taken = pipeline_.take_events();
  if (!taken.events.empty()) tell_events_(taken.events);
  return taken.until;
}

void FlowMonitors::tell_one(openflow::Session& session, Watcher& watcher, std::span<const FlowEvent> events,
                            bool own, std::uint32_t xid) {
  FlowUpdates updates;
  bool abbreviated = false;
  for (const FlowEvent& event : events) {
    if (session.state() != openflow::Session::State::Open) return;
    const bool removed = event.kind == FlowEvent::Kind::Removed;
    if (!watcher.hears(event) || !is_change(event)) continue;
    const auto flags = watcher.index.flags_for(event.kind, *event.rule, event.old.get(), own);
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
  if (updates.entries.empty() || session.state() != openflow::Session::State::Open) return;
  session.send(std::exchange(updates, {}));
  if (waiting(session) > peer_limits::kMaxOutputBytes) session.close("it does not read what changed");
}

// --- Pauses

namespace {

/// Output that waits: from which on a controller that ends a pause hears no more of what happens meanwhile.
/// It is served below a lower mark, so that what waits for it alone is not yet too much.
constexpr std::size_t kTooMuchWhileResuming = peer_limits::kServeBelowBytes + peer_limits::kAsyncBelowBytes;

}  // namespace

std::size_t FlowMonitors::waiting(const openflow::Session& session) const {
  for (const Peer* peer : sessions_.peers())
    if (&peer->session() == &session) return peer->waiting();
  return session.output_bytes();
}

bool FlowMonitors::is_slow(const openflow::Session& session, const Watcher& watcher) const {
  if (watcher.paused)
    return watcher.resuming && !watcher.resuming->again && waiting(session) > kTooMuchWhileResuming;
  return waiting(session) > monitor_limits::kPauseBytes;
}

void FlowMonitors::pause(openflow::Session& session, Watcher& watcher, const pipeline::Moment& since) {
  watcher.known_sequence = since.sequence;
  if (watcher.resuming) {
    watcher.resuming->again = since;
    return;
  }
  watcher.paused = since;
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
  for (auto& [session, watcher] : watchers_) {
    if (!watcher.told_paused || watcher.answering || watcher.resuming || session->is_working() ||
        waiting(*session) != 0)
      continue;
    begin_resuming(watcher);
    if (resume_step(*session)) session->proceed(std::make_unique<Resume>(*this));
  }
}

void FlowMonitors::begin_resuming(Watcher& watcher) {
  watcher.resuming.emplace(Resuming{pipeline_.walk()});
}

/// Tells of flows that came or changed in the pause.
bool FlowMonitors::resume_step(openflow::Session& session) {
  const auto found = watchers_.find(&session);
  if (found == watchers_.end() || !found->second.resuming) return false;
  Watcher& watcher = found->second;
  const pipeline::Moment since = *watcher.paused;
  if (pipeline_.moment().version == since.version) {
    end_pause(session, watcher);
    return false;
  }
  // What packets did before the slice is told first, while its flows do not count as passed: what they did to
  // them the slice tells.
  pipeline::FlowCursor flows = watcher.resuming->flows;
  const pipeline::WalkSlice slice =
      pipeline_.walk_on(flows, monitor_limits::kSlice / (watcher.index.shapes() + 1) + 1);
  if (!slice.taken.events.empty()) tell_events_(slice.taken.events);
  watcher.resuming->flows = std::move(flows);
  FlowUpdates updates;
  for (const pipeline::RuleRef& rule : slice.rules) {
    if (rule->added_in() <= since.version) continue;
    const auto kind = rule->sequence() >= since.sequence ? FlowEvent::Kind::Added : FlowEvent::Kind::Modified;
    const auto flags = watcher.index.flags_for(kind, *rule, nullptr, false);
    if (!flags) continue;
    updates.entries.push_back(update_of(update_event(kind), *rule, flags->actions));
    if (updates.entries.size() >= monitor_limits::kEntriesPerMessage) send(session, updates);
  }
  send(session, updates);
  if (!watcher.resuming->flows.at_end()) return true;
  if (watcher.resuming->again) {
    watcher.paused = watcher.resuming->again;
    // The walk that ends here told of flows that came after the moment from which the next begins.
    watcher.known_sequence = pipeline_.moment().sequence;
    begin_resuming(watcher);
    return true;
  }
  end_pause(session, watcher);
  return false;
}

void FlowMonitors::end_pause(openflow::Session& session, Watcher& watcher) {
  watcher.paused.reset();
  watcher.resuming.reset();
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
