// NXT_CT_FLUSH_ZONE and NXT_CT_FLUSH: forget connections, of a zone or those that a tuple describes.
#pragma once

#include "net/endian.h"
#include "openflow/codec.h"

namespace sluice::openflow {

struct CtFlushZone {
  std::uint16_t zone = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, CtFlushZone& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// A part of a tuple that is zero matches anything. IPv4 addresses are v4-mapped.
struct CtFlushTuple {
  be128 src, dst;
  std::uint16_t src_port = 0, dst_port = 0;  ///< not for ICMP
  std::uint16_t icmp_id = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  bool operator==(const CtFlushTuple&) const = default;
};

struct CtFlush {
  std::uint8_t protocol = 0;          ///< 0: any
  std::optional<std::uint16_t> zone;  ///< nothing: every zone
  CtFlushTuple original, reply;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, CtFlush& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
