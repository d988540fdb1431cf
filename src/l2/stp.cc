#include "l2/stp.h"

#include <fmt/core.h>

#include <algorithm>

#include "net/endian.h"

namespace sluice::l2 {

using namespace bpdu;

namespace {

constexpr Duration kHold = Duration::seconds(1);  ///< between two frames of a port (8.10.2)
constexpr Duration kHop = Duration::seconds(1);   ///< what each bridge adds to the age

std::string format_times(std::uint64_t id, const Duration& hello, const Duration& max_age,
                         const Duration& delay) {
  return fmt::format(
      "  stp-priority  {}\n  stp-system-id   {}\n  stp-hello-time  {}s\n  stp-max-age     {}s\n"
      "  stp-fwd-delay   {}s\n",
      id >> 48, net::format_mac(net::Mac::from_value(id & 0xffffffffffff)), hello.whole_seconds(),
      max_age.whole_seconds(), delay.whole_seconds());
}

}  // namespace

std::string_view stp_state_name(StpState state) {
  constexpr std::string_view kNames[] = {"disabled", "blocking", "listening", "learning", "forwarding"};
  return kNames[static_cast<unsigned>(state)];
}
std::string_view stp_role_name(StpRole role) {
  constexpr std::string_view kNames[] = {"root", "designated", "alternate", "disabled"};
  return kNames[static_cast<unsigned>(role)];
}

std::uint64_t Stp::bridge_id() const {
  return std::uint64_t{settings_.priority} << 48 | settings_.system.value();
}

std::uint16_t Stp::id_of(const Port& port) {
  return static_cast<std::uint16_t>(port.settings.priority << 8 | port.settings.number);
}

/// What this bridge tells by the port.
Stp::Vector Stp::own_vector(const Port& port) const {
  return {root_.root, root_.cost, bridge_id(), id_of(port)};
}

/// The root's; every bridge goes by them (8.5.3).
Stp::Times Stp::times() const {
  const auto root = ports_.find(root_port_);
  if (root != ports_.end() && root->second.heard) return root->second.heard->times;
  return {settings_.hello, settings_.max_age, settings_.forward_delay};
}

void Stp::configure(const StpSettings& settings, const std::map<std::uint32_t, StpPortSettings>& ports,
                    Instant now) {
  if (!(settings_ == settings)) hello_at_ = now;
  settings_ = settings;
  std::erase_if(ports_, [&](const auto& port) { return !ports.contains(port.first); });
  for (const auto& [number, port] : ports) ports_[number].settings = port;
  update(now);
}

void Stp::set_link(std::uint32_t port, bool up, Instant now) {
  const auto it = ports_.find(port);
  if (it == ports_.end() || it->second.up == up) return;
  it->second.up = up;
  it->second.heard.reset();
  update(now);
}

void Stp::enter(Port& port, StpState state, Instant now) {
  if (port.state == state) return;
  const bool forwarded = port.state == StpState::Learning || port.state == StpState::Forwarding;
  const bool changes = state == StpState::Forwarding || (forwarded && state <= StpState::Blocking);
  port.state = state;
  port.since = now;
  port.advances_at = now + times().forward_delay;
  if (changes) notice_topology_change(now);
}

/// Decides the roles anew and lets states follow (8.6.7 to 8.6.12).
void Stp::update(Instant now) {
  Vector best{bridge_id(), 0, bridge_id(), 0};
  std::uint32_t best_port = 0;
  std::uint16_t best_id = 0;
  for (const auto& [number, port] : ports_) {
    if (!port.up || !port.heard || port.heard->vector.root >= bridge_id()) continue;
    Vector way = port.heard->vector;
    if (way.bridge == bridge_id()) continue;
    way.cost += port.settings.cost;
    if (way < best || (best_port != 0 && way == best && id_of(port) < best_id)) {
      best = way;
      best_port = number;
      best_id = id_of(port);
    }
  }
  const bool was_root = is_root();
  root_ = best;
  root_port_ = best_port;
  if (is_root() && !was_root) hello_at_ = now;
  for (auto& [number, port] : ports_) {
    if (!port.up)
      port.role = StpRole::Disabled;
    else if (number == root_port_)
      port.role = StpRole::Root;
    else
      port.role =
          !port.heard || own_vector(port) <= port.heard->vector ? StpRole::Designated : StpRole::Alternate;
    if (port.role == StpRole::Disabled)
      enter(port, StpState::Disabled, now);
    else if (port.role == StpRole::Alternate)
      enter(port, StpState::Blocking, now);
    else if (port.state <= StpState::Blocking)
      enter(port, StpState::Listening, now);
  }
}

void Stp::notice_topology_change(Instant now) {
  flush_ = true;
  if (is_root()) {
    changing_ = true;
    changing_until_ = now + settings_.max_age + settings_.forward_delay;
  } else if (!notifies_) {
    notifies_ = true;
    notify_at_ = now;
  }
}

void Stp::receive(std::uint32_t number, Bytes frame, Instant now) {
  const auto it = ports_.find(number);
  if (it == ports_.end() || !it->second.up) return;
  Port& port = it->second;
  if (!is_bpdu(frame)) {
    ++port.errors;
    return;
  }
  if (frame[kTypeAt] == kNotification) {
    ++port.received;
    if (port.role != StpRole::Designated) return;
    port.acknowledge = port.must_send = true;
    return notice_topology_change(now);
  }
  // Who speaks RSTP must be left without an answer, so that he speaks STP.
  if (frame[kTypeAt] != kConfiguration || frame.size() < kConfigurationEnd) {
    ++port.errors;
    return;
  }
  ++port.received;
  receive_configuration(port, frame, now);
}

void Stp::receive_configuration(Port& port, Bytes frame, Instant now) {
  const auto read_id = [&](std::size_t at) { return be64::load(frame.data() + at).host(); };
  Heard heard;
  heard.vector = {read_id(kRootAt), be32::load(frame.data() + kCostAt).host(), read_id(kBridgeAt),
                  be16::load(frame.data() + kPortAt).host()};
  heard.age = read_time(frame.data() + kAgeAt);
  heard.times = {read_time(frame.data() + kHelloAt), read_time(frame.data() + kMaxAgeAt),
                 read_time(frame.data() + kDelayAt)};
  if (heard.age >= heard.times.max_age) return;
  heard.expires = now + (heard.times.max_age - heard.age);
  const bool same_sender = port.heard && port.heard->vector.bridge == heard.vector.bridge &&
                           port.heard->vector.port == heard.vector.port;
  if (!same_sender && port.heard && port.heard->vector < heard.vector) return;
  if (own_vector(port) < heard.vector && port.role == StpRole::Designated) {
    port.must_send = true;  // who knows less is told
    return;
  }
  port.heard = heard;
  update(now);
  if (port.role != StpRole::Root) return;
  const std::uint8_t flags = frame[kFlagsAt];
  if ((flags & kAcknowledgement) != 0) notifies_ = false;
  const bool changing = (flags & kTopologyChange) != 0;
  if (changing && !changing_) flush_ = true;
  changing_ = changing;
  for (auto& [number, other] : ports_)
    if (other.role == StpRole::Designated) other.must_send = true;
}

std::vector<Stp::Outgoing> Stp::run(Instant now) {
  bool aged = false;
  for (auto& [number, port] : ports_)
    if (port.heard && now >= port.heard->expires) {
      port.heard.reset();
      aged = true;
    }
  if (aged) update(now);
  for (auto& [number, port] : ports_) {
    const bool advances = port.state == StpState::Listening || port.state == StpState::Learning;
    if (advances && now >= port.advances_at)
      enter(port, port.state == StpState::Listening ? StpState::Learning : StpState::Forwarding, now);
  }
  if (is_root()) {
    if (changing_ && now >= changing_until_) changing_ = false;
    notifies_ = false;
    if (now >= hello_at_) {
      hello_at_ = now + settings_.hello;
      for (auto& [number, port] : ports_) port.must_send = port.role == StpRole::Designated;
    }
  }
  std::vector<Outgoing> out;
  for (auto& [number, port] : ports_) {
    if (!port.must_send || port.role != StpRole::Designated || now < port.held_until) continue;
    port.held_until = now + kHold;
    out.push_back({number, configuration(port, now)});
    port.must_send = port.acknowledge = false;
    ++port.sent;
  }
  if (notifies_ && now >= notify_at_) {
    notify_at_ = now + times().hello;
    Port& port = ports_.at(root_port_);
    out.push_back({root_port_, notification(port)});
    ++port.sent;
  }
  return out;
}

BpduFrame Stp::configuration(Port& port, Instant now) const {
  BpduFrame frame = frame_of(port.settings.mac, kConfiguration, kConfigurationEnd);
  const Times told = times();
  Duration age;
  if (const auto root = ports_.find(root_port_); root != ports_.end() && root->second.heard) {
    const Heard& heard = *root->second.heard;
    age = heard.times.max_age - (heard.expires - now) + kHop;
  }
  frame[kFlagsAt] = static_cast<std::uint8_t>((changing_ ? kTopologyChange : 0) |
                                              (port.acknowledge ? kAcknowledgement : 0));
  const Vector vector = own_vector(port);
  be64{vector.root}.store(frame.data() + kRootAt);
  be32{vector.cost}.store(frame.data() + kCostAt);
  be64{vector.bridge}.store(frame.data() + kBridgeAt);
  be16{vector.port}.store(frame.data() + kPortAt);
  be16{ticks(age)}.store(frame.data() + kAgeAt);
  be16{ticks(told.max_age)}.store(frame.data() + kMaxAgeAt);
  be16{ticks(told.hello)}.store(frame.data() + kHelloAt);
  be16{ticks(told.forward_delay)}.store(frame.data() + kDelayAt);
  return frame;
}

BpduFrame Stp::notification(const Port& port) const {
  return frame_of(port.settings.mac, kNotification, kNotificationEnd);
}

bool Stp::take_topology_change() {
  return std::exchange(flush_, false);
}

Stp::Status Stp::status(const Port& port, Instant now) {
  return {port.settings.name, port.state,    port.role,  id_of(port), (now - port.since).whole_seconds(),
          port.sent,          port.received, port.errors};
}

std::optional<Stp::Status> Stp::status(std::uint32_t number, Instant now) const {
  const auto it = ports_.find(number);
  return it == ports_.end() ? std::nullopt : std::optional(status(it->second, now));
}

std::map<std::uint32_t, Stp::Status> Stp::status(Instant now) const {
  std::map<std::uint32_t, Status> all;
  for (const auto& [number, port] : ports_) all[number] = status(port, now);
  return all;
}

std::string Stp::show() const {
  const Times told = times();
  std::string text = "Root ID:\n" + format_times(root_.root, told.hello, told.max_age, told.forward_delay);
  if (is_root())
    text += "  This bridge is the root\n";
  else
    text += fmt::format("  root-port       {}\n  root-path-cost  {}\n", ports_.at(root_port_).settings.name,
                        root_.cost);
  text += "\nBridge ID:\n" +
          format_times(bridge_id(), settings_.hello, settings_.max_age, settings_.forward_delay) +
          "\n  Interface  Role       State      Cost  Pri.Nbr \n"
          "  ---------- ---------- ---------- ----- -------\n";
  for (const auto& [number, port] : ports_)
    text += fmt::format("  {:<10} {:<10} {:<10} {:<5} {}.{}\n", port.settings.name, stp_role_name(port.role),
                        stp_state_name(port.state), port.settings.cost, port.settings.priority,
                        port.settings.number);
  return text + "\n";
}

}  // namespace sluice::l2
