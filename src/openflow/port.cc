#include "openflow/port.h"

#include <algorithm>

#include "action/codec.h"
#include "openflow/port_number.h"

namespace sluice::openflow {

namespace {

constexpr BitName kConfigNames[] = {
    {port_config::kDown, "PORT_DOWN"},          {port_config::kNoStp, "NO_STP"},
    {port_config::kNoRecv, "NO_RECV"},          {port_config::kNoRecvStp, "NO_RECV_STP"},
    {port_config::kNoFlood, "NO_FLOOD"},        {port_config::kNoForward, "NO_FWD"},
    {port_config::kNoPacketIn, "NO_PACKET_IN"},
};
constexpr BitName kStateNames[] = {
    {port_state::kLinkDown, "LINK_DOWN"},
    {port_state::kBlocked, "BLOCKED"},
    {port_state::kLive, "LIVE"},
};
constexpr BitName kFeatureNames[] = {
    {port_feature::k10Half, "10MB-HD"},    {port_feature::k10Full, "10MB-FD"},
    {port_feature::k100Half, "100MB-HD"},  {port_feature::k100Full, "100MB-FD"},
    {port_feature::k1GHalf, "1GB-HD"},     {port_feature::k1GFull, "1GB-FD"},
    {port_feature::k10GFull, "10GB-FD"},   {port_feature::k40GFull, "40GB-FD"},
    {port_feature::k100GFull, "100GB-FD"}, {port_feature::k1TFull, "1TB-FD"},
    {port_feature::kOther, "OTHER"},       {port_feature::kCopper, "COPPER"},
    {port_feature::kFiber, "FIBER"},       {port_feature::kAutoneg, "AUTO_NEG"},
    {port_feature::kPause, "AUTO_PAUSE"},  {port_feature::kPauseAsymmetric, "AUTO_PAUSE_ASYM"},
};
constexpr std::uint32_t kSpeedsOf10 = 0x7f, kAllFeatures = 0xffff;
constexpr unsigned kMediaShift = 4;  // copper is bit 7 in 1.0 and bit 11 later

constexpr std::size_t kNameBytes = 16;
constexpr std::uint16_t kEthernetProperty = 0;

std::uint32_t config_bits(std::uint32_t config, OfVersion version) {
  return config & (version == k10 ? port_config::kOf10 : port_config::kOf11);
}

/// The spanning tree's state stands first, without a blank behind it: as ovs-ofctl prints it.
std::string format_state(std::uint32_t state) {
  constexpr std::string_view kStp[] = {"", "STP_LEARN", "STP_FORWARD", "STP_BLOCK"};
  const std::string_view stp = kStp[(state & port_state::kStpMask) >> 8];
  const std::uint32_t rest = state & ~port_state::kStpMask;
  return std::string(stp) + (rest != 0 || stp.empty() ? bit_names(rest, kStateNames) : "");
}

}  // namespace

std::uint32_t features_to_wire(std::uint32_t features, OfVersion version) {
  if (version != k10) return features & kAllFeatures;
  return (features & kSpeedsOf10) | ((features & kAllFeatures) >> 11 << (11 - kMediaShift));
}
std::uint32_t features_from_wire(std::uint32_t bits, OfVersion version) {
  if (version != k10) return bits & kAllFeatures;
  return (bits & kSpeedsOf10) | ((bits & 0xf80) << kMediaShift);
}

std::uint32_t features_kbps(std::uint32_t features) {
  constexpr std::pair<std::uint32_t, std::uint32_t> kSpeeds[] = {
      {port_feature::k1TFull, 1'000'000'000},
      {port_feature::k100GFull, 100'000'000},
      {port_feature::k40GFull, 40'000'000},
      {port_feature::k10GFull, 10'000'000},
      {port_feature::k1GHalf | port_feature::k1GFull, 1'000'000},
      {port_feature::k100Half | port_feature::k100Full, 100'000},
      {port_feature::k10Half | port_feature::k10Full, 10'000},
  };
  for (const auto& [bits, kbps] : kSpeeds)
    if ((features & bits) != 0) return kbps;
  return 0;
}

std::string format_features(std::uint32_t features) {
  return bit_names(features, kFeatureNames);
}
std::string format_port_config(std::uint32_t config) {
  return bit_names(config, kConfigNames);
}

void encode_port(const PortDescription& port, Encoder& out) {
  const OfVersion version = out.version();
  const std::size_t start = out.size();
  out.port(port.number);
  if (version >= k14) out.out().u16(0);
  if (version >= k11) out.out().zeros(version >= k14 ? 2 : 4);
  out.out().append(Bytes(port.address.bytes));
  if (version >= k11) out.out().zeros(2);
  out.text(port.name, kNameBytes);
  out.out().u32(config_bits(port.config, version));
  out.out().u32(port.state & (version == k10 ? port_state::kLinkDown | port_state::kStpMask : 7));
  {
    std::optional<PropertyWriter> ethernet;
    if (version >= k14) {
      ethernet.emplace(out.out(), kEthernetProperty);
      out.out().zeros(4);
    }
    for (const std::uint32_t features : {port.current, port.advertised, port.supported, port.peer})
      out.out().u32(features_to_wire(features, version));
    if (version >= k11) {
      out.out().u32(port.current_kbps);
      out.out().u32(port.max_kbps);
    }
  }
  if (version >= k14) patch_length(out.out(), start, start + 4);
}

Status decode_port(ByteReader& outer, OfVersion version, PortDescription& port) {
  ByteReader in = outer;
  std::size_t length = version == k10 ? 48 : version <= k13 ? 64 : 0;
  if (version >= k14) {
    ByteReader peek = outer;
    peek.skip(4);
    length = peek.u16();
    if (!peek.ok() || length < 40 || length > outer.remaining()) return bad_length("port description");
  }
  in = take_part(outer, length);
  SLUICE_ASSIGN(port.number, take_valid_port(in, version));
  if (version >= k11) in.skip(4);
  const Bytes address = in.take(port.address.bytes.size());
  std::copy(address.begin(), address.end(), port.address.bytes.begin());
  if (version >= k11) in.skip(2);
  port.name = take_text(in, kNameBytes);
  port.config = config_bits(in.u32(), version);
  port.state = in.u32() & (version == k10 ? port_state::kLinkDown | port_state::kStpMask : 7);
  const auto features = [&](ByteReader& from) {
    for (std::uint32_t* bits : {&port.current, &port.advertised, &port.supported, &port.peer})
      *bits = features_from_wire(from.u32(), version);
    if (version >= k11) {
      port.current_kbps = from.u32();
      port.max_kbps = from.u32();
    } else {
      port.current_kbps = features_kbps(port.current);
      port.max_kbps = features_kbps(port.supported);
    }
  };
  if (version <= k13) {
    features(in);
  } else {
    while (in.remaining() > 0) {
      SLUICE_ASSIGN(const Property property, next_property(in));
      if (property.experimenter || property.type != kEthernetProperty) continue;
      ByteReader body(property.body);
      if (body.remaining() != 28) return bad_length("Ethernet property of a port", OfError::BpcBadLen);
      body.skip(4);
      features(body);
    }
  }
  return finished(in, "port description");
}

void format_port(const PortDescription& port, Printer& out) {
  out.put(" ");
  out.text() += field::format_port(port.number, nullptr);
  if (!port.name.empty()) out.put("({})", port.name);
  out.put(": addr:{}\n", net::format_mac(port.address));
  out.put("     config:     {}\n", format_port_config(port.config));
  out.put("     state:      {}\n", format_state(port.state));
  const auto features = [&](std::string_view what, std::uint32_t bits) {
    if (bits != 0) out.put("     {} {}\n", what, format_features(bits));
  };
  features("current:   ", port.current);
  features("advertised:", port.advertised);
  features("supported: ", port.supported);
  features("peer:      ", port.peer);
  out.put("     speed: {} Mbps now, {} Mbps max\n", port.current_kbps / 1000, port.max_kbps / 1000);
}

void format_ports(const std::vector<PortDescription>& ports, Printer& out) {
  std::vector<const PortDescription*> order;
  for (const PortDescription& port : ports) order.push_back(&port);
  std::stable_sort(order.begin(), order.end(),
                   [](const PortDescription* a, const PortDescription* b) { return a->number < b->number; });
  for (const PortDescription* port : order) format_port(*port, out);
}

}  // namespace sluice::openflow
