#include "action/multipath.h"

#include "action/all_actions.h"
#include "action/hash_fields.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kMultipath = 10;
constexpr std::string_view kAlgorithms[] = {"modulo_n", "hash_threshold", "hrw", "iter_hash"};

Status check_links(const Multipath& action, const std::string& where) {
  const field::FieldValue values = field::ones(action.destination.width);
  if (action.max_link <= values) return {};
  return fail(where + ": " + std::to_string(action.destination.width) + "-bit destination field has " +
                  std::to_string(static_cast<std::uint64_t>(values) + 1) +
                  " possible values, less than specified n_links " + std::to_string(action.max_link + 1u),
              OfError::BacBadArgument);
}

Status decode_multipath(ByteReader& body, const DecodeContext&, ActionList& out) {
  Multipath action;
  action.fields = body.u16();
  action.basis = body.u16();
  body.skip(2);
  action.algorithm = body.u16();
  action.max_link = body.u16();
  action.arg = body.u32();
  body.skip(2);
  const std::uint16_t ofs_nbits = body.u16();
  SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body));
  SLUICE_ASSIGN(action.destination, make_subfield(*spec, ofs_nbits >> 6, (ofs_nbits & 63u) + 1));
  if (action.fields >= std::size(kHashFields) || action.algorithm >= std::size(kAlgorithms))
    return fail("multipath: unknown fields or algorithm (OFPBAC_BAD_ARGUMENT)", OfError::BacBadArgument);
  SLUICE_TRY(check_links(action, "multipath"));
  out.push_back(action);
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kMultipath, OfVersion::k10, OfVersion::k15, 32, true, decode_multipath}};

}  // namespace

std::span<const WireForm> Multipath::wire_forms() {
  return kForms;
}

Status Multipath::parse(const Word& word, const ParseContext&, ActionList& out) {
  const std::string text(word.argument);
  std::vector<std::string_view> arguments;
  for (std::string_view rest = word.argument; const auto item = next_item(rest);) arguments.push_back(*item);
  if (arguments.size() < 6) return fail(text + ": not enough arguments to multipath action");
  Multipath action;
  const auto fields = find_name(kHashFields, arguments[0]);
  if (!fields) return fail(text + ": unknown fields `" + std::string(arguments[0]) + "'");
  action.fields = *fields;
  SLUICE_ASSIGN(const std::uint64_t basis, parse_number(arguments[1], 0xffff, "basis"));
  action.basis = static_cast<std::uint16_t>(basis);
  const auto algorithm = find_name(kAlgorithms, arguments[2]);
  if (!algorithm) return fail(text + ": unknown algorithm `" + std::string(arguments[2]) + "'");
  action.algorithm = *algorithm;
  const auto links = parse_number(arguments[3], 0xffffffff, "n_links");
  if (!links || *links < 1 || *links > 65536)
    return fail(text + ": n_links " + std::string(arguments[3]) + " is not in valid range 1 to 65536");
  action.max_link = static_cast<std::uint16_t>(*links - 1);
  SLUICE_ASSIGN(const std::uint64_t arg, parse_number(arguments[4], 0xffffffff, "arg"));
  action.arg = static_cast<std::uint32_t>(arg);
  SLUICE_ASSIGN(action.destination, field::parse_subfield(arguments[5]));
  SLUICE_TRY(check_links(action, text));
  out.push_back(action);
  return {};
}

void Multipath::format(std::string& out, const Names&) const {
  out += "multipath(" + std::string(kHashFields[fields]) + "," + std::to_string(basis) + "," +
         std::string(kAlgorithms[algorithm]) + "," + std::to_string(max_link + 1u) + "," +
         std::to_string(arg) + "," + field::format_subfield(destination) + ")";
}

void Multipath::encode(Encoder& out) const {
  out.begin_nicira(kMultipath);
  ByteWriter& w = out.out();
  w.u16(fields);
  w.u16(basis);
  w.zeros(2);
  w.u16(algorithm);
  w.u16(max_link);
  w.u32(arg);
  w.zeros(2);
  w.u16(offset_width(destination));
  encode_header(destination.field, OfVersion::k10, w);
  out.end();
}

Status Multipath::check(CheckContext& context) const {
  return check_writable(context, destination, "multipath");
}

void Multipath::translate(Translation& translation) const {
  translation.multipath(*this);
}

}  // namespace sluice::action
