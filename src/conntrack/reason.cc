#include "conntrack/reason.h"

#include <array>

namespace sluice::conntrack {
namespace {

struct Row {
  Reason reason;
  std::string_view name, text;
};

constexpr std::array<Row, kReasonCount> kRows = {{
    {Reason::None, "none", "Nothing was wrong."},
    {Reason::NotIp, "not_ip", "The packet is neither IPv4 nor IPv6, or its network header cannot be parsed."},
    {Reason::NoTransport, "no_transport", "The transport header is absent or cut short."},
    {Reason::BadIpChecksum, "bad_ip_checksum", "The IPv4 header checksum is wrong."},
    {Reason::BadTransportChecksum, "bad_transport_checksum", "The transport checksum is wrong."},
    {Reason::BadTransportLength, "bad_transport_length",
     "The length in the transport header disagrees with the packet."},
    {Reason::ZeroPort, "zero_port", "A source or destination port is 0."},
    {Reason::TcpBadFlags, "tcp_bad_flags", "The combination of TCP flags can never occur."},
    {Reason::TcpSynAckWithoutConnection, "tcp_syn_ack_without_connection",
     "A SYN|ACK arrived and no connection is waiting for one."},
    {Reason::TcpResetWithoutConnection, "tcp_reset_without_connection",
     "A RST arrived and there is no connection that it could end."},
    {Reason::TcpOutOfWindow, "tcp_out_of_window", "The sequence numbers lie outside the receiver's window."},
    {Reason::TcpBadAck, "tcp_bad_ack", "The segment acknowledges what was never sent."},
    {Reason::TcpRstOutOfWindow, "tcp_rst_out_of_window",
     "A RST outside the receiver's window, or one that does not acknowledge the SYN that it answers."},
    {Reason::IcmpUnsupportedType, "icmp_unsupported_type", "ICMP messages of this type are not tracked."},
    {Reason::IcmpBadCode, "icmp_bad_code", "The code of an ICMP query is not 0."},
    {Reason::IcmpErrorTruncated, "icmp_error_truncated",
     "The packet quoted in the ICMP error cannot be parsed."},
    {Reason::IcmpErrorNoConnection, "icmp_error_no_connection",
     "The packet quoted in the ICMP error belongs to no connection."},
    {Reason::NeighborDiscovery, "neighbor_discovery",
     "IPv6 neighbour discovery and multicast listener messages are never tracked."},
    {Reason::Fragment, "fragment", "The packet is a fragment that was not reassembled."},
    {Reason::TableFull, "table_full", "No connection was created: the maximum of connections is reached."},
    {Reason::ZoneFull, "zone_full", "No connection was created: the limit of the zone is reached."},
    {Reason::ReplyWithoutConnection, "reply_without_connection",
     "A reply arrived to a question that nobody asked."},
    {Reason::SctpBadChunk, "sctp_bad_chunk",
     "The SCTP packet holds no chunk that could belong to a connection here, or one that is malformed."},
    {Reason::SctpBadTag, "sctp_bad_tag",
     "The SCTP verification tag is not the one of the association (RFC 9260 section 8.5)."},
    {Reason::MidStream, "mid_stream",
     "There is no connection, the packet is no SYN or INIT, and the zone is not loose."},
    {Reason::NatExhausted, "nat_exhausted",
     "No connection was created: every address and port that NAT may use towards this peer is taken."},
    {Reason::TupleTaken, "tuple_taken",
     "No connection was created: its replies would look like those of a connection that NAT translates."},
    {Reason::HelperGap, "helper_gap",
     "Dropped: a segment of a translated FTP control connection came before an earlier one, and will come "
     "again."},
}};

constexpr bool rows_in_order() {
  for (unsigned i = 0; i < kReasonCount; ++i)
    if (static_cast<unsigned>(kRows[i].reason) != i || kRows[i].text.empty()) return false;
  return true;
}
static_assert(rows_in_order());

}  // namespace

std::string_view reason_name(Reason reason) {
  return kRows[static_cast<unsigned>(reason)].name;
}
std::string_view reason_text(Reason reason) {
  return kRows[static_cast<unsigned>(reason)].text;
}

}  // namespace sluice::conntrack
