#include "l2/multicast_table.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "base/hash.h"

namespace sluice::l2 {

namespace {

/// Listeners that one expire() removes at most: each has its bucket copied.
constexpr unsigned kForgottenAtOnce = 4096;

/// Two groups share a bucket when the table is full.
std::size_t buckets_for(std::uint32_t groups) {
  constexpr std::size_t kLeast = 1024;
  return std::max(kLeast, std::bit_ceil(std::size_t{groups}) / 2);
}

}  // namespace

MulticastTable::Buckets::Buckets(std::size_t count)
    : mask(count - 1),
      buckets(std::make_unique<rcu::Published<Bucket>[]>(count)),
      versions(std::make_unique<std::atomic<std::uint32_t>[]>(count)) {}

MulticastTable::MulticastTable(std::uint64_t hash_secret) : secret_(hash_secret) {
  resize(buckets_for(config_.max_groups));
}

/// Of a table without groups.
void MulticastTable::resize(std::size_t count) {
  Buckets* const before = buckets_.load(std::memory_order_relaxed);
  if (before && before->mask == count - 1) return;
  auto size = std::find_if(sizes_.begin(), sizes_.end(), [&](const auto& s) { return s->mask == count - 1; });
  if (size == sizes_.end()) size = sizes_.insert(size, std::make_unique<Buckets>(count));
  buckets_.store(size->get(), std::memory_order_release);
  if (!before) return;
  // Whoever still looked at the old ones is done when these versions change, so that he sees it.
  rcu::synchronize();
  for (std::size_t i = 0; i <= before->mask; ++i) before->versions[i].fetch_add(1, std::memory_order_release);
  changes_.fetch_add(1, std::memory_order_release);
}

std::size_t MulticastTable::KeyHash::operator()(const Key& key) const {
  return hash_mix(hash_mix(hash_mix(secret, key.group.hi.raw()), key.group.lo.raw()), key.vlan);
}

std::span<const std::uint32_t> MulticastTable::find(const be128& group, std::uint16_t vlan) const {
  const Key key{group, vlan};
  const Buckets& in = buckets();
  if (const Bucket* bucket = in.buckets[bucket_of(in, key)].get())
    for (const PublishedGroup& entry : *bucket)
      if (entry.key == key) return entry.ports;
  return {};
}

void MulticastTable::routers(std::uint16_t vlan, std::vector<std::uint32_t>& ports) const {
  if (const Routers* routers = published_routers_.get())
    for (const PublishedRouter& router : *routers)
      if (router.vlan == vlan) ports.push_back(router.port);
}

Watch MulticastTable::watch(const be128& group, std::uint16_t vlan) const {
  const Buckets& in = buckets();
  return Watch::of(in.versions[bucket_of(in, {group, vlan})]);
}

/// After the change is visible.
void MulticastTable::bump(std::atomic<std::uint32_t>& version) {
  version.fetch_add(1, std::memory_order_release);
  changes_.fetch_add(1, std::memory_order_release);
}

void MulticastTable::publish_port(const Key& key, std::uint32_t port, bool joins) {
  Buckets& in = buckets();
  const std::size_t number = bucket_of(in, key);
  const Bucket* before = in.buckets[number].get();
  auto next = std::make_unique<Bucket>(before ? *before : Bucket{});
  auto entry =
      std::find_if(next->begin(), next->end(), [&](const PublishedGroup& g) { return g.key == key; });
  if (joins) {
    if (entry == next->end()) entry = next->insert(entry, PublishedGroup{key, {}});
    entry->ports.push_back(port);
  } else {
    std::erase(entry->ports, port);
    if (entry->ports.empty()) next->erase(entry);
  }
  in.buckets[number].publish(std::move(next));
  bump(in.versions[number]);
}

void MulticastTable::publish_routers() {
  auto next = std::make_unique<Routers>();
  for (const Router& router : routers_) next->push_back({router.vlan, router.port});
  published_routers_.publish(std::move(next));
  bump(router_version_);
}

void MulticastTable::join(const be128& address, std::uint16_t vlan, std::uint32_t port, Instant now) {
  const auto has_router = [&](const Router& r) { return r.vlan == vlan && r.port == port; };
  if (std::any_of(routers_.begin(), routers_.end(), has_router)) return;
  const Key key{address, vlan};
  auto found = index_.find(key);
  if (found == index_.end()) {
    while (groups_.size() >= config_.max_groups) drop_oldest_group();
    found = index_.emplace(key, groups_.insert(groups_.end(), Group{key, {}})).first;
  }
  Group& group = *found->second;
  groups_.splice(groups_.end(), groups_, found->second);
  auto& listeners = group.listeners;
  const auto known =
      std::find_if(listeners.begin(), listeners.end(), [&](const auto& l) { return l->port == port; });
  if (known == listeners.end()) {
    listeners.push_back(listeners_.insert(listeners_.end(), Listener{key, port, now}));
    return publish_port(key, port, true);
  }
  (*known)->last_heard = now;
  listeners_.splice(listeners_.end(), listeners_, *known);
  std::rotate(known, known + 1, listeners.end());
}

/// With its last listener a group goes, too.
void MulticastTable::forget(Listeners::iterator listener) {
  const Key key = listener->key;
  const std::uint32_t port = listener->port;
  const auto found = index_.find(key);
  std::erase(found->second->listeners, listener);
  if (found->second->listeners.empty()) {
    groups_.erase(found->second);
    index_.erase(found);
  }
  listeners_.erase(listener);
  publish_port(key, port, false);
}

void MulticastTable::drop_oldest_group() {
  for (const auto listeners = groups_.front().listeners; const auto& listener : listeners) forget(listener);
}

void MulticastTable::leave(const be128& address, std::uint16_t vlan, std::uint32_t port) {
  const auto found = index_.find({address, vlan});
  if (found == index_.end()) return;
  for (const auto& listener : found->second->listeners)
    if (listener->port == port) return forget(listener);
}

void MulticastTable::hear_router(std::uint16_t vlan, std::uint32_t port, Instant now) {
  const auto known = std::find_if(routers_.begin(), routers_.end(),
                                  [&](const Router& r) { return r.vlan == vlan && r.port == port; });
  if (known != routers_.end()) {
    known->last_heard = now;
    std::rotate(known, known + 1, routers_.end());
    return;
  }
  routers_.push_back({vlan, port, now});
  publish_routers();
}

void MulticastTable::expire(Instant now) {
  for (unsigned left = kForgottenAtOnce; left > 0 && !listeners_.empty(); --left) {
    if (now - listeners_.front().last_heard < config_.ageing) break;
    forget(listeners_.begin());
  }
  if (std::erase_if(routers_, [&](const Router& r) { return now - r.last_heard >= kRouterAgeing; }) != 0)
    publish_routers();
}

void MulticastTable::flush_port(std::uint32_t port) {
  for (auto listener = listeners_.begin(); listener != listeners_.end();) {
    const auto here = listener++;
    if (here->port == port) forget(here);
  }
  if (std::erase_if(routers_, [&](const Router& r) { return r.port == port; }) != 0) publish_routers();
}

void MulticastTable::flush_groups() {
  groups_.clear();
  index_.clear();
  listeners_.clear();
  Buckets& in = buckets();
  for (std::size_t i = 0; i <= in.mask; ++i) {
    const Bucket* before = in.buckets[i].get();
    if (!before || before->empty()) continue;
    in.buckets[i].publish(nullptr);
    bump(in.versions[i]);
  }
}

void MulticastTable::flush() {
  flush_groups();
  if (routers_.empty()) return;
  routers_.clear();
  publish_routers();
}

void MulticastTable::configure(const Config& config) {
  config_ = config;
  if (const std::size_t count = buckets_for(config.max_groups); count != buckets().mask + 1) {
    flush_groups();
    resize(count);
  }
  while (groups_.size() > config_.max_groups) drop_oldest_group();
}

std::vector<MulticastTable::Entry> MulticastTable::entries() const {
  std::vector<Entry> all;
  for (const Group& group : groups_)
    for (const auto& listener : group.listeners)
      all.push_back({group.key.group, group.key.vlan, listener->port, listener->last_heard});
  return all;
}

std::vector<MulticastTable::Entry> MulticastTable::router_entries() const {
  std::vector<Entry> all;
  for (const Router& router : routers_) all.push_back({{}, router.vlan, router.port, router.last_heard});
  return all;
}

}  // namespace sluice::l2
