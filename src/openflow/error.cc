#include "openflow/error.h"

#include <algorithm>

#include "openflow/all_messages.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kForms[] = {{"OFPT_ERROR", Frame::Plain, 0, 1, k10, k15, 12, 1}};
/// Vendors' errors: before 1.2 Nicira's frame, then OpenFlow's own.
constexpr std::uint16_t kNiciraError = 0xb0c2, kVendorError = 0, kExperimenterError = 0xffff;

}  // namespace

std::span<const WireForm> ErrorMessage::wire_forms() {
  return kForms;
}

Status ErrorMessage::decode(ByteReader& body, const DecodeContext& context, ErrorMessage& out) {
  const std::uint16_t type = body.u16(), code = body.u16();
  out.code = {0, type, code};
  if (type == kNiciraError && code == kVendorError && context.version <= k11) {
    out.code.vendor = body.u32();
    out.code.type = body.u16();
    out.code.code = body.u16();
  } else if (type == kExperimenterError && context.version >= k12) {
    out.code = {body.u32(), code, 0};
  }
  SLUICE_TRY(finished(body, "error message"));
  out.error = field::find_of_error(out.code, context.version);
  out.data = take_rest(body);
  return {};
}

void ErrorMessage::encode(Encoder& out) const {
  field::OfErrorCode wire = code;
  if (error) {
    const auto known = field::of_error_code(*error, out.version());
    wire = known.value_or(*field::of_error_code(OfError::BrcUnencodableError, out.version()));
  }
  if (wire.vendor == 0) {
    out.out().u16(wire.type);
    out.out().u16(wire.code);
  } else if (out.version() <= k11) {
    out.out().u16(kNiciraError);
    out.out().u16(kVendorError);
    out.out().u32(wire.vendor);
    out.out().u16(wire.type);
    out.out().u16(wire.code);
  } else {
    out.out().u16(kExperimenterError);
    out.out().u16(wire.type);
    out.out().u32(wire.vendor);
  }
  out.out().append(data);
}

void ErrorMessage::format(Printer& out) const {
  if (!error) {
    out.put(" ***decode error: OFPBRC_BAD_TYPE***\n");
    return;
  }
  out.put(" {}\n", field::of_error_name(*error));
  const auto wire = field::of_error_code(*error, out.version());
  const bool hello_failed = wire && wire->vendor == 0 && wire->type == 0;
  if (hello_failed) {
    out.put("{}\n", std::string_view(reinterpret_cast<const char*>(data.data()), data.size()));
    return;
  }
  PrintOptions inner = out.options();
  inner.verbosity = 1;
  out.text() += print(data, inner);
}

std::vector<std::uint8_t> encode_error_reply(OfError error, Bytes request, OfVersion version) {
  const auto header = decode_header(request);
  ErrorMessage message{.error = error};
  message.data.assign(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(
                                                             std::min(request.size(), kErrorDataBytes)));
  if (header && header->version) version = *header->version;
  return encode(make_message(std::move(message), {.version = version}, header ? header->xid : 0));
}

}  // namespace sluice::openflow
