#include "action/nat.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::action {

using conntrack::NatRange;
using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kNat = 36;
enum Flag : std::uint16_t {
  kSource = 1,
  kDestination = 2,
  kPersistent = 4,
  kHash = 8,
  kRandom = 16,
  kAllFlags = 31
};
enum Presence : std::uint16_t {
  kV4Min = 1,
  kV4Max = 2,
  kV6Min = 4,
  kV6Max = 8,
  kPortMin = 16,
  kPortMax = 32
};

tl::unexpected<Error> bad(std::string_view what) {
  return fail("nat: " + std::string(what) + " (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
}

be128 read_v6(ByteReader& in) {
  const std::uint64_t hi = in.u64();
  return {be64{hi}, be64{in.u64()}};
}
void write_v6(ByteWriter& out, const be128& address) {
  out.u64(address.hi.host());
  out.u64(address.lo.host());
}

/// Options say nothing without a range, and 0 as an address is none: nat(src=0.0.0.0) is nat(src).
void normalize(NatRange& range) {
  const bool zero = range.is_ipv6 ? range.min_address.is_zero() : net::v4_of(range.min_address).host() == 0;
  if (range.has_address && zero) range.has_address = false;
  if (range.kind == NatRange::Kind::None || !range.has_address) range = NatRange{.kind = range.kind};
}

Status decode_nat(ByteReader& body, const DecodeContext&, ActionList& out) {
  body.skip(2);
  const std::uint16_t flags = body.u16();
  const std::uint16_t present = body.u16();
  if ((flags & ~kAllFlags) != 0) return bad("unknown flags " + hex(flags));
  if ((flags & kSource) != 0 && (flags & kDestination) != 0) return bad("both src and dst");
  if ((flags & kHash) != 0 && (flags & kRandom) != 0) return bad("both hash and random");

  NatRange range;
  range.kind = (flags & kSource) != 0        ? NatRange::Kind::Source
               : (flags & kDestination) != 0 ? NatRange::Kind::Destination
                                             : NatRange::Kind::None;
  range.persistent = (flags & kPersistent) != 0;
  range.hash = (flags & kHash) != 0;
  range.random = (flags & kRandom) != 0;
  const bool v4 = (present & (kV4Min | kV4Max)) != 0;
  const bool v6 = (present & (kV6Min | kV6Max)) != 0;
  if (v4 && v6) return bad("an IPv4 and an IPv6 range");
  if (v4) {
    if ((present & kV4Min) == 0) return bad("a range without its first address");
    range.has_address = true;
    const be32 first{body.u32()};
    if (first.host() == 0) return bad("a range that begins with 0.0.0.0");
    range.min_address = range.max_address = net::v4_mapped(first);
    if ((present & kV4Max) != 0) range.max_address = net::v4_mapped(be32{body.u32()});
  }
  if (v6) {
    if ((present & kV6Min) == 0) return bad("a range without its first address");
    range.has_address = range.is_ipv6 = true;
    range.min_address = range.max_address = read_v6(body);
    if ((present & kV6Max) != 0) range.max_address = read_v6(body);
  }
  if ((present & (kPortMin | kPortMax)) != 0) {
    if (!range.has_address || (present & kPortMin) == 0)
      return bad("a port range without address or first port");
    range.has_ports = true;
    range.min_port = range.max_port = body.u16();
    if ((present & kPortMax) != 0) range.max_port = body.u16();
  }
  if (!body.ok()) return fail("nat: ends early (OFPBAC_BAD_LEN)", OfError::BacBadLen);
  if (range.max_address < range.min_address) return bad("reversed address range");
  if (range.max_port < range.min_port) return bad("reversed port range");
  if (range.has_ports && range.min_port == 0) return bad("port 0");
  normalize(range);
  out.push_back(NatAction{range});
  return {};
}

constexpr WireForm kForms[] = {{kNiciraVendor, kNat, OfVersion::k10, OfVersion::k15, 16, false, decode_nat}};

// --- Text of a range: "1.2.3.4-1.2.3.9:10-20", "[fe80::1]-[fe80::9]:80", "fe80::1"

/// Takes an address off the text; brackets are needed around an IPv6 address that is followed by ports.
std::optional<be128> take_address(std::string_view& text, bool& v6, bool& bracketed) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const auto address = net::parse_ipv6(text.substr(1, end - 1));
    text.remove_prefix(end + 1);
    v6 = bracketed = true;
    return address;
  }
  const std::size_t v4_end = std::min(text.find_first_not_of("0123456789."), text.size());
  if (const auto v4 = net::parse_ipv4(text.substr(0, v4_end))) {
    text.remove_prefix(v4_end);
    v6 = false;
    return net::v4_mapped(*v4);
  }
  const std::size_t v6_end = std::min(text.find_first_not_of("0123456789abcdefABCDEF:."), text.size());
  const auto address = net::parse_ipv6(text.substr(0, v6_end));
  if (!address) return std::nullopt;
  text.remove_prefix(v6_end);
  v6 = true;
  return address;
}

