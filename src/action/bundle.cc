#include "action/bundle.h"

#include "action/all_actions.h"
#include "action/hash_fields.h"
#include "action/translation.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

constexpr std::uint16_t kBundle = 12, kBundleLoad = 13;
constexpr std::size_t kMaxMembers = 2048;
constexpr std::uint32_t kInPortHeader = 2;  ///< NXM_OF_IN_PORT: members are ports
constexpr std::string_view kAlgorithms[] = {"active_backup", "hrw"};

Status check_destination(const Bundle& action) {
  if (!action.destination || action.destination->width >= 16) return {};
  return fail("bundle_load action requires at least 16 bit destination. (OFPBAC_BAD_ARGUMENT)",
              OfError::BacBadArgument);
}

Status decode_common(ByteReader& body, ActionList& out, bool load) {
  Bundle action;
  action.algorithm = body.u16();
  action.fields = body.u16();
  action.basis = body.u16();
  const std::uint32_t type = body.u32();
  const std::uint16_t members = body.u16();
  const std::uint16_t ofs_nbits = body.u16();
  if (load) {
    SLUICE_ASSIGN(const field::FieldSpec* spec, decode_header(body));
    SLUICE_ASSIGN(action.destination, make_subfield(*spec, ofs_nbits >> 6, (ofs_nbits & 63u) + 1));
  }
  // Without a destination nothing may be said of it.
  const bool zeros = body.skip_zeros(load ? 4 : 8) && (load || ofs_nbits == 0);
  if (members * 2u > body.remaining())
    return fail("bundle: " + std::to_string(members) + " members in " + std::to_string(body.remaining()) +
                    " bytes (OFPBAC_BAD_LEN)",
                OfError::BacBadLen);
  if (!zeros || type != kInPortHeader || action.fields >= std::size(kHashFields) ||
      action.algorithm >= std::size(kAlgorithms) || members > kMaxMembers)
    return fail("bundle: unknown fields, algorithm or kind of member (OFPBAC_BAD_ARGUMENT)",
                OfError::BacBadArgument);
  for (unsigned i = 0; i < members; ++i) action.members.push_back(port_from_16(body.u16()));
  SLUICE_TRY(check_destination(action));
  out.push_back(std::move(action));
  return {};
}
Status decode_bundle(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_common(body, out, false);
}
Status decode_load(ByteReader& body, const DecodeContext&, ActionList& out) {
  return decode_common(body, out, true);
}

constexpr WireForm kForms[] = {
    {kNiciraVendor, kBundle, OfVersion::k10, OfVersion::k15, 32, false, decode_bundle},
    {kNiciraVendor, kBundleLoad, OfVersion::k10, OfVersion::k15, 32, false, decode_load},
};

}  // namespace

std::span<const WireForm> Bundle::wire_forms() {
  return kForms;
}

Status Bundle::parse(const Word& word, const ParseContext& context, ActionList& out) {
  const std::string text(word.argument);
  const bool load = word.name.size() > std::string_view("bundle").size();
  std::vector<std::string_view> arguments;
  std::string_view rest = word.argument;
  for (std::size_t wanted = load ? 5 : 4; wanted > 0; --wanted) {
    const auto item = next_item(rest);
    if (!item)
      return fail(text + ": not enough arguments to " + (load ? "bundle_load" : "bundle") + " action");
    arguments.push_back(*item);
  }
  Bundle action;
  const auto fields = find_name(kHashFields, arguments[0]);
  if (!fields) return fail(text + ": unknown fields `" + std::string(arguments[0]) + "'");
  action.fields = *fields;
  SLUICE_ASSIGN(const std::uint64_t basis, parse_number(arguments[1], 0xffff, "basis"));
  action.basis = static_cast<std::uint16_t>(basis);
  const auto algorithm = find_name(kAlgorithms, arguments[2]);
  if (!algorithm) return fail(text + ": unknown algorithm `" + std::string(arguments[2]) + "'");
  action.algorithm = *algorithm;
  if (arguments[3] != "ofport")
    return fail(text + ": unknown member_type `" + std::string(arguments[3]) + "'");
  if (load) {
    SLUICE_ASSIGN(action.destination, field::parse_subfield(arguments[4]));
  }

  rest = trim(rest);
  const auto colon = rest.find(':');
  const std::string_view delimiter = rest.substr(0, colon);
  if (delimiter.empty())
    return fail(text + ": not enough arguments to " + (load ? "bundle_load" : "bundle") + " action");
  if (delimiter != "members" && delimiter != "slaves")
    return fail(text + ": missing member delimiter, expected `members', got `" + std::string(delimiter) +
                "'");
  rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
  while (const auto item = next_item(rest)) {
    if (item->empty()) continue;
    const auto port = parse_port(*item, context.names);
    if (!port) return fail(std::string(*item) + ": bad port number");
    if (action.members.size() == kMaxMembers) return fail(text + ": more than 2048 members");
    action.members.push_back(*port);
  }
  SLUICE_TRY(check_destination(action));
  out.push_back(std::move(action));
  return {};
}

void Bundle::format(std::string& out, const Names& names) const {
  out += (destination ? "bundle_load(" : "bundle(") + std::string(kHashFields[fields]) + "," +
         std::to_string(basis) + "," + std::string(kAlgorithms[algorithm]) + ",ofport,";
  if (destination) out += field::format_subfield(*destination) + ",";
  out += "members:";
  for (std::size_t i = 0; i < members.size(); ++i)
    out += (i == 0 ? "" : ",") + format_port(members[i], names);
  out += ")";
}

void Bundle::encode(Encoder& out) const {
  out.begin_nicira(destination ? kBundleLoad : kBundle);
  ByteWriter& w = out.out();
  w.u16(algorithm);
  w.u16(fields);
  w.u16(basis);
  encode_header(field::FieldId::InPort, OfVersion::k10, w);
  w.u16(static_cast<std::uint16_t>(members.size()));
  w.u16(destination ? offset_width(*destination) : std::uint16_t{0});
  if (destination)
    encode_header(destination->field, OfVersion::k10, w);
  else
    w.u32(0);
  w.zeros(4);
  for (const std::uint32_t port : members) w.u16(port_to_16(port));
  out.end();
}

Status Bundle::check(CheckContext& context) const {
  constexpr std::uint32_t kEndOfPhysical = 0xff00;
  for (const std::uint32_t port : members)
    if (port == of_port::kController || (port >= kEndOfPhysical && port < of_port::kInPort))
      return fail("bundle: " + field::format_port(port) + " cannot be a member (OFPBAC_BAD_OUT_PORT)",
                  OfError::BacBadOutPort);
  if (destination) return check_writable(context, *destination, "bundle_load");
  return {};
}

void Bundle::translate(Translation& translation) const {
  translation.bundle(*this);
}

}  // namespace sluice::action
