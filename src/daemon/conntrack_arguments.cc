#include "daemon/conntrack_arguments.h"

#include <fmt/core.h>

#include <algorithm>

#include "daemon/dpctl_arguments.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::daemon {

namespace {

using conntrack::PartialTuple;

/// Decimal or 0x hex, at most `max`.
std::optional<unsigned __int128> parse_number(std::string_view text, unsigned __int128 max) {
  unsigned base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.empty()) return std::nullopt;
  unsigned __int128 value = 0;
  for (const char c : text) {
    unsigned digit;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (base == 16 && c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (base == 16 && c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    if (value > (max - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

struct ValueMask {
  unsigned __int128 value, mask;
};
std::optional<ValueMask> parse_masked(std::string_view text, unsigned __int128 max) {
  const auto slash = text.find('/');
  const auto value = parse_number(text.substr(0, slash), max);
  const auto mask =
      slash == std::string_view::npos ? std::optional(max) : parse_number(text.substr(slash + 1), max);
  if (!value || !mask) return std::nullopt;
  return ValueMask{*value, *mask};
}

be128 wide(unsigned __int128 v) {
  return {be64{static_cast<std::uint64_t>(v >> 64)}, be64{static_cast<std::uint64_t>(v)}};
}

struct KeyValue {
  std::string_view key, value;
};
/// Takes the next "key=value" off `text`; blanks and commas separate.
Result<KeyValue> next_pair(std::string_view& text) {
  const auto end = std::min(text.find_first_of(", "), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  const auto equals = word.find('=');
  const KeyValue pair{word.substr(0, equals),
                      equals == std::string_view::npos ? "" : word.substr(equals + 1)};
  if (pair.value.empty()) return dpctl_error(fmt::format("field {} missing value", pair.key));
  return pair;
}

bool is_icmp(const PartialTuple& tuple) {
  return tuple.proto == net::ip_proto::kIcmp || tuple.proto == net::ip_proto::kIcmpv6;
}

/// Sets one field; false if the value can't be read, an error if the field is unknown or contradicts another.
Result<bool> set_field(PartialTuple& tuple, std::optional<bool>& ipv6, std::string_view key,
                       std::string_view value) {
  const auto address = [&](std::optional<be128>& to, bool v6) -> Result<bool> {
    if (ipv6 && *ipv6 != v6) return dpctl_error(fmt::format("the L3 protocol does not match {}", value));
    if (v6) {
      to = net::parse_ipv6(value);
    } else if (const auto v4 = net::parse_ipv4(value)) {
      to = net::v4_mapped(*v4);
    }
    ipv6 = v6;
    return to.has_value();
  };
  const auto small = [&](std::optional<std::uint8_t>& to) {
    if (const auto n = parse_number(value, 0xff)) to = static_cast<std::uint8_t>(*n);
    return to.has_value();
  };
  const auto port = [&](std::optional<be16>& to) {
    if (const auto n = parse_number(value, 0xffff)) to = be16{static_cast<std::uint16_t>(*n)};
    return to.has_value();
  };
  if (key == "ct_nw_src") return address(tuple.src, false);
  if (key == "ct_nw_dst") return address(tuple.dst, false);
  if (key == "ct_ipv6_src") return address(tuple.src, true);
  if (key == "ct_ipv6_dst") return address(tuple.dst, true);
  if (key == "ct_nw_proto") return small(tuple.proto);
  if (key == "ct_tp_src" || key == "ct_tp_dst") {
    // For ICMP these are what ovs-fields(7) says they are: type and code.
    if (is_icmp(tuple)) return small(key == "ct_tp_src" ? tuple.icmp_type : tuple.icmp_code);
    return port(key == "ct_tp_src" ? tuple.src_port : tuple.dst_port);
  }
  if (key == "icmp_id" || key == "icmp_type" || key == "icmp_code") {
    if (!is_icmp(tuple)) return dpctl_error("invalid L4 fields");
    if (key == "icmp_id") return port(tuple.icmp_id);
    return small(key == "icmp_type" ? tuple.icmp_type : tuple.icmp_code);
  }
  return dpctl_error(fmt::format("invalid conntrack tuple field: {}", key));
}

Result<PartialTuple> parse_tuple(std::string_view text) {
  PartialTuple tuple;
  std::optional<bool> ipv6;
  while (!text.empty()) {
    if (text.front() == ',' || text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    const auto before = text;
    auto pair = next_pair(text);
    if (!pair) {
      const auto equals = before.find('=');
      if (equals != 0) return tl::unexpected<Error>(std::move(pair).error());
      return dpctl_error("invalid conntrack tuple field: ");
    }
    SLUICE_ASSIGN(const bool readable, set_field(tuple, ipv6, pair->key, pair->value));
    if (!readable) return dpctl_error(fmt::format("failed to parse field {}", pair->key));
  }
  if ((tuple.src_port || tuple.dst_port) && !tuple.proto) return dpctl_error("port is set without protocol");
  return tuple;
}

bool is_whole(const PartialTuple& tuple) {
  if (!tuple.src || !tuple.dst || !tuple.proto) return false;
  if (is_icmp(tuple)) return tuple.icmp_id && tuple.icmp_type;
  return tuple.src_port && tuple.dst_port;
}

}  // namespace

std::optional<std::uint16_t> parse_zone(std::string_view word) {
  if (!word.starts_with("zone=")) return std::nullopt;
  const auto number = parse_number(word.substr(5), 0xffff);
  if (!number) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

Result<FlushArguments> parse_flush(std::span<const std::string> words) {
  FlushArguments flush;
  auto& filter = flush.filter;
  std::size_t i = 0;
  if (i < words.size() && words[i].starts_with("zone=")) {
    filter.zone = parse_zone(words[i++]);
    if (!filter.zone) return dpctl_error("failed to parse zone");
  }
  bool chosen_by_value = false;
  if (i < words.size() && words[i].starts_with("mark=")) {
    const auto mark = parse_masked(std::string_view(words[i++]).substr(5), 0xffffffff);
    if (!mark) return dpctl_error("failed to parse mark");
    filter.mark = static_cast<std::uint32_t>(mark->value);
    filter.mark_mask = static_cast<std::uint32_t>(mark->mask);
    chosen_by_value = true;
  }
  if (i < words.size() && words[i].starts_with("labels=")) {
    const auto label =
        parse_masked(std::string_view(words[i++]).substr(7), ~static_cast<unsigned __int128>(0));
    if (!label) return dpctl_error("failed to parse labels");
    filter.label = wide(label->value);
    filter.label_mask = wide(label->mask);
    chosen_by_value = true;
  }
  if (words.size() - i > 2) return dpctl_error("invalid arguments");
  if (i < words.size()) {
    SLUICE_ASSIGN(filter.original, parse_tuple(words[i++]));
  }
  if (i < words.size()) {
    SLUICE_ASSIGN(filter.reply, parse_tuple(words[i]));
  }
  flush.names_one = is_whole(filter.original) && filter.reply.is_empty() && !chosen_by_value;
  if (flush.names_one && !filter.zone) filter.zone = 0;
  return flush;
}

Result<conntrack::Filter> parse_filter(std::span<const std::string> words) {
  conntrack::Filter filter;
  std::size_t i = 0;
  const auto bad = [](const std::string& word) {
    return fail(fmt::format("\"{}\": expected a number, or VALUE/MASK, that fits the field", word));
  };
  for (; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value = std::string_view(word).substr(std::min(word.find('=') + 1, word.size()));
    if (word.starts_with("zone=")) {
      filter.zone = parse_zone(word);
      if (!filter.zone) return fail(fmt::format("\"{}\": expected zone=0 to zone=65535", word));
    } else if (word.starts_with("mark=")) {
      const auto mark = parse_masked(value, 0xffffffff);
      if (!mark) return bad(word);
      filter.mark = static_cast<std::uint32_t>(mark->value);
      filter.mark_mask = static_cast<std::uint32_t>(mark->mask);
    } else if (word.starts_with("label=") || word.starts_with("labels=")) {
      const auto label = parse_masked(value, ~static_cast<unsigned __int128>(0));
      if (!label) return bad(word);
      filter.label = wide(label->value);
      filter.label_mask = wide(label->mask);
    } else if (word.starts_with("cookie=")) {
      const auto cookie = parse_masked(value, ~std::uint64_t{0});
      if (!cookie) return bad(word);
      filter.cookie = static_cast<std::uint64_t>(cookie->value);
      filter.cookie_mask = static_cast<std::uint64_t>(cookie->mask);
    } else {
      break;
    }
  }
  if (words.size() - i > 2)
    return fail(fmt::format("\"{}\": expected no more than the original and the reply tuple", words[i + 2]));
  if (i < words.size()) {
    SLUICE_ASSIGN(filter.original, parse_tuple(words[i++]));
  }
  if (i < words.size()) {
    SLUICE_ASSIGN(filter.reply, parse_tuple(words[i]));
  }
  return filter;
}

namespace {
bool is_kernel_timeout(std::string_view key) {
  const auto& all = conntrack::kKernelTimeouts;
  return std::find(all.begin(), all.end(), key) != all.end();
}
}  // namespace

Status parse_zone_settings(std::span<const std::string> words, ZoneSettings& settings) {
  using Check = conntrack::Strictness::SequenceCheck;
  const auto expected = [](const std::string& word, const char* what) {
    return fail(fmt::format("\"{}\": expected {}", word, what));
  };
  for (const std::string& word : words) {
    if (word == "default") {
      settings = {};
      continue;
    }
    const auto equals = word.find('=');
    const auto key = std::string_view(word).substr(0, equals);
    const auto value =
        equals == std::string::npos ? std::string_view() : std::string_view(word).substr(equals + 1);
    const bool on = value == "on";
    if (key == "liberal" || key == "loose") {
      if (!on && value != "off") return expected(word, "on or off");
      (key == "loose" ? settings.strictness.loose : settings.strictness.liberal) = on;
    } else if (key == "seq-check") {
      if (!on && value != "off" && value != "default") return expected(word, "on, off or default");
      settings.strictness.sequence_check = on ? Check::On : value == "off" ? Check::Off : Check::Global;
    } else if (const auto timeout = conntrack::find_timeout(key); timeout || is_kernel_timeout(key)) {
      const auto seconds = parse_number(value, 0xffffffff);
      if (!seconds || *seconds == 0) return expected(word, "a number of seconds, at least 1");
      if (!timeout) continue;
      if (!settings.timeouts) settings.timeouts.emplace();
      (*settings.timeouts)[*timeout] = static_cast<std::uint32_t>(*seconds);
    } else {
      return expected(word, "liberal=, loose=, seq-check=, a timeout such as tcp_established=, or default");
    }
  }
  return {};
}

std::optional<std::uint32_t> parse_greater_than(std::string_view word) {
  if (!word.starts_with("gt=")) return std::nullopt;
  const auto number = parse_number(word.substr(3), 0xffffffff);
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::optional<std::uint32_t> parse_milliseconds(std::string_view word) {
  const auto number = parse_number(word, 0xffffffff);
  if (!number || *number == 0) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

Result<LimitArguments> parse_limits(std::span<const std::string> words) {
  LimitArguments limits;
  for (std::string_view word : words) {
    if (word == "default=") return dpctl_error("invalid default limit");
    std::optional<std::uint16_t> zone;
    std::optional<std::uint32_t> limit;
    bool only_default = true;
    while (!word.empty()) {
      SLUICE_ASSIGN(const auto pair, next_pair(word));
      if (pair.key == "default" && limits.zones.empty()) {
        const auto number = parse_number(pair.value, 0xffffffff);
        if (!number) return dpctl_error("invalid default limit");
        limits.default_limit = static_cast<std::uint32_t>(*number);
      } else if (pair.key == "zone") {
        const auto number = parse_number(pair.value, 0xffff);
        if (!number) return dpctl_error("failed to parse field zone");
        zone = static_cast<std::uint16_t>(*number);
        only_default = false;
      } else if (pair.key == "limit") {
        const auto number = parse_number(pair.value, 0xffffffff);
        if (!number) return dpctl_error("failed to parse field limit");
        limit = static_cast<std::uint32_t>(*number);
        only_default = false;
      } else {
        return dpctl_error(fmt::format("invalid zone limit field: {}", pair.key));
      }
    }
    if (only_default) continue;
    if (!zone || !limit) return dpctl_error("failed to parse zone limit");
    limits.zones[*zone] = *limit;
  }
  return limits;
}

Result<std::vector<std::uint16_t>> parse_zones(std::string_view word) {
  std::vector<std::uint16_t> zones;
  if (!word.starts_with("zone=")) return dpctl_error(fmt::format("invalid argument {}", word));
  word.remove_prefix(5);
  while (!word.empty()) {
    const auto end = std::min(word.find(','), word.size());
    const auto item = word.substr(0, end);
    word.remove_prefix(std::min(end + 1, word.size()));
    if (item.empty()) continue;
    const auto number = parse_number(item, 0xffff);
    if (!number) return dpctl_error("invalid zone");
    zones.push_back(static_cast<std::uint16_t>(*number));
  }
  return zones;
}

}  // namespace sluice::daemon
