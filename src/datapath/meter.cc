#include "datapath/meter.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace sluice::datapath {

Meter::Meter(const MeterConfig& config, Instant created)
    : packets_(config.packets),
      created_(created),
      count_(config.bands.size()),
      bands_(std::make_unique<Band[]>(config.bands.size())),
      order_(config.bands.size()) {
  std::vector<std::uint8_t> by_rate(count_);
  std::iota(by_rate.begin(), by_rate.end(), std::uint8_t{0});
  std::stable_sort(by_rate.begin(), by_rate.end(), [&](std::uint8_t a, std::uint8_t b) {
    return config.bands[a].rate > config.bands[b].rate;
  });
  for (std::size_t i = 0; i < count_; ++i) {
    const MeterConfig::Band& from = config.bands[by_rate[i]];
    Band& band = bands_[i];
    order_[by_rate[i]] = static_cast<std::uint8_t>(i);
    band.rate = from.rate;
    band.raise = from.raise;
    // Tolerance and cost have the same unit: how long the rate takes for it.
    const std::int64_t second = 1'000'000'000 * kTicks;
    band.tolerance = from.burst == 0 ? second : second / from.rate * from.burst;
    band.busy_until.store(0, std::memory_order_relaxed);
  }
}

/// How long the band's rate takes for a packet.
std::int64_t Meter::cost(const Band& band, std::uint32_t bytes) const {
  if (packets_) return 1'000'000'000 * kTicks / band.rate;
  return std::int64_t{bytes} * 8 * 1'000'000 * kTicks / band.rate;  // a kbit/s is a bit per 10^6 ns
}

Meter::Verdict Meter::measure(std::uint32_t bytes, Instant now) {
  packets_in_.fetch_add(1, std::memory_order_relaxed);
  bytes_in_.fetch_add(bytes, std::memory_order_relaxed);
  const std::int64_t ticks = (now - created_).ns * kTicks;
  Band* exceeded = nullptr;
  for (std::size_t i = 0; i < count_; ++i) {
    Band& band = bands_[i];
    const std::int64_t needs = cost(band, bytes);
    std::int64_t busy = band.busy_until.load(std::memory_order_relaxed);
    for (;;) {
      const std::int64_t next = std::max(busy, ticks) + needs;
      if (next - ticks > band.tolerance) {
        if (!exceeded) exceeded = &band;
        break;
      }
      if (band.busy_until.compare_exchange_weak(busy, next, std::memory_order_relaxed)) break;
    }
  }
  if (!exceeded) return {};
  exceeded->packets.fetch_add(1, std::memory_order_relaxed);
  exceeded->bytes.fetch_add(bytes, std::memory_order_relaxed);
  return {.drop = exceeded->raise == 0, .raise = exceeded->raise};
}

Meter::Stats Meter::stats() const {
  Stats stats{.in = {packets_in_.load(std::memory_order_relaxed), bytes_in_.load(std::memory_order_relaxed)},
              .bands = {},
              .created = created_};
  for (const std::uint8_t place : order_)
    stats.bands.push_back({bands_[place].packets.load(std::memory_order_relaxed),
                           bands_[place].bytes.load(std::memory_order_relaxed)});
  return stats;
}

MeterTable::~MeterTable() {
  for (const auto& place : chunks_) {
    const std::unique_ptr<Chunk> chunk(place.load(std::memory_order_relaxed));
    if (!chunk) continue;
    for (const auto& meter : *chunk) delete meter.load(std::memory_order_relaxed);
  }
}

Meter* MeterTable::put(std::uint32_t number, Meter* meter) {
  std::atomic<Chunk*>& place = chunks_[number / kPerChunk];
  Chunk* chunk = place.load(std::memory_order_relaxed);
  if (!chunk) place.store(chunk = new Chunk{}, std::memory_order_release);
  Meter* const old = (*chunk)[number % kPerChunk].exchange(meter, std::memory_order_acq_rel);
  const std::uint64_t bit = std::uint64_t{1} << number % kPerWord;
  if (meter)
    taken_[number / kPerWord] |= bit;
  else
    taken_[number / kPerWord] &= ~bit;
  return old;
}

std::optional<std::uint32_t> MeterTable::add(const MeterConfig& config, Instant now) {
  const auto word = std::find_if(taken_.begin(), taken_.end(), [](std::uint64_t bits) { return ~bits != 0; });
  if (word == taken_.end()) return std::nullopt;
  const auto number = static_cast<std::uint32_t>(word - taken_.begin()) * kPerWord +
                      static_cast<std::uint32_t>(std::countr_one(*word));
  put(number, new Meter(config, now));
  return number;
}

void MeterTable::replace(std::uint32_t number, const MeterConfig& config, Instant now) {
  Meter* const old = put(number, new Meter(config, now));
  if (old) rcu::retire([old] { delete old; });
}

void MeterTable::remove(std::span<const std::uint32_t> numbers) {
  std::vector<Meter*> gone;
  for (const std::uint32_t number : numbers)
    if (find(number)) gone.push_back(put(number, nullptr));
  if (gone.empty()) return;
  rcu::retire([gone = std::move(gone)] {
    for (Meter* meter : gone) delete meter;
  });
}

std::optional<Meter::Stats> MeterTable::stats(std::uint32_t number) const {
  const Meter* meter = find(number);
  return meter ? std::optional(meter->stats()) : std::nullopt;
}

std::uint8_t raised_dscp(std::uint8_t dscp, std::uint8_t levels) {
  const unsigned forwarding_class = dscp >> 3, precedence = dscp >> 1 & 3;
  if (forwarding_class < 1 || forwarding_class > 4 || precedence == 0 || (dscp & 1) != 0) return dscp;
  return static_cast<std::uint8_t>(forwarding_class << 3 | std::min(3u, precedence + levels) << 1);
}

}  // namespace sluice::datapath
