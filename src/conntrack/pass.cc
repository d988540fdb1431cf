// A batch through the tracker, in three rounds, so that the memory of one packet is on its way while the
// others are worked on:
//
//   identify            what connection is it? its bucket of the index is fetched
//   prefetch_candidate  which entry is it, probably? that is fetched
//   settle              find it for certain, judge the packet, write what came out into its metadata
//
// Nearly every packet goes settle -> is_it -> meet -> describe, the rest leaves that line into a function of
// its own.
#include "conntrack/pass.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "conntrack/nat/translate.h"
#include "conntrack/proto/advance.h"

namespace sluice::conntrack {
namespace {

using packet::Packet;

/// Shortens a batch to its first n packets, which lie at its front.
void keep_first(packet::PacketBatch& batch, unsigned n) {
  if (n == batch.size()) return;
  std::array<Packet*, limits::kBatchSize> kept;
  std::copy_n(batch.begin(), n, kept.begin());
  batch.clear();
  for (unsigned i = 0; i < n; ++i) batch.push(kept[i]);
}

/// What of an entry its packets change that listeners are told of.
std::uint16_t notable(const Entry& entry) {
  return static_cast<std::uint16_t>(entry.states | (entry.flags & Entry::kSeenReply) << 8);
}

}  // namespace

inline void Tracker::Impl::Pass::identify(const Packet& packet, Work& work) {
  const CtMetadata& meta = packet.meta.ct;
  work.tracked_here = (meta.state & ct_state::kTracked) != 0 && meta.zone == request_.zone &&
                      (meta.connection != kNone || (meta.state & ct_state::kInvalid) != 0);
  if (work.tracked_here) [[unlikely]] {
    work.candidate = meta.connection;
    return;
  }
  classify(packet, t_.secret, request_.zone, work.probe);
  if (work.probe.reason == Reason::None) [[likely]]
    t_.index.prefetch(work.probe.hash);
}

inline void Tracker::Impl::Pass::prefetch_candidate(Work& work) {
  if (!work.tracked_here) {
    work.candidate = kNone;
    if (work.probe.reason != Reason::None) return;
    work.candidate = t_.index.candidate(work.probe.hash);
  }
  if (work.candidate >= t_.slab.capacity()) return;
  const Entry& entry = t_.slab[work.candidate];
  __builtin_prefetch(&entry, 1, 3);
  if (work.probe.is_ipv6() || request_.nat) __builtin_prefetch(entry.ipv6, 0, 3);
}

[[gnu::always_inline]] inline bool Tracker::Impl::Pass::is_it(const Probe& probe, std::uint32_t name,
                                                              Found& found) {
  Entry& entry = t_.slab[name];
  entry.lock();
  if (matches(entry, probe, found.direction)) [[likely]] {
    found.entry = &entry;
    found.name = name;
    return true;
  }
  entry.unlock();
  return false;
}

[[gnu::noinline]] bool Tracker::Impl::Pass::find(const Probe& probe, Found& found) {
  return t_.index.find(probe.hash, [&](std::uint32_t name) { return is_it(probe, name, found); }) != kNone;
}

[[gnu::always_inline]] inline bool Tracker::Impl::Pass::meet(Packet& packet, const Probe& probe,
                                                             const Found& found) {
  Entry& entry = *found.entry;
  if (!is_current(entry)) [[unlikely]]
    return renew(packet, probe, found);
  notes_.hit();
  if (probe.related) [[unlikely]]
    return relate(packet, found);
  if (request_.force && request_.commit && found.direction == Direction::Reply) [[unlikely]]
    return renew(packet, probe, found);
  const std::uint16_t before = notable(entry);
  const Verdict verdict = advance(entry, packet, found.direction, rules_);
  if (verdict.outcome == Outcome::Invalid) [[unlikely]] {
    entry.unlock();
    return invalidate(packet, verdict.reason);
  }
  if (verdict.outcome == Outcome::Reopen) [[unlikely]]
    return renew(packet, probe, found);

  if (coarse_now_.since(entry.last_seen) > 0) entry.last_seen = coarse_now_;
  entry.count(found.direction, datagram_bytes(packet));
  const bool reply = found.direction == Direction::Reply;
  // One branch that goes the same way for both directions.
  static_assert(Entry::kSeenReply == 1u << 3);
  if (static_cast<unsigned>(reply) > (entry.flags >> 3 & 1u)) [[unlikely]]
    entry.set_flag(Entry::kSeenReply, true);
  if (notes_.has_listener() && notable(entry) != before) [[unlikely]]
    notes_.changed(entry, found.name);
  if (request_.commit) commit(found);
  unsigned state = state_of(verdict.outcome, found.direction);
  if (request_.nat && entry.translated()) [[unlikely]]
    state |= translate(packet, entry, found.direction, false);
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), reply);
  entry.unlock();
  return true;
}

[[gnu::noinline]] bool Tracker::Impl::Pass::meet_late(Packet& packet, const Probe& probe,
                                                      const Found& found) {
  return meet(packet, probe, found);
}

inline bool Tracker::Impl::Pass::settle(Packet& packet, Work& work) {
  if (work.tracked_here) [[unlikely]] {
    if (const std::optional<bool> keep = revisit(packet)) return *keep;
    classify(packet, t_.secret, request_.zone, work.probe);
    work.candidate = kNone;
    created_ = true;
  }
  const Probe& probe = work.probe;
  if (probe.reason != Reason::None) [[unlikely]]
    return invalidate(packet, probe.reason);
  notes_.looked_up();
  Found found;
  if (work.candidate != kNone && is_it(probe, work.candidate, found)) [[likely]]
    return meet(packet, probe, found);
  // Another with the same tag was in the way, or the connection came into being after the second round.
  if ((work.candidate != kNone || created_) && find(probe, found)) return meet_late(packet, probe, found);
  return absent(packet, probe);
}

