#include "packet/segment.h"

#include <algorithm>

#include "net/protocol.h"
#include "wire/checksum_verify.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/walk.h"

namespace sluice::packet {
namespace {

namespace ip_proto = net::ip_proto;
using wire::Layout;
using Ipv4 = wire::Ipv4Header<std::uint8_t>;
using Ipv6 = wire::Ipv6Header<std::uint8_t>;
using FragmentHeader = wire::Ipv6FragmentHeader<std::uint8_t>;

bool is_ipv4(const Packet& packet) {
  return packet.layout.eth_type == be16{net::ethertype::kIpv4} && packet.layout.has_l3();
}
bool is_ipv6(const Packet& packet) {
  return packet.layout.eth_type == be16{net::ethertype::kIpv6} && packet.layout.has_l3();
}

/// Options without the copied flag belong to the first fragment only (RFC 791 section 3.1): elsewhere they
/// are no-ops.
void blank_uncopied_options(std::uint8_t* options, std::uint32_t bytes) {
  constexpr std::uint8_t kCopied = 0x80, kEnd = 0, kNop = 1;
  for (std::uint32_t i = 0; i < bytes && options[i] != kEnd;) {
    if (options[i] == kNop) {
      ++i;
      continue;
    }
    if (i + 1 >= bytes || options[i + 1] < 2 || options[i + 1] > bytes - i) return;
    const std::uint32_t length = options[i + 1];
    if ((options[i] & kCopied) == 0) std::fill_n(options + i, length, kNop);
    i += length;
  }
}

/// Copies metadata of the original that holds for a piece too.
void inherit(const Packet& from, Packet& to) {
  to.meta = from.meta;
  to.meta.offload = {};
}

bool append(Packet& out, const std::uint8_t* bytes, std::uint32_t n) {
  const std::uint32_t at = out.size();
  if (!out.resize(at + n)) return false;
  std::memcpy(out.data() + at, bytes, n);
  return true;
}

}  // namespace

Fragmenter::Fragmenter(const Packet& packet, std::uint32_t mtu, std::uint32_t id) : packet_(packet), id_(id) {
  const Layout& layout = packet.layout;
  ipv6_ = is_ipv6(packet);
  if (!ipv6_ && !is_ipv4(packet)) return;
  const std::uint8_t* const data = packet.data();
  end_ = std::min(layout.l3_end, packet.size());
  std::uint32_t extra = 0;
  if (!ipv6_) {
    headers_ = layout.l3 + wire::Ipv4Header(data + layout.l3).header_bytes();
  } else if (layout.ipv6_fragment != Layout::kNone) {
    headers_ = layout.ipv6_fragment + FragmentHeader::kBytes;  // cut further: its own header is rewritten
  } else {
    // The headers that every router looks at stay before the Fragment header.
    extra = FragmentHeader::kBytes;
    std::uint32_t at = layout.l3 + Ipv6::kBytes, name_at = layout.l3 + 6u;
    headers_ = at;
    next_header_at_ = name_at;
    std::uint8_t next = data[name_at];
    while (wire::ipv6_extension::is_extension(next) && at + 8 <= end_) {
      const std::uint32_t bytes = wire::ipv6_extension::header_bytes(next, data[at + 1]);
      if (bytes > end_ - at) return;
      const bool unfragmentable = next == ip_proto::kHopByHop || next == ip_proto::kRouting;
      next = data[at];
      name_at = at;
      at += bytes;
      if (unfragmentable) {
        headers_ = at;
        next_header_at_ = name_at;
      }
    }
  }
  const std::uint32_t before = headers_ - layout.l3 + extra;
  if (mtu < before + 8 || headers_ > end_) return;
  slice_ = (mtu - before) / 8 * 8;
  whole_ = end_ - layout.l3 <= mtu;
  at_ = headers_;
  valid_ = true;

  const Offload& offload = packet.meta.offload;
  const std::uint32_t field = static_cast<std::uint32_t>(offload.checksum_start) + offload.checksum_offset;
  if (offload.checksum_partial && offload.checksum_start < end_ && field + 2 <= end_) {
    checksum_ = net::checksum(packet.bytes().subspan(offload.checksum_start, end_ - offload.checksum_start));
    if (layout.ip_proto == ip_proto::kUdp && checksum_ == be16{}) checksum_ = be16{0xffff};
    checksum_at_ = field;
  }
}

bool Fragmenter::fill_whole(Packet& out) {
  out.reset();
  inherit(packet_, out);
  if (!out.assign(packet_.bytes())) return false;
  if (checksum_at_ != 0) checksum_.store(out.data() + checksum_at_);
  out.layout = packet_.layout;
  return true;
}

bool Fragmenter::next(Packet& out) {
  if (!valid_ || done_) return false;
  if (whole_) {
    done_ = true;
    return fill_whole(out);
  }
  const Layout& layout = packet_.layout;
  const std::uint32_t bytes = std::min(slice_, end_ - at_);
  const bool last = at_ + bytes == end_;
  const bool insert = ipv6_ && layout.ipv6_fragment == Layout::kNone;
  out.reset();
  inherit(packet_, out);
  bool room = append(out, packet_.data(), headers_);
  if (insert) room = room && out.resize(out.size() + FragmentHeader::kBytes);
  const std::uint32_t data_at = out.size();
  if (!room || !append(out, packet_.data() + at_, bytes)) return false;
  if (checksum_at_ >= at_ && checksum_at_ + 2 <= at_ + bytes)
    checksum_.store(out.data() + data_at + (checksum_at_ - at_));

  const std::uint32_t offset = at_ - headers_;
  if (!ipv6_) {
    const wire::Ipv4Header ip(out.data() + layout.l3);
    const std::uint16_t flags = ip.flags_offset().host();
    const bool more = !last || (flags & Ipv4::kMoreFragments) != 0;
    ip.set_flags_offset(
        be16{static_cast<std::uint16_t>((flags & Ipv4::kDontFragment) | (more ? Ipv4::kMoreFragments : 0) |
                                        ((flags & Ipv4::kOffsetMask) + offset / 8))});
    ip.set_total_length(be16{static_cast<std::uint16_t>(out.size() - layout.l3)});
    if (offset != 0)
      blank_uncopied_options(ip.at() + Ipv4::kBytes,
                             ip.header_bytes() - static_cast<std::uint32_t>(Ipv4::kBytes));
    wire::fill_ipv4_checksum(ip.at());
  } else {
    const wire::Ipv6Header ip(out.data() + layout.l3);
    ip.set_payload_length(be16{static_cast<std::uint16_t>(out.size() - layout.l3 - Ipv6::kBytes)});
    const wire::Ipv6FragmentHeader fragment(out.data() + headers_ - (insert ? 0 : FragmentHeader::kBytes));
    std::uint32_t base = 0;
    bool more = !last;
    if (insert) {
      fragment.set_next_header(out.data()[next_header_at_]);
      fragment.at()[1] = 0;
      fragment.set_id(be32{id_});
      out.data()[next_header_at_] = ip_proto::kFragment;
    } else {
      base = fragment.fragment_offset();
      more = more || fragment.more_fragments();
    }
    fragment.set_offset_flags(be16{static_cast<std::uint16_t>(base + offset + (more ? 1 : 0))});
  }
  wire::walk(out.bytes(), out.layout);
  at_ += bytes;
  done_ = last;
  return true;
}

Segmenter::Segmenter(const Packet& packet)
    : packet_(packet),
      // Enough for gso_size bytes behind the IP header; what the fragment header takes is added for IPv6.
      fragments_(packet,
                 packet.meta.offload.gso_size +
                     (is_ipv6(packet) ? Ipv6::kBytes + FragmentHeader::kBytes : Ipv4::kBytes),
                 packet.meta.rss_hash) {
  const Layout& layout = packet.layout;
  const Offload& offload = packet.meta.offload;
  if (offload.gso_size == 0 || !layout.has_l4() || layout.fragment != 0 ||
      layout.fault != wire::ParseFault::None)
    return;
  at_ = layout.payload;
  switch (offload.gso) {
    case Offload::kNoGso:
      return;
    case Offload::kTcp4:
      valid_ = is_ipv4(packet) && layout.ip_proto == ip_proto::kTcp;
      return;
    case Offload::kTcp6:
      valid_ = is_ipv6(packet) && layout.ip_proto == ip_proto::kTcp;
      return;
    case Offload::kUdpL4:
      valid_ = layout.ip_proto == ip_proto::kUdp;
      return;
    case Offload::kUdp:
      valid_ = layout.ip_proto == ip_proto::kUdp && fragments_.valid();
      return;
  }
}

bool Segmenter::next(Packet& out) {
  if (!valid_) return false;
  const Layout& layout = packet_.layout;
  const Offload& offload = packet_.meta.offload;
  if (offload.gso == Offload::kUdp) return fragments_.next(out);
  if (at_ >= layout.l3_end && index_ != 0) return false;

  const std::uint32_t bytes = std::min<std::uint32_t>(offload.gso_size, layout.l3_end - at_);
  const bool last = at_ + bytes == layout.l3_end;
  out.reset();
  inherit(packet_, out);
  if (!append(out, packet_.data(), layout.payload) || !append(out, packet_.data() + at_, bytes)) return false;

  if (is_ipv4(packet_)) {
    const wire::Ipv4Header ip(out.data() + layout.l3);
    ip.set_total_length(be16{static_cast<std::uint16_t>(out.size() - layout.l3)});
    ip.set_id(be16{static_cast<std::uint16_t>(ip.id().host() + index_)});
  } else {
    wire::Ipv6Header(out.data() + layout.l3)
        .set_payload_length(be16{static_cast<std::uint16_t>(out.size() - layout.l3 - Ipv6::kBytes)});
  }
  if (layout.ip_proto == ip_proto::kTcp) {
    const wire::TcpHeader tcp(out.data() + layout.l4);
    tcp.set_seq(be32{tcp.seq().host() + (at_ - layout.payload)});
    std::uint16_t word = tcp.offset_flags().host();
    if (!last) word = static_cast<std::uint16_t>(word & ~(net::tcp_flag::kFin | net::tcp_flag::kPsh));
    if (index_ != 0) word = static_cast<std::uint16_t>(word & ~net::tcp_flag::kCwr);
    tcp.set_offset_flags(be16{word});
  } else {
    wire::UdpHeader(out.data() + layout.l4)
        .set_length(be16{static_cast<std::uint16_t>(out.size() - layout.l4)});
  }
  wire::walk(out.bytes(), out.layout);
  wire::fill_checksums({out.data(), out.size()}, out.layout);
  at_ += bytes;
  ++index_;
  return true;
}

}  // namespace sluice::packet
