// The Rapid Spanning Tree Protocol (IEEE 802.1D-2004 clause 17) of one bridge, without its I/O: frames, links
// and time in, frames and the state of each port out.
//
// The standard's state machines, each a function that makes at most one transition and says whether it did;
// run round until none moves. Names of variables and states are the standard's, so that a figure of clause 17
// can be laid beside the code. Time is counted in whole seconds, as the standard's timers do. All links are
// taken to be point to point. A neighbour that speaks STP is spoken to in STP (17.24).
//
// Owned and used by main.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "l2/bpdu.h"
#include "net/address.h"

namespace sluice::l2 {

struct RstpSettings {
  std::uint16_t priority = 32768;  ///< a multiple of 4096
  net::Mac system;
  unsigned max_age = 20, forward_delay = 15;  ///< seconds
  unsigned transmit_hold_count = 6;
  bool stp_only = false;  ///< Force Protocol Version 0

  bool operator==(const RstpSettings&) const = default;
};

struct RstpPortSettings {
  std::string name;
  net::Mac mac;                 ///< source of its frames
  std::uint16_t number = 0;     ///< unique in the bridge, 1 to 4095
  std::uint8_t priority = 128;  ///< a multiple of 16
  std::uint32_t cost = 2000;
  bool admin_edge = false, auto_edge = true;
  bool mcheck = false;  ///< becoming true: asks anew whether the neighbour speaks RSTP

  bool operator==(const RstpPortSettings&) const = default;
};

enum class RstpState : std::uint8_t { Disabled, Discarding, Learning, Forwarding };
enum class RstpRole : std::uint8_t { Disabled, Root, Designated, Alternate, Backup };
std::string_view rstp_state_name(RstpState state);
std::string_view rstp_role_name(RstpRole role);

class Rstp {
 public:
  struct Outgoing {
    std::uint32_t port;
    BpduFrame frame;
  };
  struct Status {
    std::string name;
    RstpState state;
    RstpRole role;
    std::uint16_t id, designated_port;
    std::uint64_t designated_bridge;
    std::uint32_t designated_cost;
    std::uint64_t sent, received, errors;
    std::int64_t seconds_up;
  };

  /// Ports by OpenFlow port. Those that stay keep their state.
  void configure(const RstpSettings& settings, const std::map<std::uint32_t, RstpPortSettings>& ports,
                 Instant now);
  void set_link(std::uint32_t port, bool up, Instant now);
  /// A frame from its Ethernet header on. What is no BPDU is counted and forgotten. What follows from it
  /// follows with run(), once for all ports that heard something.
  void receive(std::uint32_t port, Bytes frame);
  /// Lets time pass. @return what is to be sent
  std::vector<Outgoing> run(Instant now);
  /// Ports behind which addresses may not be any more what was learned; once each time.
  std::vector<std::uint32_t> take_flushes();
  /// rstp/tcn: as if a link had changed.
  void notice_topology_change();

  std::map<std::uint32_t, Status> status(Instant now) const;
  /// Nothing if the port takes no part.
  std::optional<Status> status(std::uint32_t port, Instant now) const;
  RstpState state(std::uint32_t port) const;  ///< of one that takes part
  std::uint64_t bridge_id() const;
  std::uint64_t root_id() const { return root_.root; }
  std::uint32_t root_cost() const { return root_.cost; }
  std::uint64_t designated_id() const { return root_.bridge; }
  std::uint16_t designated_port_id() const { return root_.port; }
  std::uint16_t root_port_id() const { return root_port_id_; }
  /// As rstp/show, without the heading.
  std::string show() const;

