#include "bridge/qos_agent.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "port/namespace_test_util.h"

namespace sluice::bridge {
namespace {

/// A program in the place of tc: keeps what it reads and does as a script says.
class QosAgentTest : public ::testing::Test {
 protected:
  QosAgentTest() {
    auto path = (std::filesystem::temp_directory_path() / "sluice-qos-XXXXXX").string();
    directory = ::mkdtemp(path.data());
    program = directory / "tc";
  }
  ~QosAgentTest() override { std::filesystem::remove_all(directory); }

  void script(const std::string& text) {
    std::ofstream(program) << "#!/bin/sh\ncat >> " << (directory / "read").string() << "\n" << text << "\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }
  std::string read() const {
    std::ifstream file(directory / "read");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::unique_ptr<QosAgent> agent(io::EventLoop* on) {
    return std::make_unique<QosAgent>(
        on,
        [this](const std::string& interface, const Status& status) {
          told.push_back(interface + ": " + (status ? "done" : status.error().message));
        },
        [this] { ++idles; }, program);
  }
  /// Until the agent has been idle so often.
  void wait(unsigned wanted) {
    for (int i = 0; i < 6000 && idles < wanted; ++i) loop.run_for(Duration::milliseconds(10));
    ASSERT_EQ(idles, wanted);
  }

  std::filesystem::path directory, program;
  io::EventLoop loop;
  std::vector<std::string> told;
  unsigned idles = 0;
};

TEST_F(QosAgentTest, OneTcForManyInterfaces) {
  script("exit 0");
  const auto qos = agent(&loop);
  qos->replace("a", "first\n");
  EXPECT_FALSE(qos->idle());
  qos->replace("b", "x\ny\n");
  qos->replace("c", "old\n");
  qos->replace("c", "");
  wait(1);
  EXPECT_EQ(told, (std::vector<std::string>{"a: done", "b: done", "c: done"}));
  EXPECT_EQ(read(), "qdisc del dev a root\nfirst\nqdisc del dev b root\nx\ny\nqdisc del dev c root\n");
}

TEST_F(QosAgentTest, WhatFailsIsTakenAway) {
  script(
      R"(echo "nothing there"; echo "Command failed -:1"; echo "no such kind"; echo "Command failed -:5")");
  const auto qos = agent(nullptr);
  qos->replace("a", "x\n");
  EXPECT_EQ(told, std::vector<std::string>{"a: done"}) << "there was nothing to take away";
  const auto threaded = agent(&loop);
  threaded->replace("first", "");  // of its own tc: the others wait for it together
  threaded->replace("b", "x\n");
  threaded->replace("c", "y\nz\n");
  told.clear();
  std::filesystem::remove(directory / "read");
  wait(2);
  EXPECT_EQ(told, (std::vector<std::string>{"first: done", "b: done", "c: no such kind"}));
  EXPECT_TRUE(read().ends_with("z\nqdisc del dev c root\n")) << read();
}

TEST_F(QosAgentTest, OneThatHangsIsEnded) {
  script("exec sleep 1000");
  const auto qos = agent(&loop);
  qos->set_patience(Duration::milliseconds(50));
  qos->replace("a", "x\n");
  wait(1);
  EXPECT_EQ(told, std::vector<std::string>{"a: tc took longer than 0 s"});
  // Nothing of those that were ended stays.
  for (int i = 0; i < 6000 && ::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT) == 0; ++i)
    loop.run_for(Duration::milliseconds(10));
  EXPECT_EQ(::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT), -1);
  qos->replace("b", "");
  qos->finish();
  EXPECT_TRUE(qos->idle());
}

TEST_F(QosAgentTest, WithoutTc) {
  const auto qos = agent(&loop);
  qos->replace("a", "x\n");
  EXPECT_TRUE(told.empty()) << "who asks is not told while he asks";
  wait(1);
  EXPECT_EQ(told, std::vector<std::string>{"a: cannot run " + program.string() +
                                           ": No such file or directory: it takes iproute2"});
}

TEST_F(QosAgentTest, ATcThatDoesNothing) {
  script(R"(echo "Cannot open rtnetlink"; exit 1)");
  const auto qos = agent(&loop);
  qos->replace("a", "x\n");
  wait(1);
  script("kill -9 $$");
  qos->replace("b", "x\n");
  wait(2);
  EXPECT_EQ(told, (std::vector<std::string>{"a: Cannot open rtnetlink", "b: tc ended with status 137"}));
}

TEST_F(QosAgentTest, CountersAreReadAFewTimesASecond) {
  const port::NetworkNamespace space("agent");
  if (!space.made()) GTEST_SKIP() << "needs root and network namespaces";
  const port::NetworkNamespace::Entered inside(space);
  space.ip("link add v0 up type veth peer name v1");
  program = "tc";
  const auto qos = agent(nullptr);
  const port::QosConfig config{.type = "linux-htb", .queues = {{5, {}}}};
  const std::string commands = *port::qos_commands("v0", config, 0);
  const Instant now{Duration::seconds(1).ns};
  EXPECT_TRUE(qos->queues("v0", now).empty());
  qos->replace("v0", commands);
  if (told.back() != "v0: done") GTEST_SKIP() << "needs htb";
  EXPECT_EQ(qos->queues("v0", now).size(), 2u) << "what is new is seen at once";
  EXPECT_EQ(std::system("tc qdisc del dev v0 root"), 0);
  EXPECT_EQ(qos->queues("v0", now + Duration::milliseconds(99)).size(), 2u);
  EXPECT_TRUE(qos->queues("v0", now + Duration::milliseconds(100)).empty());
}

TEST_F(QosAgentTest, WhatIsWantedMeanwhileCounts) {
  script("exit 0");
  const auto qos = agent(&loop);
  qos->replace("a", "old\n");
  qos->replace("a", "new\n");
  wait(1);
  EXPECT_EQ(told, std::vector<std::string>{"a: done"});
  EXPECT_EQ(read(), "qdisc del dev a root\nold\nqdisc del dev a root\nnew\n");
}

}  // namespace
}  // namespace sluice::bridge
