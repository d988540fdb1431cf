// What reassembly needs to know of one fragment: whose it is, which bytes of the datagram it carries, and
// what is wrong with it on its own.
//
// Sources: RFC 791 section 3.2, RFC 8200 section 4.5; RFC 3128 (fragments that cut or overwrite a TCP
// header), RFC 7112 (the first IPv6 fragment has all headers).
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "net/endian.h"
#include "packet/drop_reason.h"
#include "packet/packet.h"

namespace sluice::conntrack {

enum class IpVersion : std::uint8_t { V4, V6 };

/// Fragments with equal keys belong to one datagram. The protocol is part of it for IPv4 only: RFC 8200 lets
/// the next headers of IPv6 fragments differ, and the first one's counts.
struct FragmentKey {
  be128 src, dst;  ///< IPv4 v4-mapped
  be32 id;
  std::uint16_t zone = 0;
  std::uint8_t proto = 0;
  IpVersion version = IpVersion::V4;

  bool operator==(const FragmentKey&) const = default;
};
static_assert(std::has_unique_object_representations_v<FragmentKey> && sizeof(FragmentKey) == 40,
              "hashed as five words");

struct Fragment {
  FragmentKey key;
  const std::uint8_t* data;     ///< its part of the fragmentable part
  std::uint32_t offset, bytes;  ///< of that part, in the fragmentable part
  std::uint32_t headers;        ///< bytes of the frame before the fragmentable part, Fragment header excluded
  std::uint32_t ip_headers;     ///< those of the network layer among them
  std::uint32_t next_header_at;  ///< IPv6: the byte of the frame that names the Fragment header
  std::uint32_t ip_bytes;        ///< from the IP header on: what counts towards the MRU
  std::uint8_t next_header;      ///< IPv6: what the Fragment header names
  std::uint8_t ecn;              ///< RFC 3168 section 5
  bool more, dont_fragment;

  std::uint32_t end() const { return offset + bytes; }
};

/// Longest datagram: IPv4's length counts the header, IPv6's what follows it.
inline constexpr std::uint32_t kMaxDatagram = 65535;

/// Ethernet, tags and network headers before the fragmentable part: real ones take a fifth of it.
inline constexpr std::uint32_t kMaxFragmentHeaders = 512;

/// Reads a packet whose Layout says fragment, whose IP header is therefore sound. Returns why the fragment
/// must be dropped whatever the others say.
std::optional<packet::DropReason> read_fragment(const packet::Packet& packet, std::uint16_t zone,
                                                Fragment& fragment);

}  // namespace sluice::conntrack
