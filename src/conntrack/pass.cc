// A batch through the tracker, in three rounds, so that the memory of one packet is on its way while the
// others are worked on:
//
//   identify            what connection is it? its bucket of the index is fetched
//   prefetch_candidate  which entry is it, probably? that is fetched
//   settle              find it for certain, judge the packet, write what came out into its metadata
//
// Nearly every packet goes find_plain -> pass_plain, all of it inline. settle() and meet() do all that these
// do and the rest; plain_test.cc takes the same packets both ways.
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

[[gnu::always_inline]] inline void Tracker::Impl::Pass::identify(const Packet& packet, Work& work) {
  const CtMetadata& meta = packet.meta.ct;
  if ((meta.state & ct_state::kTracked) != 0 && meta.zone == zone_ &&
      (meta.connection != kNone || (meta.state & ct_state::kInvalid) != 0)) [[unlikely]] {
    work.kind = Work::Kind::TrackedHere;
    return;
  }
  work.kind = Work::Kind::Plain;
  if (!classify_plain(packet, t_.secret, zone_, work.probe)) [[unlikely]]
    classify_other(packet, work);
  if (work.kind != Work::Kind::Invalid) [[likely]]
    work.home = t_.index.prefetch(work.probe.hash);
}

[[gnu::noinline]] void Tracker::Impl::Pass::classify_other(const Packet& packet, Work& work) {
  classify(packet, t_.secret, zone_, work.probe);
  work.kind = work.probe.reason == Reason::None ? Work::Kind::Other : Work::Kind::Invalid;
}

[[gnu::always_inline]] inline void Tracker::Impl::Pass::prefetch_candidate(const Packet& packet, Work& work) {
  work.candidate = kNone;
  if (work.kind <= Work::Kind::Other) [[likely]]
    work.candidate = t_.index.candidate(work.home, work.probe.hash);
  else if (work.kind == Work::Kind::TrackedHere && packet.meta.ct.connection < t_.slab.capacity())
    work.candidate = packet.meta.ct.connection;
  if (work.candidate == kNone) {
    if (prefetches_offer_) prefetch_offer(work);
    return;
  }
  const Entry& entry = t_.slab[work.candidate];
  __builtin_prefetch(&entry, 1, 3);
  if (translates_ || (work.kind == Work::Kind::Other && work.probe.is_ipv6()))
    __builtin_prefetch(entry.ipv6, 0, 3);
}

inline bool Tracker::Impl::Pass::is_it(const Probe& probe, std::uint32_t name, Found& found) {
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

[[gnu::noinline]] bool Tracker::Impl::Pass::meet(Packet& packet, const Probe& probe, const Found& found) {
  Entry& entry = *found.entry;
  if (!is_current(entry)) [[unlikely]]
    return renew(packet, probe, found);
  notes_.hit(1);
  if (probe.related) [[unlikely]]
    return relate(packet, found);
  if (turns_ && found.direction == Direction::Reply) [[unlikely]]
    return renew(packet, probe, found);
  const std::uint16_t before = notable(entry);
  const bool family = entry.has(Entry::kHelped | Entry::kExpected);
  const Verdict verdict = family ? t_.advance_family(entry, packet, found.direction, rules_)
                                 : advance(entry, packet, found.direction, rules_);
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
  const bool rewritten = request_.commit && write(found);
  if (notes_.has_listener() && (rewritten || notable(entry) != before)) [[unlikely]]
    notes_.changed(entry, found.name);
  unsigned state = state_of(verdict.outcome, found.direction);
  if (request_.nat && entry.translated()) [[unlikely]]
    state |= translate(packet, entry, found.direction, false);
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), reply);
  bool keep = true;
  if (family) [[unlikely]] {
    if (entry.has(Entry::kExpected))
      describe_child(packet.meta.ct, entry);
    else
      keep = inspect(packet, found);
  }
  entry.unlock();
  return keep;
}

[[gnu::always_inline]] inline bool Tracker::Impl::Pass::find_plain(const Work& work, Found& found) {
  Entry& entry = t_.slab[work.candidate];
  entry.lock();
  const Key::Words key = work.probe.key.words();
  const KeyAgreement agreement =
      entry.translated() ? compare_keys_translated(entry, key)
                         : compare_keys(entry, key, std::rotl(static_cast<std::uint32_t>(key.rest), 16));
  found = {&entry, work.candidate, static_cast<Direction>(agreement.backward)};
  if (agreement.any) [[likely]]
    return true;
  entry.unlock();
  return false;
}

[[gnu::always_inline]] inline bool Tracker::Impl::Pass::pass_plain(Packet& packet, const Found& found) {
  constexpr std::uint8_t kAnswered = Entry::kLive | Entry::kSeenReply;
  Entry& entry = *found.entry;
  constexpr std::uint8_t kAny = Entry::kHasLabel | Entry::kSourceNat | Entry::kDestinationNat;
  if (!(((entry.flags & ~kAny) == kAnswered) & (entry.zone_generation == zone_generation_))) [[unlikely]]
    return false;
  const std::int32_t idle = coarse_now_.since(entry.last_seen);
  const wire::Layout& layout = packet.layout;
  if (entry.proto == net::ip_proto::kTcp) {
    if (idle >= tcp_established_ticks_ ||
        !tcp::update_plain(entry, found.direction, packet.data() + layout.l4, layout.l3_end - layout.payload))
        [[unlikely]]
      return false;
  } else if (idle >= udp_multiple_ticks_ || entry.simple_state() != SimpleState::Multiple) [[unlikely]] {
    return false;
  }
  if (idle > 0) entry.last_seen = coarse_now_;
  entry.count(found.direction, datagram_bytes(packet));
  if (commits_) commit(found);
  unsigned state = state_of(Outcome::Established, found.direction);
  if (translates_ && entry.translated()) {
    if (packet.meta.offload.checksum_partial) {
      state |= translate(packet, entry, found.direction, false);
    } else {
      nat::translate_plain(packet, entry, found.direction);
      state |= nat::state_bits(entry, found.direction);
    }
  }
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), found.direction == Direction::Reply,
           true);
  entry.unlock();
  return true;
}

