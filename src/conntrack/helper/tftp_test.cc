#include "conntrack/helper/tftp.h"

#include <gtest/gtest.h>

#include <string_view>

namespace sluice::conntrack::tftp {
namespace {

using namespace std::string_view_literals;

bool request(std::string_view text) {
  return is_request({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(Tftp, Requests) {
  EXPECT_TRUE(request("\0\1pxelinux.0\0octet\0"sv));
  EXPECT_TRUE(request("\0\2f\0NetASCII\0"sv));
  EXPECT_TRUE(request("\0\1f\0octet\0blksize\0001428\0"sv));
}

TEST(Tftp, EverythingElse) {
  const std::string_view whole = "\0\1file\0octet\0"sv;
  for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(request(whole.substr(0, n))) << n;
  for (const std::string_view text :
       {"\0\3\0\1data\0data\0"sv, "\0\4\0\1\0"sv, "\0\5\0\1oops\0oops\0"sv, "\1\1f\0octet\0"sv,
        "\0\1\0octet\0"sv, "\0\1f\0\0"sv, "\0\0f\0octet\0"sv})
    EXPECT_FALSE(request(text));
}

}  // namespace
}  // namespace sluice::conntrack::tftp
