#include "openflow/table.h"

#include <algorithm>

#include "openflow/group_stats.h"

namespace sluice::openflow {

namespace {

using field::FieldId;

constexpr WireForm kMod[] = {{"OFPT_TABLE_MOD", Frame::Plain, 0, 17, k11, k13, 16, 0},
                             {"OFPT_TABLE_MOD", Frame::Plain, 0, 17, k14, k15, 16, 8}};
constexpr WireForm kDescRequest[] = {{"OFPST_TABLE_DESC request", Frame::Request, 0, 14, k14, k15, 16, 0}};
constexpr WireForm kDescReply[] = {{"OFPST_TABLE_DESC reply", Frame::Reply, 0, 14, k14, k15, 24, 8}};
constexpr WireForm kStatus[] = {{"OFPT_TABLE_STATUS", Frame::Plain, 0, 31, k14, k15, 16, 8}};
constexpr WireForm kStatsRequest[] = {{"OFPST_TABLE request", Frame::Request, 0, 3, k10, k10, 12, 0},
                                      {"OFPST_TABLE request", Frame::Request, 0, 3, k11, k15, 16, 0}};
constexpr WireForm kStatsReply[] = {{"OFPST_TABLE reply", Frame::Reply, 0, 3, k10, k10, 12, 64},
                                    {"OFPST_TABLE reply", Frame::Reply, 0, 3, k11, k11, 16, 88},
                                    {"OFPST_TABLE reply", Frame::Reply, 0, 3, k12, k12, 16, 128},
                                    {"OFPST_TABLE reply", Frame::Reply, 0, 3, k13, k15, 16, 24}};
constexpr WireForm kFeaturesRequest[] = {
    {"OFPST_TABLE_FEATURES request", Frame::Request, 0, 12, k13, k15, 16, 8}};
constexpr WireForm kFeaturesReply[] = {{"OFPST_TABLE_FEATURES reply", Frame::Reply, 0, 12, k13, k15, 80, 8}};

constexpr std::uint32_t kEviction = 1 << 2, kVacancy = 1 << 3;  // of a table's configuration in 1.4+
constexpr std::uint16_t kEvictionProperty = 2, kVacancyProperty = 3;
constexpr std::size_t kNameBytes = 32;

// --- Configuration

std::uint32_t miss_to_wire(TableMiss miss) {
  return miss == TableMiss::Continue ? 1 : miss == TableMiss::Drop ? 2 : 0;
}
TableMiss miss_from_wire(std::uint32_t config) {
  switch (config & 3) {
    case 1:
      return TableMiss::Continue;
    case 2:
      return TableMiss::Drop;
    default:
      return TableMiss::Controller;
  }
}
std::string_view miss_name(TableMiss miss) {
  constexpr std::string_view kNames[] = {"default", "controller", "continue", "drop"};
  return kNames[static_cast<std::size_t>(miss)];
}

/// Properties of 1.4+ that table_mods and descriptions share.
Status decode_properties(ByteReader in, bool describes, std::optional<std::uint32_t>& eviction_flags,
                         std::optional<Vacancy>& vacancy) {
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter || (property.type != kEvictionProperty && property.type != kVacancyProperty)) {
      if (describes) continue;
      return unknown_property(property, "table_mod");
    }
    ByteReader value(property.body);
    if (!describes && value.remaining() != 4)
      return bad_length("property of a table_mod", OfError::BpcBadLen);
    if (property.type == kEvictionProperty) {
      eviction_flags = value.u32();
    } else {
      vacancy = Vacancy{.down = value.u8(), .up = value.u8(), .current = value.u8()};
      if (!describes && (vacancy->current != 0 || vacancy->down > vacancy->up || vacancy->up > 100))
        return fail("table_mod with a vacancy that is none (OFPBPC_BAD_VALUE)", OfError::BpcBadValue);
    }
    if (!value.ok()) return bad_length("property of a table", OfError::BpcBadLen);
  }
  return {};
}

void encode_properties(const std::optional<std::uint32_t>& eviction_flags,
                       const std::optional<Vacancy>& vacancy, ByteWriter& out) {
  if (eviction_flags) {
    const PropertyWriter property(out, kEvictionProperty);
    out.u32(*eviction_flags);
  }
  if (vacancy) {
    const PropertyWriter property(out, kVacancyProperty);
    out.u8(vacancy->down);
    out.u8(vacancy->up);
    out.u8(vacancy->current);
    out.u8(0);
  }
}

Status decode_description(ByteReader& body, TableDescription& out) {
  const std::size_t available = body.remaining();
  const std::size_t length = body.u16();
  if (!body.ok() || length < 8 || length > available) return bad_length("table description");
  ByteReader in = take_part(body, length - 2);
  out.table = in.u8();
  in.skip(1);
  const std::uint32_t config = in.u32();
  out.eviction = (config & kEviction) != 0;
  SLUICE_TRY(decode_properties(in, true, out.eviction_flags, out.vacancy));
  if ((config & kVacancy) == 0)
    out.vacancy.reset();
  else if (!out.vacancy)
    out.vacancy.emplace();
  return {};
}

