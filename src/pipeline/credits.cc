#include "pipeline/credits.h"

namespace sluice::pipeline {

void Credits::credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used) const {
  if (packets == 0) return;
  for (const RuleRef& rule : rules_) rule->stats().credit(packets, bytes, last_used);
  for (const TableCredit& table : tables_) {
    table.counters->lookups.fetch_add(packets, std::memory_order_relaxed);
    if (table.matched) table.counters->matches.fetch_add(packets, std::memory_order_relaxed);
  }
  for (const MacRefresh& mac : macs_)
    if (!mac.table->would_change(mac.mac, mac.vlan, mac.port, last_used))
      mac.table->learn(mac.mac, mac.vlan, mac.port, last_used);
}

void Credits::clear() {
  rules_.clear();
  tables_.clear();
  states_.clear();
  macs_.clear();
}

}  // namespace sluice::pipeline
