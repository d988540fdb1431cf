// The flow tables of a pipeline: flow-mods, timeouts, limits, dumps; look-ups by workers.
//
// Changes, of flows and of the groups that flows use, show at once: rules and groups are added for the next
// version and removed as of it, then the version moves. What was removed stays linked until no reader can be
// at an older version (a grace period later).
//
// Threads: lookup(), find_group() and version() by any worker under RCU; the rest by main, under the writer's
// lock, which a worker only ever tries for (flow_inbox.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "action/flow_spec.h"
#include "action/group_spec.h"
#include "base/keyed_hash.h"
#include "base/rcu.h"
#include "base/result.h"
#include "pipeline/classifier.h"
#include "pipeline/cookie_index.h"
#include "pipeline/credits.h"
#include "pipeline/eviction.h"
#include "pipeline/flow_inbox.h"
#include "pipeline/group.h"
#include "pipeline/meter_map.h"
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

/// Flows of a table for which the configuration gives no limit: more than machines have memory for (5 GB).
inline constexpr std::uint32_t kMaxFlows = 1 << 24;

struct TableConfig {
  std::string name;
  std::uint32_t max_flows = kMaxFlows;
  TableMiss miss = TableMiss::Default;
  /// A flow that finds the table full takes the place of one with a timeout (EvictionList). Flows without
  /// timeouts stay.
  bool evict = false, evict_asked = false;  ///< by the operator; by a controller. One of them is enough
  std::vector<field::Subfield> eviction_groups{};  ///< whose values make flows a group

  bool evicts() const { return evict || evict_asked; }
};

/// One step of a change of the tables: a flow-mod or a group-mod.
using Modification = std::variant<action::FlowSpec, action::GroupSpec>;
/// The same, of somebody else's; or a look at the tables as they are at this step, in the version that is
/// given: where it fails, the change does; or a flow that prepare() has made.
using Observation = std::function<Status(std::uint64_t version)>;
using Step = std::variant<const action::FlowSpec*, const action::GroupSpec*, const Observation*, RuleRef>;
/// Gives one step after the other, nothing at the end; what a step points to lives until the next is asked
/// for.
using NextStep = std::function<Result<std::optional<Step>>()>;

struct TableStats {
  std::uint8_t table = 0;
  std::uint32_t active = 0;
  std::uint32_t max_flows = 0;
  std::uint64_t lookups = 0, matches = 0;
  std::string name;
};

/// What happened to a flow, in order; counters are read when somebody asks the rule (push statistics first).
struct FlowEvent {
  enum class Kind : std::uint8_t { Added, Modified, Removed };
  Kind kind;
  RuleRef rule;
  RemovedReason reason = RemovedReason::Delete;  ///< of Removed
  RuleRef old{};                                 ///< of Modified: what the flow was
};

struct FlowModResult {
  std::vector<RemovedFlow> removed;
  unsigned added = 0, modified = 0;
  unsigned groups = 0;  ///< groups added, modified or deleted
  /// For flow-removed messages and monitors: all of it in order, if events are kept (keep_events()).
  std::vector<FlowEvent> events;
  /// What packets did before it, that nobody has taken yet.
  std::vector<FlowEvent> before;
};

/// A flow that is not in its table yet.
struct PreparedFlow {
  /// What other flows may hold, too.
  struct Part {
    const void* what = nullptr;
    std::size_t bytes = 0;
  };
  RuleRef rule;
  std::size_t bytes = 0;            ///< that it takes by itself
  std::array<Part, 2> shared = {};  ///< its mask, its actions
};

/// Which flows a dump, aggregate or delete is about.
struct FlowFilter {
  std::uint8_t table = action::kNoTable;  ///< kNoTable: all
  flow::Match match{};                    ///< flows whose match is at least as specific
  std::uint64_t cookie = 0, cookie_mask = 0;
  std::uint32_t out_port = action::of_port::kNone, out_group = 0xffffffff;
};