void encode_description(const TableDescription& table, ByteWriter& out) {
  const std::size_t start = out.size();
  out.u16(0);
  out.u8(table.table);
  out.u8(0);
  out.u32((table.eviction ? kEviction : 0) | (table.vacancy ? kVacancy : 0));
  encode_properties(table.eviction_flags, table.vacancy, out);
  patch_length(out, start, start);
}

void format_description(const TableDescription& table, Printer& out) {
  constexpr BitName kFlags[] = {{1 << 0, "OTHER"}, {1 << 1, "IMPORTANCE"}, {1 << 2, "LIFETIME"}};
  out.put("  table ");
  out.table(table.table);
  out.put(":\n   eviction={} eviction_flags={}\n", table.eviction ? "on" : "off",
          table.eviction_flags ? bit_names(*table.eviction_flags, kFlags, '|') : "(default)");
  if (table.vacancy)
    out.put("   vacancy=on vacancy_down={}% vacancy_up={}% vacancy={}%\n", table.vacancy->down,
            table.vacancy->up, table.vacancy->current);
  else
    out.put("   vacancy=off\n");
}

// --- Fields

struct FieldBit {
  FieldId field;
  std::uint32_t bits;
};
constexpr FieldBit kWildcards10[] = {
    {FieldId::InPort, 1 << 0},      {FieldId::VlanVid, 1 << 1},  {FieldId::EthSrc, 1 << 2},
    {FieldId::EthDst, 1 << 3},      {FieldId::EthType, 1 << 4},  {FieldId::IpProto, 1 << 5},
    {FieldId::TcpSrc, 1 << 6},      {FieldId::TcpDst, 1 << 7},   {FieldId::Ipv4Src, 0x3f << 8},
    {FieldId::Ipv4Dst, 0x3f << 14}, {FieldId::VlanPcp, 1 << 20}, {FieldId::IpDscp, 1 << 21},
};
constexpr FieldBit kFields11[] = {
    {FieldId::InPort, 1 << 0},   {FieldId::VlanVid, 1 << 1},  {FieldId::VlanPcp, 1 << 2},
    {FieldId::EthType, 1 << 3},  {FieldId::IpDscp, 1 << 4},   {FieldId::IpProto, 1 << 5},
    {FieldId::TcpSrc, 1 << 6},   {FieldId::TcpDst, 1 << 7},   {FieldId::MplsLabel, 1 << 8},
    {FieldId::MplsTc, 1 << 9},   {FieldId::EthSrc, 1 << 11},  {FieldId::EthDst, 1 << 12},
    {FieldId::Ipv4Src, 1 << 13}, {FieldId::Ipv4Dst, 1 << 14}, {FieldId::Metadata, 1 << 15},
};

FieldSet fields_of_bits(std::uint32_t bits, std::span<const FieldBit> table) {
  FieldSet set;
  for (const FieldBit& row : table)
    if ((bits & row.bits) != 0) set.set(static_cast<std::size_t>(row.field));
  return set;
}
std::uint32_t bits_of_fields(const FieldSet& set, std::span<const FieldBit> table) {
  std::uint32_t bits = 0;
  for (const FieldBit& row : table)
    if (set.test(static_cast<std::size_t>(row.field))) bits |= row.bits;
  return bits;
}

/// The bit that a field has in 1.2: its number in OpenFlow's basic class.
std::optional<unsigned> oxm_bit(const field::FieldSpec& spec) {
  constexpr std::uint16_t kBasicClass = 0x8000;
  const field::OxmId& id = field::oxm_id(spec, k12);
  const bool known = id.exists() && id.since <= static_cast<std::uint8_t>(k12);
  if (!known || id.oxm_class != kBasicClass || id.oxm_field >= 64) return std::nullopt;
  return id.oxm_field;
}
FieldSet fields_of_oxm_bits(std::uint64_t bits) {
  FieldSet set;
  for (const field::FieldSpec& spec : field::all_fields())
    if (const auto bit = oxm_bit(spec); bit && (bits >> *bit & 1) != 0)
      set.set(static_cast<std::size_t>(spec.id));
  return set;
}
std::uint64_t oxm_bits_of_fields(const FieldSet& set) {
  std::uint64_t bits = 0;
  for (const field::FieldSpec& spec : field::all_fields())
    if (const auto bit = oxm_bit(spec); bit && set.test(static_cast<std::size_t>(spec.id)))
      bits |= std::uint64_t{1} << *bit;
  return bits;
}

/// The fields in ovs-ofctl's order, which is ours but for those that come before the registers.
const std::vector<FieldId>& print_order() {
  static const std::vector<FieldId> order = [] {
    std::vector<FieldId> all = {FieldId::DpHash, FieldId::RecircId, FieldId::PacketType, FieldId::ConjId};
    const auto range = [&](FieldId first, FieldId last) {
      for (auto id = static_cast<unsigned>(first); id <= static_cast<unsigned>(last); ++id)
        all.push_back(static_cast<FieldId>(id));
    };
    range(FieldId::TunId, FieldId::TunTtl);
    all.insert(all.end(), {FieldId::Metadata, FieldId::InPort, FieldId::InPortOxm, FieldId::ActsetOutput,
                           FieldId::SkbPriority, FieldId::PktMark});
    range(FieldId::CtState, FieldId::CtTpDst);
    range(FieldId::Reg0, FieldId::NdOptionsType);
    return all;
  }();
  return order;
}

