#include "openflow/port_number.h"

namespace sluice::openflow {

Status check_port(std::uint32_t port, OfError code) {
  constexpr std::uint32_t kEndOfPhysical = 0xff00, kReserved = 0xffffff00;
  if (port < kEndOfPhysical || port >= kReserved) return {};
  return fail(fmt::format("port {:#x} ({})", port, field::of_error_name(code)), code);
}

Result<std::uint32_t> take_valid_port(ByteReader& in, OfVersion version) {
  const std::uint32_t port = take_port(in, version);
  if (version != k10) SLUICE_TRY(check_port(port));
  return port;
}

}  // namespace sluice::openflow
