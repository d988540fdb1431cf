#include "l2/rstp.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace sluice::l2 {

using namespace bpdu;

namespace {

/// 17.14, table 17-1.
constexpr unsigned kMigrateTime = 3, kHelloTime = 2;
/// Transitions of one event; a network has few.
constexpr unsigned kMostRounds = 10'000;

// Flags of an RST BPDU (9.3.3).
constexpr std::uint8_t kProposal = 0x02, kRoleShift = 2, kRoleMask = 0x03, kLearning = 0x10,
                       kForwarding = 0x20, kAgreement = 0x40;
enum class ToldRole : std::uint8_t { Unknown, AlternateOrBackup, Root, Designated };

ToldRole told_role(std::uint8_t type, std::uint8_t flags) {
  return type == kConfiguration ? ToldRole::Designated
                                : static_cast<ToldRole>(flags >> kRoleShift & kRoleMask);
}

unsigned whole_seconds(const std::uint8_t* at) {
  constexpr unsigned kPerSecond = 256;
  return (be16::load(at).host() + kPerSecond / 2) / kPerSecond;
}

std::uint64_t address_of(std::uint64_t bridge) {
  return bridge & 0xffffffffffff;
}

constexpr std::uint16_t kNumberMask = 0x0fff;

std::string format_times(std::uint64_t id, unsigned hello, unsigned max_age, unsigned delay) {
  return fmt::format(
      "  stp-priority    {}\n  stp-system-id   {}\n  stp-hello-time  {}s\n  stp-max-age     {}s\n"
      "  stp-fwd-delay   {}s\n",
      id >> 48, net::format_mac(net::Mac::from_value(address_of(id))), hello, max_age, delay);
}

}  // namespace

std::string_view rstp_state_name(RstpState state) {
  constexpr std::string_view kNames[] = {"Disabled", "Discarding", "Learning", "Forwarding"};
  return kNames[static_cast<unsigned>(state)];
}
std::string_view rstp_role_name(RstpRole role) {
  constexpr std::string_view kNames[] = {"Disabled", "Root", "Designated", "Alternate", "Backup"};
  return kNames[static_cast<unsigned>(role)];
}

std::uint64_t Rstp::bridge_id() const {
  return std::uint64_t{settings_.priority} << 48 | settings_.system.value();
}

std::uint16_t Rstp::id_of(const Port& port) const {
  return static_cast<std::uint16_t>(port.settings.priority << 8 | port.settings.number);
}

/// 17.20.5, 17.20.6: who speaks RSTP need not wait long.
unsigned Rstp::forward_delay(const Port& port) const {
  return port.send_rstp ? kHelloTime : port.designated_times.forward_delay;
}

// --- From outside

void Rstp::configure(const RstpSettings& settings, const std::map<std::uint32_t, RstpPortSettings>& ports,
                     Instant now) {
  const bool anew = !(settings == settings_) || !ticked_at_;
  settings_ = settings;
  std::erase_if(ports_, [&](const auto& port) { return !ports.contains(port.first); });
  for (const auto& [number, wanted] : ports) {
    const auto [it, is_new] = ports_.try_emplace(number);
    Port& port = it->second;
    const RstpPortSettings before = std::exchange(port.settings, wanted);
    if (wanted.mcheck && !before.mcheck) port.mcheck = rstp_version();
    if (is_new || anew) {
      port.counted_since = is_new ? now : port.counted_since;
      begin(port);
    } else if (!(before == wanted)) {
      if (before.admin_edge != wanted.admin_edge) port.oper_edge = wanted.admin_edge;
      port.reselect = true;
      port.selected = false;
    }
  }
  for (auto& [number, port] : ports_) {
    port.reselect = true;
    port.selected = false;
  }
  if (!ticked_at_) ticked_at_ = now;
  update_roles();  // where the last port has gone, no machine would
  run_machines();
}

