// A key is a word with arguments in parentheses; the arguments are one value, or "name=value" pairs. A row of
// kKeys says what each pair means. encap(…) holds the keys behind a VLAN tag.
#include "ofproto/odp_flow.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "net/address.h"
#include "net/protocol.h"

namespace sluice::ofproto {

namespace {

using field::FieldValue;
using flow::FlowKey;

/// Splits off what lies before the next top-level comma.
std::string_view next_item(std::string_view& text) {
  int depth = 0;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (text[i] == '(')
      ++depth;
    else if (text[i] == ')')
      --depth;
    else if ((text[i] == ',' || text[i] == ' ') && depth == 0)
      break;
  }
  const auto item = text.substr(0, i);
  text.remove_prefix(std::min(i + 1, text.size()));
  return item;
}

std::optional<FieldValue> parse_integer(std::string_view text) {
  FieldValue value = 0;
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex) text.remove_prefix(2);
  if (text.empty() || text.size() > 39) return std::nullopt;
  for (const char c : text) {
    unsigned digit;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (is_hex && c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (is_hex && c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    const unsigned base = is_hex ? 16 : 10;
    if (value > (~FieldValue{0} - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

constexpr std::string_view kStateFlags[] = {"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"};
constexpr std::string_view kTcpFlags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"};

/// "+a-b", "a|b", or a number.
std::optional<FieldValue> parse_flags(std::string_view text, std::span<const std::string_view> names) {
  if (const auto number = parse_integer(text)) return number;
  FieldValue value = 0;
  while (!text.empty()) {
    bool set = true;
    if (text[0] == '+' || text[0] == '-' || text[0] == '|') {
      set = text[0] != '-';
      text.remove_prefix(1);
    }
    const auto word = text.substr(0, std::min(text.find_first_of("+-|"), text.size()));
    std::size_t bit = 0;
    while (bit < names.size() && names[bit] != word) ++bit;
    if (bit == names.size()) return std::nullopt;
    if (set) value |= FieldValue{1} << bit;
    text.remove_prefix(word.size());
  }
  return value;
}

std::optional<FieldValue> parse_frag(std::string_view text) {
  if (text == "no") return FieldValue{0};
  if (text == "first") return FieldValue{flow::kFragAny};
  if (text == "later") return FieldValue{flow::kFragAny | flow::kFragLater};
  return parse_integer(text);
}

FieldValue value_of(const be128& a) {
  return FieldValue{a.hi.host()} << 64 | a.lo.host();
}

std::optional<FieldValue> parse_address(std::string_view text) {
  if (const auto v4 = net::parse_ipv4(text)) return v4->host();
  if (const auto v6 = net::parse_ipv6(text)) return value_of(*v6);
  if (const auto mac = net::parse_mac(text)) return mac->value();
  return std::nullopt;
}

/// What one argument of one key writes, `value` being already under its mask.
using Write = void (*)(FlowKey& key, FieldValue value);
enum class Kind : std::uint8_t { Integer, Address, State, TcpFlags, Frag, Port };

struct Row {
  std::string_view key, name;  ///< name empty: the key has one unnamed argument
  Kind kind;
  FieldValue max;
  Write write;
};

constexpr FieldValue kBits8 = 0xff, kBits16 = 0xffff, kBits32 = 0xffffffff, kBits48 = 0xffffffffffff,
                     kBits64 = ~std::uint64_t{0}, kBits128 = ~FieldValue{0};

be16 b16(FieldValue v) {
  return be16{static_cast<std::uint16_t>(v)};
}
be32 b32(FieldValue v) {
  return be32{static_cast<std::uint32_t>(v)};
}
be128 b128(FieldValue v) {
  return {be64{static_cast<std::uint64_t>(v >> 64)}, be64{static_cast<std::uint64_t>(v)}};
}
std::uint8_t b8(FieldValue v) {
  return static_cast<std::uint8_t>(v);
}
net::Mac mac_of(FieldValue v) {
  return net::Mac::from_value(static_cast<std::uint64_t>(v));
}

void set_vlan_bits(FlowKey& key, unsigned shift, FieldValue value) {
  for (auto& tag : key.vlan) {
    if (tag.tpid.raw() == 0) continue;
    if (&tag != &key.vlan.back() && (&tag + 1)->tpid.raw() != 0) continue;  // the innermost so far
    tag.tci = tag.tci | b16(value << shift) | be16{flow::kVlanPresent};
  }
}

/// An EtherType after a VLAN's is what lies behind the tag.
void set_eth_type(FlowKey& key, FieldValue value) {
  const auto type = static_cast<std::uint16_t>(value);
  if (type == net::ethertype::kVlan || type == net::ethertype::kQinQ) {
    for (auto& tag : key.vlan) {
      if (tag.tpid.raw() != 0) continue;
      tag.tpid = be16{type};
      tag.tci = be16{flow::kVlanPresent};
      return;
    }
  }
  key.eth_type = be16{type};
}

constexpr std::uint32_t kBosShift = 8, kTcShift = 9, kLabelShift = 12;

constexpr Row kRows[] = {
    {"recirc_id", "", Kind::Integer, kBits32, [](FlowKey& k, FieldValue v) { k.recirc_id = b32(v); }},
    {"dp_hash", "", Kind::Integer, kBits32, [](FlowKey& k, FieldValue v) { k.dp_hash = b32(v); }},
    {"skb_priority", "", Kind::Integer, kBits32, [](FlowKey& k, FieldValue v) { k.skb_priority = b32(v); }},
    {"skb_mark", "", Kind::Integer, kBits32, [](FlowKey& k, FieldValue v) { k.pkt_mark = b32(v); }},
    {"in_port", "", Kind::Port, kBits32, [](FlowKey& k, FieldValue v) { k.in_port = b32(v); }},
    {"ct_state", "", Kind::State, kBits8, [](FlowKey& k, FieldValue v) { k.ct_state = b32(v); }},
    {"ct_zone", "", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.ct_zone = b16(v); }},
    {"ct_mark", "", Kind::Integer, kBits32, [](FlowKey& k, FieldValue v) { k.ct_mark = b32(v); }},
    {"ct_label", "", Kind::Integer, kBits128, [](FlowKey& k, FieldValue v) { k.ct_label = b128(v); }},
    {"ct_tuple4", "src", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.ct_nw_src = b32(v); }},
    {"ct_tuple4", "dst", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.ct_nw_dst = b32(v); }},
    {"ct_tuple6", "src", Kind::Address, kBits128, [](FlowKey& k, FieldValue v) { k.ct_ipv6_src = b128(v); }},
    {"ct_tuple6", "dst", Kind::Address, kBits128, [](FlowKey& k, FieldValue v) { k.ct_ipv6_dst = b128(v); }},
    {"ct_tuple4", "proto", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.ct_nw_proto = b8(v); }},
    {"ct_tuple6", "proto", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.ct_nw_proto = b8(v); }},
    {"ct_tuple4", "tp_src", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.ct_tp_src = b16(v); }},
    {"ct_tuple6", "tp_src", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.ct_tp_src = b16(v); }},
    {"ct_tuple4", "tp_dst", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.ct_tp_dst = b16(v); }},
    {"ct_tuple6", "tp_dst", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.ct_tp_dst = b16(v); }},
    {"packet_type", "ns", Kind::Integer, kBits16,
     [](FlowKey& k, FieldValue v) { k.packet_type = k.packet_type | b32(v << 16); }},
    {"packet_type", "id", Kind::Integer, kBits16,
     [](FlowKey& k, FieldValue v) { k.packet_type = k.packet_type | b32(v); }},
    {"eth", "src", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.eth_src = mac_of(v); }},
    {"eth", "dst", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.eth_dst = mac_of(v); }},
    {"eth_type", "", Kind::Integer, kBits16, set_eth_type},
    {"vlan", "vid", Kind::Integer, 0xfff, [](FlowKey& k, FieldValue v) { set_vlan_bits(k, 0, v); }},
    {"vlan", "pcp", Kind::Integer, 7, [](FlowKey& k, FieldValue v) { set_vlan_bits(k, 13, v); }},
    {"vlan", "cfi", Kind::Integer, 1, [](FlowKey& k, FieldValue v) { set_vlan_bits(k, 12, v); }},
    {"vlan", "tci", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { set_vlan_bits(k, 0, v); }},
    {"mpls", "label", Kind::Integer, 0xfffff,
     [](FlowKey& k, FieldValue v) { k.mpls[0] = k.mpls[0] | b32(v << kLabelShift); }},
    {"mpls", "tc", Kind::Integer, 7,
     [](FlowKey& k, FieldValue v) { k.mpls[0] = k.mpls[0] | b32(v << kTcShift); }},
    {"mpls", "ttl", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.mpls[0] = k.mpls[0] | b32(v); }},
    {"mpls", "bos", Kind::Integer, 1,
     [](FlowKey& k, FieldValue v) { k.mpls[0] = k.mpls[0] | b32(v << kBosShift); }},
    {"ipv4", "src", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.nw_src = b32(v); }},
    {"ipv4", "dst", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.nw_dst = b32(v); }},
    {"ipv4", "proto", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_proto = b8(v); }},
    {"ipv4", "tos", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_tos = b8(v); }},
    {"ipv4", "ttl", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_ttl = b8(v); }},
    {"ipv4", "frag", Kind::Frag, kBits8, [](FlowKey& k, FieldValue v) { k.nw_frag = b8(v); }},
    {"ipv6", "src", Kind::Address, kBits128, [](FlowKey& k, FieldValue v) { k.ipv6_src = b128(v); }},
    {"ipv6", "dst", Kind::Address, kBits128, [](FlowKey& k, FieldValue v) { k.ipv6_dst = b128(v); }},
    {"ipv6", "label", Kind::Integer, 0xfffff, [](FlowKey& k, FieldValue v) { k.ipv6_label = b32(v); }},
    {"ipv6", "proto", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_proto = b8(v); }},
    {"ipv6", "tclass", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_tos = b8(v); }},
    {"ipv6", "hlimit", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_ttl = b8(v); }},
    {"ipv6", "frag", Kind::Frag, kBits8, [](FlowKey& k, FieldValue v) { k.nw_frag = b8(v); }},
    {"tcp", "src", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_src = b16(v); }},
    {"tcp", "dst", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_dst = b16(v); }},
    {"tcp_flags", "", Kind::TcpFlags, 0xfff, [](FlowKey& k, FieldValue v) { k.tcp_flags = b16(v); }},
    {"udp", "src", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_src = b16(v); }},
    {"udp", "dst", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_dst = b16(v); }},
    {"sctp", "src", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_src = b16(v); }},
    {"sctp", "dst", Kind::Integer, kBits16, [](FlowKey& k, FieldValue v) { k.tp_dst = b16(v); }},
    {"icmp", "type", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tp_src = b16(v); }},
    {"icmp", "code", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tp_dst = b16(v); }},
    {"icmpv6", "type", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tp_src = b16(v); }},
    {"icmpv6", "code", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tp_dst = b16(v); }},
    {"arp", "sip", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.nw_src = b32(v); }},
    {"arp", "tip", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.nw_dst = b32(v); }},
    {"arp", "op", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.nw_proto = b8(v); }},
    {"arp", "sha", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.arp_sha = mac_of(v); }},
    {"arp", "tha", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.arp_tha = mac_of(v); }},
    {"nd", "target", Kind::Address, kBits128, [](FlowKey& k, FieldValue v) { k.nd_target = b128(v); }},
    {"nd", "sll", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.arp_sha = mac_of(v); }},
    {"nd", "tll", Kind::Address, kBits48, [](FlowKey& k, FieldValue v) { k.arp_tha = mac_of(v); }},
    {"nd_ext", "nd_reserved", Kind::Integer, kBits32,
     [](FlowKey& k, FieldValue v) { k.nd_reserved = b32(v); }},
    {"nd_ext", "nd_options_type", Kind::Integer, kBits8,
     [](FlowKey& k, FieldValue v) { k.nd_options_type = b8(v); }},
    {"tunnel", "tun_id", Kind::Integer, kBits64,
     [](FlowKey& k, FieldValue v) { k.tun_id = be64{static_cast<std::uint64_t>(v)}; }},
    {"tunnel", "src", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.tun_src = b32(v); }},
    {"tunnel", "dst", Kind::Address, kBits32, [](FlowKey& k, FieldValue v) { k.tun_dst = b32(v); }},
    {"tunnel", "tos", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tun_tos = b8(v); }},
    {"tunnel", "ttl", Kind::Integer, kBits8, [](FlowKey& k, FieldValue v) { k.tun_ttl = b8(v); }},
};

