// Event counters with their recent rates, as coverage/show prints them: sampled every five seconds, kept for
// an hour.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::bridge {
class Switch;
}

namespace sluice::daemon {

/// One event and how often it happened since the start.
struct Event {
  std::string name;
  std::uint64_t total = 0;
};

/// Main thread. `read` gives all events, always the same ones in the same order.
class Coverage {
 public:
  explicit Coverage(std::function<std::vector<Event>()> read) : read_(std::move(read)) {}

  static constexpr unsigned kSampleSeconds = 5;

  /// Call every kSampleSeconds.
  void sample();
  std::string show() const;
  std::optional<std::uint64_t> read_counter(std::string_view name) const;

 private:
  static constexpr std::size_t kSamples = 3600 / kSampleSeconds;
  /// Events a second over the last `samples` samples.
  double rate(std::size_t event, std::uint64_t total, std::size_t samples) const;

  std::function<std::vector<Event>()> read_;
  std::deque<std::vector<std::uint64_t>> samples_;  ///< newest last
};

/// All events of a switch.
std::vector<Event> read_events(const bridge::Switch& device);

}  // namespace sluice::daemon
