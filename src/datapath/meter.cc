#include "datapath/meter.h"

#include <algorithm>
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

MeterTable::MeterTable() : table_(std::make_unique<const Table>()) {}

MeterTable::~MeterTable() {
  for (Meter* meter : *table_.get()) delete meter;
}

void MeterTable::put(std::uint32_t number, Meter* meter) {
  auto next = std::make_unique<Table>(*table_.get());
  if (next->size() <= number) next->resize(number + 1);
  Meter* const old = std::exchange((*next)[number], meter);
  table_.publish(std::move(next));
  if (old) rcu::retire([old] { delete old; });
}

std::optional<std::uint32_t> MeterTable::add(const MeterConfig& config, Instant now) {
  std::uint32_t number = 0;
  while (find(number)) ++number;
  if (number >= kMaxMeters) return std::nullopt;
  put(number, new Meter(config, now));
  return number;
}

void MeterTable::replace(std::uint32_t number, const MeterConfig& config, Instant now) {
  put(number, new Meter(config, now));
}

void MeterTable::remove(std::uint32_t number) {
  if (find(number)) put(number, nullptr);
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
