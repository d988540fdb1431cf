#include "openflow/packet_in.h"

#include <algorithm>

#include "field/key_text.h"
#include "field/match_text.h"
#include "flow/extract.h"
#include "net/protocol.h"
#include "openflow/packet_in_reason.h"
#include "packet/packet_pool.h"
#include "wire/walk.h"

namespace sluice::openflow {

namespace {

constexpr WireForm kPacketIn[] = {
    {"OFPT_PACKET_IN", Frame::Plain, 0, 10, k10, k10, 18, 1, Style::Standard},
    {"OFPT_PACKET_IN", Frame::Plain, 0, 10, k11, k11, 24, 1, Style::Standard},
    {"OFPT_PACKET_IN", Frame::Plain, 0, 10, k12, k12, 16, 1, Style::Standard},
    {"OFPT_PACKET_IN", Frame::Plain, 0, 10, k13, k15, 24, 1, Style::Standard},
    {"NXT_PACKET_IN", Frame::Vendor, kNiciraVendor, 17, k10, k15, 40, 1, Style::Nicira},
    {"NXT_PACKET_IN2", Frame::Vendor, kNiciraVendor, 30, k10, k15, 16, 8, Style::Nicira2},
};
constexpr WireForm kResume[] = {{"NXT_RESUME", Frame::Vendor, kNiciraVendor, 28, k10, k15, 16, 8}};

/// Properties of NXT_PACKET_IN2.
enum : std::uint16_t {
  kPacket,
  kFullLength,
  kBuffer,
  kTable,
  kCookie,
  kReason,
  kMetadata,
  kUserdata,
  kContinuation
};
/// Properties within kContinuation.
enum : std::uint16_t {
  kBridge = 0x8000,
  kStack,
  kMirrors,
  kConntracked,
  kTableId,
  kRuleCookie,
  kActions,
  kActionSet,
  kDatapathPort,
  kFragments = 0x8100,  ///< this switch's own
};
constexpr std::uint32_t kNoBuffer = 0xffffffff;
constexpr std::uint64_t kNoCookie = ~std::uint64_t{0};
/// Bytes of the widest field, which is what a stack holds.
constexpr std::size_t kMaxStackValue = 128;

std::string reason_name(PacketInReason reason) {
  constexpr std::string_view kNames[] = {
      "no_match", "action", "invalid_ttl", "action_set", "group", "packet_out", "", ""};
  const auto i = static_cast<std::size_t>(reason);
  return i < std::size(kNames) ? std::string(kNames[i]) : std::to_string(i);
}

void set_buffer(std::uint32_t id, PacketIn& out) {
  if (id != kNoBuffer) out.buffer = id;
}
void set_cookie(std::uint64_t cookie, PacketIn& out) {
  if (cookie != kNoCookie) out.cookie = cookie;
}
void set_in_port(std::uint32_t port, PacketIn& out) {
  field::set_match(out.metadata, field::FieldId::InPortOxm, port, 0xffffffff);
}

Status decode_standard(ByteReader& body, OfVersion version, PacketIn& out) {
  set_buffer(body.u32(), out);
  if (version <= k11) {
    if (version == k11) {
      set_in_port(body.u32(), out);
      body.skip(4);  // the physical port
    }
    out.total_length = body.u16();
    if (version == k10) set_in_port(take_port(body, version), out);
    out.reason = static_cast<PacketInReason>(body.u8());
    const std::uint8_t table = body.u8();
    if (version == k11) out.table = table;
  } else {
    out.total_length = body.u16();
    out.reason = static_cast<PacketInReason>(body.u8());
    out.table = body.u8();
    if (version >= k13) set_cookie(body.u64(), out);
    SLUICE_ASSIGN(out.metadata, take_match(body, version, false));
    body.skip(2);
  }
  SLUICE_TRY(finished(body, "packet-in"));
  out.packet = take_rest(body);
  return {};
}

Status decode_nicira(ByteReader& body, PacketIn& out) {
  set_buffer(body.u32(), out);
  out.total_length = body.u16();
  out.reason = static_cast<PacketInReason>(body.u8());
  out.table = body.u8();
  set_cookie(body.u64(), out);
  const std::uint16_t match_length = body.u16();
  body.skip(6);
  SLUICE_ASSIGN(out.metadata, decode_nxm(body, match_length, false));
  body.skip(2);
  SLUICE_TRY(finished(body, "NXT_PACKET_IN"));
  out.packet = take_rest(body);
  return {};
}

template <typename T>
Status take_integer(const Property& property, std::size_t skip, T& out) {
  ByteReader in(property.body);
  in.skip(skip);
  const Bytes bytes = in.take(sizeof(T));
  if (!in.ok()) return bad_length("property", OfError::BpcBadLen);
  T value = 0;
  for (const std::uint8_t byte : bytes) value = static_cast<T>(static_cast<std::uint64_t>(value) << 8 | byte);
  out = value;
  return {};
}

/// The body of a property that holds actions: four bytes of padding, then the list.
Status take_actions(const Property& property, OfVersion version, action::ActionList& out) {
  if (property.body.size() < 4) return bad_length("actions of a continuation", OfError::BpcBadLen);
  SLUICE_ASSIGN(action::ActionList actions, action::decode_actions(property.body.subspan(4), version));
  out.append(std::move(actions));
  return {};
}

Status decode_continuation(Bytes bytes, OfVersion version, Continuation& out) {
  ByteReader in(bytes);
  in.skip(4);
  while (in.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(in));
    if (property.experimenter) return unknown_property(property, "continuation");
    switch (property.type) {
      case kBridge:
        if (property.body.size() != out.bridge.size())
          return bad_length("bridge of a continuation", OfError::BpcBadLen);
        std::copy(property.body.begin(), property.body.end(), out.bridge.begin());
        break;
      case kStack:
        if (property.body.size() > kMaxStackValue)
          return bad_length("stack of a continuation", OfError::BpcBadLen);
        out.stack.emplace_back(property.body.begin(), property.body.end());
        break;
      case kMirrors:
        SLUICE_TRY(take_integer(property, 0, out.mirrors));
        break;
      case kConntracked:
        out.conntracked = true;
        break;
      case kTableId:
        SLUICE_TRY(take_integer(property, 0, out.table));
        break;
      case kRuleCookie: {
        std::uint64_t cookie = 0;
        SLUICE_TRY(take_integer(property, 4, cookie));
        out.cookie = cookie;
        break;
      }
      case kActions:
        SLUICE_TRY(take_actions(property, version, out.actions));
        break;
      case kActionSet:
        SLUICE_TRY(take_actions(property, version, out.action_set));
        break;
      case kDatapathPort:
        SLUICE_TRY(take_integer(property, 0, out.datapath_port));
        break;
      case kFragments:
        SLUICE_TRY(take_integer(property, 0, out.largest_fragment));
        SLUICE_TRY(take_integer(property, 4, out.fragment_id));
        break;
      default:
        return unknown_property(property, "continuation");
    }
  }
  return {};
}

/// `strict` refuses what it does not know.
Status decode_properties(ByteReader& body, OfVersion version, bool strict, PacketIn& out) {
  while (body.remaining() > 0) {
    SLUICE_ASSIGN(const Property property, next_property(body));
    switch (property.type) {
      case kPacket:
        out.packet.assign(property.body.begin(), property.body.end());
        break;
      case kFullLength:
        SLUICE_TRY(take_integer(property, 0, out.total_length));
        break;
      case kBuffer: {
        std::uint32_t id = 0;
        SLUICE_TRY(take_integer(property, 0, id));
        set_buffer(id, out);
        break;
      }
      case kTable:
        SLUICE_TRY(take_integer(property, 0, out.table));
        break;
      case kCookie: {
        std::uint64_t cookie = 0;
        SLUICE_TRY(take_integer(property, 4, cookie));
        out.cookie = cookie;
        break;
      }
      case kReason: {
        std::uint8_t reason = 0;
        SLUICE_TRY(take_integer(property, 0, reason));
        out.reason = static_cast<PacketInReason>(reason);
        break;
      }
      case kMetadata: {
        SLUICE_ASSIGN(out.metadata, field::decode_match(property.body, version, false));
        break;
      }
      case kUserdata:
        out.userdata.assign(property.body.begin(), property.body.end());
        break;
      case kContinuation:
        SLUICE_TRY(decode_continuation(property.body, version, out.continuation.emplace()));
        break;
      default:
        if (strict) return unknown_property(property, "NXT_RESUME");
    }
  }
  if (out.packet.empty()) return bad_length("NXT_PACKET_IN2 without a packet", OfError::BpcBadLen);
  if (out.total_length == 0)
    out.total_length = static_cast<std::uint32_t>(out.packet.size());
  else if (out.total_length < out.packet.size())
    return bad_length("packet longer than its full length", OfError::BpcBadLen);
  return {};
}

void put_integer(ByteWriter& out, std::uint16_t type, std::uint32_t value) {
  const PropertyWriter property(out, type);
  out.u32(value);
}
void put_byte(ByteWriter& out, std::uint16_t type, std::uint8_t value) {
  const PropertyWriter property(out, type);
  out.u8(value);
}
void put_wide(ByteWriter& out, std::uint16_t type, std::uint64_t value) {
  const PropertyWriter property(out, type);
  out.zeros(4);
  out.u64(value);
}
void put_actions(ByteWriter& out, std::uint16_t type, const action::ActionList& actions, OfVersion version) {
  if (actions.empty()) return;
  const PropertyWriter property(out, type);
  out.zeros(4);
  action::encode_actions(actions, version, out);
}

void encode_continuation(const Continuation& continuation, OfVersion version, ByteWriter& out) {
  const PropertyWriter outer(out, kContinuation);
  out.zeros(4);
  {
    const PropertyWriter bridge(out, kBridge);
    out.append(Bytes(continuation.bridge));
  }
  for (const auto& value : continuation.stack) {
    const PropertyWriter entry(out, kStack);
    out.append(value);
  }
  if (continuation.mirrors != 0) put_integer(out, kMirrors, continuation.mirrors);
  if (continuation.conntracked) const PropertyWriter flag(out, kConntracked);
  if (!continuation.actions.empty()) {
    if (continuation.table != 0) put_byte(out, kTableId, continuation.table);
    if (continuation.cookie) put_wide(out, kRuleCookie, *continuation.cookie);
  }
  put_actions(out, kActions, continuation.actions, version);
  put_actions(out, kActionSet, continuation.action_set, version);
  if (continuation.datapath_port != 0) put_integer(out, kDatapathPort, continuation.datapath_port);
  if (continuation.largest_fragment != 0) {
    const PropertyWriter fragments(out, kFragments);
    out.u16(continuation.largest_fragment);
    out.zeros(2);
    out.u32(continuation.fragment_id);
  }
}

void encode_properties(const PacketIn& in, Encoder& encoder) {
  ByteWriter& out = encoder.out();
  {
    const PropertyWriter packet(out, kPacket);
    out.append(in.packet);
  }
  if (in.total_length != in.packet.size()) put_integer(out, kFullLength, in.total_length);
  if (in.buffer) put_integer(out, kBuffer, *in.buffer);
  if (in.table != 0) put_byte(out, kTable, in.table);
  if (in.cookie) put_wide(out, kCookie, *in.cookie);
  put_byte(out, kReason, static_cast<std::uint8_t>(reason_in(encoder.version(), in.reason)));
  {
    const PropertyWriter metadata(out, kMetadata);
    field::encode_match(in.metadata, encoder.version(), out);
  }
  if (in.continuation) encode_continuation(*in.continuation, encoder.version(), out);
  if (!in.userdata.empty()) {
    const PropertyWriter userdata(out, kUserdata);
    out.append(in.userdata);
  }
}

}  // namespace

