#include "pipeline/table.h"

#include <fmt/core.h>

#include <algorithm>

#include "action/all_actions.h"
#include "action/meter_spec.h"
#include "base/rcu.h"
#include "field/of_error.h"
#include "pipeline/table_change.h"

namespace sluice::pipeline {
namespace {

using action::kKeepCookie;
using field::OfError;

/// Removed rules that may wait for a grace period, beside an eighth of the live ones.
constexpr std::size_t kGarbage = 1024;

constexpr std::uint32_t kAnyGroup = 0xffffffff;

/// Whether the filter is about the rule, apart from table and match.
bool passes(const Rule& rule, const FlowFilter& filter) {
  if (((rule.cookie() ^ filter.cookie) & filter.cookie_mask) != 0) return false;
  if (filter.out_port != action::of_port::kNone && !outputs_to(rule.actions(), filter.out_port)) return false;
  return filter.out_group == kAnyGroup || uses_group(rule.actions(), filter.out_group);
}

bool selected(const Rule& rule, const FlowFilter& filter) {
  return !rule.is_removed() && passes(rule, filter);
}

/// The table that a flow is added to.
std::uint8_t table_of(const action::FlowSpec& flow) {
  return flow.table == action::kNoTable ? std::uint8_t{0} : flow.table;
}

std::int64_t seconds(std::uint16_t n) {
  return Duration::seconds(n).ns;
}

template <typename T>
std::size_t bytes_of(const std::vector<T>& values) {
  return values.size() * sizeof(T);
}

/// Memory that a list of actions takes beside itself.
std::size_t bytes_of(const action::ActionList& actions) {
  std::size_t bytes = 0;
  for (const action::Action& action : actions) {
    bytes += sizeof(action::Action);
    if (const auto* ct = action::as<action::CtAction>(action)) bytes += bytes_of(ct->nested);
    if (const auto* clone = action::as<action::Clone>(action)) bytes += bytes_of(clone->actions);
    if (const auto* write = action::as<action::WriteActions>(action)) bytes += bytes_of(write->actions);
    if (const auto* learn = action::as<action::Learn>(action)) bytes += bytes_of(learn->specs);
    if (const auto* bundle = action::as<action::Bundle>(action)) bytes += bytes_of(bundle->members);
    if (const auto* to = action::as<action::Controller>(action)) bytes += bytes_of(to->userdata);
    if (const auto* ttl = action::as<action::DecTtl>(action)) bytes += bytes_of(ttl->controllers);
    if (const auto* note = action::as<action::Note>(action)) bytes += bytes_of(note->data);
    if (const auto* encap = action::as<action::Encap>(action)) {
      bytes += bytes_of(encap->nsh_tlvs);
      for (const auto& tlv : encap->nsh_tlvs) bytes += bytes_of(tlv.value);
    }
  }
  return bytes;
}

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Due {
  std::int64_t at_ns;
  RemovedReason reason;
};
/// When the rule times out if nothing uses it until then.
Due due(const Rule& rule) {
  Due result{kNever, RemovedReason::HardTimeout};
  if (rule.hard_timeout()) result.at_ns = rule.modified().ns + seconds(rule.hard_timeout());
  if (rule.idle_timeout()) {
    const std::int64_t idle = rule.stats().last_used().ns + seconds(rule.idle_timeout());
    if (idle < result.at_ns) result = {idle, RemovedReason::IdleTimeout};
  }
  return result;
}

}  // namespace

bool is_about(const FlowFilter& filter, const Rule& rule) {
  if (filter.table != action::kNoTable && filter.table != rule.table()) return false;
  return rule.is_within(filter.match) && passes(rule, filter);
}

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

FlowTables::FlowTables(std::uint64_t secret)
    : meters_(secret),
      group_users_(0, KeyedHash{secret}),
      meter_users_(0, KeyedHash{secret}),
      by_cookie_(secret),
      handle_(Ref<FlowTablesHandle>::adopt(new FlowTablesHandle{this})) {
  for (unsigned i = 0; i < kTables; ++i) tables_[i] = std::make_unique<Table>(secret + i);
}
FlowTables::~FlowTables() {
  handle_->tables = nullptr;
}

// --- Changes

Result<FlowModResult> FlowTables::apply(std::span<const action::FlowSpec> flows, Instant now,
                                        std::size_t* failed) {
  return apply_all(flows, now, failed);
}

Result<FlowModResult> FlowTables::apply(std::span<const Modification> changes, Instant now,
                                        std::size_t* failed) {
  return apply_all(changes, now, failed);
}

Result<FlowModResult> FlowTables::apply(const NextStep& next, Instant now) {
  const Writing writing(*this);
  Change change = begin();
  for (;;) {
    auto step = next();
    if (step && !*step) return finish(change, now);
    Status status =
        step ? take_step(**step, now, change) : Status(tl::unexpected<Error>(std::move(step).error()));
    if (status) continue;
    roll_back(change);
    return tl::unexpected<Error>(std::move(status).error());
  }
}

FlowTables::Change FlowTables::begin() const {
  return {.version = version() + 1,
          .sequence = next_sequence_,
          .effort = effort_.load(std::memory_order_relaxed),
          .keeps_events = keeps_events_};
}

template <typename Specs>
Result<FlowModResult> FlowTables::apply_all(const Specs& specs, Instant now, std::size_t* failed) {
  const Writing writing(*this);
  Change change = begin();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Status status = take_step(specs[i], now, change);
    if (status) continue;
    if (failed) *failed = i;
    roll_back(change);
    return tl::unexpected<Error>(std::move(status).error());
  }
  return finish(change, now);
}