/// BEGIN of all machines of a port.
void Rstp::begin(Port& port) {
  Port fresh;
  fresh.settings = port.settings;
  fresh.enabled = port.enabled;
  fresh.counted_since = port.counted_since;
  fresh.sent = port.sent;
  fresh.received_frames = port.received_frames;
  fresh.errors = port.errors;
  fresh.learning = port.learning;  // until the state machine has taken them back
  fresh.forwarding = port.forwarding;
  fresh.rr_while = settings_.forward_delay;
  fresh.fd_while = settings_.max_age;
  fresh.sync = fresh.re_root = true;
  fresh.send_rstp = rstp_version();
  fresh.mdelay_while = kMigrateTime;
  fresh.edge_delay_while = kMigrateTime;
  fresh.oper_edge = fresh.settings.admin_edge;
  fresh.hello_when = kHelloTime;
  port = std::move(fresh);
}

void Rstp::set_link(std::uint32_t number, bool up, Instant now) {
  const auto it = ports_.find(number);
  if (it == ports_.end() || it->second.enabled == up) return;
  Port& port = it->second;
  port.enabled = up;
  if (up) port.counted_since = now;
  if (!up) {  // port receive machine, DISCARD
    port.rcvd_rstp = port.rcvd_stp = false;
    port.received.reset();
    port.edge_delay_while = kMigrateTime;
  }
  run_machines();
}

void Rstp::receive(std::uint32_t number, Bytes frame) {
  const auto it = ports_.find(number);
  if (it == ports_.end() || !it->second.enabled) return;
  Port& port = it->second;
  const std::uint8_t type = is_bpdu(frame) ? frame[kTypeAt] : 0xff;
  const std::size_t end = type == kNotification ? kNotificationEnd
                          : type == kRapid      ? kRapidEnd
                                                : kConfigurationEnd;
  if ((type != kConfiguration && type != kNotification && type != kRapid) || frame.size() < end ||
      (type == kRapid && frame[kVersionAt] < kRapidVersion)) {
    ++port.errors;
    return;
  }
  if (port.received) run_machines();  // one at a time
  Message message{.type = type};
  if (type != kNotification) {
    const auto read_id = [&](std::size_t at) { return be64::load(frame.data() + at).host(); };
    message.flags = frame[kFlagsAt];
    message.vector = {read_id(kRootAt), be32::load(frame.data() + kCostAt).host(), read_id(kBridgeAt),
                      be16::load(frame.data() + kPortAt).host()};
    message.times = {whole_seconds(frame.data() + kAgeAt), whole_seconds(frame.data() + kMaxAgeAt),
                     whole_seconds(frame.data() + kDelayAt),
                     std::max(1u, whole_seconds(frame.data() + kHelloAt))};
    const bool own = message.vector.bridge == bridge_id() && message.vector.port == id_of(port);
    if (type == kConfiguration && (own || message.times.age >= message.times.max_age)) {  // 9.3.4
      ++port.errors;
      return;
    }
  }
  ++port.received_frames;
  // Port receive machine, RECEIVE (17.23), and updtBPDUVersion().
  (type == kRapid ? port.rcvd_rstp : port.rcvd_stp) = true;
  port.oper_edge = false;
  port.edge_delay_while = kMigrateTime;
  port.received = message;
  heard_ = true;
}

std::vector<Rstp::Outgoing> Rstp::run(Instant now) {
  constexpr Duration kSecond = Duration::seconds(1);
  const std::int64_t due = ticked_at_ ? (now - *ticked_at_).ns / kSecond.ns : 0;
  if (due > 0) {
    *ticked_at_ = *ticked_at_ + Duration::seconds(due);
    tick();  // once: who slept through the frames of neighbours does not hold their silence against them
  }
  if (heard_) run_machines();
  return std::exchange(outgoing_, {});
}

