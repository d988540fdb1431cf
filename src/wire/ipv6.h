// IPv6 header (RFC 8200 section 3) and its extension headers (section 4; AH RFC 4302).
//
//   0                        4         6       7      8     24    40
//   | ver 4, tc 8, label 20  | payload | next  | hops | src | dst |
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class Ipv6Header : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 40;
  static constexpr std::uint32_t kLabelMask = 0xfffff;
  using View<Byte>::View;

  /// Version, traffic class and label together.
  be32 version_class_label() const { return this->template get<be32>(0); }
  std::uint8_t version() const { return this->byte(0) >> 4; }
  std::uint8_t traffic_class() const { return static_cast<std::uint8_t>(version_class_label().host() >> 20); }
  be32 label() const { return version_class_label() & be32{kLabelMask}; }
  be16 payload_length() const { return this->template get<be16>(4); }
  std::uint8_t next_header() const { return this->byte(6); }
  std::uint8_t hop_limit() const { return this->byte(7); }
  be128 src() const { return this->template get<be128>(8); }
  be128 dst() const { return this->template get<be128>(24); }

  void set_version_class_label(be32 value) const { this->put(0, value); }
  void set_traffic_class(std::uint8_t value) const {
    set_version_class_label(be32{(version_class_label().host() & 0xf00fffff) | std::uint32_t{value} << 20});
  }
  void set_label(be32 value) const {
    set_version_class_label((version_class_label() & be32{~kLabelMask}) | (value & be32{kLabelMask}));
  }
  void set_payload_length(be16 value) const { this->put(4, value); }
  void set_next_header(std::uint8_t value) const { this->put(6, value); }
  void set_hop_limit(std::uint8_t value) const { this->put(7, value); }
  void set_src(const be128& value) const { this->put(8, value); }
  void set_dst(const be128& value) const { this->put(24, value); }
};
template <typename Byte>
Ipv6Header(Byte*) -> Ipv6Header<Byte>;

/// The Fragment extension header (RFC 8200 section 4.5).
template <typename Byte>
class Ipv6FragmentHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 8;
  static constexpr std::uint16_t kMoreFragments = 1, kOffsetMask = 0xfff8;
  using View<Byte>::View;

  std::uint8_t next_header() const { return this->byte(0); }
  be16 offset_flags() const { return this->template get<be16>(2); }
  bool more_fragments() const { return (offset_flags().host() & kMoreFragments) != 0; }
  /// In bytes.
  unsigned fragment_offset() const { return offset_flags().host() & kOffsetMask; }
  be32 id() const { return this->template get<be32>(4); }
  void set_next_header(std::uint8_t value) const { this->put(0, value); }
  void set_offset_flags(be16 value) const { this->put(2, value); }
  void set_id(be32 value) const { this->put(4, value); }
};
template <typename Byte>
Ipv6FragmentHeader(Byte*) -> Ipv6FragmentHeader<Byte>;

namespace ipv6_extension {

/// Extension headers walked before a packet counts as malformed: far more than any sender has reason to use,
/// few enough that offsets stay in 16 bits.
inline constexpr unsigned kMaxHeaders = 16;

/// Whether a next-header value names an extension header that is skipped to find the transport header.
/// Mobility (135) ends the chain: its payload is its own (RFC 6275 section 6.1.1).
constexpr bool is_extension(std::uint8_t next) {
  using namespace net::ip_proto;
  return next == kHopByHop || next == kRouting || next == kFragment || next == kDestination || next == kAuth;
}

/// Length in bytes of the extension header of kind `next` whose second byte is `length_field`.
constexpr unsigned header_bytes(std::uint8_t next, std::uint8_t length_field) {
  if (next == net::ip_proto::kFragment) return 8;
  if (next == net::ip_proto::kAuth) return (length_field + 2u) * 4;
  return (length_field + 1u) * 8;
}

}  // namespace ipv6_extension
}  // namespace sluice::wire
