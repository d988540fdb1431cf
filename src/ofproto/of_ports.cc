// Ports: what they are and count, port-mods, port-status, queues.
//
// OFPPC_PORT_DOWN is the state of the port's device (IFF_UP), whoever set it; setting it takes the device
// down. Of a port without a device it takes the port out of the pipeline: nothing is received and nothing
// sent.
#include <fmt/core.h>

#include "datapath/datapath.h"
#include "field/of_error.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using action::of_port::kNone;
using field::OfError;
namespace port_config = openflow::port_config;
namespace port_state = openflow::port_state;

namespace {

Status no_such_port(std::uint32_t number) {
  return field::fail(fmt::format("port {} does not exist (OFPPMFC_BAD_PORT)", number), OfError::PmfcBadPort);
}

bool same(const openflow::PortDescription& a, const openflow::PortDescription& b) {
  return a.address == b.address && a.name == b.name && a.config == b.config && a.state == b.state;
}

}  // namespace

std::optional<openflow::PortDescription> OpenFlowAgent::describe_port(std::uint32_t number) const {
  const auto info = pipeline().port(number);
  if (!info) return std::nullopt;
  const auto device = info->patch ? std::nullopt : env_.datapath.find_port(info->dp_port);
  openflow::PortDescription port;
  port.number = number;
  port.name = info->name;
  if (device) port.address = device->mac;
  if (info->patch) port.address = info->patch->mac;
  if (info->down || (device && device->admin_up == false)) port.config |= port_config::kDown;
  if (!info->stp) port.config |= port_config::kNoStp;
  if (!info->receive) port.config |= port_config::kNoRecv;
  if (!info->receive_stp) port.config |= port_config::kNoRecvStp;
  if (!info->flood) port.config |= port_config::kNoFlood;
  if (!info->forward) port.config |= port_config::kNoForward;
  if (!info->packet_in) port.config |= port_config::kNoPacketIn;
  const bool up = (info->patch || (device && device->link_up)) && !info->down;
  port.state = up ? port_state::kLive : port_state::kLinkDown;
  return port;
}

openflow::PortDescReply OpenFlowAgent::describe_ports(std::uint32_t wanted) const {
  openflow::PortDescReply reply;
  for (const std::uint32_t number : pipeline().ports())
    if (wanted == kNone || wanted == number)
      if (auto port = describe_port(number)) reply.entries.push_back(std::move(*port));
  return reply;
}

openflow::PortStatsReply OpenFlowAgent::port_stats(std::uint32_t wanted) const {
  constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  constexpr std::int64_t kSecond = Duration::seconds(1).ns;
  openflow::PortStatsReply reply;
  for (const std::uint32_t number : pipeline().ports()) {
    if (wanted != kNone && wanted != number) continue;
    const auto info = pipeline().port(number);
    const auto device = info->patch ? std::nullopt : env_.datapath.find_port(info->dp_port);
    if (!device && !info->patch) continue;
    openflow::PortCounters& counters = reply.entries.emplace_back();
    counters.port = number;
    if (info->patch) {
      counters.rx_packets = info->patch->received->packets();
      counters.rx_bytes = info->patch->received->bytes();
      counters.tx_packets = info->patch->sent->packets();
      counters.tx_bytes = info->patch->sent->bytes();
    } else {
      counters.rx_packets = device->rx_packets;
      counters.rx_bytes = device->rx_bytes;
      counters.rx_dropped = device->rx_dropped;
      counters.rx_errors = device->rx_errors;
      counters.tx_packets = device->tx_packets;
      counters.tx_bytes = device->tx_bytes;
      counters.tx_dropped = device->tx_dropped;
      counters.tx_errors = device->tx_errors;
    }
    counters.rx_frame_errors = counters.rx_over_errors = counters.rx_crc_errors = counters.collisions =
        kUnknown;
    if (const auto state = ports_.find(number); state != ports_.end()) {
      const std::int64_t age_ns = (now() - state->second.since).ns / 1'000'000 * 1'000'000;
      counters.duration_s = static_cast<std::uint32_t>(age_ns / kSecond);
      counters.duration_ns = static_cast<std::uint32_t>(age_ns % kSecond);
    }
  }
  return reply;
}

