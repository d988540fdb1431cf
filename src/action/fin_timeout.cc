#include "action/fin_timeout.h"

#include "action/all_actions.h"
#include "action/translation.h"
#include "net/protocol.h"

namespace sluice::action {

using field::fail;

namespace {

constexpr std::uint16_t kFinTimeout = 19;

Status decode_fin_timeout(ByteReader& body, const DecodeContext&, ActionList& out) {
  FinTimeout action;
  action.idle = body.u16();
  action.hard = body.u16();
  out.push_back(action);
  return {};
}
constexpr WireForm kForms[] = {
    {kNiciraVendor, kFinTimeout, OfVersion::k10, OfVersion::k15, 16, true, decode_fin_timeout}};

}  // namespace

std::span<const WireForm> FinTimeout::wire_forms() {
  return kForms;
}
Status FinTimeout::parse(const Word& word, const ParseContext&, ActionList& out) {
  FinTimeout action;
  std::string_view rest = word.argument;
  while (const auto option = next_word(rest)) {
    if (option->name != "idle_timeout" && option->name != "hard_timeout")
      return fail("invalid key '" + std::string(option->name) + "' in 'fin_timeout' argument");
    SLUICE_ASSIGN(const std::uint64_t seconds, parse_number(option->argument, 0xffff, option->name));
    (option->name == "idle_timeout" ? action.idle : action.hard) = static_cast<std::uint16_t>(seconds);
  }
  out.push_back(action);
  return {};
}
void FinTimeout::format(std::string& out, const Names&) const {
  out += "fin_timeout(";
  if (idle != 0) out += "idle_timeout=" + std::to_string(idle);
  if (idle != 0 && hard != 0) out += ",";
  if (hard != 0) out += "hard_timeout=" + std::to_string(hard);
  out += ")";
}
void FinTimeout::encode(Encoder& out) const {
  out.begin_nicira(kFinTimeout);
  out.out().u16(idle);
  out.out().u16(hard);
  out.end();
}
Status FinTimeout::check(CheckContext& context) const {
  return require_softly(context, known_ip_proto(context.match) == net::ip_proto::kTcp, "fin_timeout", "tcp");
}
void FinTimeout::translate(Translation& translation) const {
  translation.fin_timeout(idle, hard);
}

}  // namespace sluice::action