/// The port timers machine (17.22).
void Rstp::tick() {
  for (auto& [number, port] : ports_)
    for (unsigned* timer :
         {&port.edge_delay_while, &port.fd_while, &port.hello_when, &port.mdelay_while, &port.rb_while,
          &port.rcvd_info_while, &port.rr_while, &port.tc_while, &port.tx_count})
      if (*timer != 0) --*timer;
  for (auto& [number, port] : ports_)
    if (!port.enabled) port.edge_delay_while = kMigrateTime;  // port receive machine, DISCARD
  run_machines();
}

std::vector<std::uint32_t> Rstp::take_flushes() {
  return std::exchange(flushes_, {});
}

void Rstp::notice_topology_change() {
  for (auto& [number, port] : ports_) {
    if (port.change != Change::Active) continue;
    new_tc_while(port);
    set_tc_prop_tree(port);
  }
  run_machines();
}

// --- The machines

void Rstp::run_machines() {
  heard_ = false;
  bool moved = true;
  for (unsigned rounds = 0; moved && rounds < kMostRounds; ++rounds) {
    moved = role_selection();
    for (auto& [number, port] : ports_) {
      moved |= step(port);
      moved |= topology_change(number, port);
      moved |= transmit(number, port);
    }
  }
}

bool Rstp::step(Port& port) {
  bool moved = port_information(port);
  moved |= role_transition(port);
  moved |= state_transition(port);
  moved |= protocol_migration(port);
  moved |= bridge_detection(port);
  return moved;
}

/// 17.27
bool Rstp::port_information(Port& port) {
  const auto choose_anew = [&] {
    port.reselect = true;
    port.selected = false;
    return true;
  };
  if (!port.enabled && port.info_is != InfoIs::Disabled) {  // DISABLED
    port.received.reset();
    port.proposing = port.proposed = port.agree = port.agreed = false;
    port.rcvd_info_while = 0;
    port.info_is = InfoIs::Disabled;
    return choose_anew();
  }
  switch (port.info_is) {
    case InfoIs::Disabled:
      if (!port.enabled) return false;
      port.info_is = InfoIs::Aged;
      return choose_anew();
    case InfoIs::Received:
      if (port.rcvd_info_while == 0 && !port.updt_info && !port.received) {
        port.info_is = InfoIs::Aged;
        return choose_anew();
      }
      break;
    case InfoIs::Aged:
    case InfoIs::Mine:
      break;
  }
  if (port.selected && port.updt_info) {  // UPDATE
    port.proposing = port.proposed = false;
    const bool better = port.info_is == InfoIs::Mine && port.designated_priority <= port.port_priority;
    port.agreed = port.agreed && better;
    port.synced = port.synced && port.agreed;
    port.port_priority = port.designated_priority;
    port.port_times = port.designated_times;
    port.updt_info = false;
    port.info_is = InfoIs::Mine;
    port.new_info = true;
    return true;
  }
  if (port.received && !port.updt_info && port.info_is != InfoIs::Aged) {
    receive_information(port);
    return true;
  }
  return false;
}

/// rcvInfo() (17.21.8)
Rstp::Info Rstp::classify(const Port& port, const Message& message) const {
  if (message.type == kNotification) return Info::Other;
  const Vector& known = port.port_priority;
  switch (told_role(message.type, message.flags)) {
    case ToldRole::Designated: {
      const bool same_sender = address_of(message.vector.bridge) == address_of(known.bridge) &&
                               (message.vector.port & kNumberMask) == (known.port & kNumberMask);
      if (message.vector == known && message.times == port.port_times)
        return port.info_is == InfoIs::Received ? Info::RepeatedDesignated : Info::Other;
      if (message.vector < known || message.vector == known || same_sender) return Info::SuperiorDesignated;
      return Info::InferiorDesignated;
    }
    case ToldRole::Root:
    case ToldRole::AlternateOrBackup:
      return message.vector >= known ? Info::NotDesignated : Info::Other;
    case ToldRole::Unknown:
      break;
  }
  return Info::Other;
}

