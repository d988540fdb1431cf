// Match text: whatever is read is printed and reads back as the same match, and travels as NXM unchanged.
#include <cstdlib>
#include <string_view>

#include "field/match_text.h"
#include "field/oxm.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string warning;
  const auto match = field::parse_match(text, nullptr, &warning);
  if (!match) {
    if (match.error().message.empty()) std::abort();
    return 0;
  }
  if (!(flow::masked(match->value, match->mask) == match->value)) std::abort();
  const auto again = field::parse_match(field::format_match(*match));
  if (!again || !(*again == *match)) std::abort();
  return 0;
}