void Tracker::Impl::Pass::run(packet::PacketBatch& batch, packet::PacketBatch& dropped) {
  std::array<Work, limits::kBatchSize> work;
  const unsigned n = batch.size();
  for (unsigned i = 0; i < n; ++i) identify(*batch[i], work[i]);
  for (unsigned i = 0; i < n; ++i) prefetch_candidate(work[i]);
  unsigned kept = 0;
  for (unsigned i = 0; i < n; ++i) {
    Packet* packet = batch[i];
    if (settle(*packet, work[i])) [[likely]]
      batch[kept++] = packet;
    else
      dropped.push(packet);
  }
  keep_first(batch, kept);
}

[[gnu::noinline]] bool Tracker::Impl::Pass::relate(Packet& packet, const Found& found) {
  // It travels against the packet that it quotes.
  const bool reply = found.direction == Direction::Original;
  unsigned state = ct_state::kTracked | ct_state::kRelated | (reply ? ct_state::kReply : 0u);
  if (request_.commit) commit(found);
  if (request_.nat && found.entry->translated())
    state |= translate(packet, *found.entry, opposite(found.direction), true);
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), reply);
  found.entry->unlock();
  return true;
}

std::optional<bool> Tracker::Impl::Pass::revisit(Packet& packet) {
  CtMetadata& meta = packet.meta.ct;
  if ((meta.state & ct_state::kInvalid) != 0) return true;
  if (meta.connection >= t_.slab.capacity()) return std::nullopt;
  Entry& entry = t_.slab[meta.connection];
  entry.lock();
  if (!entry.has(Entry::kLive) || entry.generation() != meta.connection_generation ||
      entry.zone != request_.zone || t_.is_flushed(entry)) {
    entry.unlock();
    return std::nullopt;
  }
  const Found found{&entry, meta.connection, meta.reply ? Direction::Reply : Direction::Original};
  const bool related = (meta.state & ct_state::kRelated) != 0;
  if (request_.commit && request_.force && meta.reply && !related) {
    entry.unlock();  // the headers may have been rewritten: what to renew is looked up by what they are now
    return std::nullopt;
  }
  if (request_.commit) commit(found);
  unsigned state = meta.state;
  if (request_.nat && entry.translated() && (state & (ct_state::kSourceNat | ct_state::kDestinationNat)) == 0)
    state |= translate(packet, entry, found.direction, related);
  describe(meta, found, static_cast<std::uint8_t>(state), meta.reply);
  entry.unlock();
  return true;
}

[[gnu::noinline]] unsigned Tracker::Impl::Pass::translate(Packet& packet, const Entry& entry,
                                                          Direction direction, bool related) const {
  const nat::TupleKey before =
      direction == Direction::Original ? nat::original_of(entry) : nat::reply_of(entry, t_.secret);
  const nat::TupleKey after = nat::outcome(entry, direction, t_.secret);
  if (related)
    nat::translate_error(packet, after, before.address(nat::Side::Source) != after.address(nat::Side::Source),
                         before.address(nat::Side::Destination) != after.address(nat::Side::Destination));
  else
    nat::translate(packet, after);
  // What is a source on the way out is a destination on the way back.
  const bool forth = direction == Direction::Original;
  return (entry.has(Entry::kSourceNat) ? (forth ? ct_state::kSourceNat : ct_state::kDestinationNat) : 0u) |
         (entry.has(Entry::kDestinationNat) ? (forth ? ct_state::kDestinationNat : ct_state::kSourceNat)
                                            : 0u);
}

[[gnu::noinline]] void Tracker::Impl::Pass::commit(const Found& found, bool is_new) {
  Entry& entry = *found.entry;
  const std::uint32_t old_mark = entry.mark;
  const bool told = notes_.has_listener() && !is_new;
  const be128 old_label = told ? entry.label : be128{};
  entry.mark = (entry.mark & ~request_.mark_mask) | (request_.mark & request_.mark_mask);
  if (!request_.label_mask.is_zero()) {
    entry.label = (entry.label & ~request_.label_mask) | (request_.label & request_.label_mask);
    entry.set_flag(Entry::kHasLabel, !entry.label.is_zero());
  }
  notes_.committed(entry, found.name);
  if (told && (entry.mark != old_mark || entry.label != old_label)) notes_.changed(entry, found.name);
}

bool Tracker::Impl::Pass::describe_new(Packet& packet, const Probe& probe) const {
  CtMetadata& meta = packet.meta.ct;
  meta = CtMetadata{};
  meta.state = ct_state::kNew | ct_state::kTracked;
  meta.zone = request_.zone;
  meta.original = tuple_of(packet, probe);
  return true;
}

bool Tracker::Impl::Pass::invalidate(Packet& packet, Reason reason) {
  notes_.invalid(packet, request_.zone, reason);
  packet.meta.ct = CtMetadata{};
  packet.meta.ct.state = ct_state::kInvalid | ct_state::kTracked;
  packet.meta.ct.zone = request_.zone;
  return true;
}

void Tracker::process(packet::PacketBatch& batch, const CtRequest& request, Instant now,
                      packet::PacketBatch& dropped) {
  Impl::Pass(*impl_, request, now).run(batch, dropped);
}

}  // namespace sluice::conntrack
