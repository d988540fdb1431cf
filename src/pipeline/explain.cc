#include "pipeline/explain.h"

#include <fmt/format.h>

#include <deque>

#include "dp_action/program.h"
#include "field/match_text.h"
#include "net/protocol.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {
namespace {

using flow::FlowKey;
namespace eth = net::ethertype;
namespace proto = net::ip_proto;

/// Passes that one trace follows; a pipeline that recirculates for ever would go on.
constexpr unsigned kMaxPasses = 64;

constexpr std::string_view kRuler =
    "===============================================================================";
constexpr std::string_view kDefaultOutcome = "default ct_state=trk|new (use --ct-next to customize)";

std::string_view describe(packet::DropReason error) {
  using packet::DropReason;
  switch (error) {
    case DropReason::ResubmitDepth:
      return "Recursion too deep";
    case DropReason::ResubmitLimit:
      return "Too many resubmits";
    case DropReason::TranslationTooLarge:
      return "Stack too deep";
    case DropReason::RecirculationLost:
      return "No recirculation context";
    case DropReason::RecirculationExhausted:
      return "Recirculation conflict";
    case DropReason::MplsDepth:
      return "Too many MPLS labels";
    default:
      return packet::drop_reason_sentence(error);
  }
}

/// Marks all of a member if the packet has something there.
template <typename T>
void if_set(const T& value, T& mask) {
  if (!(value == T{})) std::memset(static_cast<void*>(&mask), 0xff, sizeof mask);
}
template <typename T>
void all(T& mask) {
  std::memset(static_cast<void*>(&mask), 0xff, sizeof mask);
}

/// A mask over what a packet like this has.
flow::Mask mask_of_packet(const FlowKey& key) {
  flow::Mask mask{};
  FlowKey& m = mask.bits;
  if_set(key.recirc_id, m.recirc_id);
  if_set(key.dp_hash, m.dp_hash);
  if_set(key.pkt_mark, m.pkt_mark);
  if_set(key.skb_priority, m.skb_priority);
  if_set(key.tun_id, m.tun_id);
  if_set(key.tun_src, m.tun_src);
  if_set(key.tun_dst, m.tun_dst);
  if_set(key.tun_ipv6_src, m.tun_ipv6_src);
  if_set(key.tun_ipv6_dst, m.tun_ipv6_dst);
  if_set(key.ct_state, m.ct_state);
  if_set(key.ct_zone, m.ct_zone);
  if_set(key.ct_mark, m.ct_mark);
  if_set(key.ct_label, m.ct_label);
  if_set(key.ct_nw_proto, m.ct_nw_proto);
  if_set(key.ct_nw_src, m.ct_nw_src);
  if_set(key.ct_nw_dst, m.ct_nw_dst);
  if_set(key.ct_ipv6_src, m.ct_ipv6_src);
  if_set(key.ct_ipv6_dst, m.ct_ipv6_dst);
  if_set(key.ct_tp_src, m.ct_tp_src);
  if_set(key.ct_tp_dst, m.ct_tp_dst);
  if_set(key.metadata, m.metadata);
  for (unsigned i = 0; i < flow::kRegisters; ++i) if_set(key.regs[i], m.regs[i]);
  all(m.in_port);
  all(m.eth_src);
  all(m.eth_dst);
  all(m.eth_type);
  m.vlan[0].tci = be16{0xffff};
  switch (key.eth_type.host()) {
    case eth::kIpv4:
      all(m.nw_src);
      all(m.nw_dst);
      break;
    case eth::kIpv6:
      all(m.ipv6_src);
      all(m.ipv6_dst);
      all(m.ipv6_label);
      break;
    case eth::kArp:
    case eth::kRarp:
      all(m.nw_src);
      all(m.nw_dst);
      all(m.nw_proto);
      all(m.arp_sha);
      all(m.arp_tha);
      return mask;
    case eth::kMpls:
    case eth::kMplsMulticast:
      all(m.mpls[0]);
      return mask;
    default:
      return mask;
  }
  all(m.nw_proto);
  all(m.nw_tos);
  all(m.nw_ttl);
  m.nw_frag = flow::kFragAny | flow::kFragLater;
  const bool icmpv6 = key.eth_type.host() == eth::kIpv6 && key.nw_proto == proto::kIcmpv6;
  const bool icmp = key.eth_type.host() == eth::kIpv4 && key.nw_proto == proto::kIcmp;
  const bool has_ports =
      key.nw_proto == proto::kTcp || key.nw_proto == proto::kUdp || key.nw_proto == proto::kSctp;
  if (icmp || icmpv6 || has_ports) {
    all(m.tp_src);
    all(m.tp_dst);
  }
  if (key.nw_proto == proto::kTcp) m.tcp_flags = be16{0x0fff};
  const std::uint16_t type = key.tp_src.host();
  if (icmpv6 && (type == net::icmpv6::kNeighborSolicit || type == net::icmpv6::kNeighborAdvert) &&
      key.tp_dst.raw() == 0) {
    all(m.nd_target);
    if (type == net::icmpv6::kNeighborSolicit)
      all(m.arp_sha);
    else
      all(m.arp_tha);
  }
  return mask;
}

std::string format_masked(const FlowKey& key, const flow::Mask& mask, const action::Names& names) {
  return field::format_match({flow::masked(key, mask), mask}, names.ports);
}

std::string format_megaflow(const FlowKey& key, flow::Mask mask, const action::Names& names) {
  // Whether there is a VLAN tag goes without saying, as in a datapath flow.
  mask.bits.packet_type = {};
  if (key.vlan[0].tci.raw() == 0 || mask.bits.vlan[0].tci.host() == flow::kVlanPresent) mask.bits.vlan = {};
  mask.bits.vlan[0].tpid = mask.bits.vlan[1].tpid = {};
  std::string text = format_masked(key, mask, names);
  const std::size_t after_recirc = text.find(',');
  // "eth" stands before the first word about the packet itself, where no shorthand of the printer put it.
  if (text.find("eth,") == std::string::npos && text.find(",eth") == std::string::npos)
    text.insert(after_recirc == std::string::npos ? text.size() : after_recirc, ",eth");
  return text;
}

}  // namespace