/// A name that ends in a number, "reg" and 15.
struct Numbered {
  std::string_view stem;
  unsigned number = 0;
};
std::optional<Numbered> numbered(std::string_view name) {
  const auto digits = name.find_last_not_of("0123456789");
  if (digits == std::string_view::npos || digits + 1 == name.size()) return std::nullopt;
  unsigned value = 0;
  for (const char c : name.substr(digits + 1)) value = value * 10 + static_cast<unsigned>(c - '0');
  return Numbered{name.substr(0, digits + 1), value};
}

/// "a_{b,c} reg0...reg3 d": names in order, those with a common beginning drawn together.
std::string join_names(std::span<const std::string_view> names, char separator) {
  std::string text;
  const auto add = [&](const std::string& word) {
    text += (text.empty() ? "" : std::string(1, separator)) + word;
  };
  for (std::size_t i = 0; i < names.size();) {
    const auto first = numbered(names[i]);
    std::size_t end = i + 1;
    if (first) {
      while (end < names.size()) {
        const auto next = numbered(names[end]);
        if (!next || next->stem != first->stem || next->number != first->number + (end - i)) break;
        ++end;
      }
      if (end - i > 2) {
        add(fmt::format("{}...{}", names[i], names[end - 1]));
        i = end;
        continue;
      }
    }
    const auto underscore = names[i].find('_');
    if (underscore != std::string_view::npos) {
      const std::string_view prefix = names[i].substr(0, underscore + 1);
      end = i;
      std::vector<std::string_view> rest;
      while (end < names.size() && names[end].starts_with(prefix))
        rest.push_back(names[end++].substr(prefix.size()));
      if (rest.size() > 1) {
        add(fmt::format("{}{{{}}}", prefix, join_names(rest, ',')));
        i = end;
        continue;
      }
    }
    add(std::string(names[i++]));
  }
  return text;
}

// --- Features

/// Properties of table features; each has one more, its number plus one, for packets without a match where
/// that makes sense.
enum : std::uint16_t {
  kInstructions = 0,
  kNextTables = 2,
  kWriteActions = 4,
  kApplyActions = 6,
  kMatch = 8,
  kWildcards = 10,
  kWriteSetField = 12,
  kApplySetField = 14
};

constexpr std::string_view kCommandNames[] = {"replace", "modify", "enable", "disable"};
constexpr BitName kInstructionNames[] = {{1 << 6, "meter"},          {1 << 4, "apply_actions"},
                                         {1 << 5, "clear_actions"},  {1 << 3, "write_actions"},
                                         {1 << 2, "write_metadata"}, {1 << 1, "goto_table"}};
constexpr std::uint32_t kInstructionBits = 0x7e;

/// A list of types, each with the length of its empty form.
Status take_types(Bytes body, std::uint32_t& bits) {
  for (ByteReader in(body); in.remaining() > 0;) {
    const std::uint16_t type = in.u16(), length = in.u16();
    if (!in.ok() || length < 4 || length - 4u > in.remaining())
      return bad_length("list of a table's features", OfError::BpcBadLen);
    in.skip(length - 4u);
    if (type < 32) bits |= 1u << type;
  }
  return {};
}
void put_types(std::uint32_t bits, ByteWriter& out) {
  for (unsigned type = 0; type < 32; ++type) {
    if ((bits >> type & 1) == 0) continue;
    out.u16(static_cast<std::uint16_t>(type));
    out.u16(4);
  }
}

/// Of what would follow a field's header.
unsigned length_of(const field::FieldSpec& spec, bool masked, std::uint32_t experimenter) {
  return spec.wire_bytes * (masked ? 2u : 1u) + (experimenter != 0 ? 4 : 0);
}

/// @param strict  unknown ones are refused
Status take_fields(Bytes body, bool strict, FieldSet& set, FieldSet* masked) {
  for (ByteReader in(body); in.remaining() > 0;) {
    const std::uint32_t header = in.u32();
    const std::uint32_t experimenter = header >> 16 == 0xffff ? in.u32() : 0;
    if (!in.ok()) return bad_length("fields of a table's features", OfError::BmcBadLen);
    const field::FieldSpec* spec = field::field_of_header(header, experimenter);
    const bool masked_too = (header & 0x100) != 0;
    if (strict && (spec == nullptr || (header & 0xff) != length_of(*spec, masked_too, experimenter)))
      return fail(fmt::format("field {:#010x} is unknown (OFPBMC_BAD_FIELD)", header), OfError::BmcBadField);
    if (spec == nullptr) continue;
    set.set(static_cast<std::size_t>(spec->id));
    if (masked != nullptr && masked_too) masked->set(static_cast<std::size_t>(spec->id));
  }
  return {};
}
void put_fields(const FieldSet& set, const FieldSet& masked, OfVersion version, ByteWriter& out) {
  for (const field::FieldSpec& spec : field::all_fields()) {
    const auto i = static_cast<std::size_t>(spec.id);
    if (!set.test(i)) continue;
    const field::OxmId& id = field::oxm_id(spec, version);
    if (!id.exists()) continue;
    const bool mask = masked.test(i);
    out.u32(std::uint32_t{id.oxm_class} << 16 | std::uint32_t{id.oxm_field} << 9 | (mask ? 0x100u : 0u) |
            length_of(spec, mask, id.experimenter));
    if (id.experimenter != 0) out.u32(id.experimenter);
  }
}

