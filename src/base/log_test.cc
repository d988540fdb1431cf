#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>

namespace sluice::log {
namespace {

std::int64_t g_now_ns = 0;
std::int64_t test_clock() {
  return g_now_ns;
}

/// 2026-11-22T10:36:13.209Z.
constexpr std::int64_t kStart = 1795343773'209'000'000;

class LogTest : public ::testing::Test {
 protected:
  LogTest() : path_(::testing::TempDir() + "sluice_log_test." + std::to_string(getpid())) {
    g_now_ns = kStart;
    log_.emplace("testd", test_clock);
  }
  ~LogTest() override { std::remove(path_.c_str()); }

  std::string contents() const {
    std::ifstream in(path_);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  std::string path_;
  std::optional<Log> log_;
};

TEST_F(LogTest, LinesAreNumberedStampedAndNamed) {
  const Logger bridge = log_->logger("bridge");
  ASSERT_TRUE(log_->open_file(path_));
  bridge.warn("port {} of {}", 3, "br0");
  g_now_ns += 1'000'000'000;
  bridge.info("done");
  EXPECT_EQ(contents(), "2026-11-22T10:36:13.209Z|00001|vlog|INFO|opened log file " + path_ +
                            "\n"
                            "2026-11-22T10:36:13.209Z|00002|bridge|WARN|port 3 of br0\n"
                            "2026-11-22T10:36:14.209Z|00003|bridge|INFO|done\n");
}

TEST_F(LogTest, LevelsAreByModuleAndDestination) {
  const Logger bridge = log_->logger("bridge"), ofproto = log_->logger("ofproto");
  EXPECT_FALSE(bridge.enabled(Level::Emer)) << "nothing is open";
  ASSERT_TRUE(log_->open_file(path_));
  EXPECT_TRUE(bridge.enabled(Level::Info));
  EXPECT_FALSE(bridge.enabled(Level::Dbg));

  ASSERT_TRUE(log_->set("bridge:file:dbg"));
  EXPECT_TRUE(bridge.enabled(Level::Dbg));
  EXPECT_FALSE(ofproto.enabled(Level::Dbg));
  ASSERT_TRUE(log_->set("ANY:file:Off"));
  EXPECT_FALSE(bridge.enabled(Level::Emer));
  ASSERT_TRUE(log_->set(""));
  EXPECT_TRUE(ofproto.enabled(Level::Dbg));
  EXPECT_TRUE(log_->logger("later").enabled(Level::Dbg)) << "modules that register later follow";
}

TEST_F(LogTest, TablesLookLikeOpenVSwitchs) {
  log_->logger("backtrace");
  log_->logger("dpif_lookup_autovalidator");
  ASSERT_TRUE(log_->set("backtrace,console,emer"));
  ASSERT_TRUE(log_->set_rate_limit("backtrace", false));
  EXPECT_EQ(log_->list(),
            "                 console    syslog    file\n"
            "                 -------    ------    ------\n"
            "backtrace         EMER       INFO       INFO    (rate limiting disabled)\n"
            "dpif_lookup_autovalidator   OFF       INFO       INFO\n");
  EXPECT_EQ(log_->list_patterns(),
            "         prefix                            format\n"
            "         ------                            ------\n"
            "SYSLOG   <%B> %D{%h %e %T} %E %A:          ovs|%05N|%c%T|%p|%m\n"
            "CONSOLE  none                              %D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m\n"
            "FILE     none                              %D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m\n");
}

TEST_F(LogTest, WrongSpecsAreExplained) {
  log_->logger("bridge");
  log_->logger("ofproto");
  EXPECT_EQ(log_->set("x:y:z").error().message, "no destination, level, or module \"x\"");
  EXPECT_EQ(log_->set("off emer").error().message, "cannot specify multiple levels");
  EXPECT_EQ(log_->set("bridge ofproto info").error().message, "cannot specify multiple modules");
  EXPECT_EQ(log_->set("file syslog info").error().message, "cannot specify multiple destinations");
  EXPECT_EQ(log_->set("PATTERN:x:y").error().message, "unknown destination \"x\"");
  for (const char* spec :
       {"FACILITY", "FACILITY:", "FACILITY:bogus", "FACILITY:local1:x", "FACILITY:local1 info"})
    EXPECT_EQ(log_->set(spec).error().message, "invalid facility") << spec;
  EXPECT_EQ(log_->set("file:facility:info").error().message, "no destination, level, or module \"facility\"");
  EXPECT_EQ(log_->set_rate_limit("x", true).error().message, "unknown module");
  EXPECT_EQ(log_->reopen_file().error().message, "Logging to file not configured");
  EXPECT_TRUE(log_->set("x:file:dbg", /*accept_unknown_modules=*/true));
  EXPECT_EQ(log_->open_file("/nonexistent/log").error().message,
            "cannot open log file /nonexistent/log: No such file or directory");
}

TEST_F(LogTest, PatternsExpand) {
  const Logger bridge = log_->logger("bridge");
  ASSERT_TRUE(log_->open_file(path_));
  ASSERT_TRUE(log_->set("PATTERN:file:%A [%-8c] [%8p] [%3N] %r %D{%H:%M:%S.####} %% %q%T %m%"));
  g_now_ns += 5'000'000;
  bridge.err("text");
  const std::string all = contents();
  EXPECT_EQ(all.substr(all.find('\n') + 1), "testd [bridge  ] [     ERR] [  2] 5 10:36:13.2140 % q text%\n");
}

TEST_F(LogTest, FacilitiesAreThoseOfRfc5424) {
  const Logger bridge = log_->logger("bridge");
  ASSERT_TRUE(log_->open_file(path_));
  ASSERT_TRUE(log_->set("PATTERN:file:%B"));
  for (const char* spec : {"FACILITY:local1", "facility kern", "Facility:CLOCK2"}) {
    ASSERT_TRUE(log_->set(spec)) << spec;
    bridge.err("text");
  }
  const std::string all = contents();  // 17, 0 and 15 times 8, and 3 for an error
  EXPECT_EQ(all.substr(all.find('\n') + 1), "139\n3\n123\n");
}

TEST_F(LogTest, ReopenContinuesInANewFile) {
  ASSERT_TRUE(log_->open_file(path_));
  std::remove(path_.c_str());
  ASSERT_TRUE(log_->reopen_file());
  EXPECT_EQ(contents(), "2026-11-22T10:36:13.209Z|00002|vlog|INFO|opened log file " + path_ + "\n");
  log_->close_file();
  EXPECT_FALSE(log_->logger("x").enabled(Level::Emer));
}

TEST_F(LogTest, RateLimitLetsABurstThroughThenSaysWhatItDropped) {
  const Logger bridge = log_->logger("bridge");
  ASSERT_TRUE(log_->open_file(path_));
  ASSERT_TRUE(log_->set("PATTERN:file:%m"));
  RateLimit limit(60, 2);  // one a second
  for (int i = 0; i < 5; ++i) bridge.limited(limit, Level::Warn, "n={}", i);
  g_now_ns += 3'000'000'000;
  bridge.limited(limit, Level::Warn, "n=5");
  ASSERT_TRUE(log_->set_rate_limit("", false));
  for (int i = 6; i < 9; ++i) bridge.limited(limit, Level::Warn, "n={}", i);
  const std::string all = contents();
  EXPECT_EQ(all.substr(all.find('\n') + 1),
            "n=0\nn=1\n"
            "Dropped 3 log messages in last 3 seconds (most recently, 3 seconds ago) due to excessive rate\n"
            "n=5\nn=6\nn=7\nn=8\n");
}

TEST(Logger, DefaultOneIsSilent) {
  const Logger logger;
  EXPECT_FALSE(logger.enabled(Level::Emer));
  logger.emer("nobody hears {}", 1);
}

}  // namespace
}  // namespace sluice::log