 private:
  /// 17.6, less is better.
  struct Vector {
    std::uint64_t root = 0;
    std::uint32_t cost = 0;
    std::uint64_t bridge = 0;
    std::uint16_t port = 0;
    auto operator<=>(const Vector&) const = default;
  };
  struct Times {
    unsigned age = 0, max_age = 0, forward_delay = 0, hello = 0;
    bool operator==(const Times&) const = default;
  };
  enum class InfoIs : std::uint8_t { Disabled, Mine, Aged, Received };
  enum class Info : std::uint8_t {
    SuperiorDesignated,
    RepeatedDesignated,
    InferiorDesignated,
    NotDesignated,
    Other
  };
  enum class Migration : std::uint8_t { CheckingRstp, SelectingStp, Sensing };
  enum class Change : std::uint8_t { Inactive, Learning, Active };
  /// A message as the machines see it.
  struct Message {
    Vector vector;
    Times times;
    std::uint8_t type = 0, flags = 0;
  };
  struct Port {
    RstpPortSettings settings;
    bool enabled = false;
    // Port information (17.27) and role selection (17.28).
    InfoIs info_is = InfoIs::Disabled;
    Vector port_priority, designated_priority;
    Times port_times, designated_times;
    std::optional<Message> received;  ///< rcvdMsg
    bool proposed = false, proposing = false, agree = false, agreed = false, disputed = false;
    bool reselect = true, selected = false, updt_info = false;
    RstpRole role = RstpRole::Disabled, selected_role = RstpRole::Disabled;
    // Role and state transitions (17.29, 17.30).
    bool sync = false, synced = false, re_root = false;
    bool learn = false, forward = false, learning = false, forwarding = false;
    // Topology change (17.31).
    Change change = Change::Inactive;
    bool rcvd_tc = false, rcvd_tcn = false, rcvd_tc_ack = false, tc_prop = false, tc_ack = false;
    // Migration, edge detection, transmit (17.24 to 17.26).
    Migration migration = Migration::CheckingRstp;
    bool mcheck = false, rcvd_rstp = false, rcvd_stp = false, send_rstp = true;
    bool oper_edge = false, new_info = true;
    unsigned tx_count = 0;
    // Timers, in seconds (17.17).
    unsigned edge_delay_while = 0, fd_while = 0, hello_when = 0, mdelay_while = 0, rb_while = 0,
             rcvd_info_while = 0, rr_while = 0, tc_while = 0;
    Instant counted_since;
    std::uint64_t sent = 0, received_frames = 0, errors = 0;
  };

  static RstpState state(const Port& port);
  Status status(const Port& port, Instant now) const;
  void begin(Port& port);
  void tick();
  void run_machines();
  bool step(Port& port);
  bool port_information(Port& port);
  void receive_information(Port& port);
  Info classify(const Port& port, const Message& message) const;
  bool role_selection();
  void update_roles();
  bool role_transition(Port& port);
  bool disabled_role(Port& port);
  bool root_role(Port& port);
  bool designated_role(Port& port);
  bool alternate_role(Port& port);
  static bool state_transition(Port& port);
  bool topology_change(std::uint32_t number, Port& port);
  bool protocol_migration(Port& port);
  static bool bridge_detection(Port& port);
  bool transmit(std::uint32_t number, Port& port);
  BpduFrame compose(const Port& port) const;

  std::uint16_t id_of(const Port& port) const;
  bool rstp_version() const { return !settings_.stp_only; }
  unsigned forward_delay(const Port& port) const;
  bool all_synced() const;
  bool re_rooted(const Port& port) const;
  void set_sync_tree();
  void set_re_root_tree();
  void set_tc_prop_tree(const Port& port);
  void new_tc_while(Port& port) const;

  RstpSettings settings_;
  std::map<std::uint32_t, Port> ports_;
  Vector root_;
  Times root_times_;
  std::uint32_t root_port_ = 0;  ///< OpenFlow; 0: this bridge is the root
  std::uint16_t root_port_id_ = 0;
  std::optional<Instant> ticked_at_;
  bool heard_ = false;  ///< since the machines last ran
  std::vector<Outgoing> outgoing_;
  std::vector<std::uint32_t> flushes_;
};

}  // namespace sluice::l2
