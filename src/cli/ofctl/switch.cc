// Verbs that change a switch beside its flows and groups: ports, tables, fragments, Geneve options, tracked
// connections.
#include <fmt/core.h>

#include <charconv>

#include "action/codec.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/verbs.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::cli::ofctl {

using openflow::OfVersion;

namespace {

template <typename T>
std::optional<T> parse_unsigned(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct PortSetting {
  std::string_view word;
  std::uint32_t bit;
  bool set;
};
constexpr PortSetting kPortSettings[] = {
    {"up", openflow::port_config::kDown, false},
    {"down", openflow::port_config::kDown, true},
    {"stp", openflow::port_config::kNoStp, false},
    {"no-stp", openflow::port_config::kNoStp, true},
    {"receive", openflow::port_config::kNoRecv, false},
    {"no-receive", openflow::port_config::kNoRecv, true},
    {"receive-stp", openflow::port_config::kNoRecvStp, false},
    {"no-receive-stp", openflow::port_config::kNoRecvStp, true},
    {"flood", openflow::port_config::kNoFlood, false},
    {"no-flood", openflow::port_config::kNoFlood, true},
    {"forward", openflow::port_config::kNoForward, false},
    {"no-forward", openflow::port_config::kNoForward, true},
    {"packet-in", openflow::port_config::kNoPacketIn, false},
    {"no-packet-in", openflow::port_config::kNoPacketIn, true},
};

}  // namespace

Result<int> mod_port(Run& run) {
  const std::string &target = run.words[0], &wanted = run.words[1], &setting = run.words[2];
  SLUICE_ASSIGN(const auto ports, fetch_ports(run, target));
  const auto number = field::parse_port(wanted);
  const openflow::PortDescription* port = nullptr;
  for (const auto& p : ports)
    if (number ? p.number == *number : p.name == wanted) port = &p;
  if (port == nullptr) return fail(fmt::format("{}: couldn't find port `{}'", target, wanted));
  const PortSetting* found = nullptr;
  for (const PortSetting& s : kPortSettings)
    if (s.word == setting) found = &s;
  if (found == nullptr) return fail(fmt::format("unknown mod-port command '{}'", setting));
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  SLUICE_ASSIGN(const bool done, change(run, connection, target,
                                        openflow::PortMod{.number = port->number,
                                                          .address = port->address,
                                                          .config = found->set ? found->bit : 0,
                                                          .mask = found->bit}));
  return done ? 0 : 1;
}

namespace {

/// A setting of mod-table, and the versions that have it.
struct TableSetting {
  std::uint32_t versions = 0;
  openflow::TableMiss miss = openflow::TableMiss::Default;
  std::optional<bool> eviction;
  std::optional<bool> vacancy_on;
  openflow::Vacancy vacancy;
  std::optional<std::string> name;
};

constexpr std::uint32_t versions_from(OfVersion first, OfVersion last) {
  std::uint32_t bits = 0;
  for (auto v = static_cast<unsigned>(first); v <= static_cast<unsigned>(last); ++v) bits |= 1u << v;
  return bits;
}

Status parse_vacancy(std::string_view text, TableSetting& setting) {
  const auto comma = text.find(',');
  const std::string_view down = text.substr(0, comma);
  const std::string_view up = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  const auto percent = [](std::string_view word) {
    const auto value = parse_unsigned<std::uint8_t>(word);
    return value && *value <= 100 ? value : std::nullopt;
  };
  if (down.empty()) return fail("Vacancy down value missing");
  const auto low = percent(down);
  if (!low) return fail(fmt::format("Invalid vacancy down value \"{}\"", down));
  if (up.empty()) return fail("Vacancy up value missing");
  const auto high = percent(up);
  if (!high) return fail(fmt::format("Invalid vacancy up value \"{}\"", up));
  if (*low > *high)
    return fail("Invalid vacancy range, vacancy up should be greater than vacancy down (OFPBPC_BAD_VALUE)");
  setting.vacancy_on = true;
  setting.vacancy = {.down = *low, .up = *high};
  return {};
}

Result<TableSetting> parse_table_setting(std::string_view word) {
  TableSetting setting;
  constexpr std::string_view kName = "name:", kVacancy = "vacancy:";
  constexpr std::uint32_t kMiss = versions_from(OfVersion::k11, OfVersion::k12);
  constexpr std::uint32_t kFull = versions_from(OfVersion::k14, OfVersion::k15);
  setting.versions = kFull;
  if (word == "controller" || word == "continue" || word == "drop") {
    setting.versions = kMiss;
    setting.miss = word == "controller" ? openflow::TableMiss::Controller
                   : word == "continue" ? openflow::TableMiss::Continue
                                        : openflow::TableMiss::Drop;
  } else if (word == "evict" || word == "noevict") {
    setting.eviction = word == "evict";
  } else if (word == "novacancy") {
    setting.vacancy_on = false;
  } else if (word.starts_with(kVacancy)) {
    SLUICE_TRY(parse_vacancy(word.substr(kVacancy.size()), setting));
  } else if (word.starts_with(kName)) {
    setting.versions = versions_from(OfVersion::k13, OfVersion::k15);
    setting.name = std::string(word.substr(kName.size()));
  } else {
    return fail(fmt::format("invalid table_mod setting {}", word));
  }
  return setting;
}

Status check_version(const TableSetting& setting, std::string_view word, OfVersion version) {
  if ((setting.versions >> static_cast<unsigned>(version) & 1) != 0) return {};
  std::string names;
  for (unsigned v = 1; v <= static_cast<unsigned>(OfVersion::k15); ++v)
    if ((setting.versions >> v & 1) != 0)
      names += fmt::format("{}OpenFlow1{}", names.empty() ? "" : ", ", v - 1);
  return fail(fmt::format("table_mod '{}' requires one of the OpenFlow versions {}", word, names));
}

/// Changes one table's name in the features of tables as they are on the wire. False: it is not among them.
bool rename_in(std::vector<std::uint8_t>& features, std::uint8_t table, const std::string& name) {
  constexpr std::size_t kTableAt = 2, kNameAt = 8, kNameBytes = 32;
  bool found = false;
  for (std::size_t at = 0; at + kNameAt + kNameBytes <= features.size();) {
    const std::size_t length = static_cast<std::size_t>(features[at]) << 8 | features[at + 1];
    if (length < kNameAt + kNameBytes) break;
    if (features[at + kTableAt] == table) {
      for (std::size_t i = 0; i < kNameBytes; ++i)
        features[at + kNameAt + i] =
            i < name.size() && i + 1 < kNameBytes ? static_cast<std::uint8_t>(name[i]) : 0;
      found = true;
    }
    at += length;
  }
  return found;
}

/// The features of all tables as they came, with one table's name changed, sent back as a request of as many
/// parts.
Result<int> rename_table(Run& run, Connection& connection, std::uint8_t table, const std::string& name) {
  std::vector<openflow::TableFeaturesRequest> parts;
  bool good = true, found = false;
  SLUICE_TRY(connection.ask_all(openflow::TableFeaturesRequest{}, [&](Bytes message) -> Status {
    const auto parsed = openflow::decode(message);
    good = good && parsed && openflow::as<openflow::TableFeaturesReply>(*parsed) != nullptr;
    if (!good) return {};
    const Bytes body = message.subspan(openflow::header_bytes(*parsed->form, parsed->version));
    parts.push_back({.entries = {body.begin(), body.end()}});
    found = rename_in(parts.back().entries, table, name) || found;
    return {};
  }));
  if (!good || !found) return fail(run.words[0] + ": failed to obtain the features of the table");
  const std::uint32_t xid = run.next_xid();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto request = openflow::make_message(std::move(parts[i]), connection.dialect, xid);
    request.more = i + 1 < parts.size();
    SLUICE_TRY(connection.send(openflow::encode(request)));
  }
  openflow::Exchange exchange(xid);
  bool refused = false;
  while (!exchange.done()) {
    SLUICE_ASSIGN(const auto answer, connection.receive());
    if (!exchange.take(answer) || !exchange.failed()) continue;
    SLUICE_TRY(print_refusal(run, run.words[0], answer));
    refused = true;
  }
  return refused ? 1 : 0;
}

}  // namespace

