// TCP header (RFC 9293 section 3.1) and its options.
//
//   0      2      4     8     12                  14     16      18    20
//   | src  | dst  | seq | ack | off 4, flags 12   | win  | check | urg | options
#pragma once

#include "base/bytes.h"
#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class TcpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 20;
  static constexpr std::size_t kMaxBytes = 60;
  static constexpr std::size_t kChecksumAt = 16;
  static constexpr std::uint16_t kFlagsMask = 0x0fff;
  using View<Byte>::View;

  be16 src_port() const { return this->template get<be16>(0); }
  be16 dst_port() const { return this->template get<be16>(2); }
  be32 seq() const { return this->template get<be32>(4); }
  be32 ack() const { return this->template get<be32>(8); }
  be16 offset_flags() const { return this->template get<be16>(12); }
  /// In bytes, options included.
  unsigned header_bytes() const { return (this->byte(12) >> 4) * 4u; }
  /// The reserved bits and the flags: twelve bits, as tcp_flags matches them.
  be16 flags() const { return offset_flags() & be16{kFlagsMask}; }
  be16 window() const { return this->template get<be16>(14); }
  be16 checksum() const { return this->template get<be16>(16); }
  be16 urgent() const { return this->template get<be16>(18); }
  /// Valid only for a header found by walk() (its data offset was checked).
  Bytes options() const { return {this->at() + kBytes, header_bytes() - kBytes}; }

  void set_src_port(be16 value) const { this->put(0, value); }
  void set_dst_port(be16 value) const { this->put(2, value); }
  void set_seq(be32 value) const { this->put(4, value); }
  void set_ack(be32 value) const { this->put(8, value); }
  void set_offset_flags(be16 value) const { this->put(12, value); }
  void set_window(be16 value) const { this->put(14, value); }
  void set_checksum(be16 value) const { this->put(16, value); }
  void set_urgent(be16 value) const { this->put(18, value); }
};
template <typename Byte>
TcpHeader(Byte*) -> TcpHeader<Byte>;

namespace tcp_option {
inline constexpr std::uint8_t kEnd = 0, kNop = 1, kMss = 2, kWindowScale = 3, kSackPermitted = 4, kSack = 5,
                              kTimestamps = 8;

/// The value bytes of the first option of `kind`, or nothing if there is none or the options are malformed
/// before it.
inline std::optional<Bytes> find(Bytes options, std::uint8_t kind) {
  std::size_t i = 0;
  while (i < options.size() && options[i] != kEnd) {
    if (options[i] == kNop) {
      ++i;
      continue;
    }
    if (i + 2 > options.size() || options[i + 1] < 2 || options[i + 1] > options.size() - i)
      return std::nullopt;
    if (options[i] == kind) return options.subspan(i + 2, options[i + 1] - 2u);
    i += options[i + 1];
  }
  return std::nullopt;
}
}  // namespace tcp_option

}  // namespace sluice::wire
