// Flows with actions against `ovs-ofctl parse-flows`, in every OpenFlow version: what we print of generated
// flows, as a switch of that version would see them, is what it prints.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include "action/flow_spec.h"
#include "tests/differential/action_generator.h"
#include "tests/differential/ovs_tool.h"

namespace sluice::testing {
namespace {

using action::FlowSpec;
using action::Protocols;

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

void compare(const std::string& options, Protocols allowed, const std::vector<std::string>& lines) {
  std::vector<FlowSpec> flows;
  for (const std::string& line : lines) {
    auto flow = action::parse_flow(line);
    ASSERT_TRUE(flow.has_value()) << line << ": " << flow.error().message;
    flows.push_back(std::move(*flow));
  }
  const auto ours = action::format_parsed_flows(flows, allowed);
  ASSERT_TRUE(ours.has_value()) << ours.error().message;
  std::string errors;
  const auto theirs = run_ovs_ofctl(options + " parse-flows @", lines, &errors);
  const auto mine = split_lines(*ours);
  ASSERT_EQ(theirs.size(), mine.size()) << errors.substr(0, 3000);
  unsigned wrong = 0;
  for (std::size_t i = 0; i < mine.size() && wrong < 10; ++i) {
    if (mine[i] != theirs[i]) ++wrong;
    EXPECT_EQ(mine[i], theirs[i]) << options << " input: " << (i >= 2 ? lines[i - 2] : "");
  }
}

class ActionFlows : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_ovs_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
  }
  /// Flows that one of `allowed` can carry; the rest is left out, since one such line fails the whole run.
  static std::vector<std::string> generate(std::uint64_t seed, unsigned count, bool any_version,
                                           Protocols allowed = {}) {
    ActionGenerator generator(seed);
    std::vector<std::string> lines;
    while (lines.size() < count) {
      std::string line = generator.flow(5, any_version).line();
      const auto flow = action::parse_flow(line);
      if (flow && (flow->usable & allowed).empty()) continue;
      lines.push_back(std::move(line));
    }
    return lines;
  }
};

TEST_F(ActionFlows, OpenFlow10) {
  compare("", action::kDefaultProtocols, generate(1, 1500, true));
}
TEST_F(ActionFlows, Nxm) {
  compare("-F nxm", Protocols::kAnyNxm, generate(2, 1500, false));
}
TEST_F(ActionFlows, OpenFlow11) {
  compare("-O OpenFlow11", Protocols::kOf11, generate(3, 800, true, Protocols::kOf11));
}
TEST_F(ActionFlows, OpenFlow12) {
  compare("-O OpenFlow12", Protocols::kOf12, generate(4, 800, false));
}
TEST_F(ActionFlows, OpenFlow13) {
  compare("-O OpenFlow13", Protocols::kOf13, generate(5, 1500, false));
}
TEST_F(ActionFlows, OpenFlow14) {
  compare("-O OpenFlow14", Protocols::kOf14, generate(6, 800, false));
}
TEST_F(ActionFlows, OpenFlow15) {
  compare("-O OpenFlow15", Protocols::kOf15, generate(7, 1500, false));
}

}  // namespace
}  // namespace sluice::testing
