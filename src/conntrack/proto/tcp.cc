#include "conntrack/proto/tcp.h"

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "net/protocol.h"
#include "wire/tcp.h"

namespace sluice::conntrack::tcp {
namespace {

using namespace net::tcp_flag;

constexpr std::uint8_t kMaxScale = 14;  // RFC 7323 section 2.3
constexpr std::uint16_t kLargestWindow = 65535;

/// a is at or after b on the sequence circle.
bool at_or_after(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) >= 0;
}
bool after(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) > 0;
}

/// Rounds a window up to units of 2^scale: the window of a SYN is not scaled, those kept in the entry are.
std::uint16_t scaled_down(std::uint16_t window, std::uint8_t scale) {
  return static_cast<std::uint16_t>((window + (1u << scale) - 1) >> scale);
}

unsigned shift_of(std::uint8_t scale) {
  return scale == Entry::kNoScale ? 0 : scale;
}

std::uint32_t end_of(const Segment& s) {
  return s.seq + s.payload + ((s.flags & kSyn) != 0) + ((s.flags & kFin) != 0);
}

/// One end of a connection, by reference.
struct End {
  End(Entry& entry, Direction d)
      : low(entry.seq_low[static_cast<unsigned>(d)]),
        high(entry.seq_high[static_cast<unsigned>(d)]),
        window(entry.max_window[static_cast<unsigned>(d)]) {}
  std::uint32_t& low;
  std::uint32_t& high;
  std::uint16_t& window;
};

/// What a segment that turns out to be invalid may have changed.
struct Before {
  explicit Before(const Entry& entry) : states(entry.states), scales(entry.scales) {
    std::memcpy(low, entry.seq_low, sizeof low);
    std::memcpy(high, entry.seq_high, sizeof high);
    std::memcpy(window, entry.max_window, sizeof window);
  }
  void restore(Entry& entry) const {
    entry.states = states;
    entry.scales = scales;
    std::memcpy(entry.seq_low, low, sizeof low);
    std::memcpy(entry.seq_high, high, sizeof high);
    std::memcpy(entry.max_window, window, sizeof window);
  }
  std::uint8_t states, scales;
  std::uint32_t low[2], high[2];
  std::uint16_t window[2];
};

/// Whether a reset carries its sender's next number; one off is forgiven.
bool is_next(std::uint32_t seq, std::uint32_t next) {
  return seq - next + 1 <= 2;
}

/// Whether the first segment of the connection was no SYN, so that nothing is known of sequence numbers.
/// A SYN leaves the other end's scale open, and 14 is a shift that a SYN may carry.
bool picked_up(const Entry& entry, Direction from, Direction to) {
  return entry.scale(from) == Entry::kUnknownScale && entry.scale(to) == Entry::kUnknownScale;
}

/// What is wrong with a segment to an end whose SYN is not yet acknowledged (RFC 9293 section 3.10.7.3), or
/// that it passes without changing anything; nothing if update() has to go on.
std::optional<Verdict> judge_answer(Entry& entry, Direction from, const Segment& segment) {
  const End opener(entry, opposite(from));
  const bool acknowledges =
      (segment.flags & kAck) != 0 && at_or_after(segment.ack, opener.low) && !after(segment.ack, opener.high);
  const bool met = entry.tcp_state(from) >= TcpState::SynSent;
  // Without SYN, FIN, RST and data the opener drops it, acceptable or not: it tells nothing of its sender.
  const bool is_bare = (segment.flags & (kSyn | kFin | kRst)) == 0 && segment.payload == 0;
  if (acknowledges && (met || !is_bare)) return std::nullopt;
  if (met && (segment.flags & kSyn) == 0) return std::nullopt;
  if ((segment.flags & kRst) != 0) return Verdict{Outcome::Invalid, Reason::TcpRstOutOfWindow};
  // If the other end still has an old connection of these ports, its challenge makes the opener reset that.
  if (is_bare) return Verdict{Outcome::Established};
  return Verdict{Outcome::Invalid, Reason::TcpBadAck};
}

