// Fragments in the datapath: put together before they are tracked, and cut again where the packet leaves.
//
// Downstream of ct() there is one packet without a trace of fragments but its MRU, so flows see ports and
// actions change one header. It leaves no port in a larger piece than it came in: path MTU discovery of the
// sender works as if the switch were not there. What is too large for the port's own MTU is the port's to
// refuse, as for any other packet: a switch is no router.
#include <algorithm>

#include <optional>

#include "conntrack/tracker.h"
#include "datapath/action_engine.h"
#include "datapath/datapath.h"
#include "flow/extract.h"
#include "net/protocol.h"
#include "packet/segment.h"
#include "wire/mpls.h"
#include "wire/walk.h"

namespace sluice::datapath {

using packet::DropReason;
using packet::Packet;
using packet::PacketBatch;

namespace {

/// Bytes from the IP header on, of a packet that may be truncated.
std::uint32_t ip_bytes(const Packet& packet) {
  return std::min(packet.size(), packet.layout.l3_end) - packet.layout.l3;
}

bool fits_mru(const Packet& packet) {
  const std::uint32_t mru = packet.meta.mru;
  if (mru == 0 || packet.size() <= mru) return true;
  return packet.layout.has_l3() && ip_bytes(packet) <= mru;
}

/// The layout of a packet with MPLS labels as if these belonged to what is before IP; nothing if there is no
/// IP behind them.
std::optional<wire::Layout> layout_below_labels(const Packet& packet) {
  constexpr std::uint32_t kLabel = wire::MplsHeader<const std::uint8_t>::kBytes;
  const std::uint8_t* const data = packet.data();
  if (packet.layout.l2_5 == wire::Layout::kNone) return std::nullopt;
  std::uint32_t at = packet.layout.l2_5;
  bool bottom = false;
  for (; !bottom && at + kLabel < packet.size(); at += kLabel) bottom = wire::MplsHeader(data + at).bottom();
  const unsigned version = data[at] >> 4;
  if (!bottom || (version != 4 && version != 6)) return std::nullopt;
  const be16 eth_type{version == 4 ? net::ethertype::kIpv4 : net::ethertype::kIpv6};
  wire::Layout layout = wire::walk_ip({data + at, packet.size() - at}, eth_type, false);
  if (!layout.has_l3()) return std::nullopt;
  for (std::uint16_t* offset : {&layout.l3, &layout.l4, &layout.payload, &layout.ipv6_fragment})
    if (*offset != wire::Layout::kNone) *offset = static_cast<std::uint16_t>(*offset + at);
  layout.l3_end += at;
  return layout;
}

}  // namespace

void ActionEngine::count(const conntrack::FragmentEnds& ends) {
  if (ends.merged != 0) counters_.add(Counter::Merged, ends.merged);
  for (const auto& row : packet::kDropReasons)
    if (const std::uint32_t n = ends[row.reason]) counters_.add(row.reason, n);
}

void ActionEngine::reassemble(std::uint16_t zone, Run& run) {
  const Run before = run;
  conntrack::FragmentEnds ends;
  run.packets.clear();
  for (unsigned i = 0; i < before.packets.size(); ++i) {
    Packet* packet = before.packets[i];
    const auto added = tracker_.reassembler().add(*packet, zone, now_, pool_, ends);
    if (added.outcome != conntrack::Reassembler::Outcome::NotTaken) {
      pool_.give(packet);
      packet = added.whole;
      if (packet == nullptr) continue;
      flow::extract(*packet, *before.keys[i]);
      counters_.add(Counter::Reassembled, 1);
      reassembled_ = true;
    }
    run.push(packet, before.keys[i], before.places[i]);
  }
  count(ends);
}

void ActionEngine::output_in_fragments(std::uint32_t port, const Run& run) {
  for (Packet* packet : run.packets) {
    std::optional<DropReason> failed;
    // Each fragment carries the labels of the whole (RFC 3032 section 3.4).
    const wire::Layout layout = packet->layout;
    if (packet->meta.mru != 0 && !layout.has_l3())
      packet->layout = layout_below_labels(*packet).value_or(layout);
    if (fits_mru(*packet)) {
      packet->layout = layout;
      PacketBatch alone;
      alone.push(packet);
      if (!host_.send(port, alone)) failed = no_such_port(port);
    } else {
      failed = send_fragments(port, *packet);
    }
    if (failed)
      counters_.add(*failed, 1);
    else
      counters_.add(Counter::Sent, 1);
  }
}

std::optional<DropReason> ActionEngine::send_fragments(std::uint32_t port, const Packet& packet) {
  const std::uint32_t id =
      packet.meta.fragment_id != 0 ? packet.meta.fragment_id : static_cast<std::uint32_t>(rng_.next());
  packet::Fragmenter fragments(packet, packet.meta.mru, id);
  if (!fragments.valid()) return DropReason::CannotFragment;
  Packet* const fragment = pool_.take(packet.layout.l3 + packet.meta.mru);
  if (fragment == nullptr) return DropReason::NoBuffer;

  PacketBatch alone;
  alone.push(fragment);
  std::optional<DropReason> failed;
  unsigned sent = 0;
  for (; !failed && fragments.next(*fragment); ++sent)
    if (!host_.send(port, alone)) failed = no_such_port(port);
  pool_.give(fragment);
  if (failed) return failed;
  counters_.add(Counter::Refragmented, sent - 1);
  counters_.add(Counter::Sent, sent - 1);
  return std::nullopt;
}

DropReason ActionEngine::no_such_port(std::uint32_t port) {
  return port == kOwnPort ? DropReason::PortHasNoBackend : DropReason::NoPort;
}

}  // namespace sluice::datapath
