// Timeout policies: each state of each protocol lives as long as the key of its name says, no other key has
// to do with it, and the defaults are those of Open vSwitch's userspace tracker (SCTP: proto/sctp_test.cc).
#include "conntrack/timeout.h"

#include <set>
#include <utility>
#include <vector>

#include "conntrack/tracker_fixture.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

class TimeoutTest : public TrackerFixture {
 protected:
  static Layers there(const Layers& rest, bool ipv6 = false) {
    if (ipv6) return Ip6{.src = "fd00::1", .dst = "fd00::2"} / rest;
    return Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / rest;
  }
  static Layers back(const Layers& rest, bool ipv6 = false) {
    if (ipv6) return Ip6{.src = "fd00::2", .dst = "fd00::1"} / rest;
    return Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / rest;
  }
  static Layers client(const char* flags, std::uint32_t seq, std::uint32_t ack) {
    return there(Tcp{.sport = 1000, .dport = 80, .flags = flags, .seq = seq, .ack = ack, .window = 60'000});
  }
  static Layers server(const char* flags, std::uint32_t seq, std::uint32_t ack) {
    return back(Tcp{.sport = 80, .dport = 1000, .flags = flags, .seq = seq, .ack = ack, .window = 60'000});
  }

  /// What a connection of these packets lives by, under a policy whose keys all differ.
  void expect(Timeout wanted, const std::vector<Layers>& packets) {
    TimeoutPolicy policy;
    for (unsigned i = 0; i < kTimeoutCount; ++i) policy.seconds[i] = 1000 + 10 * i;
    tracker_.flush(std::nullopt);
    tracker_.set_timeout_policy(0, policy);
    for (const Layers& packet : packets) EXPECT_EQ(commit(packet).find("inv"), std::string::npos);
    EXPECT_EQ(expires_in_seconds(), policy[wanted]) << timeout_name(wanted);
    // It holds: a second before it is there, a second after it is gone.
    advance(Duration::seconds(policy[wanted] - 1));
    EXPECT_EQ(connections().size(), 1u) << timeout_name(wanted);
    advance(Duration::seconds(2));
    EXPECT_EQ(connections().size(), 0u) << timeout_name(wanted);
    // A change of the policy holds at once for the connections that there are.
    for (const Layers& packet : packets) commit(packet);
    policy[wanted] = 77;
    tracker_.set_timeout_policy(0, policy);
    EXPECT_EQ(expires_in_seconds(), 77) << timeout_name(wanted);
  }
};

TEST_F(TimeoutTest, EachStateOfTcp) {
  std::vector<Layers> life;
  const auto then = [&](const Layers& packet, Timeout wanted) {
    life.push_back(packet);
    expect(wanted, life);
  };
  then(client("S", 100, 0), Timeout::TcpSynSent);
  then(server("SA", 500, 101), Timeout::TcpSynRecv);
  then(client("A", 101, 501), Timeout::TcpEstablished);
  const std::vector<Layers> open = life;
  then(client("FA", 101, 501), Timeout::TcpFinWait);
  then(server("A", 501, 102), Timeout::TcpFinWait);
  then(server("FA", 501, 102), Timeout::TcpTimeWait);
  then(client("A", 102, 502), Timeout::TcpClose);
  life = open;
  then(server("R", 501, 0), Timeout::TcpClose);
}

TEST_F(TimeoutTest, EachStateOfUdpAndOfWhatHasNoKeys) {
  const Layers ask = there(Udp{.sport = 1, .dport = 2}), answer = back(Udp{.sport = 2, .dport = 1});
  expect(Timeout::UdpFirst, {ask});
  expect(Timeout::UdpSingle, {ask, ask});
  expect(Timeout::UdpMultiple, {ask, answer});
  expect(Timeout::UdpMultiple, {ask, answer, ask});
  const auto esp = [](const char* from, const char* to) {
    return Ip4{.src = from, .dst = to, .proto = 50} / Payload{"12345678"};
  };
  expect(Timeout::UdpFirst, {esp("10.0.0.1", "10.0.0.2")});
  expect(Timeout::UdpMultiple, {esp("10.0.0.1", "10.0.0.2"), esp("10.0.0.2", "10.0.0.1")});
}

TEST_F(TimeoutTest, EachStateOfIcmp) {
  expect(Timeout::IcmpFirst, {there(Icmp4{.type = 8, .code = 0, .id = 7})});
  expect(Timeout::IcmpReply,
         {there(Icmp4{.type = 8, .code = 0, .id = 7}), back(Icmp4{.type = 0, .code = 0, .id = 7})});
  expect(Timeout::IcmpFirst, {there(Icmp6{.type = 128, .code = 0, .id = 7}, true)});
  expect(Timeout::IcmpReply, {there(Icmp6{.type = 128, .code = 0, .id = 7}, true),
                              back(Icmp6{.type = 129, .code = 0, .id = 7}, true)});
}

TEST_F(TimeoutTest, APolicyIsOfItsZoneOnly) {
  TimeoutPolicy policy;
  policy[Timeout::UdpFirst] = 5;
  tracker_.set_timeout_policy(3, policy);
  const Layers ask = there(Udp{.sport = 1, .dport = 2});
  track(ask, {.commit = true, .zone = 3});
  EXPECT_EQ(expires_in_seconds(), 5);
  tracker_.flush(3);
  track(ask, {.commit = true, .zone = 4});
  EXPECT_EQ(expires_in_seconds(), 60);
}

TEST(TimeoutPolicyTest, NamesAreThoseOfTheDatabaseAndDefaultsThoseOfOpenVSwitch) {
  const std::vector<std::pair<const char*, std::uint32_t>> expected = {
      {"tcp_syn_sent", 30},       {"tcp_syn_recv", 30},       {"tcp_established", 86400},
      {"tcp_fin_wait", 900},      {"tcp_time_wait", 45},      {"tcp_close", 30},
      {"udp_first", 60},          {"udp_single", 60},         {"udp_multiple", 30},
      {"icmp_first", 60},         {"icmp_reply", 30},         {"sctp_closed", 10},
      {"sctp_cookie_wait", 30},   {"sctp_cookie_echoed", 30}, {"sctp_established", 210},
      {"sctp_shutdown_sent", 30}, {"sctp_shutdown_recd", 30}, {"sctp_shutdown_ack_sent", 30},
      {"sctp_heartbeat_sent", 30}};
  ASSERT_EQ(expected.size(), kTimeoutCount);
  const TimeoutPolicy defaults;
  std::set<Timeout> found;
  for (const auto& [name, seconds] : expected) {
    const auto timeout = find_timeout(name);
    ASSERT_TRUE(timeout) << name;
    EXPECT_EQ(defaults[*timeout], seconds) << name;
    EXPECT_EQ(timeout_name(*timeout), name);
    found.insert(*timeout);
  }
  EXPECT_EQ(found.size(), kTimeoutCount);
  for (const std::string_view name : kKernelTimeouts) EXPECT_FALSE(find_timeout(name)) << name;
  EXPECT_FALSE(find_timeout("tcp"));
}

}  // namespace
}  // namespace sluice::conntrack
