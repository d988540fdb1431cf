#include "ofproto/of_dump.h"

#include "datapath/datapath.h"

namespace sluice::ofproto {

pipeline::FlowFilter filter_of(const openflow::FlowFilter& filter) {
  return {.table = filter.table,
          .match = filter.match,
          .cookie = filter.cookie,
          .cookie_mask = filter.cookie_mask,
          .out_port = filter.out_port,
          .out_group = filter.out_group};
}

FlowDump::FlowDump(const AgentEnvironment& environment, const openflow::Message& request,
                   const openflow::FlowFilter& filter)
    : env_(environment), request_(request) {
  env_.datapath.push_stats();
  cursor_ = env_.bridge.pipeline().dump(filter_of(filter));
}

Result<bool> FlowDump::step(openflow::Session& session) {
  const Instant now = env_.clock.now();
  std::size_t budget = kFlowsPerSlice;
  while (const pipeline::RuleRef rule = cursor_.next(budget)) {
    if (piece_.entries.size() == kFlowsPerPiece) {
      session.reply(request_, std::exchange(piece_, {}), true);
      // The rest of the slice is left to others: a full piece costs as much to write as many flows to pass
      // by.
      budget = 0;
    }
    const pipeline::FlowInfo flow = rule->info();
    piece_.entries.push_back({flow.spec(), flow.counters(now)});
  }
  if (!cursor_.at_end()) return true;
  session.reply(request_, std::move(piece_));
  return false;
}

FlowSum::FlowSum(const AgentEnvironment& environment, const openflow::Message& request,
                 const openflow::FlowFilter& filter)
    : request_(request) {
  environment.datapath.push_stats();
  cursor_ = environment.bridge.pipeline().dump(filter_of(filter));
}

Result<bool> FlowSum::step(openflow::Session& session) {
  std::size_t budget = kFlowsPerSlice;
  while (const pipeline::RuleRef rule = cursor_.next(budget)) {
    sum_.packets += rule->stats().packets();
    sum_.bytes += rule->stats().bytes();
    ++sum_.flows;
  }
  if (!cursor_.at_end()) return true;
  session.reply(request_, sum_);
  return false;
}

template <typename Reply>
GroupDump<Reply>::GroupDump(const AgentEnvironment& environment, const openflow::Message& request,
                            std::uint32_t group)
    : env_(environment), request_(request), ids_(environment.bridge.pipeline().group_ids(group)) {
  env_.datapath.push_stats();
}

template <typename Reply>
Result<bool> GroupDump<Reply>::step(openflow::Session& session) {
  const pipeline::Pipeline& pipeline = env_.bridge.pipeline();
  Reply piece;
  std::size_t looked_at = 0;  // groups, those that have gone meanwhile as well, and buckets
  for (; position_ < ids_.size() && looked_at < kBucketsPerPiece; ++position_, ++looked_at) {
    const auto add = [&](auto found) {  // at most one
      for (auto& entry : found) {
        looked_at += entry.buckets.size();
        piece.entries.push_back(std::move(entry));
      }
    };
    if constexpr (std::is_same_v<Reply, openflow::GroupDescReply>)
      add(pipeline.groups(ids_[position_]));
    else
      add(pipeline.group_counters(ids_[position_], env_.clock.now()));
  }
  const bool more = position_ < ids_.size();
  session.reply(request_, std::move(piece), more);
  return more;
}

template class GroupDump<openflow::GroupDescReply>;
template class GroupDump<openflow::GroupStatsReply>;

template <typename Reply>
MeterDump<Reply>::MeterDump(const AgentEnvironment& environment, const openflow::Message& request,
                            std::uint32_t meter)
    : env_(environment),
      request_(request),
      next_(meter == action::meter_id::kAll ? 0 : meter),
      last_(meter) {}

template <typename Reply>
Result<bool> MeterDump<Reply>::step(openflow::Session& session) {
  const Ofproto& bridge = env_.bridge;
  Reply piece;
  std::size_t looked_at = 0;
  std::optional<std::uint32_t> id;
  while ((id = bridge.next_meter(next_)) && *id <= last_ && looked_at < kBandsPerPiece) {
    if constexpr (std::is_same_v<Reply, openflow::MeterConfigReply>)
      piece.entries.push_back(bridge.meter(*id));
    else
      piece.entries.push_back(bridge.meter_counters(*id, env_.clock.now()));
    looked_at += 1 + piece.entries.back().bands.size();
    next_ = *id + 1;
  }
  const bool more = id && *id <= last_;
  session.reply(request_, std::move(piece), more);
  return more;
}

template class MeterDump<openflow::MeterConfigReply>;
template class MeterDump<openflow::MeterStatsReply>;

}  // namespace sluice::ofproto
