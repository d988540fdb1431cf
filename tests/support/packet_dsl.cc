#include "tests/support/packet_dsl.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "net/checksum.h"
#include "net/protocol.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::testing {
namespace {

namespace ip_proto = net::ip_proto;
namespace ethertype = net::ethertype;
using net::Mac;

[[noreturn]] void misspelled(const char* what, const char* text) {
  std::fprintf(stderr, "packet DSL: \"%s\" is not %s\n", text, what);
  std::abort();
}

constexpr char kFlagLetters[] = "FSRPAUECN";

const Mac kDefaultSrc{{2, 0, 0, 0, 0, 1}}, kDefaultDst{{2, 0, 0, 0, 0, 2}};
const Mac kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void append_mac(ByteWriter& out, const Mac& mac) {
  out.append(Bytes{mac.bytes.data(), 6});
}
void append_be128(ByteWriter& out, const be128& address) {
  out.u64(address.hi.host());
  out.u64(address.lo.host());
}
Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// ---- Building
// -----------------------------------------------------------------------------------------------------

struct Builder {
  const std::vector<Layer>& layers;

  template <typename L>
  bool is(std::size_t i) const {
    return i < layers.size() && std::holds_alternative<L>(layers[i]);
  }

  std::uint16_t ether_type(std::size_t next, std::size_t rest_bytes) const {
    if (is<Vlan>(next)) return std::get<Vlan>(layers[next]).tpid.value_or(ethertype::kVlan);
    if (is<Llc>(next)) return static_cast<std::uint16_t>(rest_bytes);
    if (is<Mpls>(next)) return ethertype::kMpls;
    if (is<Arp>(next)) return std::get<Arp>(layers[next]).reverse ? ethertype::kRarp : ethertype::kArp;
    if (is<Ip4>(next)) return ethertype::kIpv4;
    if (is<Ip6>(next)) return ethertype::kIpv6;
    return 0xffff;
  }

  std::uint8_t protocol(std::size_t next) const {
    if (is<Tcp>(next)) return ip_proto::kTcp;
    if (is<Udp>(next)) return ip_proto::kUdp;
    if (is<UdpLite>(next)) return ip_proto::kUdpLite;
    if (is<Sctp>(next)) return ip_proto::kSctp;
    if (is<Icmp4>(next)) return ip_proto::kIcmp;
    if (is<Icmp6>(next) || is<Nd>(next)) return ip_proto::kIcmpv6;
    if (is<Ext6>(next)) return std::get<Ext6>(layers[next]).kind.value_or(ip_proto::kDestination);
    if (is<Frag6>(next)) return ip_proto::kFragment;
    if (is<Ip4>(next)) return 4;
    if (is<Ip6>(next)) return 41;
    return 253;  // for experiments (RFC 3692)
  }

  Frame from(std::size_t i) const {
    if (i >= layers.size()) return {};
    return std::visit([&](const auto& layer) { return write(layer, i); }, layers[i]);
  }

  Frame join(ByteWriter& header, const Frame& rest) const {
    header.append(rest);
    return header.take();
  }

  Frame write(const Eth& eth, std::size_t i) const {
    const Frame rest = from(i + 1);
    ByteWriter out;
    const bool to_all = is<Arp>(i + 1) && std::get<Arp>(layers[i + 1]).op.value_or(1) == 1;
    append_mac(out, eth.dst.value_or(to_all ? kBroadcast : kDefaultDst));
    append_mac(out, eth.src.value_or(kDefaultSrc));
    out.u16(eth.type.value_or(ether_type(i + 1, rest.size())));
    return join(out, rest);
  }
  Frame write(const Vlan& vlan, std::size_t i) const {
    const Frame rest = from(i + 1);
    ByteWriter out;
    out.u16(static_cast<std::uint16_t>(vlan.pcp.value_or(0) << 13 | (vlan.cfi ? 0x1000 : 0) |
                                       (vlan.vid.value_or(0) & 0xfff)));
    out.u16(ether_type(i + 1, rest.size()));
    return join(out, rest);
  }
  Frame write(const Llc& llc, std::size_t i) const {
    const Frame rest = from(i + 1);
    ByteWriter out;
    const bool snap = llc.type || (i + 1 < layers.size() && !is<Payload>(i + 1));
    out.u8(llc.dsap.value_or(snap ? 0xaa : 0x42));
    out.u8(llc.ssap.value_or(snap ? 0xaa : 0x42));
    out.u8(3);
    if (snap) {
      out.zeros(3);
      out.u16(llc.type.value_or(ether_type(i + 1, 0)));
    }
    return join(out, rest);
  }
  Frame write(const Mpls& mpls, std::size_t i) const {
    const Frame rest = from(i + 1);
    ByteWriter out;
    out.u32(mpls.label.value_or(16) << 12 | static_cast<std::uint32_t>(mpls.tc.value_or(0) & 7) << 9 |
            (mpls.bottom.value_or(!is<Mpls>(i + 1)) ? 0x100u : 0u) | mpls.ttl.value_or(64));
    return join(out, rest);
  }
  Frame write(const Arp& arp, std::size_t i) const {
    ByteWriter out;
    out.u64(std::uint64_t{0x000108000604} << 16 | arp.op.value_or(arp.reverse ? 3 : 1));
    append_mac(out, arp.sha.value_or(kDefaultSrc));
    out.u32(arp.spa.value_or(be32{0x0a000001}).host());
    append_mac(out, arp.tha.value_or(arp.op.value_or(1) == 1 ? Mac{} : kDefaultDst));
    out.u32(arp.tpa.value_or(be32{0x0a000002}).host());
    return join(out, from(i + 1));
  }