Status decode_property(const Property& property, bool strict, TableFeatures& out) {
  const bool is_of_misses = (property.type & 1) != 0;
  TableAbilities& side = is_of_misses ? out.miss : out.hit;
  switch (property.type & ~1) {
    case kInstructions:
      SLUICE_TRY(take_types(property.body, side.instructions));
      side.instructions &= kInstructionBits;
      return {};
    case kNextTables:
      for (const std::uint8_t table : property.body) side.next.set(table);
      return {};
    case kWriteActions:
      return take_types(property.body, side.write.actions);
    case kApplyActions:
      return take_types(property.body, side.apply.actions);
    case kMatch:
      if (is_of_misses) break;
      return take_fields(property.body, strict, out.match, &out.mask);
    case kWildcards:
      if (is_of_misses) break;
      return take_fields(property.body, strict, out.wildcard, nullptr);
    case kWriteSetField:
      return take_fields(property.body, strict, side.write.set_fields, nullptr);
    case kApplySetField:
      return take_fields(property.body, strict, side.apply.set_fields, nullptr);
    default:
      break;
  }
  if (strict)
    return fail(fmt::format("property {} of table features is unknown (OFPBPC_BAD_TYPE)", property.type),
                OfError::BpcBadType);
  return {};
}

/// @param strict  Nothing unknown may be there.
Status decode_features(ByteReader& body, OfVersion version, bool strict, TableFeatures& out) {
  const std::size_t available = body.remaining();
  const std::size_t length = body.u16();
  if (!body.ok() || length < 64 || length > available)
    return bad_length("table features", OfError::BpcBadLen);
  ByteReader in = take_part(body, length - 2);
  body.skip(std::min((8 - length % 8) % 8, body.remaining()));
  out.table = in.u8();
  const std::uint8_t command = in.u8();
  if (version >= k15) {
    if (command > static_cast<std::uint8_t>(TableCommand::Disable))
      return fail(fmt::format("table features command {} (OFPTFFC_BAD_COMMAND)", command),
                  OfError::TffcBadCommand);
    out.command = static_cast<TableCommand>(command);
  }
  in.skip(4);
  out.name = take_text(in, kNameBytes);
  out.metadata_match = in.u64();
  out.metadata_write = in.u64();
  const std::uint32_t config = in.u32();
  out.max_entries = in.u32();
  if (version >= k14) {
    out.eviction = (config & kEviction) != 0;
    out.vacancy_events = (config & kVacancy) != 0;
  }
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter && strict)
      return fail("properties of experimenters are unknown (OFPBPC_BAD_EXPERIMENTER)",
                  OfError::BpcBadExperimenter);
    if (property.experimenter) continue;
    SLUICE_TRY(decode_property(property, strict, out));
    if (property.type < 32) out.properties |= 1u << property.type;
  }
  out.wildcard &= out.match;
  return {};
}

void encode_features(const TableFeatures& table, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  const OfVersion version = encoder.version();
  const std::size_t start = out.size();
  out.u16(0);
  out.u8(table.table);
  out.u8(version >= k15 ? static_cast<std::uint8_t>(table.command) : 0);
  out.zeros(4);
  encoder.text(table.name, kNameBytes);
  out.u64(table.metadata_match);
  out.u64(table.metadata_write);
  out.u32(version < k14 ? 0
                        : (table.eviction.value_or(false) ? kEviction : 0) |
                              (table.vacancy_events.value_or(false) ? kVacancy : 0));
  out.u32(table.max_entries);
  for (const bool miss : {false, true}) {
    const TableAbilities& side = miss ? table.miss : table.hit;
    const auto property = [&](unsigned type, auto fill) {
      const PropertyWriter writer(out, static_cast<std::uint16_t>(type + (miss ? 1 : 0)));
      fill();
    };
    property(kInstructions, [&] { put_types(side.instructions, out); });
    property(kNextTables, [&] {
      for (unsigned next = 0; next < side.next.size(); ++next)
        if (side.next.test(next)) out.u8(static_cast<std::uint8_t>(next));
    });
    property(kWriteActions, [&] { put_types(side.write.actions, out); });
    property(kWriteSetField, [&] { put_fields(side.write.set_fields, {}, version, out); });
    property(kApplyActions, [&] { put_types(side.apply.actions, out); });
    property(kApplySetField, [&] { put_fields(side.apply.set_fields, {}, version, out); });
  }
  {
    const PropertyWriter match(out, kMatch);
    put_fields(table.match, table.mask, version, out);
  }
  {
    const PropertyWriter wildcards(out, kWildcards);
    put_fields(table.wildcard, {}, version, out);
  }
  patch_length(out, start, start);
}

// --- Text of features

