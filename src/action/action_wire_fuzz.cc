// Any bytes as actions and instructions of any version (the first byte chooses): what decodes is printed,
// checked, and encodes to bytes that decode to the same.
#include "action/action.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size == 0) return 0;
  const auto version = static_cast<field::OfVersion>(1 + data[0] % 6);
  const Bytes bytes(data + 1, size - 1);
  if (const auto list = action::decode_actions(bytes, version)) {
    (void)action::format_actions(*list);
    (void)action::check(*list, {});
    ByteWriter first;
    action::encode_actions(*list, version, first);
    // What decodes can grow beyond a length field when it is written in another form.
    if (first.size() > 0x8000) return 0;
    const auto again = action::decode_actions(first.bytes(), version);
    SLUICE_CHECK(again.has_value());
    ByteWriter second;
    action::encode_actions(*again, version, second);
    SLUICE_CHECK(first.take() == second.take());
  }
  if (version != field::OfVersion::k10)
    if (const auto list = action::decode_instructions(bytes, version)) (void)action::format_actions(*list);
  return 0;
}
