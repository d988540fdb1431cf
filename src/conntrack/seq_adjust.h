// Sequence numbers of a TCP stream in which text was replaced on its way: what the sender numbers and what
// the receiver sees.
//
//   sender's    ───────10·0·0·1·4·5·CR────────────>     an Edit replaces [in_start, in_start + in_length)
//   receiver's  ───────203·0·113·7·4·5·CR─────────>     by its text at out_start
//
// The text of an edit goes with the last byte that it replaces: a segment that holds that byte carries the
// whole text, one that holds only earlier bytes carries nothing for them. So whatever the cuts of a
// retransmission are, the same bytes lie at the same place of the receiver's stream. Edits are kept while
// what they replaced may be sent again, that is until it is acknowledged; before the oldest edit kept lies a
// part of the stream that the receiver has, of which nothing is sent again.
//
// All numbers wrap (RFC 9293 section 3.4). One direction of a connection; guarded by the connection's lock.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace sluice::conntrack {

/// a - b of sequence numbers: negative if a lies before b.
constexpr std::int32_t seq_distance(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b);
}

/// Trivially copyable; all zeros is a stream without edits.
class SeqAdjust {
 public:
  /// Announcements that may be on their way at once.
  static constexpr unsigned kMaxEdits = 8;
  static constexpr unsigned kMaxText = 64;

  struct Edit {
    std::uint32_t in_start, out_start;
    std::uint8_t in_length, out_length;
    std::array<char, kMaxText> text;

    std::uint32_t in_end() const { return in_start + in_length; }
    std::uint32_t out_end() const { return out_start + out_length; }
  };

  /// Nothing was ever replaced: both sides count alike.
  bool is_identity() const { return count_ == 0 && delta_ == 0; }
  bool is_full() const { return count_ == kMaxEdits; }

  /// Where the receiver sees the sender's byte `in`; inside what an edit replaces: where its text begins.
  std::uint32_t to_receiver(std::uint32_t in) const;
  /// Up to where the sender's stream is received if the receiver's is up to `out`. Inside the text of an
  /// edit: up to its last byte, which brings the whole text again.
  std::uint32_t to_sender(std::uint32_t out) const;
  /// As to_sender, for the first byte of a range that the receiver has: inside a text, what lies behind it.
  std::uint32_t to_sender_up(std::uint32_t out) const;

  /// Replaces `in_length` bytes from `in_start` on, behind all earlier edits. Not full.
  void add(std::uint32_t in_start, unsigned in_length, const char* text, unsigned out_length);

  /// The receiver has all of the sender's bytes before `in`: edits before it may go.
  void forget_before(std::uint32_t in);

  /// What a segment carries that holds the sender's bytes [seq, seq + length): replaces in `bytes` and
  /// returns the length then. Room is needed for length + max_growth().
  std::uint32_t apply(std::uint32_t seq, std::uint8_t* bytes, std::uint32_t length) const;
  /// By how much apply() lengthens such a segment at most.
  std::uint32_t max_growth(std::uint32_t seq, std::uint32_t length) const;

 private:
  // Edits that are kept, in the order of the stream.
  std::array<Edit, kMaxEdits> edits_;
  std::uint32_t count_;
  std::uint32_t delta_;  ///< receiver's minus sender's number before the first edit kept
};
static_assert(std::is_trivially_copyable_v<SeqAdjust>);

}  // namespace sluice::conntrack