/// Whether two tables can lead to the same ones, those up to the later of the two aside.
bool same_next(const TableFeatures& table, const TableAbilities& mine, const TableAbilities& before) {
  std::bitset<256> differ = mine.next ^ before.next;
  for (unsigned i = 0; i <= table.table; ++i) differ.reset(i);
  return differ.none();
}
bool same_abilities(const TableFeatures& table, const TableAbilities& mine, const TableAbilities& before) {
  return same_next(table, mine, before) && mine.instructions == before.instructions &&
         mine.write == before.write && mine.apply == before.apply;
}
bool same_matching(const TableFeatures& a, const TableFeatures& b) {
  return a.match == b.match && a.mask == b.mask && a.wildcard == b.wildcard;
}
bool same_instructions(const TableFeatures& table, const TableFeatures& before) {
  return same_abilities(table, table.hit, before.hit) && same_abilities(table, table.miss, before.miss);
}
bool same_features(const TableFeatures& a, const TableFeatures& before) {
  return a.metadata_match == before.metadata_match && a.metadata_write == before.metadata_write &&
         a.miss_config == before.miss_config && a.eviction == before.eviction &&
         a.vacancy_events == before.vacancy_events && a.max_entries == before.max_entries &&
         same_instructions(a, before) && same_matching(a, before);
}
bool same_counters(const TableCounters& a, const TableCounters& b) {
  return a.active == b.active && a.lookups == b.lookups && a.matched == b.matched;
}

void format_actions_of(const TableAbilities::Actions& actions, OfVersion version, Printer& out) {
  const std::string names = format_action_bits(actions.actions, version == k11 ? k11 : k12);
  if (names != "<none>") out.put("        actions: {}\n", names);
  if (actions.set_fields.any())
    out.put("        supported on Set-Field: {}\n", format_field_set(actions.set_fields));
}

bool is_empty(const TableAbilities::Actions& actions) {
  return actions.actions == 0 && actions.set_fields.none();
}
/// Whether ovs-ofctl finds nothing worth a heading: apply-actions alone are not.
bool is_empty(const TableAbilities& side) {
  return side.next.none() && side.instructions == 0 && is_empty(side.write);
}

void format_abilities(const TableAbilities& side, const TableAbilities* before, bool combined, Printer& out) {
  if (side.next.any()) {
    out.put("      next tables: ");
    bool first = true;
    for (unsigned from = 0; from < 256; ++from) {
      if (!side.next.test(from)) continue;
      unsigned to = from;
      while (to + 1 < 256 && side.next.test(to + 1)) ++to;
      out.put("{}{}", first ? "" : ",", from);
      if (to > from) out.put("-{}", to);
      first = false;
      from = to;
    }
    out.put("\n");
  }
  if (before != nullptr && side.instructions == before->instructions && side.instructions != 0)
    out.put("      (same instructions)\n");
  else if (side.instructions != 0)
    out.put("      instructions: {}\n", bit_names(side.instructions, kInstructionNames));

  if (combined && before != nullptr && side.write == before->write && side.apply == before->apply &&
      !(side.write.set_fields.none() && side.apply.set_fields.none())) {
    out.put("      (same actions)\n");
  } else if (side.write == side.apply) {
    if (is_empty(side.write)) return;
    out.put("      Write-Actions and Apply-Actions features:\n");
    format_actions_of(side.write, out.version(), out);
  } else {
    out.put("      Write-Actions features:\n");
    format_actions_of(side.write, out.version(), out);
    out.put("      Apply-Actions features:\n");
    format_actions_of(side.apply, out.version(), out);
  }
}

void format_matching(const TableFeatures& table, const TableFeatures* before, Printer& out) {
  if (table.match.none()) return;
  if (before != nullptr && same_matching(table, *before)) {
    out.put("    (same matching)\n");
    return;
  }
  const auto line = [&](std::string_view what, const FieldSet& fields) {
    if (fields.any()) out.put("      {}: {}\n", what, format_field_set(fields));
  };
  out.put("    matching:\n");
  line("arbitrary mask", table.mask);
  line("exact match or wildcard", table.match & table.wildcard & ~table.mask);
  line("must exact match", table.match & ~table.wildcard & ~table.mask);
}

void format_features(const TableFeatures& table, const TableFeatures* before, Printer& out) {
  if (before != nullptr && same_features(table, *before)) {
    out.put("    (same features)\n");
    return;
  }
  if (table.metadata_match != 0 || table.metadata_write != 0)
    out.put("    metadata: match={} write={}\n", field::format_hex(table.metadata_match),
            field::format_hex(table.metadata_write));
  if (table.miss_config != TableMiss::Default) out.put("    config={}\n", miss_name(table.miss_config));
  if (table.eviction) out.put("    eviction: {}supported\n", *table.eviction ? "" : "not ");
  if (table.vacancy_events) out.put("    vacancy events: {}supported\n", *table.vacancy_events ? "" : "not ");
  if (table.max_entries != 0) out.put("    max_entries={}\n", table.max_entries);

  if (before != nullptr && same_instructions(table, *before)) {
    if (!is_empty(table.hit) || !is_empty(table.miss)) out.put("    (same instructions)\n");
  } else if (table.hit == table.miss) {
    if (!is_empty(table.hit)) {
      out.put("    instructions (table miss and others):\n");
      format_abilities(table.hit, before != nullptr ? &before->hit : nullptr, true, out);
    }
  } else {
    out.put("    instructions (other than table miss):\n");
    format_abilities(table.hit, before != nullptr ? &before->hit : nullptr, false, out);
    out.put("    instructions (table miss):\n");
    format_abilities(table.miss, before != nullptr ? &before->miss : nullptr, false, out);
  }
  format_matching(table, before, out);
}

