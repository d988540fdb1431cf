// HELLO: which versions a side speaks (OpenFlow 1.3.1 section 7.5.1: the version bitmap).
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct Hello {
  /// Bit n is wire version n: 0x7e is OpenFlow 1.0 to 1.5. What a version of ours has no name for stays.
  std::uint32_t versions = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, Hello& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// The version that both speak, nothing if none.
std::optional<OfVersion> negotiate(std::uint32_t ours, std::uint32_t theirs);
/// The highest version in a bitmap of versions that we know.
std::optional<OfVersion> highest_version(std::uint32_t versions);

}  // namespace sluice::openflow
