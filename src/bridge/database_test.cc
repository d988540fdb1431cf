// Rows of a database to a configuration, and what is written back, with the installed schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bridge/database_config.h"
#include "bridge/database_status.h"
#include "ovsdb/replica_fixture.h"
#include "port/dummy/dummy_port.h"

namespace sluice::bridge {
namespace {

using ovsdb::Json;
using ovsdb::test_row_id;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto schema = ovsdb::installed_schema(database_columns());
    if (!schema) GTEST_SKIP() << ovsdb::kInstalledSchema << " is not installed";
    schema_ = std::move(*schema);
    environment_.dummy = true;
    environment_.interface_exists = [this](const std::string& name) { return existing_.contains(name); };
  }
  void load(const std::string& rows) { ASSERT_EQ(ovsdb::load_rows(replica_, schema_, rows), ""); }
  DatabaseConfig read() { return read_database(replica_, environment_); }
  /// A bridge br0 with one port per entry: the columns of its Port and of its Interface, beside names.
  void load_ports(const std::vector<std::array<std::string, 3>>& ports,
                  const std::string& bridge_columns = "", const std::string& more = "") {
    std::string references, port_rows, interface_rows;
    for (unsigned i = 0; i < ports.size(); ++i) {
      const auto comma = i == 0 ? "" : ",";
      const auto& [name, port, interface] = ports[i];
      references += fmt::format("{}\"@{}\"", comma, 10 + i);
      port_rows += fmt::format(R"({}"#{}": {{"name": "{}", "interfaces": "@{}"{}{}}})", comma, 10 + i, name,
                               100 + i, port.empty() ? "" : ",", port);
      interface_rows += fmt::format(R"({}"#{}": {{"name": "{}"{}{}}})", comma, 100 + i, name,
                                    interface.empty() ? "" : ",", interface);
    }
    load(fmt::format(R"("Open_vSwitch": {{"#1": {{"bridges": "@2", "next_cfg": 7 {}}}}},
                        "Bridge": {{"#2": {{"name": "br0", "ports": ["set", [{}]]{}{}}}}},
                        "Port": {{{}}}, "Interface": {{{}}})",
                     more, references, bridge_columns.empty() ? "" : ",", bridge_columns, port_rows,
                     interface_rows));
  }
  std::string refusal(unsigned interface) {
    const auto config = read();
    const auto found = config.refused.find(test_row_id(interface));
    return found == config.refused.end() ? "" : found->second;
  }

  ovsdb::Schema schema_;
  ovsdb::Replica replica_;
  std::set<std::string> existing_;
  DatabaseEnvironment environment_;
};

