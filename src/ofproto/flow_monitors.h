// Flow monitors: controllers that are told of flows that others add, modify and delete (OpenFlow 1.4.0
// section 7.3.5.16, and Nicira's before).
//
// A controller that reads too slowly is not buried: its monitors pause, it is told so, and of what changes
// meanwhile it hears only deletions of flows that it knows of. When it has read all, it is told of the flows
// that came or changed in the pause, so that its picture is the switch's again. The first answer, with the
// flows that are there already, is a pause as well, which nobody is told of: it may take long. Both go in
// slices, and no faster than the controller reads.
//
// Owned by an OpenFlowAgent. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ofproto/monitor_index.h"
#include "openflow/session.h"
#include "pipeline/pipeline.h"

namespace sluice::ofproto {

class Sessions;

/// Limits of what sessions may make the switch watch for them.
namespace monitor_limits {
inline constexpr std::size_t kMonitors = 1024;  ///< of one session
inline constexpr std::size_t kAllMonitors = 16384;
/// Look-ups that each change of a flow takes (MonitorIndex), for one session and for all.
inline constexpr std::size_t kShapes = 128, kAllShapes = 256;
inline constexpr std::size_t kPauseBytes = 128 << 10;  ///< output that waits, from which on monitors pause
inline constexpr std::size_t kEntriesPerMessage = 128;
/// Flows times monitors that a slice of an answer or of the end of a pause looks at.
inline constexpr std::size_t kSlice = 4096;
}  // namespace monitor_limits

class FlowMonitors {
 public:
  /// What packets did has to be told to all who want to hear it; it calls tell().
  using TellEvents = std::function<void(std::span<const pipeline::FlowEvent>)>;

  FlowMonitors(pipeline::Pipeline& pipeline, Sessions& sessions, TellEvents tell_events)
      : pipeline_(pipeline), sessions_(sessions), tell_events_(std::move(tell_events)) {}

  /// Adds, modifies or deletes monitors, and begins the answer: flows that are there already.
  Status change(openflow::Session& session, const openflow::Message& request,
                const openflow::FlowMonitorRequest& monitors);
  Status cancel(openflow::Session& session, std::uint32_t id);
  void forget(openflow::Session& session);
  bool empty() const { return watchers_.empty(); }
  bool watches(const openflow::Session& session) const { return watchers_.contains(&session); }

  /// Something happened. @param source  whose change it was, null: nobody's; `xid` is that of its request.
  void tell(std::span<const pipeline::FlowEvent> events, openflow::Session* source, std::uint32_t xid);
  /// Whose controller does not read what it is told pauses. What others than packets did must have been told.
  void pause_slow();
  /// Goes on with those that paused and have read all.
  void resume_paused();
  /// The session has been told of all flows that were there when its monitors began.
  void initial_done(openflow::Session& session);
  /// A slice of what ends a pause; false when it has ended.
  bool resume_step(openflow::Session& session);

 private:
  using Monitors = std::map<std::uint32_t, FlowMonitor>;
  /// The walk over the flows at the end of a pause. What happens meanwhile to flows that it has passed is
  /// told as it happens, unless that becomes too much: then another walk follows, for what has changed since.
  struct Resuming {
    pipeline::FlowCursor flows;
    std::optional<pipeline::Moment> again{};
  };
  struct Watcher {
    Monitors monitors;
    MonitorIndex index;                      ///< of these
    std::optional<pipeline::Moment> paused;  ///< since when; nothing: they run
    /// Flows that are younger (Rule::sequence()) are told of by the walk at the end of the pause alone.
    /// Younger than the pause where an answer or a walk since may have told of what came in it.
    std::uint64_t known_sequence = 0;
    std::optional<Resuming> resuming;  ///< the pause is about to end
    bool told_paused = false;          ///< the controller knows: it reads too slowly
    bool answering = false;            ///< flows that were there at first are being told

    bool hears(const pipeline::FlowEvent& event) const;
  };
  class Initial;
  class Resume;
  static MonitorIndex index_of(const Monitors& monitors);
  /// Whether there is room for what a session wants beside what the others have.
  bool fits(const openflow::Session& session, const Monitors& monitors, const MonitorIndex& index) const;

  void tell_one(openflow::Session& session, Watcher& watcher, std::span<const pipeline::FlowEvent> events,
                bool own, std::uint32_t xid);
  void send(openflow::Session& session, openflow::FlowUpdates& updates);
  void begin_resuming(Watcher& watcher);
  void end_pause(openflow::Session& session, Watcher& watcher);
  void keep_events();
  /// Tells what packets did, all of it until the moment that is returned: what is told after a pause is what
  /// happened after the moment it began.
  pipeline::Moment catch_up();
  bool is_slow(const openflow::Session& session, const Watcher& watcher) const;
  void pause(openflow::Session& session, Watcher& watcher, const pipeline::Moment& since);
  std::size_t waiting(const openflow::Session& session) const;

  pipeline::Pipeline& pipeline_;
  Sessions& sessions_;
  TellEvents tell_events_;
  std::map<openflow::Session*, Watcher, std::less<>> watchers_;
};

}  // namespace sluice::ofproto
