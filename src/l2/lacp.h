// The Link Aggregation Control Protocol (IEEE 802.1AX-2008 section 5.4) of one bond, without its I/O: frames
// and time in, frames and a verdict on each member out.
//
// Each member speaks for itself: receive machine (what is known of the partner, and since when), periodic
// machine (when to say so), and selection: members are attached that see the same partner as the best of
// them. Texts are those of ovs-appctl lacp/show.
//
// Owned and used by main.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "l2/bond_view.h"
#include "net/address.h"

namespace sluice::l2 {

inline constexpr std::size_t kLacpFrameBytes = 124;
using LacpFrame = std::array<std::uint8_t, kLacpFrameBytes>;

struct LacpSettings {
  bool active = true;       ///< speak without being spoken to
  bool fast = false;        ///< ask the partner to speak every second, not every 30
  bool falls_back = false;  ///< members of a partner that is silent work as an active-backup bond
  net::Mac system;
  std::uint16_t system_priority = 65534;
  std::uint16_t key = 0;  ///< 0: the lowest number of a member

  bool operator==(const LacpSettings&) const = default;
};

struct LacpMember {
  std::string name;
  std::uint16_t number = 0;
  std::uint16_t priority = 65535;
  net::Mac mac;  ///< source of its frames

  bool operator==(const LacpMember&) const = default;
};

class Lacp {
 public:
  struct Outgoing {
    std::uint32_t port;
    LacpFrame frame;
  };

  /// Members by OpenFlow port. Those that stay keep what they know.
  void configure(const LacpSettings& settings, const std::map<std::uint32_t, LacpMember>& members,
                 Instant now);
  void set_link(std::uint32_t port, bool up, Instant now);
  /// A frame from its Ethernet header on. What is no LACPDU is counted and forgotten.
  void receive(std::uint32_t port, Bytes frame, Instant now);
  /// Lets time pass. @return what is to be sent
  std::vector<Outgoing> run(Instant now);

  LacpStatus status() const;
  /// Whether the partner agrees that the member carries traffic.
  bool may_enable(std::uint32_t port) const;
  /// Interface.lacp_current: the partner was heard lately.
  bool is_current(std::uint32_t port) const;
  /// "active negotiated"
  std::string format_status() const;
  /// As lacp/show and lacp/show-stats, without the heading.
  std::string show() const;
  std::string show_statistics() const;

 private:
  /// One end as the protocol describes it (section 5.4.2.2).
  struct End {
    std::uint16_t system_priority = 0;
    net::Mac system;
    std::uint16_t key = 0, port_priority = 0, port = 0;
    std::uint8_t state = 0;

    bool operator==(const End&) const = default;
    bool same_but_state(const End& other) const;
  };
  enum class Heard : std::uint8_t { Current, Expired, Defaulted };
  struct Statistics {
    std::uint64_t sent = 0, received = 0, bad = 0, markers = 0, expired = 0, defaulted = 0, carrier = 0;
  };
  struct Member {
    LacpMember settings;
    bool up = false, attached = false;
    Heard heard = Heard::Defaulted;
    End partner, told;                 ///< `told`: what the partner last said that it knows of us
    std::optional<Instant> silent_at;  ///< the next step towards Defaulted
    std::optional<Instant> sent_at;
    End sent;  ///< as we last described ourselves
    Statistics statistics;
  };

  void expire(Member& member, Instant now);
  void select();
  const Member* lead() const;
  End actor(const Member& member) const;
  LacpFrame compose(const Member& member) const;
  bool must_send(const Member& member, Instant now) const;
  const Member* find(std::uint32_t port) const;
  std::uint16_t key() const;

  LacpSettings settings_;
  std::map<std::uint32_t, Member> members_;
};

}  // namespace sluice::l2
