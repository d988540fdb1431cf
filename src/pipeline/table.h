// The flow tables of a pipeline: flow-mods, timeouts, limits, dumps; look-ups by workers.
//
// Flow-mods come in groups that show at once: rules are added for the next version and removed as of it, then
// the version moves. Removed rules stay linked until no reader can be at an older version (a grace period
// later).
//
// Threads: lookup() and version() by any worker under RCU; the rest by main.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <queue>
#include <span>
#include <string>
#include <vector>

#include "action/flow_spec.h"
#include "base/result.h"
#include "pipeline/classifier.h"
#include "pipeline/credits.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

inline constexpr unsigned kTables = 255;

/// What a table does with a packet that none of its flows match.
enum class TableMiss : std::uint8_t {
  Default,  ///< as BridgeConfig::default_miss says
  Controller,
  Continue,
  Drop,
};

struct TableConfig {
  std::string name;
  std::uint32_t max_flows = 1'000'000;
  TableMiss miss = TableMiss::Default;
};

struct TableStats {
  std::uint8_t table = 0;
  std::uint32_t active = 0;
  std::uint32_t max_flows = 0;
  std::uint64_t lookups = 0, matches = 0;
  std::string name;
};

struct FlowModResult {
  std::vector<RemovedFlow> removed;  ///< for flow-removed messages and monitors
  unsigned added = 0, modified = 0;
};

/// Which flows a dump, aggregate or delete is about.
struct FlowFilter {
  std::uint8_t table = action::kNoTable;  ///< kNoTable: all
  flow::Match match{};                    ///< flows whose match is at least as specific
  std::uint64_t cookie = 0, cookie_mask = 0;
  std::uint32_t out_port = action::of_port::kNone, out_group = 0xffffffff;
};

struct AggregateStats {
  std::uint64_t packets = 0, bytes = 0;
  std::uint32_t flows = 0;
};

/// Flows of one moment, handed out one at a time: by table, then priority (highest first), then age. Main
/// only. Holds references, not copies: counters are read when a flow is handed out.
class FlowCursor {
 public:
  bool next(FlowInfo& info) {
    if (position_ == rules_.size()) return false;
    info = rules_[position_]->info();
    rules_[position_++] = {};
    return true;
  }
  std::size_t remaining() const { return rules_.size() - position_; }

 private:
  friend class FlowTables;
  std::vector<RuleRef> rules_;
  std::size_t position_ = 0;
};

/// True if the actions send packets to this port (or group) by number.
bool outputs_to(const action::ActionList& actions, std::uint32_t port);
bool uses_group(const action::ActionList& actions, std::uint32_t group);

class FlowTables {
 public:
  explicit FlowTables(std::uint64_t secret);
  ~FlowTables();

  // --- Workers
  // ------------------------------------------------------------------------------------------------------

  /// What readers see now; to be read once per translation.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  Rule* lookup(std::uint8_t table, const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const {
    return tables_[table]->classifier.lookup(key, version, mask);
  }
  TableCounters& counters(std::uint8_t table) const { return tables_[table]->counters; }
  TableMiss miss(std::uint8_t table) const { return tables_[table]->miss.load(std::memory_order_relaxed); }

  // --- Main
  // ---------------------------------------------------------------------------------------------------------

  Result<FlowModResult> apply(std::span<const action::FlowSpec> flows, Instant now, std::size_t* failed);
  std::vector<RemovedFlow> expire(Instant now, std::size_t limit);
  FlowCursor dump(const FlowFilter& filter) const;
  AggregateStats aggregate(const FlowFilter& filter) const;
  std::size_t size() const { return size_; }
  TableStats stats(std::uint8_t table) const;
  void configure(std::uint8_t table, TableConfig config);
  const TableConfig& config(std::uint8_t table) const { return tables_[table]->config; }
  /// Unlinks removed rules, after a grace period.
  void collect_garbage();
  /// Bytes of rules, subtables and their indexes; actions and tries are not counted.
  std::size_t memory_bytes() const;

 private:
  struct Table {
    explicit Table(std::uint64_t secret) : classifier(secret) {}
    Classifier classifier;
    mutable TableCounters counters;
    std::atomic<TableMiss> miss{TableMiss::Default};
    TableConfig config;
    std::uint32_t active = 0;
  };
  /// When a rule may have timed out; looked at again then.
  struct Deadline {
    std::int64_t at_ns;
    RuleRef rule;
    bool operator<(const Deadline& other) const { return at_ns > other.at_ns; }  // the earliest on top
  };
  struct Change;

  Status apply_one(const action::FlowSpec& flow, Instant now, Change& change);
  Status add(const action::FlowSpec& flow, std::uint8_t table, Instant now, Change& change);
  Status modify(const action::FlowSpec& flow, Instant now, Change& change);
  void remove(const action::FlowSpec& flow, Change& change);
  void insert(RuleRef rule, Change& change);
  void take_out(Rule& rule, Change& change);
  void commit(Change& change);
  void roll_back(Change& change);
  void select(const FlowFilter& filter, std::vector<Rule*>& rules) const;
  /// Those with exactly the filter's match and this priority: one a table at most.
  void select_strict(const FlowFilter& filter, std::uint16_t priority, std::vector<Rule*>& rules) const;
  void watch(Rule& rule);
  /// Lets go of deadlines of removed rules when they are the most: each keeps its rule in memory.
  void forget_deadlines();

  std::array<std::unique_ptr<Table>, kTables> tables_;
  std::atomic<std::uint64_t> version_{1};
  std::vector<RuleRef> garbage_;  ///< removed, still linked
  std::priority_queue<Deadline> deadlines_;
  std::size_t size_ = 0;
  std::uint32_t next_sequence_ = 0;
};

}  // namespace sluice::pipeline
