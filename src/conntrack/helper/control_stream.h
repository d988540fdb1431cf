// One direction of an FTP control connection as the tracker follows it: segments in, announcements out.
//
// observe() only listens. Bytes that come ahead of a gap wait, up to kAhead of them, so that the stream is
// read in its order whatever the order of the segments was.
//
// rewrite() also replaces announcements, for connections whose addresses are translated. The stream has to
// come in order: a segment ahead of a gap is to be dropped (its sender sends it again), as what is missing
// might hold an announcement. Bytes that may belong to an announcement are held back until it is known what
// takes their place; their sender may be told that they arrived, as it is we who have them. What does not fit
// (into the packet, or into the edits that are kept until they are acknowledged) is cut off the end of the
// segment, and comes again.
//
// All zeros is a stream that has not begun. Guarded by the connection's lock.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "conntrack/helper/ftp.h"
#include "conntrack/seq_adjust.h"

namespace sluice::conntrack::ftp {

/// Is told what the stream announces.
class Listener {
 public:
  /// @return what to announce instead; observe() ignores it.
  virtual Announcement announced(const Announcement& announcement) = 0;

 protected:
  ~Listener() = default;
};

class ControlStream {
 public:
  explicit ControlStream(Speaker speaker) : scanner_(speaker) {}

  /// The first byte of the stream has this number: known from a SYN. Without it the stream begins with the
  /// first segment that is seen.
  void begin(std::uint32_t seq) {
    next_ = seq;
    begun_ = true;
  }

  void observe(std::uint32_t seq, const std::uint8_t* bytes, std::uint32_t length, Listener& listener);

  struct Rewritten {
    bool drop = false;         ///< the segment must not go on
    bool cut = false;          ///< the end of the segment, and a FIN with it, stays behind
    std::uint32_t length = 0;  ///< of the payload now
  };
  /// @param room  how long the payload may become
  Rewritten rewrite(std::uint32_t seq, std::uint8_t* bytes, std::uint32_t length, bool fin,
                    std::uint32_t room, Listener& listener);

  // What rewrite() does to sequence numbers, see SeqAdjust.

  bool is_identity() const { return adjust_.is_identity() && held_ == 0; }
  std::uint32_t to_receiver(std::uint32_t in) const;
  std::uint32_t to_sender(std::uint32_t out) const;
  std::uint32_t to_sender_up(std::uint32_t out) const;

  /// The receiver has everything before the sender's byte `in`.
  void acknowledged(std::uint32_t in);

 private:
  static constexpr std::uint32_t kAhead = 256;

  /// How many of the bytes from `seq` on were seen before; -1 if there is a gap before them.
  std::int64_t known(std::uint32_t seq, std::uint32_t length);
  void listen(std::uint8_t byte, Listener& listener);
  void keep_ahead(std::uint32_t seq, const std::uint8_t* bytes, std::uint32_t length);
  bool room_to_hold(std::uint8_t byte) const;
  void let_go(bool crossed);

  SeqAdjust adjust_{};
  Scanner scanner_;
  std::uint32_t next_ = 0;  ///< the first byte not yet read
  bool begun_ = false;
  std::uint8_t held_ = 0;  ///< bytes before next_ that are held back
  std::array<char, kMaxHeld> held_bytes_{};
  std::array<std::uint8_t, kAhead> ahead_{};  ///< by sequence number modulo kAhead
  std::bitset<kAhead> is_ahead_{};
};

}  // namespace sluice::conntrack::ftp