Result<int> mod_table(Run& run) {
  const std::string &target = run.words[0], &wanted = run.words[1], &word = run.words[2];
  NameMap names;
  if (run.reads_names()) SLUICE_TRY(fetch_table_names(run, target, names));
  std::uint8_t table = action::kNoTable;
  if (wanted != "all" && wanted != "ALL") {
    SLUICE_ASSIGN(table, read_table(run, wanted, names.names()));
  }
  SLUICE_ASSIGN(const TableSetting setting, parse_table_setting(word));
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  SLUICE_TRY(check_version(setting, word, connection.version()));
  if (setting.name) return rename_table(run, connection, table, *setting.name);
  if (connection.version() < OfVersion::k14) {
    SLUICE_ASSIGN(const bool done,
                  change(run, connection, target, openflow::TableMod{.table = table, .miss = setting.miss}));
    return done ? 0 : 1;
  }
  // The message sets both properties: the one that is not asked for stays as the table has it.
  std::vector<openflow::TableDescription> tables;
  SLUICE_TRY(connection.ask_all(openflow::TableDescRequest{}, [&](Bytes bytes) -> Status {
    const auto message = openflow::decode(bytes);
    const auto* part = message ? openflow::as<openflow::TableDescReply>(*message) : nullptr;
    if (part == nullptr) return fail(target + ": received bad reply");
    tables.insert(tables.end(), part->entries.begin(), part->entries.end());
    return {};
  }));
  for (const auto& description : tables) {
    if (table != action::kNoTable && description.table != table) continue;
    openflow::TableMod mod{.table = description.table,
                           .eviction = setting.eviction.value_or(description.eviction),
                           .vacancy = description.vacancy};
    if (setting.vacancy_on) mod.vacancy = *setting.vacancy_on ? std::optional(setting.vacancy) : std::nullopt;
    SLUICE_ASSIGN(const bool done, change(run, connection, target, std::move(mod)));
    if (!done) return 1;
  }
  return 0;
}

