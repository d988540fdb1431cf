#include "cli/ofctl/packet_out.h"

#include <fmt/core.h>

#include "action/all_actions.h"
#include "action/flow_spec.h"
#include "cli/hex.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/flow_messages.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

namespace {

constexpr std::size_t kEthernetBytes = 14;

Result<std::vector<std::uint8_t>> parse_packet(std::string_view hex) {
  const auto bytes = parse_hex(hex);
  if (!bytes) return fail("Trailing garbage in packet data");
  if (bytes->size() < kEthernetBytes) return fail("Packet data too short for Ethernet");
  return *bytes;
}

}  // namespace

Result<PacketOutText> parse_packet_out(std::string_view text, const action::Names& names) {
  // The packet is not a field of a flow; the rest is one.
  std::string flow;
  std::optional<std::vector<std::uint8_t>> packet;
  for (std::size_t at = 0; at < text.size();) {
    constexpr std::string_view kSeparators = ", \t\r\n";
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("actions=") || rest.starts_with("action=")) {
      flow += rest;
      break;
    }
    const std::size_t length = std::min(rest.find_first_of(kSeparators), rest.size() - 1) + 1;
    constexpr std::string_view kPacket = "packet=";
    if (rest.starts_with(kPacket)) {
      std::string_view hex = rest.substr(kPacket.size(), length - kPacket.size());
      while (!hex.empty() && kSeparators.find(hex.back()) != std::string_view::npos) hex.remove_suffix(1);
      auto bytes = parse_packet(hex);
      if (!bytes) return fail("packet: " + bytes.error().message);
      packet = std::move(*bytes);
    } else {
      flow += rest.substr(0, length);
    }
    at += length;
  }
  SLUICE_ASSIGN(action::FlowSpec spec, action::parse_packet_fields(flow, names));
  for (const action::Action& action : spec.actions)
    if (action::as<action::GotoTable>(action)) return fail("goto_table instruction not allowed here");
  if (!packet) return fail("must specify packet");
  PacketOutText out{.usable = spec.usable};
  out.message.metadata = spec.match;
  if (field::get(spec.match, field::FieldId::InPortOxm).mask == 0)
    field::set_match(out.message.metadata, field::FieldId::InPortOxm, action::of_port::kController,
                     0xffffffff);
  out.message.actions = std::move(spec.actions);
  out.message.packet = std::move(*packet);
  return out;
}

namespace {

Result<int> send_packet_out(Run& run, PacketOutText packet) {
  action::Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, run.words[0], packet.usable, format));
  MessageList messages;
  messages.add(openflow::encode(openflow::make_message(std::move(packet.message), connection.dialect, 0)));
  if (run.options.bundle) {
    SLUICE_TRY(send_bundle(run, connection, messages));
    return 0;
  }
  SLUICE_ASSIGN(const bool done, send_all(run, connection, run.words[0], messages));
  return done ? 0 : 1;
}

/// "packet-out SWITCH IN_PORT ACTIONS PACKET…", the syntax of old.
Result<int> packets_out(Run& run) {
  const std::string& target = run.words[0];
  NameMap names;
  if (run.reads_names()) {
    SLUICE_TRY(fetch_port_names(run, target, names));
    SLUICE_TRY(fetch_table_names(run, target, names));
  }
  SLUICE_ASSIGN(const action::ActionList actions, action::parse_actions(run.words[2], names.names()));
  const auto port = field::parse_port(run.words[1], &names);
  if (!port) return fail(fmt::format("{}: unknown port `{}'", target, run.words[1]));
  action::Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection,
                open_for_flows(run, target, action::usable_protocols(actions, {}), format));
  for (std::size_t i = 3; i < run.words.size(); ++i) {
    openflow::PacketOut message{.actions = actions};
    field::set_match(message.metadata, field::FieldId::InPortOxm, *port, 0xffffffff);
    SLUICE_ASSIGN(message.packet, parse_packet(run.words[i]));
    SLUICE_ASSIGN(const bool done, change(run, connection, target, std::move(message)));
    if (!done) return 1;
  }
  return 0;
}

}  // namespace

Result<int> packet_out(Run& run) {
  if (run.words.size() > 3) return packets_out(run);
  if (run.words.size() == 3) return fail("Too many arguments (4)");
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, run.words[0]));
  SLUICE_ASSIGN(auto packet, parse_packet_out(run.words[1], names.names()));
  return send_packet_out(run, std::move(packet));
}

}  // namespace sluice::cli::ofctl
