// NXT_CT_FLUSH_ZONE and NXT_CT_FLUSH.
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "net/protocol.h"
#include "ofproto/openflow_agent.h"

namespace sluice::ofproto {

namespace {

bool is_icmp(std::uint8_t protocol) {
  return protocol == net::ip_proto::kIcmp || protocol == net::ip_proto::kIcmpv6;
}

/// A part that is zero stands for anything.
conntrack::PartialTuple partial_of(const openflow::CtFlushTuple& tuple, std::uint8_t protocol) {
  conntrack::PartialTuple partial;
  if (tuple == openflow::CtFlushTuple{}) return partial;
  const be128 zero{};
  if (!(tuple.src == zero)) partial.src = tuple.src;
  if (!(tuple.dst == zero)) partial.dst = tuple.dst;
  if (is_icmp(protocol)) {
    if (tuple.icmp_id) partial.icmp_id = be16{tuple.icmp_id};
    partial.icmp_type = tuple.icmp_type;
    partial.icmp_code = tuple.icmp_code;
  } else {
    if (tuple.src_port) partial.src_port = be16{tuple.src_port};
    if (tuple.dst_port) partial.dst_port = be16{tuple.dst_port};
  }
  return partial;
}

/// Looks at all connections, a slice at a time.
class Flush final : public openflow::SlicedRequest {
 public:
  Flush(conntrack::Tracker& tracker, const Clock& clock, const conntrack::Filter& filter)
      : tracker_(tracker), clock_(clock), filter_(filter) {}

  Result<bool> step(openflow::Session&) override {
    cursor_ = tracker_.flush_matching(filter_, cursor_, flushed_, clock_.now());
    return cursor_ != conntrack::Tracker::kDumpDone;
  }

 private:
  conntrack::Tracker& tracker_;
  const Clock& clock_;
  const conntrack::Filter filter_;
  std::uint64_t cursor_ = 0, flushed_ = 0;
};

}  // namespace

Status OpenFlowAgent::flush_zone(const openflow::CtFlushZone& request) {
  env_.tracker.flush(request.zone);
  return {};
}

Status OpenFlowAgent::flush_connections(Session& session, const Message& request,
                                        const openflow::CtFlush& body) {
  conntrack::Filter filter;
  filter.zone = body.zone;
  filter.original = partial_of(body.original, body.protocol);
  filter.reply = partial_of(body.reply, body.protocol);
  if (body.protocol != 0) filter.original.proto = body.protocol;
  if (filter.original.is_empty() && filter.reply.is_empty()) {
    env_.tracker.flush(body.zone);
    return {};
  }
  session.proceed(request, std::make_unique<Flush>(env_.tracker, env_.clock, filter));
  return {};
}

}  // namespace sluice::ofproto
