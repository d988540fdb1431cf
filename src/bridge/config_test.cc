#include "bridge/config.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"

namespace sluice::bridge {
namespace {

constexpr std::string_view kWhole = R"(
workers = 2
run_dir = "/run/x"
control = "/run/x/s.ctl"

[conntrack]
max_connections = 1000
default_zone_limit = 10
tcp_sequence_check = false
zone_limits = { 5 = 100, 65535 = 0 }
[conntrack.timeouts.5]
udp_first = 7
tcp_unack = 300
sctp_established = 600
[conntrack.zones.6]
liberal = true
loose = false
tcp_sequence_check = true
[conntrack.fragments]
ipv4 = false
ipv6 = true
memory_bytes = 4194304
max_fragments = 500
timeout_ipv4 = 5
timeout_ipv6 = 3600
min_ipv4 = 400
min_ipv6 = 1280

[[bridge]]
name = "br0"
local = "none"
fail_mode = "standalone"
flow_files = ["a.flows", "/abs/b.flows"]
flows = "table=0,actions=drop"
[bridge.table_limits]
0 = 10
254 = 20

[[bridge.port]]
name = "veth0"
[[bridge.port]]
name = "cap"
type = "pcap"
number = 7
options = { in = "x.pcap", loop = true, speed = 3 }

[[bridge]]
name = "br1"
)";

TEST(Config, ReadsEveryKey) {
  const auto config = parse_config(kWhole, "/etc/sluice/s.toml");
  ASSERT_TRUE(config) << config.error().message;

  SwitchConfig expected;
  expected.workers = 2;
  expected.run_dir = "/run/x";
  expected.control = "/run/x/s.ctl";
  expected.conntrack = {1000, 10, {{5, 100}, {65535, 0}}, false, {}, {}, {}};
  expected.conntrack.timeouts[5][conntrack::Timeout::UdpFirst] = 7;
  expected.conntrack.timeouts[5][conntrack::Timeout::SctpEstablished] = 600;
  expected.conntrack.strictness[6] = {
      .sequence_check = conntrack::Strictness::SequenceCheck::On, .liberal = true, .loose = false};
  expected.conntrack.fragments = {.ipv4 = false,
                                  .ipv6 = true,
                                  .memory_bytes = 4 << 20,
                                  .max_fragments = 500,
                                  .timeout_ipv4 = 5,
                                  .timeout_ipv6 = 3600,
                                  .min_ipv4 = 400,
                                  .min_ipv6 = 1280};
  BridgeConfig br0;
  br0.name = "br0";
  br0.local = LocalPort::None;
  br0.fail_mode = FailMode::Standalone;
  br0.flow_files = {"/etc/sluice/a.flows", "/abs/b.flows"};
  br0.flows = "table=0,actions=drop";
  br0.table_limits = {{0, 10}, {254, 20}};
  br0.ports = {{"veth0", "system", std::nullopt, {}},
               {"cap", "pcap", 7u, {{"in", "x.pcap"}, {"loop", "true"}, {"speed", "3"}}}};
  BridgeConfig br1;
  br1.name = "br1";
  expected.bridges = {br0, br1};
  EXPECT_EQ(*config, expected);
}

TEST(Config, OpenFlowConnections) {
  const auto config = parse_config(R"(
[ssl]
private_key = "key.pem"
certificate = "/abs/cert.pem"
ca_cert = "ca.pem"
bootstrap_ca_cert = true
[[bridge]]
name = "br0"
protocols = ["OpenFlow10", "OpenFlow14"]
datapath_id = "0x2a"
[[bridge.controller]]
target = "ssl:[::1]:6633"
max_backoff = 2000
inactivity_probe = 0
controller_rate_limit = 1000
controller_burst_limit = 50
controller_queue_size = 200
enable_async_messages = false
[[bridge.controller]]
target = "ptcp:6653"
)",
                                   "/etc/sluice/switch.toml");
  ASSERT_TRUE(config) << config.error().message;
  SwitchConfig expected;
  expected.ssl = {"/etc/sluice/key.pem", "/abs/cert.pem", "/etc/sluice/ca.pem", true};
  auto& bridge = expected.bridges.emplace_back();
  bridge.name = "br0";
  bridge.openflow_versions = 1u << 1 | 1u << 5;
  bridge.datapath_id = 42;
  bridge.controllers = {{.target = "ssl:[::1]:6633",
                         .max_backoff_ms = 2000,
                         .inactivity_probe_ms = 0,
                         .rate_limit = 1000,
                         .burst_limit = 50,
                         .queue_size = 200,
                         .async = false},
                        {.target = "ptcp:6653"}};
  EXPECT_EQ(*config, expected);
}

