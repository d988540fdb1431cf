#include "packet/packet_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::packet {
namespace {

TEST(PacketPool, GivesAnEmptyPacketWithRoom) {
  PacketPool pool(4);
  for (const std::uint32_t size :
       {0u, 1500u, PacketPool::kSmallBytes, PacketPool::kSmallBytes + 1, PacketPool::kLargeBytes}) {
    Packet* const packet = pool.take(size);
    ASSERT_NE(packet, nullptr) << size;
    EXPECT_EQ(packet->size(), 0u);
    EXPECT_EQ(packet->headroom(), Packet::kHeadroom);
    EXPECT_GE(packet->tailroom(), size);
    EXPECT_TRUE(packet->resize(size));
    pool.give(packet);
  }
  EXPECT_EQ(pool.take(PacketPool::kLargeBytes + 1), nullptr);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(PacketPool, EachSizeHasItsOwnLimit) {
  PacketPool pool(2000);
  std::set<Packet*> taken;
  while (Packet* const packet = pool.take(100)) ASSERT_TRUE(taken.insert(packet).second);
  EXPECT_EQ(taken.size(), 2000u);
  EXPECT_EQ(pool.in_use(), 2000u);
  Packet* const large = pool.take(9000);
  EXPECT_NE(large, nullptr);
  pool.give(large);
  pool.give(*taken.begin());
  EXPECT_EQ(pool.take(100), *taken.begin()) << "what was given back is taken first";
  for (Packet* packet : taken) pool.give(packet);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(PacketPool, BuffersDoNotOverlap) {
  PacketPool pool(100);
  std::vector<Packet*> packets;
  for (int i = 0; i < 100; ++i) {
    Packet* const packet = pool.take(PacketPool::kSmallBytes);
    ASSERT_TRUE(packet->resize(PacketPool::kSmallBytes) && packet->push_front(Packet::kHeadroom));
    std::memset(packet->data(), i, packet->size());
    packets.push_back(packet);
  }
  for (int i = 0; i < 100; ++i) {
    for (const std::uint8_t byte : packets[static_cast<std::size_t>(i)]->bytes()) ASSERT_EQ(byte, i);
    pool.give(packets[static_cast<std::size_t>(i)]);
  }
}

TEST(PacketPool, NothingOfAnEarlierPacketIsLeft) {
  PacketPool pool(1);
  Packet* packet = pool.take(10);
  packet->meta.ct.state = 0x21;
  packet->meta.offload.checksum_partial = true;
  packet->layout.l3 = 14;
  packet->pull_front(packet->resize(4) ? 4 : 0);
  pool.give(packet);
  packet = pool.take(10);
  EXPECT_EQ(packet->meta.ct.state, 0u);
  EXPECT_FALSE(packet->meta.offload.checksum_partial);
  EXPECT_EQ(packet->layout.l3, wire::Layout::kNone);
  EXPECT_EQ(packet->headroom(), Packet::kHeadroom);
  pool.give(packet);
}

TEST(PacketPool, AlignedToCacheLines) {
  PacketPool pool(8);
  Packet* const a = pool.take(1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a->data()) % 64, 0u);
  pool.give(a);
}

TEST(PacketPool, CloneCopiesAllThatIsKnown) {
  PacketPool pool(2);
  Packet* const packet = pool.take(3);
  const std::uint8_t bytes[] = {1, 2, 3};
  ASSERT_TRUE(packet->assign(bytes));
  packet->meta.in_port = 5;
  packet->layout.l3 = 2;
  Packet* const copy = pool.clone(*packet);
  ASSERT_NE(copy, nullptr);
  EXPECT_TRUE(std::equal(copy->bytes().begin(), copy->bytes().end(), std::begin(bytes), std::end(bytes)));
  EXPECT_EQ(copy->meta.in_port, 5u);
  EXPECT_EQ(copy->layout.l3, 2);
  copy->data()[0] = 9;
  EXPECT_EQ(packet->data()[0], 1);
  EXPECT_EQ(pool.clone(*packet), nullptr) << "exhausted";
  PacketBatch batch;
  batch.push(packet);
  batch.push(copy);
  pool.give(batch);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(pool.in_use(), 0u);
}

}  // namespace
}  // namespace sluice::packet
