#include "l2/multicast_message.h"

#include <cstring>

#include "net/address.h"
#include "net/checksum.h"
#include "net/protocol.h"
#include "wire/walk.h"

namespace sluice::l2 {

namespace {

/// Record types of IGMPv3 and MLDv2 that, without a source, say that nothing is wanted (RFC 3376
/// section 4.2.12, RFC 3810 section 5.2.12).
constexpr std::uint8_t kModeIsInclude = 1, kChangeToInclude = 3;

be128 address6(Bytes at) {
  be128 address;
  std::memcpy(&address, at.data(), sizeof(address));
  return address;
}

be32 address4(Bytes at) {
  be32 address;
  std::memcpy(&address, at.data(), sizeof(address));
  return address;
}

std::size_t number16(Bytes at) {
  return static_cast<std::size_t>(at[0] << 8 | at[1]);
}

/// One family's messages. `Width`: bytes of an address.
template <std::size_t Width>
class Hearing {
 public:
  Hearing(MulticastTable& table, std::uint16_t vlan, std::uint32_t port, bool one_listener, Instant now)
      : table_(table), vlan_(vlan), port_(port), one_listener_(one_listener), now_(now) {}

  void wants(Bytes group) {
    if (is_multicast(group)) table_.join(address(group), vlan_, port_, now_);
  }
  void leaves(Bytes group) {
    if (one_listener_) table_.leave(address(group), vlan_, port_);
  }
  /// A query without a source is one of a switch that stands in for a router (RFC 4541 section 2.1.1).
  void asks(Bytes source) {
    if (address(source) != unspecified()) table_.hear_router(vlan_, port_, now_);
  }
  /// From the number of records on.
  void reports(Bytes text) {
    constexpr std::size_t kCounts = 4, kRecord = 4 + Width;
    std::size_t at = kCounts;
    for (std::size_t left = number16(text.subspan(2)); left != 0 && at + kRecord <= text.size(); --left) {
      const std::uint8_t type = text[at];
      const std::size_t sources = number16(text.subspan(at + 2));
      const Bytes group = text.subspan(at + 4, Width);
      constexpr std::size_t kWord = 4;
      const std::size_t next = at + kRecord + sources * Width + text[at + 1] * kWord;
      if (next > text.size()) return;
      if (sources == 0 && (type == kModeIsInclude || type == kChangeToInclude))
        leaves(group);
      else
        wants(group);
      at = next;
    }
  }

 private:
  static be128 address(Bytes at) {
    if constexpr (Width == 4)
      return net::v4_mapped(address4(at));
    else
      return address6(at);
  }
  static be128 unspecified() { return Width == 4 ? net::v4_mapped(be32{}) : be128{}; }
  static bool is_multicast(Bytes at) { return Width == 4 ? at[0] >> 4 == 0xe : at[0] == 0xff; }

  MulticastTable& table_;
  const std::uint16_t vlan_;
  const std::uint32_t port_;
  const bool one_listener_;
  const Instant now_;
};

/// All of them begin with type, a byte, checksum; a group or the head of records follow.
constexpr std::size_t kIgmpLeast = 8, kMldLeast = 24, kReport2Least = 8;

void hear_igmp(Hearing<4> hearing, Bytes ip, Bytes message) {
  if (message.size() < kIgmpLeast || net::checksum(message).raw() != 0) return;
  const Bytes group = message.subspan(4, 4);
  switch (message[0]) {
    case igmp::kQuery:
      return hearing.asks(ip.subspan(12, 4));
    case igmp::kReport1:
    case igmp::kReport2:
      return hearing.wants(group);
    case igmp::kLeave:
      return hearing.leaves(group);
    case igmp::kReport3:
      return hearing.reports(message.subspan(4));
    default:
      return;
  }
}

void hear_mld(Hearing<16> hearing, Bytes ip, Bytes message) {
  if (message.size() < kReport2Least) return;
  net::ChecksumSum sum;
  sum.add(ip.subspan(8, 32));  // source and destination
  sum.add16(be16{static_cast<std::uint16_t>(message.size())});
  sum.add16(be16{net::ip_proto::kIcmpv6});
  sum.add(message);
  if (sum.finish().raw() != 0) return;
  if (message[0] == mld::kReport2) return hearing.reports(message.subspan(4));
  if (message.size() < kMldLeast) return;
  const Bytes group = message.subspan(8, 16);
  switch (message[0]) {
    case mld::kQuery:
      return hearing.asks(ip.subspan(8, 16));
    case mld::kReport1:
      return hearing.wants(group);
    case mld::kDone:
      return hearing.leaves(group);
    default:
      return;
  }
}

}  // namespace

void hear_multicast(MulticastTable& table, Bytes frame, std::uint16_t vlan, std::uint32_t port,
                    bool one_listener, Instant now) {
  const wire::Layout layout = wire::walk(frame);
  if (!layout.has_l3() || !layout.has_l4() || layout.fragment != 0 || layout.l3_end > frame.size()) return;
  const Bytes ip = frame.subspan(layout.l3);
  const Bytes message = frame.subspan(layout.l4, layout.l3_end - layout.l4);
  if (layout.eth_type.host() == net::ethertype::kIpv4 && layout.ip_proto == net::ip_proto::kIgmp)
    hear_igmp({table, vlan, port, one_listener, now}, ip, message);
  else if (layout.eth_type.host() == net::ethertype::kIpv6 && layout.ip_proto == net::ip_proto::kIcmpv6)
    hear_mld({table, vlan, port, one_listener, now}, ip, message);
}

}  // namespace sluice::l2
