#include "base/bytes.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ByteReader, ReadsBigEndian) {
  const std::uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  ByteReader in(bytes);
  EXPECT_EQ(in.u8(), 0x01);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607u);
  EXPECT_EQ(in.u64(), 0x08090a0b0c0d0e0fu);
  EXPECT_EQ(in.remaining(), 1u);
  EXPECT_EQ(in.rest()[0], 16);
  EXPECT_TRUE(in.ok());
}

TEST(ByteReader, AFailureSticks) {
  const std::uint8_t bytes[] = {1, 2, 3};
  ByteReader in(bytes);
  EXPECT_EQ(in.u32(), 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0) << "nothing is read after a failure, though a byte is there";
  EXPECT_TRUE(in.take(1).empty());
  EXPECT_EQ(in.remaining(), 0u);
  EXPECT_FALSE(in.ok());
}

TEST(ByteReader, SkipZerosSaysWhetherTheyWere) {
  const std::uint8_t bytes[] = {0, 0, 1, 0};
  ByteReader in(bytes);
  EXPECT_TRUE(in.skip_zeros(2));
  EXPECT_FALSE(in.skip_zeros(1));
  EXPECT_TRUE(in.ok());
  EXPECT_FALSE(in.skip_zeros(2)) << "past the end";
  EXPECT_FALSE(in.ok());
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  ByteWriter out;
  out.u8(0xab);
  out.u16(0x1234);
  out.u32(0xdeadbeef);
  out.u64(0x0102030405060708);
  out.pad(1, 8);
  EXPECT_EQ(out.size(), 17u);
  out.patch_u16(1, 0x4321);
  ByteReader in(out.bytes());
  EXPECT_EQ(in.u8(), 0xab);
  EXPECT_EQ(in.u16(), 0x4321);
  EXPECT_EQ(in.u32(), 0xdeadbeefu);
  EXPECT_EQ(in.u64(), 0x0102030405060708u);
  EXPECT_TRUE(in.skip_zeros(2));
  EXPECT_EQ(in.remaining(), 0u);
  out.zeros(3);
  const std::vector<std::uint8_t> bytes = out.take();
  EXPECT_EQ(bytes.size(), 20u);
}

}  // namespace
}  // namespace sluice
