#include "port/software_offload.h"

#include "net/checksum.h"
#include "packet/segment.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::port {
namespace {

using packet::Offload;
using packet::PacketPool;

/// Writes SCTP's CRC32c (RFC 9260 section 6.8; its bytes lie in little-endian order).
void finish_sctp(std::span<std::uint8_t> frame, std::uint32_t start, std::uint32_t end) {
  std::uint8_t* const field = frame.data() + start + 8;
  for (int i = 0; i < 4; ++i) field[i] = 0;
  const std::uint32_t crc = net::crc32c(frame.subspan(start, end - start));
  for (int i = 0; i < 4; ++i) field[i] = static_cast<std::uint8_t>(crc >> (8 * i));
}

}  // namespace

SoftwareOffload::SoftwareOffload() = default;

SoftwareOffload::~SoftwareOffload() {
  if (original_ != nullptr) pool_->give(original_);
  if (piece_ != nullptr) pool_->give(piece_);
}

bool SoftwareOffload::run(Bytes frame, const Offload& offload, const std::function<void(Bytes)>& emit) {
  if (!offload.checksum_partial && offload.gso == Offload::kNoGso) {
    emit(frame);
    return true;
  }
  if (!pool_) {
    pool_ = std::make_unique<PacketPool>(2);
    original_ = pool_->take(PacketPool::kLargeBytes);
    piece_ = pool_->take(PacketPool::kLargeBytes);
  }
  if (original_ == nullptr || piece_ == nullptr) return false;
  original_->reset();
  if (!original_->assign(frame)) return false;
  original_->layout = wire::walk(frame);
  original_->meta.offload = offload;
  return offload.gso == Offload::kNoGso ? complete_checksum(emit) : segment(emit);
}

bool SoftwareOffload::complete_checksum(const std::function<void(Bytes)>& emit) {
  constexpr std::uint16_t kUdpOffset = 6;
  const Offload& offload = original_->meta.offload;
  const std::span<std::uint8_t> frame(original_->data(), original_->size());
  // Ethernet padding behind the datagram is not summed.
  const wire::Layout& layout = original_->layout;
  const std::uint32_t end =
      layout.has_l4() && layout.l3_end <= original_->size() ? layout.l3_end : original_->size();
  const bool sctp = is_sctp_checksum(offload);
  const std::uint32_t field = std::uint32_t{offload.checksum_start} + offload.checksum_offset;
  if (field + (sctp ? 4 : 2) > end) return false;
  if (sctp)
    finish_sctp(frame, offload.checksum_start, end);
  else
    wire::finish_checksum(frame, offload.checksum_start, offload.checksum_offset, end,
                          offload.checksum_offset == kUdpOffset);
  emit(frame);
  return true;
}

bool SoftwareOffload::segment(const std::function<void(Bytes)>& emit) {
  packet::Segmenter segments(*original_);
  if (!segments.valid()) return false;
  while (segments.next(*piece_)) emit(piece_->bytes());
  return true;
}

}  // namespace sluice::port
