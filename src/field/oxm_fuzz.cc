// OXM bytes: whatever decodes encodes to bytes that decode to the same match, in every version; the text form
// of any bytes is bounded and, where it can be read, gives them back.
#include <cstdlib>

#include "field/match_text.h"
#include "field/oxm.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  using field::OfVersion;
  const Bytes bytes(data, size);
  if (const auto lax = field::decode_match(bytes, OfVersion::k13, false); lax) {
    if (!(flow::masked(lax->value, lax->mask) == lax->value)) std::abort();
    // Settled matches are made of fields that can travel.
    for (const auto version : {OfVersion::k10, OfVersion::k13, OfVersion::k15}) {
      ByteWriter out;
      field::encode_match(*lax, version, out);
      const auto again = field::decode_match(out.bytes(), version, true);
      if (!again) std::abort();
    }
    if (!field::parse_match(field::format_match(*lax))) std::abort();
  }
  (void)field::decode_match(bytes, OfVersion::k10, true);
  const std::string text = field::format_oxm_text(bytes);
  if (const auto parsed = field::parse_oxm_text(text); parsed && !(Bytes(*parsed).size() <= size))
    std::abort();
  // The same bytes as text.
  (void)field::parse_oxm_text({reinterpret_cast<const char*>(data), size});
  return 0;
}
