// Any bytes: extraction, composing the key again, tags and labels, segmentation and the packet DSL's
// dissector.
#include <cstdlib>

#include "flow/compose.h"
#include "flow/extract.h"
#include "packet/packet_pool.h"
#include "packet/rewrite.h"
#include "packet/segment.h"
#include "tests/support/packet_dsl.h"
#include "wire/walk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size < 4 || size > 2000) return 0;
  static packet::PacketPool pool(4);
  packet::Packet* const p = testing::make_packet(pool, Bytes{data + 4, size - 4});
  flow::FlowKey key;
  flow::extract(*p, key);
  flow::compose(key);
  testing::describe(p->bytes());

  packet::Packet* const piece = pool.take(2000);
  p->meta.offload = {.checksum_partial = (data[0] & 1) != 0,
                     .checksum_start = data[1],
                     .checksum_offset = data[2],
                     .gso = static_cast<packet::Offload::Gso>(data[0] % 5),
                     .gso_size = static_cast<std::uint16_t>(data[3] + 1)};
  packet::Segmenter segments(*p);
  while (segments.next(*piece)) {
  }
  packet::Fragmenter fragments(*p, data[3] * 4u, 1);
  while (fragments.next(*piece)) {
  }
  for (unsigned i = 0; i < 8; ++i) {
    switch (data[i % 4] >> (i & 6) & 3) {
      case 0:
        packet::push_vlan(*p, be16{0x8100}, be16{5});
        break;
      case 1:
        packet::pop_vlan(*p);
        break;
      case 2:
        packet::push_mpls(*p, be16{0x8847}, be32{0x140});
        break;
      default:
        packet::pop_mpls(*p, be16{0x0800});
        break;
    }
  }
  const wire::Layout again = wire::walk(p->bytes());
  if (again.l3 != p->layout.l3 || again.l4 != p->layout.l4 || again.vlans != p->layout.vlans) std::abort();
  pool.give(p);
  pool.give(piece);
  return 0;
}