template <typename Step>
Status FlowTables::take_step(const Step& step, Instant now, Change& change) {
  if (change.steps.size() > kMaxChange)
    return field::fail(fmt::format("a change of more than {} flows (OFPBFC_MSG_TOO_MANY)", kMaxChange),
                       OfError::BfcMsgTooMany);
  if (effort_.load(std::memory_order_relaxed) - change.effort > kMaxEffort)
    return field::fail(
        fmt::format("a change that looks at more than {} flows (OFPBFC_MSG_TOO_MANY)", kMaxEffort),
        OfError::BfcMsgTooMany);
  return apply_one(step, now, change);
}

Result<FlowModResult> FlowTables::finish(Change& change, Instant now) {
  delete_learned(change);
  commit(change, now);
  return std::move(change.result);
}

Status FlowTables::apply_one(const Modification& modification, Instant now, Change& change) {
  return std::visit([&](const auto& spec) { return apply_one(spec, now, change); }, modification);
}

Status FlowTables::apply_one(const Step& step, Instant now, Change& change) {
  return std::visit(
      [&]<typename T>(const T& what) -> Status {
        if constexpr (std::is_same_v<T, const Observation*>) {
          publish();
          return (*what)(change.version);
        } else if constexpr (std::is_same_v<T, RuleRef>) {
          return apply_one(what, now, change);
        } else {
          return apply_one(*what, now, change);
        }
      },
      step);
}

Status FlowTables::apply_one(const RuleRef& rule, Instant now, Change& change) {
  SLUICE_TRY(check_references(rule->actions()));
  return add(rule, now, change);
}

Status FlowTables::apply_one(const action::FlowSpec& flow, Instant now, Change& change) {
  switch (flow.command) {
    case action::FlowCommand::Add:
      tables_[table_of(flow)]->classifier.prefetch(flow.match);
      SLUICE_TRY(action::check_executable(flow.actions));
      SLUICE_TRY(check_references(flow.actions));
      return add(make_rule(flow), now, change);
    case action::FlowCommand::Modify:
    case action::FlowCommand::ModifyStrict:
      SLUICE_TRY(action::check_executable(flow.actions));
      SLUICE_TRY(check_references(flow.actions));
      return modify(flow, now, change);
    case action::FlowCommand::Delete:
    case action::FlowCommand::DeleteStrict:
      remove(flow, change);
      return {};
  }
  return field::fail("flow: unknown command", OfError::FmfcBadCommand);
}

Status FlowTables::check_references(const action::ActionList& actions) const {
  Status status;
  any_action(actions, [&](const action::Action& action) {
    if (const auto* group = action::as<action::Group>(action); group && !groups_.current(group->id))
      status = field::fail(fmt::format("group {} does not exist", group->id), OfError::BacBadOutGroup);
    if (const auto* meter = action::as<action::Meter>(action); meter && !meters_.find(meter->id))
      status = field::fail(fmt::format("meter {} does not exist", meter->id), OfError::MmfcInvalidMeter);
    return !status;
  });
  return status;
}