namespace {

struct FragmentMode {
  std::string_view word;
  openflow::FragmentHandling handling;
};
constexpr FragmentMode kFragmentModes[] = {
    {"normal", openflow::FragmentHandling::Normal},
    {"drop", openflow::FragmentHandling::Drop},
    {"reassemble", openflow::FragmentHandling::Reassemble},
    {"nx-match", openflow::FragmentHandling::NxMatch},
};

std::string_view fragment_word(openflow::FragmentHandling handling) {
  for (const FragmentMode& mode : kFragmentModes)
    if (mode.handling == handling) return mode.word;
  return "unknown";
}

}  // namespace

Result<openflow::SwitchConfig> fetch_config(Connection& connection) {
  SLUICE_ASSIGN(const auto answer, connection.ask(openflow::GetConfigRequest{}));
  const auto message = openflow::decode(answer);
  const auto* reply = message ? openflow::as<openflow::GetConfigReply>(*message) : nullptr;
  if (reply == nullptr) {
    SLUICE_TRY(connection.protocol_error());
  }
  return *reply;
}

Result<int> get_frags(Run& run) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  SLUICE_ASSIGN(const auto config, fetch_config(connection));
  print(fmt::format("{}\n", fragment_word(config.fragments)));
  return 0;
}

Result<int> set_frags(Run& run) {
  const std::string &target = run.words[0], &word = run.words[1];
  const FragmentMode* mode = nullptr;
  for (const FragmentMode& m : kFragmentModes)
    if (m.word == word) mode = &m;
  if (mode == nullptr) return fail(word + ": unknown fragment handling mode");
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  SLUICE_ASSIGN(auto config, fetch_config(connection));
  if (config.fragments == mode->handling) return 0;
  config.fragments = mode->handling;
  SLUICE_ASSIGN(const bool done, change(run, connection, target, openflow::SetConfig{config}));
  if (!done) return 1;
  // A switch need not refuse what it does not do.
  SLUICE_ASSIGN(const auto now, fetch_config(connection));
  if (now.fragments == mode->handling) return 0;
  return fail(
      fmt::format("{}: setting fragment handling mode failed (this switch probably doesn't support mode "
                  "\"{}\")",
                  target, word));
}

