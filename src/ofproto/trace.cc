#include "ofproto/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "action/all_actions.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "field/match_text.h"
#include "flow/compose.h"
#include "flow/extract.h"
#include "net/protocol.h"
#include "ofproto/exact_match.h"
#include "ofproto/odp_flow.h"
#include "ofproto/ofproto.h"
#include "ofproto/upcalls.h"
#include "packet/packet_pool.h"
#include "wire/walk.h"

namespace sluice::ofproto {

namespace {

namespace ct_state = conntrack::ct_state;
using conntrack::Reason;
using flow::FlowKey;

constexpr std::string_view kFlags[] = {"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Hex digits and blanks.
Result<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ') continue;
    const int digit = hex_digit(c);
    if (digit < 0) return fail("Trailing garbage in packet data");
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) return fail("Trailing garbage in packet data");
  return bytes;
}

Result<std::vector<std::uint8_t>> parse_packet(std::string_view text) {
  SLUICE_ASSIGN(auto bytes, parse_hex(text));
  if (bytes.size() < packet::Packet::kEthernetBytes) return fail("Packet data too short for Ethernet");
  if (bytes.size() > packet::PacketPool::kLargeBytes)
    return fail("Packet data is longer than a packet can be");
  return bytes;
}

constexpr std::size_t kMostPayload = 64000;  // as ovs-vswitchd has it

/// Of --l7.
Result<std::vector<std::uint8_t>> parse_payload(std::string_view text) {
  SLUICE_ASSIGN(auto bytes, parse_hex(text));
  if (bytes.size() > kMostPayload) return fail(fmt::format("{}: too much L7 data", bytes.size()));
  return bytes;
}

/// Of --l7-len: the number that the text begins with, as ovs-vswitchd reads it; 0 if there is none.
Result<std::size_t> parse_payload_length(const std::string& text) {
  const long length = std::strtol(text.c_str(), nullptr, 10);
  if (length < 0 || static_cast<std::size_t>(length) > kMostPayload) return fail(text + ": too much L7 data");
  return static_cast<std::size_t>(length);
}

Ofproto* find_bridge(const TraceEnvironment& environment, std::string_view name) {
  for (Ofproto* bridge : environment.bridges)
    if (bridge->name() == name) return bridge;
  return nullptr;
}

bool is_our_datapath(std::string_view name) {
  return name == "ovs-netdev" || name == "netdev@ovs-netdev";
}

/// The key of a packet that was given as bytes; what is no header comes from the flow.
FlowKey key_of_packet(const FlowKey& described, const std::vector<std::uint8_t>& bytes) {
  packet::PacketPool pool(1);
  FlowKey key = described, extracted;
  if (!flow::extract_frame(bytes, pool, extracted)) return key;
  // From Ethernet on the packet says what it is; before that are metadata.
  constexpr std::size_t kHeaders = offsetof(FlowKey, eth_dst), kMetadata = offsetof(FlowKey, metadata);
  std::memcpy(reinterpret_cast<char*>(&key) + kHeaders, reinterpret_cast<const char*>(&extracted) + kHeaders,
              kMetadata - kHeaders);
  return key;
}

/// Whether two keys have the same headers, so that bytes given for one stand for the other.
bool same_headers(const FlowKey& a, const FlowKey& b) {
  constexpr std::size_t kHeaders = offsetof(FlowKey, eth_dst), kMetadata = offsetof(FlowKey, metadata);
  return std::memcmp(reinterpret_cast<const char*>(&a) + kHeaders,
                     reinterpret_cast<const char*>(&b) + kHeaders, kMetadata - kHeaders) == 0;
}

/// Reasons that come from what a composed segment can't have: sequence numbers and a reasonable history.
bool is_sequence_matter(Reason reason) {
  return reason == Reason::TcpOutOfWindow || reason == Reason::TcpBadAck ||
         reason == Reason::TcpRstOutOfWindow || reason == Reason::TcpBadFlags;
}

/// Asks the tracker on behalf of a trace.
class Consultant {
 public:
  Consultant(const TraceRequest& request, const TraceEnvironment& environment)
      : request_(request), environment_(environment) {}

  pipeline::CtOutcome operator()(const conntrack::CtRequest& ct, const FlowKey& key) {
    if (asked_ < request_.ct_next.size()) return overridden(request_.ct_next[asked_++], ct, key);
    ++asked_;
    return consult(ct, key);
  }

