#include "conntrack/proto/icmp.h"

#include "net/protocol.h"

namespace sluice::conntrack::icmp {

Kind kind_of(std::uint8_t type, bool is_ipv6) {
  if (icmp_counterpart(type, is_ipv6) != 255)
    return icmp_is_query(type, is_ipv6) ? Kind::Query : Kind::Answer;
  if (!is_ipv6) {
    using namespace net::icmp;
    switch (type) {
      case kUnreachable:
      case kSourceQuench:
      case kRedirect:
      case kTimeExceeded:
      case kParameterProblem:
        return Kind::Error;
      default:
        return Kind::Unsupported;
    }
  }
  using namespace net::icmpv6;
  switch (type) {
    case kUnreachable:
    case kPacketTooBig:
    case kTimeExceeded:
    case kParameterProblem:
      return Kind::Error;
    case kMldQuery:
    case kMldReport:
    case kMldDone:
    case kMldV2Report:
    case kRouterSolicit:
    case kRouterAdvert:
    case kNeighborSolicit:
    case kNeighborAdvert:
    case kRedirect:
      return Kind::NeighborDiscovery;
    default:
      return Kind::Unsupported;
  }
}

}  // namespace sluice::conntrack::icmp
