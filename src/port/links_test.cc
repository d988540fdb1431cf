#include "port/links.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>
#include <vector>

#include "port/factory.h"
#include "port/interface.h"
#include "port/namespace_test_util.h"
#include "port/tap/tap_port.h"

namespace sluice::port {
namespace {

class LinksTest : public ::testing::Test {
 protected:
  LinksTest() : space_("links") {}
  void SetUp() override {
    if (!space_.made()) GTEST_SKIP() << "needs root and network namespaces";
  }
  /// A device that is down: of its link the kernel tells nothing later on.
  static std::unique_ptr<TapPort> make(const std::string& name) {
    TapOptions options;
    options.up = false;
    auto tap = TapPort::create(name, options);
    EXPECT_TRUE(tap) << tap.error().message;
    return tap ? std::move(*tap) : nullptr;
  }
  /// The kernel keeps the news of some ten changes at most.
  static void shorten(int socket) {
    const int bytes = 16 << 10;
    ASSERT_EQ(::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
  }
  static void overflow(const std::string& name) {
    for (unsigned i = 0; i < 100; ++i) ASSERT_TRUE(set_interface_mtu(name, 1000 + i));
  }
  NetworkNamespace space_;
};

TEST_F(LinksTest, TellsWhatCameChangedAndWent) {
  const NetworkNamespace::Entered inside(space_);
  auto opened = Links::open();
  ASSERT_TRUE(opened) << opened.error().message;
  Links& links = **opened;
  EXPECT_TRUE(links.exists("lo"));
  EXPECT_FALSE(links.exists("tap7"));
  EXPECT_TRUE(links.take_changed().empty()) << "what was there at first is no news";

  {
    auto tap = TapPort::create("tap7", {});
    ASSERT_TRUE(tap) << tap.error().message;
    EXPECT_TRUE(links.exists("tap7"));
    EXPECT_EQ(links.take_changed(), std::set<std::string>{"tap7"});

    ASSERT_TRUE(set_interface_mtu("tap7", 1400));
    links.update();
    EXPECT_EQ(links.take_changed(), std::set<std::string>{"tap7"});
    links.update();
    EXPECT_TRUE(links.take_changed().empty());
  }
  EXPECT_FALSE(links.exists("tap7"));
  EXPECT_EQ(links.take_changed(), std::set<std::string>{"tap7"});
}

TEST_F(LinksTest, KnowsWhatWasThereBefore) {
  const NetworkNamespace::Entered inside(space_);
  auto tap = TapPort::create("tap8", {});
  ASSERT_TRUE(tap) << tap.error().message;
  auto links = Links::open();
  ASSERT_TRUE(links) << links.error().message;
  EXPECT_TRUE((*links)->exists("tap8"));
}

TEST_F(LinksTest, AListTellsWhetherNewsWereLost) {
  const NetworkNamespace::Entered inside(space_);
  const auto tap = make("tap1");
  auto socket = rtnetlink::Socket::open(RTMGRP_LINK);
  ASSERT_TRUE(socket) << socket.error().message;
  shorten(socket->fd());
  const ifinfomsg all{};
  const auto lists_all = [&] {
    const auto whole = socket->list(RTM_GETLINK, {reinterpret_cast<const std::uint8_t*>(&all), sizeof all},
                                    [](const nlmsghdr&) {});
    EXPECT_TRUE(whole) << whole.error().message;
    return whole.value_or(false);
  };
  EXPECT_TRUE(lists_all());
  overflow("tap1");
  EXPECT_FALSE(lists_all());
  EXPECT_TRUE(lists_all());
}

TEST_F(LinksTest, WhatTheKernelCouldNotTellIsAskedFor) {
  const NetworkNamespace::Entered inside(space_);
  auto goes = make("goes");
  const auto stays = make("stays");
  auto opened = Links::open();
  ASSERT_TRUE(opened) << opened.error().message;
  Links& links = **opened;
  shorten(links.fd());

  overflow("stays");
  goes.reset();
  const auto comes = make("comes");
  links.update();
  EXPECT_TRUE(links.exists("comes"));
  EXPECT_TRUE(links.exists("stays"));
  EXPECT_FALSE(links.exists("goes"));
  EXPECT_EQ(links.take_changed(), (std::set<std::string>{"comes", "goes", "lo", "stays"}));
  links.update();
  EXPECT_TRUE(links.take_changed().empty());
}

TEST_F(LinksTest, NothingIsMissedWhileLinksComeAndGo) {
  const NetworkNamespace::Entered inside(space_);
  auto opened = Links::open();
  ASSERT_TRUE(opened) << opened.error().message;
  Links& links = **opened;
  shorten(links.fd());
  std::vector<std::string> names;
  for (unsigned i = 0; i < 24; ++i) names.push_back("tap" + std::to_string(i));

  std::vector<std::unique_ptr<TapPort>> taps(names.size());
  std::atomic<bool> done{false};
  std::thread other([&] {
    for (unsigned round = 0; round < 200; ++round) {
      const unsigned i = round * 7 % taps.size();
      if (taps[i])
        taps[i].reset();
      else
        taps[i] = make(names[i]);
      for (unsigned mtu = 0; taps[i] && mtu < 4; ++mtu) (void)set_interface_mtu(names[i], 1000 + mtu);
    }
    done = true;
  });
  while (!done) links.update();
  other.join();
  for (const auto& name : names) EXPECT_EQ(links.exists(name), interface_exists(name)) << name;
}

}  // namespace
}  // namespace sluice::port
