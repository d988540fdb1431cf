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

/// Ethernet, IPv4 and TCP headers in front of `payload` bytes.
std::vector<std::uint8_t> tcp_frame(std::size_t payload) {
  std::vector<std::uint8_t> f = {2, 0, 0, 0,    0, 2,  2, 0, 0, 0,  0, 1, 8, 0,  0x45, 0, 0,
                                 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0,    0, 2};
  const std::uint8_t tcp[] = {0x10, 0, 0x20, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0};
  f.insert(f.end(), std::begin(tcp), std::end(tcp));
  for (std::size_t i = 0; i < payload; ++i) f.push_back(static_cast<std::uint8_t>(i * 7));
  be16(static_cast<std::uint16_t>(f.size() - 14)).store(&f[16]);
  net::checksum(Bytes(f).subspan(14, 20)).store(&f[24]);
  return f;
}

/// The one's-complement sum over TCP's pseudo header and the segment: zero if the checksum is right.
std::uint16_t tcp_sum(Bytes frame) {
  net::ChecksumSum sum;
  sum.add(frame.subspan(26, 8));
  sum.add16(be16(6));
  sum.add16(be16(static_cast<std::uint16_t>(frame.size() - 34)));
  sum.add(frame.subspan(34));
  return sum.finish().host();
}

TEST(DummyPort, CutsGsoPacketsIntoSegments) {
  PacketPool pool(4);
  DummyPort port("p1");
  packet::Offload offload;
  offload.checksum_partial = true;
  offload.checksum_start = 34;
  offload.checksum_offset = 16;
  offload.gso = packet::Offload::kTcp4;
  offload.gso_size = 1448;
  const auto whole = tcp_frame(60000);
  port.inject(whole, offload);
  PacketBatch batch;
  port.receive(batch, pool);
  ASSERT_EQ(batch.size(), 1u);
  port.send(*batch[0]);
  pool.give(batch);
  std::size_t at = 54;
  unsigned segments = 0;
  while (const auto sent = port.take_sent()) {
    ++segments;
    ASSERT_LE(sent->bytes.size(), 54u + 1448);
    EXPECT_EQ(sent->offload.gso, packet::Offload::kNoGso);
    EXPECT_EQ(tcp_sum(sent->bytes), 0) << segments;
    EXPECT_EQ(be32::load(&sent->bytes[38]).host(), 1 + at - 54) << "sequence number";
    EXPECT_TRUE(
        std::equal(sent->bytes.begin() + 54, sent->bytes.end(), whole.begin() + static_cast<long>(at)));
    at += sent->bytes.size() - 54;
  }
  EXPECT_EQ(at, whole.size());
  EXPECT_EQ(segments, 42u);

  offload.gso_size = 0;
  port.inject(whole, offload);
  port.receive(batch, pool);
  port.send(*batch[0]);
  pool.give(batch);
  EXPECT_EQ(port.counters().tx_errors, 1u) << "segments of nothing";
}

TEST(DummyPort, LinkCanGoDown) {
  DummyPort port("p1");
  EXPECT_TRUE(port.link_up());
  port.set_link(false);
  EXPECT_FALSE(port.link_up());
}

}  // namespace
}  // namespace sluice::port
