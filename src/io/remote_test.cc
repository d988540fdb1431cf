#include "io/remote.h"

#include <gtest/gtest.h>

namespace sluice::io {
namespace {

using Transport = Remote::Transport;

TEST(Remote, ActiveNames) {
  auto remote = parse_remote("tcp:10.0.0.1");
  ASSERT_TRUE(remote);
  EXPECT_EQ(*remote, (Remote{Transport::Tcp, false, "", "10.0.0.1", 6653, "tcp:10.0.0.1"}));
  remote = parse_remote("ssl:[fe80::1%eth0]:1234");
  ASSERT_TRUE(remote);
  EXPECT_EQ(*remote, (Remote{Transport::Tls, false, "", "fe80::1%eth0", 1234, "ssl:[fe80::1%eth0]:1234"}));
  remote = parse_remote("unix:a/b", "/run/x");
  ASSERT_TRUE(remote);
  EXPECT_EQ(remote->path, "/run/x/a/b");
  EXPECT_FALSE(remote->passive);
  EXPECT_EQ(parse_remote("unix:/a", "/run/x")->path, "/a");
}

TEST(Remote, PassiveNames) {
  EXPECT_EQ(*parse_remote("ptcp:"), (Remote{Transport::Tcp, true, "", "", 6653, "ptcp:"}));
  EXPECT_EQ(*parse_remote("ptcp:0"), (Remote{Transport::Tcp, true, "", "", 0, "ptcp:0"}));
  EXPECT_EQ(*parse_remote("pssl:7000:[::1]"),
            (Remote{Transport::Tls, true, "", "::1", 7000, "pssl:7000:[::1]"}));
  EXPECT_EQ(*parse_remote("ptcp::127.0.0.1"),
            (Remote{Transport::Tcp, true, "", "127.0.0.1", 6653, "ptcp::127.0.0.1"}));
  EXPECT_TRUE(parse_remote("punix:/a")->passive);
}

TEST(Remote, RefusesWithASentence) {
  for (const char* text : {"", "tcp", "tcp:", "udp:1.2.3.4", "tcp:::1", "tcp:[::1", "tcp:1.2.3.4:0",
                           "tcp:1.2.3.4:65536", "tcp:1.2.3.4:1x", "tcp:1.2.3.4:", "tcp:[::1]6653",
                           "unix:", "ptcp:x", "ptcp:1:", "ptcp:1:[::1]:2", "pssl:99999"}) {
    const auto remote = parse_remote(text);
    ASSERT_FALSE(remote) << text;
    EXPECT_NE(remote.error().message.find("expected"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace sluice::io
