#include "bridge/spanning_tree.h"

#include <algorithm>
#include <set>

#include "port/interface.h"

namespace sluice::bridge {

namespace {

std::uint64_t bits_per_second(const std::string& interface) {
  constexpr std::uint64_t kUnknown = 10'000'000'000;
  const auto facts = port::interface_facts(interface);
  return facts && facts->bits_per_second ? std::max<std::uint64_t>(*facts->bits_per_second, 1) : kUnknown;
}

/// What a link costs by its speed, as in ovs-vswitchd (IEEE 802.1D-1998 table 8-5 and beyond).
std::uint32_t stp_cost(const std::string& interface) {
  const std::uint64_t megabits = bits_per_second(interface) / 1'000'000;
  if (megabits >= 10'000) return 2;
  if (megabits >= 1'000) return 4;
  if (megabits >= 100) return 19;
  if (megabits >= 16) return 62;
  return megabits >= 10 ? 100 : 250;
}

/// IEEE 802.1D-2004 table 17-3.
std::uint32_t rstp_cost(const std::string& interface) {
  constexpr std::uint64_t kOfOneBit = 20'000'000'000'000, kMost = 200'000'000;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(kOfOneBit / bits_per_second(interface), 1, kMost));
}

/// A number for each port that takes part: what the configuration says, others from 1 up.
std::map<std::uint32_t, std::uint16_t> numbers_of(const std::vector<SpanningTree::Port>& ports,
                                                  unsigned most) {
  std::map<std::uint32_t, std::uint16_t> numbers;
  std::set<unsigned> taken;
  for (const auto& port : ports)
    if (const auto wish = port.config.number;
        port.config.enabled && wish && *wish <= most && taken.insert(*wish).second)
      numbers[port.number] = *wish;
  unsigned next = 1;
  for (const auto& port : ports) {
    if (!port.config.enabled || numbers.contains(port.number)) continue;
    while (taken.contains(next)) ++next;
    if (next > most) break;  // more ports than the protocol can name do not take part
    taken.insert(next);
    numbers[port.number] = static_cast<std::uint16_t>(next);
  }
  return numbers;
}

}  // namespace

void SpanningTree::configure(Settings settings, const std::vector<Port>& ports, const net::Mac& system,
                             Instant now) {
  dp_ports_.clear();
  constexpr unsigned kMostStp = 255, kMostRstp = 4095;
  const auto numbers = settings.stp    ? numbers_of(ports, kMostStp)
                       : settings.rstp ? numbers_of(ports, kMostRstp)
                                       : std::map<std::uint32_t, std::uint16_t>();
  std::map<std::uint32_t, l2::StpPortSettings> stp_ports;
  std::map<std::uint32_t, l2::RstpPortSettings> rstp_ports;
  for (const Port& port : ports) {
    const auto id = numbers.find(port.number);
    if (id == numbers.end()) continue;
    dp_ports_[port.number] = port.dp_port;
    const auto device = datapath_.find_port(port.dp_port);
    const auto patch = bridge_.pipeline().port(port.number);
    const net::Mac mac = device ? device->mac : patch && patch->patch ? patch->patch->mac : net::Mac{};
    if (settings.stp)
      stp_ports[port.number] = {.name = port.name,
                                .mac = mac,
                                .number = static_cast<std::uint8_t>(id->second),
                                .priority = port.config.priority,
                                .cost = port.config.cost ? *port.config.cost : stp_cost(port.name)};
    else
      rstp_ports[port.number] = {.name = port.name,
                                 .mac = mac,
                                 .number = id->second,
                                 .priority = static_cast<std::uint8_t>(port.config.priority & 0xf0),
                                 .cost = port.config.cost ? *port.config.cost : rstp_cost(port.name),
                                 .admin_edge = port.config.admin_edge,
                                 .auto_edge = port.config.auto_edge,
                                 .mcheck = port.config.mcheck};
  }
  if (!settings.stp) stp_.reset();
  if (!settings.rstp || settings.stp) rstp_.reset();
  if (settings.stp) {
    if (settings.stp->system.is_zero()) settings.stp->system = system;
    if (!stp_) stp_.emplace();
    stp_->configure(*settings.stp, stp_ports, now);
  } else if (settings.rstp) {
    if (settings.rstp->system.is_zero()) settings.rstp->system = system;
    if (!rstp_) rstp_.emplace();
    rstp_->configure(*settings.rstp, rstp_ports, now);
  }
  for (const Port& port : ports)
    if (!dp_ports_.contains(port.number)) bridge_.set_tree_state(port.number, true, true);
  run(now);
}

void SpanningTree::receive(std::uint32_t number, Bytes frame, Instant now) {
  if (!dp_ports_.contains(number)) return;
  if (stp_) stp_->receive(number, frame, now);
  if (rstp_) rstp_->receive(number, frame);
}

bool SpanningTree::is_up(std::uint32_t number, std::uint32_t dp_port) const {
  const auto info = bridge_.pipeline().port(number);
  if (!info || info->down) return false;
  if (info->patch) return info->patch->peer != nullptr;
  const auto device = datapath_.find_port(dp_port);
  return device && device->link_up;
}

void SpanningTree::run(Instant now) {
  for (const auto& [number, dp_port] : dp_ports_) {
    const bool up = is_up(number, dp_port);
    if (stp_) stp_->set_link(number, up, now);
    if (rstp_) rstp_->set_link(number, up, now);
  }
  const auto finish = [&](const auto& outgoing) {
    apply();
    for (const auto& out : outgoing) send_(out.port, out.frame);
  };
  if (stp_) finish(stp_->run(now));
  if (rstp_) finish(rstp_->run(now));
}

/// The pipeline follows before anybody hears of it.
void SpanningTree::apply() {
  auto& macs = bridge_.pipeline().mac_table();
  bool changed = false;
  if (stp_) {
    for (const auto& [number, dp_port] : dp_ports_) {
      const l2::StpState state = stp_->state(number);
      const bool forwards = state == l2::StpState::Forwarding || state == l2::StpState::Disabled;
      bridge_.set_tree_state(number, forwards || state == l2::StpState::Learning, forwards);
    }
    changed = stp_->take_topology_change();
    if (changed) macs.flush();
  }
  if (rstp_) {
    for (const auto& [number, dp_port] : dp_ports_) {
      const l2::RstpState state = rstp_->state(number);
      const bool forwards = state == l2::RstpState::Forwarding;
      bridge_.set_tree_state(number, forwards || state == l2::RstpState::Learning, forwards);
    }
    const auto flushes = rstp_->take_flushes();
    changed = !flushes.empty();
    for (const std::uint32_t number : flushes) macs.flush_port(number);
  }
  if (changed) bridge_.pipeline().multicast_table().flush_groups();
}

void SpanningTree::notice_topology_change(Instant now) {
  if (stp_) stp_->notice_topology_change(now);
  if (rstp_) rstp_->notice_topology_change();
  run(now);
}

std::optional<l2::Stp::Status> SpanningTree::stp_status(std::uint32_t number, Instant now) const {
  return stp_ ? stp_->status(number, now) : std::nullopt;
}
std::optional<l2::Rstp::Status> SpanningTree::rstp_status(std::uint32_t number, Instant now) const {
  return rstp_ ? rstp_->status(number, now) : std::nullopt;
}

}  // namespace sluice::bridge