std::span<const WireForm> PacketIn::wire_forms() {
  return kPacketIn;
}
std::span<const WireForm> Resume::wire_forms() {
  return kResume;
}

Status PacketIn::decode(ByteReader& body, const DecodeContext& context, PacketIn& out) {
  switch (context.form->style) {
    case Style::Nicira:
      return decode_nicira(body, out);
    case Style::Nicira2:
      return decode_properties(body, context.version, false, out);
    default:
      return decode_standard(body, context.version, out);
  }
}

void PacketIn::encode(Encoder& out) const {
  const OfVersion version = out.version();
  ByteWriter& bytes = out.out();
  const auto length16 = static_cast<std::uint16_t>(std::min<std::uint32_t>(total_length, 0xffff));
  const std::uint8_t why = static_cast<std::uint8_t>(reason_in(version, reason));
  if (out.form().style == Style::Nicira2) return encode_properties(*this, out);
  bytes.u32(buffer.value_or(kNoBuffer));
  if (out.form().style == Style::Nicira) {
    bytes.u16(length16);
    bytes.u8(why);
    bytes.u8(table);
    bytes.u64(cookie.value_or(kNoCookie));
    const std::size_t at = bytes.size();
    bytes.zeros(8);
    bytes.patch_u16(at, encode_nxm(metadata, {}, bytes));
    bytes.zeros(2);
  } else if (version <= k11) {
    if (version == k11) {
      bytes.u32(in_port());
      bytes.u32(in_port());
    }
    bytes.u16(length16);
    if (version == k10) out.port(in_port());
    bytes.u8(why);
    bytes.u8(version == k11 ? table : 0);
  } else {
    bytes.u16(length16);
    bytes.u8(why);
    bytes.u8(table);
    if (version >= k13) bytes.u64(cookie.value_or(kNoCookie));
    put_match(metadata, version, bytes);
    bytes.zeros(2);
  }
  bytes.append(packet);
}

