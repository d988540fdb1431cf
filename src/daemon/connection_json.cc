#include "daemon/connection_json.h"

#include <fmt/core.h>

#include <algorithm>

#include "conntrack/dump.h"
#include "net/address.h"
#include "net/protocol.h"

namespace sluice::daemon {

namespace {

double seconds(std::int64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

std::string hex(const be128& v) {
  if (v.is_zero()) return "0x0";
  return v.hi.raw() == 0 ? fmt::format("0x{:x}", v.lo.host())
                         : fmt::format("0x{:x}{:016x}", v.hi.host(), v.lo.host());
}

/// "SA", "FPA" …
std::string tcp_flags_text(std::uint16_t flags) {
  constexpr std::string_view kLetters = "FSRPAUECN";
  std::string text;
  for (std::size_t bit = 0; bit < kLetters.size(); ++bit)
    if ((flags >> bit & 1) != 0) text += kLetters[bit];
  return text;
}

}  // namespace

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_of(const conntrack::Tuple& tuple) {
  Json json;
  const auto address = [&](const be128& a) {
    return tuple.is_ipv6 ? net::format_ipv6(a) : net::format_ipv4(net::v4_of(a));
  };
  json["src"] = address(tuple.src);
  json["dst"] = address(tuple.dst);
  if (tuple.proto == net::ip_proto::kIcmp || tuple.proto == net::ip_proto::kIcmpv6) {
    json["id"] = tuple.src_port.host();
    json["type"] = tuple.icmp_type;
    json["code"] = tuple.icmp_code;
  } else {
    json["sport"] = tuple.src_port.host();
    json["dport"] = tuple.dst_port.host();
  }
  return json;
}

Json json_of(const conntrack::ConnectionSnapshot& connection, Instant now) {
  Json json;
  json["protocol"] = conntrack::protocol_name(connection.original.proto);
  json["original"] = json_of(connection.original);
  json["reply"] = json_of(connection.reply);
  json["zone"] = connection.zone;
  json["mark"] = connection.mark;
  json["label"] = hex(connection.label);
  if (auto state = conntrack::state_name(connection); !state.empty()) json["state"] = std::move(state);
  json["seen_reply"] = connection.seen_reply;
  json["packets"] = {connection.packets[0], connection.packets[1]};
  json["bytes"] = {connection.bytes[0], connection.bytes[1]};
  json["age_s"] = seconds(now.ns - connection.start_ns);
  json["idle_s"] = seconds(std::max<std::int64_t>(0, now.ns - connection.last_seen_ns));
  json["expires_s"] = seconds(connection.expires_in_ns);
  json["id"] = connection.id;
  json["cookie"] = connection.cookie;
  json["line"] = conntrack::format_connection(connection);
  return json;
}

Json json_of(const conntrack::ConnectionEvent& event, std::int64_t wall_ahead_ns) {
  Json json;
  json["event"] = conntrack::event_name(event.kind);
  json["time"] = seconds(event.time_ns + wall_ahead_ns);
  if (event.kind == conntrack::ConnectionEvent::Kind::Destroy) json["why"] = conntrack::end_name(event.why);
  json.update(json_of(event.connection, Instant{event.time_ns}));
  return json;
}

Json json_of(const conntrack::ReasonSample& sample, std::int64_t wall_ahead_ns) {
  Json json;
  json["time"] = seconds(sample.time_ns + wall_ahead_ns);
  json["zone"] = sample.zone;
  json["reason"] = conntrack::reason_name(sample.reason);
  json["verdict"] = sample.dropped ? "dropped" : "invalid";
  json["datapath_port"] = sample.in_port;
  json["bytes"] = sample.bytes;
  if (sample.tuple == conntrack::Tuple{}) return json;
  json["protocol"] = conntrack::protocol_name(sample.tuple.proto);
  json.update(json_of(sample.tuple));
  if (sample.tuple.proto != net::ip_proto::kTcp) return json;
  json["tcp_flags"] = tcp_flags_text(sample.tcp_flags);
  json["seq"] = sample.tcp_seq;
  json["ack"] = sample.tcp_ack;
  return json;
}

}  // namespace sluice::daemon