/// The flows of one table, each in a slot that it keeps for as long as it is there, however often it is
/// modified: what was seen of a walk over the slots stays seen, whatever changes meanwhile.
class FlowSlots {
 public:
  std::size_t size() const { return slots_.size(); }
  /// Null: the slot is free.
  Rule* at(std::size_t slot) const {
    const std::uintptr_t here = slots_[slot];
    return (here & 1) != 0 ? nullptr : reinterpret_cast<Rule*>(here);  // NOLINT(performance-no-int-to-ptr)
  }
  /// In the slot that was freed last, so that a rule that replaces another has its slot.
  void insert(Rule& rule) {
    std::uint32_t slot = free_;
    if (slot == kNone) {
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(0);
    } else {
      free_ = static_cast<std::uint32_t>(slots_[slot] >> 1);
    }
    slots_[slot] = reinterpret_cast<std::uintptr_t>(&rule);
    rule.set_slot(slot);
  }
  void remove(const Rule& rule) {
    slots_[rule.slot()] = std::uintptr_t{free_} << 1 | 1;
    free_ = rule.slot();
  }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(std::uintptr_t); }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<std::uintptr_t> slots_;  ///< rules; odd: twice the next free one, and one
  std::uint32_t free_ = kNone;
};

class FlowTables;

/// Tells those who walk over flows when the tables are gone.
struct FlowTablesHandle {
  FlowTables* tables;
  std::uint32_t references = 1;  ///< main only
  void ref() { ++references; }
  void unref() {
    if (--references == 0) delete this;
  }
};

/// Flows that a filter is about, handed out one at a time. Main only.
///
/// Few are those of one moment, by table, then priority (highest first), then age. Of many, no list is made:
/// they come table by table as they lie, those that were there when the cursor was made and still are, each
/// once, as it is when it is handed out. Counters are always read then.
class FlowCursor {
 public:
  /// As many flows come in order.
  static constexpr std::size_t kInOrder = 4096;

  bool next(FlowInfo& info) {
    const RuleRef rule = next();
    if (rule) info = rule->info();
    return static_cast<bool>(rule);
  }
  /// The rule itself; empty at the end.
  RuleRef next() {
    std::size_t budget = ~std::size_t{0};
    return next(budget);
  }
  /// The same, for slices of work: `budget` falls by one for each flow that is looked at, and where it is
  /// used up nothing is given, though it need not be the end.
  RuleRef next(std::size_t& budget);
  bool at_end() const { return at_end_; }
  /// Whether a walk has been at the rule's slot. Not of flows in order.
  bool has_passed(const Rule& rule) const {
    return rule.table() < table_ || (rule.table() == table_ && rule.slot() < slot_);
  }

 private:
  friend class FlowTables;
  bool at_end_ = true;
  std::vector<RuleRef> rules_;
  std::size_t position_ = 0;
  // Of many.
  Ref<FlowTablesHandle> handle_;
  FlowFilter filter_;
  std::uint64_t before_ = 0;  ///< Rule::sequence() of flows that are too young
  unsigned table_ = 0, last_table_ = 0;
  std::size_t slot_ = 0;
};

/// Whether a dump with this filter would show the rule, were it there.
bool is_about(const FlowFilter& filter, const Rule& rule);

/// A point in the history of the tables: rules with a version or sequence below it were there.
struct Moment {
  std::uint64_t version = 0;   ///< Rule::added_in() of what comes later is above
  std::uint64_t sequence = 0;  ///< Rule::sequence() of flows that did not exist is not below
};

/// What packets did, all of it until a moment.
struct TakenEvents {
  std::vector<FlowEvent> events;
  Moment until;
};

/// Part of a walk: the flows as of one moment, until which what packets did is told apart.
struct WalkSlice {
  TakenEvents taken;
  std::vector<RuleRef> rules;
};

/// Which events are kept.
enum class KeepEvents : std::uint8_t { None, FlowRemoved /**< of flows that have the flag */, All };

