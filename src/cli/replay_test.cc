// Captures through a firewall: verdicts, determinism, and what happens to broken input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/rng.h"
#include "cli/commands.h"
#include "port/pcap/capture_file.h"
#include "tests/support/packet_dsl.h"

namespace sluice::cli {
namespace {

using ::testing::HasSubstr;
using namespace sluice::testing;  // NOLINT: the packet DSL

constexpr const char* kFlows = R"(
table=0,priority=50,ip,actions=ct(table=1)
table=1,priority=80,ct_state=+trk+new,ip,in_port=1,actions=ct(commit),output:2
table=1,priority=70,ct_state=+trk+est,in_port=1,actions=output:2
table=1,priority=60,ct_state=+trk+est,in_port=2,actions=output:1
table=1,priority=1,actions=drop
)";

class ReplayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/sluice-replay-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
    std::ofstream(path("f.flows")) << kFlows;
    // A client asks, the server answers; the server also asks, which it may not.
    write("client.pcap", {{1'000'000'000, query(1)}, {3'000'000'000, query(2)}, {4'000'000'000, query(1)}});
    write("server.pcap",
          {{2'000'000'000, answer(1)}, {2'500'000'000, answer(9)}, {3'500'000'000, answer(2)}});
  }
  void TearDown() override {
    for (const auto& file : files_) ::unlink(file.c_str());
    ::rmdir(folder_.c_str());
  }

  static Frame query(std::uint16_t port) {
    return build(Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = port, .dport = 53});
  }
  static Frame answer(std::uint16_t port) {
    return build(Ip4{.src = "10.1.1.2", .dst = "10.1.1.1"} / Udp{.sport = 53, .dport = port});
  }

  std::string path(const std::string& name) {
    const auto full = folder_ + "/" + name;
    if (std::find(files_.begin(), files_.end(), full) == files_.end()) files_.push_back(full);
    return full;
  }
  void write(const std::string& name, const std::vector<std::pair<std::int64_t, Frame>>& frames) {
    auto writer = port::CaptureWriter::create(path(name), false);
    ASSERT_TRUE(writer) << writer.error().message;
    for (const auto& [time, frame] : frames) ASSERT_TRUE(writer->write(time, frame));
    ASSERT_TRUE(writer->flush());
  }
  static std::string contents(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  ReplayArguments arguments(const std::string& run) {
    ReplayArguments a;
    a.flow_files = {path("f.flows")};
    a.in = {{1, path("client.pcap")}, {2, path("server.pcap")}};
    a.out = {{1, path(run + "-1.pcap")}, {2, path(run + "-2.pcap")}};
    a.connections_file = path(run + "-connections");
    return a;
  }
  /// Runs it; standard output.
  std::string run(const ReplayArguments& a, int status = 0) {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(replay(a), status);
    return ::testing::internal::GetCapturedStdout();
  }

  std::string folder_;
  std::vector<std::string> files_;
};

TEST_F(ReplayTest, SaysWhatHappenedToEachPacket) {
  const auto text = run(arguments("a"));
  EXPECT_THAT(text, HasSubstr("     1     0.000000  port 1  10.1.1.1:1 > 10.1.1.2:53 udp"));
  EXPECT_THAT(text, HasSubstr("        output 2; ct_state new|trk; rules 0/50 1/80\n"));
  EXPECT_THAT(text, HasSubstr("     2     1.000000  port 2  10.1.1.2:53 > 10.1.1.1:1 udp"));
  EXPECT_THAT(text, HasSubstr("        output 1; ct_state est|rpl|trk; rules 0/50 1/60\n"));
  EXPECT_THAT(text, HasSubstr("        drop (explicit_drop); ct_state new|trk; rules 0/50 1/1\n"));
  EXPECT_THAT(text, HasSubstr("6 packets in 3.000000 s, 5 forwarded\n"));
  EXPECT_THAT(text, HasSubstr("  port 1: 3 in, 2 out\n  port 2: 3 in, 3 out\n  dropped, explicit_drop: 1\n"));
  EXPECT_THAT(text, HasSubstr("  connections: 2 created, 0 expired, 2 left\n"));
}

TEST_F(ReplayTest, OutputIsWhatWentOutWithTheTimeOfItsCause) {
  run(arguments("a"));
  auto reader = port::CaptureReader::open(path("a-1.pcap"));
  ASSERT_TRUE(reader) << reader.error().message;
  auto frame = reader->next();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->time_ns, 2'000'000'000);
  EXPECT_EQ(Frame((*frame)->bytes.begin(), (*frame)->bytes.end()), answer(1));
  frame = reader->next();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->time_ns, 3'500'000'000);
  frame = reader->next();
  ASSERT_TRUE(frame);
  EXPECT_FALSE(*frame);
}

TEST_F(ReplayTest, TwoRunsAreByteIdentical) {
  const auto first = run(arguments("a")), second = run(arguments("b"));
  EXPECT_EQ(first, second);
  EXPECT_EQ(contents(path("a-1.pcap")), contents(path("b-1.pcap")));
  EXPECT_EQ(contents(path("a-2.pcap")), contents(path("b-2.pcap")));
  EXPECT_EQ(contents(path("a-connections")), contents(path("b-connections")));
  EXPECT_NE(contents(path("a-connections")).find("udp,orig=(src=10.1.1.1"), std::string::npos);
}

TEST_F(ReplayTest, QuietUsesTheCacheAndComesToTheSame) {
  auto quiet = arguments("b");
  quiet.quiet = true;
  const auto loud = run(arguments("a")), summary = run(quiet);
  EXPECT_TRUE(loud.ends_with(summary)) << summary;
  EXPECT_EQ(contents(path("a-1.pcap")), contents(path("b-1.pcap")));
  EXPECT_EQ(contents(path("a-connections")), contents(path("b-connections")));
}

TEST_F(ReplayTest, JsonIsALineAPacket) {
  auto json = arguments("a");
  json.json = true;
  const auto text = run(json);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 7);
  EXPECT_THAT(text, HasSubstr(R"({"packet":1,"time_ns":1000000000,"port":1,)"));
  EXPECT_THAT(text, HasSubstr(R"("outputs":[2],"drops":[],"packet_ins":0,)"));
}

TEST_F(ReplayTest, BrokenCapturesAreOneSentence) {
  const auto good = contents(path("client.pcap"));
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    std::string bad = good;
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n)
      bad[rng.below(bad.size())] = static_cast<char>(rng.next());
    if (rng.below(2)) bad.resize(rng.below(bad.size()));
    std::ofstream(path("client.pcap"), std::ios::binary) << bad;
    auto a = arguments("a");
    a.quiet = true;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = replay(a);
    ::testing::internal::GetCapturedStdout();
    const auto error = ::testing::internal::GetCapturedStderr();
    if (status == 0) {
      EXPECT_EQ(error, "");
    } else {
      EXPECT_EQ(status, 1);
      EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
    }
  }
}

TEST_F(ReplayTest, MissingFilesAreOneSentence) {
  auto a = arguments("a");
  a.in[1] = folder_ + "/nosuch.pcap";
  ::testing::internal::CaptureStderr();
  run(a, 1);
  const auto error = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(error, HasSubstr("nosuch.pcap"));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
}

}  // namespace
}  // namespace sluice::cli
