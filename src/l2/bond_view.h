// A bond as forwarding sees it: which member a packet leaves by, and whether one that came in by a member is
// to be taken. A value that main makes (l2/bond.h) and workers read.
//
// Source: ovs-vswitchd.conf.db(5), "Bonding Configuration".
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "net/address.h"

namespace sluice::l2 {

enum class BondMode : std::uint8_t { ActiveBackup, BalanceSlb, BalanceTcp };
enum class LacpStatus : std::uint8_t { Off, Configured, Negotiated };

/// Into so many shares the traffic of a balancing bond is divided; each has one member.
inline constexpr unsigned kBondHashes = 256;

struct BondView {
  struct Member {
    std::uint32_t port = 0;  ///< OpenFlow
    bool enabled = false;
    bool operator==(const Member&) const = default;
  };

  BondMode mode = BondMode::ActiveBackup;  ///< what it does now: balance-tcp may have to fall back
  LacpStatus lacp = LacpStatus::Off;
  bool falls_back = false;  ///< active-backup as long as LACP is not negotiated
  bool all_members_active = false;
  std::uint32_t basis = 0;
  std::optional<std::uint32_t> active;  ///< the member that takes broadcasts
  std::vector<Member> members;
  std::vector<std::uint32_t> owners;  ///< member of each share, 0: none; empty: the bond does not balance

  bool operator==(const BondView&) const = default;

  bool is_enabled(std::uint32_t port) const {
    return std::any_of(members.begin(), members.end(),
                       [&](const Member& m) { return m.port == port && m.enabled; });
  }
  /// The member that packets of the share leave by; nothing: they can't.
  std::optional<std::uint32_t> member_of(unsigned share) const {
    if (owners.empty()) return active;
    const std::uint32_t port = owners[share % kBondHashes];
    return port != 0 ? std::optional(port) : std::nullopt;
  }
  /// balance-slb: all packets of an address in a VLAN leave by one member.
  unsigned source_share(const net::Mac& source, std::uint16_t vlan) const {
    return static_cast<unsigned>(hash_mix(basis, source.value() << 16 | vlan) >> 32) % kBondHashes;
  }

  enum class Verdict : std::uint8_t { Accept, Drop, DropIfMoved };
  /// Of a packet that came in by this member. Switches behind a bond that knows nothing of LACP flood to all
  /// members: only one copy may pass.
  Verdict admits(std::uint32_t port, bool multicast) const {
    if (lacp == LacpStatus::Negotiated) return is_enabled(port) ? Verdict::Accept : Verdict::Drop;
    if (lacp == LacpStatus::Configured && !falls_back) return Verdict::Drop;
    if (multicast && !all_members_active && active != port) return Verdict::Drop;
    switch (mode) {
      case BondMode::ActiveBackup:
        return active == port ? Verdict::Accept : Verdict::Drop;
      case BondMode::BalanceSlb:
        return Verdict::DropIfMoved;
      case BondMode::BalanceTcp:
        break;
    }
    return Verdict::Drop;  // needs LACP
  }
};

}  // namespace sluice::l2
