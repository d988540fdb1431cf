// OXM and NXM on the wire.
//
// A TLV is a 32-bit header (class 16, field 7, has-mask 1, length 8), for class 0xffff the experimenter's 32
// bits (counted in length), the value, and with has-mask a mask of the same size. NXM is the same with
// classes 0 and 1 and has no version; a match may mix both. OpenFlow 1.5.1 section 7.2.3, ovs-fields(7).
#include "field/oxm.h"

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "field/match_text.h"
#include "field/of_error.h"
#include "net/protocol.h"

namespace sluice::field {

namespace {

using flow::Match;

constexpr std::uint16_t kExperimenterClass = 0xffff;
constexpr unsigned kExperimenterBytes = 4;

constexpr std::uint32_t make_header(const OxmId& id, bool masked, unsigned payload) {
  const unsigned length = payload * (masked ? 2 : 1) + (id.experimenter != 0 ? kExperimenterBytes : 0);
  return std::uint32_t{id.oxm_class} << 16 | std::uint32_t{id.oxm_field} << 9 | (masked ? 0x100u : 0u) |
         length;
}

void put_value(FieldValue value, unsigned bytes, ByteWriter& out) {
  for (unsigned i = bytes; i-- > 0;) out.u8(static_cast<std::uint8_t>(value >> (8 * i)));
}
FieldValue take_value(ByteReader& in, unsigned bytes) {
  FieldValue value = 0;
  for (const std::uint8_t byte : in.take(bytes)) value = value << 8 | byte;
  return value;
}

/// The bits that the wire form of a match may fix: those of the field, and for vlan_vid the one that says
/// that there is a tag.
FieldValue wire_bits(const FieldSpec& f) {
  if (f.id == FieldId::VlanVid) return ones(13);
  if (f.id == FieldId::CtState) return ones(8);
  return f.valid_bits();
}

void put_tlv(const FieldSpec& f, const OxmId& id, FieldValue value, FieldValue mask, ByteWriter& out) {
  // ct_state and tun_flags have bits without a meaning yet: an exact match on those known travels as a mask.
  const bool always_masked = f.id == FieldId::CtState || f.id == FieldId::TunFlags;
  const bool masked = always_masked || (mask & wire_bits(f)) != wire_bits(f);
  out.u32(make_header(id, masked, f.wire_bytes));
  if (id.experimenter != 0) out.u32(id.experimenter);
  put_value(value, f.wire_bytes, out);
  if (masked) put_value(mask, f.wire_bytes, out);
}

/// Writes a match field by field, in the order of the calls.
class MatchWriter {
 public:
  MatchWriter(const Match& match, OfVersion version, ByteWriter& out)
      : match_(match), version_(version), out_(out) {}

  void field(FieldId id) {
    const ValueMask v = get(match_, id);
    if (v.mask == 0 || !prerequisites_met(spec(id).needs, match_)) return;
    encode_field(spec(id), v.value, v.mask, version_, out_);
  }
  void fields(std::initializer_list<FieldId> ids) {
    for (const FieldId id : ids) field(id);
  }
  void vlan();
  void registers();
  const Match& match() const { return match_; }
  bool oxm() const { return version_ >= OfVersion::k12; }