namespace {

/// A value of the stack as a number.
std::string format_stack_value(Bytes value) {
  std::string text;
  for (const std::uint8_t byte : value) text += fmt::format("{:02x}", byte);
  const auto digit = text.find_first_not_of('0');
  return "0x" + (digit == std::string::npos ? "0" : text.substr(digit));
}

void format_continuation(const Continuation& c, Printer& out) {
  // A UUID in four words of the switch's byte order, as ovs-vswitchd writes it.
  std::string uuid;
  for (std::size_t word = 0; word < 4; ++word)
    for (std::size_t i = 4; i-- > 0;) {
      uuid += fmt::format("{:02x}", c.bridge[word * 4 + i]);
      if ((i == 0 && word < 2) || (i == 2 && (word == 1 || word == 2))) uuid += '-';
    }
  out.put(" continuation.bridge={}\n", uuid);
  if (!c.stack.empty()) {
    out.put(" continuation.stack=(top)");
    for (auto value = c.stack.begin(); value != c.stack.end(); ++value)
      out.put(" {}", format_stack_value(*value));
    out.put(" (bottom)\n");
  }
  if (c.mirrors != 0) out.put(" continuation.mirrors={:#x}\n", c.mirrors);
  if (c.conntracked) out.put(" continuation.conntracked=true\n");
  if (!c.actions.empty()) {
    out.put(" continuation.actions=");
    if (c.table != 0 || c.cookie)
      out.put("unroll_xlate(table={}, cookie={}),", c.table, c.cookie.value_or(0));
    out.put("{}\n", action::format_actions(c.actions, out.names()));
  }
  if (!c.action_set.empty())
    out.put(" continuation.action_set={}\n", action::format_actions(c.action_set, out.names()));
  if (c.datapath_port != 0) out.put(" continuation.odp_port={}\n", c.datapath_port);
  if (c.largest_fragment != 0)
    out.put(" continuation.fragments=largest={},id={:#x}\n", c.largest_fragment, c.fragment_id);
}

}  // namespace

