#include "port/qos.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "port/namespace_test_util.h"

namespace sluice::port {
namespace {

TEST(Qos, ClassesOfHtb) {
  QosConfig config{.type = "linux-htb", .options = {{"max-rate", "20000000"}}};
  config.queues[5] = {.min_rate = 1'000'000, .max_rate = 2'000'000, .burst = 80'001, .priority = 7};
  config.queues[9] = {.min_rate = 1, .max_rate = 90'000'000};
  config.queues[kMaxQueues] = {};
  EXPECT_EQ(
      *qos_commands("v0", config, 0),
      "qdisc add dev v0 root handle 1: htb default 1\n"
      "class add dev v0 parent 1: classid 1:fffe htb rate 20000000bit ceil 20000000bit\n"
      "class add dev v0 parent 1:fffe classid 1:1 htb rate 12000bit ceil 20000000bit\n"
      "class add dev v0 parent 1:fffe classid 1:6 htb rate 1000000bit ceil 2000000bit burst 10001b cburst "
      "10001b prio 7\n"
      "class add dev v0 parent 1:fffe classid 1:a htb rate 12000bit ceil 20000000bit\n");
  EXPECT_EQ(qos_max_rate({}, 1'000'000), 1'000'000u);
  EXPECT_EQ(qos_max_rate({}, 0), 10'000'000'000u);
  EXPECT_EQ(qos_max_rate({.type = "", .options = {{"max-rate", "nonsense"}}}, 5'000'000), 5'000'000u);
}

TEST(Qos, OtherDisciplines) {
  const auto commands = [](const std::string& type, std::map<std::string, std::string> options) {
    const auto text = qos_commands("v0", {.type = type, .options = std::move(options)}, 0);
    return text ? *text : "error: " + text.error().message;
  };
  EXPECT_EQ(commands("linux-hfsc", {{"max-rate", "1000000"}}),
            "qdisc add dev v0 root handle 1: hfsc default 1\n"
            "class add dev v0 parent 1: classid 1:fffe hfsc sc rate 1000000bit ul rate 1000000bit\n"
            "class add dev v0 parent 1:fffe classid 1:1 hfsc sc rate 12000bit ul rate 1000000bit\n");
  EXPECT_EQ(commands("linux-sfq", {{"perturb", "10"}}), "qdisc add dev v0 root sfq perturb 10\n");
  EXPECT_EQ(commands("linux-codel", {{"target", "5000"}, {"bogus", "1"}}),
            "qdisc add dev v0 root codel target 5000us\n");
  EXPECT_EQ(commands("linux-fq_codel", {{"flows", "64"}}), "qdisc add dev v0 root fq_codel flows 64\n");
  EXPECT_EQ(commands("linux-netem", {{"latency", "300"}, {"loss", "2"}}),
            "qdisc add dev v0 root netem delay 300us loss 2%\n");
  EXPECT_EQ(commands("linux-noop", {}), "");
  EXPECT_EQ(commands("egress-policer", {}),
            "error: QoS type egress-policer is not supported: it is one of DPDK's");
  EXPECT_EQ(commands("bogus", {}), "error: QoS type \"bogus\" is unknown");
}

TEST(Qos, WhatTcComplainsOf) {
  const auto complaints = parse_complaints(
      "Error: Cannot delete qdisc with handle of zero.\nCommand failed -:1\n"
      "What is \"bogus\"?\nUsage: ... qdisc add ... htb [default N] [r2q N]\n\nTC HTB version 3.3\n"
      "Command failed -:5\nCommand failed -:7\nleft over\n");
  EXPECT_EQ(complaints,
            (std::map<unsigned, std::string>{{1, "Error: Cannot delete qdisc with handle of zero."},
                                             {5, "What is \"bogus\"?"},
                                             {7, "tc does not say why"}}));
  EXPECT_TRUE(parse_complaints("").empty());
  EXPECT_EQ(remove_command("v0"), "qdisc del dev v0 root\n");
}

TEST(Qos, PrioritiesOfPackets) {
  EXPECT_EQ(priority_of_queue(0), 0u);
  EXPECT_EQ(priority_of_queue(5), 0x10006u);
  EXPECT_EQ(priority_of_queue(0x20001), 0x20001u) << "one that a flow has set for somebody else";
}

TEST(Qos, WhatTheKernelSays) {
  const NetworkNamespace space("qos");
  if (!space.made()) GTEST_SKIP() << "needs root and network namespaces";
  space.ip("link add v0 up type veth peer name v1");
  const NetworkNamespace::Entered inside(space);
  EXPECT_FALSE(has_discipline("v0")) << "the kernel's own does not count";
  EXPECT_TRUE(read_queues("v0")->empty());
  EXPECT_FALSE(has_discipline("nobody"));
  EXPECT_FALSE(read_queues("nobody"));
  const QosConfig config{.type = "linux-htb", .options = {{"max-rate", "20000000"}}, .queues = {{5, {}}}};
  const auto commands = qos_commands("v0", config, 0);
  if (std::system(("printf '" + *commands + "' | tc -batch -").c_str()) != 0) GTEST_SKIP() << "needs htb";
  EXPECT_TRUE(has_discipline("v0"));
  EXPECT_EQ(*read_queues("v0"), (std::vector<QueueState>{{.number = 0}, {.number = 5}}))
      << "not the class that they share";
  EXPECT_FALSE(has_discipline("v1"));
  EXPECT_EQ(std::system(("printf '" + remove_command("v0") + "' | tc -batch -").c_str()), 0);
  EXPECT_FALSE(has_discipline("v0"));
}

}  // namespace
}  // namespace sluice::port
