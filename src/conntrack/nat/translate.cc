#include "conntrack/nat/translate.h"

#include "net/checksum.h"
#include "packet/rewrite.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/sctp.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/walk.h"

namespace sluice::conntrack::nat {
namespace {

namespace ip_proto = net::ip_proto;
using wire::Layout;

void set_addresses(const wire::MutableFrame& frame, const TupleKey& tuple, bool src, bool dst) {
  const std::uint8_t* const l3 = frame.data + frame.layout.l3;
  if (tuple.is_ipv6()) {
    const be128 to_src = tuple.address(Side::Source), to_dst = tuple.address(Side::Destination);
    if (src && std::memcmp(l3 + 8, &to_src, 16) != 0) wire::set_ipv6_src(frame, to_src);
    if (dst && std::memcmp(l3 + 24, &to_dst, 16) != 0) wire::set_ipv6_dst(frame, to_dst);
  } else {
    if (src && be32::load(l3 + 12).raw() != tuple.key.src)
      wire::set_ipv4_src(frame, be32::from_raw(tuple.key.src));
    if (dst && be32::load(l3 + 16).raw() != tuple.key.dst)
      wire::set_ipv4_dst(frame, be32::from_raw(tuple.key.dst));
  }
}

/// The packet that an ICMP error quotes: every 16-bit word of it is also covered by the error's own checksum.
class Quoted {
 public:
  Quoted(std::uint8_t* icmp, std::uint32_t icmp_bytes, be16 eth_type, bool checksum_is_whole)
      : sum_(checksum_is_whole ? icmp + wire::IcmpHeader<std::uint8_t>::kChecksumAt : nullptr),
        data_(icmp + wire::IcmpHeader<std::uint8_t>::kBytes),
        size_(icmp_bytes - wire::IcmpHeader<std::uint8_t>::kBytes),
        layout_(wire::walk_ip({data_, size_}, eth_type, true)) {}

  void translate(const TupleKey& tuple) {
    if (!layout_.has_l3()) return;
    find_checksum();
    if (tuple.is_ipv6()) {
      replace_address(8, tuple.ipv6, 16);
      replace_address(24, tuple.ipv6 + 16, 16);
    } else {
      replace_address(12, reinterpret_cast<const std::uint8_t*>(&tuple.key.src), 4);
      replace_address(16, reinterpret_cast<const std::uint8_t*>(&tuple.key.dst), 4);
    }
    if (!tuple.has_ports() || !layout_.has_l4()) return;
    if (tuple.is_icmp()) {
      replace(layout_.l4 + 4u, be16{tuple.port(Side::Source)}, true);
    } else {
      const Bytes sctp = whole_sctp();
      const std::uint32_t before = net::crc32c(sctp);
      replace(layout_.l4, be16{tuple.port(Side::Source)}, true);
      replace(layout_.l4 + 2u, be16{tuple.port(Side::Destination)}, true);
      if (!sctp.empty()) change_crc(before ^ net::crc32c(sctp));
    }
  }

 private:
  /// The quoted SCTP packet, if all of it is there: nobody can check the CRC32c of a part.
  Bytes whole_sctp() const {
    if (layout_.ip_proto != ip_proto::kSctp || layout_.fragment != 0) return {};
    const std::uint8_t* const ip = data_ + layout_.l3;
    const std::uint32_t end = layout_.eth_type == be16{net::ethertype::kIpv6}
                                  ? wire::Ipv6Header<std::uint8_t>::kBytes + be16::load(ip + 4).host()
                                  : be16::load(ip + 2).host();
    if (end > size_ || end < layout_.l4 + wire::SctpHeader<std::uint8_t>::kBytes) return {};
    return {data_ + layout_.l4, end - layout_.l4};
  }
  /// CRCs are linear: a wrong one stays wrong.
  void change_crc(std::uint32_t bits) {
    const std::uint32_t at = layout_.l4 + wire::SctpHeader<std::uint8_t>::kChecksumAt;
    wire::SctpHeader<std::uint8_t> changed(data_ + layout_.l4);
    const be32 crc{net::byte_swap(changed.crc() ^ bits)};
    std::uint8_t bytes[4];
    crc.store(bytes);
    write(at, be16::load(bytes));
    write(at + 2, be16::load(bytes + 2));
  }