  Frame write(const Ip4& ip, std::size_t i) const {
    Frame rest = from(i + 1);
    const std::size_t header = 20 + (ip.options.size() + 3) / 4 * 4;
    const be32 src = ip.src.value_or(be32{0x0a000001}), dst = ip.dst.value_or(be32{0x0a000002});
    const std::uint8_t proto = ip.proto.value_or(protocol(i + 1));
    net::ChecksumSum pseudo;
    pseudo.add32(src);
    pseudo.add32(dst);
    if (ip.offset.value_or(0) == 0 && !ip.mf.value_or(false)) finish_transport(rest, i + 1, pseudo, proto);
    ByteWriter out;
    out.u8(static_cast<std::uint8_t>(ip.version.value_or(4) << 4 |
                                     ip.ihl.value_or(static_cast<std::uint8_t>(header / 4))));
    out.u8(ip.tos.value_or(0));
    out.u16(ip.length.value_or(static_cast<std::uint16_t>(header + rest.size())));
    out.u16(ip.id.value_or(0));
    out.u16(static_cast<std::uint16_t>((ip.df.value_or(false) ? 0x4000 : 0) |
                                       (ip.mf.value_or(false) ? 0x2000 : 0) | ip.offset.value_or(0) / 8));
    out.u8(ip.ttl.value_or(64));
    out.u8(proto);
    out.u16(0);
    out.u32(src.host());
    out.u32(dst.host());
    out.append(bytes_of(ip.options));
    out.pad(0, 4);
    out.patch_u16(10, ip.checksum.value_or(net::checksum(out.bytes()).host()));
    return join(out, rest);
  }

  Frame write(const Ip6& ip, std::size_t i) const {
    Frame rest = from(i + 1);
    const be128 src = ip.src.value_or(be128{be64{0xfd00000000000000}, be64{1}});
    const be128 dst = ip.dst.value_or(be128{be64{0xfd00000000000000}, be64{2}});
    net::ChecksumSum pseudo;
    pseudo.add128(src);
    pseudo.add128(dst);
    std::size_t skip = 0, next = i + 1;
    bool whole = true;
    for (; is<Ext6>(next) || is<Frag6>(next); ++next) {
      if (is<Frag6>(next)) {
        const Frag6& f = std::get<Frag6>(layers[next]);
        whole = whole && f.offset.value_or(0) == 0 && !f.mf.value_or(false);
        skip += 8;
      } else {
        skip += extension_bytes(std::get<Ext6>(layers[next]));
      }
    }
    if (whole) {
      Frame transport(rest.begin() + static_cast<std::ptrdiff_t>(std::min(skip, rest.size())), rest.end());
      finish_transport(transport, next, pseudo, protocol(next));
      std::copy(transport.begin(), transport.end(),
                rest.end() - static_cast<std::ptrdiff_t>(transport.size()));
    }
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(ip.version.value_or(6)) << 28 |
            static_cast<std::uint32_t>(ip.tos.value_or(0)) << 20 | (ip.label.value_or(0) & 0xfffff));
    out.u16(ip.length.value_or(static_cast<std::uint16_t>(rest.size())));
    out.u8(ip.proto.value_or(protocol(i + 1)));
    out.u8(ip.ttl.value_or(64));
    append_be128(out, src);
    append_be128(out, dst);
    return join(out, rest);
  }
  static std::size_t extension_bytes(const Ext6& ext) {
    const std::size_t unit = ext.kind.value_or(ip_proto::kDestination) == ip_proto::kAuth ? 4 : 8;
    return std::max<std::size_t>(8, (ext.data.size() + 2 + unit - 1) / unit * unit);
  }
  Frame write(const Ext6& ext, std::size_t i) const {
    const std::size_t bytes = extension_bytes(ext);
    const bool auth = ext.kind.value_or(ip_proto::kDestination) == ip_proto::kAuth;
    ByteWriter out;
    out.u8(ext.proto.value_or(protocol(i + 1)));
    out.u8(ext.length.value_or(static_cast<std::uint8_t>(auth ? bytes / 4 - 2 : bytes / 8 - 1)));
    out.append(bytes_of(ext.data));
    out.zeros(bytes - out.size());
    return join(out, from(i + 1));
  }
  Frame write(const Frag6& frag, std::size_t i) const {
    ByteWriter out;
    out.u8(frag.proto.value_or(protocol(i + 1)));
    out.u8(0);
    out.u16(
        static_cast<std::uint16_t>((frag.offset.value_or(0) & 0xfff8) | (frag.mf.value_or(false) ? 1 : 0)));
    out.u32(frag.id.value_or(1));
    return join(out, from(i + 1));
  }

