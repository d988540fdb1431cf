// Any bytes: walk, print, verify, and every rewrite; nothing reads or writes outside the frame.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "wire/checksum_verify.h"
#include "wire/print.h"
#include "wire/rewrite.h"
#include "wire/walk.h"

namespace {

void expect(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size > 4096) return 0;
  // A buffer of exactly this size: the sanitizer sees one byte too far.
  const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[size]);
  if (size > 0) std::memcpy(bytes.get(), data, size);
  const Bytes frame{bytes.get(), size};
  const wire::Layout layout = wire::walk(frame), general = wire::walk_general(frame);
  expect(layout.l3 == general.l3 && layout.l4 == general.l4 && layout.payload == general.payload &&
         layout.l3_end == general.l3_end && layout.fault == general.fault &&
         layout.eth_type == general.eth_type);
  expect(!wire::print(frame, layout).empty());
  for (const bool quoted : {false, true})
    for (const std::uint16_t type : {0x0800, 0x86dd}) wire::walk_ip(frame, be16{type}, quoted);

  const bool was_right = wire::ipv4_checksum_ok(frame, layout) && wire::l4_checksum_ok(frame, layout);
  const wire::MutableFrame f{bytes.get(), static_cast<std::uint32_t>(size), layout};
  const net::Mac mac{{1, 2, 3, 4, 5, 6}};
  const be128 address{be64{1}, be64{2}};
  wire::set_ipv4_src(f, be32{0x01020304});
  wire::set_ipv4_dst(f, be32{0x01020304});
  wire::set_ipv4_tos(f, 7);
  wire::set_ipv4_ttl(f, 7);
  wire::set_ipv6_src(f, address);
  wire::set_ipv6_dst(f, address);
  wire::set_src_port(f, be16{7});
  wire::set_dst_port(f, be16{7});
  wire::set_icmp_code(f, 7);
  wire::set_icmp_id(f, be16{7});
  if (was_right) expect(wire::ipv4_checksum_ok(frame, layout) && wire::l4_checksum_ok(frame, layout));
  wire::set_eth_dst(f, mac);
  wire::set_eth_src(f, mac);
  wire::set_vlan_tci(f, be16{7}, 1);
  wire::set_mpls_lse(f, be32{7}, 2);
  wire::set_arp_op(f, be16{1});
  wire::set_arp_sha(f, mac);
  wire::set_arp_tha(f, mac);
  wire::set_arp_spa(f, be32{7});
  wire::set_arp_tpa(f, be32{7});
  wire::set_ipv6_label(f, be32{7});
  wire::set_ipv6_traffic_class(f, 7);
  wire::set_ipv6_hop_limit(f, 7);
  wire::set_nd_target(f, address);
  wire::set_nd_sll(f, mac);
  wire::set_nd_tll(f, mac);
  wire::set_nd_reserved(f, be32{7});
  wire::set_nd_options_type(f, 2);
  wire::set_icmp_type(f, 7);
  wire::fill_checksums({bytes.get(), size}, layout);
  return 0;
}
