// The MAC table of a bridge: (MAC, VLAN) -> OpenFlow port, learned from packets, aged.
//
// Fixed open-addressing array of atomic cells, so that several workers learn and look up at once: a look-up
// is a probe of a few cells under a per-cell sequence and never waits; learning takes the table's mutex only
// when an entry appears or moves (a refresh is one relaxed store). Addresses are spread over a fixed number
// of versions: an entry that appears, moves or goes changes the version of its address, so that who remembers
// the version (Watch) knows whether a look-up could come out differently, and a flood of new addresses leaves
// most of what is remembered alone.
//
// Threads: lookup, learn and refresh by any worker; expire, flush, dump and configuration by main.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "l2/watch.h"
#include "net/address.h"

namespace sluice::l2 {

struct MacEntry {
  net::Mac mac;
  std::uint16_t vlan = 0;
  std::uint32_t port = 0;
  bool is_static = false;
  Instant last_seen;
};

class MacTable {
 public:
  struct Config {
    Duration ageing = Duration::seconds(300);
    std::uint32_t max_entries =
        8192;  ///< beyond it the entry seen longest ago goes (ovs-vswitchd.conf.db: mac-table-size)

    bool operator==(const Config&) const = default;
  };
  explicit MacTable(std::uint64_t hash_secret) : MacTable(hash_secret, Config{}) {}
  MacTable(std::uint64_t hash_secret, Config config);
  ~MacTable();
  MacTable(const MacTable&) = delete;
  MacTable& operator=(const MacTable&) = delete;

  /// The port behind which the address is. Entries past the ageing time don't count.
  std::optional<std::uint32_t> lookup(const net::Mac& mac, std::uint16_t vlan, Instant now) const;

  /// Whether learning it would change the table (a new address, or behind another port): nothing is changed.
  bool would_change(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port, Instant now) const;
  /// Notes that the address was seen behind the port. True if the table changed.
  bool learn(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port, Instant now);

  /// The version of an address.
  Watch watch(const net::Mac& mac, std::uint16_t vlan) const;
  /// Changes with every version.
  std::uint64_t changes() const;

  /// @return what it replaces
  std::optional<MacEntry> add_static(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port);
  bool remove(const net::Mac& mac, std::uint16_t vlan);
  /// Removes what is older than the ageing time; the number of entries removed.
  unsigned expire(Instant now);
  /// Removes learned entries behind the port; all learned ones.
  unsigned flush_port(std::uint32_t port);
  unsigned flush();

  /// What became of learned entries since the start or clear_counts(). An entry past the ageing time that is
  /// learned again has expired.
  struct Counts {
    std::uint64_t learned = 0, expired = 0, evicted = 0, moved = 0;
  };
  Counts counts() const;
  void clear_counts();

  void configure(Config config);
  Config config() const;
  std::size_t size() const;
  /// In the order in which they were learned or last moved.
  std::vector<MacEntry> entries() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::l2