TEST_F(DatabaseTest, AnEmptyDatabaseIsASwitchWithoutBridges) {
  environment_.base.workers = 3;
  EXPECT_EQ(read().config, environment_.base);
  load(R"("Open_vSwitch": {"#1": {}})");
  EXPECT_EQ(read().config, environment_.base);
}

TEST_F(DatabaseTest, RowsAreBridgesAndPorts) {
  existing_ = {"eth1"};
  load_ports({{"br0", R"("tag": 5)", R"("type": "internal", "mtu_request": 1400)"},
              {"eth1", R"("vlan_mode": "native-tagged", "tag": 3, "trunks": ["set", [10, 11]])",
               R"("ofport_request": 4, "mtu_request": 9000, "ofport": 6)"},
              {"in1", "", R"("type": "internal", "mac": "02:00:00:00:00:01")"},
              {"d1", "", R"("type": "dummy")"}},
             R"("fail_mode": "secure", "other_config": ["map", [["datapath-id", "00000000000000ff"]]])");
  const auto result = read();
  EXPECT_THAT(result.refused, IsEmpty());
  EXPECT_THAT(result.warnings, IsEmpty());
  ASSERT_EQ(result.config.bridges.size(), 1u);
  const auto& br0 = result.config.bridges[0];
  EXPECT_EQ(br0.name, "br0");
  EXPECT_EQ(br0.fail_mode, FailMode::Secure);
  EXPECT_EQ(br0.datapath_id, 0xffu);
  EXPECT_FALSE(br0.local_up);
  EXPECT_EQ(br0.local_mtu, 1400u);
  EXPECT_EQ(br0.local_vlan, (l2::VlanConfig{.mode = l2::VlanMode::Access, .tag = 5}));
  EXPECT_EQ(br0.fallback_mac, *net::parse_mac("02:84:0e:55:d4:41")) << "of the row's id";
  ASSERT_EQ(br0.ports.size(), 3u) << "by name, without LOCAL";
  EXPECT_EQ(br0.ports[0].name, "d1");
  EXPECT_EQ(br0.ports[0].type, "dummy");
  const auto& eth1 = br0.ports[1];
  EXPECT_EQ(eth1.type, "system");
  EXPECT_EQ(eth1.number_wish, 4u);
  EXPECT_EQ(eth1.number_before, 6u);
  EXPECT_EQ(eth1.mtu, 9000u);
  EXPECT_EQ(eth1.vlan.mode, l2::VlanMode::NativeTagged);
  EXPECT_EQ(eth1.vlan.tag, 3);
  EXPECT_EQ(eth1.vlan.trunks.count(), 3u) << "10, 11 and the native one";
  EXPECT_EQ(br0.ports[2].mac, *net::parse_mac("02:00:00:00:00:01"));
  EXPECT_TRUE(check_config(result.config));
}

TEST_F(DatabaseTest, WhatCannotBeHadIsRefusedWithAReason) {
  load_ports({{"a", "", R"("type": "")"},
              {"b", "", R"("type": "strange")"},
              {"c", "", R"("type": "patch")"},
              {"d", "", R"("type": "patch", "options": ["map", [["peer", "d"]]])"},
              {"e", "", R"("type": "vxlan")"},
              {"f", "", R"("type": "geneve", "options": ["map", [["remote_ip", "flow"]]])"},
              {"g", R"("vlan_mode": "dot1q-tunnel")", R"("type": "internal")"},
              {"a/b", "", R"("type": "internal")"},
              {"name-much-too-long", "", R"("type": "tap")"},
              {"fine", "", R"("type": "internal")"}});
  EXPECT_EQ(refusal(100), "could not open network device a (No such device)");
  EXPECT_EQ(refusal(101), "could not open network device b (Address family not supported by protocol)");
  EXPECT_EQ(refusal(102), "c: patch type requires valid 'peer' argument");
  EXPECT_EQ(refusal(103), "d: patch peer must not be self");
  EXPECT_EQ(refusal(104), "e: vxlan type requires valid 'remote_ip' argument");
  EXPECT_THAT(refusal(105), HasSubstr("tunnels, here of type geneve, are not supported yet"));
  EXPECT_EQ(refusal(106), "");
  EXPECT_THAT(refusal(107), HasSubstr("the name holds a blank, a slash"));
  EXPECT_THAT(refusal(108), HasSubstr("the name is longer than 15 characters"));
  EXPECT_EQ(refusal(109), "");
  EXPECT_TRUE(check_config(read().config));
  EXPECT_EQ(read().config.bridges[0].ports.size(), 2u);
}

TEST_F(DatabaseTest, HowABridgeSwitches) {
  load(R"("Open_vSwitch": {"#1": {"bridges": "@2"}},
          "Bridge": {"#2": {"name": "br0", "ports": ["set", ["@10", "@11", "@12"]], "flood_vlans": ["set", [5, 6]],
                            "mirrors": ["set", ["@5", "@6"]], "stp_enable": true,
                            "other_config": ["map", [["mac-aging-time", "5"], ["mac-table-size", "100"],
                                                     ["forward-bpdu", "true"], ["stp-priority", "4096"],
                                                     ["stp-hello-time", "99"]]]}},
          "Mirror": {"#5": {"name": "m", "select_src_port": ["set", ["@10"]], "select_dst_port": ["set", ["@11"]],
                            "select_vlan": 7, "output_port": "@12", "snaplen": 96},
                     "#6": {"name": "nowhere", "select_all": true}},
          "Port": {"#10": {"name": "p", "interfaces": "@100", "vlan_mode": "dot1q-tunnel", "tag": 9, "cvlans": 8,
                           "protected": true,
                           "other_config": ["map", [["qinq-ethtype", "802.1q"], ["stp-path-cost", "7"]]]},
                   "#11": {"name": "bond0", "interfaces": ["set", ["@101", "@102"]], "bond_mode": "balance-tcp",
                           "lacp": "passive", "bond_updelay": 250,
                           "other_config": ["map", [["lacp-time", "fast"], ["bond-rebalance-interval", "1"],
                                                    ["lacp-system-id", "02:00:00:00:00:09"]]]},
                   "#12": {"name": "q", "interfaces": "@103"}},
          "Interface": {"#100": {"name": "p", "type": "dummy", "ingress_policing_rate": 1000},
                        "#101": {"name": "b1", "type": "dummy", "other_config": ["map", [["lacp-port-id", "77"]]]},
                        "#102": {"name": "b2", "type": "dummy"},
                        "#103": {"name": "q", "type": "dummy"}})");
  const auto result = read();
  const auto& br0 = result.config.bridges.at(0);
  EXPECT_EQ(br0.flood_vlans.count(), 2u);
  EXPECT_TRUE(br0.forward_bpdu);
  EXPECT_EQ(br0.macs, (l2::MacTable::Config{.ageing = Duration::seconds(15), .max_entries = 100}))
      << "15 seconds are the least";
  ASSERT_EQ(br0.mirrors.size(), 1u);
  EXPECT_THAT(result.warnings, ElementsAre("bridge br0: mirror nowhere does not specify output; ignoring"));
  EXPECT_THAT(br0.mirrors[0].sources, ElementsAre("p"));
  EXPECT_THAT(br0.mirrors[0].destinations, ElementsAre("bond0"));
  EXPECT_EQ(br0.mirrors[0].output, "q");
  EXPECT_EQ(br0.mirrors[0].snaplen, 96);
  EXPECT_TRUE(br0.mirrors[0].vlans.count() == 1 && br0.mirrors[0].vlans[7]);
  ASSERT_TRUE(br0.stp);
  EXPECT_EQ(br0.stp->priority, 4096);
  EXPECT_EQ(br0.stp->hello, Duration::seconds(10));
  ASSERT_EQ(br0.ports.size(), 4u);
  const auto& b1 = br0.ports[0];
  EXPECT_EQ(b1.name + b1.bond, "b1bond0");
  EXPECT_TRUE(b1.speaks_lacp);
  EXPECT_EQ(b1.lacp_number, 77);
  const auto& p = br0.ports[2];
  EXPECT_EQ(p.vlan.mode, l2::VlanMode::Tunnel);
  EXPECT_EQ(p.vlan.tunnel_type, 0x8100);
  EXPECT_TRUE(p.vlan.customers[8] && p.vlan.carries(9, 8) && !p.vlan.carries(9, 7));
  EXPECT_TRUE(p.is_protected);
  EXPECT_EQ(p.policing.kbps, 1000u);
  EXPECT_EQ(p.tree.cost, 7u);
  ASSERT_EQ(br0.bonds.size(), 1u);
  EXPECT_EQ(br0.bonds[0].settings.mode, l2::BondMode::BalanceTcp);
  EXPECT_EQ(br0.bonds[0].settings.up_delay, Duration::milliseconds(250));
  EXPECT_EQ(br0.bonds[0].settings.rebalance, Duration::seconds(1)) << "the least";
  ASSERT_TRUE(br0.bonds[0].lacp);
  EXPECT_FALSE(br0.bonds[0].lacp->active);
  EXPECT_TRUE(br0.bonds[0].lacp->fast);
  EXPECT_EQ(br0.bonds[0].lacp->system, *net::parse_mac("02:00:00:00:00:09"));
  EXPECT_TRUE(check_config(result.config));
}

TEST_F(DatabaseTest, MulticastRapidSpanningTreeAndQueues) {
  load(R"("Open_vSwitch": {"#1": {"bridges": "@2"}},
          "Bridge": {"#2": {"name": "br0", "ports": ["set", ["@10"]], "mcast_snooping_enable": true,
                            "rstp_enable": true, "stp_enable": true,
                            "other_config": ["map", [["mcast-snooping-aging-time", "5"],
                                                     ["mcast-snooping-table-size", "7"],
                                                     ["mcast-snooping-disable-flood-unregistered", "true"],
                                                     ["rstp-priority", "8193"], ["rstp-max-age", "41"],
                                                     ["rstp-forward-delay", "4"],
                                                     ["rstp-force-protocol-version", "0"],
                                                     ["rstp-address", "50:54:00:00:00:01"]]]}},
          "Port": {"#10": {"name": "p", "interfaces": "@100", "qos": "@20",
                           "other_config": ["map", [["mcast-snooping-flood-reports", "true"], ["stp-enable", "false"],
                                                    ["rstp-port-num", "300"], ["rstp-port-priority", "241"],
                                                    ["rstp-port-auto-edge", "false"]]]}},
          "QoS": {"#20": {"type": "linux-htb", "queues": ["map", [[0, "@30"], [7, "@31"], [61440, "@31"]]],
                          "other_config": ["map", [["max-rate", "5000000"]]]}},
          "Queue": {"#30": {}, "#31": {"dscp": 5, "other_config": ["map", [["min-rate", "9"], ["burst", "x"],
                                                                           ["priority", "3"]]]}},
          "Interface": {"#100": {"name": "p", "type": "dummy"}})");
  const auto result = read();
  const auto& br0 = result.config.bridges.at(0);
  ASSERT_TRUE(br0.multicast);
  EXPECT_EQ(br0.multicast->table,
            (l2::MulticastTable::Config{.ageing = Duration::seconds(15), .max_groups = 10}))
      << "the least of each";
  EXPECT_FALSE(br0.multicast->forwarding.floods_unregistered);
  EXPECT_FALSE(br0.stp) << "one of them";
  ASSERT_TRUE(br0.rstp);
  EXPECT_EQ(*br0.rstp, (l2::RstpSettings{.priority = 8192,
                                         .system = *net::parse_mac("50:54:00:00:00:01"),
                                         .forward_delay = 4,
                                         .stp_only = true}));
  const auto& p = br0.ports.at(0);
  EXPECT_TRUE(p.wants_reports && !p.wants_multicast);
  EXPECT_EQ(p.tree, (TreePortConfig{.number = 300, .auto_edge = false}));
  ASSERT_TRUE(p.qos);
  EXPECT_EQ(*p.qos, (port::QosConfig{.type = "linux-htb",
                                     .options = {{"max-rate", "5000000"}},
                                     .queues = {{0, {}}, {7, {.min_rate = 9, .priority = 3}}}}));
  EXPECT_EQ(p.queue_dscp, (std::map<std::uint32_t, std::uint8_t>{{7, 5}, {61440, 5}}));
  EXPECT_THAT(result.warnings, IsEmpty());
}

/// Options that no other test here sets.
TEST_F(DatabaseTest, FurtherOptionsAreRead) {
  load(R"("Open_vSwitch": {"#1": {"bridges": "@2", "datapaths": ["map", [["netdev", "@40"]]]}},
          "Bridge": {"#2": {"name": "br0", "ports": ["set", ["@10", "@11"]], "rstp_enable": true, "mirrors": "@5",
                            "controller": ["set", ["@50", "@51"]],
                            "other_config": ["map", [["dp-desc", "rack 7"], ["dp-sn", "4711"],
                                                     ["rstp-transmit-hold-count", "2"]]]}},
          "Mirror": {"#5": {"name": "m", "select_all": true, "output_vlan": 99}},
          "Port": {"#10": {"name": "bond0", "interfaces": ["set", ["@100", "@101"]], "lacp": "active",
                           "bond_downdelay": 50,
                           "other_config": ["map", [["bond-hash-basis", "3"], ["bond-primary", "b1"],
                                                    ["all-members-active", "true"], ["lacp-fallback-ab", "true"],
                                                    ["lacp-system-priority", "12"]]]},
                   "#11": {"name": "p", "interfaces": "@102",
                           "other_config": ["map", [["rstp-path-cost", "55"], ["rstp-port-admin-edge", "true"],
                                                    ["rstp-port-mcheck", "true"], ["rstp-enable", "false"],
                                                    ["mcast-snooping-flood", "true"], ["priority-tags", "always"]]]}},
          "Controller": {"#50": {"target": "ptcp:6653", "type": "primary", "controller_rate_limit": 200,
                                 "controller_burst_limit": 40, "controller_queue_size": 9},
                         "#51": {"target": "tcp:127.0.0.1:6653", "type": "service"}},
          "Interface": {"#100": {"name": "b0", "type": "dummy",
                                 "other_config": ["map", [["lacp-port-priority", "8"],
                                                          ["lacp-aggregation-key", "15"]]]},
                        "#101": {"name": "b1", "type": "dummy"},
                        "#102": {"name": "p", "type": "dummy", "ingress_policing_burst": 1,
                                 "ingress_policing_kpkts_rate": 2, "ingress_policing_kpkts_burst": 3}},
          "Datapath": {"#40": {"ct_zones": ["map", [[4, "@41"]]]}},
          "CT_Zone": {"#41": {"timeout_policy": "@42"}},
          "CT_Timeout_Policy": {"#42": {"timeouts": ["map", [["tcp_syn_sent", 17], ["udp_first", 18]]]}})");
  const auto result = read();
  EXPECT_THAT(result.warnings, IsEmpty());
  const auto& br0 = result.config.bridges.at(0);
  EXPECT_EQ(br0.description, "rack 7");
  EXPECT_EQ(br0.serial_number, "4711");
  EXPECT_EQ(br0.rstp->transmit_hold_count, 2u);
  EXPECT_TRUE(br0.mirrors.at(0).all_ports && br0.mirrors[0].output_vlan == 99);
  const auto& bond = br0.bonds.at(0);
  EXPECT_EQ(bond.settings.down_delay, Duration::milliseconds(50));
  EXPECT_EQ(bond.settings.basis, 3u);
  EXPECT_EQ(bond.settings.primary, "b1");
  EXPECT_TRUE(bond.settings.all_members_active && bond.settings.lacp_fallback);
  EXPECT_TRUE(bond.lacp->active && bond.lacp->falls_back);
  EXPECT_EQ(bond.lacp->system_priority, 12);
  EXPECT_EQ(bond.lacp->key, 15);
  ASSERT_EQ(br0.ports.size(), 3u);
  EXPECT_EQ(br0.ports[0].lacp_priority, 8);
  const auto& p = br0.ports[2];
  EXPECT_EQ(p.tree, (TreePortConfig{.enabled = false, .cost = 55, .admin_edge = true, .mcheck = true}));
  EXPECT_TRUE(p.wants_multicast && p.vlan.priority_tags);
  EXPECT_EQ(p.policing, (Policing{.burst_kb = 1, .kpps = 2, .burst_kpackets = 3}));
  ASSERT_EQ(br0.controllers.size(), 2u);
  EXPECT_TRUE(ofproto::is_primary(br0.controllers[0]) && !ofproto::is_primary(br0.controllers[1]));
  EXPECT_EQ(br0.controllers[0].rate_limit, 200u);
  EXPECT_EQ(br0.controllers[0].burst_limit, 40u);
  EXPECT_EQ(br0.controllers[0].queue_size, 9u);
  const auto& timeouts = result.config.conntrack.timeouts.at(4);
  EXPECT_EQ(timeouts[*conntrack::find_timeout("tcp_syn_sent")], 17u);
  EXPECT_EQ(timeouts[*conntrack::find_timeout("udp_first")], 18u);
}

TEST_F(DatabaseTest, NamesAreUsedOnce) {
  load(R"("Open_vSwitch": {"#1": {"bridges": ["set", ["@2", "@3"]]}},
          "Bridge": {"#2": {"name": "br0", "ports": ["set", ["@4", "@5"]]}, "#3": {"name": "br1", "ports": "@5"}},
          "Port": {"#4": {"name": "p", "interfaces": "@6"}, "#5": {"name": "q", "interfaces": "@7"}},
          "Interface": {"#6": {"name": "br1", "type": "internal"}, "#7": {"name": "q", "type": "internal"}})");
  EXPECT_EQ(refusal(6), "could not open network device br1 (the name is that of a bridge)");
  EXPECT_TRUE(check_config(read().config));
}

TEST_F(DatabaseTest, ABridgeWithABadNameOrTypeIsLeftOut) {
  load_ports({{"p", "", R"("type": "internal")"}}, R"("datapath_type": "quantum")");
  EXPECT_THAT(read().config.bridges, IsEmpty());
  EXPECT_THAT(refusal(100), HasSubstr("datapath_type quantum is unknown"));
}

TEST_F(DatabaseTest, TablesControllersAndMissingFeatures) {
  load(R"("Open_vSwitch": {"#1": {"bridges": "@2"}},
          "Bridge": {"#2": {"name": "br0", "flow_tables": ["map", [[3, "@3"]]], "controller": ["set", ["@4", "@5"]],
                            "protocols": ["set", ["OpenFlow10", "OpenFlow13"]], "stp_enable": true}},
          "Flow_Table": {"#3": {"flow_limit": 10, "overflow_policy": "evict", "name": "acl",
                                "groups": ["set", ["NXM_OF_IN_PORT[]", "NXM_OF_VLAN_TCI[0..11]"]]}},
          "Controller": {"#4": {"target": "tcp:127.0.0.1:6653", "max_backoff": 2000, "inactivity_probe": 0,
                                "enable_async_messages": false},
                         "#5": {"target": "carrier pigeon"}})");
  const auto result = read();
  const auto& br0 = result.config.bridges[0];
  EXPECT_THAT(br0.table_limits, ElementsAre(std::pair(3, 10u)));
  EXPECT_THAT(br0.evicting_tables, ElementsAre(3));
  EXPECT_THAT(
      br0.eviction_groups,
      ElementsAre(std::pair(3, std::vector<std::string>{"NXM_OF_IN_PORT[]", "NXM_OF_VLAN_TCI[0..11]"})));
  EXPECT_THAT(br0.table_names, ElementsAre(std::pair(3, "acl")));
  EXPECT_EQ(br0.openflow_versions, 1u << 1 | 1u << 4);
  EXPECT_THAT(
      br0.controllers,
      ElementsAre(ofproto::ControllerConfig{
          .target = "tcp:127.0.0.1:6653", .max_backoff_ms = 2000, .inactivity_probe_ms = 0, .async = false}));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("carrier pigeon")));
  EXPECT_TRUE(br0.stp.has_value());
}

