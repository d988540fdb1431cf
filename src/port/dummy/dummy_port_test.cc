#include "port/dummy/dummy_port.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "net/checksum.h"

namespace sluice::port {
namespace {

using packet::PacketBatch;
using packet::PacketPool;

bool readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

std::vector<std::uint8_t> frame(std::size_t size, std::uint8_t first) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

TEST(DummyPort, ReceivesWhatIsInjectedInOrderABatchAtATime) {
  PacketPool pool(64);
  DummyPort port("p1");
  EXPECT_EQ(port.name(), "p1");
  EXPECT_EQ(port.type(), "dummy");
  EXPECT_FALSE(readable(port.receive_fd()));
  for (std::uint8_t i = 0; i < 40; ++i) ASSERT_TRUE(port.inject(frame(60u + i, i)));
  EXPECT_TRUE(readable(port.receive_fd()));

  PacketBatch batch;
  port.receive(batch, pool);
  ASSERT_EQ(batch.size(), limits::kBatchSize);
  EXPECT_TRUE(readable(port.receive_fd())) << "eight still wait";
  for (unsigned i = 0; i < batch.size(); ++i) {
    const auto expected = frame(60 + i, static_cast<std::uint8_t>(i));
    EXPECT_TRUE(
        std::equal(expected.begin(), expected.end(), batch[i]->bytes().begin(), batch[i]->bytes().end()));
  }
  pool.give(batch);
  port.receive(batch, pool);
  EXPECT_EQ(batch.size(), 8u);
  EXPECT_FALSE(readable(port.receive_fd()));
  EXPECT_EQ(port.counters().rx_packets, 40u);
  EXPECT_EQ(port.counters().rx_bytes, 40u * 60 + 39 * 40 / 2);
  pool.give(batch);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(DummyPort, KeepsWhatIsSent) {
  PacketPool pool(4);
  DummyPort port("p1", {.max_sent = 2});
  packet::Packet* packet = pool.take(100);
  for (std::uint8_t i = 0; i < 3; ++i) {
    packet->assign(frame(64, i));
    port.send(*packet);
  }
  pool.give(packet);
  EXPECT_EQ(port.counters().tx_packets, 2u);
  EXPECT_EQ(port.counters().tx_bytes, 128u);
  EXPECT_EQ(port.counters().tx_dropped, 1u);
  EXPECT_EQ(port.take_sent()->bytes, frame(64, 0));
  EXPECT_EQ(port.take_sent()->bytes, frame(64, 1));
  EXPECT_FALSE(port.take_sent());
}

TEST(DummyPort, BoundsWhatWaitsAndRefusesWhatNoPacketHolds) {
  PacketPool pool(4);
  DummyPort port("p1", {.max_received = 2});
  EXPECT_TRUE(port.inject(frame(PacketPool::kLargeBytes + 1, 0)));
  EXPECT_TRUE(port.inject(frame(60, 1)));
  EXPECT_FALSE(port.inject(frame(60, 2)));
  PacketBatch batch;
  port.receive(batch, pool);
  EXPECT_EQ(batch.size(), 1u);
  EXPECT_EQ(port.counters().rx_errors, 1u);
  pool.give(batch);
}

TEST(DummyPort, WaitsWhileThePoolIsExhausted) {
  PacketPool pool(1);
  DummyPort port("p1");
  port.inject(frame(60, 1));
  port.inject(frame(60, 2));
  PacketBatch batch;
  port.receive(batch, pool);
  EXPECT_EQ(batch.size(), 1u);
  pool.give(batch);
  port.receive(batch, pool);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0]->data()[0], 2);
  pool.give(batch);
}

/// A packet whose checksum covers bytes [14, size) with the field 16 bytes behind: as a sender leaves it for
/// hardware.
TEST(DummyPort, CompletesPartialChecksumsUnlessToldToKeepThem) {
  PacketPool pool(4);
  auto bytes = frame(80, 7);
  const std::uint16_t pseudo = 0x1234;
  bytes[30] = pseudo >> 8;
  bytes[31] = pseudo & 0xff;
  packet::Offload offload;
  offload.checksum_partial = true;
  offload.checksum_start = 14;
  offload.checksum_offset = 16;

  for (const bool keep : {false, true}) {
    DummyPort port("p1", {.offloads = keep});
    port.inject(bytes, offload);
    PacketBatch batch;
    port.receive(batch, pool);
    ASSERT_EQ(batch.size(), 1u);
    port.send(*batch[0]);
    pool.give(batch);
    const auto sent = port.take_sent();
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->offload.checksum_partial, keep);
    if (keep) {
      EXPECT_EQ(sent->bytes, bytes);
      continue;
    }
    // The sum over all, with the pseudo header's part, is right when it comes out as zero.
    net::ChecksumSum sum;
    sum.add(Bytes(sent->bytes).subspan(14));
    sum.add16(be16(pseudo));
    EXPECT_EQ(sum.finish().host(), 0);
  }
}

TEST(DummyPort, LinkCanGoDown) {
  DummyPort port("p1");
  EXPECT_TRUE(port.link_up());
  port.set_link(false);
  EXPECT_FALSE(port.link_up());
}

}  // namespace
}  // namespace sluice::port
