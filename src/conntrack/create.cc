// The way of a packet whose connection the table does not have: +new, and with commit a connection is made of
// it, in a new entry or in place of one with the same tuple that is over.
#include <cstring>

#include "conntrack/pass.h"
#include "conntrack/proto/advance.h"

namespace sluice::conntrack {

[[gnu::noinline]] bool Tracker::Impl::Pass::absent(Packet& packet, const Probe& probe) {
  if (const Reason reason = cannot_open(packet, probe, strictness_.loose); reason != Reason::None)
      [[unlikely]]
    return invalidate(packet, reason);
  if (!request_.commit) return describe_new(packet, probe);
  if (const auto range = range_for(probe)) return absent_translated(packet, probe, *range);
  Found found;
  {
    const TagIndex::HomeLock home(t_.index, probe.hash);
    if (!find(probe, found)) {
      if (is_reply_taken(probe)) [[unlikely]]
        return refuse(packet, Reason::TupleTaken);
      return create(packet, probe, nullptr);
    }
  }
  return meet(packet, probe, found);  // another worker was faster
}

bool Tracker::Impl::Pass::create(Packet& packet, const Probe& probe, const nat::Offer* offer) {
  const Admission admission = t_.admit(request_.zone, probe.hash, coarse_now_, notes_);
  const auto hint = static_cast<std::uint32_t>(probe.hash >> 16);
  const bool reused = admission.name != kNone;
  if (admission.reason != Reason::None) [[unlikely]] {
    if (reused) t_.slab[admission.name].unlock();  // another was faster to take the room; the wheel frees it
    return refuse(packet, admission.reason);
  }
  const std::uint32_t name = reused ? admission.name : t_.slab.allocate(hint);
  if (name == kNone) [[unlikely]] {  // what a flush left is not yet swept
    t_.unadmit(request_.zone, admission);
    return refuse(packet, Reason::TableFull);
  }
  Entry& entry = t_.slab[name];
  if (!reused) entry.lock();
  begin(entry, packet, probe, admission.zone_generation);
  bool inserted = t_.index.insert(probe.hash, name);
  if (inserted && offer != nullptr) inserted = bind(entry, name, *offer);
  if (!inserted) [[unlikely]] {
    t_.index.erase(probe.hash, name);
    entry.set_flag(Entry::kLive, false);
    entry.unlock();
    if (!reused) t_.slab.release(name, hint);
    t_.unadmit(request_.zone, admission);
    return refuse(packet, Reason::TableFull);
  }
  if (!reused) t_.wheel.insert(name, due(entry), now_, hint);
  if (admission.limited) t_.remember_newcomer(entry, name, probe.hash);
  created_ = true;
  return finish_creation(packet, probe, {&entry, name, Direction::Original});
}

[[gnu::noinline]] bool Tracker::Impl::Pass::renew(Packet& packet, const Probe& probe, const Found& found) {
  Entry& entry = *found.entry;
  const bool forced = request_.force && request_.commit;
  if (const Reason reason = cannot_open(packet, probe, strictness_.loose); reason != Reason::None) {
    if (forced) t_.retire(entry, found.name, End::Replaced, notes_);
    entry.unlock();
    return invalidate(packet, reason);
  }
  if (!request_.commit) {
    entry.unlock();
    return describe_new(packet, probe);
  }
  const End why = end_of(entry);
  if (entry.translated() || range_for(probe)) {  // it lies elsewhere in the index
    t_.retire(entry, found.name, why, notes_);
    entry.unlock();
    return absent(packet, probe);
  }
  t_.discharge(entry, found.name, why, notes_);
  const Admission admission = t_.enter(request_.zone);
  if (admission.reason != Reason::None) {
    t_.remove(entry, found.name);
    entry.unlock();
    return refuse(packet, admission.reason);
  }
  t_.port_lanes.forget(entry, t_.secret);
  begin(entry, packet, probe, admission.zone_generation);
  return finish_creation(packet, probe, {&entry, found.name, Direction::Original});
}

void Tracker::Impl::Pass::begin(Entry& entry, const Packet& packet, const Probe& probe,
                                std::uint16_t zone_generation) {
  entry.last_seen = coarse_now_;
  entry.src = probe.key.src;
  entry.dst = probe.key.dst;
  entry.ports = probe.key.ports;
  entry.proto = probe.key.proto;
  entry.zone = probe.key.zone;
  entry.zone_generation = zone_generation;
  entry.states = 0;
  entry.scales = 0;
  auto* const bytes = reinterpret_cast<std::uint8_t*>(&entry);
  std::memset(bytes + offsetof(Entry, seq_low), 0, offsetof(Entry, ipv6) - offsetof(Entry, seq_low));
  std::memset(bytes + offsetof(Entry, reply_src), 0, sizeof(Entry) - offsetof(Entry, reply_src));
  if (probe.is_ipv6()) std::memcpy(entry.ipv6, probe.ipv6, 32);
  entry.next_generation();
  entry.id_and_bytes = t_.next_id.fetch_add(1, std::memory_order_relaxed) << 16;
  entry.start_parent = static_cast<std::uint64_t>(now_.ns) & ~std::uint64_t{0xffff};
  entry.cookie = request_.cookie;
  entry.flags = probe.key.kind;
  open(entry, packet);
  entry.count(Direction::Original, datagram_bytes(packet));
}

bool Tracker::Impl::Pass::finish_creation(Packet& packet, const Probe& probe, const Found& found) {
  Entry& entry = *found.entry;
  if (request_.helper != Helper::None || !t_.helpers.table.empty()) [[unlikely]]
    join_family(probe, found);
  write(found);
  notes_.created(entry, found.name);
  unsigned state = ct_state::kNew | ct_state::kTracked;
  if (request_.nat && entry.translated()) state |= translate(packet, entry, Direction::Original, false);
  describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), false);
  if (entry.has(Entry::kExpected)) [[unlikely]]
    describe_child(packet.meta.ct, entry);
  const bool keep = !entry.has(Entry::kHelped) || inspect(packet, found);
  entry.unlock();
  return keep;
}

End Tracker::Impl::Pass::end_of(const Entry& entry) const {
  if (t_.is_flushed(entry)) return End::Flushed;
  return ticks_left(entry, timeouts_, coarse_now_) <= 0 ? End::Expired : End::Replaced;
}

bool Tracker::Impl::Pass::refuse(const Packet& packet, Reason reason) {
  notes_.refused(packet, request_.zone, reason);
  return false;
}

Instant Tracker::Impl::Pass::due(const Entry& entry) const {
  return t_.next_visit(now_, ticks_left(entry, timeouts_, coarse_now_));
}

}  // namespace sluice::conntrack
