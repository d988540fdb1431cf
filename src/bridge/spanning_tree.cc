#include "bridge/spanning_tree.h"

#include <algorithm>
#include <set>

#include "bridge/own_frames.h"
#include "port/interface.h"

namespace sluice::bridge {

namespace {

/// What a link costs by its speed, as in ovs-vswitchd (IEEE 802.1D-1998 table 8-5 and beyond).
std::uint32_t cost_of(const std::string& interface) {
  const auto facts = port::interface_facts(interface);
  const std::uint64_t megabits =
      facts && facts->bits_per_second ? *facts->bits_per_second / 1'000'000 : 10'000;
  if (megabits >= 10'000) return 2;
  if (megabits >= 1'000) return 4;
  if (megabits >= 100) return 19;
  if (megabits >= 16) return 62;
  return megabits >= 10 ? 100 : 250;
}

/// A number for each port: what the configuration says, others from 1 up.
std::map<std::uint32_t, std::uint8_t> numbers_of(const std::vector<SpanningTree::Port>& ports) {
  std::map<std::uint32_t, std::uint8_t> numbers;
  std::set<unsigned> taken;
  for (const auto& port : ports)
    if (port.config.number && taken.insert(*port.config.number).second)
      numbers[port.number] = *port.config.number;
  constexpr unsigned kMost = 255;
  unsigned next = 1;
  for (const auto& port : ports) {
    if (numbers.contains(port.number)) continue;
    while (taken.contains(next)) ++next;
    if (next > kMost) break;  // more ports than the protocol can name do not take part
    taken.insert(next);
    numbers[port.number] = static_cast<std::uint8_t>(next);
  }
  return numbers;
}

}  // namespace

void SpanningTree::configure(std::optional<l2::StpSettings> settings, const std::vector<Port>& ports,
                             const net::Mac& system, Instant now) {
  const auto before = std::exchange(dp_ports_, {});
  std::map<std::uint32_t, l2::StpPortSettings> taking_part;
  if (settings) {
    if (settings->system.is_zero()) settings->system = system;
    std::vector<Port> wanted;
    for (const Port& port : ports)
      if (port.config.enabled) wanted.push_back(port);
    for (const auto& [number, id] : numbers_of(wanted)) {
      const auto it =
          std::find_if(wanted.begin(), wanted.end(), [n = number](const Port& p) { return p.number == n; });
      const auto device = datapath_.find_port(it->dp_port);
      taking_part[number] = {.name = it->name,
                             .mac = device ? device->mac : net::Mac{},
                             .number = id,
                             .priority = it->config.priority,
                             .cost = it->config.cost ? *it->config.cost : cost_of(it->name)};
      dp_ports_[number] = it->dp_port;
    }
    if (!stp_) stp_.emplace();
    stp_->configure(*settings, taking_part, now);
  } else {
    stp_.reset();
  }
  for (const auto& [number, dp_port] : before)
    if (!dp_ports_.contains(number)) bridge_.set_tree_state(number, true, true);
  run(now);
}

void SpanningTree::receive(std::uint32_t number, Bytes frame, Instant now) {
  if (!stp_ || !dp_ports_.contains(number)) return;
  stp_->receive(number, frame, now);
  run(now);
}

void SpanningTree::run(Instant now) {
  if (!stp_) return;
  for (const auto& [number, dp_port] : dp_ports_) {
    const auto device = datapath_.find_port(dp_port);
    const auto info = bridge_.pipeline().port(number);
    stp_->set_link(number, device && device->link_up && info && !info->down, now);
  }
  const auto outgoing = stp_->run(now);
  apply(now);
  for (const auto& out : outgoing) send_frame(datapath_, dp_ports_.at(out.port), out.frame);
}

/// The pipeline follows before anybody hears of it.
void SpanningTree::apply(Instant now) {
  for (const auto& [number, status] : stp_->status(now)) {
    const bool forwards = status.state == l2::StpState::Forwarding || status.state == l2::StpState::Disabled;
    bridge_.set_tree_state(number, forwards || status.state == l2::StpState::Learning, forwards);
  }
  if (!stp_->take_topology_change()) return;
  bridge_.pipeline().mac_table().flush();
  bridge_.pipeline().multicast_table().flush_groups();
}

std::optional<l2::Stp::Status> SpanningTree::status(std::uint32_t number, Instant now) const {
  if (!stp_) return std::nullopt;
  const auto all = stp_->status(now);
  const auto it = all.find(number);
  return it == all.end() ? std::nullopt : std::optional(it->second);
}

}  // namespace sluice::bridge