Result<PreparedFlow> FlowTables::prepare(const action::FlowSpec& flow) {
  SLUICE_TRY(action::check_executable(flow.actions));
  const Writing writing(*this);
  PreparedFlow prepared{.rule = make_rule(flow)};
  const MaskShape& shape = prepared.rule->shape();
  const SharedActions& actions = prepared.rule->shared_actions();
  prepared.bytes = Rule::bytes(shape.words());
  prepared.shared = {
      {{&shape, sizeof(MaskShape)}, {&actions, sizeof(SharedActions) + bytes_of(actions.list)}}};
  return prepared;
}

/// The flow that is added, not yet begun.
RuleRef FlowTables::make_rule(const action::FlowSpec& flow) {
  const std::uint8_t number = table_of(flow);
  const bool keeps_cookie = flow.command != action::FlowCommand::Add && flow.new_cookie == kKeepCookie;
  const RuleAttributes attributes{.cookie = keeps_cookie ? 0 : flow.new_cookie.value_or(flow.cookie),
                                  .idle_timeout = flow.idle_timeout,
                                  .hard_timeout = flow.hard_timeout,
                                  .importance = flow.importance,
                                  .flags = flow.flags};
  return Rule::create(tables_[number]->classifier.shape(flow.match.mask, &recent_shapes_), flow.match.value,
                      number, flow.priority, attributes, shared(flow.actions), {});
}

Status FlowTables::add(RuleRef rule, Instant now, Change& change) {
  Table& table = *tables_[rule->table()];
  std::size_t looked_at = 0;
  Rule* old = table.classifier.find(*rule, looked_at);
  const bool overlaps = rule->flags().check_overlap && !old &&
                        table.classifier.overlaps(rule->match(), rule->priority(), looked_at);
  if (looked_at != 0) count_effort(looked_at);
  if (overlaps)
    return field::fail(
        fmt::format("table {}: another flow of priority {} overlaps", rule->table(), rule->priority()),
        OfError::FmfcOverlap);
  if (!old && table.active >= table.config.max_flows && !evict_one(table, change))
    return field::fail(
        fmt::format("table {} is full: it may hold {} flows", rule->table(), table.config.max_flows),
        OfError::FmfcTableFull);

  Ref<RuleStats> stats;
  std::uint64_t sequence = next_sequence_;
  if (old) {
    sequence = old->sequence();
    if (!rule->flags().reset_counts) stats = old->stats_ref();
    take_out(*old, change);
  } else {
    ++next_sequence_;
  }
  if (stats) {
    change.used.push_back(stats);
  } else {
    stats = Ref<RuleStats>::adopt(new RuleStats);
    stats->mark_used(now);
  }
  rule->begin(now, std::move(stats));
  rule->set_sequence(sequence);
  change.tell(FlowEvent{.kind = old ? FlowEvent::Kind::Modified : FlowEvent::Kind::Added,
                        .rule = rule,
                        .old = RuleRef::share(old)});
  insert(std::move(rule), change);
  ++change.result.added;
  return {};
}

