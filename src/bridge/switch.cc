#include "bridge/switch.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/rcu.h"
#include "bridge/bonds.h"
#include "bridge/own_frames.h"
#include "bridge/spanning_tree.h"
#include "conntrack/tracker.h"
#include "datapath/meter.h"
#include "field/match_text.h"
#include "flow/extract.h"
#include "l2/multicast_message.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/packet_in_message.h"
#include "port/dummy/dummy_port.h"
#include "port/factory.h"
#include "port/interface.h"

namespace sluice::bridge {

using action::of_port::kLocal;

struct Switch::Bridge {
  Bridge(std::uint64_t secret, pipeline::BridgeConfig config, pipeline::FrozenStore& frozen)
      : ofproto(secret, std::move(config), &frozen) {}

  ofproto::Ofproto ofproto;
  std::map<std::string, Opened> ports;
  std::unique_ptr<Bonds> bonds;
  std::unique_ptr<SpanningTree> tree;
  std::vector<PortConfig> wanted;                          ///< in the order of the configuration, LOCAL first
  std::unordered_map<std::string, std::size_t> wanted_at;  ///< by name, the place in `wanted`
  std::map<std::string, std::string> port_errors;

  ofproto::Sessions sessions;
  std::unique_ptr<ofproto::OpenFlowAgent> agent;
  std::unique_ptr<ofproto::Connections> connections;  ///< null: there is no loop
  std::uint32_t last_number = 0;                      ///< that counting up gave
  std::optional<bool> default_flow;                   ///< whether reconcile_flows() wanted it
  std::uint64_t datapath_id = 0;
  std::optional<std::uint32_t> mtu;  ///< that internal ports were last made to have
};

namespace {

Result<std::unique_ptr<port::Port>> make_real_port(const PortConfig& config) {
  return port::make_port(config.type, config.name, {config.options.begin(), config.options.end()});
}

/// What connects the host itself: its MTU follows the others'.
bool is_internal(std::string_view type) {
  return type == "internal" || type == "dummy-internal";
}

/// The ports that a bridge is to have, LOCAL among them.
std::vector<PortConfig> wanted_ports(const BridgeConfig& bridge) {
  std::vector<PortConfig> ports;
  if (bridge.local != LocalPort::None) {
    PortConfig& local = ports.emplace_back();
    local.name = bridge.name;
    local.type = bridge.local == LocalPort::Internal ? "internal" : "dummy-internal";
    local.number = kLocal;
    if (bridge.local == LocalPort::Internal && !bridge.local_up) local.options["up"] = "false";
    if (const auto mac = bridge.mac ? bridge.mac : bridge.fallback_mac;
        mac && bridge.local == LocalPort::Dummy)
      local.options["mac"] = net::format_mac(*mac);
    local.mtu = bridge.local_mtu;
    local.vlan = bridge.local_vlan;
    local.is_protected = bridge.local_protected;
  }
  ports.insert(ports.end(), bridge.ports.begin(), bridge.ports.end());
  return ports;
}

/// How many of the connections asked for fit into the machine.
std::uint32_t fitting_connections(const SwitchOptions& options, std::uint32_t wanted) {
  if (options.memory_bytes == 0) return wanted;
  const std::uint64_t most = options.memory_bytes / conntrack::Tracker::kBytesPerConnection;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, std::max<std::uint64_t>(most, 1)));
}

conntrack::TrackerOptions tracker_options(const SwitchOptions& options, const ConntrackConfig& config) {
  conntrack::TrackerOptions tracker;
  tracker.max_connections = fitting_connections(options, config.max_connections);
  tracker.hash_secret = options.secret;
  tracker.tcp_sequence_check = config.tcp_sequence_check;
  tracker.reassembly.max_bytes = config.fragments.memory_bytes;
  return tracker;
}

/// Sets what the configuration asks for if it asked for something else before: what a command has set since
/// then is not undone by a change of something else.
template <typename Value, typename Set>
void follow(const Value& desired, const Value& before, Set set) {
  if (desired != before) set(desired);
}

/// The same for each zone; of one that the configuration no longer names nothing is set.
template <typename Value, typename Set>
void follow_zones(const std::map<std::uint16_t, Value>& desired, const std::map<std::uint16_t, Value>& before,
                  Set set) {
  for (const auto& [zone, value] : before)
    if (!desired.contains(zone)) set(zone, std::optional<Value>());
  for (const auto& [zone, value] : desired)
    if (const auto known = before.find(zone); known == before.end() || known->second != value)
      set(zone, std::optional<Value>(value));
}

/// A flow table without any flow in the configuration, standalone: one flow that acts as a learning switch.
constexpr std::string_view kStandaloneFlow = "priority=0,actions=NORMAL\n";

/// Whether somebody else is to set up the flows. Service controllers don't.
bool has_controllers(const BridgeConfig& bridge) {
  return std::any_of(bridge.controllers.begin(), bridge.controllers.end(), ofproto::is_primary);
}

}  // namespace

Result<std::unique_ptr<Switch>> Switch::make(const Clock& clock, SwitchOptions options,
                                             const SwitchConfig& first) {
  SLUICE_ASSIGN(auto tracker, conntrack::Tracker::make(tracker_options(options, first.conntrack)));
  return std::unique_ptr<Switch>(new Switch(clock, std::move(options), first, std::move(tracker)));
}

Switch::Switch(const Clock& clock, SwitchOptions options, const SwitchConfig& first)
    : Switch(clock, std::move(options), first, nullptr) {}

