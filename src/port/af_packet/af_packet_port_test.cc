#include "port/af_packet/af_packet_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "net/checksum.h"
#include "port/namespace_test_util.h"

namespace sluice::port {
namespace {

using packet::Offload;
using packet::Packet;
using packet::PacketBatch;
using packet::PacketPool;
using Frame = std::vector<std::uint8_t>;

/// An EtherType for experiments (RFC 5342 appendix B.1), so that the kernel's own frames are told apart.
constexpr std::uint8_t kTestType[2] = {0x88, 0xb5};

Frame test_frame(std::size_t size, std::uint8_t first) {
  Frame frame = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, kTestType[0], kTestType[1]};
  while (frame.size() < size) frame.push_back(first++);
  return frame;
}

/// Two ends of a veth pair in a namespace of their own: va and vb.
class AfPacketTest : public ::testing::Test {
 protected:
  AfPacketTest() : space_("veth"), pool_(128) {}

  void SetUp() override {
    if (!space_.made()) GTEST_SKIP() << "needs root and network namespaces";
    space_.ip("link add name va type veth peer name vb");
    // No addresses, no router solicitations: only what the test sends.
    for (const char* end : {"va", "vb"})
      space_.ip(std::string("link set dev ") + end + " addrgenmode none up");
  }

  std::unique_ptr<AfPacketPort> open(const std::string& name) {
    const NetworkNamespace::Entered inside(space_);
    auto port = AfPacketPort::open(name);
    EXPECT_TRUE(port) << port.error().message;
    // The kernel starts a new link from a work queue: until then it drops what is sent.
    for (int tries = 0; port && !(*port)->link_up() && tries < 500; ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return port ? std::move(*port) : nullptr;
  }
  void send(AfPacketPort& port, const Frame& frame, const Offload& offload = {}) {
    Packet* const packet = pool_.take(static_cast<std::uint32_t>(frame.size()));
    ASSERT_NE(packet, nullptr);
    packet->assign(frame);
    packet->meta.offload = offload;
    port.send(*packet);
    pool_.give(packet);
  }
  struct Received {
    Frame frame;
    Offload offload;
  };
  /// What the port receives until `count` frames are there, or nothing came for `wait_ms`.
  std::vector<Received> receive(AfPacketPort& port, std::size_t count, int wait_ms = 1000) {
    std::vector<Received> all;
    PacketBatch batch;
    for (;;) {
      port.receive(batch, pool_);
      for (Packet* p : batch) all.push_back({{p->bytes().begin(), p->bytes().end()}, p->meta.offload});
      pool_.give(batch);
      if (all.size() >= count) return all;
      pollfd wait{port.receive_fd(), POLLIN, 0};
      if (poll(&wait, 1, wait_ms) != 1) return all;
    }
  }

  NetworkNamespace space_;
  PacketPool pool_;
};

TEST_F(AfPacketTest, WhatCannotBeOpenedIsExplained) {
  const NetworkNamespace::Entered inside(space_);
  EXPECT_EQ(AfPacketPort::open("veth9").error().message, "cannot open interface veth9: no such device");
  EXPECT_EQ(AfPacketPort::open("lo").error().message,
            "cannot open interface lo: it is not an Ethernet device");
  EXPECT_EQ(
      AfPacketPort::open("sixteen-bytes-xx").error().message,
      "\"sixteen-bytes-xx\" is not an interface name: expected 1 to 15 bytes without slash, colon or blank");
}

TEST_F(AfPacketTest, FramesPassAndOwnOnesDoNotComeBack) {
  const auto a = open("va"), b = open("vb");
  for (std::uint8_t i = 0; i < 70; ++i) send(*a, test_frame(60u + i * 20u, i));  // more than two batches
  a->flush();
  const auto got = receive(*b, 70);
  ASSERT_EQ(got.size(), 70u);
  for (std::uint8_t i = 0; i < 70; ++i) EXPECT_EQ(got[i].frame, test_frame(60u + i * 20u, i)) << unsigned{i};
  EXPECT_TRUE(receive(*a, 1, 50).empty()) << "a's own frames";
  EXPECT_EQ(a->counters().tx_packets, 70u);
  EXPECT_EQ(b->counters().rx_packets, 70u);
  EXPECT_EQ(a->counters().tx_bytes, b->counters().rx_bytes);
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(AfPacketTest, StrippedVlanTagsArePutBack) {
  const auto a = open("va"), b = open("vb");
  const std::vector<Frame> tags = {
      {0x81, 0x00, 0x60, 0x0a},                          // priority 3, VLAN 10
      {0x81, 0x00, 0x00, 0x00},                          // priority tag of VLAN 0
      {0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x10, 0x0a},  // QinQ
  };
  std::vector<Frame> sent;
  for (const Frame& tag : tags) {
    Frame frame = test_frame(80, 1);
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    send(*a, frame);
    sent.push_back(frame);
  }
  a->flush();
  const auto got = receive(*b, tags.size());
  ASSERT_EQ(got.size(), tags.size());
  for (std::size_t i = 0; i < tags.size(); ++i) EXPECT_EQ(got[i].frame, sent[i]) << i;
}

/// An Ethernet/IPv4/TCP packet of `payload` bytes with its checksum left to hardware, and what says so.
struct Offloaded {
  Frame frame;
  Offload offload;
};
Offloaded tcp4(std::size_t payload, std::uint16_t gso_size) {
  constexpr std::uint16_t kIp = 14, kTcp = 34;
  Offloaded result;
  Frame& f = result.frame;
  f = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0};
  const std::uint8_t addresses[] = {10, 0, 0, 1, 10, 0, 0, 2};
  f.insert(f.end(), std::begin(addresses), std::end(addresses));
  const std::uint8_t tcp[] = {0x10, 0, 0x20, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0};
  f.insert(f.end(), std::begin(tcp), std::end(tcp));
  for (std::size_t i = 0; i < payload; ++i) f.push_back(static_cast<std::uint8_t>(i * 7));
  be16(static_cast<std::uint16_t>(f.size() - kIp)).store(&f[kIp + 2]);
  net::checksum(Bytes(f).subspan(kIp, 20)).store(&f[kIp + 10]);
  net::ChecksumSum pseudo;
  pseudo.add(Bytes(f).subspan(kIp + 12, 8));
  pseudo.add16(be16(6));
  pseudo.add16(be16(static_cast<std::uint16_t>(f.size() - kTcp)));
  pseudo.partial().store(&f[kTcp + 16]);
  result.offload.checksum_partial = true;
  result.offload.checksum_start = kTcp;
  result.offload.checksum_offset = 16;
  if (gso_size > 0) {
    result.offload.gso = Offload::kTcp4;
    result.offload.gso_size = gso_size;
  }
  return result;
}

void expect_same(const Offload& got, const Offload& wanted) {
  EXPECT_EQ(got.checksum_partial, wanted.checksum_partial);
  EXPECT_EQ(got.checksum_start, wanted.checksum_start);
  EXPECT_EQ(got.checksum_offset, wanted.checksum_offset);
  EXPECT_EQ(got.gso, wanted.gso);
  EXPECT_EQ(got.gso_size, wanted.gso_size);
}

TEST_F(AfPacketTest, PartialChecksumsAndGsoPassAsTheyAre) {
  const auto a = open("va"), b = open("vb");
  std::vector<Offloaded> sent;
  for (const auto& [payload, gso] :
       {std::array{100, 0}, std::array{1800, 600}, std::array{60000, 1448}, std::array{500, 0}})
    sent.push_back(tcp4(static_cast<std::size_t>(payload), static_cast<std::uint16_t>(gso)));
  for (int round = 0; round < 3; ++round) {  // from the second on, large buffers are offered first
    for (const Offloaded& each : sent) send(*a, each.frame, each.offload);
    a->flush();
    const auto got = receive(*b, sent.size());
    ASSERT_EQ(got.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(got[i].frame, sent[i].frame) << i;
      expect_same(got[i].offload, sent[i].offload);
    }
  }
  EXPECT_EQ(a->counters().tx_errors, 0u);
}

TEST_F(AfPacketTest, OffloadOffsetsFollowATagThatIsPutBack) {
  const auto a = open("va"), b = open("vb");
  for (const std::uint16_t gso : {0, 1448}) {
    Offloaded tagged = tcp4(gso == 0 ? 200 : 20000, gso);
    const std::uint8_t tag[] = {0x81, 0, 0, 5};
    tagged.frame.insert(tagged.frame.begin() + 12, std::begin(tag), std::end(tag));
    tagged.offload.checksum_start = 38;
    send(*a, tagged.frame, tagged.offload);
    a->flush();
    const auto got = receive(*b, 1);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].frame, tagged.frame);
    expect_same(got[0].offload, tagged.offload);
  }
}

