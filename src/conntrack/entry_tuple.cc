#include "conntrack/entry_tuple.h"

namespace sluice::conntrack {

namespace {

/// Two ports or id, type, code, as they stand in Entry::ports.
void set_ports(Tuple& tuple, std::uint32_t stored, bool is_icmp) {
  const PortBytes ports(stored);
  tuple.src_port = ports.first();
  tuple.dst_port = is_icmp ? ports.first() : ports.second();
  if (!is_icmp) return;
  tuple.icmp_type = ports.bytes[2];
  tuple.icmp_code = ports.bytes[3];
}

}  // namespace

bool matches_translated(const Entry& entry, const Probe& probe, Direction& direction) {
  const Key& key = probe.key;
  if ((entry.flags & Entry::kKindMask) != key.kind || entry.proto != key.proto || entry.zone != key.zone)
    return false;
  // An ICMP error quotes a packet as it was on the error's side; reversed, it is one that runs the error's
  // way.
  const std::uint32_t ports = probe.related ? probe.reverse_ports : key.ports;
  bool original, reply;
  if (probe.is_ipv6()) {
    const std::uint8_t* const src = probe.ipv6 + (probe.related ? 16 : 0);
    const std::uint8_t* const dst = probe.ipv6 + (probe.related ? 0 : 16);
    original = ports == entry.ports && std::memcmp(entry.ipv6, src, 16) == 0 &&
               std::memcmp(entry.ipv6 + 16, dst, 16) == 0;
    reply = !original && ports == entry.reply_ipv6_ports && std::memcmp(&entry.reply_src, src, 16) == 0 &&
            std::memcmp(&entry.reply_dst, dst, 16) == 0;
  } else {
    const std::uint32_t src = probe.related ? key.dst : key.src;
    const std::uint32_t dst = probe.related ? key.src : key.dst;
    original = (entry.src == src) & (entry.dst == dst) & (entry.ports == ports);
    reply = (entry.reply_ipv4.src == src) & (entry.reply_ipv4.dst == dst) & (entry.reply_ipv4.ports == ports);
  }
  direction = static_cast<Direction>(original == probe.related);
  return original || reply;
}

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
  set_ports(tuple, entry.ports, is_icmp(entry));
  return tuple;
}

Tuple reply_tuple(const Entry& entry) {
  Tuple tuple = reversed(original_tuple(entry));
  if (!entry.translated()) return tuple;
  if (tuple.is_ipv6) {
    tuple.src = entry.reply_src;
    tuple.dst = entry.reply_dst;
    set_ports(tuple, entry.reply_ipv6_ports, is_icmp(entry));
  } else {
    tuple.src = net::v4_mapped(be32::from_raw(entry.reply_ipv4.src));
    tuple.dst = net::v4_mapped(be32::from_raw(entry.reply_ipv4.dst));
    set_ports(tuple, entry.reply_ipv4.ports, is_icmp(entry));
  }
  return tuple;
}

}  // namespace sluice::conntrack
