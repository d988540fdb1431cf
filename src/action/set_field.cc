#include "action/set_field.h"

#include <algorithm>

#include "action/all_actions.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::FieldValue;
using field::OfError;
using field::Subfield;

namespace {

constexpr std::uint16_t kSetField = 25, kRegLoad = 7, kRegLoad2 = 33;

/// A run of one bits of a mask, at most 64 long: what one reg_load can carry.
struct Run {
  unsigned offset, width;
};

/// Calls f(run) for each run of `mask`, lowest first.
template <typename F>
void for_each_run(FieldValue mask, unsigned longest, F&& f) {
  for (unsigned bit = 0; bit < 128;) {
    if (((mask >> bit) & 1) == 0) {
      ++bit;
      continue;
    }
    unsigned width = 0;
    while (bit + width < 128 && width < longest && ((mask >> (bit + width)) & 1) != 0) ++width;
    f(Run{bit, width});
    bit += width;
  }
}

/// The bits of a field that a write without mask sets. vlan_vid carries its "present" bit above its twelve
/// bits.
FieldValue whole(const field::FieldSpec& spec) {
  return spec.id == FieldId::VlanVid ? field::ones(13) : spec.valid_bits();
}

void encode_reg_loads(FieldId id, FieldValue value, FieldValue mask, Encoder& out) {
  for_each_run(mask & field::spec(id).valid_bits(), 64, [&](const Run& run) {
    out.begin_nicira(kRegLoad);
    out.out().u16(
        offset_width({id, static_cast<std::uint16_t>(run.offset), static_cast<std::uint16_t>(run.width)}));
    encode_header(id, OfVersion::k10, out.out());
    out.out().u64(static_cast<std::uint64_t>((value >> run.offset) & field::ones(run.width)));
    out.end();
  });
}

void encode_set_field(const field::FieldSpec& spec, FieldValue value, FieldValue mask, Encoder& out) {
  out.begin(kSetField);
  field::encode_field(spec, value, mask, out.version(), out.out());
  out.end();
}

/// What OpenFlow 1.0 and 1.1 have an action of their own for; empty if nothing.
ActionList legacy(const SetField& set, OfVersion version) {
  ActionList list;
  if (set.mask != whole(field::spec(set.field))) return list;
  const auto v = static_cast<std::uint32_t>(set.value);
  switch (set.field) {
    case FieldId::EthSrc:
      list.push_back(SetEthSrc{net::Mac::from_value(static_cast<std::uint64_t>(set.value))});
      break;
    case FieldId::EthDst:
      list.push_back(SetEthDst{net::Mac::from_value(static_cast<std::uint64_t>(set.value))});
      break;
    case FieldId::Ipv4Src:
      list.push_back(SetIpv4Src{be32{v}});
      break;
    case FieldId::Ipv4Dst:
      list.push_back(SetIpv4Dst{be32{v}});
      break;
    case FieldId::IpDscp:
      list.push_back(SetIpDscp{static_cast<std::uint8_t>(v)});
      break;
    case FieldId::IpDscpShifted:
      list.push_back(SetIpDscp{static_cast<std::uint8_t>(v << 2)});
      break;
    case FieldId::IpEcn:
      if (version >= OfVersion::k11) list.push_back(SetIpEcn{static_cast<std::uint8_t>(v)});
      break;
    case FieldId::TcpSrc:
    case FieldId::UdpSrc:
      list.push_back(SetL4Src{static_cast<std::uint16_t>(v)});
      break;
    case FieldId::TcpDst:
    case FieldId::UdpDst:
      list.push_back(SetL4Dst{static_cast<std::uint16_t>(v)});
      break;
    case FieldId::VlanVid:
      list.push_back(
          SetVlanVid{.vid = static_cast<std::uint16_t>(v & flow::kVlanVidMask), .flow_has_vlan = true});
      break;
    case FieldId::VlanPcp:
      list.push_back(SetVlanPcp{.pcp = static_cast<std::uint8_t>(v), .flow_has_vlan = true});
      break;
    case FieldId::VlanTci:
      if ((v & flow::kVlanPresent) == 0) {
        list.push_back(StripVlan{});
      } else {
        list.push_back(
            SetVlanVid{.vid = static_cast<std::uint16_t>(v & flow::kVlanVidMask), .push_if_needed = true});
        list.push_back(SetVlanPcp{
            .pcp = static_cast<std::uint8_t>(v >> 13), .push_if_needed = true, .flow_has_vlan = true});
      }
      break;
    default:
      break;
  }
  return list;
}

/// What is wrong with a match has its own words in an action (OpenFlow 1.3.1 section 7.4.4).
tl::unexpected<Error> as_error_of_action(Error error, ByteReader header) {
  OfError code = field::of_error(error).value_or(OfError::BacBadSetArgument);
  switch (code) {
    case OfError::BmcBadField:
      code = field::field_of_header(header.u32()) != nullptr ? OfError::BacBadSetLen : OfError::BacBadSetType;
      break;
    case OfError::BmcBadLen:
      code = OfError::BacBadSetLen;
      break;
    case OfError::BmcBadValue:
      code = OfError::BacBadSetArgument;
      break;
    default:
      break;
  }
  return fail(error.message + " (in set_field)", code);
}

Status decode_set_field(ByteReader& body, const DecodeContext& context, ActionList& out) {
  ByteReader header = body;
  auto decoded = field::decode_field(body);
  if (!decoded) return as_error_of_action(std::move(decoded).error(), header);
  const field::FieldSpec& spec = *decoded->spec;
  if (decoded->masked && context.version < OfVersion::k15)
    return fail("set_field of " + std::string(spec.name) +
                    " with a mask: OpenFlow 1.5 was the first to have that "
                    "(OFPBAC_BAD_SET_MASK)",
                OfError::BacBadSetMask);
  if (!body.skip_zeros(body.remaining()))
    return fail("set_field of " + std::string(spec.name) + ": padding is not zero (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  if (spec.access == field::Access::ReadOnly || spec.id == FieldId::InPortOxm)
    return fail("set_field: " + std::string(spec.name) + " is read-only (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  const FieldValue mask = decoded->masked ? decoded->value.mask : whole(spec);
  if (spec.id == FieldId::VlanVid && (mask & flow::kVlanPresent) != 0 &&
      (decoded->value.value & flow::kVlanPresent) == 0)
    return fail("set_field of vlan_vid without OFPVID_PRESENT (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  out.push_back(SetField{.field = spec.id, .value = decoded->value.value & mask, .mask = mask});
  return {};
}

/// The field and its value follow the header at once, with a mask in every version.
Status decode_reg_load2(ByteReader& body, const DecodeContext& context, ActionList& out) {
  return decode_set_field(body, DecodeContext{.version = OfVersion::k15, .place = context.place}, out);
}

Status decode_reg_load(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t ofs_nbits = body.u16();
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body));
  const std::uint64_t value = body.u64();
  SLUICE_ASSIGN(const Subfield destination, make_subfield(*spec, ofs_nbits >> 6, (ofs_nbits & 63u) + 1));
  if (FieldValue{value} > field::ones(destination.width))
    return fail("reg_load: value " + hex(value) + " does not fit into " + std::to_string(destination.width) +
                    " bits (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  if (spec->access == field::Access::ReadOnly)
    return fail("load: " + std::string(spec->name) + " is read-only (OFPBAC_BAD_SET_ARGUMENT)",
                OfError::BacBadSetArgument);
  out.push_back(Load{.destination = destination, .value = value});
  return {};
}

constexpr WireForm kSetFieldForms[] = {
    {0, kSetField, OfVersion::k12, OfVersion::k15, 8, false, decode_set_field},
    {kNiciraVendor, kRegLoad2, OfVersion::k10, OfVersion::k14, 16, false, decode_reg_load2},
};
constexpr WireForm kLoadForms[] = {
    {kNiciraVendor, kRegLoad, OfVersion::k10, OfVersion::k14, 24, true, decode_reg_load},
};

}  // namespace

// --- set_field

std::span<const WireForm> SetField::wire_forms() {
  return kSetFieldForms;
}

Status SetField::parse(const Word& word, const ParseContext& context, ActionList& out) {
  SLUICE_ASSIGN(const auto sides, split_arrow(word.argument));
  const field::FieldSpec* spec = field::find_field(sides.second);
  if (spec == nullptr)
    return fail(std::string(sides.second) + " is not a valid OXM field name", OfError::BacBadSetType);
  if (spec->access == field::Access::ReadOnly)
    return fail(std::string(spec->name) + " is read-only", OfError::BacBadSetArgument);
  SLUICE_ASSIGN(field::ValueMask parsed, field::parse_value(*spec, sides.first, context.names.ports));

  SetField set{.field = spec->id, .value = parsed.value, .mask = parsed.mask};
  // OpenFlow 1.0's VLAN fields have no OXM: their 1.2 relatives say the same.
  if (set.field == FieldId::DlVlan) {
    set.field = FieldId::VlanVid;
    set.value |= flow::kVlanPresent & (set.mask == field::ones(12) ? 0x1000 : 0);
    if (set.mask == field::ones(12)) set.mask = field::ones(13);
  } else if (set.field == FieldId::DlVlanPcp) {
    set.field = FieldId::VlanPcp;
  }
  set.mask &= whole(field::spec(set.field));
  set.value &= set.mask;
  out.push_back(set);
  return {};
}

void SetField::format(std::string& out, const Names& names) const {
  const field::FieldSpec& spec = field::spec(field);
  const bool full = mask == whole(spec);
  out += "set_field:" + field::format_value(spec, value, full ? whole(spec) : mask, names.ports) + "->" +
         std::string(spec.name);
}

void SetField::encode(Encoder& out) const {
  const field::FieldSpec& spec = field::spec(field);
  if (mask == 0) return;
  if (out.version() >= OfVersion::k15 || (out.version() >= OfVersion::k12 && mask == whole(spec))) {
    encode_set_field(spec, value, mask, out);
    return;
  }
  if (out.version() <= OfVersion::k11) {
    if (const ActionList actions = legacy(*this, out.version()); !actions.empty()) {
      encode_list(actions, out);
      return;
    }
  }
  encode_reg_loads(field, value, mask, out);
}

Status SetField::check(CheckContext& context) const {
  SLUICE_TRY(check_writable(context, Subfield{field, 0, field::spec(field).bits}, "set_field"));
  if (field == FieldId::VlanTci && mask == 0xffff) set_known(context.match, field, value);
  return {};
}

void SetField::translate(Translation& translation) const {
  for_each_run(mask & field::spec(field).valid_bits(), 128, [&](const Run& run) {
    translation.write({field, static_cast<std::uint16_t>(run.offset), static_cast<std::uint16_t>(run.width)},
                      (value >> run.offset) & field::ones(run.width));
  });
}

// --- load

std::span<const WireForm> Load::wire_forms() {
  return kLoadForms;
}

Status Load::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const auto sides, split_arrow(word.argument));
  SLUICE_ASSIGN(const Subfield destination, field::parse_subfield(sides.second));
  const std::string text(word.argument);
  const auto value = field::parse_integer(sides.first);
  if (!value) return fail(text + ": cannot parse integer value");
  if (*value > field::ones(destination.width))
    return fail(text + ": value " + std::string(sides.first) + " does not fit into " +
                    std::to_string(destination.width) + " bits",
                OfError::BacBadSetArgument);
  out.push_back(Load{.destination = destination, .value = *value});
  return {};
}

void Load::format(std::string& out, const Names&) const {
  out += "load:" + hex(value) + "->" + field::format_subfield(destination);
}

void Load::encode(Encoder& out) const {
  const FieldValue mask = field::ones(destination.width) << destination.offset;
  const FieldValue shifted = value << destination.offset;
  const field::FieldSpec& spec = field::spec(destination.field);
  if (out.version() >= OfVersion::k15) {
    encode_set_field(spec, shifted, mask, out);
    return;
  }
  for_each_run(mask, 64, [&](const Run& run) {
    out.begin_nicira(kRegLoad);
    out.out().u16(offset_width(
        {destination.field, static_cast<std::uint16_t>(run.offset), static_cast<std::uint16_t>(run.width)}));
    encode_header(destination.field, OfVersion::k10, out.out());
    out.out().u64(static_cast<std::uint64_t>((shifted >> run.offset) & field::ones(run.width)));
    out.end();
  });
}

Status Load::check(CheckContext& context) const {
  return check_writable(context, destination, "load");
}

void Load::translate(Translation& translation) const {
  translation.write(destination, value);
}

}  // namespace sluice::action