  // Transport checksums that need a pseudo header are left zero here and written by the IP layer.
  Frame write(const Tcp& tcp, std::size_t i) const {
    ByteWriter options;
    if (tcp.mss) {
      options.u16(0x0204);
      options.u16(*tcp.mss);
    }
    if (tcp.wscale) {
      options.u8(1);
      options.u16(0x0303);
      options.u8(*tcp.wscale);
    }
    options.append(bytes_of(tcp.options));
    options.pad(0, 4);
    ByteWriter out;
    out.u16(tcp.sport.value_or(1024));
    out.u16(tcp.dport.value_or(80));
    out.u32(tcp.seq.value_or(0));
    out.u32(tcp.ack.value_or(0));
    const auto offset = tcp.data_offset.value_or(static_cast<std::uint8_t>(5 + options.size() / 4));
    out.u16(static_cast<std::uint16_t>(offset << 12 | (tcp.flags.value_or(net::tcp_flag::kAck) & 0xfff)));
    out.u16(tcp.window.value_or(65535));
    out.u16(0);
    out.u16(tcp.urgent.value_or(0));
    out.append(options.bytes());
    return join(out, from(i + 1));
  }
  Frame write(const Udp& udp, std::size_t i) const {
    const Frame rest = from(i + 1);
    ByteWriter out;
    out.u16(udp.sport.value_or(1024));
    out.u16(udp.dport.value_or(80));
    out.u16(udp.length.value_or(static_cast<std::uint16_t>(8 + rest.size())));
    out.u16(0);
    return join(out, rest);
  }
  Frame write(const UdpLite& udp, std::size_t i) const {
    ByteWriter out;
    out.u16(udp.sport.value_or(1024));
    out.u16(udp.dport.value_or(80));
    out.u16(udp.coverage.value_or(0));
    out.u16(0);
    return join(out, from(i + 1));
  }
  Frame write(const Sctp& sctp, std::size_t i) const {
    ByteWriter out;
    out.u16(sctp.sport.value_or(1024));
    out.u16(sctp.dport.value_or(80));
    out.u32(sctp.tag.value_or(0));
    out.u32(0);
    Frame frame = join(out, from(i + 1));
    const be32 crc = sctp.checksum ? be32{*sctp.checksum} : be32{net::byte_swap(net::crc32c(frame))};
    crc.store(frame.data() + 8);
    return frame;
  }
  template <typename Icmp>
  Frame write_icmp(const Icmp& icmp, std::uint8_t echo, std::size_t i) const {
    ByteWriter out;
    out.u8(icmp.type.value_or(echo));
    out.u8(icmp.code.value_or(0));
    out.u16(0);
    out.u32(icmp.rest.value_or(static_cast<std::uint32_t>(icmp.id.value_or(0)) << 16 | icmp.seq.value_or(0)));
    return join(out, from(i + 1));
  }
  Frame write(const Icmp4& icmp, std::size_t i) const {
    Frame frame = write_icmp(icmp, net::icmp::kEcho, i);
    be16{icmp.checksum.value_or(net::checksum(frame).host())}.store(frame.data() + 2);
    return frame;
  }
  Frame write(const Icmp6& icmp, std::size_t i) const { return write_icmp(icmp, net::icmpv6::kEcho, i); }
  Frame write(const Nd& nd, std::size_t i) const {
    ByteWriter out;
    out.u8(nd.type.value_or(net::icmpv6::kNeighborSolicit));
    out.u8(0);
    out.u16(0);
    out.u32(nd.reserved.value_or(0));
    append_be128(out, nd.target.value_or(be128{be64{0xfd00000000000000}, be64{2}}));
    if (nd.sll) {
      out.u16(0x0101);
      append_mac(out, *nd.sll);
    }
    if (nd.tll) {
      out.u16(0x0201);
      append_mac(out, *nd.tll);
    }
    return join(out, from(i + 1));
  }
  Frame write(const Payload& payload, std::size_t i) const {
    ByteWriter out;
    out.append(bytes_of(payload.data.value_or("")));
    for (std::size_t at = out.size(), n = 0; at < payload.size; ++at, ++n)
      out.u8(static_cast<std::uint8_t>(n));
    return join(out, from(i + 1));
  }

