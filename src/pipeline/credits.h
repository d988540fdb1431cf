// What the packets of one megaflow count into: the rules it went through (each pass), the tables' look-up
// counters, the MAC table entries it keeps alive. Owned by the megaflow (through ofproto's StatsSink); any
// thread. Must not outlive its Pipeline.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "l2/mac_table.h"
#include "net/address.h"
#include "pipeline/frozen_state.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

/// Look-ups of one table by packets.
struct TableCounters {
  std::atomic<std::uint64_t> lookups{0}, matches{0};
};

class Credits {
 public:
  struct TableCredit {
    TableCounters* counters;
    bool matched;
  };
  struct MacRefresh {
    l2::MacTable* table;
    net::Mac mac;
    std::uint16_t vlan;
    std::uint32_t port;
  };

  Credits() = default;
  Credits(Credits&&) noexcept = default;
  Credits& operator=(Credits&&) noexcept = default;
  Credits(const Credits&) = delete;
  Credits& operator=(const Credits&) = delete;

  /// Credits packets and bytes, and when the last one came.
  void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used) const;
  /// The rules that the packets match, in the order in which they are met; a rule met twice is there twice.
  const std::vector<RuleRef>& rules() const { return rules_; }
  void clear();

  void add_rule(Rule* rule) { rules_.push_back(RuleRef::share(rule)); }
  void add_table(TableCounters* counters, bool matched) { tables_.push_back({counters, matched}); }
  void add_state(FrozenRef state) { states_.push_back(std::move(state)); }
  void add_mac(const MacRefresh& refresh) { macs_.push_back(refresh); }

 private:
  std::vector<RuleRef> rules_;
  std::vector<TableCredit> tables_;
  std::vector<FrozenRef> states_;  ///< kept alive only
  std::vector<MacRefresh> macs_;
};

}  // namespace sluice::pipeline
