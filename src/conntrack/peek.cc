// What process() would say of a packet, found out on a copy of its connection.
#include "conntrack/pass.h"
#include "conntrack/proto/advance.h"

namespace sluice::conntrack {

PeekResult Tracker::peek(const packet::Packet& packet, std::uint16_t zone, Instant now) const {
  Impl& t = *impl_;
  PeekResult result;
  const auto invalid = [&result](Reason reason) {
    result.state = ct_state::kInvalid | ct_state::kTracked;
    result.reason = reason;
    return result;
  };
  Probe probe;
  classify(packet, t.secret, zone, probe);
  if (probe.reason != Reason::None) return invalid(probe.reason);

  const Strictness strictness = t.zones.strictness(zone);
  const auto open = [&] {
    result.state = ct_state::kNew | ct_state::kTracked;
    result.expectation = t.find_expectation(probe, now);
    if (result.expectation) result.state |= ct_state::kRelated;
    return result;
  };

  Entry copy{};
  Direction direction = Direction::Original;
  const std::uint32_t name = t.index.find(probe.hash, [&](std::uint32_t candidate) {
    Entry& entry = t.slab[candidate];
    entry.lock();
    const bool found = matches(entry, probe, direction) && !t.is_flushed(entry) &&
                       ticks_left(entry, t.timeouts(zone), CoarseTime::of(now)) > 0;
    if (found) entry.copy_to(copy);
    entry.unlock();
    return found;
  });
  if (name == kNone) {
    if (const Reason reason = cannot_open(packet, probe, strictness.loose); reason != Reason::None)
      return invalid(reason);
    return open();
  }
  result.connection = t.snapshot(copy, name, now);
  if (probe.related) {
    result.state =
        ct_state::kTracked | ct_state::kRelated | (direction == Direction::Original ? ct_state::kReply : 0);
    return result;
  }
  const Verdict verdict = t.advance_family(copy, packet, direction, t.tcp_rules(strictness));
  if (verdict.outcome == Outcome::Invalid) return invalid(verdict.reason);
  if (verdict.outcome == Outcome::Reopen) {
    result.connection.reset();
    return open();
  }
  result.state = state_of(verdict.outcome, direction);
  if (result.connection->parent) result.state |= ct_state::kRelated;
  return result;
}

}  // namespace sluice::conntrack
