// SCTP common header (RFC 9260 section 3.1). The CRC32c is stored least significant byte first (appendix A).
//
//   0      2      4     8         12
//   | src  | dst  | tag | CRC32c  | chunks
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class SctpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 12;
  static constexpr std::size_t kChecksumAt = 8;
  using View<Byte>::View;

  be16 src_port() const { return this->template get<be16>(0); }
  be16 dst_port() const { return this->template get<be16>(2); }
  be32 verification_tag() const { return this->template get<be32>(4); }
  /// The CRC32c as net::crc32c computes it.
  std::uint32_t crc() const { return net::byte_swap(this->template get<be32>(8).host()); }
  void set_src_port(be16 value) const { this->put(0, value); }
  void set_dst_port(be16 value) const { this->put(2, value); }
  void set_verification_tag(be32 value) const { this->put(4, value); }
  void set_crc(std::uint32_t value) const { this->put(8, be32{net::byte_swap(value)}); }
};
template <typename Byte>
SctpHeader(Byte*) -> SctpHeader<Byte>;

}  // namespace sluice::wire
