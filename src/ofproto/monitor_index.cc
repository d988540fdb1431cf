#include "ofproto/monitor_index.h"

#include <algorithm>

namespace sluice::ofproto {

using openflow::MonitorFlags;
using pipeline::FlowEvent;

namespace {

bool wants(const MonitorFlags& flags, FlowEvent::Kind kind) {
  switch (kind) {
    case FlowEvent::Kind::Added:
      return flags.add;
    case FlowEvent::Kind::Modified:
      return flags.modify;
    case FlowEvent::Kind::Removed:
      return flags.removed;
  }
  return false;
}

void join(std::optional<MonitorFlags>& all, const MonitorFlags& more) {
  if (!all) all.emplace();
  all->actions |= more.actions;
  all->own |= more.own;
  all->no_abbrev |= more.no_abbrev;
  all->only_own |= more.only_own;
}

}  // namespace

void MonitorIndex::add(const FlowMonitor& monitor) {
  const pipeline::FlowFilter& filter = monitor.filter;
  const flow::MiniMask mask(filter.match.mask);
  auto shape = std::find_if(shapes_.begin(), shapes_.end(), [&](const Shape& s) {
    return s.rest.table == filter.table && s.rest.out_port == filter.out_port &&
           s.rest.out_group == filter.out_group && s.mask == mask;
  });
  if (shape == shapes_.end())
    shape = shapes_.insert(
        shapes_.end(),
        {.rest = {.table = filter.table, .out_port = filter.out_port, .out_group = filter.out_group},
         .mask = mask});
  std::vector<std::uint64_t> value(mask.words());
  mask.compress(filter.match.value, value.data());
  Wanted& wanted = shape->by_value[std::move(value)];
  for (const auto kind : {FlowEvent::Kind::Added, FlowEvent::Kind::Modified, FlowEvent::Kind::Removed}) {
    if (!wants(monitor.flags, kind)) continue;
    join(wanted[1][static_cast<std::size_t>(kind)], monitor.flags);
    if (!monitor.flags.only_own) join(wanted[0][static_cast<std::size_t>(kind)], monitor.flags);
  }
}

/// Whether the flow matches at least the bits that the monitors do.
bool MonitorIndex::Shape::covers(const pipeline::Rule& rule, const flow::Match& match) const {
  if (rest.table != action::kNoTable && rest.table != rule.table()) return false;
  for (unsigned i = 0; i < mask.words(); ++i)
    if ((mask.bits(i) & ~flow::word_at(match.mask.bits, mask.index(i))) != 0) return false;
  return true;
}

/// Whether its actions are those that the monitors are about.
bool MonitorIndex::Shape::passes(const pipeline::Rule& rule) const {
  return pipeline::is_about(rest, rule);
}

std::optional<MonitorFlags> MonitorIndex::flags_for(FlowEvent::Kind kind, const pipeline::Rule& rule,
                                                    const pipeline::Rule* old, bool own) const {
  std::optional<MonitorFlags> flags;
  const flow::Match match = rule.match();
  std::vector<std::uint64_t> value;
  for (const Shape& shape : shapes_) {
    if (!shape.covers(rule, match)) continue;
    value.resize(shape.mask.words());
    shape.mask.compress(match.value, value.data());
    const auto found = shape.by_value.find(value);
    if (found == shape.by_value.end()) continue;
    const auto& wanted = found->second[own ? 1 : 0][static_cast<std::size_t>(kind)];
    if (wanted && (shape.passes(rule) || (old && shape.passes(*old)))) join(flags, *wanted);
  }
  return flags;
}

}  // namespace sluice::ofproto