/// RECEIVE and what follows it.
void Rstp::receive_information(Port& port) {
  const Message message = *std::exchange(port.received, std::nullopt);
  const bool rapid = message.type == kRapid;
  const auto record_agreement = [&] {
    port.agreed = rstp_version() && rapid && (message.flags & kAgreement) != 0;
    if (port.agreed) port.proposing = false;
  };
  const auto record_proposal = [&] {
    if (rapid && (message.flags & kProposal) != 0) port.proposed = true;
  };
  const auto set_tc_flags = [&] {
    if ((message.flags & kTopologyChange) != 0) port.rcvd_tc = true;
    if (!rapid && (message.flags & kAcknowledgement) != 0) port.rcvd_tc_ack = true;
  };
  const auto hold = [&] {
    const bool fresh = port.port_times.age + 1 <= port.port_times.max_age;
    port.rcvd_info_while = fresh ? 3 * port.port_times.hello : 0;
  };
  switch (classify(port, message)) {
    case Info::SuperiorDesignated: {
      port.agreed = port.proposing = false;
      record_proposal();
      set_tc_flags();
      port.agree = port.agree && port.info_is == InfoIs::Received && message.vector <= port.port_priority;
      record_agreement();
      port.synced = port.synced && port.agreed;
      port.port_priority = message.vector;
      port.port_times = message.times;
      hold();
      port.info_is = InfoIs::Received;
      port.reselect = true;
      port.selected = false;
      return;
    }
    case Info::RepeatedDesignated:
      record_proposal();
      set_tc_flags();
      record_agreement();
      hold();
      return;
    case Info::InferiorDesignated:  // recordDispute()
      if (rapid && (message.flags & kLearning) != 0) {
        port.disputed = true;
        port.agreed = false;
      }
      return;
    case Info::NotDesignated:
      record_agreement();
      set_tc_flags();
      return;
    case Info::Other:
      if (message.type == kNotification) port.rcvd_tcn = true;
      return;
  }
}

/// 17.28
bool Rstp::role_selection() {
  if (std::none_of(ports_.begin(), ports_.end(), [](const auto& port) { return port.second.reselect; }))
    return false;
  for (auto& [number, port] : ports_) port.reselect = false;
  update_roles();
  for (auto& [number, port] : ports_) port.selected = true;
  return true;
}

/// updtRolesTree() (17.21.25)
void Rstp::update_roles() {
  root_ = {bridge_id(), 0, bridge_id(), 0};
  root_times_ = {0, settings_.max_age, settings_.forward_delay, kHelloTime};
  root_port_ = 0;
  root_port_id_ = 0;
  for (const auto& [number, port] : ports_) {
    if (port.info_is != InfoIs::Received || address_of(port.port_priority.bridge) == settings_.system.value())
      continue;
    Vector way = port.port_priority;
    way.cost = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(std::uint64_t{way.cost} + port.settings.cost, UINT32_MAX));
    if (way < root_ || (root_port_ != 0 && way == root_ && id_of(port) < root_port_id_)) {
      root_ = way;
      root_port_ = number;
      root_port_id_ = id_of(port);
      root_times_ = port.port_times;
      ++root_times_.age;
    }
  }
  for (auto& [number, port] : ports_) {
    port.designated_priority = {root_.root, root_.cost, bridge_id(), id_of(port)};
    port.designated_times = root_times_;
    port.designated_times.hello = kHelloTime;
    switch (port.info_is) {
      case InfoIs::Disabled:
        port.selected_role = RstpRole::Disabled;
        break;
      case InfoIs::Aged:
        port.updt_info = true;
        port.selected_role = RstpRole::Designated;
        break;
      case InfoIs::Mine:
        port.selected_role = RstpRole::Designated;
        if (port.port_priority != port.designated_priority || !(port.port_times == port.designated_times))
          port.updt_info = true;
        break;
      case InfoIs::Received:
        port.updt_info = false;
        if (number == root_port_) {
          port.selected_role = RstpRole::Root;
        } else if (port.designated_priority < port.port_priority) {
          port.selected_role = RstpRole::Designated;
          port.updt_info = true;
        } else {
          port.selected_role = address_of(port.port_priority.bridge) == settings_.system.value()
                                   ? RstpRole::Backup
                                   : RstpRole::Alternate;
        }
        break;
    }
  }
}