Switch::Switch(const Clock& clock, SwitchOptions options, const SwitchConfig& first,
               std::unique_ptr<conntrack::Tracker> tracker)
    : clock_(clock),
      frozen_(options.secret),
      options_(std::move(options)),
      tracker_(std::move(tracker)),
      qos_(
          options_.loop,
          [this](const std::string& interface, const Status& status) { end_qos(interface, status); },
          [this] {
            if (on_settled_) on_settled_(std::exchange(unsettled_, {}));
          }) {
  if (!options_.make_port) options_.make_port = make_real_port;
  config_.workers = first.workers;
  config_.run_dir = first.run_dir;
  config_.control = first.control;
  config_.conntrack.max_connections = first.conntrack.max_connections;
  config_.conntrack.tcp_sequence_check = first.conntrack.tcp_sequence_check;
  config_.conntrack.fragments.memory_bytes = first.conntrack.fragments.memory_bytes;

  if (tracker_ == nullptr)
    tracker_ = std::make_unique<conntrack::Tracker>(tracker_options(options_, first.conntrack));

  upcalls_ = std::make_unique<ofproto::Upcalls>();
  options_.datapath.workers = first.workers;
  options_.datapath.hash_secret = options_.secret;
  datapath_ = std::make_unique<datapath::Datapath>(options_.datapath, clock_, *tracker_);
  datapath_->set_handler(upcalls_.get());
  if (options_.loop) {
    const auto call_back = [this](ofproto::PacketInQueue& queue, void (Switch::*deliver)()) {
      queue.set_notify([this, deliver] { options_.loop->post([this, deliver] { (this->*deliver)(); }); });
    };
    call_back(upcalls_->own_frames(), &Switch::deliver_own_frames);
    call_back(upcalls_->memberships(), &Switch::deliver_some_memberships);
    call_back(upcalls_->packet_ins(), &Switch::deliver_packet_ins);
  }
}

Switch::~Switch() {
  datapath_->stop();
  while (!bridges_.empty()) remove_bridge(bridges_.back()->ofproto.name());
  qos_.finish();
  for (const auto& port : closed_) port->keep_device();  // the configuration still has it
  port::close_ports(std::move(closed_));
  datapath_->flush_flows();
  rcu::reclaim();
}

Switch::Bridge* Switch::find(std::string_view name) const {
  for (const auto& bridge : bridges_)
    if (bridge->ofproto.name() == name) return bridge.get();
  return nullptr;
}

std::vector<ofproto::Ofproto*> Switch::bridges() const {
  std::vector<ofproto::Ofproto*> all;
  for (const auto& bridge : bridges_) all.push_back(&bridge->ofproto);
  return all;
}

ofproto::Ofproto* Switch::find_bridge(std::string_view name) const {
  Bridge* bridge = find(name);
  return bridge ? &bridge->ofproto : nullptr;
}

ReconcileReport Switch::reconcile(const SwitchConfig& desired) {
  ReconcileReport report;
  if (auto status = check_config(desired); !status) {
    report.errors.push_back(status.error().message);
    return report;
  }
  if (desired.workers != config_.workers)
    report.warnings.push_back(
        fmt::format("workers stays {}: a change to {} needs a restart", config_.workers, desired.workers));
  const std::uint64_t fragment_memory = config_.conntrack.fragments.memory_bytes;
  if (desired.conntrack.fragments.memory_bytes != fragment_memory)
    report.warnings.push_back(
        fmt::format("conntrack.fragments.memory_bytes stays {}: a change to {} needs a restart",
                    fragment_memory, desired.conntrack.fragments.memory_bytes));
  reconcile_conntrack(desired.conntrack, report);
  bundle_room_.idle_timeout = Duration::seconds(desired.bundle_idle_s);

  std::vector<std::string> gone;
  for (const auto& bridge : bridges_) {
    const auto& name = bridge->ofproto.name();
    const auto is_wanted = [&](const BridgeConfig& b) { return b.name == name; };
    if (std::none_of(desired.bridges.begin(), desired.bridges.end(), is_wanted)) gone.push_back(name);
  }
  for (const auto& name : gone) remove_bridge(name);
  if (desired.restoring && !config_.restoring) datapath_->set_handler(nullptr);
  // Everywhere ports go before any comes: they may be the same devices.
  for (const auto& bridge : desired.bridges) {
    Bridge* there = find(bridge.name);
    close_unwanted(there ? *there : make_bridge(bridge), bridge, report);
  }
  port::close_ports(std::exchange(closed_, {}));
  const auto retired_tls = reconcile_ssl(desired.ssl, report);
  for (const auto& bridge : desired.bridges) reconcile_bridge(bridge, desired.restoring, report);
  join_patches();
  report.changed_ports.merge(std::exchange(patches_changed_, {}));

  if (!desired.restoring && config_.restoring) datapath_->set_handler(upcalls_.get());

  const unsigned workers = config_.workers;
  config_ = desired;
  config_.workers = workers;
  config_.conntrack.fragments.memory_bytes = fragment_memory;
  return report;
}

void Switch::reconcile_conntrack(const ConntrackConfig& desired, ReconcileReport& report) {
  const ConntrackConfig& before = config_.conntrack;
  const std::uint32_t fitting = fitting_connections(options_, desired.max_connections);
  const std::uint32_t possible = std::min(fitting, tracker_->most_connections());
  follow(desired.max_connections, before.max_connections,
         [&](std::uint32_t) { tracker_->set_max_connections(possible); });
  if (fitting < desired.max_connections)
    report.warnings.push_back(fmt::format(
        "conntrack.max_connections is {} instead of {}: a full table would take {} bytes, and this "
        "machine has {}",
        possible, desired.max_connections,
        std::uint64_t{desired.max_connections} * conntrack::Tracker::kBytesPerConnection,
        options_.memory_bytes));
  else if (possible < desired.max_connections)
    report.warnings.push_back(
        fmt::format("conntrack.max_connections is {} instead of {}: a table so much larger than at the start "
                    "needs a restart",
                    possible, desired.max_connections));
  follow(desired.default_zone_limit, before.default_zone_limit,
         [&](std::uint32_t limit) { tracker_->set_default_zone_limit(limit); });
  follow(desired.tcp_sequence_check, before.tcp_sequence_check,
         [&](bool on) { tracker_->set_tcp_sequence_check(on); });
  follow_zones(desired.zone_limits, before.zone_limits,
               [&](std::uint16_t zone, const auto& limit) { tracker_->set_zone_limit(zone, limit); });
  follow_zones(desired.timeouts, before.timeouts,
               [&](std::uint16_t zone, const auto& policy) { tracker_->set_timeout_policy(zone, policy); });
  follow_zones(desired.strictness, before.strictness, [&](std::uint16_t zone, const auto& strictness) {
    tracker_->set_strictness(zone, strictness.value_or(conntrack::Strictness{}));
  });
  reconcile_fragments(desired.fragments);
}

