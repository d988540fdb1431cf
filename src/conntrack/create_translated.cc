// The way of a packet that opens a connection with NAT: the search (nat/search.h) offers reply tuples, and
// the first that no other connection of the zone has becomes the new one's. Packets are never let through
// untranslated: where all is taken, they are dropped.
//
// Two workers never take the same tuple: it is looked up once more and entered under its HomeLock, together
// with the one of the original tuple. A tuple counts as taken whichever way round, original or reply, another
// connection has it, be that one translated or not.
#include "conntrack/pass.h"

namespace sluice::conntrack {

[[gnu::noinline]] bool Tracker::Impl::Pass::absent_translated(Packet& packet, const Probe& probe,
                                                              const NatRange& range) {
  const nat::TupleKey original = nat::tuple_of(probe);
  nat::Search search(original, range, t_.secret, t_.fresh_random(), t_.port_lanes);
  const std::uint32_t departures = t_.zones.departures(zone_);
  std::optional<nat::ExhaustedPools::Moment> moment;
  Found met;
  bool kept = false, is_exhausted = false, has_own_reply = false;
  const bool settled = search.run([&](const nat::Offer& offer) {
    const std::uint64_t hash = offer.reply.hash(t_.secret);
    // Replies that look like the packet itself would be taken for it.
    const bool own_reply = offer.reply == original;
    if (!own_reply && !is_taken(offer, hash)) {
      const TagIndex::TwoHomeLocks homes(t_.index, probe.hash, hash);
      if (find(probe, met)) return true;  // another worker was faster
      if (!is_taken(offer, hash)) {
        kept = create(packet, probe, &offer);
        return true;
      }
    }
    has_own_reply = has_own_reply || own_reply;
    if (moment) return false;
    moment = {search.pool_name(), departures, coarse_now_};
    return is_exhausted = t_.exhausted_pools.has(*moment);
  });
  if (is_exhausted) return refuse(packet, Reason::NatExhausted);
  if (!settled) {
    if (moment && !has_own_reply) t_.exhausted_pools.remember(*moment);  // others may still have that one
    return refuse(packet, Reason::NatExhausted);
  }
  return met.entry != nullptr ? meet(packet, probe, met) : kept;
}

[[gnu::noinline]] void Tracker::Impl::Pass::prefetch_offer(Work& work) {
  if (work.kind == Work::Kind::Plain)
    work.probe.complete_plain();
  else if (work.kind != Work::Kind::Other || work.probe.related)
    return;
  const nat::TupleKey original = nat::tuple_of(work.probe);
  nat::Search search(original, request_.nat_range, t_.secret, 0, t_.port_lanes);
  const nat::TupleKey& first = search.first();
  t_.index.prefetch(first.hash(t_.secret));
  if (first.has_ports())
    t_.port_lanes.prefetch(nat::lane_hash(first, nat::Side::Destination, t_.secret),
                           first.port(nat::Side::Destination));
}

bool Tracker::Impl::Pass::is_taken(const nat::Offer& offer, std::uint64_t hash) {
  return t_.index.find(hash, [&](std::uint32_t name) {
    Entry& entry = t_.slab[name];
    entry.lock();
    bool taken = nat::has_tuple(entry, offer.reply, t_.secret);
    if (taken && !is_current(entry)) {
      t_.retire(entry, name, end_of(entry), notes_);
      taken = false;
    }
    if (taken) record_port(entry, offer, nat::original_of(entry) != offer.reply);
    entry.unlock();
    return taken;
  }) != kNone;
}

bool Tracker::Impl::Pass::is_reply_taken(const Probe& probe) {
  std::optional<nat::Offer> offer;
  return t_.index.find(probe.hash, [&](std::uint32_t name) {
    Entry& entry = t_.slab[name];
    entry.lock();
    bool taken = entry.translated();
    if (taken) {
      if (!offer) offer.emplace().reply = nat::reversed(nat::tuple_of(probe));
      taken = nat::has_tuple(entry, offer->reply, t_.secret);
    }
    if (taken && !is_current(entry)) {
      t_.retire(entry, name, end_of(entry), notes_);
      taken = false;
    }
    entry.unlock();
    return taken;
  }) != kNone;
}

bool Tracker::Impl::Pass::bind(Entry& entry, std::uint32_t name, const nat::Offer& offer) {
  if (offer.reply != nat::reversed(nat::original_of(entry))) {
    if (!t_.index.insert(offer.reply.hash(t_.secret), name)) return false;
    nat::bind(entry, offer.reply,
              offer.kind == NatRange::Kind::Source ? Entry::kSourceNat : Entry::kDestinationNat);
    if (offer.reply.has_ports()) {
      join_lane(entry, offer.reply, nat::Side::Destination);
      if (offer.counts_by_source) join_lane(entry, offer.reply, nat::Side::Source);
    }
  }
  record_port(entry, offer, true);
  return true;
}

void Tracker::Impl::Pass::join_lane(Entry& entry, const nat::TupleKey& reply, nat::Side varied) const {
  const std::uint64_t lane = nat::lane_hash(reply, varied, t_.secret);
  entry.add_port_lane(nat::counted_by(varied));
  if (t_.port_lanes.enter(lane) && t_.port_lanes.set(lane, reply.port(varied)))
    entry.add_port_lane(static_cast<std::uint8_t>(nat::lane_of(true, varied)));
}

/// Lets the lane know that its port is this entry's.
void Tracker::Impl::Pass::record_port(Entry& entry, const nat::Offer& offer, bool reply) const {
  if (offer.lanes == nullptr || !offer.lanes->set(offer.lane, offer.reply.port(offer.varied))) return;
  entry.add_port_lane(static_cast<std::uint8_t>(nat::lane_of(reply, offer.varied)));
}

}  // namespace sluice::conntrack
