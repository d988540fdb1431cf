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

openflow::AggregateReply OpenFlowAgent::flow_sum(const openflow::FlowFilter& filter) const {
  env_.datapath.push_stats();
  const pipeline::AggregateStats sum = pipeline().aggregate(filter_of(filter));
  return {.packets = sum.packets, .bytes = sum.bytes, .flows = sum.flows};
}

Result<bool> FlowDump::step(openflow::Session& session) {
  openflow::FlowStatsReply reply;
  const Instant now = env_.clock.now();
  pipeline::FlowInfo flow;
  while (reply.entries.size() < kFlowsPerPiece && cursor_.next(flow))
    reply.entries.push_back({flow.spec(), flow.counters(now)});
  const bool more = cursor_.remaining() != 0;
  session.reply(request_, std::move(reply), more);
  return more;
}

}  // namespace sluice::ofproto
