#include "conntrack/expectation.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace sluice::conntrack {

ExpectationTable::ExpectationTable(const ExpectationLimits& limits, std::uint64_t secret)
    : limits_(limits),
      secret_(secret),
      slots_(limits.total),
      families_(limits.families),
      buckets_(kBuckets * sizeof(std::uint32_t)),
      zone_counts_(kZones * sizeof(std::atomic<std::uint32_t>)),
      filter_(kBuckets * sizeof(std::atomic<std::uint32_t>)) {}

Tuple parent_of(const packet::CtTuple& parent) {
  Tuple tuple;
  tuple.src = parent.src;
  tuple.dst = parent.dst;
  tuple.src_port = parent.src_port;
  tuple.dst_port = parent.dst_port;
  tuple.proto = parent.proto;
  tuple.is_ipv6 = parent.is_ipv6;
  return tuple;
}

std::uint64_t ExpectationTable::hash(const ExpectedTuple& tuple) const {
  const std::uint64_t words[] = {tuple.src.hi.raw(), tuple.src.lo.raw(), tuple.dst.hi.raw(),
                                 tuple.dst.lo.raw(),
                                 std::uint64_t{tuple.zone} << 32 | std::uint64_t{tuple.dst_port.raw()} << 16 |
                                     std::uint64_t{tuple.proto} << 8 | tuple.is_ipv6};
  return hash_words(words, std::size(words), secret_);
}

std::uint32_t ExpectationTable::found_family(const packet::CtTuple& parent, std::uint8_t helper,
                                             std::uint32_t attachment) {
  const std::lock_guard guard(lock_);
  const std::uint32_t index = families_.allocate(0);
  if (index == Slab<Family>::kNone) return kNoFamily;
  families_[index] = {.parent = parent,
                      .members = 1,
                      .attachment = attachment,
                      .slots = {},
                      .helper = helper,
                      .parent_lives = true};
  family_count_.fetch_add(1, std::memory_order_relaxed);
  return index + 1;
}

void ExpectationTable::leave(std::uint32_t family) {
  Family& left = families_[family - 1];
  SLUICE_DCHECK(left.members > 0);
  if (--left.members > 0) return;
  families_.release(family - 1, 0);
  family_count_.fetch_sub(1, std::memory_order_relaxed);
}

void ExpectationTable::leave_as_parent(std::uint32_t family) {
  const std::lock_guard guard(lock_);
  Family& left = families_[family - 1];
  for (const std::uint32_t slot : left.slots)
    if (slot != 0) remove(slot - 1);
  left.parent_lives = false;
  leave(family);
}

void ExpectationTable::leave_as_child(std::uint32_t family) {
  const std::lock_guard guard(lock_);
  leave(family);
}

bool ExpectationTable::parent_lives(std::uint32_t family) {
  const std::lock_guard guard(lock_);
  return families_[family - 1].parent_lives;
}

packet::CtTuple ExpectationTable::copy_parent_tuple(std::uint32_t family) {
  const std::lock_guard guard(lock_);
  return families_[family - 1].parent;
}

std::uint32_t ExpectationTable::lookup(const ExpectedTuple& tuple) {
  for (std::uint32_t slot = bucket(hash(tuple)); slot != 0; slot = slots_[slot - 1].next)
    if (slots_[slot - 1].expectation.tuple == tuple) return slot - 1;
  return kNone;
}

void ExpectationTable::remove(std::uint32_t index) {
  Slot& slot = slots_[index];
  const ExpectedTuple& tuple = slot.expectation.tuple;
  const std::uint64_t h = hash(tuple);
  std::uint32_t* link = &bucket(h);
  while (*link != index + 1) link = &slots_[*link - 1].next;
  *link = slot.next;
  slot.live = false;
  auto& of_family = families_[slot.expectation.family - 1].slots;
  std::replace(of_family.begin(), of_family.end(), index + 1, 0u);
  zone_count(tuple.zone).fetch_sub(1, std::memory_order_relaxed);
  filter(h).fetch_sub(1, std::memory_order_relaxed);
  total_.fetch_sub(1, std::memory_order_relaxed);
  slots_.release(index, 0);
}

