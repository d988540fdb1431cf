#include "daemon/coverage.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/hash.h"

namespace sluice::daemon {

void Coverage::sample() {
  std::vector<std::uint64_t> totals;
  for (const auto& event : read_()) totals.push_back(event.total);
  samples_.push_back(std::move(totals));
  if (samples_.size() > kSamples) samples_.pop_front();
}

double Coverage::rate(std::size_t event, std::uint64_t total, std::size_t samples) const {
  const std::size_t back = std::min(samples, samples_.size());
  const std::uint64_t before =
      back == 0 || samples_.size() < samples ? 0 : samples_[samples_.size() - back][event];
  return static_cast<double>(total - before) / static_cast<double>(samples * kSampleSeconds);
}

std::string Coverage::show() const {
  const auto events = read_();
  std::uint64_t hash = 0;
  std::size_t never = 0;
  std::string rows;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& event = events[i];
    if (event.total == 0) {
      ++never;
      continue;
    }
    for (const char c : event.name) hash = hash_mix(hash, static_cast<unsigned char>(c));
    rows += fmt::format("{:<24} {:5.1f}/sec {:9.3f}/sec {:13.4f}/sec   total: {}\n", event.name,
                        rate(i, event.total, 1), rate(i, event.total, 12), rate(i, event.total, kSamples),
                        event.total);
  }
  return fmt::format(
      "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash={:08x}:\n{}{} events "
      "never hit\n",
      hash & 0xffffffff, rows, never);
}

std::optional<std::uint64_t> Coverage::read_counter(std::string_view name) const {
  for (const auto& event : read_())
    if (event.name == name) return event.total;
  return std::nullopt;
}

}  // namespace sluice::daemon