/// The first segment that an end other than the opener sends.
void meet(Entry& entry, Direction from, const Segment& segment) {
  End source(entry, from), target(entry, opposite(from));
  const std::uint32_t announced = target.window;  // not scaled in a SYN
  unsigned target_shift = 0;
  if ((segment.flags & kSyn) != 0) {
    if ((segment.flags & kAck) != 0 && !after(segment.ack, target.high) && after(segment.ack, target.low))
      target.low = segment.ack;  // it took the data in the opener's SYN (RFC 7413)
    const std::uint8_t offered = entry.scale(opposite(from));
    if (offered != Entry::kNoScale && segment.scale != Entry::kNoScale) {
      entry.set_scale(from, segment.scale);
      target.window = scaled_down(target.window, offered);
    } else {  // scaling takes both ends
      entry.set_scale(from, Entry::kNoScale);
      entry.set_scale(opposite(from), Entry::kNoScale);
    }
  } else if (picked_up(entry, from, opposite(from))) {
    target_shift = shift_of(entry.scale(opposite(from)));
  } else if (const std::uint8_t offered = entry.scale(opposite(from)); offered != Entry::kNoScale) {
    entry.set_scale(from, Entry::kUnknownScale);  // in the SYN|ACK, which went another way
    target.window = scaled_down(target.window, offered);
  }
  source.low = segment.seq;
  entry.set_tcp_state(from, TcpState::SynSent);
  const std::uint32_t high = end_of(segment) + std::max(1u, announced << target_shift);
  // 1 = nothing known yet.
  if (source.high == 1 || at_or_after(high, source.high)) source.high = high;
}

/// What a SYN that an open connection let pass is remembered by, until the other end sends something: its
/// number, its direction, and how much the other end had sent. Never 0. The lowest four bits are 0: they are
/// for the scale that it offers.
constexpr std::uint32_t kAskedScale = 0xf;
std::uint32_t question(const Entry& entry, Direction from, std::uint32_t seq) {
  const auto answers = static_cast<std::uint32_t>(entry.total_packets(opposite(from)));
  const std::uint64_t mixed = hash_mix(std::uint64_t{answers} << 1 | static_cast<unsigned>(from), seq);
  return (static_cast<std::uint32_t>(mixed >> 32) & ~kAskedScale) | (kAskedScale + 1);
}

bool is_helped(const Entry& entry) {
  return entry.has(Entry::kHelped | Entry::kExpected);
}

/// Whether it is the SYN|ACK for the SYN that an open connection let pass, and the first that comes back.
bool answers_question(const Entry& entry, Direction from, const Segment& segment) {
  return (segment.flags & (kSyn | kAck | kRst | kFin)) == (kSyn | kAck) && !is_helped(entry) &&
         (entry.asked & ~kAskedScale) == question(entry, opposite(from), segment.ack - 1);
}

/// Both ends have forgotten the connection: one sent a SYN, and the first that comes back, instead of a
/// challenge, is a SYN|ACK for it. The handshake begins anew, in the same entry. The window of the SYN, which
/// is not remembered, is taken for the largest possible.
void resynchronise(Entry& entry, Direction from, const Segment& segment) {
  const Direction to = opposite(from);
  End source(entry, from), target(entry, to);
  const auto offered = static_cast<std::uint8_t>(entry.asked & kAskedScale);
  const bool both_scale = segment.scale != Entry::kNoScale && offered != Entry::kNoScale;
  entry.set_scale(from, both_scale ? segment.scale : Entry::kNoScale);
  entry.set_scale(to, both_scale ? offered : Entry::kNoScale);
  source.low = end_of(segment);
  source.high = segment.seq + 1 + kLargestWindow;
  source.window = scaled_down(segment.window, both_scale ? segment.scale : std::uint8_t{0});
  target.low = segment.ack;
  target.high = segment.ack + std::max<std::uint32_t>(segment.window, 1);
  target.window = scaled_down(kLargestWindow, both_scale ? offered : std::uint8_t{0});
  entry.set_tcp_state(from, TcpState::SynSent);
  entry.set_tcp_state(to, TcpState::Established);
  entry.asked = 0;
}