TEST_F(AfPacketTest, ScTpChecksumIsCompletedInSoftware) {
  const auto a = open("va"), b = open("vb");
  Frame frame = test_frame(14, 0);
  const std::uint8_t sctp[] = {0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4};
  frame.insert(frame.end(), std::begin(sctp), std::end(sctp));
  frame.resize(60);
  Offload offload;
  offload.checksum_partial = true;
  offload.checksum_start = 14;
  offload.checksum_offset = 8;
  send(*a, frame, offload);
  a->flush();
  const auto got = receive(*b, 1);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_FALSE(got[0].offload.checksum_partial);
  const std::uint32_t crc = net::crc32c(Bytes(frame).subspan(14));
  for (unsigned i = 0; i < 4; ++i) frame[14 + 8 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
  EXPECT_EQ(got[0].frame, frame);
}

TEST_F(AfPacketTest, DownUpAndRemovedInterfacesAreSurvived) {
  const auto a = open("va");
  EXPECT_TRUE(a->link_up());
  EXPECT_EQ(a->mtu(), 1500u);
  space_.ip("link set dev va down");
  EXPECT_FALSE(a->link_up());
  send(*a, test_frame(60, 0));
  a->flush();
  EXPECT_EQ(a->counters().tx_errors, 1u);
  PacketBatch batch;
  for (int i = 0; i < 3; ++i) a->receive(batch, pool_);
  EXPECT_LE(a->counters().rx_errors, 1u) << "told once";
  pollfd wait{a->receive_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 0) << "nothing to wake up for";

  space_.ip("link set dev va up");
  const auto b = open("vb");
  send(*b, test_frame(60, 1));
  b->flush();
  ASSERT_EQ(receive(*a, 1).size(), 1u);

  space_.ip("link del dev va");
  EXPECT_FALSE(a->link_up());
  send(*a, test_frame(60, 2));
  a->flush();
  a->receive(batch, pool_);
  a->receive(batch, pool_);
  EXPECT_EQ(poll(&wait, 1, 0), 0);
  a->maintain();
  SetUp();
  const auto new_b = open("vb");
  a->maintain();
  send(*new_b, test_frame(60, 3));
  new_b->flush();
  const auto got = receive(*a, 1);
  ASSERT_EQ(got.size(), 1u) << "the interface that came back is served";
  EXPECT_EQ(got[0].frame, test_frame(60, 3));
  send(*a, test_frame(60, 4));
  a->flush();
  EXPECT_EQ(receive(*new_b, 1).size(), 1u);
}

/// Two hosts whose stacks leave checksums and segmentation to the network, with two ports and a loop that
/// forwards between them: everything must arrive, and large packets must have stayed large.
TEST(AfPacketForwarding, RealTcpKeepsItsOffloads) {
  const NetworkNamespace middle("mid"), left("left"), right("right");
  if (!middle.made()) GTEST_SKIP() << "needs root and network namespaces";
  middle.ip("link add p1 type veth peer name eth0 netns " + left.name());
  middle.ip("link add p2 type veth peer name eth0 netns " + right.name());
  middle.ip("link set p1 up");
  middle.ip("link set p2 up");
  for (const auto& [space, address] : {std::pair{&left, "10.0.0.1/24"}, std::pair{&right, "10.0.0.2/24"}}) {
    space->ip(std::string("addr add ") + address + " dev eth0");
    space->ip("link set dev eth0 up");
  }
  const auto in = [](const NetworkNamespace& space, const auto& make) {
    const NetworkNamespace::Entered inside(space);
    return make();
  };
  auto p1 = in(middle, [] { return AfPacketPort::open("p1"); });
  auto p2 = in(middle, [] { return AfPacketPort::open("p2"); });
  ASSERT_TRUE(p1 && p2);
  const auto tcp_socket = [] { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); };
  const int server = in(right, tcp_socket), client = in(left, tcp_socket);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(7777);
  address.sin_addr.s_addr = inet_addr("10.0.0.2");
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(server, 1), 0);

  constexpr std::size_t kTotal = 64 << 20;
  const auto byte_at = [](std::size_t i) { return static_cast<std::uint8_t>(i * 31 + (i >> 16)); };
  std::atomic<std::size_t> received{0}, wrong{0};
  std::atomic<bool> done{false};
  const timeval limit{20, 0};
  for (const int fd : {server, client})
    for (const int what : {SO_RCVTIMEO, SO_SNDTIMEO}) setsockopt(fd, SOL_SOCKET, what, &limit, sizeof limit);
  std::thread receiver([&] {
    const int connection = accept(server, nullptr, nullptr);
    Frame buffer(1 << 18);
    for (ssize_t n; (n = recv(connection, buffer.data(), buffer.size(), 0)) > 0;) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
        wrong += buffer[i] != byte_at(received + i);
      received += static_cast<std::size_t>(n);
    }
    close(connection);
    done = true;
  });
  std::thread sender([&] {
    if (connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      Frame buffer(1 << 18);
      for (std::size_t at = 0; at < kTotal; at += buffer.size()) {
        for (std::size_t i = 0; i < buffer.size(); ++i) buffer[i] = byte_at(at + i);
        if (send(client, buffer.data(), buffer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(buffer.size()))
          break;
      }
    }
    close(client);
  });

  PacketPool pool(256);
  std::size_t large = 0, partial = 0;
  const auto forward = [&](AfPacketPort& from, AfPacketPort& to) {
    PacketBatch batch;
    from.receive(batch, pool);
    for (Packet* p : batch) {
      large += p->size() > 2000 && p->meta.offload.gso == Offload::kTcp4;
      partial += p->meta.offload.checksum_partial;
      to.send(*p);
    }
    to.flush();
    pool.give(batch);
  };
  const auto start = std::chrono::steady_clock::now();
  while (!done) {
    pollfd waits[] = {{(*p1)->receive_fd(), POLLIN, 0}, {(*p2)->receive_fd(), POLLIN, 0}};
    poll(waits, 2, 10);
    forward(**p1, **p2);
    forward(**p2, **p1);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  receiver.join();
  sender.join();
  close(server);
  EXPECT_EQ(received, kTotal);
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(large, 100u);
  EXPECT_GT(partial, large);
  EXPECT_EQ((*p1)->counters().tx_errors + (*p2)->counters().tx_errors, 0u);
  RecordProperty("mbit_per_s", static_cast<int>(static_cast<double>(kTotal) * 8e-6 / elapsed.count()));
}

}  // namespace
}  // namespace sluice::port