 private:
  const Match& match_;
  OfVersion version_;
  ByteWriter& out_;
};

/// NXM has the whole tag, OXM a number with the presence bit and, if that says present, a priority. What OXM
/// cannot say goes as NXM.
void MatchWriter::vlan() {
  const std::uint16_t tci = match_.value.vlan[0].tci.host(), mask = match_.mask.bits.vlan[0].tci.host();
  if (mask == 0) return;
  constexpr std::uint16_t kVid = 0x1fff, kPcp = 0xe000;
  const bool absent = mask == 0xffff && tci == 0;
  const bool no_priority = (mask & kPcp) == 0;
  const bool whole_priority = (mask & kPcp) == kPcp && (tci & mask & flow::kVlanPresent) != 0;
  if (!oxm() || !(absent || no_priority || whole_priority)) return field(FieldId::VlanTci);
  encode_field(spec(FieldId::VlanVid), tci & kVid, mask & kVid, version_, out_);
  if (whole_priority && !absent) encode_field(spec(FieldId::VlanPcp), tci >> 13, 7, version_, out_);
}

/// OpenFlow 1.5 has the registers in pairs, before that they travel one by one.
void MatchWriter::registers() {
  const bool pairs = version_ >= OfVersion::k15;
  const auto first = static_cast<unsigned>(pairs ? FieldId::Xreg0 : FieldId::Reg0);
  for (unsigned i = 0; i < (pairs ? flow::kRegisters / 2 : flow::kRegisters); ++i)
    field(static_cast<FieldId>(first + i));
}

void put_ip(MatchWriter& out) {
  using enum FieldId;
  out.fields({Ipv4Src, Ipv4Dst, Ipv6Src, Ipv6Dst, IpFrag});
  out.field(out.oxm() ? IpDscpShifted : IpDscp);
  out.fields({IpEcn, IpTtl, Ipv6Label, IpProto});
  out.fields({TcpSrc, TcpDst, TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst});
  out.fields({Icmpv4Type, Icmpv4Code, Icmpv6Type, Icmpv6Code});
  out.fields({NdReserved, NdTarget, NdOptionsType, NdSll, NdTll});
}

tl::unexpected<Error> bad_match(std::size_t offset, std::string_view what, OfError code) {
  return fail(fmt::format("match field at offset {}: {}", offset, what), code);
}

/// A header read from the wire, with the experimenter behind it.
struct Header {
  std::uint32_t bits = 0, experimenter = 0;