/// The actions as another flow has them already, if one of the last that were added does: most flows of a
/// table do the same as many others.
Ref<SharedActions> FlowTables::shared(const action::ActionList& actions) {
  std::size_t hash = actions.size();
  for (const action::Action& action : actions) {
    hash = hash * 31 + action.variant().index();
    if (const auto* output = action::as<action::Output>(action)) hash = hash * 31 + output->port;
  }
  Ref<SharedActions>& recent = recent_actions_[hash % recent_actions_.size()];
  if (!recent || !(recent->list == actions)) recent = SharedActions::create(actions);
  return recent;
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
  if (rules.empty() && flow.cookie_mask == 0 && flow.new_cookie) return add(make_rule(flow), now, change);
  for (Rule* old : rules) {
    RuleAttributes attributes = old->attributes();
    attributes.modified = now;
    attributes.idle_timeout = old->idle_timeout();
    attributes.hard_timeout = old->hard_timeout();
    if (flow.new_cookie.value_or(kKeepCookie) != kKeepCookie) attributes.cookie = *flow.new_cookie;
    if (flow.flags.reset_counts) change.reset.push_back(old->stats_ref());
    RuleRef rule = Rule::create(old->shape_ref(), old->match().value, old->table(), old->priority(),
                                attributes, shared(flow.actions), old->stats_ref());
    rule->set_sequence(old->sequence());
    change.tell(FlowEvent{.kind = FlowEvent::Kind::Modified, .rule = rule, .old = RuleRef::share(old)});
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
  for (Rule* rule : rules) remove(*rule, RemovedReason::Delete, change);
}

void FlowTables::remove(Rule& rule, RemovedReason reason, Change& change) {
  change.result.removed.push_back({RuleRef::share(&rule), reason});
  change.tell({FlowEvent::Kind::Removed, RuleRef::share(&rule), reason});
  take_out(rule, change);
}

bool FlowTables::evict_one(Table& table, Change& change) {
  // Packets may have moved the time-out of an idle flow since it was filed. Of a table where all are in use
  // not all are looked at: the best of some goes.
  constexpr unsigned kLooks = 32;
  std::optional<EvictionList::Candidate> best;
  for (unsigned looks = 0; looks < kLooks; ++looks) {
    auto first = table.evictable.first();
    if (!first) break;
    const std::int64_t due_ns = due(*first->rule).at_ns;
    const bool moved = due_ns > first->due_ns;
    if (moved) {
      table.evictable.unfile(*first->rule);
      table.evictable.file(*first->rule, due_ns);
      first->due_ns = due_ns;
      count_effort(1);
    }
    if (!best || *first < *best) best = first;
    if (!moved) break;
  }
  if (!best) return false;
  remove(*best->rule, RemovedReason::Eviction, change);
  return true;
}

void FlowTables::insert(RuleRef rule, Change& change) {
  rule->set_added(change.version);
  Table& table = *tables_[rule->table()];
  if (table.classifier.insert(rule.get())) unpublished_.push_back(&table);
  table.slots.insert(*rule);
  ++table.active;
  size_.fetch_add(1, std::memory_order_relaxed);
  count_references(*rule, 1, nullptr);
  change.steps.push_back({std::move(rule), true});
}

void FlowTables::take_out(Rule& rule, Change& change) {
  rule.set_removed(change.version);
  Table& table = *tables_[rule.table()];
  table.slots.remove(rule);
  --table.active;
  size_.fetch_sub(1, std::memory_order_relaxed);
  count_references(rule, -1, &change);
  change.steps.push_back({RuleRef::share(&rule), false});
  if (rule.added_in() != change.version) return;
  // Of flows that a change replaces again and again readers are to meet few. The last one stays for now:
  // where it is alone, what takes its place finds its mask there.
  const RuleRef before = std::exchange(change.fleeting, RuleRef::share(&rule));
  if (before) (void)unlink(*before);  // a step holds it until readers have left
}

/// Takes a rule out of its classifier. What readers see of masks is out of date until publish().
RuleRef FlowTables::unlink(Rule& rule) {
  Table& table = *tables_[rule.table()];
  if (unpublished_.empty() || unpublished_.back() != &table) unpublished_.push_back(&table);
  return rule.is_linked() ? table.classifier.unlink(&rule) : RuleRef::share(&rule);
}

void FlowTables::count_references(Rule& rule, int by, Change* change) {
  Table& table = *tables_[rule.table()];
  if (table.config.evicts() && (rule.attributes().idle_timeout || rule.attributes().hard_timeout)) {
    if (by > 0)
      table.evictable.file(rule, due(rule).at_ns);
    else
      table.evictable.unfile(rule);
  }
  if (by > 0)
    by_cookie_.insert(rule);
  else
    by_cookie_.remove(rule);
  if (!cookies_.empty())
    if (const auto it = cookies_.find({rule.table(), rule.cookie()}); it != cookies_.end())
      it->second.flows += static_cast<std::uint32_t>(by);
  const auto refer = [&](UsersById& users, std::uint32_t id) {
    if (by > 0) {
      users[id].rules.insert(&rule);
      return;
    }
    const auto it = users.find(id);
    it->second.rules.erase(&rule);
    if (it->second.rules.empty()) users.erase(it);
  };
  std::set<std::uint32_t> groups, meters;
  any_action(rule.actions(), [&](const action::Action& action) {
    if (const auto* group = action::as<action::Group>(action)) groups.insert(group->id);
    if (const auto* meter = action::as<action::Meter>(action)) meters.insert(meter->id);
    const auto* learn = action::as<action::Learn>(action);
    if (!learn) return false;
    const Learned learned{learn->table, learn->cookie};
    if (learn->limit != 0) count_limited(learned, by);
    if (!learn->delete_learned) return false;
    std::uint32_t& learners = learners_[learned];
    learners += static_cast<std::uint32_t>(by);
    if (learners != 0) return false;
    learners_.erase(learned);
    if (change) change->unlearned.push_back(learned);
    return false;
  });
  for (const std::uint32_t id : groups) refer(group_users_, id);
  for (const std::uint32_t id : meters) refer(meter_users_, id);
}

/// Counts the flows of a table and cookie as long as a learn action limits them.
void FlowTables::count_limited(const Learned& learned, int by) {
  Limited& limited = cookies_[learned];
  if (limited.learners == 0 && by > 0) {
    std::vector<Rule*> rules;
    select({.table = learned.first, .cookie = learned.second, .cookie_mask = ~std::uint64_t{0}}, rules);
    limited.flows = static_cast<std::uint32_t>(rules.size());
  }
  limited.learners += static_cast<std::uint32_t>(by);
  if (limited.learners == 0) cookies_.erase(learned);
}

/// When the last learn(delete_learned) of a table and cookie goes, the flows that it made go too.
void FlowTables::delete_learned(Change& change) {
  std::set<Learned> done;
  while (!change.unlearned.empty()) {
    const Learned learned = change.unlearned.back();
    change.unlearned.pop_back();
    if (learners_.contains(learned) || !done.insert(learned).second) continue;
    std::vector<Rule*> rules;
    select({.table = learned.first, .cookie = learned.second, .cookie_mask = ~std::uint64_t{0}}, rules);
    for (Rule* rule : rules) remove(*rule, RemovedReason::Delete, change);
  }
}

/// Lets readers of the change's version meet its flows.
void FlowTables::publish() {
  for (Table* table : unpublished_) table->classifier.publish();
  unpublished_.clear();
}

void FlowTables::commit(Change& change, Instant now) {
  for (const Ref<RuleStats>& stats : change.reset) stats->reset();
  for (const Ref<RuleStats>& stats : change.used) stats->mark_used(now);
  if (change.steps.empty() && change.group_steps.empty()) return;
  publish();
  version_.store(change.version, std::memory_order_release);
  for (Change::Step<Rule>& step : change.steps) {
    if (!step.added)
      garbage_.push_back(std::move(step.object));
    else if (!step.object->is_removed())
      watch(*step.object);
  }
  for (Change::Step<Group>& step : change.group_steps)
    if (!step.added) group_garbage_.push_back(std::move(step.object));
  if (!change.is_worker && !events_.empty()) change.result.before = take_events_here().events;
  if (change.is_worker && events_.size() < kMaxEvents && !change.result.events.empty()) {
    std::move(change.result.events.begin(), change.result.events.end(), std::back_inserter(events_));
    has_events_.store(true, std::memory_order_release);
  }
  if (!change.is_worker && garbage_.size() > kGarbage + size() / 8) unlink_garbage();
  forget_deadlines();
}

/// Step by step backwards, so that every count is again what it was.
void FlowTables::roll_back(Change& change) {
  std::vector<RuleRef> unlinked;
  for (auto step = change.steps.rbegin(); step != change.steps.rend(); ++step) {
    Rule& rule = *step->object;
    Table& table = *tables_[rule.table()];
    if (!step->added) rule.set_removed(Rule::kForever);
    count_references(rule, step->added ? -1 : 1, nullptr);
    if (step->added) {
      --table.active;
      size_.fetch_sub(1, std::memory_order_relaxed);
      table.slots.remove(rule);
      unlinked.push_back(unlink(rule));
    } else {
      ++table.active;
      table.slots.insert(rule);
      size_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  for (auto step = change.group_steps.rbegin(); step != change.group_steps.rend(); ++step) {
    if (step->added) {
      --group_count_;
      group_bytes_ -= step->object->described_bytes();
      groups_.remove(step->object.get());
    } else {
      ++group_count_;
      group_bytes_ += step->object->described_bytes();
      step->object->set_removed(Rule::kForever);
    }
  }
  next_sequence_ = change.sequence;
  publish();
  retire(std::move(unlinked));
}

/// Lets go of them after a grace period, all at once.
void FlowTables::retire(std::vector<RuleRef> rules) {
  if (rules.empty()) return;
  auto* all = new std::vector<RuleRef>(std::move(rules));
  rcu::retire([all] { delete all; });
}

void FlowTables::collect_garbage() {
  const Writing writing(*this);
  unlink_garbage();
}

void FlowTables::unlink_garbage() {
  if (garbage_.empty() && group_garbage_.empty()) return;
  rcu::synchronize();
  std::vector<RuleRef> unlinked;
  unlinked.reserve(garbage_.size());
  const std::vector<RuleRef> garbage = std::exchange(garbage_, {});
  // Of rules and groups that have replaced each other the youngest is found first.
  for (auto rule = garbage.rbegin(); rule != garbage.rend(); ++rule) unlinked.push_back(unlink(**rule));
  publish();
  retire(std::move(unlinked));
  const std::vector<GroupRef> groups = std::exchange(group_garbage_, {});
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) groups_.remove(group->get());
}

void FlowTables::forget_deadlines() {
  if (deadlines_.size() <= kGarbage + 2 * size()) return;
  deadlines_ = {};
  std::vector<Rule*> rules;
  select({}, rules);
  for (Rule* rule : rules) watch(*rule);
}

void FlowTables::watch(Rule& rule) {
  const Due next = due(rule);
  if (next.at_ns != kNever) deadlines_.push({next.at_ns, RuleRef::share(&rule)});
}

FlowModResult FlowTables::expire(Instant now, std::size_t limit) {
  const Writing writing(*this);
  Change change = begin();
  std::vector<RuleRef> again;
  while (!deadlines_.empty() && deadlines_.top().at_ns <= now.ns && change.result.removed.size() < limit) {
    RuleRef rule = deadlines_.top().rule;
    deadlines_.pop();
    if (rule->is_removed()) continue;
    const Due when = due(*rule);
    if (when.at_ns > now.ns) {
      again.push_back(std::move(rule));
      continue;
    }
    remove(*rule, when.reason, change);
  }
  for (const RuleRef& rule : again) watch(*rule);
  while (!overfull_.empty() && change.result.removed.size() < limit) {
    Table& table = *overfull_.back();
    if (table.active <= table.config.max_flows || !evict_one(table, change)) overfull_.pop_back();
  }
  delete_learned(change);
  commit(change, now);
  return std::move(change.result);
}

TakenEvents FlowTables::take_events() {
  const Writing writing(*this);
  return take_events_here();
}

TakenEvents FlowTables::take_events_here() {
  has_events_.store(false, std::memory_order_relaxed);
  return {std::exchange(events_, {}), here()};
}

template <typename F>
void FlowTables::for_tables(const FlowFilter& filter, F&& f) const {
  if (filter.table != action::kNoTable) return f(*tables_[filter.table]);
  for (const auto& table : tables_)
    if (table->active != 0) f(*table);
}

bool FlowTables::match_leads_to_fewer(const FlowFilter& filter, std::size_t limit) const {
  std::size_t looks = 0;
  for_tables(filter, [&](const Table& table) {
    if (looks < limit) looks += table.classifier.looks(filter.match, limit - looks);
  });
  return looks < limit;
}

void FlowTables::select(const FlowFilter& filter, std::vector<Rule*>& rules) const {
  const auto take_of = [&](const auto& indexed) {
    for (Rule* rule : indexed)
      if (is_about(filter, *rule)) rules.push_back(rule);
    count_effort(indexed.size());
  };
  if (filter.cookie != 0 && filter.cookie_mask == ~std::uint64_t{0}) {
    const auto indexed = by_cookie_.find(filter.cookie);
    if (!match_leads_to_fewer(filter, indexed.size())) return take_of(indexed);
  }
  if (filter.out_group != kAnyGroup) {
    const auto users = group_users_.find(filter.out_group);
    if (users == group_users_.end()) return;
    if (!match_leads_to_fewer(filter, users->second.rules.size())) return take_of(users->second.rules);
  }
  std::size_t looked_at = 0;
  for_tables(filter, [&](const Table& table) {
    looked_at += table.classifier.for_each(filter.match, [&](Rule& rule) {
      if (selected(rule, filter)) rules.push_back(&rule);
    });
  });
  count_effort(looked_at);
}

void FlowTables::select_strict(const FlowFilter& filter, std::uint16_t priority,
                               std::vector<Rule*>& rules) const {
  std::size_t tables = 0, looked_at = 0;
  for_tables(filter, [&](const Table& table) {
    ++tables;
    Rule* rule = table.classifier.find(filter.match, priority, looked_at);
    if (rule && selected(*rule, filter)) rules.push_back(rule);
  });
  // To look into one table is what any flow-mod costs.
  count_effort(looked_at + (tables > 1 ? tables : 0));
}

FlowCursor FlowTables::dump(const FlowFilter& filter) const {
  const std::lock_guard lock(writer_);
  FlowCursor cursor = walk(filter);
  if ((filter.table != action::kNoTable ? tables_[filter.table]->active : size()) > FlowCursor::kInOrder) {
    cursor.before_ = next_sequence_;
    return cursor;
  }
  std::vector<Rule*> rules;
  select(filter, rules);
  std::sort(rules.begin(), rules.end(), [](const Rule* a, const Rule* b) {
    if (a->table() != b->table()) return a->table() < b->table();
    if (a->priority() != b->priority()) return a->priority() > b->priority();
    return a->sequence() < b->sequence();
  });
  cursor.handle_ = {};
  cursor.rules_.reserve(rules.size());
  for (Rule* rule : rules) cursor.rules_.push_back(RuleRef::share(rule));
  cursor.at_end_ = rules.empty();
  return cursor;
}

FlowCursor FlowTables::walk(const FlowFilter& filter, std::uint64_t before) const {
  const bool one_table = filter.table != action::kNoTable;
  FlowCursor cursor;
  cursor.at_end_ = false;
  cursor.handle_ = handle_;
  cursor.filter_ = filter;
  cursor.before_ = before;
  cursor.table_ = one_table ? filter.table : 0;
  cursor.last_table_ = one_table ? filter.table : kTables - 1;
  return cursor;
}

WalkSlice FlowTables::walk_on(FlowCursor& cursor, std::size_t budget) {
  const Writing writing(*this);
  WalkSlice slice{.taken = take_events_here(), .rules = {}};
  while (RuleRef rule = walk_one(cursor, budget)) slice.rules.push_back(std::move(rule));
  return slice;
}

RuleRef FlowTables::next_of(FlowCursor& cursor, std::size_t& budget) {
  const Writing writing(*this);
  return walk_one(cursor, budget);
}

RuleRef FlowTables::walk_one(FlowCursor& cursor, std::size_t& budget) const {
  for (; cursor.table_ <= cursor.last_table_; ++cursor.table_, cursor.slot_ = 0) {
    const FlowSlots& slots = tables_[cursor.table_]->slots;
    while (cursor.slot_ < slots.size()) {
      if (budget == 0) return {};
      --budget;
      Rule* rule = slots.at(cursor.slot_++);
      if (rule && rule->sequence() < cursor.before_ && is_about(cursor.filter_, *rule))
        return RuleRef::share(rule);
    }
  }
  cursor.at_end_ = true;
  return {};
}

RuleRef FlowCursor::next(std::size_t& budget) {
  if (at_end_) return {};
  if (handle_) {
    if (handle_->tables) return handle_->tables->next_of(*this, budget);
    at_end_ = true;
    return {};
  }
  if (budget == 0) return {};
  --budget;
  RuleRef rule = std::move(rules_[position_++]);
  at_end_ = position_ == rules_.size();
  return rule;
}

TableStats FlowTables::stats(std::uint8_t number) const {
  const std::lock_guard lock(writer_);
  const Table& table = *tables_[number];
  return {.table = number,
          .active = table.active,
          .max_flows = table.config.max_flows,
          .lookups = table.counters.lookups.load(std::memory_order_relaxed),
          .matches = table.counters.matches.load(std::memory_order_relaxed),
          .name = table.config.name};
}

void FlowTables::configure(std::uint8_t number, TableConfig config) {
  const Writing writing(*this);
  Table& table = *tables_[number];
  table.miss.store(config.miss, std::memory_order_relaxed);
  table.config = std::move(config);
  table.evictable.begin(table.config.eviction_groups);
  std::erase(overfull_, &table);
  if (!table.config.evicts()) return;
  if (table.active > table.config.max_flows) overfull_.push_back(&table);
  std::vector<Rule*> rules;
  select({.table = number}, rules);
  for (Rule* rule : rules)
    if (rule->attributes().idle_timeout || rule->attributes().hard_timeout)
      table.evictable.file(*rule, due(*rule).at_ns);
}

std::size_t FlowTables::memory_bytes() const {
  const std::lock_guard lock(writer_);
  std::size_t bytes = 0;
  std::vector<Rule*> rules;
  select({}, rules);
  for (const auto& table : tables_) bytes += table->classifier.memory_bytes() + table->slots.memory_bytes();
  for (const Rule* rule : rules) bytes += Rule::bytes(rule->shape().words());
  return bytes;
}

// --- Meters

void FlowTables::set_meter(std::uint32_t id, std::uint32_t dp_meter) {
  const Writing writing(*this);
  meters_.set(id, dp_meter);
}

FlowModResult FlowTables::remove_meters(std::uint32_t id) {
  const Writing writing(*this);
  const bool all = id == action::meter_id::kAll;
  Change change = begin();
  const auto remove_users = [&](UsersById::iterator users) {
    const std::vector<Rule*> rules(users->second.rules.begin(), users->second.rules.end());
    count_effort(rules.size());
    for (Rule* rule : rules) remove(*rule, RemovedReason::MeterDelete, change);
  };
  // With the last flow that names a meter its users go.
  while (all && !meter_users_.empty()) remove_users(meter_users_.begin());
  if (const auto users = meter_users_.find(id); users != meter_users_.end()) remove_users(users);
  delete_learned(change);
  commit(change, {});
  if (all) {
    count_effort(meters_.size());
    meters_.clear();
  } else {
    meters_.remove(id);
  }
  return std::move(change.result);
}

unsigned FlowTables::meter_flows(std::uint32_t id) const {
  const std::lock_guard lock(writer_);
  const auto users = meter_users_.find(id);
  return users == meter_users_.end() ? 0 : static_cast<unsigned>(users->second.rules.size());
}

// --- What packets ask for

void FlowTables::learn(Ref<LearnedFlow> flow, Instant now) {
  inbox_.push({.learned = std::move(flow), .shortened = {}, .now = now});
  serve_requests();
}

void FlowTables::shorten(const RuleRef& rule, std::uint16_t idle, std::uint16_t hard, Instant now) {
  if (!rule->shorten(idle, hard)) return;
  inbox_.push({.learned = {}, .shortened = rule, .now = now});
  serve_requests();
}

/// Does what the inbox holds, unless somebody else is writing: then they do it when they are done.
void FlowTables::serve_requests() {
  while (!inbox_.empty()) {
    const std::unique_lock lock(writer_, std::try_to_lock);
    if (!lock) return;
    const rcu::WithoutWaiting no_grace_periods;
    for (const FlowRequest& request : inbox_.take()) serve(request);
  }
}

void FlowTables::serve(const FlowRequest& request) {
  if (!request.learned) {
    if (!request.shortened->is_removed()) watch(*request.shortened);
    return;
  }
  const LearnedFlow& flow = *request.learned;
  const std::uint8_t table = flow.spec.table;
  if (Rule* old = tables_[table]->classifier.find(flow.spec.match, flow.spec.priority);
      old && same_as(*old, flow.spec)) {
    old->refresh(request.now);
    return;
  }
  if (!below_limit(flow)) return;
  Change change = begin();
  change.is_worker = true;
  if (add(make_rule(flow.spec), request.now, change)) {
    delete_learned(change);
    commit(change, request.now);
    changed_.fetch_add(1, std::memory_order_release);
  } else {
    roll_back(change);
  }
}

bool FlowTables::same_as(const Rule& rule, const action::FlowSpec& flow) {
  const RuleAttributes& has = rule.attributes();
  return rule.cookie() == flow.new_cookie.value_or(0) && has.idle_timeout == flow.idle_timeout &&
         has.hard_timeout == flow.hard_timeout && has.flags == flow.flags && rule.actions() == flow.actions;
}

bool FlowTables::below_limit(const LearnedFlow& flow) const {
  if (flow.limit == 0) return true;
  const auto limited = cookies_.find({flow.spec.table, flow.spec.new_cookie.value_or(0)});
  if (limited == cookies_.end() || limited->second.flows < flow.limit) return true;
  return tables_[flow.spec.table]->classifier.find(flow.spec.match, flow.spec.priority) != nullptr;
}

bool FlowTables::may_learn(const LearnedFlow& flow) const {
  if (flow.limit == 0) return true;
  const std::unique_lock lock(writer_, std::try_to_lock);
  return !lock || below_limit(flow);
}

}  // namespace sluice::pipeline
