// The tracker's sizes, limits, policies and sums.
#include "conntrack/tracker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {
namespace {

/// Entries beyond the maximum: those that a flush left behind until they are swept.
std::uint32_t slab_capacity(std::uint32_t max_connections) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{max_connections} * 2 + 1024, 0x7fffffff));
}

ReassemblyOptions with_secret(ReassemblyOptions options, std::uint64_t secret) {
  options.hash_secret = secret;
  return options;
}

}  // namespace

Tracker::Impl::Impl(const TrackerOptions& options)
    : secret(options.hash_secret),
      capacity(options.max_connections),
      slab(slab_capacity(options.max_connections)),
      index(static_cast<std::uint32_t>(
          std::min<std::uint64_t>(std::uint64_t{options.max_connections} * 2 + 64, 0xffffffff))),
      wheel(slab_capacity(options.max_connections)),
      port_lanes(options.max_connections),
      reassembler(with_secret(options.reassembly, options.hash_secret)),
      max_connections(options.max_connections),
      tcp_sequence_check(options.tcp_sequence_check),
      sweep_interval_ns(options.sweep_interval.ns),
      helpers(options.expectations, options.hash_secret ^ 0x9e3779b97f4a7c15) {}

bool Tracker::Impl::has_memory() const {
  return slab.has_memory() && index.has_memory() && zones.has_memory() && newcomers.has_memory() &&
         wheel.has_memory() && port_lanes.has_memory() && reassembler.has_memory() && helpers.has_memory();
}

Result<std::unique_ptr<Tracker>> Tracker::make(const TrackerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  if (!impl->has_memory())
    return fail("there is no address space for a table of " + std::to_string(options.max_connections) +
                " connections and " + std::to_string(options.reassembly.max_bytes) +
                " bytes of fragments: lower these sizes or raise the limit of the process (ulimit -v)");
  return std::unique_ptr<Tracker>(new Tracker(std::move(impl)));
}

Tracker::Tracker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tracker::Tracker(const TrackerOptions& options) : impl_(std::make_unique<Impl>(options)) {
  SLUICE_CHECK(impl_->has_memory());
}
Tracker::~Tracker() = default;

Reassembler& Tracker::reassembler() {
  return impl_->reassembler;
}
const Reassembler& Tracker::reassembler() const {
  return impl_->reassembler;
}

std::uint32_t Tracker::connections() const {
  const std::int64_t n = impl_->total.load(std::memory_order_relaxed);
  return n > 0 ? static_cast<std::uint32_t>(n) : 0;
}
std::uint32_t Tracker::connections_in_zone(std::uint16_t zone) const {
  return impl_->zones.connections(zone);
}
std::uint32_t Tracker::max_connections() const {
  return impl_->max_connections.load(std::memory_order_relaxed);
}
std::uint32_t Tracker::most_connections() const {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{impl_->capacity} * 2, 0x7fffffff));
}
void Tracker::set_max_connections(std::uint32_t n) {
  impl_->max_connections.store(std::min(n, most_connections()), std::memory_order_relaxed);
}
void Tracker::set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit) {
  impl_->zones.set_limit(zone, limit);
}
std::optional<std::uint32_t> Tracker::zone_limit(std::uint16_t zone) const {
  return impl_->zones.limit(zone);
}
void Tracker::set_default_zone_limit(std::uint32_t limit) {
  impl_->default_zone_limit.store(limit, std::memory_order_relaxed);
}
std::uint32_t Tracker::default_zone_limit() const {
  return impl_->default_zone_limit.load(std::memory_order_relaxed);
}

void Tracker::set_timeout_policy(std::uint16_t zone, const std::optional<TimeoutPolicy>& policy) {
  if (!policy) return impl_->zones.set_timeouts(zone, nullptr);
  const std::lock_guard guard(impl_->policy_mutex);
  auto& all = impl_->policies;
  auto known = std::find_if(all.begin(), all.end(), [&](const auto& row) { return row.first == *policy; });
  if (known == all.end())
    known = all.emplace(all.end(), *policy, std::make_unique<const TimeoutTicks>(*policy));
  impl_->zones.set_timeouts(zone, known->second.get());
}

std::optional<TimeoutPolicy> Tracker::timeout_policy(std::uint16_t zone) const {
  const TimeoutTicks* const own = &impl_->zones.timeouts(zone);
  const std::lock_guard guard(impl_->policy_mutex);
  for (const auto& [policy, ticks] : impl_->policies)
    if (ticks.get() == own) return policy;
  return std::nullopt;
}

void Tracker::set_strictness(std::uint16_t zone, const Strictness& strictness) {
  impl_->zones.set_strictness(zone, strictness);
}
Strictness Tracker::strictness(std::uint16_t zone) const {
  return impl_->zones.strictness(zone);
}

bool Tracker::tcp_sequence_check() const {
  return impl_->tcp_sequence_check.load(std::memory_order_relaxed);
}
void Tracker::set_tcp_sequence_check(bool on) {
  impl_->tcp_sequence_check.store(on, std::memory_order_relaxed);
}

TrackerCounters Tracker::counters() const {
  TrackerCounters sum{};
  for (const Books::Stripe& stripe : impl_->books.counters) {
    const auto event = [&stripe](Event e) {
      return stripe.events[static_cast<unsigned>(e)].load(std::memory_order_relaxed);
    };
    sum.created += event(Event::Created);
    sum.destroyed += event(Event::Destroyed);
    sum.expired += event(Event::Expired);
    sum.dropped_early += event(Event::DroppedEarly);
    sum.committed += event(Event::Committed);
    sum.lookups += event(Event::Lookup);
    sum.hits += event(Event::Hit);
    sum.related += event(Event::Related);
    sum.expected += event(Event::Expected);
    sum.expectations_refused += event(Event::ExpectationRefused);
    sum.helpers_refused += event(Event::HelperRefused);
    for (unsigned i = 0; i < kReasonCount; ++i)
      sum.by_reason[i] += stripe.reasons[i].load(std::memory_order_relaxed);
  }
  return sum;
}

ReasonReport Tracker::reasons(std::optional<std::uint16_t> zone) const {
  return impl_->books.reasons.report(zone);
}
void Tracker::listen_for_events(bool on) {
  impl_->books.events.listen(on);
}
bool Tracker::take_events(std::vector<ConnectionEvent>& out, std::size_t max) {
  return impl_->books.events.take(out, max);
}
std::uint64_t Tracker::lost_events() const {
  return impl_->books.events.lost();
}

std::size_t Tracker::memory_bytes() const {
  return impl_->index.bytes() + impl_->slab.touched_bytes() + impl_->wheel.touched_bytes() +
         impl_->port_lanes.touched_bytes();
}

}  // namespace sluice::conntrack