TEST_F(DatabaseTest, ZonesHaveTimeouts) {
  load(R"("Open_vSwitch": {"#1": {"datapaths": ["map", [["netdev", "@2"]]]}},
          "Datapath": {"#2": {"ct_zones": ["map", [[5, "@3"], [6, "@4"]]]}},
          "CT_Zone": {"#3": {"timeout_policy": "@5"}, "#4": {}},
          "CT_Timeout_Policy": {"#5": {"timeouts": ["map", [["udp_first", 1], ["tcp_unack", 9]]]}})");
  const auto conntrack = read().config.conntrack;
  ASSERT_EQ(conntrack.timeouts.size(), 1u);
  conntrack::TimeoutPolicy expected;
  expected[conntrack::Timeout::UdpFirst] = 1;
  EXPECT_EQ(conntrack.timeouts.at(5), expected);
}

TEST_F(DatabaseTest, StatusIsNoConfiguration) {
  const auto modify = [](const char* table, std::vector<std::string> columns) {
    return ovsdb::Changes{{ovsdb::Change::Kind::Modify, table, test_row_id(1), std::move(columns)}};
  };
  EXPECT_FALSE(concerns_configuration({}));
  EXPECT_FALSE(concerns_configuration(modify("Interface", {"ofport", "statistics"})));
  EXPECT_TRUE(concerns_configuration(modify("Interface", {"ofport", "type"})));
  EXPECT_TRUE(concerns_configuration(modify("Open_vSwitch", {"next_cfg"})));
  EXPECT_TRUE(concerns_configuration({{ovsdb::Change::Kind::Delete, "Port", test_row_id(1), {}}}));
}

