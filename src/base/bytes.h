// Bounds-checked readers and writers for bytes that come from outside. A reader fails sticky: after the first
// read past the end every read gives zeros and ok() stays false, so a parser checks once, at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

using Bytes = std::span<const std::uint8_t>;

/// Reads big-endian integers and byte runs from a span it does not own.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }

  /// The next n bytes, or an empty span after a failure.
  Bytes take(std::size_t n) {
    if (!reserve(n)) return {};
    const Bytes result = bytes_.subspan(offset_, n);
    offset_ += n;
    return result;
  }
  void skip(std::size_t n) { take(n); }
  Bytes rest() { return take(remaining()); }

  /// Skips n bytes and returns whether all of them were zero.
  bool skip_zeros(std::size_t n) {
    bool zero = true;
    for (const std::uint8_t byte : take(n)) zero = zero && byte == 0;
    return ok_ && zero;
  }

 private:
  bool reserve(std::size_t n) {
    if (ok_ && n <= remaining()) return true;
    ok_ = false;
    offset_ = bytes_.size();
    return false;
  }
  std::uint64_t integer(std::size_t n) {
    if (!reserve(n)) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < n; ++i) value = value << 8 | bytes_[offset_ + i];
    offset_ += n;
    return value;
  }

  Bytes bytes_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

/// Appends big-endian integers and byte runs to a growing buffer.
class ByteWriter {
 public:
  std::size_t size() const { return bytes_.size(); }
  Bytes bytes() const { return bytes_; }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

  void u8(std::uint8_t value) { bytes_.push_back(value); }
  void u16(std::uint16_t value) { integer(value, 2); }
  void u32(std::uint32_t value) { integer(value, 4); }
  void u64(std::uint64_t value) { integer(value, 8); }
  void zeros(std::size_t n) { bytes_.insert(bytes_.end(), n, 0); }
  void append(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// Pads with zeros until the size counted from `start` is a multiple of `multiple`.
  void pad(std::size_t start, std::size_t multiple) {
    while ((bytes_.size() - start) % multiple != 0) bytes_.push_back(0);
  }
  /// Overwrites two bytes written earlier, typically a length.
  void patch_u16(std::size_t at, std::uint16_t value) {
    bytes_[at] = static_cast<std::uint8_t>(value >> 8);
    bytes_[at + 1] = static_cast<std::uint8_t>(value);
  }

 private:
  void integer(std::uint64_t value, int n) {
    for (int shift = (n - 1) * 8; shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  std::vector<std::uint8_t> bytes_;
};

}  // namespace sluice