 private:
  /// With the user's word for the state, NAT is simulated as in Open vSwitch: the first of addresses and
  /// ports.
  pipeline::CtOutcome overridden(std::uint32_t state, const conntrack::CtRequest& ct, const FlowKey& key) {
    pipeline::CtOutcome outcome;
    outcome.state = state;
    outcome.mark = key.ct_mark.host();
    outcome.label = key.ct_label;
    outcome.sentence = "ct_state=" + format_ct_state(state);
    if (!ct.nat) return outcome;
    outcome.packet = first_of_range(ct.nat_range, key);
    const bool moves = ct.nat_range.has_address || ct.nat_range.has_ports;
    outcome.sentence +=
        fmt::format("\nReplacing src/dst IP/ports to simulate NAT:\n Initial flow: {}\n Modified flow: {}",
                    moves ? ends_of(key) : "", moves ? ends_of(*outcome.packet) : "");
    return outcome;
  }

  static FlowKey first_of_range(const conntrack::NatRange& range, const FlowKey& key) {
    FlowKey changed = key;
    const bool is_source = range.kind == conntrack::NatRange::Kind::Source;
    if (range.has_address && range.is_ipv6)
      (is_source ? changed.ipv6_src : changed.ipv6_dst) = range.min_address;
    else if (range.has_address)
      (is_source ? changed.nw_src : changed.nw_dst) = net::v4_of(range.min_address);
    if (range.has_ports) (is_source ? changed.tp_src : changed.tp_dst) = be16{range.min_port};
    return changed;
  }

  /// As ovs-appctl shows what its simulated NAT changes.
  static std::string ends_of(const FlowKey& key) {
    if (key.eth_type == be16{net::ethertype::kIpv6})
      return fmt::format("ipv6_src=[{}],tp_src={},ipv6_dst=[{}],tp_dst={}", net::format_ipv6(key.ipv6_src),
                         key.tp_src.host(), net::format_ipv6(key.ipv6_dst), key.tp_dst.host());
    return fmt::format("nw_src={},tp_src={},nw_dst={},tp_dst={}", net::format_ipv4(key.nw_src),
                       key.tp_src.host(), net::format_ipv4(key.nw_dst), key.tp_dst.host());
  }

  conntrack::PeekResult peek(const std::vector<std::uint8_t>& frame, const conntrack::CtRequest& ct) const {
    packet::PacketPool pool(1);
    packet::Packet* packet = pool.take(static_cast<std::uint32_t>(frame.size()));
    if (!packet || !packet->assign(frame))
      return {.state = ct_state::kTracked | ct_state::kInvalid,
              .reason = Reason::NotIp,
              .connection = {},
              .translated = {}};
    packet->layout = wire::walk(packet->bytes());
    auto result = environment_.tracker.peek(*packet, ct, environment_.now);
    pool.give(packet);
    return result;
  }

  /// What the tracker says, the packet composed if no bytes were given or the pipeline changed it.
  conntrack::PeekResult classify(const FlowKey& key, const conntrack::CtRequest& ct) {
    if (!request_.packet.empty() && same_headers(key, request_.key)) return peek(request_.packet, ct);
    FlowKey segment = key;
    if (key.nw_proto == net::ip_proto::kTcp && key.tcp_flags.raw() == 0) {
      // No flags were described: an ordinary segment of a known connection, else the one that opens it.
      segment.tcp_flags = be16{net::tcp_flag::kAck};
      auto result = peek(flow::compose(segment, request_.payload), ct);
      if (result.connection) return without_sequence(result, key);
      segment.tcp_flags = be16{net::tcp_flag::kSyn};
    }
    return without_sequence(peek(flow::compose(segment, request_.payload), ct), key);
  }

  /// A composed segment has no sequence numbers: what the connection is decides.
  static conntrack::PeekResult without_sequence(conntrack::PeekResult result, const FlowKey& key) {
    if (!result.connection || !is_sequence_matter(result.reason)) return result;
    const auto& original = result.connection->original;
    const be128 src = original.is_ipv6 ? key.ipv6_src : net::v4_mapped(key.nw_src);
    const bool is_original = original.src == src && original.src_port == key.tp_src;
    result.reason = Reason::None;
    result.state = ct_state::kTracked | ct_state::kEstablished;
    if (!is_original) result.state |= ct_state::kReply;
    if (result.connection->parent) result.state |= ct_state::kRelated;
    if (result.translated) result.state |= result.translated->state;
    return result;
  }

