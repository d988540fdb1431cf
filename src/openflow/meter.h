// Meters (1.3+): METER_MOD and what a switch tells of its meters. What a meter is, and its text, is
// action/meter_spec.h.
#pragma once

#include "action/meter_spec.h"
#include "openflow/codec.h"

namespace sluice::openflow {

struct MeterMod {
  action::MeterSpec meter;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, MeterMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct MeterRequest {
  std::uint32_t meter = action::meter_id::kAll;

  static Status decode(ByteReader& body, const DecodeContext& context, MeterRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
struct MeterStatsRequest : MeterRequest {
  static std::span<const WireForm> wire_forms();
};
struct MeterConfigRequest : MeterRequest {
  static std::span<const WireForm> wire_forms();
};

struct MeterStatsReply {
  std::vector<action::MeterCounters> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, MeterStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct MeterConfigReply {
  std::vector<action::MeterSpec> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, MeterConfigReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct MeterFeaturesRequest : Bodiless<MeterFeaturesRequest> {
  static std::span<const WireForm> wire_forms();
};

struct MeterFeaturesReply {
  std::uint32_t max_meters = 0;
  std::uint32_t band_types = 0;    ///< bit n is MeterBand::Type n
  std::uint32_t capabilities = 0;  ///< OFPMF_*: kbps, pktps, burst, stats
  std::uint8_t max_bands = 0, max_color = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, MeterFeaturesReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
