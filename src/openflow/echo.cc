#include "openflow/echo.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kRequest[] = {{"OFPT_ECHO_REQUEST", Frame::Plain, 0, 2, k10, k15, 8, 1}};
constexpr WireForm kReply[] = {{"OFPT_ECHO_REPLY", Frame::Plain, 0, 3, k10, k15, 8, 1}};

}  // namespace

std::span<const WireForm> EchoRequest::wire_forms() {
  return kRequest;
}
std::span<const WireForm> EchoReply::wire_forms() {
  return kReply;
}

Status Echo::decode(ByteReader& body, const DecodeContext&, Echo& out) {
  out.data = take_rest(body);
  return {};
}
void Echo::encode(Encoder& out) const {
  out.out().append(data);
}
void Echo::format(Printer& out) const {
  out.put(" {} bytes of payload\n", data.size());
  if (out.options().verbosity > 1) out.text() += hex_dump(data, true);
}

}  // namespace sluice::openflow