Status OpenFlowAgent::check_port_mod(const openflow::PortMod& mod) const {
  const auto port = describe_port(mod.number);
  if (!port) return no_such_port(mod.number);
  if (!(port->address == mod.address))
    return field::fail(fmt::format("port {} has the address {} (OFPPMFC_BAD_HW_ADDR)", mod.number,
                                   net::format_mac(port->address)),
                       OfError::PmfcBadHwAddr);
  return {};
}

void OpenFlowAgent::change_port(const openflow::PortMod& mod) {
  auto info = pipeline().port(mod.number);
  const std::uint32_t before = describe_port(mod.number)->config;
  const std::uint32_t config = (before & ~mod.mask) | (mod.config & mod.mask);
  if (config == before) return;
  const bool down = (config & port_config::kDown) != 0;
  const auto device = info->patch ? std::nullopt : env_.datapath.find_port(info->dp_port);
  if (!device || !device->admin_up) {
    info->down = down;
  } else if (*device->admin_up == down) {
    // As in Open vSwitch, a device that can't be changed stays as it is; the port's description tells.
    (void)env_.datapath.set_admin_up(info->dp_port, !down);
    info->live = env_.datapath.find_port(info->dp_port)->link_up;
  }
  info->stp = (config & port_config::kNoStp) == 0;
  info->receive = (config & port_config::kNoRecv) == 0;
  info->receive_stp = (config & port_config::kNoRecvStp) == 0;
  info->forward = (config & port_config::kNoForward) == 0;
  info->flood = (config & port_config::kNoFlood) == 0;
  info->packet_in = (config & port_config::kNoPacketIn) == 0;
  pipeline().set_port(mod.number, std::move(*info));
  notice_ports();
}

/// Tells of what became of ports since the last time.
void OpenFlowAgent::notice_ports() {
  const auto tell = [&](openflow::PortReason reason, const openflow::PortDescription& port) {
    env_.sessions.deliver(openflow::AsyncKind::PortStatus, static_cast<unsigned>(reason),
                          openflow::PortStatus{reason, port});
  };
  for (auto it = ports_.begin(); it != ports_.end();) {
    if (pipeline().port(it->first)) {
      ++it;
      continue;
    }
    tell(openflow::PortReason::Delete, it->second.told);
    it = ports_.erase(it);
  }
  for (const std::uint32_t number : pipeline().ports()) {
    const auto [it, added] = ports_.try_emplace(number);
    const auto port = describe_port(number);
    if (added) it->second.since = now();
    if (!added && same(*port, it->second.told)) continue;
    it->second.told = *port;
    tell(added ? openflow::PortReason::Add : openflow::PortReason::Modify, *port);
  }
}

/// @param port  kNone: all
Result<std::vector<openflow::QueueCounters>> OpenFlowAgent::find_queues(std::uint32_t port,
                                                                        std::uint32_t queue) const {
  if (port != kNone && !pipeline().port(port))
    return field::fail(fmt::format("port {} does not exist (OFPQOFC_BAD_PORT)", port), OfError::QofcBadPort);
  std::vector<openflow::QueueCounters> found;
  const auto look_at = [&](std::uint32_t number) {
    if (!env_.queues) return;
    for (const auto& counters : env_.queues(number))
      if (queue == openflow::kAllQueues || counters.queue == queue) found.push_back(counters);
  };
  if (port != kNone)
    look_at(port);
  else
    for (const std::uint32_t number : pipeline().ports()) look_at(number);
  if (found.empty() && queue != openflow::kAllQueues)
    return field::fail(fmt::format("queue {} does not exist (OFPQOFC_BAD_QUEUE)", queue),
                       OfError::QofcBadQueue);
  return found;
}

Status OpenFlowAgent::serve_queue_stats(Session& session, const Message& request,
                                        const openflow::QueueStatsRequest& body) {
  SLUICE_ASSIGN(auto queues, find_queues(body.port, body.queue));
  session.reply(request, openflow::QueueStatsReply{std::move(queues)});
  return {};
}

Status OpenFlowAgent::serve_queue_config(Session& session, const Message& request,
                                         const openflow::QueueConfigRequest& body) {
  SLUICE_ASSIGN(const auto queues, find_queues(body.port, body.queue));
  openflow::QueueConfigReply reply;
  reply.port = body.port;
  for (const auto& queue : queues) reply.entries.push_back({.port = queue.port, .queue = queue.queue});
  session.reply(request, std::move(reply));
  return {};
}

}  // namespace sluice::ofproto
