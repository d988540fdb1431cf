// Matches as text, in ovs-ofctl syntax.
//
// Reading is generic over the registry; a few words ("tcp") are shorthands for an EtherType and a protocol.
// Printing follows ovs-ofctl's order and spelling, which is that of OpenFlow 1.0's names (dl_src, nw_src,
// tp_src), not the registry's, and prints registers one by one.
//
// A match on packet_type=(0,0) is never stored: every port carries Ethernet, so that it says nothing.
#include "field/match_text.h"

#include <fmt/core.h>

#include <array>
#include <span>

#include "field/of_error.h"
#include "net/protocol.h"

namespace sluice::field {

namespace {

using flow::Match;
namespace ethertype = net::ethertype;
namespace ip_proto = net::ip_proto;

constexpr std::uint8_t kAnyProtocol = 0;
struct Shorthand {
  std::string_view name;
  std::uint16_t eth_type;  ///< 0: none
  std::uint8_t protocol = kAnyProtocol;
};
// The first row that fits is the one printed.
constexpr Shorthand kShorthands[] = {
    {"icmp", ethertype::kIpv4, ip_proto::kIcmp},
    {"tcp", ethertype::kIpv4, ip_proto::kTcp},
    {"udp", ethertype::kIpv4, ip_proto::kUdp},
    {"sctp", ethertype::kIpv4, ip_proto::kSctp},
    {"ip", ethertype::kIpv4},
    {"icmp6", ethertype::kIpv6, ip_proto::kIcmpv6},
    {"tcp6", ethertype::kIpv6, ip_proto::kTcp},
    {"udp6", ethertype::kIpv6, ip_proto::kUdp},
    {"sctp6", ethertype::kIpv6, ip_proto::kSctp},
    {"ipv6", ethertype::kIpv6},
    {"ip6", ethertype::kIpv6},
    {"arp", ethertype::kArp},
    {"rarp", ethertype::kRarp},
    {"mpls", ethertype::kMpls},
    {"mplsm", ethertype::kMplsMulticast},
    {"eth", 0},
};

const Shorthand* find_shorthand(std::string_view name) {
  for (const Shorthand& s : kShorthands)
    if (s.name == name) return &s;
  return nullptr;
}

const FieldSpec* find_match_field(std::string_view name) {
  const FieldSpec* f = find_field(name);
  return f != nullptr && (f->name == name || f->alias == name) ? f : nullptr;
}

Status demand(Match& match, const FieldSpec& f, const ValueMask& want) {
  if (f.id == FieldId::PacketType && want.value == 0) {
    set_match(match, f.id, 0, 0);
    return {};
  }
  set_match(match, f.id, want.value, want.mask);
  return {};
}

/// "reg0[0..7]=5": the bits of the field, beside what the match already says of its other bits.
Status demand_subfield(Match& match, const Subfield& sub, std::string_view text) {
  const FieldSpec& f = spec(sub.field);
  const auto value = parse_integer(text);
  if (!value) return fail(fmt::format("{}={}: \"{}\" is no number", format_subfield(sub), text, text));
  if (*value > ones(sub.width))
    return fail(
        fmt::format("{}={}: value too large: at most {} bits", format_subfield(sub), text, sub.width));
  const FieldValue bits = ones(sub.width) << sub.offset;
  if (f.mask == MaskPolicy::None && bits != f.valid_bits())
    return fail(fmt::format("{}={}: {} can only be matched as a whole", format_subfield(sub), text, f.name));
  const ValueMask old = get(match, f.id);
  return demand(match, f, {(old.value & ~bits) | *value << sub.offset, old.mask | bits});
}

/// Words that begin with a sign are flags torn from their field by a comma.
tl::unexpected<Error> stray_flag(const Match& match, std::string_view word, std::string_view written) {
  const auto in = [&](FieldId id) -> std::string {
    const ValueMask got = get(match, id);
    if (got.mask == 0) return {};
    const FieldSpec& f = spec(id);
    std::string sofar = format_value(f, got.value, got.mask);
    return fmt::format("\"{}\" is no match by itself: flags of {} are written without commas; write {}={}{}",
                       written, f.name, f.name, sofar, word);
  };
  for (const FieldId id : {FieldId::CtState, FieldId::TcpFlags})
    if (std::string message = in(id); !message.empty()) return fail(std::move(message));
  return fail(
      fmt::format("\"{}\" is no match by itself: expected a field, as in ct_state={}", written, written));
}

bool is_ct_flag(std::string_view word) {
  for (const auto flag : {"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"})
    if (word == flag) return true;
  return false;
}

/// The words between commas and spaces; commas inside parentheses and quotes do not separate.
struct WordReader {
  std::string_view rest;