std::optional<std::uint16_t> take_port(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto port = parse_number(text.substr(0, end), 0xffff, "port");
  if (!port) return std::nullopt;
  text.remove_prefix(end);
  return static_cast<std::uint16_t>(*port);
}

Status parse_range(std::string_view text, NatRange& range) {
  const auto invalid = [&](std::string_view expected) {
    return fail("invalid nat range \"" + std::string(text) + "\": expected " + std::string(expected));
  };
  std::string_view rest = text;
  bool bracketed = false;
  const auto first = take_address(rest, range.is_ipv6, bracketed);
  if (!first) return invalid("an IPv4 or IPv6 address, as in 10.0.0.1-10.0.0.9:1024-2048 or [fe80::1]:80");
  range.has_address = true;
  range.min_address = range.max_address = *first;
  if (rest.starts_with('-')) {
    rest.remove_prefix(1);
    bool v6 = false;
    const auto last = take_address(rest, v6, bracketed);
    if (!last || v6 != range.is_ipv6) return invalid("a second address of the same family behind -");
    range.max_address = *last;
    if (range.max_address < range.min_address) return invalid("the lower address first");
  }
  if (rest.starts_with(':')) {
    if (range.is_ipv6 && !bracketed) return invalid("brackets around an IPv6 address with ports");
    rest.remove_prefix(1);
    const auto low = take_port(rest);
    if (!low) return invalid("a port from 1 to 65535 behind :");
    range.min_port = range.max_port = *low;
    if (rest.starts_with('-')) {
      rest.remove_prefix(1);
      const auto high = take_port(rest);
      if (!high) return invalid("a second port from 1 to 65535 behind -");
      range.max_port = *high;
      if (range.max_port < range.min_port) return invalid("the lower port first");
    }
    range.has_ports = range.max_port != 0;
    if (range.has_ports && range.min_port == 0) return invalid("ports from 1 on");
  }
  if (!rest.empty())
    return fail("garbage (" + std::string(rest) + ") after nat range \"" + std::string(text) +
                "\" (pos: " + std::to_string(text.size() - rest.size()) + ")");
  return {};
}

std::string format_address(const NatRange& range, const be128& address) {
  if (!range.is_ipv6) return net::format_ipv4(net::v4_of(address));
  return range.has_ports ? "[" + net::format_ipv6(address) + "]" : net::format_ipv6(address);
}

}  // namespace

std::span<const WireForm> NatAction::wire_forms() {
  return kForms;
}