  void finish_transport(Frame& bytes, std::size_t layer, net::ChecksumSum pseudo, std::uint8_t proto) const {
    std::size_t at = 0, covered = bytes.size();
    U16 given;
    bool zero_means_none = false;
    if (is<Tcp>(layer)) {
      at = 16;
      given = std::get<Tcp>(layers[layer]).checksum;
    } else if (is<Udp>(layer)) {
      at = 6;
      given = std::get<Udp>(layers[layer]).checksum;
      zero_means_none = true;
    } else if (is<UdpLite>(layer)) {
      at = 6;
      given = std::get<UdpLite>(layers[layer]).checksum;
      const std::size_t coverage = std::get<UdpLite>(layers[layer]).coverage.value_or(0);
      if (coverage >= 8 && coverage < covered) covered = coverage;
      zero_means_none = true;
    } else if (is<Icmp6>(layer)) {
      at = 2;
      given = std::get<Icmp6>(layers[layer]).checksum;
    } else if (is<Nd>(layer)) {
      at = 2;
      given = std::get<Nd>(layers[layer]).checksum;
    } else {
      return;
    }
    pseudo.add32(be32{static_cast<std::uint32_t>(bytes.size())});
    pseudo.add16(be16{proto});
    pseudo.add(Bytes{bytes.data(), covered});
    be16 sum = pseudo.finish();
    if (zero_means_none && sum == be16{}) sum = be16{0xffff};
    (given ? be16{*given} : sum).store(bytes.data() + at);
  }
};

// ---- Dissecting
// ---------------------------------------------------------------------------------------------------

struct Dissector {
  std::vector<Layer>& out;

  void ethernet(Bytes bytes) {
    if (bytes.size() < 14) return payload(bytes);
    ByteReader in(bytes);
    Eth eth;
    eth.dst = mac(in);
    eth.src = mac(in);
    eth.type = in.u16();
    out.emplace_back(eth);
    std::uint16_t type = *eth.type;
    while ((type == ethertype::kVlan || type == ethertype::kQinQ) && in.remaining() >= 4) {
      const std::uint16_t tci = in.u16();
      out.emplace_back(Vlan{.vid = tci & 0xfff,
                            .pcp = static_cast<std::uint8_t>(tci >> 13),
                            .cfi = (tci & 0x1000) != 0,
                            .tpid = type});
      type = in.u16();
    }
    if (type < ethertype::kMinimum) {
      const Bytes rest = in.rest();
      if (rest.size() < 3) return payload(rest);
      Llc llc{.dsap = rest[0], .ssap = rest[1]};
      const bool snap = rest.size() >= 8 && rest[0] == 0xaa && rest[1] == 0xaa && rest[2] == 3;
      if (snap) llc.type = be16::load(rest.data() + 6).host();
      out.emplace_back(llc);
      return snap ? by_type(*llc.type, rest.subspan(8)) : payload(rest.subspan(3));
    }
    by_type(type, in.rest());
  }

  void by_type(std::uint16_t type, Bytes bytes) {
    switch (type) {
      case ethertype::kIpv4:
        return ip4(bytes);
      case ethertype::kIpv6:
        return ip6(bytes);
      case ethertype::kArp:
      case ethertype::kRarp:
        return arp(bytes, type == ethertype::kRarp);
      case ethertype::kMpls:
      case ethertype::kMplsMulticast:
        return mpls(bytes);
      default:
        return payload(bytes);
    }
  }

  void payload(Bytes bytes) {
    if (!bytes.empty())
      out.emplace_back(Payload{.data = std::string(bytes.begin(), bytes.end()), .size = bytes.size()});
  }

  static MacArg mac(ByteReader& in) {
    Mac result;
    const Bytes bytes = in.take(6);
    if (bytes.size() == 6) std::copy(bytes.begin(), bytes.end(), result.bytes.begin());
    return result;
  }
  static Ip6Arg address6(ByteReader& in) {
    const be64 hi{in.u64()}, lo{in.u64()};
    return be128{hi, lo};
  }

  void mpls(Bytes bytes) {
    ByteReader in(bytes);
    bool bottom = false;
    while (!bottom && in.remaining() >= 4) {
      const std::uint32_t lse = in.u32();
      bottom = (lse & 0x100) != 0;
      out.emplace_back(Mpls{.label = lse >> 12,
                            .tc = static_cast<std::uint8_t>(lse >> 9 & 7),
                            .ttl = static_cast<std::uint8_t>(lse),
                            .bottom = bottom});
    }
    payload(in.rest());
  }

  void arp(Bytes bytes, bool reverse) {
    ByteReader in(bytes);
    if (in.remaining() < 28 || in.u32() != 0x00010800 || in.u16() != 0x0604) return payload(bytes);
    Arp arp{.reverse = reverse};
    arp.op = in.u16();
    arp.sha = mac(in);
    arp.spa = be32{in.u32()};
    arp.tha = mac(in);
    arp.tpa = be32{in.u32()};
    out.emplace_back(arp);
    payload(in.rest());
  }

