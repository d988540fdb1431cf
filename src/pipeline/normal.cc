// NORMAL: what a learning switch with VLANs and bonds does with a packet. The trace speaks as ovs-vswitchd
// does.
#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "net/protocol.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using packet::DropReason;
using Kind = Trace::Kind;
namespace eth = net::ethertype;

namespace {

constexpr be16 kVid{flow::kVlanPresent | flow::kVlanVidMask};
constexpr be16 kOnes16{0xffff};

/// Of protocols between neighbours: ovs-vswitchd.conf.db(5), forward-bpdu; the first IEEE 802.1D-2004
/// section 7.12.6.
bool is_reserved(const net::Mac& mac) {
  const std::uint64_t value = mac.value();
  switch (value) {
    case 0x00e02b000000:  // EDP
    case 0x00e02b000004:  // EAPS
    case 0x00e02b000006:
    case 0x01000ccccccc:  // CDP and others
    case 0x01000ccccccd:  // PVST+
    case 0x01000ccdcdcd:  // STP Uplink Fast
    case 0x01000c000000:  // ISL
      return true;
    default:
      return (value & ~std::uint64_t{0xf}) == 0x0180c2000000 ||
             (value & ~std::uint64_t{0x7}) == 0x01000cccccc0;  // CFM
  }
}

bool is_tagged(const flow::VlanTag& tag) {
  return (tag.tci.host() & flow::kVlanPresent) != 0;
}

}  // namespace

void Translator::normal() {
  const net::Mac every_bit = net::Mac::from_value(0xffffffffffff);
  mask_.bits.eth_src = mask_.bits.eth_dst = every_bit;
  mask_.bits.vlan[0].tci = mask_.bits.vlan[0].tci | kVid;
  const std::uint32_t in_port = flow_.in_port.host();
  const Bundle* const input = here_.ports->bundle_of(in_port);
  if (!input) {
    hint(DropReason::UnknownInputPort);
    if (!here_.ports->find(in_port))
      note(Kind::Error, fmt::format("received packet on unknown port {}", in_port));
    note(Kind::Warning, "no input bundle, dropping");
    return;
  }
  const auto vlan = enter_vlan(*input);
  if (!vlan) {
    hint(DropReason::VlanNotAllowed);
    note(Kind::Warning, "disallowed VLAN VID for this input port, dropping");
    return;
  }
  if (is_reserved(flow_.eth_dst) && !here_.ports->config.forward_bpdu) {
    hint(DropReason::ReservedMulticast);
    note(Kind::Detail, "packet has reserved destination MAC, dropping");
    return;
  }
  if (input->bond && !bond_admits(*input, vlan->vlan)) {
    hint(DropReason::BondRefused);
    return;
  }
  learn_source(*input, vlan->vlan);
  if (here_.ports->config.multicast && snoop(*input, *vlan)) return;
  if (!flow_.eth_dst.is_multicast()) {
    watch_mac(flow_.eth_dst, vlan->vlan);
    const auto port = here_.ports->config.flood_vlans[vlan->vlan]
                          ? std::nullopt
                          : here_.macs->lookup(flow_.eth_dst, vlan->vlan, input_.now);
    if (const Bundle* const out = port ? here_.ports->bundle_of(*port) : nullptr) {
      if (out == input) {
        hint(DropReason::InputPortOnly);
        note(Kind::Detail, "learned port is input port, dropping");
        return;
      }
      // Where its sender is known to be, a customer's VLAN is not asked about.
      const bool fits = out->vlan().mode == l2::VlanMode::Tunnel ? out->vlan().tag == vlan->vlan
                                                                 : out->vlan().carries(vlan->vlan);
      if (!out->is_mirror_output && fits) {
        note(Kind::Detail, "forwarding to learned port");
        if (input->info->is_protected && out->info->is_protected) {
          hint(DropReason::ProtectedPorts);
          note(Kind::Warning, "Flow is between protected ports, skipping output.");
          return;
        }
        return output_normal(*out, *vlan);
      }
    }
  }
  note(Kind::Detail, "no learned MAC for destination, flooding");
  flood_vlan(input, *vlan, false);
}

/// The VLAN that the packet is in when it came in by the bundle; nothing if it is not let in.
std::optional<Translator::InVlan> Translator::enter_vlan(const Bundle& bundle) {
  mask_.bits.vlan[0].tci = mask_.bits.vlan[0].tci | kVid;
  const l2::VlanConfig& config = bundle.vlan();
  const be16 tci = flow_.vlan[0].tci;
  const auto vlan = l2::input_vlan(config, tci);
  if (!vlan) {
    if (tracing()) note(Kind::Error, l2::describe_refusal(bundle.name, config, tci));
    return std::nullopt;
  }
  return InVlan{*vlan, config.owns_tags() && is_tagged(flow_.vlan[0])};
}

