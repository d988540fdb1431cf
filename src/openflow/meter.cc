#include "openflow/meter.h"

namespace sluice::openflow {

namespace {

using action::MeterBand;
using action::MeterSpec;

constexpr WireForm kMod[] = {{"OFPT_METER_MOD", Frame::Plain, 0, 29, k13, k15, 16, 8}};
constexpr WireForm kStatsRequest[] = {{"OFPST_METER request", Frame::Request, 0, 9, k13, k15, 24, 0}};
constexpr WireForm kStatsReply[] = {{"OFPST_METER reply", Frame::Reply, 0, 9, k13, k15, 16, 8}};
constexpr WireForm kConfigRequest[] = {
    {"OFPST_METER_CONFIG request", Frame::Request, 0, 10, k13, k15, 24, 0}};
constexpr WireForm kConfigReply[] = {{"OFPST_METER_CONFIG reply", Frame::Reply, 0, 10, k13, k15, 16, 8}};
constexpr WireForm kFeaturesRequest[] = {
    {"OFPST_METER_FEATURES request", Frame::Request, 0, 11, k13, k15, 16, 0}};
constexpr WireForm kFeaturesReply[] = {{"OFPST_METER_FEATURES reply", Frame::Reply, 0, 11, k13, k15, 32, 0}};

constexpr std::uint16_t kKbps = 1, kPktps = 2, kBurst = 4, kStats = 8, kAllFlags = 15;
constexpr std::size_t kBandBytes = 16;

std::uint16_t flags_to_wire(const MeterSpec& meter) {
  return static_cast<std::uint16_t>((meter.kbps ? kKbps : 0) | (meter.pktps ? kPktps : 0) |
                                    (meter.burst ? kBurst : 0) | (meter.stats ? kStats : 0));
}
Status flags_from_wire(std::uint16_t flags, MeterSpec& meter) {
  if ((flags & ~kAllFlags) != 0 || ((flags & kKbps) != 0 && (flags & kPktps) != 0))
    return fail(fmt::format("meter with flags {:#x} (OFPMMFC_BAD_FLAGS)", flags), OfError::MmfcBadFlags);
  meter.kbps = (flags & kKbps) != 0;
  meter.pktps = (flags & kPktps) != 0;
  meter.burst = (flags & kBurst) != 0;
  meter.stats = (flags & kStats) != 0;
  return {};
}

void encode_bands(const MeterSpec& meter, ByteWriter& out) {
  for (const MeterBand& band : meter.bands) {
    out.u16(static_cast<std::uint16_t>(band.type));
    out.u16(kBandBytes);
    out.u32(band.rate);
    out.u32(band.burst_size);
    out.u8(band.type == MeterBand::Type::DscpRemark ? band.prec_level : 0);
    out.zeros(3);
  }
}
Status decode_bands(ByteReader in, MeterSpec& meter) {
  while (in.remaining() > 0) {
    MeterBand band;
    const std::uint16_t type = in.u16(), length = in.u16();
    if (!in.ok() || length != kBandBytes || in.remaining() < kBandBytes - 4)
      return fail("band of a meter that does not fit (OFPBRC_BAD_LEN)", OfError::BrcBadLen);
    if (type != static_cast<std::uint16_t>(MeterBand::Type::Drop) &&
        type != static_cast<std::uint16_t>(MeterBand::Type::DscpRemark))
      return fail(fmt::format("band of type {} (OFPMMFC_BAD_BAND)", type), OfError::MmfcBadBand);
    band.type = static_cast<MeterBand::Type>(type);
    band.rate = in.u32();
    band.burst_size = in.u32();
    const std::uint8_t level = in.u8();
    if (band.type == MeterBand::Type::DscpRemark) band.prec_level = level;
    in.skip(3);
    meter.bands.push_back(band);
  }
  return {};
}

}  // namespace

std::span<const WireForm> MeterMod::wire_forms() {
  return kMod;
}
std::span<const WireForm> MeterStatsRequest::wire_forms() {
  return kStatsRequest;
}
std::span<const WireForm> MeterStatsReply::wire_forms() {
  return kStatsReply;
}
std::span<const WireForm> MeterConfigRequest::wire_forms() {
  return kConfigRequest;
}
std::span<const WireForm> MeterConfigReply::wire_forms() {
  return kConfigReply;
}
std::span<const WireForm> MeterFeaturesRequest::wire_forms() {
  return kFeaturesRequest;
}
std::span<const WireForm> MeterFeaturesReply::wire_forms() {
  return kFeaturesReply;
}

Status MeterMod::decode(ByteReader& body, const DecodeContext&, MeterMod& out) {
  const std::uint16_t command = body.u16(), flags = body.u16();
  if (command > static_cast<std::uint16_t>(action::MeterCommand::Delete))
    return fail(fmt::format("meter command {} (OFPMMFC_BAD_COMMAND)", command), OfError::MmfcBadCommand);
  out.meter.command = static_cast<action::MeterCommand>(command);
  out.meter.id = body.u32();
  SLUICE_TRY(finished(body, "meter_mod"));
  if (out.meter.command == action::MeterCommand::Delete) return {};
  SLUICE_TRY(flags_from_wire(flags, out.meter));
  return decode_bands(body, out.meter);
}
void MeterMod::encode(Encoder& out) const {
  out.out().u16(static_cast<std::uint16_t>(meter.command));
  out.out().u16(flags_to_wire(meter));
  out.out().u32(meter.id);
  encode_bands(meter, out.out());
}
void MeterMod::format(Printer& out) const {
  constexpr std::string_view kNames[] = {"ADD", "MOD", "DEL"};
  out.put(" {} {}\n", kNames[static_cast<std::size_t>(meter.command)], action::format_meter(meter));
}

Status MeterRequest::decode(ByteReader& body, const DecodeContext&, MeterRequest& out) {
  out.meter = body.u32();
  return finished(body, "meter request");
}
void MeterRequest::encode(Encoder& out) const {
  out.out().u32(meter);
  out.out().zeros(4);
}
void MeterRequest::format(Printer& out) const {
  std::string text = action::format_meter({.id = meter});
  out.put(" {}\n", text.substr(0, text.find(' ')));
}

Status MeterStatsReply::decode(ByteReader& body, const DecodeContext&, MeterStatsReply& out) {
  constexpr std::size_t kFixed = 40;
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    action::MeterCounters& counters = out.entries.emplace_back();
    counters.id = body.u32();
    const std::size_t length = body.u16();
    if (!body.ok() || length < kFixed || length > available || (length - kFixed) % 16 != 0)
      return bad_length("meter statistics");
    ByteReader in = take_part(body, length - 6);
    in.skip(6);
    counters.flows = in.u32();
    counters.packets_in = in.u64();
    counters.bytes_in = in.u64();
    const std::int64_t seconds = in.u32();
    counters.duration_ns = seconds * 1'000'000'000 + in.u32();
    while (in.remaining() > 0) {
      action::MeterCounters::Band& band = counters.bands.emplace_back();
      band.packets = in.u64();
      band.bytes = in.u64();
    }
  }
  return {};
}
void MeterStatsReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const action::MeterCounters& counters : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.u32(counters.id);
    out.zeros(8);
    out.u32(counters.flows);
    out.u64(counters.packets_in);
    out.u64(counters.bytes_in);
    out.u32(static_cast<std::uint32_t>(counters.duration_ns / 1'000'000'000));
    out.u32(static_cast<std::uint32_t>(counters.duration_ns % 1'000'000'000));
    for (const action::MeterCounters::Band& band : counters.bands) {
      out.u64(band.packets);
      out.u64(band.bytes);
    }
    patch_length(out, start, start + 4);
  }
}
void MeterStatsReply::format(Printer& out) const {
  out.put("\n");
  for (const action::MeterCounters& counters : entries) {
    if (&counters != &entries.front()) out.put("\n");
    out.put("{}", action::format_meter_counters(counters));
  }
}

Status MeterConfigReply::decode(ByteReader& body, const DecodeContext&, MeterConfigReply& out) {
  while (body.remaining() > 0) {
    const std::size_t available = body.remaining();
    const std::size_t length = body.u16();
    const std::uint16_t flags = body.u16();
    MeterSpec& meter = out.entries.emplace_back();
    meter.id = body.u32();
    if (!body.ok() || length < 8 || length > available) return bad_length("meter configuration");
    SLUICE_TRY(flags_from_wire(flags, meter));
    SLUICE_TRY(decode_bands(take_part(body, length - 8), meter));
  }
  return {};
}
void MeterConfigReply::encode(Encoder& encoder) const {
  ByteWriter& out = encoder.out();
  for (const MeterSpec& meter : entries) {
    encoder.entry();
    const std::size_t start = out.size();
    out.u16(0);
    out.u16(flags_to_wire(meter));
    out.u32(meter.id);
    encode_bands(meter, out);
    patch_length(out, start, start);
  }
}
void MeterConfigReply::format(Printer& out) const {
  out.put("\n");
  for (const MeterSpec& meter : entries) {
    if (&meter != &entries.front()) out.put("\n");
    out.put("{}\n", action::format_meter(meter));
  }
}

Status MeterFeaturesReply::decode(ByteReader& body, const DecodeContext&, MeterFeaturesReply& out) {
  out.max_meters = body.u32();
  out.band_types = body.u32();
  out.capabilities = body.u32();
  out.max_bands = body.u8();
  out.max_color = body.u8();
  return finished(body, "meter features");
}
void MeterFeaturesReply::encode(Encoder& out) const {
  out.out().u32(max_meters);
  out.out().u32(band_types);
  out.out().u32(capabilities);
  out.out().u8(max_bands);
  out.out().u8(max_color);
  out.out().zeros(2);
}
void MeterFeaturesReply::format(Printer& out) const {
  constexpr BitName kBands[] = {{1 << 1, "drop"}, {1 << 2, "dscp_remark"}};
  constexpr BitName kCapabilities[] = {
      {kKbps, "kbps"}, {kPktps, "pktps"}, {kBurst, "burst"}, {kStats, "stats"}};
  out.put("\nmax_meter:{} max_bands:{} max_color:{}\nband_types: {}\ncapabilities: {}\n", max_meters,
          max_bands, max_color, bit_names(band_types, kBands), bit_names(capabilities, kCapabilities));
}

}  // namespace sluice::openflow