bool Rstp::all_synced() const {
  return std::all_of(ports_.begin(), ports_.end(), [](const auto& entry) {
    const Port& port = entry.second;
    return port.selected && port.role == port.selected_role && (port.role == RstpRole::Root || port.synced);
  });
}
bool Rstp::re_rooted(const Port& port) const {
  return std::all_of(ports_.begin(), ports_.end(),
                     [&](const auto& other) { return &other.second == &port || other.second.rr_while == 0; });
}
void Rstp::set_sync_tree() {
  for (auto& [number, port] : ports_) port.sync = true;
}
void Rstp::set_re_root_tree() {
  for (auto& [number, port] : ports_) port.re_root = true;
}

/// 17.29
bool Rstp::role_transition(Port& port) {
  if (!port.selected || port.updt_info) return false;
  switch (port.selected_role) {
    case RstpRole::Disabled:
      return disabled_role(port);
    case RstpRole::Root:
      return root_role(port);
    case RstpRole::Designated:
      return designated_role(port);
    case RstpRole::Alternate:
    case RstpRole::Backup:
      return alternate_role(port);
  }
  return false;
}

/// 17.29.1
bool Rstp::disabled_role(Port& port) {
  if (port.role != port.selected_role || port.learn || port.forward) {  // DISABLE_PORT
    port.role = port.selected_role;
    port.learn = port.forward = false;
    return true;
  }
  if (port.learning || port.forwarding) return false;
  if (port.fd_while == settings_.max_age && !port.sync && !port.re_root && port.synced) return false;
  port.fd_while = settings_.max_age;  // DISABLED_PORT
  port.synced = true;
  port.rr_while = 0;
  port.sync = port.re_root = false;
  return true;
}

/// 17.29.2
bool Rstp::root_role(Port& port) {
  const unsigned delay = port.designated_times.forward_delay;
  if (port.role != RstpRole::Root) {  // ROOT_PORT
    port.role = RstpRole::Root;
    port.rr_while = delay;
    return true;
  }
  if (port.proposed && !port.agree) {  // ROOT_PROPOSED
    set_sync_tree();
    port.proposed = false;
    return true;
  }
  if ((all_synced() && !port.agree) || (port.proposed && port.agree)) {  // ROOT_AGREED
    port.proposed = port.sync = false;
    port.agree = port.new_info = true;
    return true;
  }
  if (!port.forward && !port.re_root) {  // REROOT
    set_re_root_tree();
    return true;
  }
  if (port.rr_while != delay) {  // ROOT_PORT
    port.rr_while = delay;
    return true;
  }
  if (port.re_root && port.forward) {  // REROOTED
    port.re_root = false;
    return true;
  }
  const bool may = port.fd_while == 0 || (re_rooted(port) && port.rb_while == 0 && rstp_version());
  if (may && !port.learn) {  // ROOT_LEARN
    port.fd_while = forward_delay(port);
    port.learn = true;
    return true;
  }
  if (may && port.learn && !port.forward) {  // ROOT_FORWARD
    port.fd_while = 0;
    port.forward = true;
    return true;
  }
  return false;
}