std::optional<FieldValue> parse_one(Kind kind, std::string_view text, const field::NameResolver* ports) {
  switch (kind) {
    case Kind::Integer:
      return parse_integer(text);
    case Kind::Address:
      return parse_address(text);
    case Kind::State:
      return parse_flags(text, kStateFlags);
    case Kind::TcpFlags:
      return parse_flags(text, kTcpFlags);
    case Kind::Frag:
      return parse_frag(text);
    case Kind::Port:
      if (const auto number = parse_integer(text)) return number;
      if (ports)
        if (const auto number = ports->port_number(text)) return FieldValue{*number};
      return std::nullopt;
  }
  return std::nullopt;
}

/// "value" or "value/mask".
std::optional<FieldValue> parse_masked(const Row& row, std::string_view text,
                                       const field::NameResolver* ports) {
  const auto slash = text.find('/');
  auto value = parse_one(row.kind, text.substr(0, slash), ports);
  if (value && slash != std::string_view::npos) {
    const auto mask_kind = row.kind == Kind::Port ? Kind::Integer : row.kind;
    const auto mask = parse_one(mask_kind, text.substr(slash + 1), nullptr);
    if (!mask) return std::nullopt;
    *value &= *mask;
  }
  if (value && *value > row.max) return std::nullopt;
  return value;
}