[[gnu::noinline]] bool Tracker::Impl::Pass::settle(Packet& packet, Work& work) {
  Probe& probe = work.probe;
  switch (work.kind) {
    case Work::Kind::Plain:
      probe.complete_plain();
      break;
    case Work::Kind::Other:
      break;
    case Work::Kind::TrackedHere:
      if (const std::optional<bool> keep = revisit(packet)) return *keep;
      classify(packet, t_.secret, zone_, probe);
      work.candidate = kNone;
      created_ = true;
      if (probe.reason == Reason::None) break;
      [[fallthrough]];
    case Work::Kind::Invalid:
      return invalidate(packet, probe.reason);
  }
  notes_.looked_up(1);
  Found found;
  if (work.candidate != kNone && is_it(probe, work.candidate, found)) return meet(packet, probe, found);
  // Another with the same tag was in the way, or the connection came into being after the second round.
  if ((work.candidate != kNone || created_) && find(probe, found)) return meet(packet, probe, found);
  return absent(packet, probe);
}

void Tracker::Impl::Pass::run(packet::PacketBatch& batch, packet::PacketBatch& dropped) {
  std::array<Work, limits::kBatchSize> work;
  const unsigned n = batch.size();
  for (unsigned i = 0; i < n; ++i) identify(*batch[i], work[i]);
  for (unsigned i = 0; i < n; ++i) prefetch_candidate(*batch[i], work[i]);
  unsigned kept = 0, plain = 0;
  for (unsigned i = 0; i < n; ++i) {
    Packet* const packet = batch[i];
    bool keep;
    Found found;
    if (work[i].kind == Work::Kind::Plain && (work[i].candidate != kNone) & !turns_ &&
        find_plain(work[i], found)) [[likely]] {
      if (pass_plain(*packet, found)) [[likely]] {
        ++plain;
        keep = true;
      } else {
        keep = settle_plain(*packet, work[i].probe, found);
      }
    } else {
      keep = settle(*packet, work[i]);
    }
    if (keep) [[likely]]
      batch[kept++] = packet;
    else
      dropped.push(packet);
  }
  keep_first(batch, kept);
  notes_.looked_up(plain);
  notes_.hit(plain);
}

[[gnu::noinline]] bool Tracker::Impl::Pass::settle_plain(Packet& packet, Probe& probe, const Found& found) {
  probe.complete_plain();
  notes_.looked_up(1);
  return meet(packet, probe, found);
}

[[gnu::noinline]] bool Tracker::Impl::Pass::relate(Packet& packet, const Found& found) {
  // It travels against the packet that it quotes.
  const bool reply = found.direction == Direction::Original;
  unsigned state = ct_state::kTracked | ct_state::kRelated | (reply ? ct_state::kReply : 0u);
  if (request_.commit) commit(found);
  if (request_.nat && found.entry->translated())
    state |= translate(packet, *found.entry, opposite(found.direction), true);
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), reply);
  if (found.entry->has(Entry::kExpected)) describe_child(packet.meta.ct, *found.entry);
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
  const bool is_error = (meta.state & (ct_state::kNew | ct_state::kEstablished)) == 0;
  if (request_.commit && request_.force && meta.reply && !is_error) {
    entry.unlock();  // the headers may have been rewritten: what to renew is looked up by what they are now
    return std::nullopt;
  }
  if (request_.commit) commit(found);
  unsigned state = meta.state;
  bool keep = true;
  if (request_.nat && entry.translated() &&
      (state & (ct_state::kSourceNat | ct_state::kDestinationNat)) == 0) {
    state |= translate(packet, entry, found.direction, is_error);
    keep = is_error || !entry.has(Entry::kHelped) || inspect(packet, found);
  }
  describe(meta, found, static_cast<std::uint8_t>(state), meta.reply);
  if (entry.has(Entry::kExpected)) [[unlikely]]
    describe_child(meta, entry);
  entry.unlock();
  return keep;
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
  return nat::state_bits(entry, direction);
}

[[gnu::noinline]] void Tracker::Impl::Pass::commit(const Found& found) {
  if (write(found) && notes_.has_listener()) notes_.changed(*found.entry, found.name);
}

bool Tracker::Impl::Pass::write(const Found& found) {
  Entry& entry = *found.entry;
  const std::uint32_t old_mark = entry.mark;
  bool differs = false;
  entry.mark = (entry.mark & ~request_.mark_mask) | (request_.mark & request_.mark_mask);
  if (!request_.label_mask.is_zero()) {
    const be128 old_label = entry.label;
    entry.label = (entry.label & ~request_.label_mask) | (request_.label & request_.label_mask);
    entry.set_flag(Entry::kHasLabel, !entry.label.is_zero());
    differs = entry.label != old_label;
  }
  notes_.committed(entry, found.name);
  return differs || entry.mark != old_mark;
}

bool Tracker::Impl::Pass::describe_new(Packet& packet, const Probe& probe) const {
  CtMetadata& meta = packet.meta.ct;
  meta = CtMetadata{};
  meta.state = ct_state::kNew | ct_state::kTracked;
  meta.zone = request_.zone;
  meta.original = tuple_of(packet, probe);
  if (!t_.helpers.table.empty()) [[unlikely]]
    describe_expected(meta, probe);
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