void Switch::reconcile_fragments(const FragmentConfig& desired) {
  using conntrack::IpVersion;
  const FragmentConfig& before = config_.conntrack.fragments;
  auto& reassembler = tracker_->reassembler();
  const auto follow_version = [&](IpVersion version, auto enabled, auto minimum, auto timeout) {
    follow(desired.*enabled, before.*enabled, [&](bool on) { reassembler.set_enabled(version, on); });
    follow(desired.*minimum, before.*minimum,
           [&](std::uint32_t bytes) { reassembler.set_min_fragment(version, bytes); });
    follow(desired.*timeout, before.*timeout,
           [&](std::uint32_t seconds) { reassembler.set_timeout(version, Duration::seconds(seconds)); });
  };
  follow_version(IpVersion::V4, &FragmentConfig::ipv4, &FragmentConfig::min_ipv4,
                 &FragmentConfig::timeout_ipv4);
  follow_version(IpVersion::V6, &FragmentConfig::ipv6, &FragmentConfig::min_ipv6,
                 &FragmentConfig::timeout_ipv6);
  follow(desired.max_fragments, before.max_fragments,
         [&](std::uint32_t fragments) { reassembler.set_max_fragments(fragments); });
}

Switch::Bridge& Switch::make_bridge(const BridgeConfig& desired) {
  pipeline::BridgeConfig config;
  config.name = desired.name;
  auto made = std::make_unique<Bridge>(options_.secret, std::move(config), frozen_);
  Bridge* const bridge = made.get();
  bridge->ofproto.set_meters(datapath_->meters());
  bridge->bonds = std::make_unique<Bonds>(bridge->ofproto, *datapath_);
  bridge->tree = std::make_unique<SpanningTree>(
      bridge->ofproto, *datapath_,
      [this, bridge](std::uint32_t number, Bytes frame) { send_bpdu(*bridge, number, frame); });
  if (options_.loop) {
    const auto queues = [this, bridge](std::uint32_t number) {
      std::vector<openflow::QueueCounters> counters;
      for (const auto& [name, opened] : bridge->ports) {
        if (opened.number != number || !opened.has_qos || !port::has_queues(opened.config.qos->type))
          continue;
        for (const auto& state : qos_.queues(name, clock_.now()))
          counters.push_back({.port = number,
                              .queue = state.number,
                              .tx_bytes = state.tx_bytes,
                              .tx_packets = state.tx_packets,
                              .tx_errors = state.tx_errors});
      }
      return counters;
    };
    bridge->agent =
        std::make_unique<ofproto::OpenFlowAgent>(ofproto::AgentEnvironment{.bridge = bridge->ofproto,
                                                                           .sessions = bridge->sessions,
                                                                           .upcalls = *upcalls_,
                                                                           .datapath = *datapath_,
                                                                           .tracker = *tracker_,
                                                                           .clock = clock_,
                                                                           .bundle_room = bundle_room_,
                                                                           .queues = queues});
    bridge->connections =
        std::make_unique<ofproto::Connections>(ofproto::ConnectionsEnvironment{.loop = *options_.loop,
                                                                               .bridge = bridge->ofproto,
                                                                               .sessions = bridge->sessions,
                                                                               .handler = *bridge->agent,
                                                                               .run_dir = options_.run_dir,
                                                                               .logger = options_.logger});
  }
  const auto place = std::find_if(bridges_.begin(), bridges_.end(),
                                  [&](const auto& b) { return b->ofproto.name() > desired.name; });
  return **bridges_.insert(place, std::move(made));
}

void Switch::reconcile_bridge(const BridgeConfig& desired, bool restoring, ReconcileReport& report) {
  Bridge* const bridge = find(desired.name);
  {
    const pipeline::PortChanges together(bridge->ofproto.pipeline());
    reconcile_ports(*bridge, desired, report);
    follow_mtu(*bridge);
    reconcile_switching(*bridge, desired);
    reconcile_address(*bridge, desired, report);
    reconcile_bonds(*bridge, desired);
    reconcile_tree(*bridge, desired);
  }
  reconcile_tables(*bridge, desired, report);
  reconcile_flows(*bridge, desired, report);
  if (!bridge->connections) return;
  bridge->agent->set_description(desired.description, desired.serial_number);
  bridge->agent->run();  // who is connected hears what has changed, who connects now does not
  // Controllers know the switch by its datapath id: when it changes they are told by connecting anew.
  if (bridge->datapath_id != bridge->agent->datapath_id()) {
    bridge->agent->set_datapath_id(bridge->datapath_id);
    bridge->connections->reconnect();
  }
  reconcile_connections(*bridge, desired, restoring, report);
}

/// The files are read again even if their names are the same: keys are renewed in place.
/// @return what was there before, to be kept until all connections have its successor.
std::unique_ptr<io::TlsContext> Switch::reconcile_ssl(const io::TlsFiles& desired, ReconcileReport& report) {
  if (desired == io::TlsFiles{}) return std::move(tls_);
  auto loaded = io::TlsContext::load(desired);
  if (loaded) return std::exchange(tls_, std::move(*loaded));
  report.errors.push_back("ssl: " + loaded.error().message);
  return nullptr;
}

void Switch::reconcile_connections(Bridge& bridge, const BridgeConfig& desired, bool restoring,
                                   ReconcileReport& report) {
  ofproto::ConnectionsConfig config{.controllers = desired.controllers,
                                    .versions = desired.openflow_versions,
                                    .standalone = desired.fail_mode == FailMode::Standalone};
  if (restoring) std::erase_if(config.controllers, ofproto::is_primary);
  for (auto& error : bridge.connections->configure(config, tls_.get()))
    report.errors.push_back(std::move(error));
}

ofproto::Connections* Switch::connections(const ofproto::Ofproto& bridge) const {
  const Bridge* found = find(bridge.name());
  return found ? found->connections.get() : nullptr;
}

