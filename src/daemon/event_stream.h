// EventStream: connections that come, change and go, told line by line to whoever connects to a unix socket.
//
// A client sends one line, the filter it wants in the words of `sluice ct` ("zone=5 mark=0x1/0x1", or
// nothing), and then reads JSON objects, a line each: {"event":"listening"} once,
// {"event":"error","message":…} and the end if the filter is wrong, else "new", "update" and "destroy" with
// the connection. A client that reads too slowly misses events and is told how many:
// {"event":"lost","count":N}. The tracker is asked to keep events only while there is a client.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bridge/switch.h"
#include "conntrack/dump.h"
#include "conntrack/event.h"
#include "io/event_loop.h"
#include "io/stream.h"

namespace sluice::daemon {

class EventStream {
 public:
  static Result<std::unique_ptr<EventStream>> open(io::EventLoop& loop, bridge::Switch& device,
                                                   const std::string& path);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  std::size_t listeners() const { return listeners_.size(); }

  /// Bytes that may wait for a client before it misses events.
  static constexpr std::size_t kMaxQueued = std::size_t{1} << 20;
  /// The longest line a client may send.
  static constexpr std::size_t kMaxLine = 1024;

 private:
  struct Listener {
    std::unique_ptr<io::Stream> stream;
    std::string line;  ///< what came of the filter so far
    conntrack::Filter filter;
    bool started = false;
    std::uint64_t lost = 0;  ///< since it was last told
  };

  EventStream(io::EventLoop& loop, bridge::Switch& device) : loop_(loop), device_(device), timer_(loop) {}
  void accept(std::unique_ptr<io::Stream> stream);
  void received(std::uint64_t id, Bytes bytes);
  void start(Listener& listener);
  void end(std::uint64_t id);
  /// Tells what has happened since the last turn, and plans the next.
  void turn();
  void tell(Listener& listener, const std::string& line);

  io::EventLoop& loop_;
  bridge::Switch& device_;
  io::Timer timer_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t next_id_ = 0;
  std::uint64_t lost_before_ = 0;  ///< Tracker::lost_events() at the last turn
  bool listening_ = false;         ///< the tracker keeps events
  std::vector<conntrack::ConnectionEvent> events_;
  std::unique_ptr<io::UnixListener> listener_;
};

/// Beside the control socket: "x.ctl" -> "x.events".
std::string events_path(const std::string& control_path);

}  // namespace sluice::daemon
