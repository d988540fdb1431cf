// Tables: what they can do and hold, eviction, and vacancy events (OpenFlow 1.4.0 sections 5.6, 7.4.5).
#include <fmt/core.h>

#include <algorithm>
#include <bitset>

#include "datapath/datapath.h"
#include "field/of_error.h"
#include "ofproto/of_actions.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using field::OfError;
using openflow::TableMiss;

namespace {

/// OFPTMPEF14_*: what an evicted flow is chosen by.
constexpr std::uint32_t kEvictionFlags = 7;
/// How many flows a table is said to hold: what Open vSwitch says of those without a limit.
std::uint32_t told_max_flows(std::uint32_t max_flows) {
  constexpr std::uint32_t kWithoutLimit = 1'000'000;
  return max_flows == pipeline::kMaxFlows ? kWithoutLimit : max_flows;
}

pipeline::TableMiss miss_of(TableMiss miss) {
  switch (miss) {
    case TableMiss::Controller:
      return pipeline::TableMiss::Controller;
    case TableMiss::Continue:
      return pipeline::TableMiss::Continue;
    case TableMiss::Drop:
      return pipeline::TableMiss::Drop;
    case TableMiss::Default:
      break;
  }
  return pipeline::TableMiss::Default;
}
TableMiss miss_of(pipeline::TableMiss miss) {
  switch (miss) {
    case pipeline::TableMiss::Controller:
      return TableMiss::Controller;
    case pipeline::TableMiss::Continue:
      return TableMiss::Continue;
    case pipeline::TableMiss::Drop:
      return TableMiss::Drop;
    case pipeline::TableMiss::Default:
      break;
  }
  return TableMiss::Default;
}

struct Fields {
  openflow::FieldSet match, mask, writable;
};
const Fields& fields() {
  static const Fields all = [] {
    Fields sets;
    for (const field::FieldSpec& spec : field::all_fields()) {
      const auto bit = static_cast<std::size_t>(spec.id);
      if (spec.id == field::FieldId::SkbPriority) continue;
      sets.match.set(bit);
      if (spec.mask == field::MaskPolicy::Bitwise) sets.mask.set(bit);
      if (spec.access == field::Access::ReadWrite) sets.writable.set(bit);
    }
    return sets;
  }();
  return all;
}

}  // namespace

Status OpenFlowAgent::change_table(openflow::OfVersion version, const openflow::TableMod& mod) {
  if (mod.table >= kVisibleTables && mod.table != action::kNoTable)
    return field::fail(fmt::format("table {} is the switch's own (OFPTMFC_EPERM)", mod.table),
                       OfError::TmfcEperm);
  const bool all = mod.table == action::kNoTable;
  for (unsigned i = all ? 0 : mod.table; i < (all ? kVisibleTables : mod.table + 1u); ++i) {
    const auto table = static_cast<std::uint8_t>(i);
    pipeline::TableConfig config = pipeline().table_config(table);
    const bool evicts = mod.eviction.value_or(config.evict_asked);
    const auto miss = version < openflow::k13 ? miss_of(mod.miss) : config.miss;
    if (evicts != config.evict_asked || miss != config.miss) {
      config.evict_asked = evicts;
      config.miss = miss;
      SLUICE_TRY(pipeline().configure_table(table, std::move(config)));
    }
    if (version < openflow::k14) continue;
    VacancyEvents& events = vacancy_[table];
    events.on = mod.vacancy.has_value();
    if (!events.on) continue;
    events.down = mod.vacancy->down;
    events.up = mod.vacancy->up;
    // Which comes next: a table with little room waits for it to grow.
    events.next_is_down = vacancy_percent(table) >= events.up;
  }
  watches_vacancy_ =
      std::any_of(vacancy_.begin(), vacancy_.end(), [](const auto& events) { return events.on; });
  return {};
}

std::uint8_t OpenFlowAgent::vacancy_percent(std::uint8_t table) const {
  const pipeline::TableStats stats = pipeline().table_stats(table);
  const std::uint32_t room = told_max_flows(stats.max_flows);
  if (stats.active >= room) return 0;
  return static_cast<std::uint8_t>(std::uint64_t{room - stats.active} * 100 / room);
}

void OpenFlowAgent::watch_vacancy() {
  for (unsigned i = 0; i < kVisibleTables; ++i) {
    const auto table = static_cast<std::uint8_t>(i);
    VacancyEvents& events = vacancy_[table];
    if (!events.on) continue;
    const std::uint8_t now = vacancy_percent(table);
    const bool happened = events.next_is_down ? now < events.down : now > events.up;
    if (!happened) continue;
    const auto reason =
        events.next_is_down ? openflow::TableReason::VacancyDown : openflow::TableReason::VacancyUp;
    events.next_is_down = !events.next_is_down;
    env_.sessions.deliver(openflow::AsyncKind::TableStatus, static_cast<unsigned>(reason),
                          openflow::TableStatus{reason, describe_table(table)});
  }
}

openflow::TableDescription OpenFlowAgent::describe_table(std::uint8_t table) const {
  openflow::TableDescription description;
  description.table = table;
  description.eviction = pipeline().table_config(table).evict_asked;
  description.eviction_flags = kEvictionFlags;
  if (const VacancyEvents& events = vacancy_[table]; events.on)
    description.vacancy =
        openflow::Vacancy{.down = events.down, .up = events.up, .current = vacancy_percent(table)};
  return description;
}