void PacketIn::format(Printer& out) const {
  if (table != 0) {
    out.put(" table_id=");
    out.table(table);
  }
  if (cookie) out.put(" cookie={:#x}", *cookie);
  out.put(" total_len={} {} (via {}) data_len={}", total_length,
          field::format_match(metadata, out.names().ports), reason_name(reason), packet.size());
  if (buffer)
    out.put(" buffer={:#010x}", *buffer);
  else
    out.put(" (unbuffered)");
  if (buffer && total_length < packet.size()) out.put(" (***total_len < data_len***)");
  if (!buffer && total_length != packet.size()) out.put(" (***total_len != data_len***)");
  out.put("\n");
  if (!userdata.empty()) {
    out.put(" userdata=");
    for (std::size_t i = 0; i < userdata.size(); ++i) out.put("{}{:02x}", i == 0 ? "" : ".", userdata[i]);
    out.put("\n");
  }
  if (continuation) format_continuation(*continuation, out);
  format_packet(packet, out);
}

Status Resume::decode(ByteReader& body, const DecodeContext& context, Resume& out) {
  return decode_properties(body, context.version, true, out.packet);
}
void Resume::encode(Encoder& out) const {
  encode_properties(packet, out);
}
void Resume::format(Printer& out) const {
  packet.format(out);
}