bool Translator::bond_admits(const Bundle& bundle, std::uint16_t vlan) {
  using Verdict = l2::BondView::Verdict;
  switch (bundle.bond->admits(flow_.in_port.host(), flow_.eth_dst.is_multicast())) {
    case Verdict::Accept:
      return true;
    case Verdict::Drop:
      note(Kind::Detail, "bonding refused admissibility, dropping");
      return false;
    case Verdict::DropIfMoved:
      break;
  }
  // A packet that this switch sent by one member comes back by another, unless its sender has really moved.
  watch_mac(flow_.eth_src, vlan);
  const auto port = here_.macs->lookup(flow_.eth_src, vlan, input_.now);
  if (!port || here_.ports->bundle_of(*port) == &bundle || is_gratuitous_arp()) return true;
  note(Kind::Detail, "SLB bond thinks this packet looped back, dropping");
  return false;
}

bool Translator::is_gratuitous_arp() {
  if (flow_.eth_type.host() != eth::kArp || flow_.eth_dst.value() != 0xffffffffffff) return false;
  constexpr std::uint8_t kReply = 2;
  mask_.bits.nw_proto = 0xff;
  if (flow_.nw_proto == kReply) return true;
  mask_.bits.nw_src = mask_.bits.nw_dst = be32{0xffffffff};
  return flow_.nw_src == flow_.nw_dst;
}

void Translator::learn_source(const Bundle& bundle, std::uint16_t vlan) {
  if (flow_.eth_src.is_multicast() || here_.ports->config.flood_vlans[vlan]) return;
  const std::uint32_t id = bundle.id();
  if (input_.may_learn && here_.macs->learn(flow_.eth_src, vlan, id, input_.now) && tracing())
    note(Kind::Detail, fmt::format("learned that {} is on port {} in VLAN {}", net::format_mac(flow_.eth_src),
                                   bundle.name, vlan));
  watch_mac(flow_.eth_src, vlan);
  // Not allowed to, or another worker has just learned otherwise.
  unlearned_ = unlearned_ || here_.macs->would_change(flow_.eth_src, vlan, id, input_.now);
  credits_.add_mac({here_.macs, flow_.eth_src, vlan, id});
}

void Translator::watch_mac(const net::Mac& mac, std::uint16_t vlan) {
  rests_on_.add(here_.macs->watch(mac, vlan));
}

/// To all bundles of the VLAN. First where the packet leaves as it is, so that its tag changes once at most.
/// @param copies  for a mirror: no port is spared, not even the one it came from
void Translator::flood_vlan(const Bundle* from, InVlan vlan, bool copies) {
  send_vlan(from, vlan, copies, [copies](const Bundle& bundle) { return copies || bundle.floods; });
}

/// To the bundles of the VLAN that are chosen.
template <typename Chooses>
void Translator::send_vlan(const Bundle* from, InVlan vlan, bool copies, const Chooses& chooses) {
  bool any = false;
  for (const bool retagged : {false, true}) {
    for (const Bundle& bundle : here_.ports->bundles) {
      if (bundle.is_mirror_output || (!copies && &bundle == from) || !chooses(bundle)) continue;
      if (!carries(bundle, vlan) || needs_retag(bundle, vlan) != retagged) continue;
      if (!copies && from->info->is_protected && bundle.info->is_protected) {
        note(Kind::Warning, "Flow is between protected ports, skipping output.");
        continue;
      }
      output_normal(bundle, vlan);
      any = true;
    }
  }
  if (!any) hint(DropReason::InputPortOnly);
}

bool Translator::carries(const Bundle& bundle, InVlan vlan) {
  const l2::VlanConfig& config = bundle.vlan();
  const bool looks_behind = config.customers.any() || config.mode == l2::VlanMode::Access;
  if (!looks_behind || vlan.vlan != config.tag) return config.carries(vlan.vlan);
  const unsigned behind = vlan.owns_tag ? 1 : 0;
  mask_.bits.vlan[behind].tci = mask_.bits.vlan[behind].tci | kVid;
  return config.carries(vlan.vlan,
                        static_cast<std::uint16_t>(flow_.vlan[behind].tci.host() & flow::kVlanVidMask));
}

/// The outermost TCI that a packet of the VLAN leaves with, apart from those that are its customer's; 0:
/// none.
be16 Translator::tag_for(const Bundle& bundle, InVlan vlan) {
  const l2::VlanConfig& port = bundle.vlan();
  if (port.priority_tags) mask_.bits.vlan[0].tci = kOnes16;
  const unsigned outermost = is_tagged(flow_.vlan[0]) ? flow_.vlan[0].tci.host() >> 13 : 0;
  if (!vlan.owns_tag) {  // a customer's priority, where priorities count; his tag says it by itself
    const be16 tag = l2::output_tci(port, vlan.vlan, port.priority_tags ? outermost : 0);
    return (tag.host() & flow::kVlanVidMask) != 0 ? tag : be16{};
  }
  const bool tunnel = port.mode == l2::VlanMode::Tunnel && port.priority_tags;
  if (tunnel) mask_.bits.vlan[1].tci = mask_.bits.vlan[1].tci | be16{flow::kVlanPresent};
  return l2::output_tci(port, vlan.vlan, tunnel && is_tagged(flow_.vlan[1]) ? 0 : outermost);
}