/// @param acknowledges   whether it has an acknowledgement that counts
void advance_states(Entry& entry, Direction from, const Segment& segment, bool acknowledges) {
  const Direction to = opposite(from);
  if ((segment.flags & kFin) != 0 && entry.tcp_state(from) < TcpState::Closing) {
    entry.set_tcp_state(from, TcpState::Closing);
    // Nothing comes after a FIN: what a stranger sent beyond it must not keep its acknowledgement from being
    // one.
    entry.seq_low[static_cast<unsigned>(from)] = end_of(segment);
  }
  if (acknowledges) {
    if (entry.tcp_state(to) == TcpState::SynSent)
      entry.set_tcp_state(to, TcpState::Established);
    else if (entry.tcp_state(to) == TcpState::Closing &&
             at_or_after(segment.ack, entry.seq_low[static_cast<unsigned>(to)]))
      entry.set_tcp_state(to, TcpState::FinWait2);  // its FIN is acknowledged
  }
  if ((segment.flags & kRst) != 0) {
    entry.set_tcp_state(from, TcpState::TimeWait);
    entry.set_tcp_state(to, TcpState::TimeWait);
  }
}

}  // namespace

Segment read(const std::uint8_t* bytes, std::uint32_t payload_bytes) {
  const wire::TcpHeader header(bytes);
  Segment segment{.seq = header.seq().host(),
                  .ack = header.ack().host(),
                  .payload = payload_bytes,
                  .window = header.window().host(),
                  .flags = header.flags().host()};
  if ((segment.flags & kSyn) != 0 && header.header_bytes() > wire::TcpHeader<const std::uint8_t>::kBytes)
      [[unlikely]] {
    const auto option = wire::tcp_option::find(header.options(), wire::tcp_option::kWindowScale);
    if (option && option->size() == 1) segment.scale = std::min((*option)[0], kMaxScale);
  }
  return segment;
}

void open(Entry& entry, const Segment& segment) {
  End opener(entry, Direction::Original), other(entry, Direction::Reply);
  // The answer may take the data in a SYN or leave it.
  opener.low = (segment.flags & kSyn) != 0 ? segment.seq + 1 : end_of(segment);
  opener.high = end_of(segment);
  opener.window = std::max<std::uint16_t>(segment.window, 1);
  if ((segment.flags & kSyn) != 0) {
    entry.set_scale(Direction::Original, segment.scale);
    entry.set_scale(Direction::Reply, Entry::kNoScale);
  } else {
    entry.set_scale(Direction::Original, Entry::kUnknownScale);
    entry.set_scale(Direction::Reply, Entry::kUnknownScale);
  }
  other.low = 0;
  other.high = 1;
  other.window = 1;
  const bool finishes = (segment.flags & kFin) != 0;  // picked up at its end
  entry.set_tcp_state(Direction::Original, finishes ? TcpState::Closing : TcpState::SynSent);
  entry.set_tcp_state(Direction::Reply, TcpState::Closed);
}

