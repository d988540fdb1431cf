// Cuts a byte stream without framing into JSON texts: an object ends where its braces balance outside of
// strings. Sans-IO: feed() what was received, next() what is complete. What lies between the braces is the
// JSON parser's to judge; the splitter only bounds it, so that a hostile peer can grow neither memory nor a
// parser's stack.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::jsonrpc {

struct SplitterLimits {
  std::size_t max_bytes = std::size_t{64}
                          << 20;  ///< of one text; an OVSDB snapshot of a large site is about 10 MB
  unsigned max_depth = 256;       ///< of nested objects and arrays; OVSDB needs less than 20
};

class Splitter {
 public:
  explicit Splitter(SplitterLimits limits = {}) : limits_(limits) {}

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next complete text, nothing if more bytes are needed, or an error, after which the stream is
  /// worthless and every call gives the same error.
  Result<std::optional<std::string>> next();

 private:
  /// Moves scan_ over the buffer until the text that began is complete.
  Result<bool> scan();

  SplitterLimits limits_;
  std::string buffer_;
  std::size_t scan_ = 0;  ///< bytes of buffer_ already looked at
  unsigned depth_ = 0;
  bool in_string_ = false, escaped_ = false;
  std::string error_;
  std::size_t stream_offset_ = 0;  ///< of buffer_[0] in the stream, for messages
};

}  // namespace sluice::jsonrpc
