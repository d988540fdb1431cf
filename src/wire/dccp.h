// DCCP generic header (RFC 4340 section 5.1), as far as ports: the switch matches nothing else of it.
#pragma once

#include "net/protocol.h"
#include "wire/view.h"

namespace sluice::wire {

template <typename Byte>
class DccpHeader : public View<Byte> {
 public:
  static constexpr std::size_t kBytes = 12;
  using View<Byte>::View;

  be16 src_port() const { return this->template get<be16>(0); }
  be16 dst_port() const { return this->template get<be16>(2); }
  /// In bytes, options included.
  unsigned header_bytes() const { return this->byte(4) * 4u; }
};
template <typename Byte>
DccpHeader(Byte*) -> DccpHeader<Byte>;

}  // namespace sluice::wire
