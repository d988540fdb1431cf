#include "pipeline/pipeline.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/rcu.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using packet::DropReason;

void TranslationResult::clear() {
  mask = {};
  program.clear();
  credits.clear();
  drop.reset();
  cacheable = true;
}

struct Pipeline::Impl {
  Impl(std::uint64_t secret, BridgeConfig config, FrozenStore* shared)
      : tables(secret),
        own_frozen(shared ? nullptr : std::make_unique<FrozenStore>(secret ^ 0x9e3779b97f4a7c15)),
        frozen(shared ? *shared : *own_frozen),
        macs(secret ^ 0x2545f4914f6cdd1d),
        multicast(secret ^ 0x6a09e667f3bcc909) {
    auto first = std::make_unique<PortTable>();
    first->config = std::move(config);
    ports.publish(std::move(first));
  }

  TranslationInput input(const Pipeline& pipeline, Instant now) {
    return {.bridge = pipeline.view(), .frozen = frozen, .now = now};
  }
  /// Changes a copy of the ports and settings, and publishes it unless more is to come.
  template <typename Change>
  void change_ports(Pipeline& pipeline, const Change& change) {
    if (!next_ports) next_ports = std::make_unique<PortTable>(*ports.get());
    change(*next_ports);
    if (holds == 0) publish_ports(pipeline);
  }
  void publish_ports(Pipeline& pipeline) {
    if (!next_ports) return;
    next_ports->index();
    ports.publish(std::move(next_ports));
    pipeline.bump_epoch();
  }
  /// What main has made of them so far.
  const PortTable& latest() const { return next_ports ? *next_ports : *ports.get(); }

  FlowTables tables;
  const std::unique_ptr<FrozenStore> own_frozen;
  FrozenStore& frozen;
  l2::MacTable macs;
  l2::MulticastTable multicast;
  rcu::Published<PortTable> ports;
  std::unique_ptr<PortTable> next_ports;  ///< changed and not yet published; without its index
  unsigned holds = 0;                     ///< PortChanges that live
};

Pipeline::Pipeline(std::uint64_t secret, BridgeConfig config, FrozenStore* frozen)
    : impl_(std::make_unique<Impl>(secret, std::move(config), frozen)) {}
Pipeline::~Pipeline() = default;

// --- Workers

namespace {

void conclude(const Translator& translator, const BridgeConfig& config, TranslationResult& result) {
  result.drop = translator.drop();
  result.l2 = translator.rests_on();
  const auto error = translator.error();
  // These pass: the next packet may fare better.
  if (error == DropReason::RecirculationLost || error == DropReason::RecirculationExhausted ||
      translator.unlearned())
    result.cacheable = false;
  if (config.explicit_drop && result.program.empty() && result.drop)
    result.program.push_back(dp_action::Drop{*result.drop});
}

}  // namespace

BridgeView Pipeline::view() const {
  return {.pipeline = this,
          .tables = &impl_->tables,
          .ports = impl_->ports.get(),
          .macs = &impl_->macs,
          .multicast = &impl_->multicast,
          .version = impl_->tables.version()};
}

void Pipeline::translate(const flow::FlowKey& key, bool may_learn, Instant now, TranslationResult& result) {
  result.clear();
  const rcu::WithoutWaiting reading;
  TranslationInput input = impl_->input(*this, now);
  input.may_learn = may_learn;
  Translator translator(input, key, result.mask, result.program, result.credits);
  translator.run();
  conclude(translator, input.bridge.ports->config, result);
}

void Pipeline::translate_actions(const flow::FlowKey& key, const action::ActionList& actions, Instant now,
                                 TranslationResult& result, std::optional<std::uint64_t> version) {
  result.clear();
  TranslationInput input = impl_->input(*this, now);
  if (version) input.bridge.version = *version;
  input.may_learn = !version;  // in the midst of a change nothing else may change
  Translator translator(input, key, result.mask, result.program, result.credits);
  translator.run_actions(actions);
  conclude(translator, input.bridge.ports->config, result);
}

FrozenRef Pipeline::frozen_state(std::uint32_t recirc_id) const {
  return impl_->frozen.find(recirc_id);
}

std::optional<std::uint32_t> Pipeline::of_port_of(std::uint32_t dp_port) const {
  const PortTable& ports = *impl_->ports.get();
  const auto it = ports.by_dp_port.find(dp_port);
  if (it == ports.by_dp_port.end()) return std::nullopt;
  return ports.ports[it->second].of_port;
}

std::optional<std::uint32_t> Pipeline::dp_port_of(std::uint32_t of_port) const {
  const PortInfo* info = impl_->ports.get()->find(of_port);
  return info && info->dp_port != kNoDpPort ? std::optional(info->dp_port) : std::nullopt;
}

// --- Flows

