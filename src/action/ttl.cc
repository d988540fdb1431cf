#include "action/ttl.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;
using field::FieldId;
using field::OfError;

namespace {

constexpr std::uint16_t kSetTtl = 23, kDecTtl = 24, kNxDecTtl = 18, kNxDecTtlIds = 21, kNxDecNshTtl = 48;

bool is_ip(const flow::Match& match) {
  const auto type = known_eth_type(match);
  return type == net::ethertype::kIpv4 || type == net::ethertype::kIpv6;
}

Status decode_dec(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(DecTtl{});
  return {};
}
Status decode_dec_ids(ByteReader& body, const DecodeContext&, ActionList& out) {
  const std::uint16_t n = body.u16();
  if (!body.skip_zeros(4))
    return fail("dec_ttl: padding is not zero (NXBRC_MUST_BE_ZERO)", OfError::BrcMustBeZero);
  if (n * 2u > body.remaining())
    return fail("dec_ttl for " + std::to_string(n) + " controllers in " + std::to_string(body.remaining()) +
                    " bytes (OFPBAC_BAD_LEN)",
                OfError::BacBadLen);
  DecTtl action;
  for (unsigned i = 0; i < n; ++i) action.controllers.push_back(body.u16());
  out.push_back(std::move(action));
  return {};
}
Status decode_set(ByteReader& body, const DecodeContext&, ActionList& out) {
  out.push_back(SetIpTtl{body.u8()});
  return {};
}
Status decode_dec_nsh(ByteReader&, const DecodeContext&, ActionList& out) {
  out.push_back(DecNshTtl{});
  return {};
}

constexpr WireForm kDecForms[] = {
    {0, kDecTtl, OfVersion::k11, OfVersion::k15, 8, true, decode_dec},
    {kNiciraVendor, kNxDecTtl, OfVersion::k10, OfVersion::k10, 16, true, decode_dec},
    {kNiciraVendor, kNxDecTtlIds, OfVersion::k10, OfVersion::k15, 16, false, decode_dec_ids},
};
constexpr WireForm kSetForms[] = {{0, kSetTtl, OfVersion::k11, OfVersion::k15, 8, true, decode_set}};
constexpr WireForm kNshForms[] = {
    {kNiciraVendor, kNxDecNshTtl, OfVersion::k13, OfVersion::k15, 16, true, decode_dec_nsh}};

}  // namespace

std::span<const WireForm> DecTtl::wire_forms() {
  return kDecForms;
}
Status DecTtl::parse(const Word& word, const ParseContext&, ActionList& out) {
  DecTtl action;
  std::string_view rest = word.argument;
  while (const auto id = next_word(rest)) {
    SLUICE_ASSIGN(const std::uint64_t value, parse_number(id->name, 0xffff, "controller id"));
    action.controllers.push_back(static_cast<std::uint16_t>(value));
  }
  out.push_back(std::move(action));
  return {};
}
void DecTtl::format(std::string& out, const Names&) const {
  out += "dec_ttl";
  if (controllers.empty()) return;
  for (std::size_t i = 0; i < controllers.size(); ++i)
    out += (i == 0 ? "(" : ",") + std::to_string(controllers[i]);
  out += ")";
}
void DecTtl::encode(Encoder& out) const {
  if (!controllers.empty()) {
    out.begin_nicira(kNxDecTtlIds);
    out.out().u16(static_cast<std::uint16_t>(controllers.size()));
    out.out().zeros(4);
    for (const std::uint16_t id : controllers) out.out().u16(id);
    out.end();
  } else if (out.version() == OfVersion::k10) {
    out.nicira_simple(kNxDecTtl, 0, 1);
  } else {
    out.simple(kDecTtl, 0, 1);
  }
}
Status DecTtl::check(CheckContext& context) const {
  return require_softly(context, is_ip(context.match), "dec_ttl", "ip or ipv6");
}
bool DecTtl::translate(Translation& translation) const {
  return controllers.empty() ? translation.decrement_ttl() : translation.decrement_ttl_for(controllers);
}

std::span<const WireForm> SetIpTtl::wire_forms() {
  return kSetForms;
}
Status SetIpTtl::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const std::uint64_t ttl, parse_number(word.argument, 0xff, "TTL"));
  out.push_back(SetIpTtl{static_cast<std::uint8_t>(ttl)});
  return {};
}
void SetIpTtl::format(std::string& out, const Names&) const {
  out += "mod_nw_ttl:" + std::to_string(ttl);
}
void SetIpTtl::encode(Encoder& out) const {
  if (out.version() >= OfVersion::k11)
    out.simple(kSetTtl, ttl, 1);
  else
    Load{.destination = {FieldId::IpTtl, 0, 8}, .value = ttl}.encode(out);
}
Status SetIpTtl::check(CheckContext& context) const {
  return require_softly(context, is_ip(context.match), "mod_nw_ttl", "ip or ipv6");
}
void SetIpTtl::translate(Translation& translation) const {
  translation.write({FieldId::IpTtl, 0, 8}, ttl);
}

std::span<const WireForm> DecNshTtl::wire_forms() {
  return kNshForms;
}
Status DecNshTtl::parse(const Word&, const ParseContext&, ActionList& out) {
  out.push_back(DecNshTtl{});
  return {};
}
void DecNshTtl::format(std::string& out, const Names&) const {
  out += "dec_nsh_ttl";
}
void DecNshTtl::encode(Encoder& out) const {
  out.nicira_simple(kNxDecNshTtl, 0, 1);
}
Status DecNshTtl::check(CheckContext& context) const {
  return require_softly(context, known_eth_type(context.match) == net::ethertype::kNsh, "dec_nsh_ttl",
                        "dl_type=0x894f");
}
void DecNshTtl::translate(Translation&) const {}  // check_executable() refuses it

}  // namespace sluice::action
