#include "port/tap/tap_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "port/factory.h"
#include "port/namespace_test_util.h"

namespace sluice::port {
namespace {

using packet::Packet;
using packet::PacketBatch;
using packet::PacketPool;

constexpr net::Mac kMac{{2, 0, 0, 0, 0, 0x11}};

class TapTest : public ::testing::Test {
 protected:
  TapTest() : space_("tap"), pool_(64) {}
  void SetUp() override {
    if (!space_.made()) GTEST_SKIP() << "needs root and network namespaces";
  }
  NetworkNamespace space_;
  PacketPool pool_;
};

TEST_F(TapTest, DeviceIsMadeConfiguredAndRemoved) {
  const NetworkNamespace::Entered inside(space_);
  {
    auto tap = TapPort::create("br0", {.mac = kMac, .mtu = 1400, .up = true});
    ASSERT_TRUE(tap) << tap.error().message;
    EXPECT_TRUE(interface_exists("br0"));
    EXPECT_EQ((*tap)->mac(), kMac);
    EXPECT_EQ((*tap)->mtu(), 1400u);
    EXPECT_TRUE((*tap)->link_up());
    ASSERT_TRUE((*tap)->set_admin_up(false));
    EXPECT_FALSE((*tap)->link_up());
    ASSERT_TRUE((*tap)->set_mtu(9000));
    EXPECT_EQ((*tap)->mtu(), 9000u);
  }
  EXPECT_FALSE(interface_exists("br0"));
}

TEST_F(TapTest, ManyAreGoneWhenTheyAreClosed) {
  const NetworkNamespace::Entered inside(space_);
  std::vector<std::unique_ptr<Port>> ports;
  for (int i = 0; i < 40; ++i) {
    auto port = make_port(i % 4 == 0 ? "dummy" : "internal", "t" + std::to_string(i));
    ASSERT_TRUE(port) << port.error().message;
    ports.push_back(std::move(*port));
  }
  EXPECT_TRUE(interface_exists("t1") && interface_exists("t39"));
  close_ports(std::move(ports));
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(interface_exists("t" + std::to_string(i)));
  close_ports({});
}

TEST_F(TapTest, APersistentDeviceStaysUntilAPortThatDoesNotKeepItIsClosed) {
  const NetworkNamespace::Entered inside(space_);
  const TapOptions options{.up = false, .persistent = true};
  {
    auto first = TapPort::create("br0", {.mac = kMac, .mtu = 1400, .up = true, .persistent = true});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(TapPort::create("br0", options).error().message,
              "cannot create tap device br0: the name is taken by another device");
    (*first)->keep_device();
  }
  ASSERT_TRUE(interface_exists("br0"));
  EXPECT_FALSE(TapPort::create("br0", {})) << "a device that is not to stay is a new one";
  {
    auto second = TapPort::create("br0", options);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ((*second)->mac(), kMac);
    EXPECT_EQ((*second)->mtu(), 1400u);
    EXPECT_TRUE((*second)->link_up());
  }
  EXPECT_FALSE(interface_exists("br0"));

  space_.ip("link add other type veth peer name br1");
  EXPECT_EQ(TapPort::create("br1", options).error().message,
            "cannot create tap device br1: the name is taken by another device");
  EXPECT_TRUE(interface_exists("br1"));
}

TEST_F(TapTest, TakenNamesAreRefused) {
  space_.ip("link add other type veth peer name br0");
  const NetworkNamespace::Entered inside(space_);
  const std::string taken = "cannot create tap device br0: the name is taken by another device";
  EXPECT_EQ(TapPort::create("br0", {}).error().message, taken);
  auto first = TapPort::create("br1", {});
  ASSERT_TRUE(first);
  EXPECT_EQ(TapPort::create("br1", {}).error().message,
            "cannot create tap device br1: the name is taken by another device");
  EXPECT_FALSE(TapPort::create("a/b", {}));
  EXPECT_TRUE(interface_exists("br0")) << "the other device is untouched";
}

/// A host with the tap as its interface, and a UDP socket to a neighbour that is only an entry in its table.
TEST_F(TapTest, HostsPacketsComeWithTheirOffloadAndOursAreTaken) {
  const NetworkNamespace::Entered inside(space_);
  auto created = TapPort::create("br0", {.mac = kMac, .mtu = 1500, .up = true});
  ASSERT_TRUE(created) << created.error().message;
  TapPort& tap = **created;
  space_.ip("link set br0 addrgenmode none");
  space_.ip("addr add 10.0.0.1/24 dev br0");
  space_.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:22 dev br0");
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in local{}, remote{};
  local.sin_family = remote.sin_family = AF_INET;
  local.sin_port = remote.sin_port = htons(5000);
  local.sin_addr.s_addr = inet_addr("10.0.0.1");
  remote.sin_addr.s_addr = inet_addr("10.0.0.2");
  ASSERT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&local), sizeof local), 0);
  const std::string text = "a question";
  ASSERT_EQ(
      sendto(socket, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&remote), sizeof remote),
      static_cast<ssize_t>(text.size()));

  // Other frames of the host (IGMP, IPv6) may come first.
  Packet* question = nullptr;
  for (int tries = 0; tries < 20 && question == nullptr; ++tries) {
    pollfd wait{tap.receive_fd(), POLLIN, 0};
    poll(&wait, 1, 500);
    PacketBatch batch;
    tap.receive(batch, pool_);
    for (Packet* p : batch) {
      const bool udp4 = p->size() > 42 && p->data()[12] == 8 && p->data()[13] == 0 && p->data()[23] == 17;
      if (udp4 && question == nullptr)
        question = p;
      else
        pool_.give(p);
    }
  }
  ASSERT_NE(question, nullptr);
  EXPECT_EQ(question->size(), 42 + text.size());
  EXPECT_TRUE(question->meta.offload.checksum_partial);
  EXPECT_EQ(question->meta.offload.checksum_start, 34);
  EXPECT_EQ(question->meta.offload.checksum_offset, 6);

  // Turned round, the checksum still partial: the host takes it.
  std::swap_ranges(question->data(), question->data() + 6, question->data() + 6);
  std::swap_ranges(question->data() + 26, question->data() + 30, question->data() + 30);
  tap.send(*question);
  pool_.give(question);
  EXPECT_EQ(tap.counters().tx_packets, 1u);
  pollfd wait{socket, POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 1000), 1);
  std::array<char, 100> answer;
  EXPECT_EQ(recv(socket, answer.data(), answer.size(), 0), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(std::string(answer.data(), text.size()), text);
  close(socket);
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(TapTest, SendingToADeviceThatIsDownIsADrop) {
  const NetworkNamespace::Entered inside(space_);
  auto tap = TapPort::create("br0", {.mac = kMac, .mtu = 1500, .up = false});
  ASSERT_TRUE(tap);
  Packet* const packet = pool_.take(60);
  packet->resize(60);
  (*tap)->send(*packet);
  pool_.give(packet);
  EXPECT_EQ((*tap)->counters().tx_dropped, 1u);
  PacketBatch batch;
  (*tap)->receive(batch, pool_);
  EXPECT_EQ((*tap)->counters().rx_errors, 0u);
}

}  // namespace
}  // namespace sluice::port
