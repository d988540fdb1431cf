// Bonds and LACP. Formats and errors: what ovs-vswitchd prints.
#include <fmt/core.h>

#include <charconv>

#include "bridge/bonds.h"
#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using bridge::Bonds;
using unixctl::Args;

Result<Bonds::Entry*> find_bond(bridge::Switch& device, std::string_view name) {
  for (Bonds* bonds : device.bonds())
    if (auto* entry = bonds->find(name); entry && entry->bonded()) return entry;
  return fail("no such bond");
}

std::string list(bridge::Switch& device) {
  std::string text = "bond\ttype\trecircID\tmembers\n";
  for (const Bonds* bonds : device.bonds())
    for (const auto& entry : bonds->all())
      if (entry->bonded())
        text += fmt::format("{}\t{}\t{}\t{}\n", entry->name, l2::bond_mode_name(entry->bond.mode()),
                            entry->by_hash ? entry->by_hash->id() : 0, entry->bond.list_members());
  return text;
}

std::string show_one(const Bonds::Entry& entry, Instant now) {
  return fmt::format("---- {} ----\n{}", entry.name,
                     entry.bond.show(now, entry.by_hash ? entry.by_hash->id() : 0));
}

Result<std::string> show(bridge::Switch& device, Args args) {
  if (!args.empty()) {
    SLUICE_ASSIGN(const auto* entry, find_bond(device, args[0]));
    return show_one(*entry, device.now());
  }
  std::string text;
  for (const Bonds* bonds : device.bonds())
    for (const auto& entry : bonds->all())
      if (entry->bonded()) text += show_one(*entry, device.now());
  return text;
}

/// The text of each LACP under its heading; of one bond if its name is given.
Result<std::string> show_lacp(bridge::Switch& device, Args args, std::string_view heading,
                              std::string (l2::Lacp::*describe)() const) {
  std::string text;
  bool any = false;
  for (const Bonds* bonds : device.bonds())
    for (const auto& entry : bonds->all()) {
      if (!entry->lacp || (!args.empty() && entry->name != args[0])) continue;
      any = true;
      text += fmt::format("---- {}{} ----\n{}", entry->name, heading, ((*entry->lacp).*describe)());
    }
  if (!args.empty() && !any) return fail("no such lacp object");
  return text;
}

/// The share of an address; in balance-slb shares are what members have.
Result<std::string> hash(Args args) {
  const auto mac = net::parse_mac(args[0]);
  if (!mac) return fail("invalid mac");
  std::uint32_t numbers[] = {0, 0};
  constexpr std::string_view kFaults[] = {"invalid vlan", "invalid basis"};
  for (std::size_t i = 1; i < args.size(); ++i) {
    const char* end = args[i].data() + args[i].size();
    const auto [parsed, error] = std::from_chars(args[i].data(), end, numbers[i - 1]);
    if (error != std::errc{} || parsed != end) return fail(std::string(kFaults[i - 1]));
  }
  const l2::BondView view{.basis = numbers[1]};
  return std::to_string(view.source_share(*mac, static_cast<std::uint16_t>(numbers[0])));
}

Result<std::string> migrate(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto* entry, find_bond(device, args[0]));
  unsigned share = 0;
  const auto [end, error] = std::from_chars(args[1].data(), args[1].data() + args[1].size(), share);
  if (error != std::errc{} || end != args[1].data() + args[1].size()) return fail("bad hash");
  auto done = entry->bond.migrate(share, args[2]);
  device.run_bonds();
  return done;
}

}  // namespace

void add_bond_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("bond/list", "", 0, 0, [&device](Args) -> Result<std::string> { return list(device); });
  commands.add("bond/show", "[port]", 0, 1, [&device](Args args) { return show(device, args); });
  commands.add("bond/hash", "mac [vlan] [basis]", 1, 3, [](Args args) { return hash(args); });
  commands.add("bond/migrate", "port hash member", 3, 3,
               [&device](Args args) { return migrate(device, args); });
  commands.add("bond/set-active-member", "port member", 2, 2, [&device](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(auto* entry, find_bond(device, args[0]));
    auto done = entry->bond.set_active(args[1]);
    device.run_bonds();
    return done;
  });
  for (const bool enables : {true, false})
    commands.add(enables ? "bond/enable-member" : "bond/disable-member", "port member", 2, 2,
                 [&device, enables](Args args) -> Result<std::string> {
                   SLUICE_ASSIGN(auto* entry, find_bond(device, args[0]));
                   return entry->bond.enable(args[1], enables);
                 });
  commands.add_alias("bond/set-active-slave", "bond/set-active-member");
  commands.add_alias("bond/enable-slave", "bond/enable-member");
  commands.add_alias("bond/disable-slave", "bond/disable-member");
  commands.add("lacp/show", "[port]", 0, 1,
               [&device](Args args) { return show_lacp(device, args, "", &l2::Lacp::show); });
  commands.add("lacp/show-stats", "[port]", 0, 1, [&device](Args args) {
    return show_lacp(device, args, " statistics", &l2::Lacp::show_statistics);
  });
}

}  // namespace sluice::daemon