  bool masked() const { return (bits & 0x100) != 0; }
  unsigned length() const { return bits & 0xff; }
  bool is_experimenter() const { return bits >> 16 == kExperimenterClass; }
  unsigned payload() const { return length() - (is_experimenter() ? kExperimenterBytes : 0); }
};

Result<Header> take_header(ByteReader& in) {
  const std::size_t at = in.offset();
  Header header;
  if (in.remaining() < 4)
    return bad_match(at, fmt::format("{} bytes left, a header has 4", in.remaining()), OfError::BmcBadLen);
  header.bits = in.u32();
  if (in.remaining() < header.length())
    return bad_match(at, fmt::format("length {} but {} bytes left", header.length(), in.remaining()),
                     OfError::BmcBadLen);
  if (header.is_experimenter()) {
    if (header.length() < kExperimenterBytes)
      return bad_match(at, "experimenter field shorter than its experimenter number", OfError::BmcBadLen);
    header.experimenter = in.u32();
  }
  return header;
}

/// Checks a value and a mask against what the field can hold.
Status check_bits(const FieldSpec& f, const ValueMask& v, bool masked, std::size_t at) {
  const FieldValue bits = wire_bits(f);
  if (masked && (v.value & ~v.mask) != 0)
    return bad_match(at, fmt::format("{} has one bits that its mask leaves open", f.name),
                     OfError::BmcBadWildcards);
  if ((v.value & ~bits) != 0)
    return bad_match(at, fmt::format("{} has bits beyond {}", f.name, format_hex(bits)),
                     OfError::BmcBadValue);
  if (f.id == FieldId::ArpOp && v.value > 0xff)
    return bad_match(at, fmt::format("{}: operations above 255 cannot be matched", f.name),
                     OfError::BmcBadValue);
  if (f.format == Format::Port && f.bits == 32 && v.value >= 0xff00 && v.value < 0xffffff00)
    return bad_match(at, fmt::format("{}: no such port: {}", f.name, format_hex(v.value)),
                     OfError::BmcBadValue);
  if (!masked) return {};
  // A mask of all ones of the wire's width is exact, whatever the field's width.
  if ((v.mask & ~bits) != 0 && v.mask != ones(8u * f.wire_bytes))
    return bad_match(at, fmt::format("the mask of {} has bits beyond {}", f.name, format_hex(bits)),
                     OfError::BmcBadMask);
  if (f.mask == MaskPolicy::None && (v.mask & bits) != 0 && (v.mask & bits) != bits)
    return bad_match(at, fmt::format("{} takes no mask", f.name), OfError::BmcBadMask);
  return {};
}

Result<DecodedField> take_payload(ByteReader& in, const Header& header, const FieldSpec& f, std::size_t at) {
  if (header.payload() != f.wire_bytes * (header.masked() ? 2u : 1u))
    return bad_match(at,
                     fmt::format("{} has {} bytes of payload, expected {}", f.name, header.payload(),
                                 f.wire_bytes * (header.masked() ? 2u : 1u)),
                     OfError::BmcBadField);
  DecodedField decoded{&f, {}, header.masked()};
  decoded.value.value = take_value(in, f.wire_bytes);
  decoded.value.mask = header.masked() ? take_value(in, f.wire_bytes) : wire_bits(f);
  SLUICE_TRY(check_bits(f, decoded.value, header.masked(), at));
  decoded.value.mask &= wire_bits(f);
  return decoded;
}

bool is_known_id(const OxmId& id, const Header& header) {
  return id.exists() && id.oxm_class == header.bits >> 16 && id.oxm_field == ((header.bits >> 9) & 0x7f) &&
         id.experimenter == header.experimenter;
}

/// True if the match already says something of the bits that a match on the field covers. vlan_vid and
/// vlan_pcp share the bit of the tag's presence.
bool already_matched(const Match& match, FieldId id) {
  if (id == FieldId::VlanPcp) return get(match, id).mask != 0;
  if (id == FieldId::VlanVid) {
    constexpr std::uint16_t kVidBits = 0x0fff;
    return (match.mask.bits.vlan[0].tci.host() & kVidBits) != 0;
  }
  return is_matched(match, id);
}

// Text.

struct NamedHeader {
  const FieldSpec* spec;
  const OxmId* id;
};
NamedHeader find_oxm_name(std::string_view name) {
  for (const FieldSpec& f : all_fields())
    for (const OxmId* id : {&f.nxm, &f.oxm, &f.onf})
      if (id->exists() && id->name == name) return {&f, id};
  return {nullptr, nullptr};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Pairs of hexadecimal digits, blanks between them allowed.
Result<std::vector<std::uint8_t>> parse_hex(std::string_view text, std::string_view name) {
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = hex_digit(c);
    if (digit < 0) return fail(fmt::format("{}({}): \"{}\" is no hexadecimal digit", name, text, c));
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) return fail(fmt::format("{}({}): expected pairs of hexadecimal digits", name, text));
  return bytes;
}

std::string hex_bytes(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// One "NAME(value)" or "NAME_W(value/mask)".
Status parse_oxm_item(std::string_view name, std::string_view inside, ByteWriter& out) {
  const bool masked_name = name.size() > 2 && name.ends_with("_W");
  std::uint32_t header = 0, experimenter = 0;
  unsigned width = 0;
  bool masked = false;
  if (const auto plain = find_oxm_name(name); plain.spec != nullptr) {
    width = plain.spec->wire_bytes;
    header = make_header(*plain.id, false, width);
    experimenter = plain.id->experimenter;
  } else if (const auto wide =
                 find_oxm_name(masked_name ? name.substr(0, name.size() - 2) : std::string_view{});
             wide.spec != nullptr && wide.spec->mask == MaskPolicy::Bitwise) {
    masked = true;
    width = wide.spec->wire_bytes;
    header = make_header(*wide.id, true, width);
    experimenter = wide.id->experimenter;
  } else if (const auto number = parse_integer(fmt::format("0x{}", name)); name.size() == 8 && number) {
    header = static_cast<std::uint32_t>(*number);
    masked = (header & 0x100) != 0;
    width = (header & 0xff) / (masked ? 2 : 1);
  } else {
    return fail(fmt::format("{}({}): unknown field `{}'", name, inside, name));
  }

  const std::size_t slash = inside.find('/');
  if (masked && slash == std::string_view::npos)
    return fail(fmt::format("{}({}): expected a slash and a mask", name, inside));
  if (!masked && slash != std::string_view::npos)
    return fail(
        fmt::format("{}({}): a mask needs the name {}_W, if the field takes one", name, inside, name));
  SLUICE_ASSIGN(const auto value, parse_hex(inside.substr(0, slash), name));
  std::vector<std::uint8_t> mask;
  if (masked) {
    SLUICE_ASSIGN(mask, parse_hex(inside.substr(slash + 1), name));
  }
  const auto wrong_size = [&](const std::vector<std::uint8_t>& part) {
    return fail(fmt::format("{}({}): expected {} bytes, got {}", name, inside, width, part.size()));
  };
  if (value.size() != width) return wrong_size(value);
  if (masked && mask.size() != width) return wrong_size(mask);
  out.u32(header);
  if (experimenter != 0) out.u32(experimenter);
  out.append(value);
  out.append(mask);
  return {};
}

}  // namespace

const OxmId& oxm_id(const FieldSpec& spec, OfVersion version) {
  const OxmId* best = nullptr;
  for (const OxmId* id : {&spec.nxm, &spec.onf, &spec.oxm}) {
    if (!id->exists()) continue;
    // A field with no identifier of the version's own goes by the first that it has: receivers know them all.
    if (best == nullptr || (id->since <= static_cast<unsigned>(version) && version >= OfVersion::k12))
      best = id;
  }
  return best != nullptr ? *best : spec.nxm;
}

std::uint32_t oxm_header(const FieldSpec& spec, OfVersion version, bool masked) {
  const OxmId& id = oxm_id(spec, version);
  return id.exists() ? make_header(id, masked, spec.wire_bytes) : 0;
}

namespace {

/// Whether a match on the field lies in the key's bytes as it does on the wire, any value of it, and says
/// nothing of other bytes: asked of set_match(), so that the two can't differ.
bool is_plain(const FieldSpec& f) {
  if (f.bits != 8u * f.wire_bytes || f.key_bytes != f.wire_bytes || wire_bits(f) != ones(f.bits) ||
      f.format == Format::Port || f.id == FieldId::PacketType || f.id == FieldId::ArpOp)
    return false;
  const auto lies_there = [&](FieldValue value, FieldValue mask) {
    Match expected, made;
    set_match(made, f.id, value, mask);
    for (unsigned i = 0; i < f.wire_bytes; ++i) {
      const unsigned shift = 8 * (f.wire_bytes - 1 - i);
      reinterpret_cast<std::uint8_t*>(&expected.value)[f.key_offset + i] =
          static_cast<std::uint8_t>((value & mask) >> shift);
      reinterpret_cast<std::uint8_t*>(&expected.mask.bits)[f.key_offset + i] =
          static_cast<std::uint8_t>(mask >> shift);
    }
    return made == expected;
  };
  constexpr FieldValue kEachByteItsOwn = FieldValue{0x0123456789abcdef} << 64 | 0xfedcba9876543210;
  const FieldValue all = ones(f.bits);
  return lies_there(kEachByteItsOwn & all, all) && lies_there(all, all) &&
         lies_there(all, kEachByteItsOwn & all);
}

/// The fields of the classes whose numbers stand for fields by themselves, by class and number.
class FieldIndex {
 public:
  struct Row {
    const FieldSpec* field = nullptr;
    bool plain = false;
  };
  FieldIndex() {
    for (const FieldSpec& f : all_fields())
      for (const OxmId* id : {&f.nxm, &f.oxm, &f.onf})
        if (const auto row = row_of(id->oxm_class); id->exists() && id->experimenter == 0 && row)
          if (Row& place = fields_[*row][id->oxm_field]; place.field == nullptr) place = {&f, is_plain(f)};
  }
  /// Null if the class is none of these.
  const Row* find(std::uint32_t header) const {
    const auto row = row_of(static_cast<std::uint16_t>(header >> 16));
    return row ? &fields_[*row][(header >> 9) & 0x7f] : nullptr;
  }

