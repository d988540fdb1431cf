// Ethernet II (IEEE 802.3 section 3), 802.1Q and 802.1ad tags, and LLC/SNAP (IEEE 802, section 9).
//
//   0      6      12   14            tag, between source and EtherType:  0     2
//   | dst  | src  | ty | ...                                             | TPID | PCP 3, DEI 1, VID 12 |
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class EthernetHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 14;
  static constexpr std::size_t kTypeAt = 12;
  using View<Byte>::View;

  net::Mac dst() const { return this->template get<net::Mac>(0); }
  net::Mac src() const { return this->template get<net::Mac>(6); }
  /// EtherType of an untagged frame, TPID of a tagged one, or an 802.3 length.
  be16 type() const { return this->template get<be16>(kTypeAt); }
  void set_dst(const net::Mac& mac) const { this->put(0, mac); }
  void set_src(const net::Mac& mac) const { this->put(6, mac); }
  void set_type(be16 type) const { this->put(kTypeAt, type); }
};
template <typename Byte>
EthernetHeader(Byte*) -> EthernetHeader<Byte>;

/// A tag as it lies behind the source address: TPID first.
template <typename Byte>
class VlanHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 4;
  using View<Byte>::View;

  be16 tpid() const { return this->template get<be16>(0); }
  be16 tci() const { return this->template get<be16>(2); }
  void set_tpid(be16 tpid) const { this->put(0, tpid); }
  void set_tci(be16 tci) const { this->put(2, tci); }
};
template <typename Byte>
VlanHeader(Byte*) -> VlanHeader<Byte>;

/// LLC with SNAP, behind an 802.3 length.
template <typename Byte>
class SnapHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 8;
  using View<Byte>::View;

  /// DSAP and SSAP 0xaa, unnumbered information, organisation 0: an EtherType follows.
  bool is_snap() const {
    return this->byte(0) == 0xaa && this->byte(1) == 0xaa && this->byte(2) == 3 && this->byte(3) == 0 &&
           this->byte(4) == 0 && this->byte(5) == 0;
  }
  be16 type() const { return this->template get<be16>(6); }
};
template <typename Byte>
SnapHeader(Byte*) -> SnapHeader<Byte>;

constexpr bool is_vlan_type(be16 type) {
  return type == be16{net::ethertype::kVlan} || type == be16{net::ethertype::kQinQ};
}

}  // namespace sluice::wire