  static bool separates(char c) { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  std::string_view next() {
    while (!rest.empty() && separates(rest.front())) rest.remove_prefix(1);
    int depth = 0;
    bool quoted = false;
    std::size_t n = 0;
    for (; n < rest.size(); ++n) {
      const char c = rest[n];
      if (c == '"') quoted = !quoted;
      if (quoted) continue;
      if (c == '(') ++depth;
      if (c == ')' && depth > 0) --depth;
      if (depth == 0 && separates(c)) break;
    }
    const std::string_view word = rest.substr(0, n);
    rest.remove_prefix(n);
    return word;
  }
};

// Printing.

class Printer {
 public:
  Printer(const Match& match, const NameResolver* names) : match_(match), names_(names) {}
  std::string take() { return std::move(text_); }

  void word(std::string_view w) {
    if (!text_.empty()) text_ += ',';
    text_ += w;
  }
  void item(std::string_view name, std::string_view value) { word(fmt::format("{}={}", name, value)); }
  /// The field in its own format, if the match says anything of it.
  void field(FieldId id, std::string_view name = {}) {
    const ValueMask v = get(match_, id);
    if (v.mask != 0)
      item(name.empty() ? spec(id).name : name, format_value(spec(id), v.value, v.mask, names_));
  }
  /// Decimal if exact, else hexadecimal on both sides.
  void number16(std::string_view name, be16 value, be16 mask) {
    if (mask.raw() == 0) return;
    if (mask.raw() == 0xffff)
      item(name, fmt::format("{}", value.host()));
    else
      item(name, fmt::format("0x{:x}/0x{:x}", value.host(), mask.host()));
  }
  /// Flags with signs even if all are given.
  void flags_masked(FieldId id) {
    const ValueMask v = get(match_, id);
    if (v.mask != 0) item(spec(id).name, (v.value & 1) != 0 ? "+oam" : "-oam");
  }
  void vlan();
  void ipv6_label();