/// 17.29.3
bool Rstp::designated_role(Port& port) {
  if (port.role != RstpRole::Designated) {  // DESIGNATED_PORT
    port.role = RstpRole::Designated;
    return true;
  }
  if (!port.forward && !port.agreed && !port.proposing && !port.oper_edge) {  // DESIGNATED_PROPOSE
    port.proposing = port.new_info = true;
    port.edge_delay_while = kMigrateTime;
    return true;
  }
  if ((!port.learning && !port.forwarding && !port.synced) || (port.agreed && !port.synced) ||
      (port.oper_edge && !port.synced) || (port.sync && port.synced)) {  // DESIGNATED_SYNCED
    port.rr_while = 0;
    port.synced = true;
    port.sync = false;
    return true;
  }
  if (port.rr_while == 0 && port.re_root) {  // DESIGNATED_RETIRED
    port.re_root = false;
    return true;
  }
  if (((port.sync && !port.synced) || (port.re_root && port.rr_while != 0) || port.disputed) &&
      !port.oper_edge && (port.learn || port.forward)) {  // DESIGNATED_DISCARD
    port.learn = port.forward = port.disputed = false;
    port.fd_while = forward_delay(port);
    return true;
  }
  const bool may = (port.fd_while == 0 || port.agreed || port.oper_edge) &&
                   (port.rr_while == 0 || !port.re_root) && !port.sync;
  if (may && !port.learn) {  // DESIGNATED_LEARN
    port.learn = true;
    port.fd_while = forward_delay(port);
    return true;
  }
  if (may && port.learn && !port.forward) {  // DESIGNATED_FORWARD
    port.forward = true;
    port.fd_while = 0;
    port.agreed = port.send_rstp;
    return true;
  }
  return false;
}

/// 17.29.4
bool Rstp::alternate_role(Port& port) {
  if (port.role != port.selected_role) {  // BLOCK_PORT
    port.role = port.selected_role;
    port.learn = port.forward = false;
    return true;
  }
  if (port.learning || port.forwarding) return false;
  if (port.proposed && !port.agree) {  // ALTERNATE_PROPOSED
    set_sync_tree();
    port.proposed = false;
    return true;
  }
  if ((all_synced() && !port.agree) || (port.proposed && port.agree)) {  // ALTERNATE_AGREED
    port.proposed = false;
    port.agree = port.new_info = true;
    return true;
  }
  if (port.rb_while != 2 * kHelloTime && port.role == RstpRole::Backup) {  // BACKUP_PORT
    port.rb_while = 2 * kHelloTime;
    return true;
  }
  const unsigned delay = forward_delay(port);
  if (port.fd_while == delay && !port.sync && !port.re_root && port.synced) return false;
  port.fd_while = delay;  // ALTERNATE_PORT
  port.synced = true;
  port.rr_while = 0;
  port.sync = port.re_root = false;
  return true;
}

/// 17.30
bool Rstp::state_transition(Port& port) {
  if (!port.learn && port.learning) {
    port.learning = port.forwarding = false;
    return true;
  }
  if (port.learn && !port.learning) {
    port.learning = true;
    return true;
  }
  if (port.learning && port.forward != port.forwarding) {
    port.forwarding = port.forward;
    return true;
  }
  return false;
}

/// 17.21.7
void Rstp::new_tc_while(Port& port) const {
  if (port.tc_while != 0) return;
  port.tc_while = port.send_rstp ? kHelloTime + 1 : root_times_.max_age + root_times_.forward_delay;
  if (port.send_rstp) port.new_info = true;
}
void Rstp::set_tc_prop_tree(const Port& port) {
  for (auto& [number, other] : ports_)
    if (&other != &port) other.tc_prop = true;
}

/// 17.31
bool Rstp::topology_change(std::uint32_t number, Port& port) {
  const bool carries = port.role == RstpRole::Root || port.role == RstpRole::Designated;
  const auto forget_news = [&] { port.rcvd_tc = port.rcvd_tcn = port.rcvd_tc_ack = port.tc_prop = false; };
  const bool news = port.rcvd_tc || port.rcvd_tcn || port.rcvd_tc_ack || port.tc_prop;
  switch (port.change) {
    case Change::Inactive:
      if (!port.learn) return false;
      port.change = Change::Learning;
      forget_news();
      return true;
    case Change::Learning:
      if (carries && port.forward && !port.oper_edge) {  // DETECTED
        new_tc_while(port);
        set_tc_prop_tree(port);
        port.new_info = true;
        port.change = Change::Active;
        return true;
      }
      if (news) {
        forget_news();
        return true;
      }
      if (carries || port.learn || port.learning) return false;
      port.change = Change::Inactive;
      flushes_.push_back(number);
      port.tc_while = 0;
      port.tc_ack = false;
      return true;
    case Change::Active:
      break;
  }
  if (!carries || port.oper_edge) {
    port.change = Change::Learning;
    forget_news();
    return true;
  }
  if (port.rcvd_tcn || port.rcvd_tc) {  // NOTIFIED_TCN, NOTIFIED_TC
    if (port.rcvd_tcn) new_tc_while(port);
    port.rcvd_tcn = port.rcvd_tc = false;
    if (port.role == RstpRole::Designated) port.tc_ack = true;
    set_tc_prop_tree(port);
    return true;
  }
  if (port.tc_prop) {  // PROPAGATING
    new_tc_while(port);
    flushes_.push_back(number);
    port.tc_prop = false;
    return true;
  }
  if (port.rcvd_tc_ack) {  // ACKNOWLEDGED
    port.tc_while = 0;
    port.rcvd_tc_ack = false;
    return true;
  }
  return false;
}

