#include "l2/bond.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace sluice::l2 {

std::string_view bond_mode_name(BondMode mode) {
  constexpr std::string_view kNames[] = {"active-backup", "balance-slb", "balance-tcp"};
  return kNames[static_cast<unsigned>(mode)];
}

BondMode Bond::mode() const {
  const bool falls_back =
      settings_.mode == BondMode::BalanceTcp && settings_.lacp_fallback && lacp_ == LacpStatus::Configured;
  return falls_back ? BondMode::ActiveBackup : settings_.mode;
}

void Bond::configure(const BondSettings& settings, const std::map<std::uint32_t, BondMember>& members,
                     Instant now) {
  const bool is_new = members_.empty();
  if (is_new || !(settings.rebalance == settings_.rebalance)) rebalance_at_ = now + settings.rebalance;
  settings_ = settings;
  std::erase_if(members_, [&](const auto& member) { return !members.contains(member.first); });
  for (const auto& [port, member] : members) members_[port].settings = member;
  if (active_ && !members_.contains(*active_)) active_.reset();
}

void Bond::set_member(std::uint32_t port, bool may_enable) {
  if (const auto it = members_.find(port); it != members_.end()) it->second.may_enable = may_enable;
}

void Bond::settle(Member& member, Instant now) {
  if (member.may_enable == member.enabled) return member.changes_at.reset();
  if (!member.changes_at) {
    const bool at_once = lacp_ == LacpStatus::Negotiated || (member.may_enable && !active_);
    const Duration delay = at_once             ? Duration{}
                           : member.may_enable ? settings_.up_delay
                                               : settings_.down_delay;
    member.changes_at = now + delay;
  }
  if (now < *member.changes_at) return;
  member.enabled = member.may_enable;
  member.changes_at.reset();
}

void Bond::run(LacpStatus lacp, std::span<const std::uint64_t> traffic, Instant now) {
  lacp_ = lacp;
  for (auto& [port, member] : members_) settle(member, now);
  choose_active();
  share_out();
  if (!rebalances(now)) return;
  rebalance_at_ = now + settings_.rebalance;
  rebalance(traffic);
}

void Bond::choose_active() {
  const auto is_enabled = [&](std::uint32_t port) { return members_.at(port).enabled; };
  if (const auto primary = find(settings_.primary);
      primary && is_enabled(*primary) && settings_.mode == BondMode::ActiveBackup) {
    active_ = primary;
    return;
  }
  if (active_ && is_enabled(*active_)) return;
  active_.reset();
  for (const auto& [port, member] : members_) {
    if (!member.enabled) continue;
    if (!active_ || member.settings.mac == settings_.last_active) active_ = port;
  }
}

/// Gives shares whose member can't carry them to those that can, in turn.
void Bond::share_out() {
  std::vector<std::uint32_t> enabled;
  for (const auto& [port, member] : members_)
    if (member.enabled) enabled.push_back(port);
  for (unsigned share = 0; share < kBondHashes; ++share) {
    std::uint32_t& owner = owners_[share];
    if (std::find(enabled.begin(), enabled.end(), owner) != enabled.end()) continue;
    owner = enabled.empty() ? 0 : enabled[share % enabled.size()];
  }
  // Who comes new has none yet.
  for (std::size_t i = 0; i < enabled.size(); ++i) {
    if (std::find(owners_.begin(), owners_.end(), enabled[i]) != owners_.end()) continue;
    for (std::size_t share = i; share < kBondHashes; share += enabled.size()) owners_[share] = enabled[i];
  }
}

void Bond::rebalance(std::span<const std::uint64_t> traffic) {
  for (unsigned share = 0; share < kBondHashes; ++share)
    load_[share] = load_[share] / 2 + (share < traffic.size() ? traffic[share] : 0);
  std::map<std::uint32_t, std::uint64_t> loads;
  for (const auto& [port, member] : members_)
    if (member.enabled) loads[port] = 0;
  if (loads.size() < 2) return;
  for (unsigned share = 0; share < kBondHashes; ++share) loads[owners_[share]] += load_[share];
  const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
  // Each step moves the share that brings the two nearest to each other; a gain below a thirtieth is none.
  for (unsigned step = 0; step < kBondHashes; ++step) {
    const auto [least, most] = std::minmax_element(loads.begin(), loads.end(), by_load);
    const std::uint64_t gap = most->second - least->second;
    if (gap <= most->second / 30) return;
    std::optional<unsigned> best;
    const auto gap_after = [&](unsigned share) {
      return gap > 2 * load_[share] ? gap - 2 * load_[share] : 2 * load_[share] - gap;
    };
    for (unsigned share = 0; share < kBondHashes; ++share)
      if (owners_[share] == most->first && load_[share] != 0 && gap_after(share) < gap - gap / 30 &&
          (!best || gap_after(share) < gap_after(*best)))
        best = share;
    if (!best) return;
    owners_[*best] = least->first;
    most->second -= load_[*best];
    least->second += load_[*best];
  }
}