std::uint64_t Pipeline::tables_epoch() const {
  return epoch_.load(std::memory_order_acquire) + impl_->tables.changes_by_packets();
}

Result<FlowModResult> Pipeline::apply(const action::FlowSpec& flow, Instant now) {
  return apply(std::span(&flow, 1), now);
}

Result<FlowModResult> Pipeline::apply(std::span<const action::FlowSpec> flows, Instant now,
                                      std::size_t* failed) {
  Result<FlowModResult> result = impl_->tables.apply(flows, now, failed);
  if (result && (result->added || result->modified || !result->removed.empty())) bump_epoch();
  return result;
}

Result<FlowModResult> Pipeline::apply(std::span<const Modification> changes, Instant now,
                                      std::size_t* failed) {
  Result<FlowModResult> result = impl_->tables.apply(changes, now, failed);
  if (result) bump_epoch();
  return result;
}

Result<FlowModResult> Pipeline::apply(const action::GroupSpec& group, Instant now) {
  const action::GroupSpec* step = &group;
  return apply(
      [&]() -> Result<std::optional<Step>> {
        const auto* next = std::exchange(step, nullptr);
        return next ? std::optional<Step>(next) : std::nullopt;
      },
      now);
}

Result<FlowModResult> Pipeline::apply(const NextStep& next, Instant now) {
  Result<FlowModResult> result = impl_->tables.apply(next, now);
  if (result && (result->added || result->modified || result->groups || !result->removed.empty()))
    bump_epoch();
  return result;
}

Result<PreparedFlow> Pipeline::prepare(const action::FlowSpec& flow) {
  return impl_->tables.prepare(flow);
}

Status Pipeline::check_references(const action::ActionList& actions) const {
  return impl_->tables.check_references(actions);
}
Moment Pipeline::moment() const {
  return impl_->tables.moment();
}
FrozenRef Pipeline::freeze(FrozenData data) {
  data.bridge = this;
  return impl_->frozen.intern(std::move(data));
}

std::size_t Pipeline::clear_flows() {
  action::FlowSpec all;
  all.command = action::FlowCommand::Delete;
  const auto result = apply(all, Instant{});
  return result ? result->removed.size() : 0;
}

FlowModResult Pipeline::expire(Instant now, std::size_t limit) {
  FlowModResult result = impl_->tables.expire(now, limit);
  if (!result.removed.empty()) bump_epoch();
  return result;
}

FlowCursor Pipeline::dump(const FlowFilter& filter) const {
  return impl_->tables.dump(filter);
}
FlowCursor Pipeline::walk(const FlowFilter& filter, std::uint64_t before) const {
  return impl_->tables.walk(filter, before);
}
WalkSlice Pipeline::walk_on(FlowCursor& cursor, std::size_t budget) {
  return impl_->tables.walk_on(cursor, budget);
}
std::size_t Pipeline::flow_count() const {
  return impl_->tables.size();
}
std::size_t Pipeline::take_effort() {
  return impl_->tables.take_effort();
}
std::size_t Pipeline::memory_bytes() const {
  return impl_->tables.memory_bytes();
}
TableStats Pipeline::table_stats(std::uint8_t table) const {
  return impl_->tables.stats(table);
}
const TableConfig& Pipeline::table_config(std::uint8_t table) const {
  return impl_->tables.config(table);
}

void Pipeline::keep_events(KeepEvents which) {
  impl_->tables.keep_events(which);
}
bool Pipeline::has_events() const {
  return impl_->tables.has_events();
}
TakenEvents Pipeline::take_events() {
  return impl_->tables.take_events();
}
std::vector<std::uint32_t> Pipeline::group_ids(std::uint32_t id) const {
  return impl_->tables.group_ids(id);
}
std::vector<action::GroupSpec> Pipeline::groups(std::uint32_t id) const {
  return impl_->tables.groups(id);
}
std::vector<action::GroupCounters> Pipeline::group_counters(std::uint32_t id, Instant now) const {
  return impl_->tables.group_counters(id, now);
}
void Pipeline::set_meter(std::uint32_t id, std::uint32_t dp_meter) {
  impl_->tables.set_meter(id, dp_meter);
  bump_epoch();
}
FlowModResult Pipeline::remove_meters(std::uint32_t id) {
  FlowModResult result = impl_->tables.remove_meters(id);
  bump_epoch();
  return result;
}
unsigned Pipeline::meter_flows(std::uint32_t id) const {
  return impl_->tables.meter_flows(id);
}

Status Pipeline::configure_table(std::uint8_t table, TableConfig config) {
  if (table >= kTables)
    return fail(fmt::format("table {} does not exist: expected 0 to {}", table, kTables - 1));
  impl_->tables.configure(table, std::move(config));
  bump_epoch();
  return {};
}

// --- Ports, bridge, MAC table

