#include "conntrack/seq_adjust.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice::conntrack {
namespace {

/// The part of [seq, seq + length) that the edit replaces, as offsets; begin >= end if there is none.
struct Overlap {
  std::int64_t begin, end;
  bool has_last;  ///< of the bytes that the edit replaces
};
Overlap overlap(const SeqAdjust::Edit& edit, std::uint32_t seq, std::uint32_t length) {
  const std::int64_t start = seq_distance(edit.in_start, seq);
  const std::int64_t end = start + edit.in_length;
  return {std::max<std::int64_t>(start, 0), std::min<std::int64_t>(end, length), end > 0 && end <= length};
}

}  // namespace

std::uint32_t SeqAdjust::to_receiver(std::uint32_t in) const {
  for (unsigned i = count_; i-- > 0;) {
    const Edit& edit = edits_[i];
    if (seq_distance(in, edit.in_end()) >= 0) return edit.out_end() + (in - edit.in_end());
    if (seq_distance(in, edit.in_start) > 0) return edit.out_start;
  }
  return in + delta_;
}

std::uint32_t SeqAdjust::to_sender(std::uint32_t out) const {
  for (unsigned i = count_; i-- > 0;) {
    const Edit& edit = edits_[i];
    if (seq_distance(out, edit.out_end()) >= 0) return edit.in_end() + (out - edit.out_end());
    // Everything before the edit is there; its own bytes but the last need not come again.
    if (seq_distance(out, edit.out_start) >= 0) return edit.in_end() - 1;
  }
  return out - delta_;
}

std::uint32_t SeqAdjust::to_sender_up(std::uint32_t out) const {
  for (unsigned i = count_; i-- > 0;) {
    const Edit& edit = edits_[i];
    if (seq_distance(out, edit.out_end()) >= 0) return edit.in_end() + (out - edit.out_end());
    if (seq_distance(out, edit.out_start) > 0) return edit.in_end();
    if (out == edit.out_start) return edit.in_start;
  }
  return out - delta_;
}

void SeqAdjust::add(std::uint32_t in_start, unsigned in_length, const char* text, unsigned out_length) {
  SLUICE_CHECK(!is_full() && in_length > 0 && in_length <= 0xff && out_length <= kMaxText);
  const std::uint32_t out_start = to_receiver(in_start);
  Edit& edit = edits_[count_++];
  edit.in_start = in_start;
  edit.out_start = out_start;
  edit.in_length = static_cast<std::uint8_t>(in_length);
  edit.out_length = static_cast<std::uint8_t>(out_length);
  std::memcpy(edit.text.data(), text, out_length);
}

void SeqAdjust::forget_before(std::uint32_t in) {
  unsigned gone = 0;
  while (gone < count_ && seq_distance(in, edits_[gone].in_end()) >= 0) {
    delta_ = edits_[gone].out_end() - edits_[gone].in_end();
    ++gone;
  }
  if (gone == 0) return;
  std::copy(edits_.begin() + gone, edits_.begin() + count_, edits_.begin());
  count_ -= gone;
}

std::uint32_t SeqAdjust::max_growth(std::uint32_t seq, std::uint32_t length) const {
  std::uint32_t growth = 0;
  for (unsigned i = 0; i < count_; ++i)
    if (overlap(edits_[i], seq, length).has_last) growth += edits_[i].out_length;
  return growth;
}

std::uint32_t SeqAdjust::apply(std::uint32_t seq, std::uint8_t* bytes, std::uint32_t length) const {
  std::uint32_t result = length;
  // From the last to the first, so that the offsets of those before stay right.
  for (unsigned i = count_; i-- > 0;) {
    const Edit& edit = edits_[i];
    const Overlap part = overlap(edit, seq, length);
    if (part.begin >= part.end) continue;
    const auto begin = static_cast<std::uint32_t>(part.begin), end = static_cast<std::uint32_t>(part.end);
    const std::uint32_t text = part.has_last ? edit.out_length : 0;
    std::memmove(bytes + begin + text, bytes + end, result - end);
    std::memcpy(bytes + begin, edit.text.data(), text);
    result = result - (end - begin) + text;
  }
  return result;
}

}  // namespace sluice::conntrack
