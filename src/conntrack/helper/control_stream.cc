#include "conntrack/helper/control_stream.h"

#include <algorithm>

namespace sluice::conntrack::ftp {

using Step = Scanner::Step;

std::int64_t ControlStream::known(std::uint32_t seq, std::uint32_t length) {
  if (!begun_) begin(seq);
  const std::int32_t gap = seq_distance(seq, next_);
  if (gap > 0) return -1;
  return std::min<std::int64_t>(-static_cast<std::int64_t>(gap), length);
}

void ControlStream::listen(std::uint8_t byte, Listener& listener) {
  if (scanner_.feed(byte) == Step::Found) listener.announced(scanner_.found());
  is_ahead_.reset(next_ % kAhead);
  ++next_;
}

void ControlStream::keep_ahead(std::uint32_t seq, const std::uint8_t* bytes, std::uint32_t length) {
  for (std::uint32_t i = 0; i < length && seq_distance(seq + i, next_) < static_cast<int>(kAhead); ++i) {
    ahead_[(seq + i) % kAhead] = bytes[i];
    is_ahead_.set((seq + i) % kAhead);
  }
}

void ControlStream::observe(std::uint32_t seq, const std::uint8_t* bytes, std::uint32_t length,
                            Listener& listener) {
  const std::int64_t seen = known(seq, length);
  if (seen < 0) return keep_ahead(seq, bytes, length);
  for (auto i = static_cast<std::uint32_t>(seen); i < length; ++i) listen(bytes[i], listener);
  while (is_ahead_.test(next_ % kAhead)) listen(ahead_[next_ % kAhead], listener);
}

/// Whether `byte` may be taken although it may be the first of an announcement for which there is no place.
bool ControlStream::room_to_hold(std::uint8_t byte) const {
  Scanner trial = scanner_;
  return held_ != 0 || trial.feed(byte) != Step::Hold;
}

/// What is held goes on as it is. @param crossed  an earlier segment went without the first of these bytes.
void ControlStream::let_go(bool crossed) {
  if (crossed) adjust_.add(next_ - held_, held_, held_bytes_.data(), held_);
  held_ = 0;
}

ControlStream::Rewritten ControlStream::rewrite(std::uint32_t seq, std::uint8_t* bytes, std::uint32_t length,
                                                bool fin, std::uint32_t room, Listener& listener) {
  const std::int64_t seen = known(seq, length);
  if (seen < 0) return {.drop = length != 0 || fin};
  const std::uint32_t first_new = next_;
  std::uint32_t taken = static_cast<std::uint32_t>(seen);
  for (; taken < length; ++taken) {
    const bool tight = adjust_.is_full() || length + adjust_.max_growth(seq, taken) + kMaxHeld > room;
    if (tight && !room_to_hold(bytes[taken])) break;
    const Step step = scanner_.feed(bytes[taken]);
    if (step != Step::Pass) held_bytes_[held_++] = static_cast<char>(bytes[taken]);
    ++next_;
    if (step == Step::Pass || step == Step::Hold) continue;

    const std::uint32_t start = next_ - held_;
    const bool crossed = seq_distance(start, first_new) < 0;
    if (step == Step::Release) {
      let_go(crossed);
      continue;
    }
    const Announcement& found = scanner_.found();
    const Announcement instead = listener.announced(found);
    if (instead == found) {
      let_go(crossed);
      continue;
    }
    const Text text = write(instead, held_bytes_[held_ - 1u]);
    adjust_.add(start, held_, text.bytes.data(), text.size);
    held_ = 0;
  }

  Rewritten result{.cut = taken < length};
  if (fin && !result.cut && held_ != 0) {  // no more of it will come
    let_go(seq_distance(next_ - held_, first_new) < 0);
    scanner_.skip_line();
  }
  // Up to the bytes that are held back.
  const std::int32_t held_from = seq_distance(next_ - held_, seq);
  if (held_ != 0 && held_from < static_cast<std::int32_t>(taken))
    taken = static_cast<std::uint32_t>(std::max(held_from, 0));
  // A longer segment than before, full of what was replaced: any part of it from its beginning is right, too.
  while (taken + adjust_.max_growth(seq, taken) > room) {
    taken /= 2;
    result.cut = true;
  }
  result.length = adjust_.apply(seq, bytes, taken);
  return result;
}

std::uint32_t ControlStream::to_receiver(std::uint32_t in) const {
  const std::uint32_t start = next_ - held_;
  if (held_ != 0 && seq_distance(in, start) > 0) {
    const std::int32_t behind = std::max(seq_distance(in, next_), 0);
    return adjust_.to_receiver(start) + static_cast<std::uint32_t>(behind);
  }
  return adjust_.to_receiver(in);
}

std::uint32_t ControlStream::to_sender(std::uint32_t out) const {
  if (held_ != 0) {
    const std::uint32_t start = adjust_.to_receiver(next_ - held_);
    if (seq_distance(out, start) >= 0) return next_ + (out - start);
  }
  return adjust_.to_sender(out);
}

std::uint32_t ControlStream::to_sender_up(std::uint32_t out) const {
  if (held_ != 0 && seq_distance(out, adjust_.to_receiver(next_ - held_)) >= 0) return to_sender(out);
  return adjust_.to_sender_up(out);
}

void ControlStream::acknowledged(std::uint32_t in) {
  if (!begun_) return;
  adjust_.forget_before(in);
  if (seq_distance(in, next_) <= 0) return;
  // The receiver has bytes that never came by here (or a FIN): read on behind them.
  next_ = in;
  held_ = 0;
  scanner_.skip_line();
  is_ahead_.reset();
}

}  // namespace sluice::conntrack::ftp