namespace {

/// "{class=0xffff,type=0,len=4}->tun_metadata0", one or more behind commas.
Result<std::vector<openflow::TlvMapping>> parse_tlv_mappings(std::string_view text) {
  const auto invalid = [] { return fail("invalid tlv mapping"); };
  std::vector<openflow::TlvMapping> mappings;
  while (!(text = action::trim(text)).empty()) {
    const auto close = text.find('}');
    if (text.front() != '{' || close == std::string_view::npos) return invalid();
    openflow::TlvMapping mapping;
    std::string_view fields = text.substr(1, close - 1);
    unsigned given = 0;
    while (const auto item = action::next_item(fields)) {
      const auto equals = item->find('=');
      const std::string_view key = item->substr(0, equals);
      const auto value = equals == std::string_view::npos
                             ? std::nullopt
                             : parse_unsigned<std::uint16_t>(item->substr(equals + 1));
      if (!value) return invalid();
      if (key == "class") {
        mapping.option_class = *value;
        given |= 1;
      } else if (key == "type" && *value <= 0xff) {
        mapping.option_type = static_cast<std::uint8_t>(*value);
        given |= 2;
      } else if (key == "len" && *value <= 0xff) {
        mapping.option_length = static_cast<std::uint8_t>(*value);
        given |= 4;
      } else {
        return invalid();
      }
    }
    text.remove_prefix(close + 1);
    constexpr std::string_view kArrow = "->tun_metadata";
    const auto comma = std::min(text.find(','), text.size());
    const auto index = text.starts_with(kArrow)
                           ? parse_unsigned<std::uint16_t>(text.substr(kArrow.size(), comma - kArrow.size()))
                           : std::nullopt;
    if (given != 7 || !index) return invalid();
    mapping.index = *index;
    mappings.push_back(mapping);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return mappings;
}

Result<int> change_tlv_map(Run& run, openflow::TlvTableMod mod) {
  action::Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection,
                open_for_flows(run, run.words[0], action::Protocols::kNxmOrOxm, format));
  SLUICE_ASSIGN(const bool done, change(run, connection, run.words[0], std::move(mod)));
  return done ? 0 : 1;
}

}  // namespace

Result<int> add_tlv_map(Run& run) {
  SLUICE_ASSIGN(auto mappings, parse_tlv_mappings(run.words[1]));
  return change_tlv_map(run, {.command = openflow::TlvTableCommand::Add, .mappings = std::move(mappings)});
}

Result<int> del_tlv_map(Run& run) {
  if (!run.has(1)) return change_tlv_map(run, {.command = openflow::TlvTableCommand::Clear});
  SLUICE_ASSIGN(auto mappings, parse_tlv_mappings(run.words[1]));
  return change_tlv_map(run, {.command = openflow::TlvTableCommand::Delete, .mappings = std::move(mappings)});
}

Result<int> dump_tlv_map(Run& run) {
  return dump(run, run.words[0], openflow::TlvTableRequest{});
}

namespace {

/// One side of a connection in the words of ct-flush.
class TupleText {
 public:
  Status parse(std::string_view text);

  openflow::CtFlushTuple tuple;
  std::optional<bool> ipv6;
  std::uint8_t protocol = 0;
  bool ports = false, icmp = false;

