// Any bytes as a stream of OpenFlow messages: none may crash the decoder or the printer, and what is
// understood can be encoded, understood again and then encodes to the same bytes.
#include <cstdint>
#include <cstdlib>

#include "openflow/all_messages.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  openflow::Splitter splitter;
  splitter.append(Bytes(data, size));
  for (;;) {
    const auto next = splitter.next();
    if (!next || !*next) break;
    const Bytes bytes = **next;
    (void)openflow::print(bytes, {.verbosity = 3});
    const auto message = openflow::decode(bytes);
    if (!message) continue;
    const auto encoded = openflow::encode(*message);
    const auto again = openflow::decode(encoded);
    // What grew beyond one message is several; what the version cannot say is left out and may then be
    // refused.
    if (!again) continue;
    const auto settled = openflow::encode(*again);
    const auto third = openflow::decode(settled);
    if (!third || openflow::encode(*third) != settled) std::abort();
  }
  return 0;
}
