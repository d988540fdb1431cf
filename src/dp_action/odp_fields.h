// The header groups of odp text, "ipv4(src=10.0.0.0/255.0.0.0,frag=no)": the same in a datapath flow's match
// and inside set(…). A member whose mask is zero is not printed; one whose mask is not full is followed by
// "/mask". Observed with ovs-appctl dpctl/dump-flows and ofproto/trace.
#pragma once

#include <string>

#include "flow/flow_key.h"

namespace sluice::dp_action {

/// Appends groups, with commas between them.
class OdpWriter {
 public:
  OdpWriter(const flow::FlowKey& value, const flow::FlowKey& mask, std::string& out)
      : value_(value), mask_(mask), out_(out) {}

  // Each appends its group, or nothing if the mask has none of its members.
  void ethernet();
  void mpls();
  void ipv4(bool with_frag);
  void ipv6(bool with_frag);
  void tcp() { ports("tcp"); }
  void udp() { ports("udp"); }
  void sctp() { ports("sctp"); }
  void icmp(const char* group);
  void arp();
  void nd();
  void tunnel();
  void skb_mark();
  void skb_priority();
  void dp_hash();
  void ct_state();
  void ct_zone();
  void ct_mark();
  void ct_label();
  void ct_tuple();
  void tcp_flags();
  /// "eth_type(0x8100),vlan(vid=1,pcp=0)" of the i-th tag.
  void vlan(unsigned i);
  void eth_type();
  /// Anything else, as it is.
  void word(const std::string& text);

 private:
  void ports(const char* group);
  void lse(be32 value, be32 mask);
  void open(const char* group);
  void close();
  /// The comma between members of a group.
  std::string& member(const char* name);
  template <typename T>
  void decimal_hex_mask(const char* name, T value, T mask, T full);
  void hex(const char* name, std::uint64_t value, std::uint64_t mask, std::uint64_t full);
  void address(const char* name, be32 value, be32 mask);
  void address(const char* name, const be128& value, const be128& mask);
  void address(const char* name, const net::Mac& value, const net::Mac& mask);
  void scalar(const char* group, std::uint64_t value, std::uint64_t mask, std::uint64_t full);
  void frag();

  const flow::FlowKey& value_;
  const flow::FlowKey& mask_;
  std::string& out_;
  bool first_in_group_ = true;
};

/// 128 bits as "0x…" without leading zeros; "0" for zero.
std::string hex128(const be128& value);

}  // namespace sluice::dp_action
