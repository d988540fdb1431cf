// Matches as text against `ovs-ofctl parse-flows`: what we read and print of generated matches is what it
// prints.
#include <gtest/gtest.h>

#include <algorithm>

#include "field/match_text.h"
#include "tests/differential/match_generator.h"
#include "tests/differential/ovs_tool.h"

namespace sluice::testing {
namespace {

/// What stands between "ADD " and " actions=drop".
std::string match_of(const std::string& line) {
  constexpr std::string_view kBegin = "ADD ", kEnd = "actions=drop";
  const std::size_t begin = line.find(kBegin);
  if (begin == std::string::npos || !line.ends_with(kEnd)) return "not a flow: " + line;
  std::string match = line.substr(begin + kBegin.size(), line.size() - begin - kBegin.size() - kEnd.size());
  constexpr std::string_view kTable = "table:255";
  if (match.starts_with(kTable)) match.erase(0, std::min(match.size(), kTable.size() + 1));
  if (!match.empty() && match.back() == ' ') match.pop_back();
  return match;
}

std::vector<std::string> flow_lines(const std::vector<std::string>& output) {
  std::vector<std::string> flows;
  for (const std::string& line : output)
    if (line.find("FLOW_MOD") != std::string::npos) flows.push_back(line);
  return flows;
}

void compare(const std::string& format, MatchGenerator generate, unsigned count) {
  std::vector<std::string> texts, lines;
  for (unsigned i = 0; i < count; ++i) {
    texts.push_back(generate.text());
    lines.push_back((texts.back().empty() ? "" : texts.back() + ",") + "actions=drop");
  }
  std::string errors;
  const auto flows = flow_lines(run_ovs_ofctl(format + " parse-flows @", lines, &errors));
  ASSERT_EQ(flows.size(), texts.size()) << errors.substr(0, 2000);
  unsigned wrong = 0;
  for (unsigned i = 0; i < count && wrong < 20; ++i) {
    const auto ours = field::parse_match(texts[i]);
    ASSERT_TRUE(ours.has_value()) << texts[i] << ": " << ours.error().message;
    const std::string expected = match_of(flows[i]);
    const std::string got = field::format_match(*ours);
    if (got != expected) ++wrong;
    EXPECT_EQ(got, expected) << "input: " << texts[i];
    // What was printed reads back as the same match.
    const auto again = field::parse_match(got);
    ASSERT_TRUE(again.has_value()) << got << ": " << again.error().message;
    EXPECT_TRUE(*again == *ours) << got;
  }
}

class FieldMatchText : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  }
};

TEST_F(FieldMatchText, GeneratedMatchesPrintAsOvsPrintsThemThroughNxm) {
  compare("-F NXM+table_id", MatchGenerator(1), 4000);
}
TEST_F(FieldMatchText, GeneratedMatchesPrintAsOvsPrintsThemThroughOxm) {
  compare("-O OpenFlow15 -F OXM-OpenFlow15", MatchGenerator(2, {.vlan_tci = false}), 4000);
}

}  // namespace
}  // namespace sluice::testing
