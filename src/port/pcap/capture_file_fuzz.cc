// Any bytes as a capture file: read to the end, or to the first error.
#include "port/pcap/capture_file.h"

using sluice::port::CaptureReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto reader = CaptureReader::open_memory({data, size}, "input");
  if (!reader) return 0;
  std::uint64_t seen = 0;
  for (;;) {
    const auto frame = reader->next();
    if (!frame || !*frame) break;
    for (const std::uint8_t byte : (*frame)->bytes) seen += byte;  // all of it is there
  }
  volatile std::uint64_t sink = seen;
  (void)sink;
  return 0;
}
