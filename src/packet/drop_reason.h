// Why a packet that came in did not go out. Every packet that the datapath takes in ends in exactly one way:
// sent, handed to the control plane, finished after copies of it went on, or dropped for one of these
// reasons. The counters of these reasons are per worker (datapath/worker.h).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::packet {

enum class DropReason : std::uint8_t {
  MalformedEthernet,
  NoActions,
  ExplicitDrop,
  NoPort,
  PortHasNoBackend,
  ConnectionLimit,
  RecirculationDepth,
  NestingDepth,
  NoHandler,
  NoBuffer,
  CopyLimit,
  NoHeadroom,
  RewriteFailed,
  MeterExceeded,
  FragmentMalformed,
  FragmentTooSmall,
  FragmentOverlap,
  FragmentDuplicate,
  FragmentTooLong,
  FragmentEcn,
  FragmentExpired,
  FragmentMemory,
  CannotFragment,
  TableMiss,
  NoOutput,
  InputPortOnly,
  PortNotForwarding,
  PortNotReceiving,
  UnknownInputPort,
  VlanNotAllowed,
  ReservedMulticast,
  TtlExpired,
  ResubmitDepth,
  ResubmitLimit,
  TranslationTooLarge,
  MplsDepth,
  UnsupportedPacketType,
  RecirculationLost,
  RecirculationExhausted,
  NoLiveBucket,
  UnsupportedAction,
  BondRefused,
  ProtectedPorts,
  MirrorOutput,
  SpanningTree,
  PolicingExceeded,
};
inline constexpr unsigned kDropReasonCount = static_cast<unsigned>(DropReason::PolicingExceeded) + 1;

struct DropReasonText {
  DropReason reason;
  std::string_view name;      ///< as counters show it
  std::string_view sentence;  ///< for people
};