/// 17.24
bool Rstp::protocol_migration(Port& port) {
  const auto check = [&] {
    port.migration = Migration::CheckingRstp;
    port.mcheck = false;
    port.send_rstp = rstp_version();
    port.mdelay_while = kMigrateTime;
    return true;
  };
  const auto sense = [&] {
    port.migration = Migration::Sensing;
    port.rcvd_rstp = port.rcvd_stp = false;
    return true;
  };
  switch (port.migration) {
    case Migration::CheckingRstp:
      if (port.mdelay_while != kMigrateTime && !port.enabled) return check();
      return port.mdelay_while == 0 && sense();
    case Migration::SelectingStp:
      return (port.mdelay_while == 0 || !port.enabled || port.mcheck) && sense();
    case Migration::Sensing:
      if (port.send_rstp && port.rcvd_stp) {
        port.migration = Migration::SelectingStp;
        port.send_rstp = false;
        port.mdelay_while = kMigrateTime;
        return true;
      }
      if (!port.enabled || port.mcheck || (rstp_version() && !port.send_rstp && port.rcvd_rstp))
        return check();
      return false;
  }
  return false;
}

/// 17.25
bool Rstp::bridge_detection(Port& port) {
  const bool admin = port.settings.admin_edge, automatic = port.settings.auto_edge;
  const bool edge = !port.enabled ? admin
                    : port.oper_edge
                        ? admin || automatic
                        : port.edge_delay_while == 0 && automatic && port.send_rstp && port.proposing;
  return std::exchange(port.oper_edge, edge) != edge;
}

/// 17.26
bool Rstp::transmit(std::uint32_t number, Port& port) {
  if (!port.selected || port.updt_info || !port.enabled) return false;
  if (port.hello_when == 0) {  // TRANSMIT_PERIODIC
    port.new_info = port.new_info || port.role == RstpRole::Designated ||
                    (port.role == RstpRole::Root && port.tc_while != 0);
    port.hello_when = kHelloTime;
    return true;
  }
  if (!port.new_info || port.tx_count >= settings_.transmit_hold_count) return false;
  port.new_info = false;
  port.hello_when = kHelloTime;
  // In STP only designated ports tell of the tree, and root ports of changes.
  const bool speaks = port.send_rstp || port.role == RstpRole::Designated || port.role == RstpRole::Root;
  if (!speaks) return true;
  outgoing_.push_back({number, compose(port)});
  ++port.tx_count;
  ++port.sent;
  if (port.send_rstp || port.role == RstpRole::Designated) port.tc_ack = false;
  return true;
}