void Switch::deliver_packet_ins() {
  const Instant now = clock_.now();
  for (const auto& packet : upcalls_->packet_ins().take()) {
    Bridge& bridge = *find(packet.bridge->name());
    const auto frozen = bridge.ofproto.pipeline().frozen_state(packet.action.recirc_id);
    const auto* state = frozen ? &frozen->data : nullptr;
    auto message = ofproto::packet_in_message(packet, state);
    if (state && packet.action.continuation)
      message.body.continuation = bridge.agent->continuation_of(*state, packet.meta);
    bridge.sessions.deliver(message, now);
  }
  // What these packets may have learned is told as soon.
  for (const auto& bridge : bridges_) bridge->agent->run();
}

/// What goes: unknown names, and ports that are to be something else now.
void Switch::close_unwanted(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report) {
  bridge.wanted = wanted_ports(desired);
  bridge.wanted_at.clear();
  for (std::size_t i = 0; i < bridge.wanted.size(); ++i) bridge.wanted_at.emplace(bridge.wanted[i].name, i);

  std::vector<std::string> closing;
  for (const auto& [name, opened] : bridge.ports) {
    const auto found = bridge.wanted_at.find(name);
    const auto stays = [&](const PortConfig& port) {
      return port.type == opened.config.type && port.options == opened.config.options &&
             (!port.number || *port.number == opened.number);
    };
    if (found == bridge.wanted_at.end() || !stays(bridge.wanted[found->second])) closing.push_back(name);
  }
  const pipeline::PortChanges together(bridge.ofproto.pipeline());
  for (const auto& name : closing) close_port(bridge, name);
  report.changed_ports.insert(closing.begin(), closing.end());
}

void Switch::reconcile_ports(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report) {
  const auto errors_before = std::exchange(bridge.port_errors, {});
  // Numbers that were asked for, and those of ports that stay, are not given to others.
  std::set<std::uint32_t> taken;
  for (const auto& port : bridge.wanted)
    if (port.number) taken.insert(*port.number);
  for (const auto& [name, opened] : bridge.ports) taken.insert(opened.number);

  // The next number that counting up gives, from 1 again after the last one that OpenFlow 1.0 can name.
  constexpr std::uint32_t kMaxNumber = 0xfeff;
  const auto count_up = [&] {
    std::uint32_t number = bridge.last_number;
    do number = number >= kMaxNumber ? 1 : number + 1;
    while (taken.contains(number) && taken.size() < kMaxNumber);
    return number;
  };
  const auto choose = [&](const PortConfig& port) {
    if (port.number) return *port.number;
    for (const auto& wish : {port.number_wish, port.number_before})
      if (wish && !taken.contains(*wish)) return *wish;
    if (desired.numbering == Numbering::CountUp) return count_up();
    std::uint32_t number = 1;
    while (taken.contains(number)) ++number;
    return number;
  };

  for (const auto& port : bridge.wanted) {
    const auto opened = bridge.ports.find(port.name);
    if (opened == bridge.ports.end()) {
      const std::uint32_t number = choose(port);
      const auto status = open_port(bridge, port, number);
      // In the order of the configuration a port that fails keeps its number free for when it comes.
      if (status || desired.numbering == Numbering::LowestFree) taken.insert(number);
      if (!status) {
        bridge.port_errors[port.name] = status.error().message;
        if (!errors_before.contains(port.name)) report.changed_ports.insert(port.name);
        report.errors.push_back(
            fmt::format("bridge {}: port {}: {}", desired.name, port.name, status.error().message));
        continue;
      }
      if (!port.number && number != port.number_wish && number != port.number_before)
        bridge.last_number = number;
      report.changed_ports.insert(port.name);
      if (port.qos) reconcile_qos(bridge.ports.find(port.name)->second, port.qos, report);
    } else if (port.number_wish && *port.number_wish != opened->second.number &&
               !taken.contains(*port.number_wish)) {
      taken.erase(opened->second.number);
      taken.insert(*port.number_wish);
      renumber_port(bridge, port.name, *port.number_wish);
      report.changed_ports.insert(port.name);
    }
    reconcile_open_port(bridge, port, report);
  }
}

namespace {

net::Mac patch_mac(std::string_view name, std::uint64_t secret) {
  std::uint64_t hash = secret;
  for (const char c : name) hash = hash_mix(hash, static_cast<unsigned char>(c));
  constexpr std::uint64_t kLocal = 0x020000000000, kMulticast = 0x010000000000;
  return net::Mac::from_value((hash & 0xffffffffffff & ~kMulticast) | kLocal);
}

}  // namespace

/// What NORMAL goes by beside the ports themselves.
void Switch::reconcile_switching(Bridge& bridge, const BridgeConfig& desired) {
  auto& pipeline = bridge.ofproto.pipeline();
  pipeline.set_mirrors(desired.mirrors);
  if (!(pipeline.mac_table().config() == desired.macs)) pipeline.mac_table().configure(desired.macs);
  auto config = pipeline.config();
  config.flood_vlans = desired.flood_vlans;
  config.forward_bpdu = desired.forward_bpdu;
  config.spanning_tree = desired.stp || desired.rstp;
  if (desired.multicast) {
    config.multicast = desired.multicast->forwarding;
    pipeline.multicast_table().configure(desired.multicast->table);
  } else {
    config.multicast.reset();
    pipeline.multicast_table().flush();
  }
  if (config == pipeline.config()) return;
  if (config.flood_vlans != pipeline.config().flood_vlans) pipeline.mac_table().flush();
  pipeline.configure(std::move(config));
}

void Switch::reconcile_bonds(Bridge& bridge, const BridgeConfig& desired) {
  std::vector<BondPort> ports;
  for (const auto& [name, opened] : bridge.ports)
    if (!opened.config.bond.empty())
      ports.push_back({.name = name,
                       .bond = opened.config.bond,
                       .number = opened.number,
                       .dp_port = opened.dp_port,
                       .lacp_number = opened.config.lacp_number,
                       .lacp_priority = opened.config.lacp_priority});
  bridge.bonds->configure(desired.bonds, ports, system_address(bridge), clock_.now());
}

net::Mac Switch::system_address(const Bridge& bridge) {
  constexpr std::uint64_t kAddress = 0xffffffffffff;
  return net::Mac::from_value(bridge.datapath_id & kAddress);
}