namespace {

/// " tcp_csum:1234" as the packet has it.
std::string checksum_of(Bytes packet, const wire::Layout& layout, const flow::FlowKey& key) {
  if (!layout.has_l4() || (key.nw_frag & flow::kFragLater) != 0) return {};
  const Bytes header = packet.subspan(layout.l4);
  const auto at = [&](std::string_view name, std::size_t offset) -> std::string {
    if (header.size() < offset + 2) return {};
    return fmt::format(" {}:{:x}", name, header[offset] << 8 | header[offset + 1]);
  };
  switch (key.nw_proto) {
    case net::ip_proto::kTcp:
      return at("tcp_csum", 16);
    case net::ip_proto::kUdp:
      return at("udp_csum", 6);
    case net::ip_proto::kIcmp:
      return at("icmp_csum", 2);
    case net::ip_proto::kIcmpv6:
      return at("icmp6_csum", 2);
    case net::ip_proto::kSctp:
      if (header.size() < 12) return {};
      return fmt::format(" sctp_csum:{:x}", std::uint32_t{header[8]} << 24 | std::uint32_t{header[9]} << 16 |
                                                std::uint32_t{header[10]} << 8 | header[11]);
    default:
      return {};
  }
}

}  // namespace

std::string describe_packet(Bytes bytes, const Names& names) {
  packet::PacketPool pool(1);
  packet::Packet* packet = pool.take(static_cast<std::uint32_t>(bytes.size()));
  if (packet == nullptr || !packet->assign(bytes)) return {};
  flow::FlowKey key;
  wire::walk(packet->bytes(), packet->layout);
  if (packet->layout.fault != wire::ParseFault::EthernetTruncated) flow::extract(*packet, key);
  std::string text = field::format_key(key, names.ports) + checksum_of(bytes, packet->layout, key) + "\n";
  pool.give(packet);
  return text;
}

void format_packet(Bytes bytes, Printer& out) {
  if (out.options().verbosity < 1) return;
  out.text() += describe_packet(bytes, out.names());
  if (out.options().verbosity >= 3) out.text() += hex_dump(bytes, false);
}

}  // namespace sluice::openflow
