#include "openflow/oxs.h"

#include <algorithm>

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kClass = 0x8002;
enum : std::uint8_t { kDuration = 0, kIdle = 1, kFlowCount = 3, kPacketCount = 4, kByteCount = 5 };

constexpr std::uint32_t header(std::uint8_t field, std::uint8_t length) {
  return std::uint32_t{kClass} << 16 | std::uint32_t{field} << 9 | length;
}

}  // namespace

void encode_oxs(const FlowStatistics& statistics, ByteWriter& out) {
  const std::size_t start = out.size();
  out.zeros(4);
  const auto time = [&](std::uint8_t field, const std::optional<FlowStatistics::Time>& value) {
    if (!value) return;
    out.u32(header(field, 8));
    out.u32(value->s);
    out.u32(value->ns);
  };
  const auto count = [&](std::uint8_t field, const std::optional<std::uint64_t>& value) {
    if (!value) return;
    out.u32(header(field, 8));
    out.u64(*value);
  };
  time(kDuration, statistics.duration);
  time(kIdle, statistics.idle);
  if (statistics.flows) {
    out.u32(header(kFlowCount, 4));
    out.u32(*statistics.flows);
  }
  count(kPacketCount, statistics.packets);
  count(kByteCount, statistics.bytes);
  patch_length(out, start, start + 2);
  out.pad(start, 8);
}

Result<FlowStatistics> decode_oxs(ByteReader& outer) {
  const std::size_t available = outer.remaining();
  outer.skip(2);
  const std::size_t length = outer.u16();
  if (!outer.ok() || length < 4 || length > available) return bad_length("OXS list", OfError::BmcBadLen);
  ByteReader in(outer.take(length - 4));
  outer.skip(std::min((8 - length % 8) % 8, outer.remaining()));

  FlowStatistics statistics;
  while (in.remaining() > 0) {
    const std::uint32_t head = in.u32();
    ByteReader value = take_part(in, head & 0xff);
    if (!in.ok()) return bad_length("OXS field", OfError::BmcBadLen);
    if (head >> 16 != kClass) continue;
    switch ((head >> 9) & 0x7f) {
      case kDuration:
        statistics.duration = FlowStatistics::Time{value.u32(), value.u32()};
        break;
      case kIdle:
        statistics.idle = FlowStatistics::Time{value.u32(), value.u32()};
        break;
      case kFlowCount:
        statistics.flows = value.u32();
        break;
      case kPacketCount:
        statistics.packets = value.u64();
        break;
      case kByteCount:
        statistics.bytes = value.u64();
        break;
      default:
        break;
    }
    if (!value.ok()) return bad_length("OXS field", OfError::BmcBadLen);
  }
  return statistics;
}

}  // namespace sluice::openflow