void Switch::reconcile_tree(Bridge& bridge, const BridgeConfig& desired) {
  // Bonds and internal ports take no part: what is behind them is not a link.
  std::vector<SpanningTree::Port> ports;
  for (const auto& [name, opened] : bridge.ports)
    if (opened.number != kLocal && opened.config.type != "internal" && opened.config.bond.empty())
      ports.push_back({name, opened.number, opened.dp_port, opened.config.tree});
    else
      bridge.ofproto.set_tree_state(opened.number, true, true);
  bridge.tree->configure({desired.stp, desired.rstp}, ports, system_address(bridge), clock_.now());
}

SpanningTree& Switch::tree(const ofproto::Ofproto& bridge) const {
  return *find(bridge.name())->tree;
}

std::vector<Bonds*> Switch::bonds() const {
  std::vector<Bonds*> all;
  for (const auto& bridge : bridges_) all.push_back(bridge->bonds.get());
  return all;
}

void Switch::run_bonds() {
  for (const auto& bridge : bridges_) bridge->bonds->run(clock_.now());
  teach();
}

/// A part of the addresses that neighbours of bonds are to be shown; the rest in the loop's next turns.
void Switch::teach() {
  bool more = false;
  for (const auto& bridge : bridges_) more |= bridge->bonds->teach();
  if (!more || !options_.loop || std::exchange(teaches_on_, true)) return;
  options_.loop->post([this] {
    teaches_on_ = false;
    teach();
  });
}

/// All that came in is fed to the state machines before any of them moves.
void Switch::deliver_own_frames() {
  const Instant now = clock_.now();
  std::set<Bridge*> heard;
  for (const auto& frame : upcalls_->own_frames().take()) {
    Bridge& bridge = *find(frame.bridge->name());
    const auto state = bridge.ofproto.pipeline().frozen_state(frame.action.recirc_id);
    const std::uint32_t port = state ? state->data.in_port : frame.key.in_port.host();
    heard.insert(&bridge);
    if (frame.action.slow == dp_action::Userspace::Slow::Lacp)
      bridge.bonds->receive(port, frame.bytes, now);
    else
      bridge.tree->receive(port, frame.bytes, now);
  }
  for (const auto& bridge : bridges_) {  // in an order that repeats
    if (!heard.contains(bridge.get())) continue;
    bridge->bonds->run_heard(now);
    bridge->tree->run(now);
  }
  deliver_patched_frames();
}

void Switch::deliver_memberships(std::size_t most) {
  const Instant now = clock_.now();
  for (const auto& frame : upcalls_->memberships().take(most)) {
    auto& pipeline = find(frame.bridge->name())->ofproto.pipeline();
    const auto state = pipeline.frozen_state(frame.action.recirc_id);
    if (!state || !pipeline.config().multicast) continue;
    if (const auto port = pipeline.port(state->data.in_port))
      l2::hear_multicast(pipeline.multicast_table(), frame.bytes, frame.action.vlan, state->data.in_port,
                         !port->wants_reports, now);
  }
}

void Switch::deliver_some_memberships() {
  constexpr std::size_t kAtOnce = 32;  // some thousand groups at most
  deliver_memberships(kAtOnce);
  if (upcalls_->memberships().waiting() != 0) options_.loop->post([this] { deliver_some_memberships(); });
}

void Switch::send_bpdu(Bridge& bridge, std::uint32_t number, Bytes frame) {
  const auto info = bridge.ofproto.pipeline().port(number);
  if (info && !info->patch) return send_frame(*datapath_, info->dp_port, frame);
  if (info && info->patch->peer)
    patched_.push_back({info->patch->peer, info->patch->peer_port, {frame.begin(), frame.end()}});
}

void Switch::deliver_patched_frames() {
  const Instant now = clock_.now();
  // An answer may bring another; how many there are in a second the protocol bounds (17.19.44, TxHoldCount).
  while (!patched_.empty()) {
    std::set<Bridge*> heard;
    for (const auto& frame : std::exchange(patched_, {}))
      for (const auto& bridge : bridges_) {
        if (&bridge->ofproto.pipeline() != frame.to) continue;
        if (!bridge->tree->speaks()) {
          forward_patched_frame(*bridge, frame.number, frame.bytes);
        } else if (bridge->tree->takes_part(frame.number)) {
          bridge->tree->receive(frame.number, frame.bytes, now);
          heard.insert(bridge.get());
        }
      }
    for (const auto& bridge : bridges_)
      if (heard.contains(bridge.get())) bridge->tree->run(now);
  }
}

/// To a bridge without a spanning tree it is a packet as any other.
void Switch::forward_patched_frame(Bridge& bridge, std::uint32_t number, Bytes frame) {
  flow::FlowKey key;
  if (!flow::extract_frame(frame, scratch_, key)) return;
  key.in_port = be32{number};
  pipeline::TranslationResult result;
  bridge.ofproto.pipeline().translate(key, true, clock_.now(), result);
  packet::Metadata meta;
  meta.in_port = upcalls_->nowhere(bridge.ofproto);
  if (datapath_->inject({.bytes = frame, .meta = meta, .program = &result.program}))
    result.credits.credit(1, frame.size(), clock_.now(), key.tcp_flags.host());
}

void Switch::join_patches() {
  const auto find_end = [&](const std::string& name) -> std::pair<Bridge*, const Opened*> {
    for (const auto& bridge : bridges_)
      if (const auto port = bridge->ports.find(name);
          port != bridge->ports.end() && port->second.config.type == "patch")
        return {bridge.get(), &port->second};
    return {};
  };
  for (const auto& bridge : bridges_) {
    for (auto& [name, opened] : bridge->ports) {
      if (opened.config.type != "patch") continue;
      const std::string& peer = opened.config.options.at("peer");
      const auto [other, end] = find_end(peer);
      const bool joined = end && end->config.options.at("peer") == name;
      bridge->ofproto.join_patch(opened.number, joined ? &other->ofproto : nullptr, joined ? end->number : 0);
      const std::string error =
          joined ? "" : fmt::format("No usable peer '{}' exists in 'netdev' datapath.", peer);
      if (std::exchange(opened.error, error) != error) patches_changed_.insert(name);
    }
  }
}

