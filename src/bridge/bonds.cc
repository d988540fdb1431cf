#include "bridge/bonds.h"

#include <algorithm>

#include "bridge/own_frames.h"
#include "net/protocol.h"

namespace sluice::bridge {

void Bonds::configure(const std::vector<BondConfig>& bonds, const std::vector<BondPort>& ports,
                      const net::Mac& system, Instant now) {
  const auto is_wanted = [&](const std::string& name) {
    return std::any_of(bonds.begin(), bonds.end(), [&](const BondConfig& b) { return b.name == name; });
  };
  std::erase_if(bonds_, [&](const auto& entry) {
    if (is_wanted(entry->name)) return false;
    bridge_.pipeline().set_bond(entry->name, std::nullopt);
    return true;
  });
  for (const BondConfig& wanted : bonds) {
    Entry* entry = find(wanted.name);
    if (!entry) {
      entry = bonds_.emplace_back(std::make_unique<Entry>()).get();
      entry->name = wanted.name;
    }
    std::map<std::uint32_t, l2::BondMember> members;
    std::map<std::uint32_t, l2::LacpMember> speakers;
    entry->dp_ports.clear();
    for (const BondPort& port : ports) {
      if (port.bond != wanted.name) continue;
      const auto device = datapath_.find_port(port.dp_port);
      const net::Mac mac = device ? device->mac : net::Mac{};
      members[port.number] = {.name = port.name, .mac = mac};
      speakers[port.number] = {.name = port.name,
                               .number = port.lacp_number.value_or(static_cast<std::uint16_t>(port.number)),
                               .priority = port.lacp_priority.value_or(l2::LacpMember{}.priority),
                               .mac = mac};
      entry->dp_ports[port.number] = port.dp_port;
    }
    entry->bond.configure(wanted.settings, members, now);
    if (!wanted.lacp) {
      entry->lacp.reset();
    } else {
      if (!entry->lacp) entry->lacp.emplace();
      l2::LacpSettings settings = *wanted.lacp;
      if (settings.system.is_zero()) settings.system = system;
      entry->lacp->configure(settings, speakers, now);
    }
  }
  std::sort(bonds_.begin(), bonds_.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  run(now);
}

Bonds::Entry* Bonds::find(std::string_view name) const {
  const auto it = std::find_if(bonds_.begin(), bonds_.end(), [&](const auto& e) { return e->name == name; });
  return it == bonds_.end() ? nullptr : it->get();
}

std::optional<bool> Bonds::lacp_current(std::uint32_t number) const {
  for (const auto& entry : bonds_)
    if (entry->lacp && entry->dp_ports.contains(number)) return entry->lacp->is_current(number);
  return std::nullopt;
}

void Bonds::receive(std::uint32_t number, Bytes frame, Instant now) {
  for (const auto& entry : bonds_) {
    if (!entry->lacp || !entry->dp_ports.contains(number)) continue;
    entry->lacp->receive(number, frame, now);
    entry->heard = true;
  }
}

void Bonds::run_heard(Instant now) {
  for (const auto& entry : bonds_)
    if (entry->heard) run(*entry, now);
}

void Bonds::run(Instant now) {
  for (const auto& entry : bonds_) run(*entry, now);
}

void Bonds::run(Entry& entry, Instant now) {
  entry.heard = false;
  for (const auto& [number, dp_port] : entry.dp_ports) {
    const auto device = datapath_.find_port(dp_port);
    const auto info = bridge_.pipeline().port(number);
    const bool up = device && device->link_up && info && !info->down;
    if (entry.lacp) entry.lacp->set_link(number, up, now);
    entry.bond.set_member(number, up);
  }
  if (entry.lacp) {
    for (const auto& outgoing : entry.lacp->run(now))
      if (const auto it = entry.dp_ports.find(outgoing.port); it != entry.dp_ports.end())
        send_frame(datapath_, it->second, outgoing.frame);
    for (const auto& [number, dp_port] : entry.dp_ports)
      entry.bond.set_member(number, entry.lacp->may_enable(number));
  }
  std::vector<std::uint64_t> traffic;
  if (entry.bond.rebalances(now)) traffic = bridge_.pipeline().take_bond_traffic(entry.name);
  entry.bond.run(entry.lacp ? entry.lacp->status() : l2::LacpStatus::Off, traffic, now);
  entry.by_hash = {};
  if (entry.bond.mode() == l2::BondMode::BalanceTcp)
    entry.by_hash = bridge_.pipeline().freeze_bond(entry.name);
  bridge_.pipeline().set_bond(entry.name, entry.bonded() ? std::optional(entry.bond.view()) : std::nullopt);
  const auto before = std::exchange(entry.active, entry.bond.view().active);
  if (entry.active && before != entry.active && std::exchange(entry.was_active, true)) begin_to_teach(entry);
}

namespace {

/// A reverse ARP request (RFC 903) from the address, for itself: every switch that sees it learns where it
/// is.
std::vector<std::uint8_t> learning_packet(const net::Mac& mac, be16 tci) {
  constexpr std::uint8_t kRequestReverse = 3;
  std::vector<std::uint8_t> frame(6, 0xff);
  const auto append16 = [&](std::uint16_t value) {
    frame.push_back(static_cast<std::uint8_t>(value >> 8));
    frame.push_back(static_cast<std::uint8_t>(value));
  };
  const auto append_mac = [&] { frame.insert(frame.end(), mac.bytes.begin(), mac.bytes.end()); };
  append_mac();
  if (tci.raw() != 0) {
    append16(net::ethertype::kVlan);
    append16(tci.host() & 0xefff);  // the bit that says that there is a tag is ours alone
  }
  append16(net::ethertype::kRarp);
  frame.insert(frame.end(), {0, 1, 8, 0, 6, 4, 0, kRequestReverse});  // Ethernet, IPv4
  for (int end = 0; end < 2; ++end) {
    append_mac();
    frame.insert(frame.end(), 4, 0);
  }
  return frame;
}

}  // namespace

/// The switches behind the bond still send by the member that was active, or know nothing any more: addresses
/// that are elsewhere in the bridge are shown to them by the one that is now.
void Bonds::begin_to_teach(Entry& entry) const {
  entry.to_teach.clear();
  const l2::BondView view = entry.bond.view();
  if (view.mode == l2::BondMode::BalanceTcp || view.lacp == l2::LacpStatus::Negotiated || !entry.bonded())
    return;
  for (const auto& learned : bridge_.pipeline().mac_table().entries())
    if (!entry.dp_ports.contains(learned.port)) entry.to_teach.emplace_back(learned.mac, learned.vlan);
}

void Bonds::teach(const Entry& entry, const net::Mac& mac, std::uint16_t vlan) {
  const auto port = bridge_.pipeline().port(entry.dp_ports.begin()->first);
  if (!port || !port->vlan.carries(vlan)) return;
  const l2::BondView view = entry.bond.view();
  const auto member = view.member_of(view.source_share(mac, vlan));
  const auto device = member ? entry.dp_ports.find(*member) : entry.dp_ports.end();
  if (device != entry.dp_ports.end())
    send_frame(datapath_, device->second, learning_packet(mac, l2::output_tci(port->vlan, vlan, 0)));
}

bool Bonds::teach() {
  constexpr unsigned kAtOnce = 256;
  unsigned left = kAtOnce;
  for (const auto& entry : bonds_)
    for (; !entry->to_teach.empty() && entry->bonded(); entry->to_teach.pop_back()) {
      if (left-- == 0) return true;
      const auto [mac, vlan] = entry->to_teach.back();
      teach(*entry, mac, vlan);
    }
  return false;
}

}  // namespace sluice::bridge
