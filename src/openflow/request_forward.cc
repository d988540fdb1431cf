#include "openflow/request_forward.h"

#include "openflow/all_messages.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kForms[] = {{"OFPT_REQUESTFORWARD", Frame::Plain, 0, 32, k14, k15, 16, 8},
                               {"ONFT_REQUESTFORWARD", Frame::Vendor, kOnfVendor, 2350, k13, k13, 24, 8}};

}  // namespace

std::span<const WireForm> RequestForward::wire_forms() {
  return kForms;
}

Status RequestForward::decode(ByteReader& body, const DecodeContext& context, RequestForward& out) {
  const Bytes rest = body.rest();
  const auto header = decode_header(rest);
  if (!header || header->length < kHeaderBytes || header->length > rest.size())
    return bad_length("forwarded request");
  SLUICE_ASSIGN(const Message inner, decode_inner(rest.first(header->length), context));
  if (!std::holds_alternative<GroupMod>(inner.body().variant()) &&
      !std::holds_alternative<MeterMod>(inner.body().variant()))
    return fail("forwarded request that is neither group_mod nor meter_mod (OFPBFC_MSG_UNSUP)",
                OfError::BfcMsgUnsup);
  out.request.assign(rest.begin(), rest.begin() + header->length);
  return {};
}

void RequestForward::encode(Encoder& out) const {
  out.out().append(request);
}

void RequestForward::format(Printer& out) const {
  const auto inner = openflow::decode(request);
  if (!inner) return;
  const bool group = std::holds_alternative<GroupMod>(inner->body().variant());
  out.put(" reason={}", group ? "group_mod" : "meter_mod");
  Printer printer(out.text(), inner->version, *inner->form, out.options());
  std::visit([&](const auto& body) { body.format(printer); }, inner->body().variant());
}

}  // namespace sluice::openflow
