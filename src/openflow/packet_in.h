// PACKET_IN: a packet for controllers, in the form of each version, as NXT_PACKET_IN or as NXT_PACKET_IN2;
// and NXT_RESUME, which hands a paused packet back with what it needs to go on.
#pragma once

#include <array>

#include "openflow/match.h"

namespace sluice::openflow {

enum class PacketInReason : std::uint8_t { NoMatch, Action, InvalidTtl, ActionSet, Group, PacketOut };

/// What a paused packet needs to go on: opaque to controllers, who give it back as they got it.
struct Continuation {
  std::array<std::uint8_t, 16> bridge{};         ///< the bridge that paused it; others refuse it
  std::vector<std::vector<std::uint8_t>> stack;  ///< top first
  std::uint32_t mirrors = 0;
  bool conntracked = false;
  std::uint8_t table = 0;
  std::optional<std::uint64_t> cookie;  ///< of the flow that paused it
  action::ActionList actions, action_set;
  std::uint32_t datapath_port = 0;
  // Of a packet that fragments were put together to, and that leaves as fragments again.
  std::uint16_t largest_fragment = 0;  ///< bytes from the IP header on; 0: it was none
  std::uint32_t fragment_id = 0;       ///< of IPv6 fragments
};

struct PacketIn {
  PacketInReason reason = PacketInReason::NoMatch;
  std::uint8_t table = 0;
  std::optional<std::uint64_t> cookie;  ///< of the flow that sent it
  std::uint32_t total_length = 0;       ///< of the packet; `packet` may be less of it
  std::optional<std::uint32_t> buffer;  ///< where the switch keeps the rest
  flow::Match metadata;                 ///< in_port and what else is known of the packet beside its bytes
  std::vector<std::uint8_t> packet;
  std::vector<std::uint8_t> userdata;        ///< of the controller action (NXT_PACKET_IN2)
  std::optional<Continuation> continuation;  ///< NXT_PACKET_IN2

  std::uint32_t in_port() const { return metadata.value.in_port.host(); }

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PacketIn& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct Resume {
  PacketIn packet;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, Resume& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// The line that describes a packet: "icmp,vlan_tci=0x0000,… icmp_csum:f7fd\n".
std::string describe_packet(Bytes packet, const Names& names = {});
/// The same, and from verbosity 3 on its bytes.
void format_packet(Bytes packet, Printer& out);

}  // namespace sluice::openflow
