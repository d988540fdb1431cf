#include "daemon/event_stream.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "conntrack/tracker.h"
#include "daemon/connection_json.h"
#include "daemon/conntrack_arguments.h"
#include "io/clock.h"

namespace sluice::daemon {

namespace {

/// Between two looks at the rings: what a busy worker does meanwhile fits into its ring.
constexpr Duration kPeriod = Duration::milliseconds(10);
/// Events told in one turn, so that commands get theirs.
constexpr std::size_t kSlice = 2000;

std::string lost_line(std::uint64_t count) {
  return fmt::format("{{\"event\":\"lost\",\"count\":{}}}\n", count);
}

}  // namespace

std::string events_path(const std::string& control_path) {
  constexpr std::string_view kEnd = ".ctl";
  const bool ends = control_path.ends_with(kEnd);
  return control_path.substr(0, control_path.size() - (ends ? kEnd.size() : 0)) + ".events";
}

Result<std::unique_ptr<EventStream>> EventStream::open(io::EventLoop& loop, bridge::Switch& device,
                                                       const std::string& path) {
  std::unique_ptr<EventStream> stream(new EventStream(loop, device));
  SLUICE_ASSIGN(
      stream->listener_,
      io::UnixListener::open(loop, path, 0750, [s = stream.get()](std::unique_ptr<io::Stream> client) {
        s->accept(std::move(client));
      }));
  return stream;
}

EventStream::~EventStream() {
  if (listening_) device_.tracker().listen_for_events(false);
}

void EventStream::accept(std::unique_ptr<io::Stream> stream) {
  const std::uint64_t id = next_id_++;
  Listener& listener = listeners_[id];
  listener.stream = std::move(stream);
  listener.stream->start([this, id](Bytes bytes) { received(id, bytes); },
                         [this, id](const Status&) { end(id); });
}

void EventStream::received(std::uint64_t id, Bytes bytes) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end() || found->second.started) return;
  Listener& listener = found->second;
  listener.line.append(bytes.begin(), bytes.end());
  if (listener.line.find('\n') != std::string::npos) return start(listener);
  if (listener.line.size() > kMaxLine) end(id);
}

void EventStream::start(Listener& listener) {
  listener.started = true;
  std::istringstream line(listener.line.substr(0, listener.line.find('\n')));
  std::vector<std::string> words;
  for (std::string word; line >> word;) words.push_back(std::move(word));
  auto filter = parse_filter(words);
  if (!filter) {
    auto message = filter.error().message;
    while (message.ends_with('\n')) message.pop_back();
    listener.stream->send(text_of(Json{{"event", "error"}, {"message", message}}) + "\n");
    return listener.stream->finish();
  }
  listener.filter = *filter;
  if (!listening_) {
    device_.tracker().listen_for_events(true);
    lost_before_ = device_.tracker().lost_events();
    listening_ = true;
    timer_.start(kPeriod, [this] { turn(); });
  }
  listener.stream->send("{\"event\":\"listening\"}\n");
}

void EventStream::end(std::uint64_t id) {
  listeners_.erase(id);
}

void EventStream::tell(Listener& listener, const std::string& line) {
  if (listener.stream->queued() > kMaxQueued) {
    ++listener.lost;
    return;
  }
  if (listener.lost != 0) listener.stream->send(lost_line(std::exchange(listener.lost, 0)));
  listener.stream->send(line);
}

void EventStream::turn() {
  conntrack::Tracker& tracker = device_.tracker();
  if (listeners_.empty()) {
    tracker.listen_for_events(false);
    listening_ = false;
    return;
  }
  events_.clear();
  const bool more = tracker.take_events(events_, kSlice);
  const std::uint64_t lost = tracker.lost_events();
  const std::int64_t wall_ahead_ns = io::wall_clock_ns() - device_.now().ns;
  for (const auto& event : events_) {
    std::string line;
    for (auto& [id, listener] : listeners_) {
      if (!listener.started || !listener.filter.matches(event.connection)) continue;
      if (line.empty()) line = text_of(json_of(event, wall_ahead_ns)) + "\n";
      tell(listener, line);
    }
  }
  for (auto& [id, listener] : listeners_) {
    listener.lost += lost - lost_before_;
    // Also told when nothing follows that would carry it.
    if (listener.started && listener.lost != 0 && listener.stream->queued() == 0)
      listener.stream->send(lost_line(std::exchange(listener.lost, 0)));
  }
  lost_before_ = lost;
  timer_.start(more ? Duration{} : kPeriod, [this] { turn(); });
}

}  // namespace sluice::daemon
