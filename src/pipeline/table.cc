#include "pipeline/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "action/all_actions.h"
#include "base/rcu.h"
#include "field/of_error.h"

namespace sluice::pipeline {
namespace {

using field::OfError;

/// Removed rules that may wait for a grace period, beside an eighth of the live ones.
constexpr std::size_t kGarbage = 1024;

template <typename Predicate>
bool any_action(const action::ActionList& actions, const Predicate& predicate) {
  for (const action::Action& action : actions) {
    if (predicate(action)) return true;
    if (const auto* write = action::as<action::WriteActions>(action);
        write && any_action(write->actions, predicate))
      return true;
    if (const auto* clone = action::as<action::Clone>(action); clone && any_action(clone->actions, predicate))
      return true;
  }
  return false;
}

bool selected(const Rule& rule, const FlowFilter& filter) {
  if (rule.is_removed()) return false;
  if (((rule.cookie() ^ filter.cookie) & filter.cookie_mask) != 0) return false;
  if (filter.out_port != action::of_port::kNone && !outputs_to(rule.actions(), filter.out_port)) return false;
  return filter.out_group == 0xffffffff || uses_group(rule.actions(), filter.out_group);
}

std::int64_t seconds(std::uint16_t n) {
  return Duration::seconds(n).ns;
}

struct Due {
  std::int64_t at_ns;
  RemovedReason reason;
};
/// When the rule times out if nothing uses it until then.
Due due(const Rule& rule) {
  const RuleAttributes& a = rule.attributes();
  Due result{std::numeric_limits<std::int64_t>::max(), RemovedReason::HardTimeout};
  if (a.hard_timeout) result.at_ns = a.modified.ns + seconds(a.hard_timeout);
  if (a.idle_timeout) {
    const std::int64_t idle = rule.stats().last_used().ns + seconds(a.idle_timeout);
    if (idle < result.at_ns) result = {idle, RemovedReason::IdleTimeout};
  }
  return result;
}

}  // namespace

bool outputs_to(const action::ActionList& actions, std::uint32_t port) {
  return any_action(actions, [port](const action::Action& action) {
    if (const auto* output = action::as<action::Output>(action)) return output->port == port;
    if (const auto* output = action::as<action::OutputTruncated>(action)) return output->port == port;
    if (const auto* enqueue = action::as<action::Enqueue>(action)) return enqueue->port == port;
    return port == action::of_port::kController && action::as<action::Controller>(action) != nullptr;
  });
}

bool uses_group(const action::ActionList& actions, std::uint32_t group) {
  return any_action(actions, [group](const action::Action& action) {
    const auto* use = action::as<action::Group>(action);
    return use && use->id == group;
  });
}

/// Flow-mods in progress: what they did so far, to be shown or undone together.
struct FlowTables::Change {
  std::uint64_t version;
  std::vector<RuleRef> added, removed;
  FlowModResult result;
};

FlowTables::FlowTables(std::uint64_t secret) {
  for (unsigned i = 0; i < kTables; ++i) tables_[i] = std::make_unique<Table>(secret + i);
}
FlowTables::~FlowTables() = default;

Result<FlowModResult> FlowTables::apply(std::span<const action::FlowSpec> flows, Instant now,
                                        std::size_t* failed) {
  Change change{
      .version = version_.load(std::memory_order_relaxed) + 1, .added = {}, .removed = {}, .result = {}};
  for (std::size_t i = 0; i < flows.size(); ++i) {
    Status status = apply_one(flows[i], now, change);
    if (status) continue;
    if (failed) *failed = i;
    roll_back(change);
    return tl::unexpected<Error>(std::move(status).error());
  }
  commit(change);
  return std::move(change.result);
}

Status FlowTables::apply_one(const action::FlowSpec& flow, Instant now, Change& change) {
  switch (flow.command) {
    case action::FlowCommand::Add:
      SLUICE_TRY(action::check_executable(flow.actions));
      return add(flow, flow.table == action::kNoTable ? std::uint8_t{0} : flow.table, now, change);
    case action::FlowCommand::Modify:
    case action::FlowCommand::ModifyStrict:
      SLUICE_TRY(action::check_executable(flow.actions));
      return modify(flow, now, change);
    case action::FlowCommand::Delete:
    case action::FlowCommand::DeleteStrict:
      remove(flow, change);
      return {};
  }
  return field::fail("flow: unknown command", OfError::FmfcBadCommand);
}

Status FlowTables::add(const action::FlowSpec& flow, std::uint8_t number, Instant now, Change& change) {
  Table& table = *tables_[number];
  Rule* old = table.classifier.find(flow.match, flow.priority);
  if (flow.flags.check_overlap && !old && table.classifier.overlaps(flow.match, flow.priority))
    return field::fail(fmt::format("table {}: another flow of priority {} overlaps", number, flow.priority),
                       OfError::FmfcOverlap);
  if (!old && table.active >= table.config.max_flows)
    return field::fail(fmt::format("table {} is full: it may hold {} flows", number, table.config.max_flows),
                       OfError::FmfcTableFull);

  RuleAttributes attributes{.cookie = flow.new_cookie.value_or(flow.cookie),
                            .created = now,
                            .modified = now,
                            .idle_timeout = flow.idle_timeout,
                            .hard_timeout = flow.hard_timeout,
                            .importance = flow.importance,
                            .flags = flow.flags};
  Ref<RuleStats> stats;
  std::uint32_t sequence = next_sequence_;
  if (old) {
    sequence = old->sequence();
    if (!flow.flags.reset_counts) stats = old->stats_ref();
    take_out(*old, change);
  } else {
    ++next_sequence_;
  }
  if (!stats) stats = Ref<RuleStats>::adopt(new RuleStats);
  stats->mark_used(now);
  RuleRef rule = Rule::create(table.classifier.shape(flow.match.mask), flow.match.value, number,
                              flow.priority, attributes, flow.actions, std::move(stats));
  rule->set_sequence(sequence);
  insert(std::move(rule), change);
  ++change.result.added;
  return {};
}

Status FlowTables::modify(const action::FlowSpec& flow, Instant now, Change& change) {
  const bool strict = flow.command == action::FlowCommand::ModifyStrict;
  const FlowFilter filter{
      .table = flow.table, .match = flow.match, .cookie = flow.cookie, .cookie_mask = flow.cookie_mask};
  std::vector<Rule*> rules;
  if (strict)
    select_strict(filter, flow.priority, rules);
  else
    select(filter, rules);
  // As in OpenFlow 1.0 and 1.1: what matches nothing is added, unless it was looked for by cookie.
  if (rules.empty() && flow.cookie_mask == 0 && flow.new_cookie)
    return add(flow, flow.table == action::kNoTable ? std::uint8_t{0} : flow.table, now, change);
  for (Rule* old : rules) {
    RuleAttributes attributes = old->attributes();
    attributes.modified = now;
    if (flow.new_cookie) attributes.cookie = *flow.new_cookie;
    if (flow.flags.reset_counts) old->stats().reset();
    RuleRef rule = Rule::create(old->shape_ref(), old->match().value, old->table(), old->priority(),
                                attributes, flow.actions, old->stats_ref());
    rule->set_sequence(old->sequence());
    take_out(*old, change);
    insert(std::move(rule), change);
    ++change.result.modified;
  }
  return {};
}

void FlowTables::remove(const action::FlowSpec& flow, Change& change) {
  const FlowFilter filter{.table = flow.table,
                          .match = flow.match,
                          .cookie = flow.cookie,
                          .cookie_mask = flow.cookie_mask,
                          .out_port = flow.out_port,
                          .out_group = flow.out_group};
  std::vector<Rule*> rules;
  if (flow.command == action::FlowCommand::DeleteStrict)
    select_strict(filter, flow.priority, rules);
  else
    select(filter, rules);
  for (Rule* rule : rules) {
    change.result.removed.push_back({rule->info(), RemovedReason::Delete});
    take_out(*rule, change);
  }
}

void FlowTables::insert(RuleRef rule, Change& change) {
  rule->set_added(change.version);
  Table& table = *tables_[rule->table()];
  table.classifier.insert(rule.get());
  ++table.active;
  ++size_;
  change.added.push_back(std::move(rule));
}

void FlowTables::take_out(Rule& rule, Change& change) {
  rule.set_removed(change.version);
  --tables_[rule.table()]->active;
  --size_;
  change.removed.push_back(RuleRef::share(&rule));
}

void FlowTables::commit(Change& change) {
  if (change.added.empty() && change.removed.empty()) return;
  version_.store(change.version, std::memory_order_release);
  for (const RuleRef& rule : change.added)
    if (!rule->is_removed()) watch(*rule);
  for (RuleRef& rule : change.removed) garbage_.push_back(std::move(rule));
  if (garbage_.size() > kGarbage + size_ / 8) collect_garbage();
  forget_deadlines();
}

void FlowTables::roll_back(Change& change) {
  for (const RuleRef& rule : change.removed) {
    rule->set_removed(Rule::kForever);
    ++tables_[rule->table()]->active;
    ++size_;
  }
  for (const RuleRef& rule : change.added) {
    tables_[rule->table()]->classifier.remove(rule.get());
    --tables_[rule->table()]->active;
    --size_;
  }
}

void FlowTables::collect_garbage() {
  if (garbage_.empty()) return;
  rcu::synchronize();
  std::vector<RuleRef> garbage;
  garbage.swap(garbage_);
  for (const RuleRef& rule : garbage) tables_[rule->table()]->classifier.remove(rule.get());
}

void FlowTables::forget_deadlines() {
  if (deadlines_.size() <= kGarbage + 2 * size_) return;
  deadlines_ = {};
  std::vector<Rule*> rules;
  select({}, rules);
  for (Rule* rule : rules) watch(*rule);
}

void FlowTables::watch(Rule& rule) {
  const Due next = due(rule);
  if (next.at_ns != std::numeric_limits<std::int64_t>::max())
    deadlines_.push({next.at_ns, RuleRef::share(&rule)});
}

std::vector<RemovedFlow> FlowTables::expire(Instant now, std::size_t limit) {
  Change change{
      .version = version_.load(std::memory_order_relaxed) + 1, .added = {}, .removed = {}, .result = {}};
  std::vector<RemovedFlow> removed;
  std::vector<RuleRef> again;
  while (!deadlines_.empty() && deadlines_.top().at_ns <= now.ns && removed.size() < limit) {
    RuleRef rule = deadlines_.top().rule;
    deadlines_.pop();
    if (rule->is_removed()) continue;
    const Due when = due(*rule);
    if (when.at_ns > now.ns) {
      again.push_back(std::move(rule));
      continue;
    }
    removed.push_back({rule->info(), when.reason});
    take_out(*rule, change);
  }
  for (const RuleRef& rule : again) watch(*rule);
  commit(change);
  return removed;
}

void FlowTables::select(const FlowFilter& filter, std::vector<Rule*>& rules) const {
  const auto take = [&](Rule& rule) {
    if (selected(rule, filter)) rules.push_back(&rule);
  };
  if (filter.table != action::kNoTable) return tables_[filter.table]->classifier.for_each(filter.match, take);
  for (const auto& table : tables_)
    if (table->active != 0) table->classifier.for_each(filter.match, take);
}

void FlowTables::select_strict(const FlowFilter& filter, std::uint16_t priority,
                               std::vector<Rule*>& rules) const {
  const auto take = [&](const Table& table) {
    Rule* rule = table.classifier.find(filter.match, priority);
    if (rule && selected(*rule, filter)) rules.push_back(rule);
  };
  if (filter.table != action::kNoTable) return take(*tables_[filter.table]);
  for (const auto& table : tables_)
    if (table->active != 0) take(*table);
}

FlowCursor FlowTables::dump(const FlowFilter& filter) const {
  std::vector<Rule*> rules;
  select(filter, rules);
  std::sort(rules.begin(), rules.end(), [](const Rule* a, const Rule* b) {
    if (a->table() != b->table()) return a->table() < b->table();
    if (a->priority() != b->priority()) return a->priority() > b->priority();
    return a->sequence() < b->sequence();
  });
  FlowCursor cursor;
  cursor.rules_.reserve(rules.size());
  for (Rule* rule : rules) cursor.rules_.push_back(RuleRef::share(rule));
  return cursor;
}

AggregateStats FlowTables::aggregate(const FlowFilter& filter) const {
  std::vector<Rule*> rules;
  select(filter, rules);
  AggregateStats result;
  for (const Rule* rule : rules) {
    result.packets += rule->stats().packets();
    result.bytes += rule->stats().bytes();
    ++result.flows;
  }
  return result;
}

TableStats FlowTables::stats(std::uint8_t number) const {
  const Table& table = *tables_[number];
  return {.table = number,
          .active = table.active,
          .max_flows = table.config.max_flows,
          .lookups = table.counters.lookups.load(std::memory_order_relaxed),
          .matches = table.counters.matches.load(std::memory_order_relaxed),
          .name = table.config.name};
}

void FlowTables::configure(std::uint8_t number, TableConfig config) {
  tables_[number]->miss.store(config.miss, std::memory_order_relaxed);
  tables_[number]->config = std::move(config);
}

std::size_t FlowTables::memory_bytes() const {
  std::size_t bytes = 0;
  std::vector<Rule*> rules;
  select({}, rules);
  for (const auto& table : tables_) bytes += table->classifier.memory_bytes();
  for (const Rule* rule : rules) bytes += Rule::bytes(rule->shape().words());
  return bytes;
}

}  // namespace sluice::pipeline