 private:
  static std::optional<unsigned> row_of(std::uint16_t oxm_class) {
    if (oxm_class <= 1) return oxm_class;  // NXM
    if (oxm_class == 0x8000) return 2;     // OpenFlow's own
    return std::nullopt;
  }

  std::array<std::array<Row, 128>, 3> fields_{};
};

const FieldIndex& field_index() {
  static const FieldIndex index;
  return index;
}

/// Takes a plain field that is in order, which most are. Where it returns false it took nothing: what there
/// is to be said of the field is said by those who look closely.
bool take_plain(ByteReader& in, bool strict, Match& match) {
  ByteReader ahead = in;
  const std::uint32_t header = ahead.u32();
  const FieldIndex::Row* row = field_index().find(header);
  if (!row || !row->plain) return false;
  const FieldSpec& f = *row->field;
  const bool masked = (header & 0x100) != 0;
  const std::size_t bytes = f.wire_bytes;
  if ((header & 0xff) != bytes * (masked ? 2 : 1) || (masked && f.mask == MaskPolicy::None)) return false;
  const Bytes value = ahead.take(bytes), mask = masked ? ahead.take(bytes) : Bytes();
  if (!ahead.ok() || (strict && f.needs != Prereq::None && !prerequisites_met(f.needs, match))) return false;
  auto* value_there = reinterpret_cast<std::uint8_t*>(&match.value) + f.key_offset;
  auto* mask_there = reinterpret_cast<std::uint8_t*>(&match.mask.bits) + f.key_offset;
  std::uint8_t wrong = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    wrong = static_cast<std::uint8_t>(wrong | mask_there[i]);
    if (masked) wrong = static_cast<std::uint8_t>(wrong | (value[i] & ~mask[i]));
  }
  if (wrong != 0) return false;
  std::memcpy(value_there, value.data(), bytes);
  if (masked)
    std::memcpy(mask_there, mask.data(), bytes);
  else
    std::memset(mask_there, 0xff, bytes);
  in = ahead;
  return true;
}

}  // namespace

bool is_unmapped_option(std::uint32_t header) {
  constexpr unsigned kFirst = 40, kLast = 103;
  const unsigned number = header >> 9 & 0x7f;
  return header >> 16 == 1 && number >= kFirst && number <= kLast;
}

const FieldSpec* field_of_header(std::uint32_t header, std::uint32_t experimenter) {
  const Header wanted{header, experimenter};
  if (const FieldIndex::Row* known = field_index().find(header)) return known->field;
  for (const FieldSpec& f : all_fields())
    for (const OxmId* id : {&f.nxm, &f.oxm, &f.onf})
      if (is_known_id(*id, wanted)) return &f;
  return nullptr;
}

void encode_field(const FieldSpec& spec, FieldValue value, FieldValue mask, OfVersion version,
                  ByteWriter& out) {
  const OxmId& id = oxm_id(spec, version);
  SLUICE_DCHECK(id.exists());
  if (id.exists()) put_tlv(spec, id, value & mask, mask, out);
}

namespace {

tl::unexpected<Error> unknown_field(const Header& header, std::size_t at) {
  if (is_unmapped_option(header.bits))
    return bad_match(at, "no tunnel option is mapped to this field", OfError::FmfcInvalidTlvField);
  return bad_match(at, fmt::format("unknown field {:08x}", header.bits), OfError::BmcBadField);
}

}  // namespace

Result<DecodedField> decode_field(ByteReader& in) {
  const std::size_t at = in.offset();
  SLUICE_ASSIGN(const Header header, take_header(in));
  const FieldSpec* f = field_of_header(header.bits, header.experimenter);
  if (f == nullptr) return unknown_field(header, at);
  return take_payload(in, header, *f, at);
}

void encode_match(const Match& match, OfVersion version, ByteWriter& bytes) {
  using enum FieldId;
  MatchWriter out(match, version, bytes);
  out.fields({DpHash, RecircId, ConjId, PacketType});
  out.field(out.oxm() ? InPortOxm : InPort);
  out.fields({ActsetOutput, EthSrc, EthDst, EthType});
  out.vlan();
  out.fields({MplsTc, MplsBos, MplsTtl, MplsLabel});
  put_ip(out);
  out.fields({ArpOp, ArpSpa, ArpTpa, ArpSha, ArpTha});
  out.fields({TunId, TunFlags, TunSrc, TunDst, TunIpv6Src, TunIpv6Dst, TunGbpId, TunGbpFlags});
  out.registers();
  out.fields({PktMark, CtState, CtZone, CtMark, CtLabel, CtNwSrc, CtNwDst, CtIpv6Src, CtIpv6Dst, CtNwProto});
  if (match.value.ct_nw_proto != 0) out.fields({CtTpSrc, CtTpDst});
  out.field(Metadata);
}

Result<Match> decode_match(Bytes bytes, OfVersion version, bool strict) {
  Match match;
  SLUICE_TRY(decode_match(bytes, version, strict, match));
  return match;
}

Status decode_match(Bytes bytes, OfVersion version, bool strict, Match& match) {
  (void)version;  // Any identifier may come in any version, as NXM always could.
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    if (take_plain(in, strict, match)) continue;
    const std::size_t at = in.offset();
    SLUICE_ASSIGN(const Header header, take_header(in));
    const FieldSpec* f = field_of_header(header.bits, header.experimenter);
    if (f == nullptr) {
      if (strict) return unknown_field(header, at);
      in.skip(header.payload());
      continue;
    }
    SLUICE_ASSIGN(const DecodedField field, take_payload(in, header, *f, at));
    if (strict && !prerequisites_met(f->needs, match))
      return bad_match(at, fmt::format("{} without its prerequisites", f->name), OfError::BmcBadPrereq);
    if (already_matched(match, f->id))
      return bad_match(at, fmt::format("{} is matched twice", f->name), OfError::BmcDupField);
    if (f->id == FieldId::PacketType && field.value.value == 0) continue;  // every port carries Ethernet
    set_match(match, f->id, field.value.value, field.value.mask);
  }
  if (!strict) {
    if (auto settled = settle_match(match); !settled) return tl::unexpected(std::move(settled).error());
  }
  return {};
}

