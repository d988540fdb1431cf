// Values of fields as text, in ovs-ofctl syntax: each Format both ways, ports by name, flag words.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "field/field.h"
#include "field/of_error.h"

namespace sluice::field {

namespace {

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

be128 to_be128(FieldValue v) {
  return {be64{static_cast<std::uint64_t>(v >> 64)}, be64{static_cast<std::uint64_t>(v)}};
}
FieldValue from_be128(const be128& v) {
  return FieldValue{v.hi.host()} << 64 | v.lo.host();
}

tl::unexpected<Error> bad(const FieldSpec& spec, std::string_view text, std::string_view expected) {
  return fail(fmt::format("{}={}: {}", spec.name, text, expected));
}

/// "value" and, behind a slash, "mask".
struct SplitText {
  std::string_view value, mask;
  bool has_mask;
};
SplitText split_mask(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {text, {}, false};
  return {text.substr(0, slash), text.substr(slash + 1), true};
}

// Flags.

struct FlagName {
  std::string_view name;
  std::uint32_t bit;
};
constexpr FlagName kCtStateFlags[] = {{"new", 0x01}, {"est", 0x02}, {"rel", 0x04},  {"rpl", 0x08},
                                      {"inv", 0x10}, {"trk", 0x20}, {"snat", 0x40}, {"dnat", 0x80}};
constexpr FlagName kTcpFlags[] = {{"fin", 0x001}, {"syn", 0x002}, {"rst", 0x004},
                                  {"psh", 0x008}, {"ack", 0x010}, {"urg", 0x020},
                                  {"ece", 0x040}, {"cwr", 0x080}, {"ns", 0x100}};
constexpr FlagName kTunFlags[] = {{"oam", 0x1}};

struct FlagSet {
  std::span<const FlagName> names;
  std::uint32_t allowed;
  std::string_view what;
};
FlagSet flag_set(Format format) {
  switch (format) {
    case Format::CtState:
      return {kCtStateFlags, 0xff, "ct_state"};
    case Format::TcpFlags:
      return {kTcpFlags, 0xfff, "TCP"};
    default:
      return {kTunFlags, 0x1, "tunnel"};
  }
}

std::string flag_list(const FlagSet& set) {
  std::string list;
  for (const FlagName& flag : set.names) list += (list.empty() ? "" : ", ") + std::string(flag.name);
  return list;
}

/// The bit of "syn" or "[800]"; 0 if unknown.
std::uint32_t flag_bit(const FlagSet& set, std::string_view word) {
  for (const FlagName& flag : set.names)
    if (flag.name == word) return flag.bit;
  if (word.size() > 2 && word.front() == '[' && word.back() == ']') {
    const auto bit = parse_integer(fmt::format("0x{}", word.substr(1, word.size() - 2)));
    if (bit && *bit != 0 && (*bit & ~FieldValue{set.allowed}) == 0) return static_cast<std::uint32_t>(*bit);
  }
  return 0;
}

Result<ValueMask> parse_flags(const FieldSpec& spec, std::string_view text) {
  const FlagSet set = flag_set(spec.format);
  const auto unknown = [&](std::string_view word) {
    return fail(fmt::format("{}: unknown {} flag(s): expected one of {}", word, set.what, flag_list(set)));
  };
  if (text.empty()) return bad(spec, text, fmt::format("expected flags, as in +{}", set.names.back().name));

  if (text[0] == '+' || text[0] == '-') {
    FieldValue value = 0, mask = 0;
    for (std::size_t at = 0; at < text.size();) {
      const bool wanted = text[at] == '+';
      const std::size_t end = std::min(text.find_first_of("+-", at + 1), text.size());
      const std::string_view word = text.substr(at + 1, end - at - 1);
      const std::uint32_t bit = flag_bit(set, word);
      if (bit == 0) return unknown(word);
      if ((mask & bit) != 0) return bad(spec, text, fmt::format("flag \"{}\" is given twice", word));
      mask |= bit;
      if (wanted) value |= bit;
      at = end;
    }
    return ValueMask{value, mask};
  }

  const SplitText parts = split_mask(text);
  if (parts.has_mask) {
    const auto value = parse_integer(parts.value), mask = parse_integer(parts.mask);
    if (!value || !mask)
      return bad(spec, text, "expected numbers on both sides of the slash, or flags as in +a-b");
    if (((*value | *mask) & ~FieldValue{set.allowed}) != 0)
      return bad(spec, text, fmt::format("has bits beyond {:#x}", set.allowed));
    return ValueMask{*value & *mask, *mask};
  }
  FieldValue value = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t bar = std::min(rest.find('|'), rest.size());
    const std::string_view word = rest.substr(0, bar);
    rest.remove_prefix(std::min(bar + 1, rest.size()));
    if (const auto number = parse_integer(word)) {
      if ((*number & ~FieldValue{set.allowed}) != 0)
        return bad(spec, text, fmt::format("{} has bits beyond {:#x}", word, set.allowed));
      value |= *number;
      continue;
    }
    const std::uint32_t bit = flag_bit(set, word);
    if (bit == 0) {
      if (word.find_first_of("+-") != std::string_view::npos)
        return bad(spec, text, "write either +a-b (these flags) or a|b (exactly these)");
      return unknown(word);
    }
    value |= bit;
  }
  return ValueMask{value, set.allowed};
}

std::string flag_name(const FlagSet& set, std::uint32_t bit) {
  for (const FlagName& flag : set.names)
    if (flag.bit == bit) return std::string(flag.name);
  return fmt::format("[{:x}]", bit);
}

/// One word a set bit, lowest first, each appended by `append(text, bit, name)`.
std::string flag_words(const FlagSet& set, FieldValue bits, auto&& append) {
  std::string text;
  for (std::uint32_t bit = 1; bit != 0; bit <<= 1)
    if ((bits & bit) != 0) append(text, bit, flag_name(set, bit));
  return text;
}

std::string format_flags_exact(const FlagSet& set, FieldValue value) {
  if (value == 0) return "0";
  return flag_words(set, value, [](std::string& text, std::uint32_t, const std::string& word) {
    text += (text.empty() ? "" : "|") + word;
  });
}

std::string format_flags_masked(const FlagSet& set, FieldValue value, FieldValue mask) {
  return flag_words(set, mask, [&](std::string& text, std::uint32_t bit, const std::string& word) {
    text += ((value & bit) != 0 ? "+" : "-") + word;
  });
}

// Fragments: value and mask of the two nw_frag bits.

struct FragWord {
  std::string_view word;
  std::uint8_t value, mask;
};
constexpr FragWord kFragWords[] = {
    {"no", 0, 3}, {"yes", 1, 1}, {"first", 1, 3}, {"later", 3, 3}, {"not_later", 0, 2}};

std::string format_frag(FieldValue value, FieldValue mask) {
  const bool any = (value & 1) != 0, later = (value & 2) != 0;
  switch (static_cast<unsigned>(mask & 3)) {
    case 1:
      return any ? "yes" : "no";
    case 2:
      return later ? "later" : "not_later";
    default:
      return any ? (later ? "later" : "first") : (later ? "<error>" : "no");
  }
}

// Packet types.

Result<ValueMask> parse_packet_type(const FieldSpec& spec, std::string_view text) {
  const auto error = [&] { return bad(spec, text, "expected (namespace,type), as in (1,0x800)"); };
  const std::size_t comma = text.find(',');
  if (text.size() < 5 || text.front() != '(' || text.back() != ')' || comma == std::string_view::npos)
    return error();
  const auto ns = parse_integer(text.substr(1, comma - 1));
  const auto type = parse_integer(text.substr(comma + 1, text.size() - comma - 2));
  if (!ns || !type || *ns > 0xffff || *type > 0xffff) return error();
  return ValueMask{*ns << 16 | *type, ones(32)};
}

std::string small_number(unsigned n) {
  return n < 10 ? fmt::format("{}", n) : fmt::format("{:#x}", n);
}

// Numbers.

Result<ValueMask> parse_number(const FieldSpec& spec, std::string_view text) {
  const SplitText parts = split_mask(text);
  const auto value = parse_integer(parts.value);
  if (!value)
    return fail(fmt::format("{}: bad syntax for {} value: expected decimal or 0x and hexadecimal digits",
                            text, spec.name));
  FieldValue limit = ones(spec.bits), mask = spec.valid_bits();
  if (spec.id == FieldId::DlVlan && *value == 0xffff) limit = 0xffff;
  if (spec.id == FieldId::VlanVid) limit = ones(13), mask = ones(13);
  if (spec.id == FieldId::ArpOp) limit = 0xff;
  if (*value > limit) {
    const std::string most = limit <= 0xffffffff ? std::to_string(static_cast<std::uint64_t>(limit))
                                                 : fmt::format("{} bits", spec.bits);
    return fail(fmt::format("{}: value too large for {}-byte field {}: expected at most {}", text,
                            spec.wire_bytes, spec.name, most));
  }
  if (!parts.has_mask) return ValueMask{*value & (spec.id == FieldId::DlVlan ? limit : mask), mask};

  const auto given = parse_integer(parts.mask);
  if (!given) return bad(spec, text, fmt::format("mask \"{}\" is no number", parts.mask));
  if (*given > ones(8u * spec.wire_bytes))
    return bad(spec, text, fmt::format("mask too large: at most {} bits", spec.bits));
  return ValueMask{*value & *given & mask, *given & mask};
}

Result<ValueMask> parse_mac_value(const FieldSpec& spec, std::string_view text) {
  const SplitText parts = split_mask(text);
  const auto mac = net::parse_mac(parts.value);
  if (!mac)
    return fail(fmt::format("{}: invalid Ethernet address: expected one as in 0a:1b:2c:3d:4e:5f", text));
  if (!parts.has_mask) return ValueMask{mac->value(), ones(48)};
  const auto mask = net::parse_mac(parts.mask);
  if (!mask) return bad(spec, text, "expected an Ethernet address as mask, as in ff:ff:ff:00:00:00");
  return ValueMask{mac->value() & mask->value(), mask->value()};
}

std::optional<unsigned> prefix_length(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || !std::all_of(text.begin(), text.end(), is_digit))
    return std::nullopt;
  unsigned n = 0;
  for (const char c : text) n = n * 10 + static_cast<unsigned>(c - '0');
  return n <= most ? std::optional(n) : std::nullopt;
}

