#include "port/links.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice::port