BondView Bond::view() const {
  BondView view{.mode = mode(),
                .lacp = lacp_,
                .falls_back = settings_.lacp_fallback,
                .all_members_active = settings_.all_members_active,
                .basis = settings_.basis,
                .active = active_,
                .members = {},
                .owners = {}};
  for (const auto& [port, member] : members_) view.members.push_back({port, member.enabled});
  // balance-tcp without LACP sends nothing: the other side would take it for two links.
  if (settings_.mode == BondMode::BalanceTcp && view.mode == settings_.mode &&
      lacp_ != LacpStatus::Negotiated)
    view.active.reset();
  if (balances()) view.owners.assign(owners_.begin(), owners_.end());
  return view;
}

std::optional<std::uint32_t> Bond::find(std::string_view name) const {
  for (const auto& [port, member] : members_)
    if (member.settings.name == name) return port;
  return std::nullopt;
}

const BondMember* Bond::active() const {
  return active_ ? &members_.at(*active_).settings : nullptr;
}

Result<std::string> Bond::set_active(std::string_view name) {
  const auto port = find(name);
  if (!port) return fail("no such member");
  if (!members_.at(*port).enabled) return fail("cannot make disabled member active");
  if (active_ == port) return "no change";
  active_ = port;
  return "done";
}

Result<std::string> Bond::migrate(unsigned share, std::string_view name) {
  if (settings_.mode == BondMode::ActiveBackup) return fail("not an SLB bond");
  const auto port = find(name);
  if (!port) return fail("no such member");
  if (!members_.at(*port).enabled) return fail("cannot migrate to disabled member");
  owners_[share % kBondHashes] = *port;
  return "migrated";
}

Result<std::string> Bond::enable(std::string_view name, bool enabled) {
  const auto port = find(name);
  if (!port) return fail("no such member");
  // Until the next look at the link, which starts the delay if the link says otherwise, as in ovs-vswitchd.
  members_.at(*port).enabled = enabled;
  members_.at(*port).changes_at.reset();
  return enabled ? "enabled" : "disabled";
}

std::string Bond::list_members() const {
  std::string text;
  for (const auto& [port, member] : members_) text += (text.empty() ? "" : ", ") + member.settings.name;
  return text;
}

std::string Bond::show(Instant now, std::uint32_t recirculation) const {
  const bool recirculates = recirculation != 0 && mode() == BondMode::BalanceTcp;
  std::string text = fmt::format(
      "bond_mode: {}\nbond may use recirculation: {}, Recirc-ID : {}\n"
      "bond-hash-basis: {}\nlb_output action: disabled, bond-id: -1\n",
      bond_mode_name(settings_.mode), recirculates ? "yes" : "no",
      recirculates ? static_cast<std::int64_t>(recirculation) : -1, settings_.basis);
  if (settings_.mode == BondMode::BalanceSlb)
    text += fmt::format("all members active: {}\n", settings_.all_members_active);
  text += fmt::format("updelay: {} ms\ndowndelay: {} ms\n", settings_.up_delay.ns / 1'000'000,
                      settings_.down_delay.ns / 1'000'000);
  if (balances() && settings_.rebalance.ns > 0)
    text += fmt::format("next rebalance: {} ms\n",
                        std::max<std::int64_t>(0, (rebalance_at_ - now).ns / 1'000'000));
  constexpr std::string_view kLacp[] = {"off", "configured", "negotiated"};
  text += fmt::format("lacp_status: {}\nlacp_fallback_ab: {}\n", kLacp[static_cast<unsigned>(lacp_)],
                      settings_.lacp_fallback);
  const auto primary = find(settings_.primary);
  text += fmt::format(
      "active-backup primary: {}\n",
      settings_.primary.empty() ? "<none>" : settings_.primary + (primary ? "" : " (no such member)"));
  const BondMember* const chosen = active();
  text += fmt::format("active member mac: {}({})\n", net::format_mac(chosen ? chosen->mac : net::Mac{}),
                      chosen ? chosen->name : "none");
  for (const auto& [port, member] : members_) {
    text += fmt::format("\nmember {}: {}\n", member.settings.name, member.enabled ? "enabled" : "disabled");
    if (active_ == port) text += "  active member\n";
    if (member.changes_at)
      text += fmt::format("  {} expires in {} ms\n", member.enabled ? "downdelay" : "updelay",
                          std::max<std::int64_t>(0, (*member.changes_at - now).ns / 1'000'000));
    text += fmt::format("  may_enable: {}\n", member.may_enable);
    for (unsigned share = 0; balances() && share < kBondHashes; ++share)
      if (owners_[share] == port && load_[share] != 0)
        text += fmt::format("  hash {}: {} kB load\n", share, load_[share] / 1024);
  }
  return text + "\n";
}

}  // namespace sluice::l2