PortChanges::PortChanges(Pipeline& pipeline) : pipeline_(pipeline) {
  ++pipeline_.impl_->holds;
}
PortChanges::~PortChanges() {
  if (--pipeline_.impl_->holds == 0) pipeline_.impl_->publish_ports(pipeline_);
}

void Pipeline::set_port(std::uint32_t of_port, PortInfo info) {
  impl_->change_ports(*this, [&](PortTable& table) { table.put(of_port, std::move(info)); });
}

void Pipeline::remove_port(std::uint32_t of_port) {
  impl_->change_ports(*this, [&](PortTable& table) { table.erase(of_port); });
  impl_->macs.flush_port(of_port);
  impl_->multicast.flush_port(of_port);
  bump_epoch();
}

std::optional<PortInfo> Pipeline::port(std::uint32_t of_port) const {
  const PortInfo* info = impl_->latest().find(of_port);
  return info ? std::optional(*info) : std::nullopt;
}

std::vector<std::uint32_t> Pipeline::ports() const {
  std::vector<std::uint32_t> result;
  for (const PortTable::Port& port : impl_->latest().ports) result.push_back(port.of_port);
  std::sort(result.begin(), result.end());
  return result;
}

void Pipeline::set_mirrors(std::vector<Mirror> mirrors) {
  const std::vector<Mirror>& before = impl_->latest().mirrors;
  if (mirrors.size() > kMaxMirrors) mirrors.resize(kMaxMirrors);
  for (Mirror& mirror : mirrors) {
    const auto same =
        std::find_if(before.begin(), before.end(), [&](const Mirror& m) { return m.name == mirror.name; });
    mirror.copied = same == before.end() ? Ref<RuleStats>::adopt(new RuleStats) : same->copied;
  }
  if (mirrors == before) return;
  impl_->change_ports(*this, [&](PortTable& table) { table.mirrors = std::move(mirrors); });
}

const std::vector<Mirror>& Pipeline::mirrors() const {
  return impl_->latest().mirrors;
}

void Pipeline::set_bond(const std::string& name, const std::optional<l2::BondView>& bond) {
  const auto& before = impl_->latest().bonds;
  const auto found = before.find(name);
  if (!bond && found == before.end()) return;
  PortTable::Bond made;
  if (bond) {
    static_cast<l2::BondView&>(made) = *bond;
    if (found != before.end()) made.traffic = found->second.traffic;
    if (bond->owners.empty()) made.traffic.clear();
    while (made.traffic.size() < bond->owners.size())
      made.traffic.push_back(Ref<RuleStats>::adopt(new RuleStats));
    if (found != before.end() && found->second == made) return;
  }
  impl_->change_ports(*this, [&](PortTable& table) {
    if (bond)
      table.bonds.insert_or_assign(name, std::move(made));
    else
      table.bonds.erase(name);
  });
}

FrozenRef Pipeline::freeze_bond(const std::string& name) {
  FrozenData data;
  data.bond = name;
  return freeze(std::move(data));
}

std::vector<std::uint64_t> Pipeline::take_bond_traffic(const std::string& name) {
  std::vector<std::uint64_t> bytes;
  const auto& bonds = impl_->latest().bonds;
  if (const auto bond = bonds.find(name); bond != bonds.end())
    for (const Ref<RuleStats>& share : bond->second.traffic) {
      bytes.push_back(share->bytes());
      share->reset();
    }
  return bytes;
}

void Pipeline::configure(BridgeConfig config) {
  impl_->change_ports(*this, [&](PortTable& table) { table.config = std::move(config); });
}

const BridgeConfig& Pipeline::config() const {
  return impl_->latest().config;
}
l2::MulticastTable& Pipeline::multicast_table() {
  return impl_->multicast;
}
const l2::MulticastTable& Pipeline::multicast_table() const {
  return impl_->multicast;
}
l2::MacTable& Pipeline::mac_table() {
  return impl_->macs;
}
const l2::MacTable& Pipeline::mac_table() const {
  return impl_->macs;
}

void Pipeline::run(Instant now) {
  impl_->macs.expire(now);
  impl_->multicast.expire(now);
  if (impl_->own_frozen) impl_->own_frozen->sweep(now);
  impl_->tables.collect_garbage();
  rcu::reclaim();  // what workers retired: they never wait
}

// --- Trace

ExplainResult Pipeline::explain(const flow::FlowKey& key, Instant now, const CtHook& hook,
                                const action::Names& names, bool may_learn) {
  TranslationInput input = impl_->input(*this, now);
  input.may_learn = may_learn;
  return explain_packet(input, key, nullptr, hook, names);
}

ExplainResult Pipeline::explain_actions(const flow::FlowKey& key, const action::ActionList& actions,
                                        Instant now, const CtHook& hook, const action::Names& names) {
  return explain_packet(impl_->input(*this, now), key, &actions, hook, names);
}

}  // namespace sluice::pipeline
