#include "net/address.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

TEST(Mac, TextBothWays) {
  const auto mac = parse_mac("02:0a:B:ff:00:1");
  ASSERT_TRUE(mac);
  EXPECT_EQ(format_mac(*mac), "02:0a:0b:ff:00:01");
  for (const char* wrong :
       {"", "02", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:0g", "002:00:00:00:00:00",
        "02-00-00-00-00-00", "02:00:00:00:00:00 ", "02::00:00:00:00"})
    EXPECT_FALSE(parse_mac(wrong)) << wrong;
}

TEST(Mac, Kinds) {
  EXPECT_TRUE(parse_mac("ff:ff:ff:ff:ff:ff")->is_broadcast());
  EXPECT_TRUE(parse_mac("01:00:5e:00:00:01")->is_multicast());
  EXPECT_FALSE(parse_mac("02:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(Mac{}.is_zero());
  EXPECT_EQ(parse_mac("01:02:03:04:05:06")->value(), 0x010203040506u);
  EXPECT_EQ(Mac::from_value(0x010203040506), *parse_mac("01:02:03:04:05:06"));
}

TEST(Ipv4, TextBothWays) {
  EXPECT_EQ(parse_ipv4("10.1.2.3"), be32{0x0a010203});
  EXPECT_EQ(format_ipv4(be32{0xffffffff}), "255.255.255.255");
  for (const char* wrong :
       {"", "10.1.2", "10.1.2.256", "10.1.2.3.4", "10.1.2.3 ", "a.b.c.d", "111.111.111.1111"})
    EXPECT_FALSE(parse_ipv4(wrong)) << wrong;
  EXPECT_FALSE(parse_ipv4(std::string_view()));
  EXPECT_FALSE(parse_ipv4(std::string_view("10.1.2.3\0x", 10)));
}

TEST(Ipv6, TextIsCanonical) {
  EXPECT_EQ(format_ipv6(*parse_ipv6("2001:0db8:0:0:0:0:0:0001")), "2001:db8::1");
  EXPECT_EQ(format_ipv6(be128{}), "::");
  EXPECT_EQ(*parse_ipv6("fe80::1"), (be128{be64{0xfe80000000000000}, be64{1}}));
  for (const char* wrong : {"", ":", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::g", "fe80::1%eth0", "[::1]"})
    EXPECT_FALSE(parse_ipv6(wrong)) << wrong;
  EXPECT_FALSE(parse_ipv6(std::string_view()));
  EXPECT_FALSE(parse_ipv6(std::string_view("fe80::1\0", 8)));
}

TEST(Prefix, MasksAndLengths) {
  for (unsigned n = 0; n <= 32; ++n) EXPECT_EQ(ipv4_prefix_length(ipv4_prefix_mask(n)), n);
  for (unsigned n = 0; n <= 128; ++n) EXPECT_EQ(ipv6_prefix_length(ipv6_prefix_mask(n)), n);
  EXPECT_EQ(ipv4_prefix_mask(9), be32{0xff800000});
  EXPECT_EQ(ipv6_prefix_mask(65), (be128{be64{~std::uint64_t{0}}, be64{std::uint64_t{1} << 63}}));
  EXPECT_FALSE(ipv4_prefix_length(be32{0xff00ff00}));
  EXPECT_FALSE(ipv6_prefix_length(be128{be64{1}, be64{0}}));
}

TEST(V4Mapped, IsItsOwnInverse) {
  const be32 address{0x0a010203};
  EXPECT_EQ(format_ipv6(v4_mapped(address)), "::ffff:10.1.2.3");
  EXPECT_TRUE(is_v4_mapped(v4_mapped(address)));
  EXPECT_EQ(v4_of(v4_mapped(address)), address);
  EXPECT_FALSE(is_v4_mapped(*parse_ipv6("fd00::1")));
}

}  // namespace
}  // namespace sluice::net
