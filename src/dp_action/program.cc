// Programs as odp text, as ofproto/trace and dpctl/dump-flows print them.
#include "dp_action/program.h"

#include <fmt/core.h>

#include <variant>

#include "dp_action/odp_fields.h"
#include "net/protocol.h"

namespace sluice::dp_action {
namespace {

using Header = SetHeader::Header;

std::string hex_text(std::uint64_t value) {
  return value == 0 ? "0" : fmt::format("{:#x}", value);
}

void append_nat(const conntrack::NatRange& range, std::string& out) {
  using Kind = conntrack::NatRange::Kind;
  out += "nat";
  if (range.kind == Kind::None) return;
  out += range.kind == Kind::Source ? "(src" : "(dst";
  const auto address = [&](const be128& a) {
    if (!range.is_ipv6) return net::format_ipv4(net::v4_of(a));
    // Brackets keep the colons of addresses and ports apart.
    return range.has_ports ? '[' + net::format_ipv6(a) + ']' : net::format_ipv6(a);
  };
  if (range.has_address || range.has_ports) out += '=';
  if (range.has_address) {
    out += address(range.min_address);
    if (!(range.min_address == range.max_address)) out += '-' + address(range.max_address);
  }
  if (range.has_ports) {
    out += fmt::format(":{}", range.min_port);
    if (range.max_port != range.min_port) out += fmt::format("-{}", range.max_port);
  }
  if (range.persistent) out += ",persistent";
  if (range.hash) out += ",hash";
  if (range.random) out += ",random";
  out += ')';
}

void append_ct(const conntrack::CtRequest& request, std::string& out) {
  out += "ct";
  std::string inside;
  const auto add = [&](const std::string& text) { inside += (inside.empty() ? "" : ",") + text; };
  if (request.commit) add(request.force ? "force_commit" : "commit");
  if (request.zone != 0) add(fmt::format("zone={}", request.zone));
  if (request.mark_mask != 0) add("mark=" + hex_text(request.mark) + '/' + hex_text(request.mark_mask));
  if (!request.label_mask.is_zero()) {
    add("label=" + hex128(request.label));
    if (!(~request.label_mask).is_zero()) inside += '/' + hex128(request.label_mask);
  }
  if (request.helper == conntrack::Helper::Ftp) add("helper=ftp");
  if (request.helper == conntrack::Helper::Tftp) add("helper=tftp");
  if (request.nat) {
    add("");
    append_nat(request.nat_range, inside);
  }
  if (!inside.empty()) out += '(' + inside + ')';
}

void append_set(const SetHeader& action, std::string& out) {
  std::string inside;
  OdpWriter writer(action.values->value, action.values->mask.bits, inside);
  switch (action.header) {
    case Header::Ethernet:
      writer.ethernet();
      break;
    case Header::Mpls:
      writer.mpls();
      break;
    case Header::Ipv4:
      writer.ipv4(false);
      break;
    case Header::Ipv6:
      writer.ipv6(false);
      break;
    case Header::Tcp:
      writer.tcp();
      break;
    case Header::Udp:
      writer.udp();
      break;
    case Header::Sctp:
      writer.sctp();
      break;
    case Header::Icmp:
      writer.icmp("icmp");
      break;
    case Header::Icmpv6:
      writer.icmp("icmpv6");
      break;
    case Header::Arp:
      writer.arp();
      break;
    case Header::Nd:
      writer.nd();
      break;
    case Header::PktMark:
      writer.skb_mark();
      break;
    case Header::SkbPriority:
      writer.skb_priority();
      break;
    case Header::Tunnel:
      writer.tunnel();
      break;
  }
  out += "set(" + inside + ')';
}

/// Appends one action's text.
struct Writer {
  std::string& out;
  const field::NameResolver* names;

  void nested(const char* name, const Program& actions) const {
    out += name;
    out += '(' + format_program(actions, names) + ')';
  }

  void operator()(const Output& a) const {
    const auto name = names != nullptr ? names->port_name(a.port) : std::nullopt;
    out += name ? *name : std::to_string(a.port);
  }
  void operator()(const Truncate& a) const { out += fmt::format("trunc({})", a.max_len); }
  void operator()(const Userspace& a) const {
    if (a.slow != Userspace::Slow::None) {
      constexpr std::string_view kNames[] = {"", "lacp", "stp", "action"};
      out += fmt::format("userspace(pid=0,slow_path({}))", kNames[static_cast<unsigned>(a.slow)]);
      return;
    }
    out += fmt::format(
        "userspace(pid=0,controller(reason={},dont_send={:d},continuation={:d},recirc_id={},rule_cookie={},"
        "controller_id={},max_len={}))",
        a.reason, a.dont_send, a.continuation, a.recirc_id, hex_text(a.rule_cookie), a.controller_id,
        a.max_len);
  }
  void operator()(const SetHeader& a) const { append_set(a, out); }
  void operator()(const PushVlan& a) const {
    out += "push_vlan(";
    if (a.tpid.host() != net::ethertype::kVlan) out += fmt::format("tpid={:#06x},", a.tpid.host());
    out += fmt::format("vid={},pcp={}", a.tci.host() & flow::kVlanVidMask, a.tci.host() >> 13);
    // Without the bit that marks a tag as present it would go out with CFI 0.
    out += (a.tci.host() & flow::kVlanPresent) != 0 ? ")" : ",cfi=0)";
  }
  void operator()(const PopVlan&) const { out += "pop_vlan"; }
  void operator()(const PushMpls& a) const {
    const std::uint32_t lse = a.lse.host();
    out += fmt::format("push_mpls(label={},tc={},ttl={},bos={},eth_type={:#x})", lse >> 12, lse >> 9 & 7,
                       lse & 0xff, lse >> 8 & 1, a.eth_type.host());
  }
  void operator()(const PopMpls& a) const {
    out += fmt::format("pop_mpls(eth_type={:#x})", a.eth_type.host());
  }
  void operator()(const PopEth&) const { out += "pop_eth"; }
  void operator()(const PushEth& a) const {
    out += fmt::format("push_eth(src={},dst={})", net::format_mac(a.src), net::format_mac(a.dst));
  }
  void operator()(const Ct& a) const { append_ct(*a.request, out); }
  void operator()(const CtClear&) const { out += "ct_clear"; }
  void operator()(const Recirc& a) const { out += "recirc(" + hex_text(a.id) + ')'; }
  void operator()(const Hash& a) const {
    out += fmt::format("hash({}({}))", a.symmetric ? "sym_l4" : "l4", a.basis);
  }
  void operator()(const Clone& a) const { nested("clone", a.actions); }
  void operator()(const Sample& a) const {
    out += fmt::format("sample(sample={:.1f}%,actions(", 100.0 * a.probability / 0xffffffff);
    out += format_program(*a.actions, names) + "))";
  }
  void operator()(const CheckPktLen& a) const {
    out += fmt::format("check_pkt_len(size={},", a.size);
    nested("gt", *a.greater);
    out += ',';
    nested("le", *a.less_equal);
    out += ')';
  }
  void operator()(const Meter& a) const { out += fmt::format("meter({})", a.id); }
  void operator()(const Drop&) const { out += "drop"; }
};

}  // namespace

std::string format_program(const Program& program, const field::NameResolver* names) {
  if (program.empty()) return "drop";
  std::string text;
  for (const DpAction& action : program) {
    if (!text.empty()) text += ',';
    std::visit(Writer{text, names}, action.variant());
  }
  return text;
}

}  // namespace sluice::dp_action