ExpectationTable::Added ExpectationTable::add(const Expectation& expectation) {
  const std::lock_guard guard(lock_);
  const ExpectedTuple& tuple = expectation.tuple;
  if (const std::uint32_t known = lookup(tuple); known != kNone) {
    if (slots_[known].expectation.family == expectation.family) {
      slots_[known].expectation = expectation;
      slots_[known].expectation.serial = next_serial_++;
      return Added::Refreshed;
    }
    remove(known);
  }
  auto& of_family = families_[expectation.family - 1].slots;
  auto place = std::find(of_family.begin(), of_family.end(), 0u);
  if (place == of_family.end()) {
    const auto age = [&](std::uint32_t slot) { return slots_[slot - 1].expectation.serial; };
    place = std::min_element(of_family.begin(), of_family.end(),
                             [&](std::uint32_t a, std::uint32_t b) { return age(a) < age(b); });
    remove(*place - 1);
  }
  if (zone_count(tuple.zone).load(std::memory_order_relaxed) >= limits_.per_zone) return Added::ZoneFull;
  const std::uint32_t index = slots_.allocate(0);
  if (index == kNone) return Added::TableFull;

  const std::uint64_t h = hash(tuple);
  Slot& slot = slots_[index];
  slot = {.expectation = expectation, .next = bucket(h), .live = true};
  slot.expectation.serial = next_serial_++;
  bucket(h) = index + 1;
  *place = index + 1;
  zone_count(tuple.zone).fetch_add(1, std::memory_order_relaxed);
  filter(h).fetch_add(1, std::memory_order_relaxed);
  total_.fetch_add(1, std::memory_order_relaxed);
  return Added::New;
}

bool ExpectationTable::is_taken(const ExpectedTuple& tuple, std::uint32_t family) {
  if (!has(tuple)) return false;
  const std::lock_guard guard(lock_);
  const std::uint32_t known = lookup(tuple);
  return known != kNone && slots_[known].expectation.family != family;
}

std::optional<Expectation> ExpectationTable::find(const ExpectedTuple& tuple, std::uint16_t zone_generation,
                                                  Instant now) {
  if (!has(tuple)) return std::nullopt;
  const std::lock_guard guard(lock_);
  const std::uint32_t known = lookup(tuple);
  if (known == kNone) return std::nullopt;
  Expectation found = slots_[known].expectation;
  if (found.expires <= now || found.zone_generation != zone_generation) return std::nullopt;
  found.parent = families_[found.family - 1].parent;
  return found;
}

bool ExpectationTable::take(const Expectation& expectation) {
  const std::lock_guard guard(lock_);
  const std::uint32_t known = lookup(expectation.tuple);
  if (known == kNone || slots_[known].expectation.serial != expectation.serial) return false;
  ++families_[expectation.family - 1].members;
  remove(known);
  return true;
}

void ExpectationTable::expire(Instant now, unsigned budget) {
  if (empty()) return;
  const std::uint32_t end = slots_.touched();
  for (unsigned i = std::min(budget, end); i > 0; --i) {
    const std::lock_guard guard(lock_);
    sweep_ = sweep_ < end ? sweep_ : 0;
    if (slots_[sweep_].live && slots_[sweep_].expectation.expires <= now) remove(sweep_);
    ++sweep_;
  }
}

ExpectationSnapshot ExpectationTable::snapshot(const Expectation& e, Instant now) const {
  const Family& family = families_[e.family - 1];
  ExpectationSnapshot s;
  s.expected.src = e.tuple.src;
  s.expected.dst = e.tuple.dst;
  s.expected.dst_port = e.tuple.dst_port;
  s.expected.proto = e.tuple.proto;
  s.expected.is_ipv6 = e.tuple.is_ipv6;
  s.parent = parent_of(family.parent);
  s.zone = e.tuple.zone;
  s.mark = e.mark;
  s.label = e.label;
  s.helper = family.helper;
  s.expires_in_ns = (e.expires - now).ns;
  return s;
}

}  // namespace sluice::conntrack
