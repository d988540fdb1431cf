// Bundles: messages that take effect together (OpenFlow 1.4; 1.3 by ONF's extension).
#pragma once

#include <array>
#include <deque>

#include "base/clock.h"
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

/// A message of a bundle that the switch has made ready to take effect, so that it need not be decoded twice.
/// What it is only the switch knows.
struct Prepared {
  /// Memory that what was prepared of other messages may hold, too: it lives as long as one of them.
  struct Part {
    const void* what = nullptr;  ///< null: nothing
    std::size_t bytes = 0;
  };
  void* what = nullptr;   ///< null: it is not, the message's bytes are kept
  std::size_t bytes = 0;  ///< of memory
  std::array<Part, 2> shared = {};
};
class PreparedOwner {
 public:
  /// What was prepared does not take effect.
  virtual void drop(void* prepared) = 0;

 protected:
  ~PreparedOwner() = default;
};

/// What an open bundle holds: the BundleAdds that came, as they came, in blocks that go as they are read; of
/// those that the switch has prepared only as much as an error tells of them. So a bundle costs what its
/// messages are long, whatever they decode to, and what was prepared for it.
class BundleMessages {
 public:
  /// @param owner  of what is prepared; null: nothing is
  BundleMessages(OfVersion version, bool table_id, PreparedOwner* owner = nullptr)
      : version_(version), table_id_(table_id), owner_(owner) {}
  BundleMessages(BundleMessages&&) = default;
  BundleMessages& operator=(BundleMessages&&) = delete;
  ~BundleMessages();

  void append(Bytes add, const Prepared& prepared = {});
  bool empty() const { return blocks_.empty(); }
  /// Bytes of memory that the messages take, without what is prepared.
  std::size_t memory_bytes() const { return memory_bytes_; }
  /// Bytes that all took that was ever prepared: what next() hands over is not taken off. Parts that several
  /// of these messages share count once if they come close together, whoever else holds them.
  std::size_t prepared_bytes() const { return prepared_bytes_; }

  /// One of the two, or neither: there are no more.
  struct Next {
    const Message* message = nullptr;  ///< lives until the next call
    void* prepared = nullptr;          ///< the caller's from now on
  };
  /// Takes the first out, and decodes it if it was not prepared.
  Result<Next> next();
  /// The BundleAdd of what next() gave last, or its beginning; empty before the first call and when there are
  /// no more.
  Bytes current_add() const { return current_add_; }

 private:
  struct Block {
    /// Records, never more than were reserved for them: a BundleAdd; or kPrepared, what was prepared, the
    /// number of bytes that follow.
    std::vector<std::uint8_t> bytes;
    std::size_t taken = 0;
  };
  static constexpr std::size_t kFirstBlockBytes = 1 << 10, kBlockBytes = 64 << 10;
  /// Goes on to the next record, which becomes the current one; false if there are no more.
  bool take();
  void count(const Prepared& prepared);

  OfVersion version_;
  bool table_id_;
  PreparedOwner* owner_;
  std::deque<Block> blocks_;
  std::size_t prepared_bytes_ = 0;
  std::array<const void*, 256> counted_ = {};  ///< parts, each in the place of its address
  void* current_prepared_ = nullptr;
  std::size_t memory_bytes_ = 0;
  Bytes current_add_;
  std::optional<Message> current_;
};

/// Memory of open bundles.
struct BundleBytes {
  std::size_t messages = 0, prepared = 0;
};

/// What the sessions of a switch share for their bundles.
struct BundleRoom {
  /// An open bundle that is let lie for so long is discarded (OpenFlow 1.5.1 section 7.3.9.7).
  Duration idle_timeout = kIdleTimeout;
  BundleBytes held;

  static constexpr Duration kIdleTimeout = Duration::seconds(10);
  /// Of all bundles: those of two sessions that take all they may (session_limits).
  static constexpr std::size_t kMessageBytes = 512 << 20, kPreparedBytes = 256 << 20;
};

}  // namespace sluice::openflow
