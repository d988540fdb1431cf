// What NORMAL does with multicast in a bridge that snoops (RFC 4541): a group goes to who has asked for it
// and to routers, a report to routers only. Frames of IGMP and MLD go to main as well, which learns from them
// (l2/multicast_message.h); here they are told apart by their type. The trace speaks as ovs-vswitchd does.
#include <algorithm>

#include "l2/multicast_message.h"
#include "net/address.h"
#include "net/protocol.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using Kind = Trace::Kind;

namespace {

constexpr be16 kOnes16{0xffff};
constexpr be32 kOnes32{0xffffffff};
constexpr be128 kOnes128{~be64{0}, ~be64{0}};

/// 224.0.0.0/24: never asked for by all who listen.
bool is_link_local(be32 group) {
  constexpr std::uint32_t kPrefix = 0xffffff00, kLocal = 0xe0000000;
  return (group.host() & kPrefix) == kLocal;
}

/// ff02::1
bool is_all_hosts(const be128& group) {
  return group.hi.host() == 0xff02000000000000 && group.lo.host() == 1;
}

}  // namespace

/// @return whether the packet is multicast that is not to be flooded as a matter of course, and has been sent
bool Translator::snoop(const Bundle& input, InVlan vlan) {
  constexpr std::uint64_t kBroadcast = 0xffffffffffff;
  if (!flow_.eth_dst.is_multicast() || flow_.eth_dst.value() == kBroadcast || !is_ip()) return false;
  mask_.bits.nw_proto = 0xff;
  const bool v4 = is_ipv4();
  if (v4 && flow_.nw_proto == net::ip_proto::kIgmp) {
    snoop_igmp(input, vlan);
    return true;
  }
  if (!v4 && flow_.nw_proto == net::ip_proto::kIcmpv6) {
    mask_.bits.tp_src = kOnes16;
    const std::uint16_t type = flow_.tp_src.host();
    if ((type >= l2::mld::kQuery && type <= l2::mld::kDone) || type == l2::mld::kReport2) {
      snoop_mld(input, vlan);
      return true;
    }
  }
  if (v4)
    mask_.bits.nw_dst = kOnes32;
  else
    mask_.bits.ipv6_dst = kOnes128;
  if (v4 ? is_link_local(flow_.nw_dst) : is_all_hosts(flow_.ipv6_dst)) {
    note(Kind::Detail, "RFC4541: section 2.1.2, item 2, flooding");
    flood_vlan(&input, vlan, false);
  } else {
    send_group(input, vlan, v4 ? net::v4_mapped(flow_.nw_dst) : flow_.ipv6_dst);
  }
  return true;
}

void Translator::snoop_igmp(const Bundle& input, InVlan vlan) {
  mask_.bits.tp_src = kOnes16;
  tell_membership(vlan);
  switch (flow_.tp_src.host()) {
    case l2::igmp::kReport1:
    case l2::igmp::kReport2:
    case l2::igmp::kReport3:
    case l2::igmp::kLeave:
      return send_report(input, vlan);
    default:
      note(Kind::Detail, "multicast traffic, flooding");
      return flood_vlan(&input, vlan, false);
  }
}

void Translator::snoop_mld(const Bundle& input, InVlan vlan) {
  tell_membership(vlan);
  if (flow_.tp_src.host() != l2::mld::kQuery) return send_report(input, vlan);
  note(Kind::Detail, "MLD query, flooding");
  flood_vlan(&input, vlan, false);
}

/// The packet goes to main, which learns from it: the state says where it came in.
void Translator::tell_membership(InVlan vlan) {
  FrozenData data;
  data.bridge = here_.pipeline;
  data.in_port = here_.ports->bundle_of(flow_.in_port.host())->id();
  const std::uint32_t id = freeze(std::move(data));
  if (id == 0) return;
  emit_slow({.slow = dp_action::Userspace::Slow::Multicast, .vlan = vlan.vlan, .recirc_id = id});
}

/// Adds the bundle unless the packet came in there.
void Translator::choose(const Bundle& input, const Bundle& bundle, BundleSet& chosen, std::string_view sent,
                        std::string_view refused) {
  if (&bundle == &input) return note(Kind::Detail, std::string(refused));
  note(Kind::Detail, std::string(sent));
  if (std::find(chosen.begin(), chosen.end(), &bundle) == chosen.end()) chosen.push_back(&bundle);
}

void Translator::choose_routers(const Bundle& input, InVlan vlan, BundleSet& chosen) {
  rests_on_.add(here_.multicast->watch_routers());
  std::vector<std::uint32_t> ports;
  here_.multicast->routers(vlan.vlan, ports);
  for (const std::uint32_t port : ports)
    if (const Bundle* bundle = here_.ports->bundle_of(port))
      choose(input, *bundle, chosen, "forwarding to mcast router port",
             "mcast router port is input port, dropping");
}

void Translator::send_report(const Bundle& input, InVlan vlan) {
  BundleSet chosen;
  choose_routers(input, vlan, chosen);
  for (const Bundle& bundle : here_.ports->bundles)
    if (bundle.info->wants_reports)
      choose(input, bundle, chosen, "forwarding report to mcast flagged port",
             "mcast port is input port, dropping the Report");
  send_chosen(input, vlan, chosen);
}

void Translator::send_group(const Bundle& input, InVlan vlan, const be128& group) {
  rests_on_.add(here_.multicast->watch(group, vlan.vlan));
  const auto listeners = here_.multicast->find(group, vlan.vlan);
  if (listeners.empty() && here_.ports->config.multicast->floods_unregistered) {
    note(Kind::Detail, "unregistered multicast, flooding");
    return flood_vlan(&input, vlan, false);
  }
  BundleSet chosen;
  for (const std::uint32_t port : listeners)
    if (const Bundle* bundle = here_.ports->bundle_of(port))
      choose(input, *bundle, chosen, "forwarding to mcast group port",
             "mcast group port is input port, dropping");
  // The order in which they are told of is that of ovs-vswitchd.
  if (listeners.empty()) choose_routers(input, vlan, chosen);
  for (const Bundle& bundle : here_.ports->bundles)
    if (bundle.info->wants_multicast)
      choose(input, bundle, chosen, "forwarding to mcast flood port",
             "mcast flood port is input port, dropping");
  if (!listeners.empty()) choose_routers(input, vlan, chosen);
  send_chosen(input, vlan, chosen);
}

}  // namespace sluice::pipeline
