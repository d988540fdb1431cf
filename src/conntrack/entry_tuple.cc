#include "conntrack/entry_tuple.h"

namespace sluice::conntrack {

Tuple original_tuple(const Entry& entry) {
  Tuple tuple;
  tuple.proto = entry.proto;
  tuple.is_ipv6 = entry.has(Entry::kIpv6);
  if (tuple.is_ipv6) {
    std::memcpy(&tuple.src, entry.ipv6, 16);
    std::memcpy(&tuple.dst, entry.ipv6 + 16, 16);
  } else {
    tuple.src = net::v4_mapped(be32::from_raw(entry.src));
    tuple.dst = net::v4_mapped(be32::from_raw(entry.dst));
  }
  const PortBytes ports(entry.ports);
  tuple.src_port = ports.first();
  if (is_icmp(entry)) {
    tuple.dst_port = ports.first();
    tuple.icmp_type = ports.bytes[2];
    tuple.icmp_code = ports.bytes[3];
  } else {
    tuple.dst_port = ports.second();
  }
  return tuple;
}

Tuple reply_tuple(const Entry& entry) {
  return reversed(original_tuple(entry));
}

}  // namespace sluice::conntrack
