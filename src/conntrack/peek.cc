// What process() would say of a packet, found out on a copy of its connection.
#include <cstring>

#include "conntrack/nat/translate.h"
#include "conntrack/pass.h"
#include "conntrack/proto/advance.h"

namespace sluice::conntrack {
namespace {

/// The addresses of an ICMP error itself, where packets of its direction keep theirs.
void keep_unchanged(const packet::Packet& packet, const Tuple& before, Tuple& after) {
  const std::uint8_t* const l3 = packet.data() + packet.layout.l3;
  be128 src, dst;
  if (after.is_ipv6) {
    std::memcpy(&src, l3 + 8, 16);
    std::memcpy(&dst, l3 + 24, 16);
  } else {
    src = net::v4_mapped(be32::load(l3 + 12));
    dst = net::v4_mapped(be32::load(l3 + 16));
  }
  if (before.src == after.src) after.src = src;
  if (before.dst == after.dst) after.dst = dst;
}

}  // namespace

/// What NAT would choose for the connection that the packet opens, were it to come now.
template <typename IsCurrent>
void Tracker::Impl::choose_translation(const Probe& probe, const CtRequest& request, IsCurrent&& is_current,
                                       PeekResult& result) {
  const nat::TupleKey original = nat::tuple_of(probe);
  nat::Search search(original, request.nat_range, secret, next_random_now(), port_lanes);
  const bool found = search.run([&](const nat::Offer& offer) {
    if (offer.reply == original) return false;
    const std::uint32_t holder = index.find(offer.reply.hash(secret), [&](std::uint32_t name) {
      Entry& entry = slab[name];
      entry.lock();
      const bool taken = nat::has_tuple(entry, offer.reply, secret) && is_current(entry);
      entry.unlock();
      return taken;
    });
    if (holder != kNone) return false;
    const nat::TupleKey becomes = nat::reversed(offer.reply);
    if (becomes != original) {
      const bool source = request.nat_range.kind == NatRange::Kind::Source;
      result.translated = {nat::full_tuple(becomes),
                           source ? ct_state::kSourceNat : ct_state::kDestinationNat};
      result.state |= result.translated->state;
    }
    return true;
  });
  if (found) return;
  result.refused = true;
  result.reason = Reason::NatExhausted;
}

PeekResult Tracker::peek(const packet::Packet& packet, const CtRequest& request, Instant now) const {
  Impl& t = *impl_;
  const std::uint16_t zone = request.zone;
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
  const auto is_current = [&](const Entry& entry) {
    return !t.is_flushed(entry) && ticks_left(entry, t.timeouts(zone), CoarseTime::of(now)) > 0;
  };
  const std::uint32_t name = t.index.find(probe.hash, [&](std::uint32_t candidate) {
    Entry& entry = t.slab[candidate];
    entry.lock();
    const bool found = matches(entry, probe, direction) && is_current(entry);
    if (found) entry.copy_to(copy);
    entry.unlock();
    return found;
  });
  if (name == kNone) {
    if (const Reason reason = cannot_open(packet, probe, strictness.loose); reason != Reason::None)
      return invalid(reason);
    open();
    // What is expected has its translation from its parent.
    if (!result.expectation && request.commit && request.nat &&
        request.nat_range.kind != NatRange::Kind::None)
      t.choose_translation(probe, request, is_current, result);
    return result;
  }
  result.connection = t.snapshot(copy, name, now);
  const auto translate = [&](Direction travel) {
    if (!request.nat || !copy.translated()) return;
    Tuple tuple =
        reversed(travel == Direction::Original ? result.connection->reply : result.connection->original);
    if (probe.related) {
      // What its direction does not change stays as the error has it.
      const Tuple before =
          travel == Direction::Original ? result.connection->original : result.connection->reply;
      keep_unchanged(packet, before, tuple);
    }
    result.translated = {tuple, static_cast<std::uint8_t>(nat::state_bits(copy, travel))};
    result.state |= result.translated->state;
  };
  if (probe.related) {
    const Direction travel = opposite(direction);
    result.state =
        ct_state::kTracked | ct_state::kRelated | (travel == Direction::Reply ? ct_state::kReply : 0);
    translate(travel);
    return result;
  }
  translate(direction);
  const Verdict verdict = t.advance_family(copy, packet, direction, t.tcp_rules(strictness));
  if (verdict.outcome == Outcome::Invalid) return invalid(verdict.reason);
  if (verdict.outcome == Outcome::Reopen) {
    result.connection.reset();
    result.translated.reset();
    return open();
  }
  result.state = state_of(verdict.outcome, direction);
  if (result.connection->parent) result.state |= ct_state::kRelated;
  if (result.translated) result.state |= result.translated->state;
  return result;
}

}  // namespace sluice::conntrack