/// Prints tables one after the other, those that are like the one before in a word.
class TablePrinter {
 public:
  explicit TablePrinter(Printer& out) : out_(out) { out_.put("\n"); }
  ~TablePrinter() { flush(); }
  TablePrinter(const TablePrinter&) = delete;
  TablePrinter& operator=(const TablePrinter&) = delete;

  void add(const TableFeatures* features, const TableCounters* counters) {
    const std::uint8_t table = counters != nullptr ? counters->table : features->table;
    const std::string_view name = features != nullptr ? std::string_view(features->name) : std::string_view{};
    const bool first = features_ == nullptr && counters_ == nullptr;
    if (first && features != nullptr && features->command != TableCommand::Replace)
      out_.put("  command: {}\n", kCommandNames[static_cast<unsigned>(features->command)]);
    const bool ditto = !first && (features == nullptr || same_features(*features, *features_)) &&
                       (counters == nullptr || same_counters(*counters, *counters_));
    if (ditto) {
      // Tables without a name that follow each other share a line.
      if (pending_ && name.empty() && pending_name_.empty() && table == last_ + 1) {
        last_ = table;
      } else {
        flush();
        pending_ = true;
        pending_name_ = name;
        first_ = last_ = table;
      }
    } else {
      flush();
      // Behind a "ditto" with a name ovs-ofctl leaves no blank line.
      if (!first && !after_named_ditto_) out_.put("\n");
      after_ditto_ = after_named_ditto_ = false;
      out_.put("  table {}", table);
      if (!name.empty()) out_.put(" (\"{}\")", name);
      out_.put(":\n");
      if (counters != nullptr)
        out_.put("    active={}, lookup={}, matched={}\n", counters->active, counters->lookups,
                 counters->matched);
      if (features != nullptr) format_features(*features, features_, out_);
    }
    features_ = features;
    counters_ = counters;
  }

 private:
  void flush() {
    if (!pending_) return;
    pending_ = false;
    if (!after_ditto_) out_.put("\n");
    after_ditto_ = true;
    after_named_ditto_ = !pending_name_.empty();
    if (first_ != last_) {
      out_.put("  tables {}...{}: ditto\n", first_, last_);
      return;
    }
    out_.put("  table {}", first_);
    if (!pending_name_.empty()) out_.put(" (\"{}\")", pending_name_);
    out_.put(": ditto\n");
  }

  Printer& out_;
  const TableFeatures* features_ = nullptr;
  const TableCounters* counters_ = nullptr;
  bool pending_ = false, after_ditto_ = false, after_named_ditto_ = false;
  std::uint8_t first_ = 0, last_ = 0;
  std::string_view pending_name_;
};

// --- Statistics with features (1.0 to 1.2)

using Entry = TableStatsReply::Entry;

void take_counters(ByteReader& in, TableCounters& counters) {
  counters.active = in.u32();
  counters.lookups = in.u64();
  counters.matched = in.u64();
}
void put_counters(const TableCounters& counters, ByteWriter& out) {
  out.u32(counters.active);
  out.u64(counters.lookups);
  out.u64(counters.matched);
}

void decode_stats10(ByteReader& in, Entry& entry) {
  TableFeatures& f = entry.features;
  f.table = in.u8();
  in.skip(3);
  f.name = take_text(in, kNameBytes);
  f.match = f.wildcard = fields_of_bits(in.u32(), kWildcards10);
  f.max_entries = in.u32();
  take_counters(in, entry.counters);
}
void encode_stats10(const Entry& entry, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  out.u8(entry.counters.table);
  out.zeros(3);
  encoder.text(entry.features.name, kNameBytes);
  out.u32(bits_of_fields(entry.features.wildcard, kWildcards10));
  out.u32(entry.features.max_entries);
  put_counters(entry.counters, out);
}

void decode_stats11(ByteReader& in, Entry& entry) {
  TableFeatures& f = entry.features;
  f.table = in.u8();
  in.skip(7);
  f.name = take_text(in, kNameBytes);
  f.wildcard = fields_of_bits(in.u32(), kFields11);
  f.match = fields_of_bits(in.u32(), kFields11);
  f.wildcard &= f.match;
  f.hit.instructions = in.u32() & 0x3e;
  f.hit.write.actions = in.u32();
  f.hit.apply.actions = in.u32();
  f.miss = f.hit;
  f.miss_config = miss_from_wire(in.u32());
  f.max_entries = in.u32();
  take_counters(in, entry.counters);
}
void encode_stats11(const Entry& entry, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  const TableFeatures& f = entry.features;
  out.u8(entry.counters.table);
  out.zeros(7);
  encoder.text(f.name, kNameBytes);
  out.u32(bits_of_fields(f.wildcard, kFields11));
  out.u32(bits_of_fields(f.match, kFields11));
  out.u32(f.hit.instructions & 0x3e);
  out.u32(f.hit.write.actions);
  out.u32(f.hit.apply.actions);
  out.u32(miss_to_wire(f.miss_config));
  out.u32(f.max_entries);
  put_counters(entry.counters, out);
}

