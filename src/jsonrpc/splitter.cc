#include "jsonrpc/splitter.h"

#include <fmt/core.h>

namespace sluice::jsonrpc {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

Result<std::optional<std::string>> Splitter::next() {
  if (!error_.empty()) return fail(error_);
  auto complete = scan();
  if (!complete) {
    error_ = complete.error().message;
    buffer_.clear();
    return tl::unexpected(std::move(complete.error()));
  }
  if (!*complete) return std::optional<std::string>();
  std::optional<std::string> text;
  if (scan_ == buffer_.size()) {
    text = std::move(buffer_);
    buffer_.clear();
  } else {
    text = buffer_.substr(0, scan_);
    buffer_.erase(0, scan_);
  }
  stream_offset_ += scan_;
  scan_ = 0;
  return text;
}

Result<bool> Splitter::scan() {
  if (depth_ == 0) {
    std::size_t blanks = 0;
    while (blanks < buffer_.size() && is_space(buffer_[blanks])) ++blanks;
    buffer_.erase(0, blanks);
    stream_offset_ += blanks;
    if (buffer_.empty()) return false;
    if (buffer_[0] != '{')
      return fail(fmt::format("byte {} of the JSON stream: expected an object", stream_offset_));
  }
  while (scan_ < buffer_.size()) {
    const char c = buffer_[scan_++];
    if (in_string_) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == '"')
        in_string_ = false;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      if (++depth_ > limits_.max_depth)
        return fail(fmt::format("byte {} of the JSON stream: nested more than {} deep",
                                stream_offset_ + scan_ - 1, limits_.max_depth));
    } else if (c == '}' || c == ']') {
      if (--depth_ == 0) return true;
    }
    if (scan_ >= limits_.max_bytes)
      return fail(fmt::format("byte {} of the JSON stream: a text of more than {} bytes", stream_offset_,
                              limits_.max_bytes));
  }
  return false;
}

}  // namespace sluice::jsonrpc
