#include "conntrack/tuple.h"

#include <utility>

#include "net/protocol.h"

namespace sluice::conntrack {

std::uint8_t icmp_counterpart(std::uint8_t type, bool is_ipv6) {
  if (is_ipv6) {
    using namespace net::icmpv6;
    return type == kEcho ? kEchoReply : type == kEchoReply ? kEcho : 255;
  }
  using namespace net::icmp;
  switch (type) {
    case kEcho:
      return kEchoReply;
    case kEchoReply:
      return kEcho;
    case kTimestamp:
      return kTimestampReply;
    case kTimestampReply:
      return kTimestamp;
    case kInfoRequest:
      return kInfoReply;
    case kInfoReply:
      return kInfoRequest;
    default:
      return 255;
  }
}

bool icmp_is_query(std::uint8_t type, bool is_ipv6) {
  if (is_ipv6) return type == net::icmpv6::kEcho;
  return type == net::icmp::kEcho || type == net::icmp::kTimestamp || type == net::icmp::kInfoRequest;
}

Tuple reversed(const Tuple& tuple) {
  Tuple result = tuple;
  std::swap(result.src, result.dst);
  std::swap(result.src_port, result.dst_port);
  if (tuple.proto == (tuple.is_ipv6 ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp))
    result.icmp_type = icmp_counterpart(tuple.icmp_type, tuple.is_ipv6);
  return result;
}

}  // namespace sluice::conntrack