void Switch::set_policing(std::uint32_t dp_port, const Policing& policing) {
  constexpr std::uint32_t kBurstKb = 8000, kBurstKpackets = 16, kThousand = 1000;
  std::vector<datapath::MeterConfig> limits;
  const auto limit = [&](bool packets, std::uint32_t rate, std::uint32_t burst) {
    limits.push_back({.packets = packets, .bands = {{.rate = rate, .burst = burst}}});
  };
  if (policing.kbps) limit(false, policing.kbps, policing.burst_kb ? policing.burst_kb : kBurstKb);
  if (policing.kpps)
    limit(true, policing.kpps * kThousand,
          (policing.burst_kpackets ? policing.burst_kpackets : kBurstKpackets) * kThousand);
  datapath_->set_policing(dp_port, limits);
}

void Switch::renumber_port(Bridge& bridge, const std::string& name, std::uint32_t number) {
  auto& opened = bridge.ports.find(name)->second;
  bridge.ofproto.remove_port(opened.number);
  if (opened.dp_port != pipeline::kNoDpPort) upcalls_->disconnect(opened.dp_port);
  opened.number = number;
  bridge.ofproto.add_port(port_of(opened));
  if (opened.dp_port != pipeline::kNoDpPort) upcalls_->connect(opened.dp_port, bridge.ofproto, number);
}

/// Who ran before and was killed may have left a discipline: where the configuration says that there is to be
/// none, it goes.
void Switch::reconcile_qos(Opened& opened, const std::optional<port::QosConfig>& desired,
                           ReconcileReport& report) {
  const std::string& name = opened.config.name;
  opened.config.qos = desired;
  opened.has_qos = false;
  const bool may_stay = desired && desired->type == "linux-noop";
  const bool none = !desired || desired->type.empty() || may_stay;
  std::string commands;
  if (!none) {
    const auto facts = port::interface_facts(name);
    auto made = opened.config.type == "system"
                    ? port::qos_commands(name, *desired, facts ? facts->bits_per_second.value_or(0) : 0)
                    : fail(fmt::format("QoS is for ports of type system, not {}", opened.config.type));
    if (made)
      commands = *std::move(made);
    else
      report.warnings.push_back(fmt::format("port {}: {}", name, made.error().message));
  }
  const bool clears =
      opened.shaped || (desired && !may_stay && opened.config.type == "system" && port::has_discipline(name));
  opened.shaped = !commands.empty();
  opened.has_qos = may_stay;
  if (opened.shaped || clears) qos_.replace(name, std::move(commands));
}

void Switch::end_qos(const std::string& interface, const Status& status) {
  for (const auto& bridge : bridges_) {
    const auto found = bridge->ports.find(interface);
    if (found == bridge->ports.end() || !found->second.shaped) continue;
    found->second.has_qos = status.has_value();
    if (!status)
      unsettled_.warnings.push_back(fmt::format(
          "{} can't be set up on {}: {}", found->second.config.qos->type, interface, status.error().message));
  }
}

/// Internal ports for which nothing else is asked carry what all ports of the bridge carry. Who made one
/// smaller by hand keeps it until the others change.
void Switch::follow_mtu(Bridge& bridge) {
  std::optional<std::uint32_t> least;
  for (const auto& [name, opened] : bridge.ports) {
    const bool internal = opened.number == kLocal || is_internal(opened.config.type);
    const auto info = internal ? std::nullopt : datapath_->find_port(opened.dp_port);
    if (info && info->mtu != 0) least = std::min(least.value_or(info->mtu), info->mtu);
  }
  if (const auto local = bridge.ports.find(bridge.ofproto.name());
      local != bridge.ports.end() && local->second.config.mtu)
    least = local->second.config.mtu;
  if (!least) return;
  const bool changed = std::exchange(bridge.mtu, least) != least;
  for (const auto& [name, opened] : bridge.ports) {
    const auto info = datapath_->find_port(opened.dp_port);
    if (!is_internal(opened.config.type) || opened.config.mtu || !info || info->mtu == *least) continue;
    if ((changed || info->mtu > *least) && set_mtu(opened, *least)) datapath_->refresh_port(opened.dp_port);
  }
}

/// What can change while a port is open.
void Switch::reconcile_open_port(Bridge& bridge, const PortConfig& desired, ReconcileReport& report) {
  auto& opened = bridge.ports.find(desired.name)->second;
  if (opened.config.policing != desired.policing) set_policing(opened.dp_port, desired.policing);
  if (opened.config.qos != desired.qos) reconcile_qos(opened, desired.qos, report);
  if (opened.config.vlan != desired.vlan) {  // what was learned there was learned in other VLANs
    bridge.ofproto.pipeline().mac_table().flush_port(opened.number);
    bridge.ofproto.pipeline().multicast_table().flush_port(opened.number);
  }
  if (!(opened.config == desired)) {
    opened.config = desired;
    bridge.ofproto.set_port(port_of(opened));
  }
  const auto info = datapath_->find_port(opened.dp_port);
  const auto change = [&](Status status) {
    report.changed_ports.insert(desired.name);
    datapath_->refresh_port(opened.dp_port);
    if (!status)
      report.warnings.push_back(
          fmt::format("bridge {}: port {}: {}", bridge.ofproto.name(), desired.name, status.error().message));
  };
  if (info && desired.mac && *desired.mac != info->mac)
    change(port::set_interface_mac(desired.name, *desired.mac));
  if (info && desired.mtu && *desired.mtu != info->mtu) change(set_mtu(opened, *desired.mtu));
}

Status Switch::set_mtu(const Opened& opened, std::uint32_t mtu) {
  auto* const dummy = dynamic_cast<port::DummyPort*>(datapath_->device(opened.dp_port));
  if (!dummy) return port::set_interface_mtu(opened.config.name, mtu);
  constexpr std::uint32_t kMost = 65535;
  if (mtu > kMost) return fail(fmt::format("a dummy's MTU cannot be {}: expected {} at most", mtu, kMost));
  dummy->set_mtu(mtu);
  return {};
}