 private:
  Status take_address(std::string_view key, std::string_view value);
  Status take_number(std::string_view key, std::string_view value);
};

Status TupleText::take_address(std::string_view key, std::string_view value) {
  const bool six = key.starts_with("ct_ipv6");
  const auto bad = [&] { return fail(fmt::format("failed to parse field {}", key)); };
  be128 address;
  if (six) {
    const auto parsed = net::parse_ipv6(value);
    if (!parsed) return bad();
    address = *parsed;
  } else {
    const auto parsed = net::parse_ipv4(value);
    if (!parsed) return bad();
    constexpr std::uint64_t kMapped = std::uint64_t{0xffff} << 32;
    address.lo = be64(kMapped | parsed->host());
  }
  if (ipv6 && *ipv6 != six) return fail(fmt::format("the L3 protocol does not match {}", value));
  ipv6 = six;
  (key.ends_with("src") ? tuple.src : tuple.dst) = address;
  return {};
}

Status TupleText::take_number(std::string_view key, std::string_view value) {
  const auto bad = [&] { return fail(fmt::format("failed to parse field {}", key)); };
  const bool wide = key == "ct_tp_src" || key == "ct_tp_dst" || key == "icmp_id";
  const auto number = parse_unsigned<std::uint16_t>(value);
  if (!number || (!wide && *number > 0xff)) return bad();
  const auto narrow = static_cast<std::uint8_t>(*number);
  if (key == "ct_nw_proto") {
    protocol = narrow;
  } else if (key == "ct_tp_src" || key == "ct_tp_dst") {
    (key == "ct_tp_src" ? tuple.src_port : tuple.dst_port) = *number;
    ports = true;
  } else {
    if (key == "icmp_id") tuple.icmp_id = *number;
    if (key == "icmp_type") tuple.icmp_type = narrow;
    if (key == "icmp_code") tuple.icmp_code = narrow;
    icmp = true;
  }
  return {};
}

Status TupleText::parse(std::string_view text) {
  while (const auto word = action::next_word(text)) {
    const std::string_view key = word->name;
    if (word->argument.empty()) return fail(fmt::format("field {} missing value", key));
    if (key == "ct_nw_src" || key == "ct_nw_dst" || key == "ct_ipv6_src" || key == "ct_ipv6_dst")
      SLUICE_TRY(take_address(key, word->argument));
    else if (key == "ct_nw_proto" || key == "ct_tp_src" || key == "ct_tp_dst" || key == "icmp_id" ||
             key == "icmp_type" || key == "icmp_code")
      SLUICE_TRY(take_number(key, word->argument));
    else
      return fail(fmt::format("invalid conntrack tuple field: {}", key));
  }
  return {};
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == net::ip_proto::kIcmp || protocol == net::ip_proto::kIcmpv6;
}

Status check_tuple(const TupleText& side, std::uint8_t protocol) {
  if (side.ports && protocol == 0) return fail("port is set without protocol");
  if ((side.ports && is_icmp(protocol)) || (side.icmp && !is_icmp(protocol)))
    return fail("invalid L4 fields");
  return {};
}

}  // namespace

Result<int> ct_flush_zone(Run& run) {
  const auto zone = parse_unsigned<std::uint16_t>(run.words[1]);
  if (!zone) return fail(fmt::format("invalid zone_id \"{}\"", run.words[1]));
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  SLUICE_ASSIGN(const bool done, change(run, connection, run.words[0], openflow::CtFlushZone{.zone = *zone}));
  return done ? 0 : 1;
}

Result<int> ct_flush(Run& run) {
  openflow::CtFlush flush;
  std::size_t at = 1;
  constexpr std::string_view kZone = "zone=";
  if (run.has(at) && run.words[at].starts_with(kZone)) {
    flush.zone = parse_unsigned<std::uint16_t>(std::string_view(run.words[at]).substr(kZone.size()));
    if (!flush.zone) return fail("Failed to parse zone");
    ++at;
  }
  TupleText original, reply;
  for (TupleText* side : {&original, &reply}) {
    if (!run.has(at)) break;
    if (side == &reply) side->ipv6 = original.ipv6;
    if (const Status parsed = side->parse(run.words[at++]); !parsed)
      return fail("Failed to parse ct-tuple: " + parsed.error().message);
  }
  flush.protocol = original.protocol != 0 ? original.protocol : reply.protocol;
  for (const TupleText* side : {&original, &reply})
    if (const Status fits = check_tuple(*side, flush.protocol); !fits)
      return fail("Failed to parse ct-tuple: " + fits.error().message);
  flush.original = original.tuple;
  flush.reply = reply.tuple;
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  SLUICE_ASSIGN(const bool done, change(run, connection, run.words[0], std::move(flush)));
  return done ? 0 : 1;
}

}  // namespace sluice::cli::ofctl