Status apply_argument(FlowKey& key, std::string_view word, std::string_view name, std::string_view value,
                      const field::NameResolver* ports) {
  for (const Row& row : kRows) {
    if (row.key != word || row.name != name) continue;
    const auto number = parse_masked(row, value, ports);
    if (!number)
      return fail(fmt::format("{}: invalid value \"{}\"",
                              name.empty() ? std::string(word) : fmt::format("{}({})", word, name), value));
    row.write(key, *number);
    return {};
  }
  return fail(name.empty() ? fmt::format("{}: unknown key", word)
                           : fmt::format("{}: unknown argument \"{}\"", word, name));
}

Status apply_items(FlowKey& key, std::string_view text, const field::NameResolver* ports, unsigned depth) {
  while (!text.empty()) {
    const auto item = next_item(text);
    if (item.empty()) continue;
    if (item.starts_with("ufid:")) continue;
    const auto open = item.find('(');
    if (open == std::string_view::npos || item.back() != ')')
      return fail(fmt::format("syntax error at {}: expected KEY(…)", item));
    const auto word = item.substr(0, open);
    auto arguments = item.substr(open + 1, item.size() - open - 2);
    if (word == "encap") {
      if (depth >= flow::kMaxVlans) return fail("encap: nested too deeply");
      SLUICE_TRY(apply_items(key, arguments, ports, depth + 1));
      continue;
    }
    if (word == "eth" && arguments.empty()) continue;
    do {
      const auto argument = next_item(arguments);
      const auto equals = argument.find('=');
      const bool named = equals != std::string_view::npos;
      SLUICE_TRY(apply_argument(key, word, named ? argument.substr(0, equals) : std::string_view{},
                                named ? argument.substr(equals + 1) : argument, ports));
    } while (!arguments.empty());
  }
  return {};
}

}  // namespace

Result<FlowKey> parse_odp_flow(std::string_view text, const field::NameResolver* ports) {
  FlowKey key{};
  SLUICE_TRY(apply_items(key, text, ports, 0));
  return key;
}

bool names_ethernet(std::string_view text) {
  while (!text.empty())
    if (next_item(text).starts_with("eth(")) return true;
  return false;
}

}  // namespace sluice::ofproto
