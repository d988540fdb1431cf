// Any text as a flow: what parses is printed, read back to the same text, and survives every version of
// OpenFlow.
#include "action/flow_spec.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)action::parse_flow_file(text, "fuzz");
  const auto flow = action::parse_flow(text);
  if (!flow) return 0;

  const std::string printed = action::format_flow(*flow);
  const auto again = action::parse_flow(printed);
  SLUICE_CHECK(again.has_value());
  SLUICE_CHECK(action::format_flow(*again) == printed);
  for (const auto version : {field::OfVersion::k10, field::OfVersion::k13, field::OfVersion::k15}) {
    const auto seen = action::as_seen_by(flow->actions, version);
    if (seen) (void)action::format_actions(*seen);
  }
  return 0;
}
