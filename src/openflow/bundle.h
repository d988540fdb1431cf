// Bundles: messages that take effect together (OpenFlow 1.4; 1.3 by ONF's extension).
#pragma once

#include "openflow/message.h"

namespace sluice::openflow {

enum class BundleControlType : std::uint16_t {
  OpenRequest,
  OpenReply,
  CloseRequest,
  CloseReply,
  CommitRequest,
  CommitReply,
  DiscardRequest,
  DiscardReply
};

struct BundleFlags {
  bool atomic = false, ordered = false;
  bool operator==(const BundleFlags&) const = default;
};

struct BundleControl {
  std::uint32_t id = 0;
  BundleControlType type = BundleControlType::OpenRequest;
  BundleFlags flags;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, BundleControl& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct BundleAdd {
  std::uint32_t id = 0;
  BundleFlags flags;
  std::vector<std::uint8_t> message;  ///< encoded: of a type that may be in a bundle, of the bundle's version

  static std::span<const WireForm> wire_forms();
  /// Errors: OFPBFC_MSG_UNSUP, OFPBFC_MSG_BAD_LEN, OFPBFC_BAD_VERSION, OFPBFC_MSG_BAD_XID. The message itself
  /// is not decoded: its errors are its own.
  static Status decode(ByteReader& body, const DecodeContext& context, BundleAdd& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