 private:
  const Match& match_;
  const NameResolver* names_;
  std::string text_;
};

void Printer::vlan() {
  const std::uint16_t value = match_.value.vlan[0].tci.host(), mask = match_.mask.bits.vlan[0].tci.host();
  constexpr std::uint16_t kVid = flow::kVlanVidMask, kCfi = flow::kVlanPresent, kPcp = 0xe000;
  if (mask == 0) return;
  const bool vid = (mask & kVid) == kVid, pcp = (mask & kPcp) == kPcp,
             partly = (mask & kVid) % kVid != 0 || (mask & kPcp) % kPcp != 0;
  if ((mask & value & kCfi) != 0 && (vid || pcp) && !partly) {
    if (vid) item("dl_vlan", fmt::format("{}", value & kVid));
    if (pcp) item("dl_vlan_pcp", fmt::format("{}", value >> 13));
  } else if (mask == 0xffff) {
    item("vlan_tci", fmt::format("0x{:04x}", value));
  } else {
    item("vlan_tci", fmt::format("0x{:04x}/0x{:04x}", value, mask));
  }
}

void Printer::ipv6_label() {
  const ValueMask v = get(match_, FieldId::Ipv6Label);
  if (v.mask == 0) return;
  std::string text = fmt::format("0x{:05x}", static_cast<std::uint32_t>(v.value));
  if (v.mask != ones(20)) text += fmt::format("/0x{:05x}", static_cast<std::uint32_t>(v.mask));
  item("ipv6_label", text);
}

/// True if the match says something of an Ethernet header: beside recirc_id that is spelled out.
bool demands_ethernet(const Match& match) {
  const flow::FlowKey& mask = match.mask.bits;
  return mask.packet_type.raw() == 0 &&
         (mask.eth_type.raw() != 0 || mask.vlan[0].tci.raw() != 0 || mask.ct_nw_proto != 0 ||
          !mask.eth_src.is_zero() || !mask.eth_dst.is_zero());
}

/// Prints "tcp" or whatever stands for the match's EtherType and protocol; says which of the two it stands
/// for.
struct Covered {
  bool eth_type = false, protocol = false;
};
Covered print_shorthand(Printer& out, const Match& match) {
  if (match.mask.bits.eth_type.raw() != 0xffff) return {};
  const bool has_protocol = match.mask.bits.nw_proto == 0xff;
  for (const Shorthand& s : kShorthands) {
    if (s.eth_type == 0 || s.eth_type != match.value.eth_type.host()) continue;
    if (s.protocol == kAnyProtocol) {
      out.word(s.name);
      return {true, false};
    }
    if (has_protocol && s.protocol == match.value.nw_proto) {
      out.word(s.name);
      return {true, true};
    }
  }
  return {};
}

void print_network(Printer& out, const Match& match, bool protocol_printed) {
  const std::uint16_t eth_type = fixed_eth_type(match);
  if (eth_type == ethertype::kArp || eth_type == ethertype::kRarp) {
    out.field(FieldId::ArpSpa);
    out.field(FieldId::ArpTpa);
    out.field(FieldId::ArpOp);
    out.field(FieldId::ArpSha);
    out.field(FieldId::ArpTha);
  } else {
    if (eth_type == ethertype::kIpv6) {
      out.field(FieldId::Ipv6Src);
      out.field(FieldId::Ipv6Dst);
      out.ipv6_label();
    } else {
      out.field(FieldId::Ipv4Src, "nw_src");
      out.field(FieldId::Ipv4Dst, "nw_dst");
    }
    if (!protocol_printed) out.field(FieldId::IpProto);
  }
  out.field(FieldId::IpDscp);
  out.field(FieldId::IpEcn);
  out.field(FieldId::IpTtl);
  for (const FieldId id : {FieldId::MplsLabel, FieldId::MplsTc, FieldId::MplsTtl, FieldId::MplsBos})
    out.field(id);
  out.field(FieldId::IpFrag, "nw_frag");
}

void print_transport(Printer& out, const Match& match) {
  const flow::FlowKey &value = match.value, &mask = match.mask.bits;
  const bool icmp = prerequisites_met(Prereq::Icmpv4, match),
             icmp6 = prerequisites_met(Prereq::Icmpv6, match);
  out.number16(icmp || icmp6 ? "icmp_type" : "tp_src", value.tp_src, mask.tp_src);
  out.number16(icmp || icmp6 ? "icmp_code" : "tp_dst", value.tp_dst, mask.tp_dst);
  if (icmp6) {
    for (const FieldId id :
         {FieldId::NdTarget, FieldId::NdSll, FieldId::NdTll, FieldId::NdReserved, FieldId::NdOptionsType})
      out.field(id);
  }
  out.field(FieldId::TcpFlags);
}

// Canonical form.

/// The bits of a FlowKey that a match on the field covers.
/// Whether the match says nothing of all words of the key that the field lies in.
bool is_untouched(const Match& match, const FieldSpec& f) {
  const std::size_t first = f.key_offset / 8u, last = (f.key_offset + f.key_bytes - 1u) / 8u;
  for (std::size_t i = first; i <= last; ++i)
    if (flow::word_at(match.mask.bits, i) != 0) return false;
  return true;
}

flow::Mask footprint(FieldId id) {
  flow::Mask mask;
  unwildcard(mask, id);
  return mask;
}

std::string_view prereq_words(Prereq needs) {
  switch (needs) {
    case Prereq::Ethernet:
      return "packet_type=(0,0)";
    case Prereq::Arp:
      return "arp or rarp";
    case Prereq::Vlan:
      return "vlan_vid";
    case Prereq::Ipv4:
      return "ip";
    case Prereq::Ipv6:
      return "ipv6";
    case Prereq::Ip:
      return "ip or ipv6";
    case Prereq::Mpls:
      return "mpls or mplsm";
    case Prereq::Tcp:
    case Prereq::Udp:
    case Prereq::Sctp:
      return "tcp, udp or sctp";
    case Prereq::Icmpv4:
      return "icmp";
    case Prereq::Icmpv6:
      return "icmp6";
    case Prereq::Nd:
      return "icmp6,icmp_type=135 or 136";
    case Prereq::NdSolicit:
      return "icmp6,icmp_type=135";
    case Prereq::NdAdvert:
      return "icmp6,icmp_type=136";
    case Prereq::CtTracked:
      return "a valid tracked state, as in ct_state=+trk-inv";
    case Prereq::CtTrackedIpv4:
      return "ip and a valid tracked state, as in ip,ct_state=+trk-inv";
    case Prereq::CtTrackedIpv6:
      return "ipv6 and a valid tracked state, as in ipv6,ct_state=+trk-inv";
    case Prereq::CtTrackedPorts:
      return "ct_nw_proto";
    case Prereq::None:
      break;
  }
  return "";
}

bool is_port(Prereq needs) {
  return needs == Prereq::Tcp || needs == Prereq::Udp || needs == Prereq::Sctp;
}
bool is_ct_tuple(FieldId id) {
  return id >= FieldId::CtNwProto && id <= FieldId::CtIpv6Dst;
}

/// Addresses of the connection's original direction can only be those of the packet's own IP version.
Status check_ct_family(const Match& match) {
  const std::uint16_t eth_type = fixed_eth_type(match);
  for (const FieldId id : {FieldId::CtNwSrc, FieldId::CtNwDst, FieldId::CtIpv6Src, FieldId::CtIpv6Dst}) {
    const FieldSpec& f = spec(id);
    const std::uint16_t wanted = f.needs == Prereq::CtTrackedIpv4 ? ethertype::kIpv4 : ethertype::kIpv6;
    if (get(match, id).mask != 0 && eth_type != wanted)
      return fail(fmt::format("{} needs {}", f.name, prereq_words(f.needs)), OfError::BacMatchInconsistent);
  }
  return {};
}

/// An ICMP type or code written as a port (tp_src=…) must be one.
Status check_icmp(const Match& match) {
  if (!prerequisites_met(Prereq::Icmpv4, match) && !prerequisites_met(Prereq::Icmpv6, match)) return {};
  const auto check = [](std::string_view name, be16 value, be16 mask) -> Status {
    if (mask.raw() == 0 || (mask.raw() == 0xffff && value.host() <= 0xff)) return {};
    return fail(fmt::format("{}: of an ICMP packet it is matched as a whole and is at most 255", name),
                OfError::BmcBadValue);
  };
  SLUICE_TRY(check("icmp_type (tp_src)", match.value.tp_src, match.mask.bits.tp_src));
  return check("icmp_code (tp_dst)", match.value.tp_dst, match.mask.bits.tp_dst);
}

}  // namespace

Result<bool> parse_match_word(Match& match, std::string_view name, std::string_view value, bool has_value,
                              const NameResolver* names) {
  if (const Shorthand* s = find_shorthand(name)) {
    if (has_value && !value.empty()) return fail(fmt::format("{}={}: {} takes no value", name, value, name));
    if (s->eth_type != 0) set_match(match, FieldId::EthType, s->eth_type, 0xffff);
    if (s->protocol != kAnyProtocol) set_match(match, FieldId::IpProto, s->protocol, 0xff);
    return true;
  }
  if (const FieldSpec* f = find_match_field(name)) {
    if (!has_value || value.empty()) return fail(fmt::format("{} needs a value, as in {}=…", name, name));
    SLUICE_ASSIGN(const ValueMask want, parse_value(*f, value, names));
    SLUICE_TRY(demand(match, *f, want));
    return true;
  }
  if (name.size() > 1 && (name[0] == '+' || name[0] == '-')) return stray_flag(match, name, name);
  if (!has_value && is_ct_flag(name) && match.mask.bits.ct_state.raw() != 0)
    return stray_flag(match, fmt::format("|{}", name), name);
  if (name.find('[') != std::string_view::npos) {
    SLUICE_ASSIGN(const Subfield sub, parse_subfield(name));
    SLUICE_TRY(demand_subfield(match, sub, value));
    return true;
  }
  return false;
}

Result<std::string> settle_match(Match& match) {
  const auto holds = [&](const FieldSpec& f) {
    if (f.needs == Prereq::CtTrackedPorts && match.value.ct_nw_proto == 0) return false;
    return prerequisites_met(f.needs, match);
  };
  // Only the few fields that the match says something of are looked at closely: flows come by the million.
  flow::Mask met, unmet;
  std::array<const FieldSpec*, kFieldCount> suspects;
  std::size_t n_suspects = 0;
  for (const FieldSpec& f : all_fields()) {
    if (is_untouched(match, f) || get(match, f.id).mask == 0) continue;
    if (holds(f))
      met.unite(footprint(f.id));
    else
      suspects[n_suspects++] = &f;
  }
  std::string dropped;
  for (const FieldSpec* f : std::span(suspects).first(n_suspects)) {
    // Bits that a field whose prerequisite is met shares (tcp_src and udp_src) are no loss; of several fields
    // without theirs the first names them.
    const flow::Mask mask = footprint(f->id);
    if (met.covers(mask)) continue;
    const std::string_view name = f->alias.empty() ? f->name : f->alias;
    if (is_ct_tuple(f->id) || f->needs == Prereq::Ethernet)
      return fail(fmt::format("{} needs {}", f->name, prereq_words(f->needs)), OfError::BmcBadPrereq);
    if (is_port(f->needs) && (match.value.nw_frag & flow::kFragLater) != 0)
      return fail(
          fmt::format("{} cannot be matched with nw_frag=later: a later fragment has no transport header",
                      name),
          OfError::BmcBadPrereq);
    if (!unmet.covers(mask)) {
      if (!dropped.empty()) dropped += "; ";
      dropped += fmt::format("{} is ignored: it needs {}", name, prereq_words(f->needs));
    }
    unmet.unite(mask);
  }
  SLUICE_TRY(check_ct_family(match));
  SLUICE_TRY(check_icmp(match));
  if (n_suspects == 0) return dropped;
  for (std::size_t i = 0; i < flow::kKeyWords; ++i) {
    const std::uint64_t keep = ~flow::word_at(unmet.bits, i) | flow::word_at(met.bits, i);
    flow::set_word(match.mask.bits, i, flow::word_at(match.mask.bits, i) & keep);
    flow::set_word(match.value, i, flow::word_at(match.value, i) & flow::word_at(match.mask.bits, i));
  }
  return dropped;
}

Result<Match> parse_match(std::string_view text, const NameResolver* names, std::string* warning) {
  Match match;
  WordReader words{text};
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    const std::size_t equals = word.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view{};
    SLUICE_ASSIGN(const bool known, parse_match_word(match, name, value, has_value, names));
    if (!known)
      return fail(
          fmt::format("\"{}\" at offset {}: unknown field \"{}\"", word, word.data() - text.data(), name));
  }
  SLUICE_ASSIGN(std::string said, settle_match(match));
  if (warning != nullptr) {
    const std::string impossible = impossible_match(match);
    if (!said.empty() && !impossible.empty()) said += "; ";
    *warning = said + impossible;
  }
  return match;
}

std::string format_match(const Match& match, const NameResolver* names) {
  Printer out(match, names);
  for (const FieldId id : {FieldId::PktMark, FieldId::RecircId, FieldId::DpHash, FieldId::ConjId,
                           FieldId::SkbPriority, FieldId::ActsetOutput, FieldId::CtState})
    out.field(id);
  if (match.mask.bits.ct_zone.raw() != 0) out.item("ct_zone", fmt::format("{}", match.value.ct_zone.host()));
  for (const FieldId id : {FieldId::CtMark, FieldId::CtLabel, FieldId::CtNwSrc, FieldId::CtIpv6Src,
                           FieldId::CtNwDst, FieldId::CtIpv6Dst, FieldId::CtNwProto})
    out.field(id);
  out.number16("ct_tp_src", match.value.ct_tp_src, match.mask.bits.ct_tp_src);
  out.number16("ct_tp_dst", match.value.ct_tp_dst, match.mask.bits.ct_tp_dst);

  out.field(FieldId::PacketType);
  if (match.mask.bits.recirc_id.raw() != 0 && demands_ethernet(match)) out.word("eth");
  const Covered covered = print_shorthand(out, match);

  for (unsigned i = 0; i < flow::kRegisters; ++i)
    out.field(static_cast<FieldId>(static_cast<unsigned>(FieldId::Reg0) + i));
  for (const FieldId id :
       {FieldId::TunId, FieldId::TunSrc, FieldId::TunDst, FieldId::TunIpv6Src, FieldId::TunIpv6Dst})
    out.field(id);
  out.number16("tun_gbp_id", match.value.tun_gbp_id, match.mask.bits.tun_gbp_id);
  out.field(FieldId::TunGbpFlags);
  out.field(FieldId::TunTos);
  out.field(FieldId::TunTtl);
  out.flags_masked(FieldId::TunFlags);
  out.field(FieldId::Metadata);
  out.field(FieldId::InPortOxm, "in_port");

  out.vlan();
  out.field(FieldId::EthSrc, "dl_src");
  out.field(FieldId::EthDst, "dl_dst");
  if (match.mask.bits.eth_type.raw() != 0 && !covered.eth_type)
    out.item("dl_type", fmt::format("0x{:04x}", match.value.eth_type.host()));
  print_network(out, match, covered.protocol);
  print_transport(out, match);
  return out.take();
}

std::string impossible_match(const Match& match) {
  constexpr std::uint32_t kNew = 0x01, kEst = 0x02, kRpl = 0x08, kInv = 0x10, kTrk = 0x20;
  const flow::FlowKey &value = match.value, &mask = match.mask.bits;
  const std::uint32_t on = value.ct_state.host(), off = mask.ct_state.host() & ~on;
  const auto never = [&](std::string_view why) {
    return fmt::format("ct_state={} can never match: {}",
                       format_value(spec(FieldId::CtState), on, mask.ct_state.host()), why);
  };
  const bool other_ct = (value.ct_zone.raw() | value.ct_mark.raw()) != 0 || !value.ct_label.is_zero();
  if ((off & kTrk) != 0 && (on & ~kTrk) != 0)
    return never("a packet that was not tracked (-trk) has no other flag");
  if ((off & kTrk) != 0 && other_ct)
    return never("ct_zone, ct_mark and ct_label are zero in a packet that was not tracked (-trk)");
  if ((on & kInv) != 0 && (on & ~(kInv | kTrk)) != 0)
    return never("an invalid packet (+inv) has no flag beside inv and trk");
  if ((on & kInv) != 0 && (value.ct_mark.raw() != 0 || !value.ct_label.is_zero()))
    return never("ct_mark and ct_label are zero in an invalid packet (+inv)");
  if ((on & kNew) != 0 && (on & kEst) != 0) return never("a connection is either new or est");
  if ((on & kNew) != 0 && (on & kRpl) != 0) return never("a reply (+rpl) never belongs to a new connection");
  const std::uint16_t tci = value.vlan[0].tci.host(), tci_mask = mask.vlan[0].tci.host();
  if ((tci_mask & flow::kVlanPresent) != 0 && (tci & flow::kVlanPresent) == 0 && tci != 0)
    return fmt::format(
        "vlan_tci=0x{:04x}/0x{:04x} can never match: without a tag (0x1000 clear) all of it is zero", tci,
        tci_mask);
  if (mask.nw_frag == 3 && value.nw_frag == flow::kFragLater)
    return "nw_frag=0x2/0x3 can never match: a later fragment is a fragment";
  return {};
}

}  // namespace sluice::field
