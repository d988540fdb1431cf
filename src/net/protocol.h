// Assigned numbers: EtherTypes (IEEE, IANA), IP protocols, ports, ICMP types, TCP flags.
#pragma once

#include <cstdint>

namespace sluice::net {

namespace ethertype {
inline constexpr std::uint16_t kIpv4 = 0x0800, kArp = 0x0806, kRarp = 0x8035, kVlan = 0x8100, kQinQ = 0x88a8,
                               kIpv6 = 0x86dd, kMpls = 0x8847, kMplsMulticast = 0x8848, kNsh = 0x894f,
                               kSlow = 0x8809, kLldp = 0x88cc, kTeb = 0x6558;
/// What dl_type holds for a frame without an EtherType (IEEE 802.3 length and no SNAP).
inline constexpr std::uint16_t kNone = 0x05ff;
/// The smallest value that is an EtherType and not a length.
inline constexpr std::uint16_t kMinimum = 0x0600;
}  // namespace ethertype

namespace ip_proto {
inline constexpr std::uint8_t kHopByHop = 0, kIcmp = 1, kIgmp = 2, kTcp = 6, kUdp = 17, kDccp = 33,
                              kRouting = 43, kFragment = 44, kGre = 47, kAuth = 51, kIcmpv6 = 58,
                              kNoNext = 59, kDestination = 60, kMobility = 135, kSctp = 132, kUdpLite = 136;
}  // namespace ip_proto

namespace icmp {
inline constexpr std::uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kRedirect = 5, kEcho = 8,
                              kTimeExceeded = 11, kParameterProblem = 12, kTimestamp = 13,
                              kTimestampReply = 14, kInfoRequest = 15, kInfoReply = 16;
/// Code of kUnreachable: fragmentation needed and DF set.
inline constexpr std::uint8_t kFragmentationNeeded = 4;
}  // namespace icmp

namespace icmpv6 {
inline constexpr std::uint8_t kUnreachable = 1, kPacketTooBig = 2, kTimeExceeded = 3, kParameterProblem = 4,
                              kEcho = 128, kEchoReply = 129, kMldQuery = 130, kMldReport = 131,
                              kMldDone = 132, kRouterSolicit = 133, kRouterAdvert = 134,
                              kNeighborSolicit = 135, kNeighborAdvert = 136, kRedirect = 137,
                              kMldV2Report = 143;
}  // namespace icmpv6

namespace tcp_flag {
inline constexpr std::uint16_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20,
                               kEce = 0x40, kCwr = 0x80, kNs = 0x100;
}  // namespace tcp_flag

}  // namespace sluice::net