  static packet::CtTuple creating_tuple(const conntrack::PeekResult& result, const FlowKey& key) {
    packet::CtTuple tuple;
    if (result.expectation) return result.expectation->parent;
    if (result.connection) {
      const auto& original = result.connection->parent.value_or(result.connection->original);
      tuple.src = original.src;
      tuple.dst = original.dst;
      tuple.proto = original.proto;
      tuple.is_ipv6 = original.is_ipv6;
      const bool icmp = original.proto == net::ip_proto::kIcmp || original.proto == net::ip_proto::kIcmpv6;
      tuple.src_port = icmp ? be16{original.icmp_type} : original.src_port;
      tuple.dst_port = icmp ? be16{original.icmp_code} : original.dst_port;
      return tuple;
    }
    tuple.is_ipv6 = key.eth_type.host() == net::ethertype::kIpv6;
    tuple.src = tuple.is_ipv6 ? key.ipv6_src : net::v4_mapped(key.nw_src);
    tuple.dst = tuple.is_ipv6 ? key.ipv6_dst : net::v4_mapped(key.nw_dst);
    tuple.proto = key.nw_proto;
    tuple.src_port = key.tp_src;
    tuple.dst_port = key.tp_dst;
    return tuple;
  }

  /// An ICMP error: valid, but neither new nor established.
  static bool is_error(std::uint32_t state) {
    return (state & (ct_state::kNew | ct_state::kEstablished)) == 0;
  }

  /// What NAT makes of the packet.
  static void put_addresses(const conntrack::Tuple& tuple, FlowKey& key) {
    if (tuple.is_ipv6) {
      key.ipv6_src = tuple.src;
      key.ipv6_dst = tuple.dst;
    } else {
      key.nw_src = net::v4_of(tuple.src);
      key.nw_dst = net::v4_of(tuple.dst);
    }
    namespace p = net::ip_proto;
    // An ICMP error has its type there, and the ports belong to the packet that it quotes.
    if (key.nw_proto != tuple.proto ||
        (tuple.proto != p::kTcp && tuple.proto != p::kUdp && tuple.proto != p::kSctp))
      return;
    key.tp_src = tuple.src_port;
    key.tp_dst = tuple.dst_port;
  }

  static std::string sentence(const conntrack::PeekResult& result, std::uint16_t zone) {
    std::string what = meeting(result, zone);
    if (result.refused) return fmt::format("{}; it would be dropped: {}", what, reason_text(result.reason));
    if (!result.translated || (result.state & ct_state::kInvalid) != 0) return what;
    return what + "; NAT makes it " + conntrack::format_tuple(result.translated->tuple);
  }
  static std::string meeting(const conntrack::PeekResult& result, std::uint16_t zone) {
    const auto head = "ct_state=" + format_ct_state(result.state);
    if (result.state & ct_state::kInvalid)
      return fmt::format("{}: {}", head, conntrack::reason_text(result.reason));
    if (result.connection)
      return fmt::format("{}: {} connection {} of zone {}, {}", head,
                         is_error(result.state) ? "about" : "meets", result.connection->id, zone,
                         conntrack::format_connection(*result.connection));
    if (result.expectation) return fmt::format("{}: a helper expects this connection in zone {}", head, zone);
    return fmt::format("{}: no connection of zone {} has these addresses and ports", head, zone);
  }