  void ip4(Bytes bytes) {
    if (bytes.size() < 20) return payload(bytes);
    ByteReader in(bytes);
    Ip4 ip;
    const std::uint8_t first = in.u8();
    ip.version = static_cast<std::uint8_t>(first >> 4);
    ip.ihl = static_cast<std::uint8_t>(first & 15);
    ip.tos = in.u8();
    ip.length = in.u16();
    ip.id = in.u16();
    const std::uint16_t fragment = in.u16();
    ip.df = (fragment & 0x4000) != 0;
    ip.mf = (fragment & 0x2000) != 0;
    ip.offset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
    ip.ttl = in.u8();
    ip.proto = in.u8();
    ip.checksum = in.u16();
    ip.src = be32{in.u32()};
    ip.dst = be32{in.u32()};
    const std::size_t header = *ip.ihl * std::size_t{4};
    const bool sound = ip.version == 4 && header >= 20 && header <= bytes.size();
    if (sound) ip.options.assign(bytes.begin() + 20, bytes.begin() + static_cast<std::ptrdiff_t>(header));
    out.emplace_back(ip);
    if (!sound) return;
    const std::size_t total = std::clamp<std::size_t>(*ip.length, header, bytes.size());
    const Bytes rest = bytes.subspan(header, total - header);
    if (*ip.offset != 0 || *ip.mf) return payload(rest);
    transport(*ip.proto, rest);
  }

  void ip6(Bytes bytes) {
    if (bytes.size() < 40) return payload(bytes);
    ByteReader in(bytes);
    Ip6 ip;
    const std::uint32_t first = in.u32();
    ip.version = static_cast<std::uint8_t>(first >> 28);
    ip.tos = static_cast<std::uint8_t>(first >> 20);
    ip.label = first & 0xfffff;
    ip.length = in.u16();
    ip.proto = in.u8();
    ip.ttl = in.u8();
    ip.src = address6(in);
    ip.dst = address6(in);
    out.emplace_back(ip);
    if (ip.version != 6) return;
    Bytes rest = bytes.subspan(40);
    rest = rest.first(std::min<std::size_t>(rest.size(), *ip.length));
    std::uint8_t next = *ip.proto;
    while (rest.size() >= 8) {
      if (next == ip_proto::kFragment) {
        const std::uint16_t field = be16::load(rest.data() + 2).host();
        Frag6 frag{.offset = field & 0xfff8,
                   .mf = (field & 1) != 0,
                   .id = be32::load(rest.data() + 4).host(),
                   .proto = rest[0]};
        out.emplace_back(frag);
        next = rest[0];
        rest = rest.subspan(8);
        if (*frag.offset != 0 || *frag.mf) return payload(rest);
      } else if (next == ip_proto::kHopByHop || next == ip_proto::kRouting ||
                 next == ip_proto::kDestination || next == ip_proto::kAuth) {
        const std::size_t size =
            next == ip_proto::kAuth ? (rest[1] + std::size_t{2}) * 4 : (rest[1] + std::size_t{1}) * 8;
        if (size > rest.size()) return payload(rest);
        out.emplace_back(
            Ext6{.kind = next,
                 .proto = rest[0],
                 .length = rest[1],
                 .data = std::string(rest.begin() + 2, rest.begin() + static_cast<std::ptrdiff_t>(size))});
        next = rest[0];
        rest = rest.subspan(size);
      } else {
        break;
      }
    }
    transport(next, rest);
  }

  void transport(std::uint8_t proto, Bytes bytes) {
    ByteReader in(bytes);
    switch (proto) {
      case ip_proto::kTcp: {
        if (bytes.size() < 20) break;
        Tcp tcp;
        tcp.sport = in.u16();
        tcp.dport = in.u16();
        tcp.seq = in.u32();
        tcp.ack = in.u32();
        const std::uint16_t word = in.u16();
        tcp.flags = static_cast<std::uint16_t>(word & 0xfff);
        tcp.data_offset = static_cast<std::uint8_t>(word >> 12);
        tcp.window = in.u16();
        tcp.checksum = in.u16();
        tcp.urgent = in.u16();
        const std::size_t header = *tcp.data_offset * std::size_t{4};
        const std::size_t end = header >= 20 && header <= bytes.size() ? header : 20;
        options(bytes.subspan(20, end - 20), tcp);
        out.emplace_back(tcp);
        return payload(bytes.subspan(end));
      }
      case ip_proto::kUdp:
        if (bytes.size() < 8) break;
        out.emplace_back(Udp{.sport = in.u16(), .dport = in.u16(), .length = in.u16(), .checksum = in.u16()});
        return payload(in.rest());
      case ip_proto::kUdpLite:
        if (bytes.size() < 8) break;
        out.emplace_back(
            UdpLite{.sport = in.u16(), .dport = in.u16(), .coverage = in.u16(), .checksum = in.u16()});
        return payload(in.rest());
      case ip_proto::kSctp:
        if (bytes.size() < 12) break;
        out.emplace_back(Sctp{.sport = in.u16(), .dport = in.u16(), .tag = in.u32(), .checksum = in.u32()});
        return payload(in.rest());
      case ip_proto::kIcmp: {
        if (bytes.size() < 8) break;
        const Icmp4 icmp = icmp_header<Icmp4>(in);
        out.emplace_back(icmp);
        const std::uint8_t t = *icmp.type;
        if (t == 3 || t == 4 || t == 5 || t == 11 || t == 12) return ip4(in.rest());
        return payload(in.rest());
      }
      case ip_proto::kIcmpv6: {
        if (bytes.size() < 8) break;
        if ((bytes[0] == 135 || bytes[0] == 136) && bytes[1] == 0 && bytes.size() >= 24) return nd(bytes);
        const Icmp6 icmp = icmp_header<Icmp6>(in);
        out.emplace_back(icmp);
        if (*icmp.type < 128) return ip6(in.rest());
        return payload(in.rest());
      }
      default:
        break;
    }
    payload(bytes);
  }