/// txRstp(), txConfig() and txTcn() (17.21.19 to 17.21.21)
BpduFrame Rstp::compose(const Port& port) const {
  if (!port.send_rstp && port.role == RstpRole::Root)
    return frame_of(port.settings.mac, kNotification, kNotificationEnd);
  BpduFrame frame = port.send_rstp ? frame_of(port.settings.mac, kRapid, kRapidEnd)
                                   : frame_of(port.settings.mac, kConfiguration, kConfigurationEnd);
  std::uint8_t flags = port.tc_while != 0 ? kTopologyChange : 0;
  if (port.send_rstp) {
    frame[kVersionAt] = kRapidVersion;
    const ToldRole role = port.role == RstpRole::Root         ? ToldRole::Root
                          : port.role == RstpRole::Designated ? ToldRole::Designated
                                                              : ToldRole::AlternateOrBackup;
    flags |= static_cast<std::uint8_t>(static_cast<unsigned>(role) << kRoleShift);
    if (port.agree) flags |= kAgreement;
    if (port.proposing) flags |= kProposal;
    if (port.learning) flags |= kLearning;
    if (port.forwarding) flags |= kForwarding;
  } else if (port.tc_ack) {
    flags |= kAcknowledgement;
  }
  frame[kFlagsAt] = flags;
  const Vector& told = port.designated_priority;
  const auto store_time = [&](std::size_t at, unsigned seconds) {
    be16{ticks(Duration::seconds(seconds))}.store(frame.data() + at);
  };
  be64{told.root}.store(frame.data() + kRootAt);
  be32{told.cost}.store(frame.data() + kCostAt);
  be64{told.bridge}.store(frame.data() + kBridgeAt);
  be16{told.port}.store(frame.data() + kPortAt);
  store_time(kAgeAt, port.designated_times.age);
  store_time(kMaxAgeAt, port.designated_times.max_age);
  store_time(kHelloAt, port.designated_times.hello);
  store_time(kDelayAt, port.designated_times.forward_delay);
  return frame;
}

// --- What it tells

RstpState Rstp::state(const Port& port) {
  if (port.role == RstpRole::Disabled) return RstpState::Disabled;
  if (port.forwarding) return RstpState::Forwarding;
  return port.learning ? RstpState::Learning : RstpState::Discarding;
}

RstpState Rstp::state(std::uint32_t port) const {
  return state(ports_.at(port));
}

Rstp::Status Rstp::status(const Port& port, Instant now) const {
  return {.name = port.settings.name,
          .state = state(port),
          .role = port.role,
          .id = id_of(port),
          .designated_port = port.port_priority.port,
          .designated_bridge = port.port_priority.bridge,
          .designated_cost = port.port_priority.cost,
          .sent = port.sent,
          .received = port.received_frames,
          .errors = port.errors,
          .seconds_up = (now - port.counted_since).whole_seconds()};
}

std::optional<Rstp::Status> Rstp::status(std::uint32_t number, Instant now) const {
  const auto it = ports_.find(number);
  return it == ports_.end() ? std::nullopt : std::optional(status(it->second, now));
}

std::map<std::uint32_t, Rstp::Status> Rstp::status(Instant now) const {
  std::map<std::uint32_t, Status> all;
  for (const auto& [number, port] : ports_) all[number] = status(port, now);
  return all;
}

std::string Rstp::show() const {
  std::string text = "Root ID:\n" + format_times(root_.root, root_times_.hello, root_times_.max_age,
                                                 root_times_.forward_delay);
  if (root_port_ == 0)
    text += "  This bridge is the root\n";
  else
    text += fmt::format("  root-port       {}\n  root-path-cost  {}\n", ports_.at(root_port_).settings.name,
                        root_.cost);
  text += "\nBridge ID:\n" +
          format_times(bridge_id(), kHelloTime, settings_.max_age, settings_.forward_delay) +
          "\n  Interface  Role       State      Cost     Pri.Nbr \n"
          "  ---------- ---------- ---------- -------- -------\n";
  for (const auto& [number, port] : status({}))
    text += fmt::format("  {:<10} {:<10} {:<10} {:<8} {}.{}\n", port.name, rstp_role_name(port.role),
                        rstp_state_name(port.state), ports_.at(number).settings.cost, port.id >> 8 & 0xf0,
                        port.id & kNumberMask);
  return text + "\n";
}

}  // namespace sluice::l2