Status NatAction::parse(const Word& word, const ParseContext& context, ActionList& out) {
  if (context.place != Place::CtExec)
    return fail("Cannot have NAT action outside of \"ct\" action", OfError::BacBadSetArgument);
  NatRange range;
  std::string_view rest = word.argument;
  while (const auto option = next_word(rest)) {
    if (option->name == "src" || option->name == "dst") {
      if (range.kind != NatRange::Kind::None) return fail("May only specify one of \"src\" or \"dst\".");
      range.kind = option->name == "src" ? NatRange::Kind::Source : NatRange::Kind::Destination;
      if (!option->argument.empty()) SLUICE_TRY(parse_range(option->argument, range));
    } else if (option->name == "persistent") {
      range.persistent = true;
    } else if (option->name == "hash") {
      range.hash = true;
    } else if (option->name == "random") {
      range.random = true;
    } else {
      return fail("invalid key \"" + std::string(option->name) +
                  "\" in \"nat\" argument: expected src, dst, persistent, hash or random");
    }
  }
  if (range.hash && range.random) return fail("Both \"hash\" and \"random\" are not allowed.");
  if (range.kind == NatRange::Kind::None && (range.persistent || range.hash || range.random))
    return fail("Flags allowed only with \"src\" or \"dst\".");
  normalize(range);
  out.push_back(NatAction{range});
  return {};
}

void NatAction::format(std::string& out, const Names&) const {
  out += "nat";
  if (range.kind == NatRange::Kind::None) return;
  out += range.kind == NatRange::Kind::Source ? "(src" : "(dst";
  if (range.has_address) {
    out += "=" + format_address(range, range.min_address);
    if (range.max_address != range.min_address) out += "-" + format_address(range, range.max_address);
    if (range.has_ports) out += ":" + std::to_string(range.min_port);
    if (range.has_ports && range.max_port != range.min_port) out += "-" + std::to_string(range.max_port);
    if (range.persistent) out += ",persistent";
    if (range.hash) out += ",hash";
    if (range.random) out += ",random";
  }
  out += ")";
}

void NatAction::encode(Encoder& out) const {
  const bool range_of_addresses = range.max_address != range.min_address;
  const bool range_of_ports = range.max_port != range.min_port;
  std::uint16_t flags = 0, present = 0;
  if (range.kind == NatRange::Kind::Source) flags |= kSource;
  if (range.kind == NatRange::Kind::Destination) flags |= kDestination;
  if (range.persistent) flags |= kPersistent;
  if (range.hash) flags |= kHash;
  if (range.random) flags |= kRandom;
  if (range.has_address) present |= range.is_ipv6 ? kV6Min : kV4Min;
  if (range.has_address && range_of_addresses) present |= range.is_ipv6 ? kV6Max : kV4Max;
  if (range.has_ports) present |= range_of_ports ? kPortMin | kPortMax : kPortMin;

  out.begin_nicira(kNat);
  ByteWriter& w = out.out();
  w.zeros(2);
  w.u16(flags);
  w.u16(present);
  const auto address = [&](const be128& a) {
    if (range.is_ipv6)
      write_v6(w, a);
    else
      w.u32(net::v4_of(a).host());
  };
  if (range.has_address) address(range.min_address);
  if (range.has_address && range_of_addresses) address(range.max_address);
  if (range.has_ports) w.u16(range.min_port);
  if (range.has_ports && range_of_ports) w.u16(range.max_port);
  out.end();
}

Status NatAction::check(CheckContext& context) const {
  if (context.place == Place::Set || !range.has_address) return {};
  const auto type = known_eth_type(context.match);
  const std::uint16_t wanted = range.is_ipv6 ? net::ethertype::kIpv6 : net::ethertype::kIpv4;
  if (type == wanted) return {};
  return fail(std::string("nat with an ") + (range.is_ipv6 ? "IPv6" : "IPv4") + " address needs a match on " +
                  (range.is_ipv6 ? "ipv6" : "ip") + " (OFPBAC_MATCH_INCONSISTENT)",
              OfError::BacMatchInconsistent);
}

void NatAction::translate(Translation&) const {}  // CtAction::resolve() takes it along

}  // namespace sluice::action