  template <typename Icmp>
  static Icmp icmp_header(ByteReader& in) {
    Icmp icmp;
    icmp.type = in.u8();
    icmp.code = in.u8();
    icmp.checksum = in.u16();
    icmp.rest = in.u32();
    icmp.id = static_cast<std::uint16_t>(*icmp.rest >> 16);
    icmp.seq = static_cast<std::uint16_t>(*icmp.rest);
    return icmp;
  }

  static void options(Bytes bytes, Tcp& tcp) {
    tcp.options.assign(bytes.begin(), bytes.end());
    for (std::size_t i = 0; i < bytes.size() && bytes[i] != 0;) {
      if (bytes[i] == 1) {
        ++i;
        continue;
      }
      if (i + 1 >= bytes.size() || bytes[i + 1] < 2 || i + bytes[i + 1] > bytes.size()) return;
      if (bytes[i] == 2 && bytes[i + 1] == 4) tcp.mss = be16::load(&bytes[i + 2]).host();
      if (bytes[i] == 3 && bytes[i + 1] == 3) tcp.wscale = bytes[i + 2];
      i += bytes[i + 1];
    }
  }

  void nd(Bytes bytes) {
    ByteReader in(bytes);
    Nd nd;
    nd.type = in.u8();
    in.skip(1);
    nd.checksum = in.u16();
    nd.reserved = in.u32();
    nd.target = address6(in);
    while (in.remaining() >= 8) {
      const std::uint8_t type = in.u8();
      const std::size_t units = in.u8();
      if (units != 1) {
        if (units == 0) break;
        in.skip(units * 8 - 2);
        continue;
      }
      if (type == 1)
        nd.sll = mac(in);
      else if (type == 2)
        nd.tll = mac(in);
      else
        in.skip(6);
    }
    out.emplace_back(nd);
  }
};

// ---- Members by name, for describe() and mismatch()
// ----------------------------------------------------------------

struct Member {
  const char* name;
  std::string text;  // empty: not set
};
using Members = std::vector<Member>;

template <typename T>
std::string number(const std::optional<T>& value) {
  return value ? std::to_string(+*value) : std::string();
}
std::string hex(const std::optional<std::uint16_t>& value) {
  if (!value) return {};
  char text[8];
  std::snprintf(text, sizeof text, "0x%04x", *value);
  return text;
}
std::string hex32(const U32& value) {
  if (!value) return {};
  char text[12];
  std::snprintf(text, sizeof text, "0x%08x", *value);
  return text;
}
std::string text_of(const MacArg& mac) {
  return mac ? net::format_mac(*mac) : std::string();
}
std::string text_of(const Ip4Arg& address) {
  return address ? net::format_ipv4(*address) : std::string();
}
std::string text_of(const Ip6Arg& address) {
  return address ? net::format_ipv6(*address) : std::string();
}
std::string text_of(const FlagsArg& flags) {
  if (!flags) return {};
  std::string text;
  for (unsigned i = 0; kFlagLetters[i] != '\0'; ++i)
    if (*flags >> i & 1) text += kFlagLetters[i];
  if (*flags >> 9) text += "+" + std::to_string(*flags >> 9 << 9);
  return text.empty() ? "none" : text;
}
std::string flag(const std::optional<bool>& value) {
  return !value ? "" : *value ? "yes" : "no";
}
std::string quoted(const std::string& bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    char escaped[5];
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\')
      text += c;
    else
      text += (std::snprintf(escaped, sizeof escaped, "\\x%02x", byte), escaped);
  }
  return text + '"';
}
std::string quoted_if_any(const std::string& bytes) {
  return bytes.empty() ? bytes : quoted(bytes);
}

struct Named {
  const char* layer;
  Members members;
};

