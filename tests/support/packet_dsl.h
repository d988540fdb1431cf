// Packets in one line, for tests: written as layers, built with right lengths and checksums, and matched
// back.
//
//   const auto frame = build(Eth{} / Vlan{.vid = 5} / Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} /
//                            Tcp{.sport = 1, .dport = 80, .flags = "S"} / Payload{"abc"});
//   EXPECT_EQ(mismatch(Ip4{.dst = "10.1.1.2"} / Tcp{.dport = 80}, frame), "");    // unset = anything
//   Packet* packet = make_packet(pool, Arp{.op = 1, .tpa = "10.0.0.1"}, in_port);  // walked; Ethernet is
//   implied
//
// Built and unset: Ethernet 02:00:00:00:00:01 -> 02:00:00:00:00:02 (ARP requests to broadcast), IPv4 10.0.0.1
// -> 10.0.0.2, IPv6 fd00::1 -> fd00::2, TTL and hop limit 64, ports 1024 -> 80, TCP flags "A", window 65535,
// ICMP echo request, protocol and EtherType of the layer that follows. What is set is written as it is, right
// or wrong.
//
// An ICMP error quotes what follows it: Icmp4{.type = 3, .code = 1} / Ip4{} / Udp{}. A packet to fragment is
// built whole and cut with fragment(); single fragments are Ip4{.offset = 8, .mf = true} or Ip6{} /
// Frag6{.offset = 8}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "net/address.h"

namespace sluice::packet {
class Packet;
class PacketPool;
}  // namespace sluice::packet

namespace sluice::testing {

/// A value that may be left unset; addresses are given as text (a test that misspells one aborts).
template <typename T>
struct Maybe : std::optional<T> {
  using std::optional<T>::optional;
  Maybe(const char* text);  // NOLINT: reads as the address
};
using MacArg = Maybe<net::Mac>;
using Ip4Arg = Maybe<be32>;
using Ip6Arg = Maybe<be128>;
/// TCP flags as letters of "FSRPAUECN", or a number.
struct FlagsArg : std::optional<std::uint16_t> {
  using std::optional<std::uint16_t>::optional;
  FlagsArg(const char* letters);  // NOLINT: reads as flags
};
using U8 = std::optional<std::uint8_t>;
using U16 = std::optional<std::uint16_t>;
using U32 = std::optional<std::uint32_t>;

struct Eth {
  MacArg src, dst;
  U16 type;  ///< below 0x600 it is written as a length
};
struct Vlan {
  U16 vid;
  U8 pcp;
  bool cfi = false;
  U16 tpid;  ///< 0x8100
};
/// LLC behind an 802.3 length (which the Eth or Vlan before it then holds); SNAP with an EtherType if `type`
/// is set or another layer follows.
struct Llc {
  U8 dsap, ssap;
  U16 type;
};
struct Mpls {
  U32 label;
  U8 tc, ttl;
  std::optional<bool> bottom;  ///< by default set in the last of consecutive labels
};
struct Arp {
  U16 op;  ///< 1
  MacArg sha, tha;
  Ip4Arg spa, tpa;
  bool reverse = false;  ///< RARP
};
struct Ip4 {
  Ip4Arg src, dst;
  U8 proto, ttl, tos;
  U16 id;
  U16 offset;  ///< of the fragment, in bytes
  std::optional<bool> mf, df;
  U16 length, checksum;
  U8 version, ihl;      ///< ihl in 32-bit words
  std::string options;  ///< padded with zeros to a multiple of four
};
struct Ip6 {
  Ip6Arg src, dst;
  U8 proto, ttl, tos;  ///< next header, hop limit, traffic class
  U32 label;
  U16 length;
  U8 version;
};
/// Hop-by-hop (0), routing (43), destination options (60) or authentication (51) extension header.
struct Ext6 {
  U8 kind;           ///< 60
  U8 proto;          ///< next header
  U8 length;         ///< the length field
  std::string data;  ///< after the first two bytes; padded with zeros to what the kind needs
};
struct Frag6 {
  U16 offset;  ///< in bytes
  std::optional<bool> mf;
  U32 id;
  U8 proto;
};
struct Tcp {
  U16 sport, dport;
  FlagsArg flags;
  U32 seq, ack;
  U16 window, checksum, urgent;
  U8 data_offset;  ///< in 32-bit words
  U16 mss;
  U8 wscale;
  std::string options;  ///< after mss and wscale; padded with zeros to a multiple of four
};
struct Udp {
  U16 sport, dport, length, checksum;
};
/// UDP-Lite; coverage 0 = everything.
struct UdpLite {
  U16 sport, dport, coverage, checksum;
};
struct Sctp {
  U16 sport, dport;
  U32 tag, checksum;
};
struct Icmp4 {
  U8 type, code;
  U16 id, seq, checksum;
  U32 rest;  ///< bytes 4..7, instead of id and seq
};
struct Icmp6 {
  U8 type, code;
  U16 id, seq, checksum;
  U32 rest;
};
/// Neighbour solicitation (type 135) or advertisement (136).
struct Nd {
  U8 type;
  Ip6Arg target;
  MacArg sll, tll;
  U32 reserved;
  U16 checksum;
};
struct Payload {
  std::optional<std::string> data;
  std::size_t size = 0;  ///< grown to this many bytes with 0, 1, 2, …
};

using Layer = std::variant<Eth, Vlan, Llc, Mpls, Arp, Ip4, Ip6, Ext6, Frag6, Tcp, Udp, UdpLite, Sctp, Icmp4,
                           Icmp6, Nd, Payload>;

struct Layers {
  std::vector<Layer> list;

  Layers() = default;
  template <typename L>
    requires std::is_constructible_v<Layer, L> && (!std::is_same_v<std::remove_cvref_t<L>, Layers>)
  Layers(L&& layer) : list{Layer(std::forward<L>(layer))} {}  // NOLINT: one layer is a packet
};
Layers operator/(Layers outer, const Layers& inner);

using Frame = std::vector<std::uint8_t>;

/// The bytes of the packet; Ethernet is implied where no layer-2 layer comes first. Not padded to 60 bytes.
Frame build(const Layers& layers);
/// The bytes from the first layer on, without implied Ethernet (what an ICMP error quotes).
Frame build_bare(const Layers& layers);

/// Cuts an IPv4 or IPv6 packet (Ethernet, untagged) into fragments that carry at most `payload` bytes (a
/// multiple of eight) each.
std::vector<Frame> fragment(const Frame& frame, std::size_t payload, std::uint32_t id = 1);

/// The layers of a frame as far as they parse, all members set; what is not understood is a Payload.
/// Independent of wire::walk. An ICMP error's quotation is dissected too.
Layers dissect(Bytes frame);

/// Empty if the frame has the expected layers, one after the other (leading layers may be left out, trailing
/// too), and every member set agrees; else one sentence that ends with what the frame is.
std::string mismatch(const Layers& expected, Bytes frame);

/// "Eth{src=…, dst=…, type=0x0800} / Ip4{src=10.0.0.1, …} / Udp{sport=1, dport=53}".
std::string describe(Bytes frame);
std::string describe(const Layers& layers);

/// True if all IPv4 and transport checksums that there are are right.
bool checksums_ok(Bytes frame);

/// A packet from the pool with these bytes, walked, with metadata in_port set. Never null.
packet::Packet* make_packet(packet::PacketPool& pool, const Layers& layers, std::uint32_t in_port = 0);
packet::Packet* make_packet(packet::PacketPool& pool, Bytes frame, std::uint32_t in_port = 0);

}  // namespace sluice::testing
