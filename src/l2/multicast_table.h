// Who wants to hear which multicast group in a bridge (RFC 4541): (group, VLAN) -> OpenFlow ports, learned
// from reports of hosts, and the ports behind which multicast routers are, learned from their queries. Both
// age.
//
// Main keeps the truth, ordered by when it was last heard, and publishes what forwarding needs: groups are
// spread over buckets, as many as the configured number of groups asks for, each an immutable list under RCU
// with a version of its own, and the routers are one more. A bucket is published anew only when a port comes
// or goes, not when it is heard again, so that who remembers a version (Watch) is disturbed by nothing but
// changes of the groups that share the bucket.
//
// Threads: find(), routers(), watches and changes() by any worker inside an RCU read section; everything else
// by main.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/rcu.h"
#include "l2/watch.h"
#include "net/endian.h"

namespace sluice::l2 {

class MulticastTable {
 public:
  struct Config {
    Duration ageing = Duration::seconds(300);
    std::uint32_t max_groups = 2048;  ///< beyond it the group that was heard longest ago goes

    bool operator==(const Config&) const = default;
  };
  /// How long a router that is silent is remembered.
  static constexpr Duration kRouterAgeing = Duration::seconds(180);

  explicit MulticastTable(std::uint64_t hash_secret);
  MulticastTable(const MulticastTable&) = delete;
  MulticastTable& operator=(const MulticastTable&) = delete;

  // --- Workers. IPv4 groups as mapped addresses.
  /// Ports in the order in which they joined; none: nobody wants it, or it is not known.
  std::span<const std::uint32_t> find(const be128& group, std::uint16_t vlan) const;
  /// Appends the ports with routers of the VLAN.
  void routers(std::uint16_t vlan, std::vector<std::uint32_t>& ports) const;
  Watch watch(const be128& group, std::uint16_t vlan) const;
  Watch watch_routers() const { return Watch::of(router_version_); }
  /// Changes with every version.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  // --- Main
  /// A host behind the port wants the group. A port with a router hears every group, and is not listed.
  void join(const be128& group, std::uint16_t vlan, std::uint32_t port, Instant now);
  void leave(const be128& group, std::uint16_t vlan, std::uint32_t port);
  void hear_router(std::uint16_t vlan, std::uint32_t port, Instant now);
  void expire(Instant now);
  void flush_port(std::uint32_t port);
  /// Who wants which group; routers stay.
  void flush_groups();
  void flush();
  /// Forgets all groups if it takes another number of buckets.
  void configure(const Config& config);
  const Config& config() const { return config_; }

  struct Entry {
    be128 group;  ///< of a router: zero
    std::uint16_t vlan = 0;
    std::uint32_t port = 0;
    Instant last_heard;
  };
  /// Groups that were heard longest ago first, and of each its ports in the same order.
  std::vector<Entry> entries() const;
  std::vector<Entry> router_entries() const;

 private:
  struct Key {
    be128 group;
    std::uint16_t vlan = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::uint64_t secret;
    std::size_t operator()(const Key& key) const;
  };
  struct Listener {
    Key key;
    std::uint32_t port;
    Instant last_heard;
  };
  using Listeners = std::list<Listener>;
  struct Group {
    Key key;
    std::vector<Listeners::iterator> listeners;  ///< heard longest ago first
  };
  using Groups = std::list<Group>;
  struct Router {
    std::uint16_t vlan;
    std::uint32_t port;
    Instant last_heard;
  };
  struct PublishedGroup {
    Key key;
    std::vector<std::uint32_t> ports;
  };
  struct PublishedRouter {
    std::uint16_t vlan;
    std::uint32_t port;
    bool operator==(const PublishedRouter&) const = default;
  };
  using Bucket = std::vector<PublishedGroup>;
  using Routers = std::vector<PublishedRouter>;

  /// Never freed before the table: watches point at versions. There are few sizes.
  struct Buckets {
    explicit Buckets(std::size_t count);
    const std::size_t mask;
    std::unique_ptr<rcu::Published<Bucket>[]> buckets;
    std::unique_ptr<std::atomic<std::uint32_t>[]> versions;
  };
  std::size_t bucket_of(const Buckets& in, const Key& key) const { return KeyHash{secret_}(key)&in.mask; }
  Buckets& buckets() const { return *buckets_.load(std::memory_order_acquire); }
  void resize(std::size_t count);
  /// Publishes a changed copy of the group's bucket.
  void publish_port(const Key& key, std::uint32_t port, bool joins);
  void publish_routers();
  void forget(Listeners::iterator listener);
  void drop_oldest_group();
  void bump(std::atomic<std::uint32_t>& version);

  const std::uint64_t secret_;
  Config config_;
  Listeners listeners_;  ///< heard longest ago first
  Groups groups_;        ///< as above
  std::unordered_map<Key, Groups::iterator, KeyHash> index_{0, KeyHash{secret_}};
  std::vector<Router> routers_;  ///< as above

  std::vector<std::unique_ptr<Buckets>> sizes_;  ///< that were in use so far
  std::atomic<Buckets*> buckets_{nullptr};
  rcu::Published<Routers> published_routers_;
  std::atomic<std::uint32_t> router_version_{0};
  std::atomic<std::uint64_t> changes_{0};
};

}  // namespace sluice::l2