void Switch::reconcile_address(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report) {
  net::Mac lowest, lowest_system, local;
  const auto take_lower = [](net::Mac& so_far, const net::Mac& mac) {
    if (!mac.is_zero() && (so_far.is_zero() || mac < so_far)) so_far = mac;
  };
  for (const auto& [name, opened] : bridge.ports) {
    const auto info = datapath_->find_port(opened.dp_port);
    if (!info) continue;  // a patch port has no address that counts
    if (opened.number == kLocal) {
      local = info->mac;
      continue;
    }
    take_lower(lowest, info->mac);
    if (opened.config.type == "system") take_lower(lowest_system, info->mac);
  }

  std::optional<net::Mac> mac = desired.mac;
  if (!mac && desired.fallback_mac) mac = lowest_system.is_zero() ? *desired.fallback_mac : lowest_system;
  if (mac && !local.is_zero() && local != *mac && desired.local == LocalPort::Internal) {
    if (const auto status = port::set_interface_mac(desired.name, *mac); !status)
      report.warnings.push_back(fmt::format("bridge {}: {}", desired.name, status.error().message));
    refresh_ports({desired.name});
    report.changed_ports.insert(desired.name);
  }
  if (!mac) mac = lowest.is_zero() ? local : lowest;
  bridge.datapath_id = desired.datapath_id.value_or(mac->value());
}

std::uint64_t Switch::datapath_id(std::string_view bridge) const {
  const Bridge* found = find(bridge);
  return found ? found->datapath_id : 0;
}

/// As the OpenFlow side is to know it.
ofproto::Ofproto::Port Switch::port_of(const Opened& opened) const {
  const PortConfig& config = opened.config;
  ofproto::Ofproto::Port port{.number = opened.number,
                              .dp_port = opened.dp_port,
                              .name = config.name,
                              .vlan = config.vlan,
                              .bond = config.bond,
                              .is_protected = config.is_protected,
                              .speaks_lacp = config.speaks_lacp,
                              .wants_multicast = config.wants_multicast,
                              .wants_reports = config.wants_reports,
                              .queue_dscp = config.queue_dscp};
  if (config.type == "patch") port.patch_mac = patch_mac(config.name, options_.secret);
  return port;
}

Status Switch::open_port(Bridge& bridge, const PortConfig& port, std::uint32_t number) {
  if (port.type == "patch") {
    if (!port.options.contains("peer"))
      return fail(port.name + ": patch type requires valid 'peer' argument");
    const auto& opened = bridge.ports[port.name] = {port, number, pipeline::kNoDpPort, {}};
    bridge.ofproto.add_port(port_of(opened));
    return {};
  }
  SLUICE_ASSIGN(auto made, options_.make_port(port));
  SLUICE_ASSIGN(const std::uint32_t dp_port, datapath_->add_port(std::move(made)));
  const auto& opened = bridge.ports[port.name] = {port, number, dp_port, {}};
  bridge.ofproto.add_port(port_of(opened));
  if (port.policing != Policing{}) set_policing(dp_port, port.policing);
  upcalls_->connect(dp_port, bridge.ofproto, number);
  reclaim_port_tables();
  return {};
}

/// Each change of a port retires a table of all ports: of a thousand ports in a row not hundreds of tables
/// wait.
void Switch::reclaim_port_tables() {
  constexpr unsigned kChanges = 16;
  if (++port_changes_ % kChanges == 0) rcu::reclaim();
}

void Switch::close_port(Bridge& bridge, const std::string& name) {
  const auto it = bridge.ports.find(name);
  const auto opened = it->second;
  bridge.ports.erase(it);
  if (opened.shaped) qos_.replace(opened.config.name, {});  // `name` may have gone with the port
  bridge.ofproto.remove_port(opened.number);
  if (opened.dp_port == pipeline::kNoDpPort) return;
  if (auto port = datapath_->remove_port(opened.dp_port)) closed_.push_back(std::move(*port));
  upcalls_->disconnect(opened.dp_port);
  reclaim_port_tables();
}

void Switch::remove_bridge(const std::string& name) {
  const auto it = std::find_if(bridges_.begin(), bridges_.end(),
                               [&](const auto& b) { return b->ofproto.name() == name; });
  Bridge& bridge = **it;
  bridge.connections.reset();
  {
    const pipeline::PortChanges together(bridge.ofproto.pipeline());
    while (!bridge.ports.empty()) close_port(bridge, bridge.ports.begin()->first);
  }
  join_patches();  // nothing leads into the bridge any more
  upcalls_->remove(bridge.ofproto);
  datapath_->flush_flows();  // megaflows count into the bridge's rules
  frozen_.forget(bridge.ofproto.pipeline());
  bridges_.erase(it);
}

void Switch::reconcile_tables(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report) {
  auto& pipeline = bridge.ofproto.pipeline();
  for (unsigned table = 0; table < pipeline::kTables; ++table) {
    const auto id = static_cast<std::uint8_t>(table);
    const auto before = pipeline.table_config(id);
    auto config = before;
    const auto limit = desired.table_limits.find(id);
    config.max_flows =
        limit == desired.table_limits.end() ? pipeline::TableConfig{}.max_flows : limit->second;
    config.evict = desired.evicting_tables.contains(id);
    config.eviction_groups.clear();
    if (const auto groups = desired.eviction_groups.find(id); groups != desired.eviction_groups.end()) {
      for (const std::string& text : groups->second) {
        const auto group = field::parse_subfield(text);
        if (group)
          config.eviction_groups.push_back(*group);
        else
          report.warnings.push_back(
              fmt::format("bridge {}: table {}: groups: {}", desired.name, table, group.error().message));
      }
    }
    const auto name = desired.table_names.find(id);
    config.name = name == desired.table_names.end() ? std::string() : name->second;
    if (config.max_flows == before.max_flows && config.evict == before.evict && config.name == before.name &&
        config.eviction_groups == before.eviction_groups)
      continue;
    if (auto status = pipeline.configure_table(id, std::move(config)); !status)
      report.errors.push_back(
          fmt::format("bridge {}: table {}: {}", desired.name, table, status.error().message));
  }
}

