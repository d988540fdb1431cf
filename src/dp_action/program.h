// Datapath actions: what the Translator produces and the datapath executes. A Program is a list of them. Each
// action is a small struct with its odp text form; execution is in datapath/action_engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "conntrack/request.h"
#include "field/field.h"
#include "flow/flow_key.h"
#include "packet/drop_reason.h"

namespace sluice::dp_action {

struct DpAction;
using Program = std::vector<DpAction>;

/// Sends the packet (a copy, unless it is the last action) to a datapath port. Text: "3".
struct Output {
  std::uint32_t port;
  bool operator==(const Output&) const = default;
};
/// Limits the next Output to max_len bytes. Text: "trunc(64)".
struct Truncate {
  std::uint32_t max_len;
  bool operator==(const Truncate&) const = default;
};
/// Hands the packet to the control plane (packet-in). Text: "userspace(pid=0,controller(reason=1,…))".
struct Userspace {
  /// Frames of protocols that the switch itself speaks, or listens to: what hosts and routers say of
  /// multicast groups. Text: "userspace(pid=0,slow_path(lacp))".
  enum class Slow : std::uint8_t { None, Lacp, Stp, Multicast };
  std::uint8_t reason = 0;  ///< OpenFlow packet-in reason
  std::uint16_t max_len = 0xffff;
  std::uint16_t controller_id = 0;
  bool dont_send = false;     ///< slow-path work only
  bool continuation = false;  ///< controller(pause): the state behind recirc_id says how the packet goes on
  Slow slow = Slow::None;
  std::uint16_t vlan = 0;  ///< that a frame of IGMP or MLD is in
  std::uint32_t recirc_id = 0;
  std::uint64_t rule_cookie = 0;
  bool operator==(const Userspace&) const = default;
};
/// Masked write of header fields of one protocol: bits of `mask` in the FlowKey members of that header are
/// replaced by those of `value`. Text: "set(ipv4(src=10.0.0.1,ttl=63))".
struct SetHeader {
  enum class Header : std::uint8_t {
    Ethernet,
    Mpls,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmpv6,
    Arp,
    Nd,
    PktMark,
    SkbPriority,
    Tunnel
  };
  Header header;
  struct Values {
    flow::FlowKey value;
    flow::Mask mask;
    bool operator==(const Values&) const = default;
  };
  Boxed<Values> values;
  bool operator==(const SetHeader&) const = default;
};
struct PushVlan {
  be16 tpid, tci;
  bool operator==(const PushVlan&) const = default;
};
struct PopVlan {
  bool operator==(const PopVlan&) const = default;
};
struct PushMpls {
  be32 lse;
  be16 eth_type;
  bool operator==(const PushMpls&) const = default;
};
struct PopMpls {
  be16 eth_type;  ///< EtherType of what is below the label
  bool operator==(const PopMpls&) const = default;
};
/// Takes the Ethernet header off. Text: "pop_eth".
struct PopEth {
  bool operator==(const PopEth&) const = default;
};
/// Gives a packet without one an Ethernet header. Text:
/// "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)".
struct PushEth {
  net::Mac src, dst;
  bool operator==(const PushEth&) const = default;
};
/// Sends the packet through the connection tracker. Text: "ct(commit,zone=5,mark=0x1/0xf)".
struct Ct {
  Boxed<conntrack::CtRequest> request;
  bool operator==(const Ct&) const = default;
};
struct CtClear {
  bool operator==(const CtClear&) const = default;
};
/// The packet re-enters the megaflow table under this id. Text: "recirc(0x1)".
struct Recirc {
  std::uint32_t id;
  bool operator==(const Recirc&) const = default;
};
/// Computes dp_hash over the 5-tuple, never 0. Text: "hash(l4(0))"; symmetric, the same for both directions:
/// "hash(sym_l4(0))".
struct Hash {
  std::uint32_t basis = 0;
  bool symmetric = false;
  bool operator==(const Hash&) const = default;
};
/// Runs its actions on a copy; effects do not reach what follows. Text: "clone(…)".
struct Clone {
  Program actions;
  bool operator==(const Clone& other) const;
};
/// Text: "sample(sample=50.0%,actions(…))".
struct Sample {
  std::uint32_t probability;  ///< of 2^32 - 1
  Boxed<Program> actions;
  bool operator==(const Sample& other) const;
};
/// Text: "check_pkt_len(size=1500,gt(…),le(…))".
struct CheckPktLen {
  std::uint16_t size;
  Boxed<Program> greater, less_equal;
  bool operator==(const CheckPktLen& other) const;
};
struct Meter {
  std::uint32_t id;
  bool operator==(const Meter&) const = default;
};
/// An explicit drop. Text: "drop" (as the whole program).
struct Drop {
  packet::DropReason reason = packet::DropReason::ExplicitDrop;
  bool operator==(const Drop&) const = default;
};

using DpActionVariant =
    std::variant<Output, Truncate, Userspace, SetHeader, PushVlan, PopVlan, PushMpls, PopMpls, PopEth,
                 PushEth, Ct, CtClear, Recirc, Hash, Clone, Sample, CheckPktLen, Meter, Drop>;

struct DpAction : DpActionVariant {
  using DpActionVariant::DpActionVariant;
  const DpActionVariant& variant() const { return *this; }
  DpActionVariant& variant() { return *this; }
};

static_assert(sizeof(DpAction) <= 32, "programs are read for every batch: large actions are boxed");

inline bool operator==(const DpAction& a, const DpAction& b) {
  return a.variant() == b.variant();
}
inline bool Clone::operator==(const Clone& other) const {
  return actions == other.actions;
}
inline bool Sample::operator==(const Sample& other) const {
  return probability == other.probability && actions == other.actions;
}
inline bool CheckPktLen::operator==(const CheckPktLen& other) const {
  return size == other.size && greater == other.greater && less_equal == other.less_equal;
}

/// Comma-separated odp text; "drop" for an empty program. `port_name` null prints numbers.
std::string format_program(const Program& program, const field::NameResolver* names = nullptr);

/// A datapath flow's match as odp text: "recirc_id(0),in_port(2),ct_state(-trk),…,ipv4(proto=1,frag=no)".
/// Only what the mask holds is printed, as ovs-appctl dpctl/dump-flows does.
std::string format_odp_match(const flow::Match& match, const field::NameResolver* names = nullptr);

}  // namespace sluice::dp_action
