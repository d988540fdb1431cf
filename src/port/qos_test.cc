#include "port/qos.h"

#include <gtest/gtest.h>

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

TEST(Qos, WhatTcPrints) {
  const auto queues =
      parse_queues(R"(class htb 1:1 parent 1:fffe prio 0 rate 12Kbit ceil 10Mbit burst 1563b cburst 1563b 
 Sent 86 bytes 1 pkt (dropped 3, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
 lended: 1 borrowed: 0 giants: 0
 tokens: 15395832 ctokens: 18475

class htb 1:fffe root rate 20Mbit ceil 20Mbit burst 1500b cburst 1500b 
 Sent 100 bytes 2 pkt (dropped 0, overlimits 0 requeues 0) 
class htb 1:6 parent 1:fffe prio 7 rate 1Mbit ceil 2Mbit burst 10000b cburst 10000b 
 Sent 14 bytes 1 pkt (dropped 0, overlimits 0 requeues 0) 
class fq_codel 8001:1 parent 8001: 
 Sent 9 bytes 9 pkt (dropped 9, overlimits 0 requeues 0) 
)");
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0], (QueueState{.number = 0, .tx_packets = 1, .tx_bytes = 86, .tx_errors = 3}));
  EXPECT_EQ(queues[1], (QueueState{.number = 5, .tx_packets = 1, .tx_bytes = 14, .tx_errors = 0}));
  EXPECT_TRUE(parse_queues("").empty());
  EXPECT_TRUE(parse_queues("class htb\n Sent\nclass htb 1:zz\n").empty());
}

TEST(Qos, PrioritiesOfPackets) {
  EXPECT_EQ(priority_of_queue(0), 0u);
  EXPECT_EQ(priority_of_queue(5), 0x10006u);
  EXPECT_EQ(priority_of_queue(0x20001), 0x20001u) << "one that a flow has set for somebody else";
}

}  // namespace
}  // namespace sluice::port