  pipeline::CtOutcome consult(const conntrack::CtRequest& ct, const FlowKey& key) {
    const auto result = classify(key, ct);
    packet::CtMetadata meta;
    meta.state = result.state;
    meta.zone = ct.zone;
    const bool valid = (result.state & ct_state::kInvalid) == 0;
    if (valid) {
      if (result.connection) {
        meta.mark = result.connection->mark;
        meta.label = result.connection->label;
      } else if (result.expectation) {
        meta.mark = result.expectation->mark;
        meta.label = result.expectation->label;
      }
      if (ct.commit) {
        meta.mark = (meta.mark & ~ct.mark_mask) | (ct.mark & ct.mark_mask);
        meta.label = (meta.label & ~ct.label_mask) | (ct.label & ct.label_mask);
      }
      meta.original = creating_tuple(result, key);
    }
    pipeline::CtOutcome outcome;
    outcome.state = meta.state;
    outcome.mark = meta.mark;
    outcome.label = meta.label;
    outcome.packet = key;
    if (valid && result.translated) put_addresses(result.translated->tuple, *outcome.packet);
    flow::patch_ct(*outcome.packet, meta);
    outcome.sentence = sentence(result, ct.zone);
    return outcome;
  }

  const TraceRequest& request_;
  const TraceEnvironment& environment_;
  std::size_t asked_ = 0;
};

/// The one argument that says what to trace, with the bridge or datapath before it, to key and bridge.
Status read_flow(std::span<const std::string> words, const TraceEnvironment& environment,
                 TraceRequest& request) {
  const std::string& text = words.back();
  // Names of ports mean something where no bridge may be meant.
  const bool may_name_ports = words.size() == 1 || is_our_datapath(words[0]);
  auto odp = parse_odp_flow(text, may_name_ports ? environment.dp_ports : nullptr);
  if (words.size() == 1 || odp) {
    if (!odp) return fail(fmt::format("syntax error at {} (or the bridge name was omitted)", text));
    if (words.size() == 2 && !is_our_datapath(words[0])) return fail("Cannot find the datapath");
    const auto place = environment.upcalls.place(odp->in_port.host());
    if (!place.bridge) return fail(fmt::format("no OpenFlow port for datapath port {}", odp->in_port.host()));
    request.bridge = place.bridge;
    request.key = *odp;
    request.key.in_port = be32{place.of_port};
    const bool is_tagged = odp->vlan[0].tci.raw() != 0;
    if (odp->eth_type.raw() != 0 && !is_tagged && !names_ethernet(text))
      request.key.packet_type = be32{flow::kBarePacketType | odp->eth_type.host()};
    return {};
  }
  request.bridge = find_bridge(environment, words[0]);
  if (!request.bridge) return fail(words[0] + ": unknown bridge");
  auto match = field::parse_match(text, request.bridge);
  if (!match) return fail(fmt::format("Bad openflow flow syntax: {}: {}", text, match.error().message));
  request.key = match->value;
  if (match->mask.bits.in_port.raw() == 0) request.key.in_port = be32{action::of_port::kNone};
  return {};
}

/// The actions of a packet-out. What is not an action but an instruction has no place there.
Status read_actions(const std::string& text, TraceRequest& request) {
  auto actions = action::parse_actions(text);
  if (!actions) return tl::unexpected(std::move(actions.error()));
  for (const action::Action& one : *actions) {
    const auto refused = [&](auto type) {
      return std::holds_alternative<typename decltype(type)::type>(one);
    };
    using std::type_identity;
    const std::string_view instruction = refused(type_identity<action::GotoTable>{})       ? "goto_table"
                                         : refused(type_identity<action::WriteActions>{})  ? "write_actions"
                                         : refused(type_identity<action::ClearActions>{})  ? "clear_actions"
                                         : refused(type_identity<action::WriteMetadata>{}) ? "write_metadata"
                                                                                           : "";
    if (!instruction.empty()) return fail(fmt::format("{} instruction not allowed here", instruction));
  }
  request.actions = std::move(*actions);
  return {};
}

/// Whether a packet-out of these actions would be accepted.
Status check_actions(TraceRequest& request) {
  const action::CheckOptions options{.version = request.consistent ? action::OfVersion::k11
                                                                   : action::OfVersion::k10};
  Status status = action::check(request.actions, exact_match(request.key), options);
  if (status) status = action::check_executable(request.actions);
  if (status) status = request.bridge->pipeline().check_references(request.actions);
  if (!status) return fail("Bad actions: " + status.error().message);
  return {};
}

}  // namespace

std::string format_ct_state(std::uint32_t state) {
  std::string text;
  for (std::size_t bit = 0; bit < std::size(kFlags); ++bit)
    if (state >> bit & 1) text += (text.empty() ? "" : "|") + std::string(kFlags[bit]);
  return text.empty() ? "0" : text;
}

