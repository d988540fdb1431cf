#include "pipeline/credits.h"

#include <utility>

#include "pipeline/flow_inbox.h"

namespace sluice::pipeline {

namespace {

constexpr std::uint16_t kFinOrRst = 0x05;

}  // namespace

Credits::Credits() = default;
Credits::Credits(Credits&&) noexcept = default;
Credits& Credits::operator=(Credits&&) noexcept = default;
Credits::~Credits() = default;

void Credits::credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used, std::uint16_t tcp_flags) {
  if (packets == 0) return;
  for (const RuleRef& rule : rules_) rule->stats().credit(packets, bytes, last_used);
  for (const Ref<RuleStats>& stats : traffic_) stats->credit(packets, bytes, last_used);
  for (const TableCredit& table : tables_counted_) {
    table.counters->lookups.fetch_add(packets, std::memory_order_relaxed);
    if (table.matched) table.counters->matches.fetch_add(packets, std::memory_order_relaxed);
  }
  for (const MacRefresh& mac : macs_)
    if (!mac.table->would_change(mac.mac, mac.vlan, mac.port, last_used))
      mac.table->learn(mac.mac, mac.vlan, mac.port, last_used);
  if (tcp_flags & kFinOrRst)
    for (const FinTimeout& fin : fin_timeouts_) fin.tables->shorten(fin.rule, fin.idle, fin.hard, last_used);
  if (packets > std::exchange(learned_by_, 0))
    for (const Learning& learning : learned_) learning.tables->learn(learning.flow, last_used);
}

void Credits::add_fin_timeout(FlowRequests& tables, Rule* rule, std::uint16_t idle, std::uint16_t hard) {
  fin_timeouts_.push_back({&tables, RuleRef::share(rule), idle, hard});
}

void Credits::add_learned(FlowRequests& tables, Ref<LearnedFlow> flow, bool done) {
  if (done) learned_by_ = 1;
  learned_.push_back({&tables, std::move(flow)});
}

void Credits::clear() {
  rules_.clear();
  tables_counted_.clear();
  states_.clear();
  macs_.clear();
  traffic_.clear();
  fin_timeouts_.clear();
  learned_.clear();
  learned_by_ = 0;
}

}  // namespace sluice::pipeline