inline constexpr std::array<DropReasonText, kDropReasonCount> kDropReasons = {{
    {DropReason::MalformedEthernet, "malformed_ethernet",
     "The frame ends inside its Ethernet header or a VLAN tag."},
    {DropReason::NoActions, "no_actions", "The flows that the packet met send it nowhere."},
    {DropReason::ExplicitDrop, "explicit_drop", "The flow that the packet met says drop."},
    {DropReason::NoPort, "no_port", "An action outputs to a port that does not exist (any more)."},
    {DropReason::PortHasNoBackend, "port_has_no_backend",
     "An action outputs to the datapath's own port ovs-netdev, which is not backed by a device."},
    {DropReason::ConnectionLimit, "connection_limit",
     "ct() could not create a connection: the table, the zone or the range of NAT is full."},
    {DropReason::RecirculationDepth, "recirculation_depth",
     "The packet was recirculated more often than the limit."},
    {DropReason::NestingDepth, "nesting_depth", "Actions are nested deeper than the limit."},
    {DropReason::NoHandler, "no_handler",
     "No megaflow covers the packet and there is no control plane to ask."},
    {DropReason::NoBuffer, "no_buffer", "The packet pool of the worker is exhausted."},
    {DropReason::CopyLimit, "copy_limit", "The packets of one batch made more copies than the limit."},
    {DropReason::NoHeadroom, "no_headroom", "A header could not be pushed: the buffer has no room for it."},
    {DropReason::RewriteFailed, "rewrite_failed",
     "An action changes a header that the packet does not have."},
    {DropReason::MeterExceeded, "meter_exceeded", "A meter's rate was exceeded."},
    // Found by reassembly (conntrack/reassembly); a datagram's end is the end of all its fragments.
    {DropReason::FragmentMalformed, "fragment_malformed",
     "A fragment is empty, has more than 512 bytes of headers, is not the last and no multiple of eight "
     "bytes "
     "long, or disagrees with its datagram about where that ends."},
    {DropReason::FragmentTooSmall, "fragment_too_small",
     "A fragment is smaller than the configured minimum, or cuts the headers that it should have whole (RFC "
     "3128, RFC 7112)."},
    {DropReason::FragmentOverlap, "fragment_overlap",
     "Fragments of a datagram overlap: all of them are dropped (RFC 5722, RFC 8200 section 4.5)."},
    {DropReason::FragmentDuplicate, "fragment_duplicate",
     "A fragment arrived again while its datagram was being reassembled."},
    {DropReason::FragmentTooLong, "fragment_too_long", "The datagram would be longer than 65535 bytes."},
    {DropReason::FragmentEcn, "fragment_ecn",
     "Congestion was marked on a fragment of a datagram that is not ECN-capable (RFC 3168 section 5.3)."},
    {DropReason::FragmentExpired, "fragment_expired",
     "The rest of the datagram did not arrive within the time of reassembly."},
    {DropReason::FragmentMemory, "fragment_memory",
     "Reassembly was full: the datagram, or the source with the most fragments, had to make room."},
    {DropReason::CannotFragment, "cannot_fragment",
     "A reassembled packet could not be cut to fragments again: its IP header is hidden by another."},
    // Found while flows are translated.
    {DropReason::TableMiss, "table_miss",
     "No flow of the table matches, and the table drops what it does not match."},
    {DropReason::NoOutput, "no_output", "The actions of the flows that the packet met contain no output."},
    {DropReason::InputPortOnly, "input_port_only", "The only way out is the port that the packet came from."},
    {DropReason::PortNotForwarding, "port_not_forwarding", "The output port is down or set not to forward."},
    {DropReason::PortNotReceiving, "port_not_receiving", "The input port is set to drop what it receives."},
    {DropReason::UnknownInputPort, "unknown_input_port",
     "The port that the packet came from is not one of a bridge."},
    {DropReason::VlanNotAllowed, "vlan_not_allowed",
     "The input port does not accept the VLAN of the packet."},
    {DropReason::ReservedMulticast, "reserved_multicast",
     "NORMAL does not forward frames to IEEE 802.1D reserved addresses."},
    {DropReason::TtlExpired, "ttl_expired", "The TTL would have become zero."},
    {DropReason::ResubmitDepth, "resubmit_depth",
     "The flow tables resubmit to each other deeper than the limit."},
    {DropReason::ResubmitLimit, "resubmit_limit", "The flow tables resubmit more often than the limit."},
    {DropReason::TranslationTooLarge, "translation_too_large",
     "The flow tables make more actions, or a deeper stack, than the limit."},
    {DropReason::MplsDepth, "mpls_depth",
     "A label would have been pushed or popped beyond what the switch can see of the stack."},
    {DropReason::UnsupportedPacketType, "unsupported_packet_type",
     "A packet without an Ethernet header was to be sent, or one that has a header that decap or encap can't "
     "handle."},
    {DropReason::RecirculationLost, "recirculation_lost",
     "The packet came back from the datapath after the state of its first pass had been forgotten."},
    {DropReason::RecirculationExhausted, "recirculation_exhausted",
     "More recirculation states would be needed than the limit."},
    {DropReason::NoLiveBucket, "no_live_bucket", "A group or bundle has no live bucket or port to choose."},
    {DropReason::UnsupportedAction, "unsupported_action",
     "A flow uses an action that this version does not carry out."},
    {DropReason::BondRefused, "bond_refused",
     "The packet came in by a member of a bond that is not the one to take it: a second copy, or one that "
     "the "
     "switch itself had sent."},
    {DropReason::ProtectedPorts, "protected_ports",
     "NORMAL does not forward from one protected port to another."},
    {DropReason::MirrorOutput, "mirror_output",
     "The packet came in by a port that is reserved for copies made by a mirror."},
    {DropReason::SpanningTree, "spanning_tree", "The spanning tree does not let the port forward."},
    // Found before a packet is looked at.
    {DropReason::PolicingExceeded, "policing_exceeded",
     "The rate at which the input port may receive (ingress policing) was exceeded."},
}};

constexpr bool drop_reasons_in_order() {
  for (unsigned i = 0; i < kDropReasonCount; ++i)
    if (static_cast<unsigned>(kDropReasons[i].reason) != i) return false;
  return true;
}
static_assert(drop_reasons_in_order(), "one row a reason, in the order of the enumeration");

constexpr std::string_view drop_reason_name(DropReason reason) {
  return kDropReasons[static_cast<unsigned>(reason)].name;
}
constexpr std::string_view drop_reason_sentence(DropReason reason) {
  return kDropReasons[static_cast<unsigned>(reason)].sentence;
}

}  // namespace sluice::packet
