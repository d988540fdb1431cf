#include "action/mod_dl.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/address.h"

namespace sluice::action {

using field::fail;
using field::FieldId;

namespace {

constexpr std::uint16_t kSrc10 = 4, kDst10 = 5, kSrc11 = 3, kDst11 = 4;

template <typename T>
Status decode_mac(ByteReader& body, const DecodeContext&, ActionList& out) {
  net::Mac mac;
  for (std::uint8_t& byte : mac.bytes) byte = body.u8();
  out.push_back(T{mac});
  return {};
}

constexpr WireForm kSrcForms[] = {
    {0, kSrc10, OfVersion::k10, OfVersion::k10, 16, true, decode_mac<SetEthSrc>},
    {0, kSrc11, OfVersion::k11, OfVersion::k15, 16, true, decode_mac<SetEthSrc>},
};
constexpr WireForm kDstForms[] = {
    {0, kDst10, OfVersion::k10, OfVersion::k10, 16, true, decode_mac<SetEthDst>},
    {0, kDst11, OfVersion::k11, OfVersion::k15, 16, true, decode_mac<SetEthDst>},
};

Result<net::Mac> parse(std::string_view text) {
  if (const auto mac = net::parse_mac(text)) return *mac;
  return fail("invalid mac address " + std::string(text) + ": expected an address such as 0a:00:00:00:00:01");
}

void encode_mac(Encoder& out, FieldId id, std::uint16_t type10, std::uint16_t type11, const net::Mac& mac) {
  if (out.version() >= OfVersion::k12) {
    SetField{.field = id, .value = mac.value(), .mask = field::ones(48)}.encode(out);
    return;
  }
  out.begin(out.version() == OfVersion::k10 ? type10 : type11);
  out.out().append(mac.bytes);
  out.end();
}

}  // namespace

std::span<const WireForm> SetEthSrc::wire_forms() {
  return kSrcForms;
}
Status SetEthSrc::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const net::Mac mac, action::parse(word.argument));
  out.push_back(SetEthSrc{mac});
  return {};
}
void SetEthSrc::format(std::string& out, const Names&) const {
  out += "mod_dl_src:" + net::format_mac(mac);
}
void SetEthSrc::encode(Encoder& out) const {
  encode_mac(out, FieldId::EthSrc, kSrc10, kSrc11, mac);
}
Status SetEthSrc::check(CheckContext&) const {
  return {};
}
void SetEthSrc::translate(Translation& translation) const {
  translation.write({FieldId::EthSrc, 0, 48}, mac.value());
}

std::span<const WireForm> SetEthDst::wire_forms() {
  return kDstForms;
}
Status SetEthDst::parse(const Word& word, const ParseContext&, ActionList& out) {
  SLUICE_ASSIGN(const net::Mac mac, action::parse(word.argument));
  out.push_back(SetEthDst{mac});
  return {};
}
void SetEthDst::format(std::string& out, const Names&) const {
  out += "mod_dl_dst:" + net::format_mac(mac);
}
void SetEthDst::encode(Encoder& out) const {
  encode_mac(out, FieldId::EthDst, kDst10, kDst11, mac);
}
Status SetEthDst::check(CheckContext&) const {
  return {};
}
void SetEthDst::translate(Translation& translation) const {
  translation.write({FieldId::EthDst, 0, 48}, mac.value());
}

}  // namespace sluice::action