Result<std::vector<std::uint8_t>> parse_oxm_text(std::string_view text) {
  ByteWriter out;
  const auto blank = [](char c) { return c == ' ' || c == ',' || c == '\t' || c == '\n' || c == '\r'; };
  if (text == "<any>") return out.take();
  while (true) {
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    if (text.empty()) return out.take();
    const std::size_t open = text.find('(');
    if (open == std::string_view::npos)
      return fail(fmt::format("{}: missing ( at end of nx_match: expected it after the field's name", text));
    const std::size_t close = text.find(')', open);
    if (close == std::string_view::npos)
      return fail(fmt::format("{}: missing ) following field {}", text, text.substr(0, open)));
    SLUICE_TRY(parse_oxm_item(text.substr(0, open), text.substr(open + 1, close - open - 1), out));
    text.remove_prefix(close + 1);
  }
}

std::string format_oxm_text(Bytes bytes) {
  if (bytes.empty()) return "<any>";
  std::string text;
  ByteReader in(bytes);
  while (in.remaining() > 0) {
    const auto header = take_header(in);
    if (!text.empty()) text += ", ";
    if (!header) return text + fmt::format("<{}>", header.error().message);
    const FieldSpec* f = field_of_header(header->bits, header->experimenter);
    std::string name = fmt::format("{:08x}", header->bits);
    if (f != nullptr) {
      for (const OxmId* id : {&f->nxm, &f->oxm, &f->onf})
        if (is_known_id(*id, *header)) name = std::string(id->name) + (header->masked() ? "_W" : "");
    }
    const Bytes payload = in.take(header->payload());
    const std::size_t half = header->masked() ? payload.size() / 2 : payload.size();
    text += fmt::format("{}({}", name, hex_bytes(payload.first(half)));
    if (header->masked()) text.append("/").append(hex_bytes(payload.subspan(half)));
    text += ")";
  }
  return text;
}

}  // namespace sluice::field
