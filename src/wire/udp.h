// UDP (RFC 768) and UDP-Lite (RFC 3828: the length field is the checksum coverage there).
//
//   0      2      4        6       8
//   | src  | dst  | length | check |
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class UdpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 8;
  static constexpr std::size_t kChecksumAt = 6;
  using View<Byte>::View;

  be16 src_port() const { return this->template get<be16>(0); }
  be16 dst_port() const { return this->template get<be16>(2); }
  be16 length() const { return this->template get<be16>(4); }
  /// 0 = the sender computed none (IPv4 only).
  be16 checksum() const { return this->template get<be16>(6); }
  void set_src_port(be16 value) const { this->put(0, value); }
  void set_dst_port(be16 value) const { this->put(2, value); }
  void set_length(be16 value) const { this->put(4, value); }
  void set_checksum(be16 value) const { this->put(6, value); }
};
template <typename Byte>
UdpHeader(Byte*) -> UdpHeader<Byte>;

}  // namespace sluice::wire