void Switch::reconcile_flows(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report) {
  // Without flows in the configuration there is at most the default one. It is put there or taken away when
  // that changes: who deleted it meanwhile wants it gone.
  const bool no_flows = desired.flow_files.empty() && desired.flows.empty();
  const bool default_flow =
      no_flows && desired.fail_mode == FailMode::Standalone && !has_controllers(desired);
  if (no_flows && std::exchange(bridge.default_flow, default_flow) == default_flow) return;
  if (!no_flows) bridge.default_flow.reset();

  // All flows are read before any is changed: a bad line leaves what runs as it is.
  std::vector<ofproto::FileFlow> flows;
  const auto read = [&](std::string_view text, const std::string& file) -> Status {
    SLUICE_ASSIGN(auto parsed, bridge.ofproto.parse_file(text, file, &report.warnings));
    flows.insert(flows.end(), std::make_move_iterator(parsed.begin()), std::make_move_iterator(parsed.end()));
    return {};
  };
  const auto read_all = [&]() -> Status {
    for (const auto& path : desired.flow_files) {
      SLUICE_ASSIGN(const auto text, read_file(path));
      SLUICE_TRY(read(text, path));
    }
    SLUICE_TRY(read(desired.flows, fmt::format("flows of bridge {}", desired.name)));
    if (flows.empty() && desired.fail_mode == FailMode::Standalone && !has_controllers(desired))
      return read(kStandaloneFlow, "fail_mode");
    return {};
  };
  auto status = read_all();
  if (status) {
    auto change = bridge.ofproto.replace_flows(flows, ofproto::Ofproto::Replace::Loaded, clock_.now());
    if (!change) status = tl::unexpected<Error>(std::move(change).error());
  }
  if (!status) report.errors.push_back(status.error().message);
}

void Switch::run() {
  const Instant now = clock_.now();
  datapath_->push_stats();  // idle timeouts go by what the rules have seen
  const std::uint64_t megaflows = datapath_->stats().megaflows;
  census_ = {.average = (census_.average + static_cast<double>(megaflows)) / 2,
             .most = std::max(census_.most, megaflows),
             .round = clock_.now() - now};
  datapath_->refresh_ports();
  frozen_.sweep(now);
  upcalls_->refill(now);
  deliver_own_frames();
  if (!options_.loop) deliver_memberships();
  run_bonds();
  for (const auto& bridge : bridges_) bridge->tree->run(now);
  deliver_patched_frames();
  for (const auto& bridge : bridges_) {
    {
      const pipeline::PortChanges together(bridge->ofproto.pipeline());
      for (const auto& [name, port] : bridge->ports)
        if (const auto info = datapath_->find_port(port.dp_port))
          bridge->ofproto.set_port_live(port.number, info->link_up);
    }
    follow_mtu(*bridge);
    if (bridge->agent)
      bridge->agent->run();  // flows expire, and who wants to hear it is told
    else
      bridge->ofproto.expire(now);
    bridge->ofproto.pipeline().run(now);
  }
}

PortStatus Switch::status_of(const Bridge& bridge, const PortConfig& wanted) const {
  PortStatus status;
  status.bridge = bridge.ofproto.name();
  status.name = wanted.name;
  status.type = wanted.type;
  const auto opened = bridge.ports.find(wanted.name);
  if (opened != bridge.ports.end()) {
    status.number = opened->second.number;
    status.datapath = datapath_->find_port(opened->second.dp_port);
    if (opened->second.has_qos) status.qos = opened->second.config.qos;
    status.stp = bridge.tree->stp_status(opened->second.number, clock_.now());
    status.rstp = bridge.tree->rstp_status(opened->second.number, clock_.now());
    status.lacp_current = bridge.bonds->lacp_current(opened->second.number);
    status.error = opened->second.error;
    if (wanted.type == "patch") describe_patch(bridge, status);
  } else if (const auto error = bridge.port_errors.find(wanted.name); error != bridge.port_errors.end()) {
    status.error = error->second;
  }
  return status;
}

std::vector<PortStatus> Switch::ports() const {
  std::vector<PortStatus> all;
  for (const auto& bridge : bridges_)
    for (const auto& wanted : bridge->wanted) all.push_back(status_of(*bridge, wanted));
  return all;
}

std::optional<PortStatus> Switch::port(std::string_view bridge, const std::string& name) const {
  const Bridge* found = find(bridge);
  if (!found) return std::nullopt;
  const auto at = found->wanted_at.find(name);
  return at == found->wanted_at.end() ? std::nullopt
                                      : std::optional(status_of(*found, found->wanted[at->second]));
}

void Switch::refresh_ports(const std::set<std::string>& names) {
  for (const auto& bridge : bridges_) {
    const pipeline::PortChanges together(bridge->ofproto.pipeline());
    bool concerned = false;
    for (const auto& name : names) {
      const auto opened = bridge->ports.find(name);
      if (opened == bridge->ports.end()) continue;
      datapath_->refresh_port(opened->second.dp_port);
      if (const auto info = datapath_->find_port(opened->second.dp_port))
        bridge->ofproto.set_port_live(opened->second.number, info->link_up);
      concerned = true;
    }
    if (concerned) bridge->bonds->run(clock_.now());  // delays count from when the link changed
  }
}

/// A patch port has no device: what it counted is in the pipeline.
void Switch::describe_patch(const Bridge& bridge, PortStatus& status) const {
  const auto info = bridge.ofproto.pipeline().port(*status.number);
  status.peer = bridge.ports.at(status.name).config.options.at("peer");
  status.datapath = datapath::PortInfo{.number = pipeline::kNoDpPort,
                                       .name = status.name,
                                       .type = "patch",
                                       .mac = info->patch->mac,
                                       .link_up = true,
                                       .rx_packets = info->patch->received->packets(),
                                       .rx_bytes = info->patch->received->bytes(),
                                       .tx_packets = info->patch->sent->packets(),
                                       .tx_bytes = info->patch->sent->bytes()};
}

std::string Switch::dump_flows(ofproto::Ofproto& bridge) {
  datapath_->push_stats();
  return bridge.dump_flows(clock_.now());
}

Result<std::string> Switch::trace(std::span<const std::string> arguments, ofproto::TraceKind kind) {
  const auto all = bridges();
  const ofproto::TraceEnvironment environment{.bridges = all,
                                              .upcalls = *upcalls_,
                                              .tracker = *tracker_,
                                              .dp_ports = &datapath_->port_names(),
                                              .now = clock_.now()};
  SLUICE_ASSIGN(const auto request, ofproto::parse_trace(arguments, environment, kind));
  return ofproto::trace(request, environment);
}

}  // namespace sluice::bridge