/// True if the actions send packets to this port (or group) by number.
bool outputs_to(const action::ActionList& actions, std::uint32_t port);
bool uses_group(const action::ActionList& actions, std::uint32_t group);

class FlowTables final : public FlowRequests {
 public:
  /// Groups of one bridge.
  static constexpr std::size_t kMaxGroups = 1'000'000;
  /// Bytes of a group's description in OpenFlow 1.5, which is one entry of a message.
  static constexpr std::size_t kMaxGroupBytes = 65'000;
  /// Bytes of the descriptions of all groups: what they take of memory is some times as much.
  static constexpr std::size_t kMaxAllGroupsBytes = std::size_t{64} << 20;
  /// Buckets that are looked at when a group is checked for circles.
  static constexpr std::size_t kMaxBucketsChecked = 65'536;
  /// Events that wait for somebody to take them.
  static constexpr std::size_t kMaxEvents = 4'000'000;
  /// Flows that the steps of one change may have added and taken out before another is begun: each is kept
  /// until the change shows or is undone.
  static constexpr std::size_t kMaxChange = 8'000'000;
  /// Flows and the like (take_effort()) that the steps of one change may have looked at before another is
  /// begun: main does nothing else meanwhile.
  static constexpr std::size_t kMaxEffort = std::size_t{1} << 26;

  explicit FlowTables(std::uint64_t secret);
  ~FlowTables() override;

  // --- Workers