TEST_F(DatabaseTest, StatusIsWrittenOnceAndWholly) {
  load_ports({{"br0", "", R"("type": "internal")"}, {"d1", "", R"("type": "dummy")"}, {"gone", "", ""}},
             R"("datapath_type": "dummy", "other_config": ["map", [["datapath-id", "00000000000000ff"]]])");
  const ManualClock clock;
  SwitchOptions options;
  options.make_port = [](const PortConfig& config) -> Result<std::unique_ptr<port::Port>> {
    return std::make_unique<port::DummyPort>(config.name);
  };
  auto config = read();
  config.config.conntrack.max_connections = 1000;
  Switch device(clock, std::move(options), config.config);
  ASSERT_TRUE(device.reconcile(config.config).ok());

  DatabaseStatus status;
  DatabaseReport report;
  report.applied_cfg = 7;
  report.version = "0.1";
  report.interfaces.all = true;
  const Json params = status.update(replica_, device, config, report).format("Open_vSwitch");
  std::map<std::string, Json> rows;  // by table and name in the text above
  for (std::size_t i = 1; i < params.size(); ++i) {
    EXPECT_EQ(params[i]["op"], "update");
    rows[params[i]["table"].get<std::string>() + " " +
         params[i]["where"][0][2][1].get<std::string>().substr(34)] = params[i]["row"];
  }
  const auto row = [&](const char* name) { return rows.contains(name) ? rows[name] : Json("none"); };
  EXPECT_EQ(row("Open_vSwitch 01")["cur_cfg"], 7);
  EXPECT_EQ(row("Open_vSwitch 01")["ovs_version"], "0.1");
  EXPECT_EQ(row("Bridge 02")["datapath_id"], "00000000000000ff");
  EXPECT_EQ(row("Interface 64")["ofport"], 65534);
  EXPECT_EQ(row("Interface 65")["ofport"], 1);
  EXPECT_EQ(row("Interface 65")["link_state"], "up");
  EXPECT_EQ(row("Interface 65")["statistics"][0], "map");
  EXPECT_EQ(row("Interface 66"),
            Json({{"ofport", -1}, {"error", "could not open network device gone (No such device)"}}));
}

}  // namespace
}  // namespace sluice::bridge
