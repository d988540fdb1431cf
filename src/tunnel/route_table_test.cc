#include "tunnel/route_table.h"

#include <gtest/gtest.h>

#include "tunnel/neighbour_table.h"

namespace sluice::tunnel {
namespace {

Route route(std::string_view network, std::string device, Route::Origin origin, std::uint32_t mark = 0) {
  Route made;
  made.network = *parse_network(network);
  made.device = std::move(device);
  made.origin = origin;
  made.mark = mark;
  return made;
}

std::string device_for(const RouteTable& table, std::string_view address, std::uint32_t mark = 0) {
  const Route* found = table.lookup(*parse_address(address), mark);
  return found ? found->device : "none";
}

TEST(Networks, AreReadAndPrinted) {
  const auto again = [](std::string_view text) {
    const auto network = parse_network(text);
    return network ? format_network(*network) : "bad";
  };
  EXPECT_EQ(again("10.1.2.3/16"), "10.1.0.0/16");
  EXPECT_EQ(again("10.1.2.3/255.255.0.0"), "10.1.0.0/16");
  EXPECT_EQ(again("10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(again("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(again("fd00::5/64"), "fd00::/64");
  EXPECT_EQ(again("::/0"), "::/0");
  for (const auto* wrong : {"", "/", "10.1.2.3/33", "10.1.2.3/255.0.255.0", "10.1.2.3/", "10.1.2/8",
                            "fd00::/129", "fd00::/x", "10.1.2.3/8x"})
    EXPECT_EQ(again(wrong), "bad") << wrong;
}

TEST(RouteTable, OwnAddressesThenTheUsersRoutesThenTheKernels) {
  using enum Route::Origin;
  RouteTable table;
  table.set_kernel_routes({route("10.0.0.0/8", "eth0", Kernel), route("10.1.0.0/16", "eth1", Kernel),
                           route("10.1.0.1/32", "lo", KernelLocal), route("0.0.0.0/0", "eth9", Kernel)});
  EXPECT_EQ(device_for(table, "10.2.0.1"), "eth0");
  EXPECT_EQ(device_for(table, "10.1.0.2"), "eth1");
  EXPECT_EQ(device_for(table, "10.1.0.1"), "lo");
  EXPECT_EQ(device_for(table, "8.8.8.8"), "eth9");
  EXPECT_EQ(device_for(table, "fd00::1"), "none");

  table.add(route("10.0.0.0/8", "br0", User));
  EXPECT_EQ(device_for(table, "10.2.0.1"), "br0");
  EXPECT_EQ(device_for(table, "10.1.0.2"), "br0") << "a longer prefix of the kernel's does not win";
  EXPECT_EQ(device_for(table, "10.1.0.1"), "lo");

  table.set_kernel_routes({});
  EXPECT_EQ(device_for(table, "10.1.0.1"), "br0");
  EXPECT_EQ(table.routes().size(), 1u);
}

TEST(RouteTable, MarksAreTablesOfTheirOwn) {
  RouteTable table;
  table.add(route("10.0.0.0/8", "br0", Route::Origin::User, 5));
  EXPECT_EQ(device_for(table, "10.0.0.1"), "none");
  EXPECT_EQ(device_for(table, "10.0.0.1", 5), "br0");
  table.add(route("10.0.0.0/8", "br1", Route::Origin::User, 5));
  EXPECT_EQ(device_for(table, "10.0.0.1", 5), "br1");
  EXPECT_EQ(table.routes().size(), 1u);
  EXPECT_FALSE(table.remove(*parse_network("10.0.0.0/8"), 0));
  EXPECT_TRUE(table.remove(*parse_network("10.0.0.0/8"), 5));
  EXPECT_FALSE(table.remove(*parse_network("10.0.0.0/8"), 5));
}

TEST(RouteTable, TheSourceIsTheAddressThatReachesTheTarget) {
  const std::vector<DeviceAddress> addresses = {
      {"br0", *parse_address("10.1.0.1"), *parse_network("10.1.0.0/16")},
      {"br0", *parse_address("10.1.2.1"), *parse_network("10.1.2.0/24")},
      {"br1", *parse_address("fd00::1"), *parse_network("fd00::/64")}};
  const auto source = [&](std::string_view device, std::string_view target) {
    const auto found = find_source(addresses, device, *parse_address(target));
    return found ? format_address(*found) : "none";
  };
  EXPECT_EQ(source("br0", "10.1.3.9"), "10.1.0.1");
  EXPECT_EQ(source("br0", "10.1.2.9"), "10.1.2.1");
  EXPECT_EQ(source("br0", "10.2.0.1"), "none");
  EXPECT_EQ(source("br1", "10.1.2.9"), "none");
  EXPECT_EQ(source("br1", "fd00::77"), "fd00::1");
}

TEST(NeighbourTable, EntriesAreReplacedAndAge) {
  NeighbourTable table;
  const auto address = *parse_address("10.0.0.7");
  table.set("br0", address, *net::parse_mac("00:00:00:00:00:01"), Instant{});
  table.set("br1", address, *net::parse_mac("00:00:00:00:00:02"), Instant{});
  table.set_ageing(Duration::seconds(30));
  table.set("br0", address, *net::parse_mac("00:00:00:00:00:03"), Instant{});
  const auto at = [&](std::int64_t seconds) {
    std::string text;
    for (const auto& n : table.at(Instant{} + Duration::seconds(seconds)))
      text += n.bridge + " " + net::format_mac(n.mac) + ";";
    return text;
  };
  EXPECT_EQ(at(29), "br1 00:00:00:00:00:02;br0 00:00:00:00:00:03;");
  EXPECT_EQ(at(30), "br1 00:00:00:00:00:02;");
  EXPECT_EQ(at(900), "");
}

}  // namespace
}  // namespace sluice::tunnel