Verdict update(Entry& entry, Direction from, const Segment& segment, Rules rules) {
  const bool check_sequence = rules.check_sequence;
  const Direction to = opposite(from);
  const std::uint16_t flags = segment.flags;
  if (!flags_possible(flags)) [[unlikely]]
    return {Outcome::Invalid, Reason::TcpBadFlags};

  TcpState from_state = entry.tcp_state(from);
  const TcpState to_state = entry.tcp_state(to);
  const bool opens = (flags & (kSyn | kAck)) == kSyn;
  if (opens) [[unlikely]] {
    if (from_state >= TcpState::FinWait2 && to_state >= TcpState::FinWait2) return {Outcome::Reopen};
    if (from == Direction::Reply && from_state == TcpState::Closed && picked_up(entry, from, to))
      return {Outcome::Reopen};  // only one end ever spoke, and that in mid-stream: a stray segment
    if (from == Direction::Original && to_state == TcpState::Closed) {
      open(entry, segment);  // retransmitted, or given up and tried anew with another sequence number
      return {Outcome::New};
    }
  }
  if (opens && (from_state >= TcpState::Established || to_state >= TcpState::Established)) [[unlikely]] {
    // RFC 5961 section 4: whatever its number, the end it goes to challenges it.
    if (!is_helped(entry)) entry.asked = question(entry, from, segment.seq) | segment.scale;
    return {Outcome::Established};
  }
  if (check_sequence && !opens && to_state == TcpState::SynSent && !picked_up(entry, from, to)) [[unlikely]] {
    if (const auto verdict = judge_answer(entry, from, segment)) return *verdict;
  }
  if (check_sequence && (flags & kRst) != 0 && to_state < TcpState::SynSent &&
      segment.seq != entry.seq_low[static_cast<unsigned>(from)] &&
      segment.seq != entry.seq_high[static_cast<unsigned>(from)]) [[unlikely]]
    return {Outcome::Established};  // the opener's answer to a challenge, with the number that this one names

  std::optional<Before> before;
  if (from_state < TcpState::SynSent) [[unlikely]] {
    before.emplace(entry);
    meet(entry, from, segment);
    from_state = TcpState::SynSent;
  }
  End source(entry, from), target(entry, to);

  // RFC 7323: windows are scaled except in SYNs, and only where both ends offered it.
  const bool both_scale = entry.scale(from) != Entry::kNoScale && entry.scale(to) != Entry::kNoScale;
  const bool scaled = both_scale && (flags & kSyn) == 0;
  const unsigned from_shift = scaled ? shift_of(entry.scale(from)) : 0;
  const unsigned to_shift = scaled ? shift_of(entry.scale(to)) : 0;

  std::uint32_t seq = segment.seq;
  std::uint32_t end = end_of(segment);
  std::uint32_t ack = segment.ack;
  if ((flags & kAck) == 0 || (ack == 0 && (flags & kRst) != 0)) ack = target.low;  // nothing to check
  if (seq == end && (flags & kRst) == 0) {  // a segment without data may come late or early
    seq = source.low;
    end = seq;
  }

  if (check_sequence) {
    const auto ack_lag = static_cast<std::int32_t>(target.low - ack);
    const bool window_ok = at_or_after(source.high, end) &&
                           at_or_after(seq, source.low - (std::uint32_t{target.window} << to_shift));
    const bool ack_ok = ack_lag >= -kMaxAckWindow &&
                        static_cast<std::int64_t>(ack_lag) <= static_cast<std::int64_t>(kMaxAckWindow)
                                                                  << from_shift;
    if (!(window_ok && ack_ok)) [[unlikely]] {
      // Where one end is unknown, or both are about to close, nearness is enough.
      const bool loose =
          to_state < TcpState::SynSent || to_state >= TcpState::FinWait2 || from_state >= TcpState::FinWait2;
      if (!loose || !at_or_after(source.high + kMaxAckWindow, end) ||
          !at_or_after(seq, source.low - kMaxAckWindow)) {
        if (answers_question(entry, from, segment)) {
          resynchronise(entry, from, segment);
          return {Outcome::Established};
        }
        if (rules.liberal && (flags & kRst) == 0) {
          advance_states(entry, from, segment, (flags & kAck) != 0);
          return {opens ? Outcome::New : Outcome::Established};
        }
        if (before) before->restore(entry);
        if ((flags & kRst) != 0) return {Outcome::Invalid, Reason::TcpRstOutOfWindow};
        return {Outcome::Invalid, window_ok ? Reason::TcpBadAck : Reason::TcpOutOfWindow};
      }
    }
  }

  if (check_sequence && (flags & kRst) != 0 && !is_next(segment.seq, source.low)) [[unlikely]] {
    if (before) before->restore(entry);
    return {Outcome::Established};  // RFC 5961 section 3: it is for the end to challenge, and closes nothing
  }

  source.window =
      std::max(source.window, both_scale && !scaled ? scaled_down(segment.window, shift_of(entry.scale(from)))
                                                    : segment.window);
  if (after(end, source.low)) source.low = end;
  const std::uint32_t allowed = std::uint32_t{segment.window} << from_shift;
  // RFC 5961 section 5: what acknowledges unsent data opens no window, and what acknowledges an end that has
  // not spoken yet only tells of a connection that we came upon in mid-stream.
  const bool acks_unsent =
      check_sequence && !rules.liberal && !picked_up(entry, from, to) && after(ack, target.low);
  const bool target_known = to_state >= TcpState::SynSent || picked_up(entry, from, to);
  if (!acks_unsent && target_known && at_or_after(ack + allowed, target.high))
    target.high = ack + std::max(allowed, 1u);
  advance_states(entry, from, segment, (flags & kAck) != 0 && !acks_unsent);
  return {opens ? Outcome::New : Outcome::Established};
}

}  // namespace sluice::conntrack::tcp
