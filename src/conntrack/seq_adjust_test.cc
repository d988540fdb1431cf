#include "conntrack/seq_adjust.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"

namespace sluice::conntrack {
namespace {

std::string apply(const SeqAdjust& adjust, std::uint32_t seq, std::string bytes) {
  const auto length = static_cast<std::uint32_t>(bytes.size());
  bytes.resize(length + adjust.max_growth(seq, length));
  bytes.resize(adjust.apply(seq, reinterpret_cast<std::uint8_t*>(bytes.data()), length));
  return bytes;
}

TEST(SeqAdjust, NothingReplaced) {
  const SeqAdjust adjust{};
  EXPECT_TRUE(adjust.is_identity());
  EXPECT_EQ(adjust.to_receiver(5), 5u);
  EXPECT_EQ(adjust.to_sender(0xffffffff), 0xffffffffu);
  EXPECT_EQ(apply(adjust, 77, "abc"), "abc");
}

/// "PORT |1.2.3| x" at 1000: what is between the bars becomes longer.
TEST(SeqAdjust, TheTextGoesWithTheLastByte) {
  SeqAdjust adjust{};
  adjust.add(1005, 5, "10.20.30", 8);
  EXPECT_FALSE(adjust.is_identity());
  const std::string stream = "PORT 1.2.3 x";
  EXPECT_EQ(apply(adjust, 1000, stream), "PORT 10.20.30 x");
  EXPECT_EQ(apply(adjust, 1000, stream.substr(0, 9)), "PORT ");
  EXPECT_EQ(apply(adjust, 1007, stream.substr(7, 2)), "");
  EXPECT_EQ(apply(adjust, 1009, stream.substr(9)), "10.20.30 x");
  EXPECT_EQ(apply(adjust, 1010, stream.substr(10)), " x");
  for (std::uint32_t in = 1000; in <= 1005; ++in) EXPECT_EQ(adjust.to_receiver(in), in);
  for (std::uint32_t in = 1006; in < 1010; ++in) EXPECT_EQ(adjust.to_receiver(in), 1005u);
  EXPECT_EQ(adjust.to_receiver(1010), 1013u);
  EXPECT_EQ(adjust.to_sender(1004), 1004u);
  for (std::uint32_t out = 1005; out < 1013; ++out) EXPECT_EQ(adjust.to_sender(out), 1009u);
  EXPECT_EQ(adjust.to_sender(1013), 1010u);
  EXPECT_EQ(adjust.to_sender_up(1005), 1005u);
  EXPECT_EQ(adjust.to_sender_up(1006), 1010u);
  EXPECT_EQ(adjust.to_sender_up(1014), 1011u);
}

TEST(SeqAdjust, ForgottenWhenAcknowledged) {
  SeqAdjust adjust{};
  for (unsigned i = 0; i < SeqAdjust::kMaxEdits; ++i) adjust.add(100 + i * 10, 2, "xyz", 3);
  EXPECT_TRUE(adjust.is_full());
  adjust.forget_before(101);  // in the middle of the first
  EXPECT_TRUE(adjust.is_full());
  adjust.forget_before(112);
  EXPECT_FALSE(adjust.is_full());
  EXPECT_EQ(adjust.to_receiver(115), 117u);
  EXPECT_EQ(adjust.to_sender(117), 115u);
  EXPECT_EQ(adjust.to_receiver(125), 128u);
  adjust.forget_before(1000);
  EXPECT_FALSE(adjust.is_identity());
  EXPECT_EQ(adjust.to_receiver(1000), 1008u);
}

/// Against streams written out in full, across the wrap of sequence numbers.
TEST(SeqAdjust, EveryCutOfAStreamGivesTheSameStream) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    const auto base = static_cast<std::uint32_t>(rng.chance(50) ? 0 - rng.below(100) : rng.next());
    SeqAdjust adjust{};
    std::string in, out;
    while (in.size() < 150) {
      for (auto n = rng.below(30); n > 0; --n) {
        in += static_cast<char>('a' + rng.below(26));
        out += in.back();
      }
      if (adjust.is_full()) continue;
      std::string from(1 + rng.below(20), '#'), to(rng.below(40), '?');
      for (char& c : to) c = static_cast<char>('A' + rng.below(26));
      adjust.add(base + static_cast<std::uint32_t>(in.size()), static_cast<unsigned>(from.size()), to.data(),
                 static_cast<unsigned>(to.size()));
      in += from;
      out += to;
    }
    for (unsigned i = 0; i < 300; ++i) {
      const auto begin = static_cast<std::uint32_t>(rng.below(in.size()));
      const auto length = static_cast<std::uint32_t>(rng.below(in.size() - begin + 1));
      const std::string piece = apply(adjust, base + begin, in.substr(begin, length));
      const std::uint32_t at = adjust.to_receiver(base + begin) - base;
      ASSERT_EQ(piece, out.substr(at, piece.size())) << "seed " << seed;
      ASSERT_EQ(adjust.to_receiver(base + begin + length) - base, at + piece.size()) << "seed " << seed;
    }
    std::uint32_t before = base;
    for (std::uint32_t i = 0; i <= out.size(); ++i) {
      const std::uint32_t in_seq = adjust.to_sender(base + i);
      ASSERT_GE(seq_distance(in_seq, before), 0);
      ASSERT_GE(seq_distance(adjust.to_sender_up(base + i), base), 0);
      before = in_seq;
      // What is said to be received needs no byte that is not: sent from there on, nothing is missing.
      ASSERT_LE(seq_distance(adjust.to_receiver(in_seq), base + i), 0) << "seed " << seed;
    }
    ASSERT_EQ(before, base + static_cast<std::uint32_t>(in.size()));
  }
}

}  // namespace
}  // namespace sluice::conntrack