Result<ValueMask> parse_ipv4_value(const FieldSpec& spec, std::string_view text) {
  const SplitText parts = split_mask(text);
  const auto address = net::parse_ipv4(parts.value);
  if (!address)
    return fail(fmt::format("{}: invalid IP address: expected one as in 10.0.0.1 or 10.0.0.0/8", text));
  FieldValue mask = ones(32);
  if (parts.has_mask) {
    if (const auto dotted = net::parse_ipv4(parts.mask))
      mask = dotted->host();
    else if (const auto length = prefix_length(parts.mask, 32))
      mask = net::ipv4_prefix_mask(*length).host();
    else
      return bad(spec, text, "expected a prefix length from 0 to 32 or a dotted mask after the slash");
  }
  return ValueMask{address->host() & mask, mask};
}

Result<ValueMask> parse_ipv6_value(const FieldSpec& spec, std::string_view text) {
  const SplitText parts = split_mask(text);
  const auto address = net::parse_ipv6(parts.value);
  if (!address)
    return fail(fmt::format("{}: invalid IPv6 address: expected one as in fe80::1 or 2001:db8::/32", text));
  FieldValue mask = ones(128);
  if (parts.has_mask) {
    if (const auto written = net::parse_ipv6(parts.mask))
      mask = from_be128(*written);
    else if (const auto length = prefix_length(parts.mask, 128))
      mask = from_be128(net::ipv6_prefix_mask(*length));
    else
      return bad(spec, text, "expected a prefix length from 0 to 128 or an IPv6 mask after the slash");
  }
  return ValueMask{from_be128(*address) & mask, mask};
}

