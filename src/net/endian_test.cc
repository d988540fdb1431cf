#include "net/endian.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

TEST(BigEndian, FirstByteIsMostSignificant) {
  const be32 value{0x01020304};
  std::uint8_t bytes[4];
  value.store(bytes);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_EQ(bytes[3], 4);
  EXPECT_EQ(be32::load(bytes), value);
  EXPECT_EQ(be32::from_raw(value.raw()).host(), 0x01020304u);
}

TEST(BigEndian, OrdersByValue) {
  EXPECT_LT(be16{0x00ff}, be16{0x0100});
  EXPECT_LT((be128{be64{1}, be64{~std::uint64_t{0}}}), (be128{be64{2}, be64{0}}));
}

TEST(BigEndian, BitsAreBits) {
  EXPECT_EQ((be16{0x0ff0} & be16{0x00ff}), be16{0x00f0});
  EXPECT_EQ((be16{0x0f00} | be16{0x000f}), be16{0x0f0f});
  EXPECT_EQ((be16{0x0ff0} ^ be16{0x00ff}), be16{0x0f0f});
  EXPECT_EQ(~be16{0x0ff0}, be16{0xf00f});
  EXPECT_TRUE((be128{be64{1}, be64{2}} & be128{be64{2}, be64{1}}).is_zero());
}

}  // namespace
}  // namespace sluice::net
