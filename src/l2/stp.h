// The Spanning Tree Protocol (IEEE 802.1D-1998 clause 8) of one bridge, without its I/O: frames, links and
// time in, frames and the state of each port out.
//
// What a bridge knows of the tree is a priority vector (root, cost to it, bridge, port), less is better. Each
// port holds the best that it heard on its link until that is too old. From these follow the root port (the
// best way to the root), the designated ports (those on whose link nobody has a better one than this bridge),
// and the rest, which block. Ports that shall forward listen and learn first, a forward delay each.
//
// Owned and used by main.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "l2/bpdu.h"
#include "net/address.h"

namespace sluice::l2 {

struct StpSettings {
  std::uint16_t priority = 32768;
  net::Mac system;
  Duration hello = Duration::seconds(2), max_age = Duration::seconds(20),
           forward_delay = Duration::seconds(15);

  bool operator==(const StpSettings&) const = default;
};

struct StpPortSettings {
  std::string name;
  net::Mac mac;             ///< source of its frames
  std::uint8_t number = 0;  ///< unique in the bridge, from 1
  std::uint8_t priority = 128;
  std::uint32_t cost = 2;

  bool operator==(const StpPortSettings&) const = default;
};

enum class StpState : std::uint8_t { Disabled, Blocking, Listening, Learning, Forwarding };
enum class StpRole : std::uint8_t { Root, Designated, Alternate, Disabled };
std::string_view stp_state_name(StpState state);
std::string_view stp_role_name(StpRole role);

class Stp {
 public:
  struct Outgoing {
    std::uint32_t port;
    BpduFrame frame;
  };
  struct Status {
    std::string name;
    StpState state;
    StpRole role;
    std::uint16_t id;  ///< priority and number
    std::int64_t seconds_in_state;
    std::uint64_t sent, received, errors;
  };

  /// Ports by OpenFlow port. Those that stay keep their state.
  void configure(const StpSettings& settings, const std::map<std::uint32_t, StpPortSettings>& ports,
                 Instant now);
  void set_link(std::uint32_t port, bool up, Instant now);
  /// A frame from its Ethernet header on. What is no BPDU is counted and forgotten.
  void receive(std::uint32_t port, Bytes frame, Instant now);
  /// Lets time pass. @return what is to be sent
  std::vector<Outgoing> run(Instant now);
  /// Whether addresses learned so far may be behind other ports now; once each time.
  bool take_topology_change();
  /// stp/tcn: as if a link had changed.
  void notice_topology_change(Instant now);

  std::map<std::uint32_t, Status> status(Instant now) const;
  /// Nothing if the port takes no part.
  std::optional<Status> status(std::uint32_t port, Instant now) const;
  StpState state(std::uint32_t port) const { return ports_.at(port).state; }  ///< of one that takes part
  std::uint64_t bridge_id() const;
  std::uint64_t root_id() const { return root_.root; }
  std::uint32_t root_cost() const { return root_.cost; }
  /// As stp/show, without the heading.
  std::string show() const;

 private:
  /// Less is better (8.6.2.2).
  struct Vector {
    std::uint64_t root = 0;
    std::uint32_t cost = 0;
    std::uint64_t bridge = 0;
    std::uint16_t port = 0;
    auto operator<=>(const Vector&) const = default;
  };
  struct Times {
    Duration hello, max_age, forward_delay;
  };
  struct Heard {
    Vector vector;
    Times times;
    Duration age;  ///< when it came
    Instant expires;
  };
  struct Port {
    StpPortSettings settings;
    bool up = false;
    StpState state = StpState::Disabled;
    StpRole role = StpRole::Disabled;
    Instant since, advances_at, held_until;
    std::optional<Heard> heard;
    bool acknowledge = false;  ///< a topology change that was told by this port
    bool must_send = false;
    std::uint64_t sent = 0, received = 0, errors = 0;
  };

  static Status status(const Port& port, Instant now);
  void update(Instant now);
  void enter(Port& port, StpState state, Instant now);
  Vector own_vector(const Port& port) const;
  static std::uint16_t id_of(const Port& port);
  void receive_configuration(Port& port, Bytes frame, Instant now);
  BpduFrame configuration(Port& port, Instant now) const;
  BpduFrame notification(const Port& port) const;
  bool is_root() const { return root_port_ == 0; }
  Times times() const;

  StpSettings settings_;
  std::map<std::uint32_t, Port> ports_;
  Vector root_;                  ///< the best way to the root; `bridge` is who told of it
  std::uint32_t root_port_ = 0;  ///< OpenFlow; 0: this bridge is the root
  Instant hello_at_, notify_at_, changing_until_;
  bool notifies_ = false;  ///< tells the root of a change until that is acknowledged
  bool changing_ = false;  ///< the root says that the topology changes
  bool flush_ = false;
};

}  // namespace sluice::l2