void decode_stats12(ByteReader& in, Entry& entry) {
  TableFeatures& f = entry.features;
  f.table = in.u8();
  in.skip(7);
  f.name = take_text(in, kNameBytes);
  f.match = fields_of_oxm_bits(in.u64());
  f.wildcard = fields_of_oxm_bits(in.u64()) & f.match;
  f.hit.write.actions = in.u32();
  f.hit.apply.actions = in.u32();
  f.hit.write.set_fields = fields_of_oxm_bits(in.u64());
  f.hit.apply.set_fields = fields_of_oxm_bits(in.u64());
  f.metadata_match = in.u64();
  f.metadata_write = in.u64();
  f.hit.instructions = in.u32() & 0x3e;
  f.miss = f.hit;
  f.miss_config = miss_from_wire(in.u32());
  f.max_entries = in.u32();
  take_counters(in, entry.counters);
}
void encode_stats12(const Entry& entry, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  const TableFeatures& f = entry.features;
  out.u8(entry.counters.table);
  out.zeros(7);
  encoder.text(f.name, kNameBytes);
  out.u64(oxm_bits_of_fields(f.match));
  out.u64(oxm_bits_of_fields(f.wildcard));
  out.u32(f.hit.write.actions);
  out.u32(f.hit.apply.actions);
  out.u64(oxm_bits_of_fields(f.hit.write.set_fields));
  out.u64(oxm_bits_of_fields(f.hit.apply.set_fields));
  out.u64(f.metadata_match);
  out.u64(f.metadata_write);
  out.u32(f.hit.instructions & 0x3e);
  out.u32(miss_to_wire(f.miss_config));
  out.u32(f.max_entries);
  put_counters(entry.counters, out);
}

}  // namespace

std::string format_field_set(const FieldSet& fields) {
  std::vector<std::string_view> names;
  for (const FieldId id : print_order())
    if (fields.test(static_cast<std::size_t>(id))) names.push_back(field::spec(id).name);
  return join_names(names, ' ');
}

std::span<const WireForm> TableMod::wire_forms() {
  return kMod;
}
std::span<const WireForm> TableDescRequest::wire_forms() {
  return kDescRequest;
}
std::span<const WireForm> TableDescReply::wire_forms() {
  return kDescReply;
}
std::span<const WireForm> TableStatus::wire_forms() {
  return kStatus;
}
std::span<const WireForm> TableStatsRequest::wire_forms() {
  return kStatsRequest;
}
std::span<const WireForm> TableStatsReply::wire_forms() {
  return kStatsReply;
}
std::span<const WireForm> TableFeaturesRequest::wire_forms() {
  return kFeaturesRequest;
}
std::span<const WireForm> TableFeaturesReply::wire_forms() {
  return kFeaturesReply;
}

Status TableMod::decode(ByteReader& body, const DecodeContext& context, TableMod& out) {
  out.table = body.u8();
  body.skip(3);
  const std::uint32_t config = body.u32();
  SLUICE_TRY(finished(body, "table_mod"));
  if (context.version <= k12) out.miss = miss_from_wire(config);
  if (context.version < k14) return {};
  out.eviction = (config & kEviction) != 0;
  SLUICE_TRY(decode_properties(body, false, out.eviction_flags, out.vacancy));
  if ((config & kVacancy) == 0)
    out.vacancy.reset();
  else if (!out.vacancy)
    out.vacancy.emplace();
  return {};
}
void TableMod::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  out.u8(table);
  out.zeros(3);
  if (encoder.version() < k14) {
    out.u32(encoder.version() <= k12 ? miss_to_wire(miss) : 0);
    return;
  }
  out.u32((eviction.value_or(false) ? kEviction : 0) | (vacancy ? kVacancy : 0));
  encode_properties(eviction_flags, vacancy, out);
}
void TableMod::format(Printer& out) const {
  if (table == action::kNoTable) {
    out.put(" table_id: ALL_TABLES");
  } else {
    out.put(" table_id=");
    out.table(table);
  }
  if (miss != TableMiss::Default) out.put(", flow_miss_config={}", miss_name(miss));
  if (out.version() >= k14) {
    // Flags of how to evict hide whether to.
    if (!eviction_flags)
      out.put(", eviction={}", eviction.value_or(false) ? "on" : "off");
    else if (*eviction_flags != 0)
      out.put(", eviction=***error***");
    if (vacancy)
      out.put(", vacancy=on vacancy:{},{}", vacancy->down, vacancy->up);
    else
      out.put(", vacancy=off");
  }
  out.put("\n");
}