// Ports.

struct PortName {
  std::string_view name;
  std::uint32_t port;
};
constexpr PortName kPortNames[] = {{"UNSET", 0xfffffff7},      {"IN_PORT", 0xfffffff8}, {"TABLE", 0xfffffff9},
                                   {"NORMAL", 0xfffffffa},     {"FLOOD", 0xfffffffb},   {"ALL", 0xfffffffc},
                                   {"CONTROLLER", 0xfffffffd}, {"LOCAL", 0xfffffffe},   {"ANY", 0xffffffff},
                                   {"NONE", 0xffffffff}};

bool is_plain_word(std::string_view name) {
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
    return is_digit(c) || c == '_' || (lower(c) >= 'a' && lower(c) <= 'z');
  });
}

}  // namespace

std::optional<FieldValue> parse_integer(std::string_view text) {
  unsigned base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;  // as C reads it, and so ovs-ofctl
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  FieldValue value = 0;
  for (const char c : text) {
    unsigned digit;
    if (is_digit(c))
      digit = static_cast<unsigned>(c - '0');
    else if (lower(c) >= 'a' && lower(c) <= 'f')
      digit = static_cast<unsigned>(lower(c) - 'a' + 10);
    else
      return std::nullopt;
    if (digit >= base || value > (~FieldValue{0} - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

std::string format_hex(FieldValue value) {
  const auto high = static_cast<std::uint64_t>(value >> 64), low = static_cast<std::uint64_t>(value);
  if (value == 0) return "0";
  return high != 0 ? fmt::format("0x{:x}{:016x}", high, low) : fmt::format("0x{:x}", low);
}

std::optional<std::uint32_t> parse_port(std::string_view text, const NameResolver* names) {
  if (text.empty()) return std::nullopt;
  if (std::all_of(text.begin(), text.end(), is_digit)) {
    if (text.size() > 10) return std::nullopt;
    std::uint64_t port = 0;
    for (const char c : text) port = port * 10 + static_cast<unsigned>(c - '0');
    if (port < 0xff00 || (port >= 0xffffff00 && port <= 0xffffffff)) return static_cast<std::uint32_t>(port);
    if (port <= 0xffff) return static_cast<std::uint32_t>(port) | 0xffff0000;
    return std::nullopt;
  }
  const bool quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
  if (quoted)
    text = text.substr(1, text.size() - 2);
  else
    for (const PortName& port : kPortNames)
      if (equal_ignoring_case(port.name, text)) return port.port;
  return names != nullptr ? names->port_number(text) : std::nullopt;
}

std::string format_port(std::uint32_t port, const NameResolver* names) {
  for (const PortName& known : kPortNames)
    if (known.port == port) return std::string(known.name);
  if (names != nullptr)
    if (const auto name = names->port_name(port))
      return is_plain_word(*name) ? *name : fmt::format("\"{}\"", *name);
  return fmt::format("{}", port >= 0xffffff00 ? port & 0xffff : port);
}

Result<ValueMask> parse_value(const FieldSpec& spec, std::string_view text, const NameResolver* names) {
  if (text == "*") return ValueMask{0, 0};
  if (text.empty()) return fail(fmt::format("{} needs a value", spec.name));
  if (spec.mask == MaskPolicy::None && text.find('/') != std::string_view::npos)
    return bad(spec, text, "this field takes no mask");
  switch (spec.format) {
    case Format::Decimal:
    case Format::Hex:
    case Format::HexDecimal:
      return parse_number(spec, text);
    case Format::Mac:
      return parse_mac_value(spec, text);
    case Format::Ipv4:
      return parse_ipv4_value(spec, text);
    case Format::Ipv6:
      return parse_ipv6_value(spec, text);
    case Format::CtState:
    case Format::TunFlags:
    case Format::TcpFlags:
      return parse_flags(spec, text);
    case Format::Port: {
      const auto port = parse_port(text, names);
      if (!port)
        return fail(
            fmt::format("{}: invalid or unknown port for {}: expected a port number, a name such as LOCAL, "
                        "or the name of a port of the bridge",
                        text, spec.name));
      return ValueMask{*port & ones(spec.bits), ones(spec.bits)};
    }
    case Format::Frag:
      for (const FragWord& known : kFragWords)
        if (known.word == text) return ValueMask{known.value, known.mask};
      return bad(spec, text, "expected no, yes, first, later or not_later");
    case Format::PacketType:
      return parse_packet_type(spec, text);
  }
  return bad(spec, text, "has no text form");
}

std::string format_value(const FieldSpec& spec, FieldValue value, FieldValue mask,
                         const NameResolver* names) {
  const FieldValue full = spec.id == FieldId::VlanVid   ? (mask >> 12) != 0 ? ones(13) : ones(12)
                            : spec.id == FieldId::CtState ? 0xff
                                                        : spec.valid_bits();
  const bool exact = (mask & full) == full;
  if (mask == 0) return "*";
  const auto with_mask = [&](const std::string& text) {
    return exact ? text : text + "/" + format_hex(mask);
  };
  switch (spec.format) {
    case Format::Decimal:
    case Format::HexDecimal:
      return with_mask(fmt::format("{}", static_cast<std::uint64_t>(value)));
    case Format::Hex:
      return with_mask(format_hex(value));
    case Format::Mac: {
      const std::string text = net::format_mac(net::Mac::from_value(static_cast<std::uint64_t>(value)));
      return exact ? text
                   : text + "/" + net::format_mac(net::Mac::from_value(static_cast<std::uint64_t>(mask)));
    }
    case Format::Ipv4: {
      std::string text = net::format_ipv4(be32{static_cast<std::uint32_t>(value)});
      const be32 bits{static_cast<std::uint32_t>(mask)};
      if (exact) return text;
      if (const auto length = net::ipv4_prefix_length(bits)) return fmt::format("{}/{}", text, *length);
      return text + "/" + net::format_ipv4(bits);
    }
    case Format::Ipv6: {
      std::string text = net::format_ipv6(to_be128(value));
      if (exact) return text;
      if (const auto length = net::ipv6_prefix_length(to_be128(mask)))
        return fmt::format("{}/{}", text, *length);
      return text + "/" + net::format_ipv6(to_be128(mask));
    }
    case Format::CtState:
    case Format::TunFlags:
    case Format::TcpFlags: {
      const FlagSet set = flag_set(spec.format);
      return exact ? format_flags_exact(set, value) : format_flags_masked(set, value, mask);
    }
    case Format::Port: {
      auto port = static_cast<std::uint32_t>(value);
      if (spec.bits == 16 && port >= 0xff00) port |= 0xffff0000;
      return format_port(port, names);
    }
    case Format::Frag:
      return format_frag(value, mask);
    case Format::PacketType:
      return fmt::format("({},{})", small_number(static_cast<unsigned>(value >> 16)),
                         small_number(static_cast<unsigned>(value & 0xffff)));
  }
  return {};
}

}  // namespace sluice::field