  /// What readers see now; to be read once per translation.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  Rule* lookup(std::uint8_t table, const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const {
    return tables_[table]->classifier.lookup(key, version, mask);
  }
  const Group* find_group(std::uint32_t id, std::uint64_t version) const { return groups_.find(id, version); }
  /// The datapath's meter, nothing if there is none.
  std::optional<std::uint32_t> find_meter(std::uint32_t id) const { return meters_.find(id); }
  TableCounters& counters(std::uint8_t table) const { return tables_[table]->counters; }
  TableMiss miss(std::uint8_t table) const { return tables_[table]->miss.load(std::memory_order_relaxed); }
  /// Changes that packets made: whoever caches translations must look at it too.
  std::uint64_t changes_by_packets() const { return changed_.load(std::memory_order_acquire); }
  /// Whether a learn action with this limit may add the flow or has already.
  bool may_learn(const LearnedFlow& flow) const;

  // FlowRequests
  void learn(Ref<LearnedFlow> flow, Instant now) override;
  void shorten(const RuleRef& rule, std::uint16_t idle, std::uint16_t hard, Instant now) override;

  // --- Main

  Result<FlowModResult> apply(std::span<const action::FlowSpec> flows, Instant now, std::size_t* failed);
  /// Flow-mods and group-mods, in order, all or none.
  Result<FlowModResult> apply(std::span<const Modification> changes, Instant now, std::size_t* failed);
  Result<FlowModResult> apply(const NextStep& next, Instant now);
  /// The flow that a flow-mod adds, for a step of a change to come. Errors: actions that can't be executed.
  Result<PreparedFlow> prepare(const action::FlowSpec& flow);
  /// Whether the groups and meters exist that the actions name.
  Status check_references(const action::ActionList& actions) const;
  FlowModResult expire(Instant now, std::size_t limit);
  FlowCursor dump(const FlowFilter& filter) const;
  /// A cursor that makes no list however few the flows are.
  /// @param before  Moment::sequence: flows that are younger are left out
  FlowCursor walk(const FlowFilter& filter, std::uint64_t before = ~std::uint64_t{0}) const;
  /// The next flows of a walk: `budget` as in FlowCursor::next().
  WalkSlice walk_on(FlowCursor& cursor, std::size_t budget);
  /// Flows, masks and buckets of groups that were looked at one by one since the last call, to find those
  /// that were meant: what requests cost beyond themselves.
  std::size_t take_effort() {
    const std::size_t effort = effort_.load(std::memory_order_relaxed);
    return effort - std::exchange(effort_taken_, effort);
  }
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }
  Moment moment() const {
    const std::lock_guard lock(writer_);
    return here();
  }
  TableStats stats(std::uint8_t table) const;
  void configure(std::uint8_t table, TableConfig config);
  const TableConfig& config(std::uint8_t table) const { return tables_[table]->config; }
  /// Unlinks removed rules, after a grace period.
  void collect_garbage();
  /// Bytes of rules, subtables and their indexes; actions and tries are not counted.
  std::size_t memory_bytes() const;
  std::uint64_t requests_dropped() const { return inbox_.dropped(); }

  /// Of those that are there, in order; with this id only, unless it is group_id::kAll.
  std::vector<std::uint32_t> group_ids(std::uint32_t id) const;
  /// Groups by id; those with this id only, unless it is group_id::kAll.
  std::vector<action::GroupSpec> groups(std::uint32_t id) const;
  std::vector<action::GroupCounters> group_counters(std::uint32_t id, Instant now) const;

  /// A meter that flows may name, and the datapath's number of it.
  void set_meter(std::uint32_t id, std::uint32_t dp_meter);
  /// Removes the meter, or all with meter_id::kAll, and the flows that name them.
  FlowModResult remove_meters(std::uint32_t id);
  unsigned meter_flows(std::uint32_t id) const;

  /// From now on results tell what happened, and what packets do is remembered until take_events().
  void keep_events(KeepEvents which) {
    const std::lock_guard lock(writer_);
    keeps_events_ = which;
  }
  TakenEvents take_events();
  bool has_events() const { return has_events_.load(std::memory_order_acquire); }

 private:
  friend class FlowCursor;
  struct Table {
    explicit Table(std::uint64_t secret) : classifier(secret), evictable(secret) {}
    Classifier classifier;
    FlowSlots slots;
    mutable TableCounters counters;
    std::atomic<TableMiss> miss{TableMiss::Default};
    TableConfig config;
    std::uint32_t active = 0;
    EvictionList evictable;  ///< flows with a timeout, if the table evicts
  };
  /// When a rule may have timed out; looked at again then.
  struct Deadline {
    std::int64_t at_ns;
    RuleRef rule;
    bool operator<(const Deadline& other) const { return at_ns > other.at_ns; }  // the earliest on top
  };
  struct Change;
  class Writing;
  struct Users {
    std::unordered_set<Rule*> rules;
  };
  /// By the id of a group or meter.
  using UsersById = std::unordered_map<std::uint32_t, Users, KeyedHash>;
  struct Limited {
    std::uint32_t learners = 0;  ///< learn actions with a limit
    std::uint32_t flows = 0;
  };
  /// Table and cookie of flows that learn(delete_learned) makes.
  using Learned = std::pair<std::uint8_t, std::uint64_t>;

  Change begin() const;
  template <typename Specs>
  Result<FlowModResult> apply_all(const Specs& specs, Instant now, std::size_t* failed);
  template <typename Step>
  Status take_step(const Step& step, Instant now, Change& change);
  Result<FlowModResult> finish(Change& change, Instant now);
  Status apply_one(const Modification& modification, Instant now, Change& change);
  Status apply_one(const action::FlowSpec& flow, Instant now, Change& change);
  Status apply_one(const action::GroupSpec& group, Instant now, Change& change);
  Status apply_one(const Step& step, Instant now, Change& change);
  Status apply_one(const RuleRef& rule, Instant now, Change& change);
  RuleRef make_rule(const action::FlowSpec& flow);
  Status add(RuleRef rule, Instant now, Change& change);
  Status modify(const action::FlowSpec& flow, Instant now, Change& change);
  Ref<SharedActions> shared(const action::ActionList& actions);
  void remove(const action::FlowSpec& flow, Change& change);
  void remove(Rule& rule, RemovedReason reason, Change& change);
  bool evict_one(Table& table, Change& change);
  void insert(RuleRef rule, Change& change);
  void take_out(Rule& rule, Change& change);
  RuleRef unlink(Rule& rule);
  /// Notes which groups, meters and learned flows the rule refers to, or forgets it (by -1).
  void count_references(Rule& rule, int by, Change* change);
  void delete_learned(Change& change);
  Status check_room(const action::GroupSpec& spec, std::size_t bytes, const Group* old) const;
  void put_group(action::GroupSpec spec, std::size_t bytes, Instant created, Change& change);
  void take_group(Group& group, Change& change);
  void delete_group(Group& group, Change& change);
  Status change_buckets(const action::GroupSpec& spec, Change& change);
  std::vector<Group*> chosen_groups(std::uint32_t id) const;
  bool leads_to(const action::GroupSpec& from, std::uint32_t id) const;
  void publish();
  void commit(Change& change, Instant now);
  void roll_back(Change& change);
  void unlink_garbage();
  static void retire(std::vector<RuleRef> rules);
  void serve_requests();
  void serve(const FlowRequest& request);
  void select(const FlowFilter& filter, std::vector<Rule*>& rules) const;
  /// Whether a walk over the tables by the filter's match looks at fewer than `limit` flows and masks.
  bool match_leads_to_fewer(const FlowFilter& filter, std::size_t limit) const;
  /// Calls f for each table with flows that the filter is about.
  template <typename F>
  void for_tables(const FlowFilter& filter, F&& f) const;
  void count_effort(std::size_t looked_at) const {
    effort_.store(effort_.load(std::memory_order_relaxed) + looked_at, std::memory_order_relaxed);
  }
  RuleRef walk_one(FlowCursor& cursor, std::size_t& budget) const;
  RuleRef next_of(FlowCursor& cursor, std::size_t& budget);
  Moment here() const { return {version(), next_sequence_}; }
  TakenEvents take_events_here();
  /// Those with exactly the filter's match and this priority: one a table at most.
  void select_strict(const FlowFilter& filter, std::uint16_t priority, std::vector<Rule*>& rules) const;
  void watch(Rule& rule);
  /// Lets go of deadlines of removed rules when they are the most: each keeps its rule in memory.
  void forget_deadlines();
  void count_limited(const Learned& learned, int by);
  bool below_limit(const LearnedFlow& flow) const;
  static bool same_as(const Rule& rule, const action::FlowSpec& flow);

  std::array<std::unique_ptr<Table>, kTables> tables_;
  GroupTable groups_;
  MeterMap meters_;
  std::atomic<std::uint64_t> version_{1}, changed_{0};
  FlowInbox inbox_;
  mutable std::mutex writer_;

  // Guarded by writer_.
  std::vector<RuleRef> garbage_;  ///< removed, still linked
  std::vector<GroupRef> group_garbage_;
  std::vector<Table*> unpublished_;  ///< whose classifiers have masks that readers do not know
  std::priority_queue<Deadline> deadlines_;
  UsersById group_users_, meter_users_;
  CookieIndex by_cookie_;
  std::map<Learned, std::uint32_t> learners_;
  std::map<Learned, Limited> cookies_;
  std::vector<FlowEvent> events_;
  std::array<Ref<SharedActions>, 256> recent_actions_;
  Classifier::RecentShapes recent_shapes_;
  std::vector<Table*> overfull_;  ///< whose limit was lowered: they may have to give up flows
  std::atomic<std::size_t> size_{0};
  mutable std::atomic<std::size_t> effort_{0};     ///< of all time; written under writer_
  std::size_t effort_taken_ = 0;                   ///< main only
  std::size_t group_count_ = 0, group_bytes_ = 0;  ///< bytes of their descriptions
  std::uint64_t next_sequence_ = 0;
  KeepEvents keeps_events_ = KeepEvents::None;
  Ref<FlowTablesHandle> handle_;
  std::atomic<bool> has_events_{false};
};

}  // namespace sluice::pipeline