Status TableDescReply::decode(ByteReader& body, const DecodeContext&, TableDescReply& out) {
  while (body.remaining() > 0) SLUICE_TRY(decode_description(body, out.entries.emplace_back()));
  return {};
}
void TableDescReply::encode(Encoder& out) const {
  for (const TableDescription& table : entries) {
    out.entry();
    encode_description(table, out.out());
  }
}
void TableDescReply::format(Printer& out) const {
  for (const TableDescription& table : entries) {
    out.put("\n");
    format_description(table, out);
  }
}

Status TableStatus::decode(ByteReader& body, const DecodeContext&, TableStatus& out) {
  const std::uint8_t reason = body.u8();
  if (reason != static_cast<std::uint8_t>(TableReason::VacancyDown) &&
      reason != static_cast<std::uint8_t>(TableReason::VacancyUp))
    return fail(fmt::format("table status of reason {} (OFPBPC_BAD_VALUE)", reason), OfError::BpcBadValue);
  out.reason = static_cast<TableReason>(reason);
  body.skip(7);
  return decode_description(body, out.description);
}
void TableStatus::encode(Encoder& out) const {
  out.out().u8(static_cast<std::uint8_t>(reason));
  out.out().zeros(7);
  encode_description(description, out.out());
}
void TableStatus::format(Printer& out) const {
  out.put(" reason={}\ntable_desc:-\n", reason == TableReason::VacancyDown ? "VACANCY_DOWN" : "VACANCY_UP");
  format_description(description, out);
}

Status TableStatsReply::decode(ByteReader& body, const DecodeContext& context, TableStatsReply& out) {
  while (body.ok() && body.remaining() > 0) {
    Entry& entry = out.entries.emplace_back();
    switch (context.version) {
      case k10:
        decode_stats10(body, entry);
        break;
      case k11:
        decode_stats11(body, entry);
        break;
      case k12:
        decode_stats12(body, entry);
        break;
      default:
        entry.features.table = body.u8();
        body.skip(3);
        take_counters(body, entry.counters);
    }
    entry.counters.table = entry.features.table;
  }
  return finished(body, "table statistics");
}
void TableStatsReply::encode(Encoder& out) const {
  for (const Entry& entry : entries) {
    out.entry();
    switch (out.version()) {
      case k10:
        encode_stats10(entry, out);
        break;
      case k11:
        encode_stats11(entry, out);
        break;
      case k12:
        encode_stats12(entry, out);
        break;
      default:
        out.out().u8(entry.counters.table);
        out.out().zeros(3);
        put_counters(entry.counters, out.out());
    }
  }
}
void TableStatsReply::format(Printer& out) const {
  TablePrinter printer(out);
  for (const Entry& entry : entries)
    printer.add(out.version() < k13 ? &entry.features : nullptr, &entry.counters);
}

Status TableFeaturesRequest::decode(ByteReader& body, const DecodeContext& context,
                                    TableFeaturesRequest& out) {
  out.entries = take_rest(body);
  SLUICE_TRY(out.parsed(context.version));
  return {};
}
void TableFeaturesRequest::encode(Encoder& out) const {
  out.out().append(entries);
}
Result<TableFeaturesReply> TableFeaturesRequest::parsed(OfVersion version) const {
  TableFeaturesReply tables;
  ByteReader in(entries);
  while (in.remaining() > 0) SLUICE_TRY(decode_features(in, version, true, tables.entries.emplace_back()));
  constexpr std::uint32_t kRequired = 1u << kInstructions | 1u << kNextTables | 1u << kWriteActions |
                                      1u << kApplyActions | 1u << kMatch | 1u << kWildcards |
                                      1u << kWriteSetField | 1u << kApplySetField;
  std::bitset<256> named;
  for (const TableFeatures& table : tables.entries) {
    if (table.table == action::kNoTable)
      return fail("features of table 255, which is none (OFPTFFC_BAD_TABLE)", OfError::TffcBadTable);
    const bool bare = version >= k15 && table.properties == 0;
    if (!bare && (table.properties & kRequired) != kRequired)
      return fail(fmt::format("features of table {} without all that there must be (OFPTFFC_BAD_FEATURES)",
                              table.table),
                  OfError::TffcBadFeatures);
    if (named[table.table])
      return fail(fmt::format("features of table {} twice (NXTFFC_DUP_TABLE)", table.table),
                  OfError::TffcDupTable);
    named.set(table.table);
  }
  return tables;
}
void TableFeaturesRequest::format(Printer& out) const {
  const auto tables = parsed(out.version());
  if (tables && !tables->entries.empty()) return tables->format(out);
  out.put("\n");
}

Status TableFeaturesReply::decode(ByteReader& body, const DecodeContext& context, TableFeaturesReply& out) {
  while (body.remaining() > 0)
    SLUICE_TRY(decode_features(body, context.version, false, out.entries.emplace_back()));
  return {};
}
void TableFeaturesReply::encode(Encoder& out) const {
  for (const TableFeatures& table : entries) {
    out.entry();
    encode_features(table, out);
  }
}
void TableFeaturesReply::format(Printer& out) const {
  TablePrinter printer(out);
  for (const TableFeatures& table : entries) printer.add(&table, nullptr);
}

}  // namespace sluice::openflow
