// Any bytes as a JSON-RPC stream, in pieces: what the splitter gives must not depend on the pieces, and what
// parses must survive being formatted and parsed again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "jsonrpc/message.h"
#include "jsonrpc/splitter.h"

using namespace sluice::jsonrpc;

namespace {

constexpr SplitterLimits kLimits{.max_bytes = 4096, .max_depth = 16};

std::vector<std::string> split(std::string_view bytes, std::size_t piece) {
  Splitter splitter(kLimits);
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    splitter.feed(bytes.substr(at, piece));
    for (;;) {
      auto text = splitter.next();
      if (!text || !*text) break;
      texts.push_back(std::move(**text));
    }
  }
  return texts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto texts = split(bytes, 1);
  if (texts != split(bytes, size + 1)) std::abort();
  for (const std::string& text : texts) {
    const auto message = parse_message(text);
    if (!message) continue;
    const std::string formatted = format_message(*message);
    const auto again = parse_message(formatted);
    if (!again || format_message(*again) != formatted) std::abort();
  }
  return 0;
}
