// Bundles: messages that take effect together (OpenFlow 1.4; 1.3 by ONF's extension).
#pragma once

#include <deque>

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

/// What an open bundle holds: the BundleAdds that came, as they came, in blocks that go as they are read. So
/// a bundle costs what its messages are long, whatever they decode to, and what takes effect finds the room
/// that its messages had.
class BundleMessages {
 public:
  explicit BundleMessages(OfVersion version, bool table_id) : version_(version), table_id_(table_id) {}

  void append(Bytes add);
  bool empty() const { return blocks_.empty(); }
  /// Bytes of memory that the messages take.
  std::size_t memory_bytes() const { return memory_bytes_; }

  /// Takes the first out and decodes it; it lives until the next call. Null: there are no more.
  Result<const Message*> next();
  /// The BundleAdd of what next() gave last; empty before the first call and when there are no more.
  Bytes current_add() const { return current_add_; }

 private:
  struct Block {
    std::vector<std::uint8_t> bytes;  ///< never more than were reserved for it
    std::size_t taken = 0;
  };
  static constexpr std::size_t kFirstBlockBytes = 1 << 10, kBlockBytes = 64 << 10;

  OfVersion version_;
  bool table_id_;
  std::deque<Block> blocks_;
  std::size_t memory_bytes_ = 0;
  Bytes current_add_;
  std::optional<Message> current_;
};

}  // namespace sluice::openflow