TEST(Config, EmptyDocumentIsTheDefault) {
  const auto config = parse_config("", "s.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(*config, SwitchConfig{});
}

struct BadConfig {
  const char* text;
  const char* error;
};

class ConfigErrors : public ::testing::TestWithParam<BadConfig> {};

TEST_P(ConfigErrors, NamePlaceAndExpectation) {
  const auto config = parse_config(GetParam().text, "s.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigErrors,
    ::testing::Values(
        BadConfig{"workers = 0", "s.toml:1:11: workers: expected a number from 1 to 64"},
        BadConfig{"\nworkers = \"two\"", "s.toml:2:11: workers: expected a number from 1 to 64"},
        BadConfig{"[conntrack]\nmax = 1",
                  "s.toml:2:1: unknown key \"max\" in [conntrack]: expected one of default_zone_limit, "
                  "fragments, max_connections, "
                  "tcp_sequence_check, timeouts, zone_limits, zones"},
        BadConfig{"[conntrack.fragments]\nmemory_bytes = 10",
                  "s.toml:2:16: conntrack.fragments.memory_bytes: expected a number from 1048576 to "
                  "17179869184"},
        BadConfig{"[conntrack]\nmax_connections = 4000000000",
                  "s.toml:2:19: conntrack.max_connections: expected a number from 1 to 1000000000"},
        BadConfig{"[conntrack.fragments]\ntimeout_ipv6 = 0",
                  "s.toml:2:16: conntrack.fragments.timeout_ipv6: expected a number from 1 to 3600"},
        BadConfig{"[conntrack.zone_limits]\n70000 = 1",
                  "s.toml:2:1: in [conntrack.zone_limits]: key \"70000\" is not a number from 0 to 65535"},
        BadConfig{"[conntrack.timeouts.x]",
                  "s.toml:1:21: conntrack.timeouts.x: expected a table for a zone from 0 to 65535, "
                  "[conntrack.timeouts.5]"},
        BadConfig{"[conntrack.timeouts.5]\nudp_first = 0",
                  "s.toml:2:13: conntrack.timeouts.5.udp_first: expected a number from 1 to 8640000"},
        BadConfig{"[ssl]\nprivate_key = \"a\"\ncertificate = \"b\"",
                  "s.toml:1:1: [ssl] needs private_key, certificate and ca_cert"},
        BadConfig{"[[bridge]]\nname = \"b\"\nprotocols = \"OpenFlow16\"",
                  "s.toml:3:13: unknown protocol \"OpenFlow16\": expected OpenFlow10 to OpenFlow15"},
        BadConfig{"[[bridge]]\nname = \"b\"\ndatapath_id = \"1\"",
                  "s.toml:3:15: datapath_id: expected 16 hexadecimal digits, or up to 16 behind 0x, not all "
                  "zero"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.controller]]\ntarget = \"tcp:\"",
                  "s.toml:3:1: \"tcp:\": expected HOST[:PORT], IPv6 addresses in square brackets"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.controller]]\ntarget = \"tcp:a\"\nmax_backoff = 999",
                  "s.toml:3:1: controller tcp:a: max_backoff is 999: expected at least 1000"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.controller]]\ntarget = \"tcp:a\"\n"
                  "[[bridge.controller]]\ntarget = \"tcp:a\"",
                  "s.toml: bridge b: controller tcp:a is configured twice"},
        BadConfig{"bridge = 3", "s.toml:1:10: bridge: expected tables, [[bridge]]"},
        BadConfig{"[[bridge]]\nlocal = \"none\"", "s.toml:1:1: [[bridge]] without a name"},
        BadConfig{"[[bridge]]\nname = \"b\"\nlocal = \"tap\"",
                  "s.toml:3:9: bridge.local: expected \"none\" or \"internal\" or \"dummy\""},
        BadConfig{"[[bridge]]\nname = \"b\"\nflow_files = [1]",
                  "s.toml:3:15: bridge.flow_files: expected an array of strings"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.port]]\nname = \"p\"\ntype = \"patch\"",
                  "s.toml: bridge b: port p: type patch needs the option peer, the name of its other end"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.port]]\nname = \"p\"\ntype = \"vhost\"",
                  "s.toml:5:8: port p: unknown type \"vhost\": expected system, internal, tap, patch, pcap "
                  "or dummy"},
        BadConfig{"[[bridge]]\nname = \"b\"\n[[bridge.port]]\nname = \"b\"",
                  "s.toml: the name \"b\" is used twice: bridges and ports need names of their own"},
        BadConfig{"[[bridge]]\nname = \"b\"\nport = [{name = \"p\", number = 1}, {name = \"q\", number = 1}]",
                  "s.toml: bridge b: port q: OpenFlow port 1 is taken by another port of the bridge"},
        BadConfig{"[[bridge]]\nname = \"a-name-of-16-chr\"",
                  "s.toml: bridge name \"a-name-of-16-chr\" is longer than 15 characters"},
        BadConfig{"[[bridge]]\nname = \"a b\"",
                  "s.toml: bridge name \"a b\" holds a blank, a slash, a quote or a control character"}));

TEST(Config, SyntaxErrorHasItsPlace) {
  const auto config = parse_config("workers = 1\nrun_dir = \n", "s.toml");
  ASSERT_FALSE(config);
  EXPECT_TRUE(config.error().message.starts_with("s.toml:2:")) << config.error().message;
}

TEST(Config, MissingFileIsOneSentence) {
  const auto config = load_config("/no/such/file.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, "/no/such/file.toml: No such file or directory");
}

// Whatever is done to a valid document, the reader answers with a value or with one line that names the file.
TEST(Config, MutationsNeverCrash) {
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text(kWhole);
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      const std::size_t at = rng.below(text.size());
      switch (rng.below(3)) {
        case 0:
          text[at] = static_cast<char>(rng.next());
          break;
        case 1:
          text.erase(at, 1 + rng.below(8));
          break;
        default:
          text.insert(at, text.substr(rng.below(text.size()), rng.below(12)));
      }
    }
    const auto config = parse_config(text, "s.toml");
    if (!config) {
      EXPECT_TRUE(config.error().message.starts_with("s.toml:")) << config.error().message;
      EXPECT_EQ(config.error().message.find('\n'), std::string::npos) << config.error().message;
    }
  }
}

}  // namespace
}  // namespace sluice::bridge
