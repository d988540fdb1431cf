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

class LearnedFlow;

/// What the packets of a megaflow ask of the flow tables. Any thread; never waits.
class FlowRequests {
 public:
  virtual ~FlowRequests() = default;
  /// Makes the flow, or keeps it from timing out if it is there.
  virtual void learn(Ref<LearnedFlow> flow, Instant now) = 0;
  /// Shortens the rule's timeouts, where they are not as short already; seconds, 0: that one stays.
  virtual void shorten(const RuleRef& rule, std::uint16_t idle, std::uint16_t hard, Instant now) = 0;
};

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

  /// Of fin_timeout: what a TCP FIN or RST does to the rule.
  struct FinTimeout {
    FlowRequests* tables;
    RuleRef rule;
    std::uint16_t idle, hard;
  };

  Credits();
  Credits(Credits&&) noexcept;
  Credits& operator=(Credits&&) noexcept;
  ~Credits();
  Credits(const Credits&) = delete;
  Credits& operator=(const Credits&) = delete;

  /// Credits packets and bytes, when the last one came, and the TCP flags that any of them had.
  void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used, std::uint16_t tcp_flags = 0);
  /// The rules that the packets match, in the order in which they are met; a rule met twice is there twice.
  const std::vector<RuleRef>& rules() const { return rules_; }
  void clear();

  void add_rule(Rule* rule) { rules_.push_back(RuleRef::share(rule)); }
  void add_table(TableCounters* counters, bool matched) { tables_counted_.push_back({counters, matched}); }
  void add_state(FrozenRef state) { states_.push_back(std::move(state)); }
  void add_mac(const MacRefresh& refresh) { macs_.push_back(refresh); }
  /// Counters of groups and buckets.
  void add_traffic(Ref<RuleStats> stats) { traffic_.push_back(std::move(stats)); }
  void add_fin_timeout(FlowRequests& tables, Rule* rule, std::uint16_t idle, std::uint16_t hard);
  /// `done`: the packet that was translated has learned it itself.
  void add_learned(FlowRequests& tables, Ref<LearnedFlow> flow, bool done);

 private:
  std::vector<RuleRef> rules_;
  std::vector<TableCredit> tables_counted_;
  std::vector<FrozenRef> states_;  ///< kept alive only
  std::vector<MacRefresh> macs_;
  std::vector<Ref<RuleStats>> traffic_;
  std::vector<FinTimeout> fin_timeouts_;
  struct Learning {
    FlowRequests* tables;
    Ref<LearnedFlow> flow;
  };
  std::vector<Learning> learned_;
  std::uint64_t learned_by_ = 0;  ///< packets not yet credited that have learned themselves
};

}  // namespace sluice::pipeline
