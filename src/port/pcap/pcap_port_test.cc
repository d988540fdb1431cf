#include "port/pcap/pcap_port.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sluice::port {
namespace {

using packet::PacketBatch;
using packet::PacketPool;

constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<std::uint8_t> frame(std::size_t size, std::uint8_t value) {
  return std::vector(size, value);
}

class PcapTest : public ::testing::Test {
 protected:
  PcapTest() {
    std::string folder = ::testing::TempDir() + "sluice_pcap_XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~PcapTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string contents(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  /// Three frames, at 1 s, 2.5 s (twice).
  void write_capture(const std::string& name, bool nanoseconds) const {
    auto writer = CaptureWriter::create(path(name), nanoseconds);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->write(1 * kSecond + 123'456'789, frame(60, 1)));
    ASSERT_TRUE(writer->write(2 * kSecond + 500'000'000, frame(61, 2)));
    ASSERT_TRUE(writer->write(2 * kSecond + 500'000'000, frame(62, 3)));
    ASSERT_TRUE(writer->flush());
  }

  std::string folder_;
};

TEST_F(PcapTest, WrittenFilesAreReadBackWithTheirTimes) {
  for (const bool nanoseconds : {false, true}) {
    write_capture("a.pcap", nanoseconds);
    auto reader = CaptureReader::open(path("a.pcap"));
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ(reader->nanoseconds(), nanoseconds);
    EXPECT_EQ(reader->bytes_total(), 24u + 3 * 16 + 60 + 61 + 62);
    auto first = reader->next();
    ASSERT_TRUE(first && *first);
    EXPECT_EQ((*first)->time_ns, kSecond + (nanoseconds ? 123'456'789 : 123'456'000));
    EXPECT_EQ((*first)->original_length, 60u);
    EXPECT_TRUE(reader->next()->has_value());
    EXPECT_TRUE(reader->next()->has_value());
    const auto end = reader->next();
    ASSERT_TRUE(end);
    EXPECT_FALSE(end->has_value());
    EXPECT_EQ(reader->bytes_read(), reader->bytes_total());
    EXPECT_EQ(reader->frames_read(), 3u);
  }
}

TEST_F(PcapTest, SameFramesGiveSameBytes) {
  write_capture("a.pcap", true);
  write_capture("b.pcap", true);
  EXPECT_EQ(contents("a.pcap"), contents("b.pcap"));
  EXPECT_EQ(contents("a.pcap").size(), 24u + 3 * 16 + 60 + 61 + 62);
}

TEST_F(PcapTest, WhatIsNoCaptureOfEthernetIsRefused) {
  EXPECT_EQ(CaptureReader::open(path("none")).error().message,
            "cannot read capture " + path("none") + ": No such file or directory");
  EXPECT_EQ(CaptureReader::open(folder_).error().message,
            "cannot read capture " + folder_ + ": it is a folder");
  put("text", "this is not a capture at all, only some text");
  EXPECT_EQ(CaptureReader::open(path("text")).error().message,
            path("text") + ": not a capture file (unknown file format)");
  put("empty", "");
  EXPECT_FALSE(CaptureReader::open(path("empty")));

  write_capture("a.pcap", false);
  std::string raw_ip = contents("a.pcap");
  raw_ip[20] = 101;  // LINKTYPE_RAW
  put("raw", raw_ip);
  EXPECT_EQ(CaptureReader::open(path("raw")).error().message,
            path("raw") + ": expected a capture of Ethernet frames, found link type RAW");
}

TEST_F(PcapTest, DamageIsToldWithItsPlace) {
  write_capture("a.pcap", false);
  put("cut", contents("a.pcap").substr(0, 24 + 16 + 60 + 16 + 10));
  PacketPool pool(4);
  auto port = PcapPort::open("p1", {.in = path("cut")});
  ASSERT_TRUE(port);
  EXPECT_EQ((*port)->next_time(), kSecond + 123'456'000);
  (*port)->advance_to(9 * kSecond);
  PacketBatch batch;
  (*port)->receive(batch, pool);
  EXPECT_EQ(batch.size(), 1u);
  pool.give(batch);
  EXPECT_FALSE((*port)->next_time());
  const Status status = (*port)->finish();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message.substr(0, path("cut").size() + 20), path("cut") + ", frame 2, byte 126:");
  EXPECT_EQ((*port)->counters().rx_errors, 1u);
}

TEST_F(PcapTest, PcapngIsReadAndItsImpossibleTimesAreTold) {
  // Section header, interface description (Ethernet), one enhanced packet block of "abcd".
  std::vector<std::uint8_t> file = {
      0x0a, 0x0d, 0x0d, 0x0a, 28,   0,    0,    0,    0x4d, 0x3c, 0x2b, 0x1a, 1,  0, 0, 0,  0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28,   0,    0,    0,    1,    0,  0, 0, 20, 0,
      0,    0,    1,    0,    0,    0,    0xff, 0xff, 0,    0,    20,   0,    0,  0, 6, 0,  0,
      0,    36,   0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,  7, 0, 0,  0,
      4,    0,    0,    0,    4,    0,    0,    0,    'a',  'b',  'c',  'd',  36, 0, 0, 0};
  auto reader = CaptureReader::open_memory(file, "ng");
  ASSERT_TRUE(reader) << reader.error().message;
  auto frame = reader->next();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->time_ns, 7000);
  EXPECT_EQ(std::string((*frame)->bytes.begin(), (*frame)->bytes.end()), "abcd");
  EXPECT_FALSE(reader->next()->has_value());

  file[63] = 6;  // found by fuzzing: 432345564831 seconds
  reader = CaptureReader::open_memory(file, "ng");
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->next().error().message, "ng, frame 1, byte 84: a time stamp beyond the year 2255");
}

TEST_F(PcapTest, PortReplaysOnTheCapturesClock) {
  write_capture("in.pcap", true);
  PacketPool pool(8);
  auto opened = PcapPort::open("p1", {.in = path("in.pcap"), .out = path("out.pcap")});
  ASSERT_TRUE(opened) << opened.error().message;
  PcapPort& port = **opened;
  PacketBatch batch;
  port.receive(batch, pool);
  EXPECT_TRUE(batch.empty()) << "nothing is due before time is told";
  unsigned rounds = 0;
  while (const auto time = port.next_time()) {
    ++rounds;
    port.advance_to(*time);
    port.receive(batch, pool);
    for (packet::Packet* p : batch) port.send(*p);
    pool.give(batch);
  }
  EXPECT_EQ(rounds, 2u) << "frames of the same time come together";
  EXPECT_TRUE(port.finish());
  EXPECT_EQ(contents("out.pcap"), contents("in.pcap"));
  EXPECT_EQ(port.counters().rx_packets, 3u);
  EXPECT_EQ(port.counters().tx_bytes, 183u);
  EXPECT_EQ(port.frames_read(), 3u);
  EXPECT_EQ(port.frames_cut(), 0u);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST_F(PcapTest, FilesThatCannotBeWrittenAreTold) {
  EXPECT_EQ(PcapPort::open("p1", {.out = "/none/x"}).error().message,
            "cannot write capture /none/x: No such file or directory");
  auto full = PcapPort::open("p1", {.out = "/dev/full"});
  ASSERT_TRUE(full);
  PacketPool pool(1);
  packet::Packet* packet = pool.take(100);
  packet->assign(frame(64, 0));
  (*full)->send(*packet);
  pool.give(packet);
  EXPECT_EQ((*full)->finish().error().message, "cannot write capture /dev/full: No space left on device");
}

}  // namespace
}  // namespace sluice::port
