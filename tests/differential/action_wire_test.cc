// Actions and instructions on the wire against `ovs-ofctl parse-actions` and `parse-instructions`: it reads
// our bytes as the text that we print of them, and would have written the same bytes (it prints a line for
// each byte that differs).
#include <gtest/gtest.h>

#include <fmt/core.h>

#include "action/flow_spec.h"
#include "tests/differential/action_generator.h"
#include "tests/differential/ovs_tool.h"

namespace sluice::testing {
namespace {

using action::ActionList;
using action::OfVersion;

std::string to_hex(Bytes bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string version_name(OfVersion version) {
  return fmt::format("OpenFlow1{}", static_cast<unsigned>(version) - 1);
}

/// An answer to each input: the text, and behind it the bytes that ovs-ofctl would have written otherwise.
std::vector<std::string> answers(const std::vector<std::string>& lines) {
  std::vector<std::string> result;
  for (const std::string& line : lines) {
    if (line.empty()) continue;
    if (!line.starts_with("actions=") && !line.starts_with("bad ") && !result.empty())
      result.back() += ";" + line;
    else
      result.push_back(line);
  }
  return result;
}

void compare(const std::string& command, OfVersion version, bool instructions,
             const std::vector<ActionList>& lists) {
  std::vector<std::string> input, expected;
  for (const ActionList& list : lists) {
    ByteWriter bytes;
    Result<ActionList> seen;
    if (instructions) {
      action::encode_instructions(list, version, bytes);
      seen = action::decode_instructions(bytes.bytes(), version);
    } else {
      action::encode_actions(list, version, bytes);
      seen = action::decode_actions(bytes.bytes(), version);
    }
    ASSERT_TRUE(seen.has_value()) << format_actions(list) << ": " << seen.error().message;
    input.push_back(to_hex(bytes.bytes()));
    expected.push_back("actions=" + format_actions(*seen));
  }
  std::string errors;
  const auto theirs = answers(run_ovs_ofctl(command + " " + version_name(version) + " < @", input, &errors));
  ASSERT_EQ(theirs.size(), expected.size()) << errors.substr(0, 2000);
  unsigned wrong = 0;
  for (std::size_t i = 0; i < expected.size() && wrong < 10; ++i) {
    if (theirs[i] != expected[i]) ++wrong;
    EXPECT_EQ(expected[i], theirs[i]) << version_name(version) << " bytes: " << input[i];
  }
}

class ActionWire : public ::testing::TestWithParam<OfVersion> {
 protected:
  void SetUp() override {
    if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  }
};

TEST_P(ActionWire, GeneratedActions) {
  const OfVersion version = GetParam();
  ActionGenerator generator(100 + static_cast<unsigned>(version));
  std::vector<ActionList> lists;
  while (lists.size() < 1500) {
    const auto flow = action::parse_flow(generator.flow(4, version <= OfVersion::k11).line());
    ASSERT_TRUE(flow.has_value()) << flow.error().message;
    lists.push_back(flow->actions);
  }
  compare("parse-actions", version, false, lists);
}

TEST_P(ActionWire, GeneratedInstructions) {
  const OfVersion version = GetParam();
  if (version < OfVersion::k11) GTEST_SKIP() << "OpenFlow 1.0 has none";
  ActionGenerator generator(200 + static_cast<unsigned>(version));
  Rng& rng = generator.rng();
  std::vector<ActionList> lists;
  while (lists.size() < 500) {
    auto base = generator.flow(2, version <= OfVersion::k11);
    if (!base.match.empty()) continue;  // parse-instructions checks against a match on everything
    std::string text;
    const auto add = [&](const std::string& word) { text += (text.empty() ? "" : ",") + word; };
    if (version >= OfVersion::k13 && rng.chance(30)) add("meter:" + std::to_string(1 + rng.below(1000)));
    if (rng.chance(70)) add(base.actions);
    if (rng.chance(30)) add("clear_actions");
    if (rng.chance(30)) add("write_actions(mod_dl_src:00:11:22:33:44:55,output:3)");
    if (rng.chance(30)) add("write_metadata:0x5" + std::string(rng.chance(50) ? "/0xf" : ""));
    if (rng.chance(30)) add("goto_table:" + std::to_string(1 + rng.below(254)));
    if (text.empty()) continue;
    const auto flow = action::parse_flow(base.match + (base.match.empty() ? "" : ",") + "actions=" + text);
    ASSERT_TRUE(flow.has_value()) << text << ": " << flow.error().message;
    lists.push_back(flow->actions);
  }
  compare("parse-instructions", version, true, lists);
}

INSTANTIATE_TEST_SUITE_P(Versions, ActionWire,
                         ::testing::Values(OfVersion::k10, OfVersion::k11, OfVersion::k12, OfVersion::k13,
                                           OfVersion::k14, OfVersion::k15),
                         [](const auto& parameter) { return version_name(parameter.param); });

// Which protocols can carry a flow, one run a flow.
TEST(ActionProtocols, UsableProtocolsOfSingleFlows) {
  if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  ActionGenerator generator(300);
  for (unsigned i = 0; i < 150; ++i) {
    const std::string line = (i % 5 == 0 ? "table=3," : "") + generator.flow(2, false).line();
    const auto flow = action::parse_flow(line);
    ASSERT_TRUE(flow.has_value()) << line;
    const auto theirs = run_ovs_ofctl("-O OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13 parse-flows @", {line});
    ASSERT_FALSE(theirs.empty()) << line;
    EXPECT_EQ("usable protocols: " + action::format_protocols(flow->usable), theirs[0]) << line;
  }
}

}  // namespace
}  // namespace sluice::testing
