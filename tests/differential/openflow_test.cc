// Messages that Sluice encodes, as `ovs-ofctl ofp-parse` prints them: the same text as ours, for every type
// of message in every version. One process reads a file of thousands.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "openflow/all_messages.h"
#include "tests/differential/ovs_tool.h"
#include "tests/support/message_generator.h"

namespace sluice::testing {
namespace {

using openflow::Message;
using openflow::OfVersion;

std::string to_hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// Between two messages: an echo request whose number says which has ended.
constexpr std::uint32_t kMark = 0xabcd0000;

/// What ovs-ofctl prints of each message.
std::vector<std::string> their_texts(const std::vector<std::vector<std::uint8_t>>& messages) {
  char name[] = "/tmp/sluice-ofp-XXXXXX";
  const int fd = mkstemp(name);
  if (fd < 0) return {};
  close(fd);
  {
    std::ofstream file(name, std::ios::binary);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      file.write(reinterpret_cast<const char*>(messages[i].data()),
                 static_cast<std::streamsize>(messages[i].size()));
      const auto mark = openflow::encode(openflow::make_message(
          openflow::EchoRequest{}, {.version = openflow::k10}, kMark + static_cast<std::uint32_t>(i)));
      file.write(reinterpret_cast<const char*>(mark.data()), static_cast<std::streamsize>(mark.size()));
    }
  }
  const auto lines = run_ovs_ofctl(fmt::format("ofp-parse {} < @", name), {});
  unlink(name);
  std::vector<std::string> texts;
  std::string text;
  for (const std::string& line : lines) {
    if (line == fmt::format("OFPT_ECHO_REQUEST (xid={:#x}): 0 bytes of payload", kMark + texts.size())) {
      texts.push_back(std::move(text));
      text.clear();
    } else {
      text += line + "\n";
    }
  }
  return texts;
}

class OpenFlowMessages : public ::testing::TestWithParam<OfVersion> {
 protected:
  void SetUp() override {
    if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  }
};

TEST_P(OpenFlowMessages, GeneratedMessagesPrintAlike) {
  MessageGenerator generator(4000 + static_cast<unsigned>(GetParam()));
  std::vector<std::vector<std::uint8_t>> messages;
  for (unsigned i = 0; i < 3000; ++i) messages.push_back(openflow::encode(generator.message(GetParam())));
  const auto theirs = their_texts(messages);
  ASSERT_EQ(theirs.size(), messages.size());
  // One difference of each type of message says enough.
  std::set<std::string> wrong;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string ours = openflow::print(messages[i]);
    // docs/differences.md, "Table statistics of OpenFlow 1.1 and 1.2".
    if (ours.starts_with("OFPST_TABLE reply (OF1.1)") || ours.starts_with("OFPST_TABLE reply (OF1.2)"))
      continue;
    if (ours == theirs[i] || !wrong.insert(ours.substr(0, ours.find('('))).second) continue;
    EXPECT_EQ(theirs[i], ours) << to_hex(messages[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, OpenFlowMessages,
                         ::testing::Values(openflow::k10, openflow::k11, openflow::k12, openflow::k13,
                                           openflow::k14, openflow::k15),
                         [](const auto& p) {
                           return fmt::format("OpenFlow1{}", static_cast<unsigned>(p.param) - 1);
                         });

}  // namespace
}  // namespace sluice::testing