Named named(const Eth& l) {
  return {"Eth", {{"src", text_of(l.src)}, {"dst", text_of(l.dst)}, {"type", hex(l.type)}}};
}
Named named(const Vlan& l) {
  return {
      "Vlan",
      {{"vid", number(l.vid)}, {"pcp", number(l.pcp)}, {"cfi", l.cfi ? "yes" : ""}, {"tpid", hex(l.tpid)}}};
}
Named named(const Llc& l) {
  return {"Llc", {{"dsap", number(l.dsap)}, {"ssap", number(l.ssap)}, {"type", hex(l.type)}}};
}
Named named(const Mpls& l) {
  return {
      "Mpls",
      {{"label", number(l.label)}, {"tc", number(l.tc)}, {"ttl", number(l.ttl)}, {"bottom", flag(l.bottom)}}};
}
Named named(const Arp& l) {
  return {"Arp",
          {{"op", number(l.op)},
           {"sha", text_of(l.sha)},
           {"spa", text_of(l.spa)},
           {"tha", text_of(l.tha)},
           {"tpa", text_of(l.tpa)},
           {"reverse", l.reverse ? "yes" : ""}}};
}
Named named(const Ip4& l) {
  return {"Ip4",
          {{"src", text_of(l.src)},
           {"dst", text_of(l.dst)},
           {"proto", number(l.proto)},
           {"ttl", number(l.ttl)},
           {"tos", number(l.tos)},
           {"id", number(l.id)},
           {"offset", number(l.offset)},
           {"mf", flag(l.mf)},
           {"df", flag(l.df)},
           {"length", number(l.length)},
           {"checksum", hex(l.checksum)},
           {"version", number(l.version)},
           {"ihl", number(l.ihl)},
           {"options", quoted_if_any(l.options)}}};
}
Named named(const Ip6& l) {
  return {"Ip6",
          {{"src", text_of(l.src)},
           {"dst", text_of(l.dst)},
           {"proto", number(l.proto)},
           {"ttl", number(l.ttl)},
           {"tos", number(l.tos)},
           {"label", number(l.label)},
           {"length", number(l.length)},
           {"version", number(l.version)}}};
}
Named named(const Ext6& l) {
  return {"Ext6",
          {{"kind", number(l.kind)},
           {"proto", number(l.proto)},
           {"length", number(l.length)},
           {"data", quoted_if_any(l.data)}}};
}
Named named(const Frag6& l) {
  return {
      "Frag6",
      {{"offset", number(l.offset)}, {"mf", flag(l.mf)}, {"id", number(l.id)}, {"proto", number(l.proto)}}};
}
Named named(const Tcp& l) {
  return {"Tcp",
          {{"sport", number(l.sport)},
           {"dport", number(l.dport)},
           {"flags", text_of(l.flags)},
           {"seq", number(l.seq)},
           {"ack", number(l.ack)},
           {"window", number(l.window)},
           {"checksum", hex(l.checksum)},
           {"urgent", number(l.urgent)},
           {"data_offset", number(l.data_offset)},
           {"mss", number(l.mss)},
           {"wscale", number(l.wscale)},
           {"options", quoted_if_any(l.options)}}};
}
Named named(const Udp& l) {
  return {"Udp",
          {{"sport", number(l.sport)},
           {"dport", number(l.dport)},
           {"length", number(l.length)},
           {"checksum", hex(l.checksum)}}};
}
Named named(const UdpLite& l) {
  return {"UdpLite",
          {{"sport", number(l.sport)},
           {"dport", number(l.dport)},
           {"coverage", number(l.coverage)},
           {"checksum", hex(l.checksum)}}};
}
Named named(const Sctp& l) {
  return {"Sctp",
          {{"sport", number(l.sport)},
           {"dport", number(l.dport)},
           {"tag", number(l.tag)},
           {"checksum", hex32(l.checksum)}}};
}
template <typename Icmp>
Members icmp_members(const Icmp& l) {
  return {{"type", number(l.type)}, {"code", number(l.code)}, {"id", number(l.id)},
          {"seq", number(l.seq)},   {"rest", hex32(l.rest)},  {"checksum", hex(l.checksum)}};
}
Named named(const Icmp4& l) {
  return {"Icmp4", icmp_members(l)};
}
Named named(const Icmp6& l) {
  return {"Icmp6", icmp_members(l)};
}
Named named(const Nd& l) {
  return {"Nd",
          {{"type", number(l.type)},
           {"target", text_of(l.target)},
           {"sll", text_of(l.sll)},
           {"tll", text_of(l.tll)},
           {"reserved", hex32(l.reserved)},
           {"checksum", hex(l.checksum)}}};
}
Named named(const Payload& l) {
  return {"Payload",
          {{"data", l.data ? quoted(*l.data) : std::string()},
           {"size", l.size != 0 ? std::to_string(l.size) : std::string()}}};
}
Named named(const Layer& layer) {
  return std::visit([](const auto& l) { return named(l); }, layer);
}

/// The first member that is set in `expected` and differs in `actual`.
std::string layer_mismatch(const Layer& expected, const Layer& actual) {
  const Named want = named(expected), have = named(actual);
  for (std::size_t i = 0; i < want.members.size(); ++i) {
    const std::string& text = want.members[i].text;
    if (text.empty() || text == have.members[i].text) continue;
    const std::string& got = have.members[i].text;
    return std::string(want.layer) + "." + want.members[i].name + ": expected " + text + ", got " +
           (got.empty() ? "none" : got);
  }
  return {};
}

}  // namespace