Result<std::uint32_t> parse_ct_next(std::string_view text) {
  std::uint32_t state = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(", |"), text.size());
    const auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty()) continue;
    const auto* flag = std::find(std::begin(kFlags), std::end(kFlags), word);
    if (flag == std::end(kFlags))
      return fail(fmt::format("{}: unknown connection tracking state flag", word));
    state |= 1u << (flag - std::begin(kFlags));
  }
  // What a tracker can't say (ovs-fields(7), "Connection Tracking Fields").
  const auto invalid = [&](std::string_view why) {
    return fail(fmt::format("{}: invalid connection state: {}", format_ct_state(state), why));
  };
  if (state != 0 && !(state & ct_state::kTracked))
    return invalid("If \"trk\" is unset, no other flags are set");
  if ((state & ct_state::kInvalid) && (state & ~(ct_state::kInvalid | ct_state::kTracked)))
    return invalid("when \"inv\" is set, only \"trk\" may also be set");
  if ((state & ct_state::kNew) && (state & ct_state::kEstablished))
    return invalid("\"new\" and \"est\" are mutually exclusive");
  if ((state & ct_state::kNew) && (state & ct_state::kReply))
    return invalid("\"new\" and \"rpy\" are mutually exclusive");
  return state;
}

Result<TraceRequest> parse_trace(std::span<const std::string> arguments, const TraceEnvironment& environment,
                                 TraceKind kind) {
  TraceRequest request;
  const bool packet_out = kind == TraceKind::PacketOut;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const bool takes_value =
        word == "--ct-next" || word == "-ct-next" || word == "--l7" || word == "--l7-len";
    if (takes_value && ++i == arguments.size())
      return fail(fmt::format("Missing argument for option {}", word == "-ct-next" ? "--ct-next" : word));
    if (word == "--l7") {
      SLUICE_ASSIGN(request.payload, parse_payload(arguments[i]));
    } else if (word == "--l7-len") {
      SLUICE_ASSIGN(const std::size_t length, parse_payload_length(arguments[i]));
      request.payload.assign(length, 0);
    } else if (word == "--ct-next" || word == "-ct-next") {
      SLUICE_ASSIGN(const std::uint32_t state, parse_ct_next(arguments[i]));
      request.ct_next.push_back(state);
    } else if (word == "--names") {
      request.port_names = true;
    } else if (word == "--generate" || word == "-generate") {
      request.generate = true;
    } else if (packet_out && (word == "--consistent" || word == "-consistent")) {
      request.consistent = true;
    } else if (word == "--no-names" || word == "-no-names") {
      continue;  // ports are numbers unless asked otherwise
    } else if (word.starts_with('-')) {
      return fail(word + ": unknown option");
    } else {
      words.push_back(word);
    }
  }
  if (packet_out && !words.empty()) {
    SLUICE_TRY(read_actions(words.back(), request));
    words.pop_back();
  }
  if (words.size() > 3) return fail("too many arguments");
  if (words.empty()) return fail("expected a bridge and a flow, or a datapath flow");
  // Behind a bridge and a flow there can only be a packet; behind one word there may be one.
  if (words.size() > 1)
    if (auto packet = parse_packet(words.back()); packet || words.size() == 3) {
      SLUICE_ASSIGN(request.packet, std::move(packet));
      words.pop_back();
    }
  if (request.generate && !request.packet.empty()) return fail("Syntax error");
  SLUICE_TRY(read_flow(words, environment, request));
  if (!request.packet.empty()) request.key = key_of_packet(request.key, request.packet);
  if (packet_out) SLUICE_TRY(check_actions(request));
  return request;
}

std::string trace(const TraceRequest& request, const TraceEnvironment& environment) {
  Consultant consultant(request, environment);
  const auto hook = [&](const conntrack::CtRequest& ct, const FlowKey& key) { return consultant(ct, key); };
  const action::Names names = request.port_names ? request.bridge->names() : action::Names{};
  if (!request.actions.empty())
    return request.bridge->pipeline()
        .explain_actions(request.key, request.actions, environment.now, hook, names)
        .text;
  const bool has_packet = request.generate || !request.packet.empty();
  return request.bridge->pipeline().explain(request.key, environment.now, hook, names, has_packet).text;
}

}  // namespace sluice::ofproto
