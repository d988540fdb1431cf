#include "port/software_offload.h"

#include "net/checksum.h"
#include "wire/checksum_verify.h"

namespace sluice::port {
namespace {

/// Writes SCTP's CRC32c (RFC 9260 section 6.8; its bytes lie in little-endian order).
void finish_sctp(std::span<std::uint8_t> frame, std::uint32_t start, std::uint32_t end) {
  std::uint8_t* const field = frame.data() + start + 8;
  for (int i = 0; i < 4; ++i) field[i] = 0;
  const std::uint32_t crc = net::crc32c(frame.subspan(start, end - start));
  for (int i = 0; i < 4; ++i) field[i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

}  // namespace

bool SoftwareOffload::run(Bytes frame, const packet::Offload& offload,
                          const std::function<void(Bytes)>& emit) {
  if (offload.gso != packet::Offload::kNoGso) return false;
  if (!offload.checksum_partial) {
    emit(frame);
    return true;
  }
  const std::uint32_t field_bytes = is_sctp_checksum(offload) ? 4 : 2;
  const auto size = static_cast<std::uint32_t>(frame.size());
  if (std::uint32_t{offload.checksum_start} + offload.checksum_offset + field_bytes > size) return false;
  frame_.assign(frame.begin(), frame.end());
  constexpr std::uint16_t kUdpOffset = 6;
  if (is_sctp_checksum(offload))
    finish_sctp(frame_, offload.checksum_start, size);
  else
    wire::finish_checksum(frame_, offload.checksum_start, offload.checksum_offset, size,
                          offload.checksum_offset == kUdpOffset);
  emit(frame_);
  return true;
}

}  // namespace sluice::port