openflow::TableDescReply OpenFlowAgent::describe_tables() const {
  openflow::TableDescReply reply;
  for (unsigned table = 0; table < kVisibleTables; ++table)
    reply.entries.push_back(describe_table(static_cast<std::uint8_t>(table)));
  return reply;
}

openflow::TableFeatures OpenFlowAgent::table_features(std::uint8_t table, openflow::OfVersion version) const {
  constexpr std::uint32_t kGoto = 1 << 1, kMeter = 1 << 6, kOthers = 0x3c;  // write_metadata to clear_actions
  const pipeline::TableConfig& config = pipeline().table_config(table);
  openflow::TableFeatures features;
  features.table = table;
  features.name = config.name;
  features.metadata_match = features.metadata_write = ~std::uint64_t{0};
  features.max_entries = told_max_flows(config.max_flows);
  features.miss_config = miss_of(config.miss);
  if (version >= openflow::k14) features.eviction = features.vacancy_events = true;
  openflow::TableAbilities& hit = features.hit;
  for (unsigned next = table + 1u; next < kVisibleTables; ++next) hit.next.set(next);
  hit.instructions = kOthers | (hit.next.any() ? kGoto : 0);
  // 1.5 made meters an action.
  if (version == openflow::k13 || version == openflow::k14) hit.instructions |= kMeter;
  hit.apply.actions = action_bits(version);
  hit.apply.set_fields = fields().writable;
  hit.write = hit.apply;
  features.miss = hit;
  features.match = features.wildcard = fields().match;
  features.mask = fields().mask;
  return features;
}

namespace {

/// What a version of the protocol can say of it.
openflow::TableFeatures as_told(const openflow::TableFeatures& features, openflow::OfVersion version) {
  const auto bytes = openflow::encode(
      openflow::make_message(openflow::TableFeaturesReply{{features}}, {.version = version}, 0));
  return openflow::as<openflow::TableFeaturesReply>(*openflow::decode(bytes))->entries.front();
}

}  // namespace

openflow::TableFeaturesReply OpenFlowAgent::all_table_features(openflow::OfVersion version) const {
  openflow::TableFeaturesReply reply;
  for (unsigned table = 0; table < kVisibleTables; ++table)
    reply.entries.push_back(table_features(static_cast<std::uint8_t>(table), version));
  return reply;
}

/// Of what a request to change the features of tables may ask, only names change: what a table can do is
/// fixed, and all of it is always there.
Status OpenFlowAgent::rename_tables(openflow::OfVersion version,
                                    const openflow::TableFeaturesRequest& request) {
  using openflow::TableCommand;
  SLUICE_ASSIGN(const auto wanted, request.parsed(version));
  const auto refuse = [](std::string_view what) {
    return field::fail(fmt::format("{} cannot change (OFPTFFC_EPERM)", what), OfError::TffcEperm);
  };
  std::size_t replaced = 0;
  for (const openflow::TableFeatures& table : wanted.entries) {
    if (table.table >= kVisibleTables)
      return field::fail(fmt::format("table {} has no features (OFPTFFC_BAD_TABLE)", table.table),
                         OfError::TffcBadTable);
    if (table.command == TableCommand::Enable || table.command == TableCommand::Disable)
      return refuse(fmt::format("whether there is table {}", table.table));
    replaced += table.command == TableCommand::Replace ? 1 : 0;
    openflow::TableFeatures told = as_told(table_features(table.table, version), version);
    told.name = table.name;
    told.command = table.command;
    if (table.properties == 0) {  // then also what it is able to is not said
      told.eviction = table.eviction;
      told.vacancy_events = table.vacancy_events;
      told.properties = 0;
      told.hit = told.miss = {};
      told.match = told.mask = told.wildcard = {};
    }
    if (told != table) return refuse(fmt::format("what table {} can do", table.table));
  }
  // Tables that are not among those that replace all would be gone.
  if (replaced != 0 && replaced != kVisibleTables) return refuse("how many tables there are");
  for (const openflow::TableFeatures& table : wanted.entries) {
    pipeline::TableConfig config = pipeline().table_config(table.table);
    if (config.name == table.name) continue;
    config.name = table.name;
    SLUICE_TRY(pipeline().configure_table(table.table, std::move(config)));
  }
  return {};
}

openflow::TableStatsReply OpenFlowAgent::table_stats(openflow::OfVersion version) const {
  env_.datapath.push_stats();
  openflow::TableStatsReply reply;
  for (unsigned i = 0; i < kVisibleTables; ++i) {
    const auto table = static_cast<std::uint8_t>(i);
    const pipeline::TableStats stats = pipeline().table_stats(table);
    openflow::TableStatsReply::Entry& entry = reply.entries.emplace_back();
    entry.counters = {
        .table = table, .active = stats.active, .lookups = stats.lookups, .matched = stats.matches};
    if (version < openflow::k13) entry.features = table_features(table, version);
  }
  return reply;
}

}  // namespace sluice::ofproto