  /// The quoted transport checksum, if the quote reaches so far and there is one.
  void find_checksum() {
    if (!layout_.has_l4()) return;
    std::uint32_t at;
    covers_addresses_ = true;
    switch (layout_.ip_proto) {
      case ip_proto::kTcp:
        at = layout_.l4 + static_cast<std::uint32_t>(wire::TcpHeader<std::uint8_t>::kChecksumAt);
        break;
      case ip_proto::kUdp:
        at = layout_.l4 + static_cast<std::uint32_t>(wire::UdpHeader<std::uint8_t>::kChecksumAt);
        break;
      case ip_proto::kIcmp:
        covers_addresses_ = false;
        [[fallthrough]];
      case ip_proto::kIcmpv6:
        at = layout_.l4 + static_cast<std::uint32_t>(wire::IcmpHeader<std::uint8_t>::kChecksumAt);
        break;
      default:
        return;
    }
    if (at + 2 > size_) return;
    zero_means_none_ = layout_.ip_proto == ip_proto::kUdp;
    if (!zero_means_none_ || be16::load(data_ + at) != be16{}) transport_sum_ = at;
  }

  void replace_address(std::uint32_t at, const std::uint8_t* to, std::uint32_t bytes) {
    for (std::uint32_t i = 0; i < bytes; i += 2) {
      const std::uint32_t word = layout_.l3 + at + i;
      const be16 from = be16::load(data_ + word), value = be16::load(to + i);
      if (from == value) continue;
      replace(word, value, covers_addresses_);
      if (bytes == 4) mend(layout_.l3 + 10u, from, value, false);
    }
  }
  void replace(std::uint32_t at, be16 to, bool covered) {
    const be16 from = be16::load(data_ + at);
    if (from == to) return;
    write(at, to);
    if (covered && transport_sum_ != 0) mend(transport_sum_, from, to, zero_means_none_);
  }
  void mend(std::uint32_t sum_at, be16 from, be16 to, bool never_zero) {
    const be16 sum = net::checksum_update16(be16::load(data_ + sum_at), from, to);
    write(sum_at, never_zero && sum == be16{} ? be16{0xffff} : sum);
  }
  void write(std::uint32_t at, be16 to) {
    if (sum_ != nullptr) net::checksum_update16(be16::load(sum_), be16::load(data_ + at), to).store(sum_);
    to.store(data_ + at);
  }

  std::uint8_t* const sum_;  ///< of the error; null while it is left to hardware
  std::uint8_t* const data_;
  const std::uint32_t size_;
  const Layout layout_;
  std::uint32_t transport_sum_ = 0;  ///< where; 0 = none
  bool zero_means_none_ = false, covers_addresses_ = false;
};

}  // namespace

TupleKey outcome(const Entry& entry, Direction direction, const Secret& secret) {
  return reversed(direction == Direction::Original ? reply_of(entry, secret) : original_of(entry));
}

void translate(packet::Packet& packet, const TupleKey& tuple) {
  const wire::MutableFrame frame = packet::frame_of(packet);
  set_addresses(frame, tuple, true, true);
  if (!tuple.has_ports() || !packet.layout.has_l4()) return;
  const std::uint8_t* const l4 = packet.data() + packet.layout.l4;
  if (tuple.is_icmp()) {
    const be16 id{tuple.port(Side::Source)};
    if (be16::load(l4 + 4) != id) wire::set_icmp_id(frame, id);
    return;
  }
  const be16 src{tuple.port(Side::Source)}, dst{tuple.port(Side::Destination)};
  if (be16::load(l4) != src) wire::set_src_port(frame, src);
  if (be16::load(l4 + 2) != dst) wire::set_dst_port(frame, dst);
}

void translate_error(packet::Packet& packet, const TupleKey& tuple, bool changes_src, bool changes_dst) {
  const Layout& layout = packet.layout;
  Quoted quoted(packet.data() + layout.l4, layout.l3_end - layout.l4, layout.eth_type,
                !packet.meta.offload.checksum_partial);
  quoted.translate(reversed(tuple));
  set_addresses(packet::frame_of(packet), tuple, changes_src, changes_dst);
}

}  // namespace sluice::conntrack::nat