/// An access port does not know a customer's tag that says a priority only from one that it would not send.
bool Translator::strips_priority(const Bundle& bundle, InVlan vlan) const {
  return !vlan.owns_tag && bundle.vlan().mode == l2::VlanMode::Access && !bundle.vlan().priority_tags &&
         is_tagged(flow_.vlan[0]) && (flow_.vlan[0].tci.host() & flow::kVlanVidMask) == 0;
}

bool Translator::needs_retag(const Bundle& bundle, InVlan vlan) {
  if (strips_priority(bundle, vlan)) return true;
  const be16 wanted = tag_for(bundle, vlan);
  return vlan.owns_tag ? (wanted & kVid) != (flow_.vlan[0].tci & kVid) : wanted.raw() != 0;
}

void Translator::send_chosen(const Bundle& input, InVlan vlan, const BundleSet& chosen) {
  send_vlan(&input, vlan, false, [&](const Bundle& bundle) {
    return std::find(chosen.begin(), chosen.end(), &bundle) != chosen.end();
  });
}

void Translator::output_normal(const Bundle& bundle, InVlan vlan) {
  const auto own = flow_.vlan;
  const bool own_last = std::exchange(last_, false);  // others of the flood may follow
  if (needs_retag(bundle, vlan)) {
    const be16 wanted = tag_for(bundle, vlan);
    const Bundle* const input = here_.ports->bundle_of(flow_.in_port.host());
    be16 tpid{eth::kVlan};
    if (vlan.owns_tag) {
      mask_.bits.vlan[0].tci = kOnes16;
      tpid = own[0].tpid;
      pop_vlan();
    } else if (strips_priority(bundle, vlan)) {
      pop_vlan();
    } else if (input && !input->vlan().owns_tags()) {
      tpid = be16{input->vlan().tunnel_type};
    }
    if (is_tagged({tpid, wanted})) {
      push_vlan(tpid);
      flow_.vlan[0].tci = wanted;
    }
  }
  output_bundle(bundle, vlan.vlan);
  flow_.vlan = own;
  last_ = own_last;
}

void Translator::output_bundle(const Bundle& bundle, std::uint16_t vlan) {
  if (!bundle.bond) return compose_output(bundle.members.front());
  const l2::BondView& bond = *bundle.bond;
  std::optional<std::uint32_t> member;
  switch (bond.mode) {
    case l2::BondMode::ActiveBackup:
      member = bond.active;
      break;
    case l2::BondMode::BalanceSlb: {
      const unsigned share = bond.source_share(flow_.eth_src, vlan);
      mask_.bits.eth_src = net::Mac::from_value(0xffffffffffff);
      member = bond.member_of(share);
      if (member) count_share(bundle, share);
      break;
    }
    case l2::BondMode::BalanceTcp:
      if (bond.active && output_by_hash(bundle.name)) return;
      break;
  }
  if (member) return compose_output(*member);
  hint(DropReason::NoLiveBucket);
}

/// What the bond goes by when it balances.
void Translator::count_share(const Bundle& bundle, unsigned share) {
  if (!bundle.bond->traffic.empty()) credits_.add_traffic(bundle.bond->traffic[share]);
}

/// Sends the packet away to come back with a hash of its addresses and ports, which chooses the member. All
/// packets share the state behind it.
bool Translator::output_by_hash(const std::string& bond) {
  if (flow_.packet_type.raw() != 0) return false;
  commit();
  FrozenData data;
  data.bridge = here_.pipeline;
  data.bond = bond;
  const std::uint32_t id = freeze(std::move(data));
  if (id == 0) return false;
  emit(dp_action::Hash{});
  emit(dp_action::Recirc{id});
  delivered_ = true;
  return true;
}

/// A packet that has come back from output_by_hash().
void Translator::leave_by_hash(const std::string& name) {
  mask_.bits.dp_hash = be32{l2::kBondHashes - 1};
  const Bundle* const bundle = here_.ports->find_bundle(name);
  const unsigned share = flow_.dp_hash.host() % l2::kBondHashes;
  const auto member = bundle && bundle->bond ? bundle->bond->member_of(share) : std::nullopt;
  if (!member) return hint(DropReason::NoLiveBucket);
  count_share(*bundle, share);
  compose_output(*member);
}

}  // namespace sluice::pipeline