template <>
Maybe<net::Mac>::Maybe(const char* text) : std::optional<net::Mac>(net::parse_mac(text)) {
  if (!has_value()) misspelled("a MAC address", text);
}
template <>
Maybe<be32>::Maybe(const char* text) : std::optional<be32>(net::parse_ipv4(text)) {
  if (!has_value()) misspelled("an IPv4 address", text);
}
template <>
Maybe<be128>::Maybe(const char* text) : std::optional<be128>(net::parse_ipv6(text)) {
  if (!has_value()) misspelled("an IPv6 address", text);
}
FlagsArg::FlagsArg(const char* letters) : std::optional<std::uint16_t>(std::uint16_t{0}) {
  for (const char* c = letters; *c != '\0'; ++c) {
    const char* const at = std::strchr(kFlagLetters, *c);
    if (at == nullptr) misspelled("a list of TCP flags (FSRPAUECN)", letters);
    **this = static_cast<std::uint16_t>(**this | 1u << (at - kFlagLetters));
  }
}

Layers operator/(Layers outer, const Layers& inner) {
  outer.list.insert(outer.list.end(), inner.list.begin(), inner.list.end());
  return outer;
}

Frame build_bare(const Layers& layers) {
  return Builder{layers.list}.from(0);
}

Frame build(const Layers& layers) {
  if (!layers.list.empty() && std::holds_alternative<Eth>(layers.list[0])) return build_bare(layers);
  return build_bare(Eth{} / layers);
}

std::vector<Frame> fragment(const Frame& frame, std::size_t payload, std::uint32_t id) {
  std::vector<Frame> result;
  const bool is_ipv4 = be16::load(frame.data() + 12) == be16{ethertype::kIpv4};
  const std::size_t header = is_ipv4 ? (frame[14] & 15) * std::size_t{4} : 40;
  const std::size_t data = 14 + header;
  for (std::size_t at = data; at < frame.size(); at += payload) {
    const std::size_t bytes = std::min(payload, frame.size() - at);
    const auto offset = static_cast<std::uint16_t>(at - data);
    const bool more = at + bytes < frame.size();
    Frame piece(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(data));
    if (is_ipv4) {
      be16{static_cast<std::uint16_t>(header + bytes)}.store(&piece[16]);
      be16{static_cast<std::uint16_t>(id)}.store(&piece[18]);
      be16{static_cast<std::uint16_t>(offset / 8 | (more ? 0x2000 : 0))}.store(&piece[20]);
      wire::fill_ipv4_checksum(&piece[14]);
    } else {
      be16{static_cast<std::uint16_t>(8 + bytes)}.store(&piece[18]);
      ByteWriter extension;
      extension.u8(piece[20]);
      extension.u8(0);
      extension.u16(static_cast<std::uint16_t>(offset | (more ? 1 : 0)));
      extension.u32(id);
      piece[20] = ip_proto::kFragment;
      piece.insert(piece.end(), extension.bytes().begin(), extension.bytes().end());
    }
    piece.insert(piece.end(), frame.begin() + static_cast<std::ptrdiff_t>(at),
                 frame.begin() + static_cast<std::ptrdiff_t>(at + bytes));
    result.push_back(std::move(piece));
  }
  return result;
}

Layers dissect(Bytes frame) {
  Layers layers;
  Dissector{layers.list}.ethernet(frame);
  return layers;
}

std::string mismatch(const Layers& expected, Bytes frame) {
  const Layers actual = dissect(frame);
  const auto& want = expected.list;
  const auto& have = actual.list;
  if (want.empty()) return {};
  std::size_t start = 0;
  while (start < have.size() && have[start].index() != want[0].index()) ++start;
  for (std::size_t i = 0; i < want.size(); ++i) {
    std::string problem;
    if (start + i >= have.size())
      problem = std::string("no layer ") + named(want[i]).layer;
    else if (have[start + i].index() != want[i].index())
      problem = std::string("expected ") + named(want[i]).layer + ", got " + named(have[start + i]).layer;
    else
      problem = layer_mismatch(want[i], have[start + i]);
    if (!problem.empty()) return problem + " in " + describe(actual);
  }
  return {};
}

std::string describe(const Layers& layers) {
  std::string text;
  for (const Layer& layer : layers.list) {
    const Named n = named(layer);
    if (!text.empty()) text += " / ";
    text += n.layer;
    text += '{';
    bool first = true;
    for (const Member& member : n.members) {
      if (member.text.empty()) continue;
      if (!first) text += ", ";
      first = false;
      text += member.name;
      text += '=';
      text += member.text;
    }
    text += '}';
  }
  return text;
}
std::string describe(Bytes frame) {
  return describe(dissect(frame));
}

bool checksums_ok(Bytes frame) {
  const wire::Layout layout = wire::walk(frame);
  return wire::ipv4_checksum_ok(frame, layout) && wire::l4_checksum_ok(frame, layout);
}

packet::Packet* make_packet(packet::PacketPool& pool, Bytes frame, std::uint32_t in_port) {
  packet::Packet* const packet = pool.take(static_cast<std::uint32_t>(frame.size()));
  SLUICE_CHECK(packet != nullptr && packet->assign(frame));
  packet->layout = wire::walk(packet->bytes());
  packet->meta.in_port = in_port;
  return packet;
}
packet::Packet* make_packet(packet::PacketPool& pool, const Layers& layers, std::uint32_t in_port) {
  return make_packet(pool, build(layers), in_port);
}

}  // namespace sluice::testing
