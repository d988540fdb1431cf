// A bond's own state: which members may carry traffic, which is the active one, and which member has which
// share of the traffic (ovs-vswitchd.conf.db(5), "Bonding Configuration"). Links, LACP's verdicts, bytes and
// time in, a BondView for forwarding out.
//
// A member's link must be up for updelay, or down for downdelay, before the member is enabled or disabled;
// with LACP negotiated it is at once, as is the first that comes up at all. Every rebalance interval a
// balancing bond moves shares from the member with the highest load to the one with the lowest, where that
// helps.
//
// Owned and used by main.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "l2/bond_view.h"
#include "net/address.h"

namespace sluice::l2 {

struct BondSettings {
  BondMode mode = BondMode::ActiveBackup;
  Duration up_delay, down_delay;
  Duration rebalance = Duration::seconds(10);  ///< 0: never
  std::uint32_t basis = 0;
  bool lacp_fallback = false;
  bool all_members_active = false;
  std::string primary;   ///< of an active-backup bond
  net::Mac last_active;  ///< address of the member that was active before a restart

  bool operator==(const BondSettings&) const = default;
};

struct BondMember {
  std::string name;
  net::Mac mac;

  bool operator==(const BondMember&) const = default;
};

std::string_view bond_mode_name(BondMode mode);

class Bond {
 public:
  /// Members by OpenFlow port.
  void configure(const BondSettings& settings, const std::map<std::uint32_t, BondMember>& members,
                 Instant now);
  /// What is known of a member's link and, if LACP is used, of the partner's consent.
  void set_member(std::uint32_t port, bool may_enable);
  /// Lets time pass. `traffic`: bytes of each share since the last call; empty: not known.
  void run(LacpStatus lacp, std::span<const std::uint64_t> traffic, Instant now);

  BondView view() const;
  /// Whether run() is to know the traffic now.
  bool rebalances(Instant now) const {
    return balances() && settings_.rebalance.ns > 0 && now >= rebalance_at_;
  }
  const BondMember* active() const;
  /// The mode that is in force: one that needs LACP falls back.
  BondMode mode() const;

  // bond/…: errors are those of ovs-vswitchd.
  Result<std::string> set_active(std::string_view name);
  Result<std::string> migrate(unsigned share, std::string_view name);
  Result<std::string> enable(std::string_view name, bool enabled);
  std::string list_members() const;
  /// As bond/show, without the heading. @param recirculation  the id of the state for balance-tcp
  std::string show(Instant now, std::uint32_t recirculation) const;

 private:
  struct Member {
    BondMember settings;
    bool may_enable = false, enabled = false;
    std::optional<Instant> changes_at;  ///< `enabled` becomes `may_enable`
  };

  void settle(Member& member, Instant now);
  void choose_active();
  void share_out();
  void rebalance(std::span<const std::uint64_t> traffic);
  bool balances() const { return mode() != BondMode::ActiveBackup; }
  std::optional<std::uint32_t> find(std::string_view name) const;

  BondSettings settings_;
  std::map<std::uint32_t, Member> members_;
  LacpStatus lacp_ = LacpStatus::Off;
  std::optional<std::uint32_t> active_;
  std::array<std::uint32_t, kBondHashes> owners_{};
  std::array<std::uint64_t, kBondHashes> load_{};  ///< bytes, those of earlier intervals count half each
  Instant rebalance_at_;
};

}  // namespace sluice::l2
