#include "daemon/vswitchd_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VswitchdOptions : public ::testing::Test {
 protected:
  VswitchdOptions() {
    ::unsetenv("SLUICE_RUNDIR");
    ::setenv("OVS_RUNDIR", "/run/here", 1);
    ::setenv("OVS_LOGDIR", "/log/here", 1);
    ::setenv("OVS_SYSLOG_METHOD", "null", 1);
  }
  static std::variant<Options, Finished> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "ovs-vswitchd");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_vswitchd_options("ovs-vswitchd", static_cast<int>(words.size()), argv.data());
  }
  static Options options(std::vector<std::string> words) {
    auto parsed = parse(std::move(words));
    if (const auto* finished = std::get_if<Finished>(&parsed)) {
      ADD_FAILURE() << finished->err;
      return {};
    }
    return std::get<Options>(std::move(parsed));
  }
  static Finished finished(std::vector<std::string> words) {
    auto parsed = parse(std::move(words));
    EXPECT_TRUE(std::holds_alternative<Finished>(parsed));
    return std::holds_alternative<Finished>(parsed) ? std::get<Finished>(parsed) : Finished{};
  }
};

TEST_F(VswitchdOptions, DefaultsAreThoseOfTheProgram) {
  const auto o = options({});
  EXPECT_EQ(o.run_dir, "/run/here");
  EXPECT_EQ(o.database->remote.path, "/run/here/db.sock");
  EXPECT_EQ(o.pidfile, "");
  EXPECT_EQ(o.log_file, "");
  EXPECT_FALSE(o.syslog);
  EXPECT_FALSE(o.process.detach || o.process.monitor || o.process.keep_directory);
}

TEST_F(VswitchdOptions, FilesAreInTheirDirectories) {
  const auto o = options({"--pidfile", "--log-file", "--unixctl=ctl", "--detach", "--monitor", "--no-chdir",
                          "-vwarn", "--verbose=bridge:file:dbg", "-v", "tcp:[::1]:7000"});
  EXPECT_EQ(o.pidfile, "/run/here/ovs-vswitchd.pid");
  EXPECT_EQ(o.log_file, "/log/here/ovs-vswitchd.log");
  EXPECT_EQ(o.config.control, "/run/here/ctl");
  EXPECT_TRUE(o.process.detach && o.process.monitor && o.process.keep_directory);
  EXPECT_THAT(o.verbosity, ElementsAre("warn", "bridge:file:dbg", ""));
  EXPECT_EQ(o.database->remote.host, "::1");
  EXPECT_EQ(o.database->remote.port, 7000);
  EXPECT_EQ(options({"--pidfile=/x/y", "--log-file=/a/b"}).pidfile, "/x/y");
}

TEST_F(VswitchdOptions, RoutesOfTheSystemAreTakenUnlessRefused) {
  EXPECT_TRUE(options({"--disable-system"}).database->system_routes);
  EXPECT_FALSE(options({"--disable-system-route"}).database->system_routes);
}

TEST_F(VswitchdOptions, WrongUsageIsOneSentence) {
  EXPECT_EQ(finished({"--frobnicate"}).status, 1);
  EXPECT_THAT(finished({"--frobnicate"}).err, HasSubstr("unrecognized option '--frobnicate'"));
  EXPECT_THAT(finished({"--unixctl"}).err, HasSubstr("option '--unixctl' requires an argument"));
  EXPECT_THAT(finished({"--user=me"}).err, HasSubstr("--user is not supported"));
  EXPECT_THAT(finished({"--workers=0"}).err, HasSubstr("expected a number from 1 to"));
  EXPECT_THAT(finished({"unix:a", "unix:b"}).err, HasSubstr("only non-option argument"));
  EXPECT_THAT(finished({"ptcp:6640"}).err, HasSubstr("expected tcp:, ssl: or unix:"));
  EXPECT_EQ(finished({"--version"}).out.substr(0, 13), "ovs-vswitchd ");
  EXPECT_NE(finished({"--version"}).out.find("Open vSwitch) "), std::string::npos) << "ovs-ctl looks for it";
  EXPECT_THAT(finished({"--help"}).out, HasSubstr("unix:/run/here/db.sock"));
}

TEST(IsVswitchd, ByNameOrByADatabase) {
  const auto is = [](const char* program, std::vector<const char*> words) {
    words.insert(words.begin(), program);
    return is_vswitchd(program, static_cast<int>(words.size()), words.data());
  };
  EXPECT_TRUE(is("ovs-vswitchd", {}));
  EXPECT_FALSE(is("sluiced", {}));
  EXPECT_TRUE(is("sluiced", {"--detach", "unix:/run/db.sock"}));
  EXPECT_FALSE(is("sluiced", {"--bridge", "br0", "--controller", "tcp:127.0.0.1"}));
}

}  // namespace
}  // namespace sluice::daemon