std::string format_key(const FlowKey& key, const action::Names& names) {
  std::string text = format_masked(key, mask_of_packet(key), names);
  if (key.vlan[0].tci.host() & flow::kVlanPresent) {
    // The printer knows the outer tag only.
    const std::size_t at = text.find(",dl_src=");
    if (at != std::string::npos) {
      const std::uint16_t inner = key.vlan[1].tci.host();
      text.insert(at, inner & flow::kVlanPresent ? fmt::format(",dl_vlan1={},dl_vlan_pcp1={}",
                                                               inner & flow::kVlanVidMask, inner >> 13)
                                                 : ",vlan_tci1=0x0000");
    }
  }
  return text;
}

ExplainResult explain_packet(const TranslationInput& first_input, const FlowKey& first_key,
                             const action::ActionList* actions, const CtHook& hook,
                             const action::Names& names) {
  ExplainResult result;
  struct Pass {
    FlowKey key;
    std::string heading;
  };
  std::deque<Pass> passes;
  passes.push_back({first_key, {}});
  // A key that was written by hand says dl_vlan and not with which EtherType.
  for (flow::VlanTag& tag : passes.front().key.vlan)
    if ((tag.tci.host() & flow::kVlanPresent) && tag.tpid.raw() == 0) tag.tpid = be16{eth::kVlan};
  for (unsigned n = 0; !passes.empty() && n < kMaxPasses; ++n) {
    const Pass pass = std::move(passes.front());
    passes.pop_front();
    if (n != 0) result.text += fmt::format("\n{}\n{}\n{}\n\n", kRuler, pass.heading, kRuler);

    Trace trace;
    TranslationInput input = first_input;
    input.trace = &trace;
    input.names = names;
    flow::Mask mask{};
    dp_action::Program program;
    Credits credits;
    Translator translator(input, pass.key, mask, program, credits);
    trace.open(Trace::Kind::Bridge, fmt::format("bridge(\"{}\")", input.ports.config.name));
    if (n == 0 && actions)
      translator.run_actions(*actions);
    else
      translator.run();
    trace.close();
    result.learned |= translator.learned();

    result.text += "Flow: " + format_key(pass.key, names) + '\n' + trace.print();
    FlowKey final_key = translator.key();
    const bool changed = !(final_key == pass.key);
    result.text += "\nFinal flow: " + (changed ? format_key(final_key, names) : "unchanged") + '\n';
    result.text += "Megaflow: " + format_megaflow(pass.key, mask, names) + '\n';
    result.text += "Datapath actions: " + dp_action::format_program(program, nullptr) + '\n';
    if (const auto error = translator.error())
      result.text += fmt::format("Translation failed ({}), packet is dropped.\n", describe(*error));

    for (const Fork& fork : translator.forks()) {
      if (!fork.request) {
        passes.push_back({fork.key, fmt::format("recirc(0x{:x})", fork.recirc_id)});
        continue;
      }
      const CtOutcome outcome = hook ? hook(*fork.request, fork.key) : CtOutcome{};
      FlowKey key = outcome.packet.value_or(fork.key);
      key.recirc_id = be32{fork.recirc_id};
      key.ct_state = be32{outcome.state};
      key.ct_zone = be16{fork.request->zone};
      key.ct_mark = be32{outcome.mark};
      key.ct_label = outcome.label;
      passes.push_back({key, fmt::format("recirc(0x{:x}) - resume conntrack with {}", fork.recirc_id,
                                         outcome.sentence.empty() ? kDefaultOutcome : outcome.sentence)});
    }
    if (n == 0) {
      result.mask = mask;
      result.program = std::move(program);
      result.drop = translator.drop();
    }
  }
  return result;
}

}  // namespace sluice::pipeline
