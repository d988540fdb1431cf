// What the datapath can do, as tools ask for it: a row a feature, for dpif/show-dp-features, for
// Datapath.capabilities of the database and for the log. True only where it works.
#pragma once

#include <array>
#include <string_view>

namespace sluice::bridge {

struct Capability {
  std::string_view label;  ///< of dpif/show-dp-features
  std::string_view key;    ///< of Datapath.capabilities
  std::string_view log;    ///< what is supported or not; a number's whole sentence
  int value;
  bool is_number = false;  ///< else 0 and 1 are no and yes
};

inline constexpr std::array kCapabilities = {
    Capability{"Masked set action", "masked_set_action", "masked set action", 1},
    Capability{"Tunnel push pop", "tnl_push_pop", "tunnel push and pop actions", 0},
    Capability{"Ufid", "ufid", "unique flow ids", 1},
    Capability{"Truncate action", "trunc", "truncate action", 1},
    Capability{"Clone action", "clone", "clone action", 1},
    Capability{"Sample nesting", "sample_nesting", "Max sample nesting level probed as {}", 10, true},
    Capability{"Conntrack eventmask", "ct_eventmask", "eventmask in conntrack action", 0},
    Capability{"Conntrack clear", "ct_clear", "ct_clear action", 1},
    Capability{"Max dp_hash algorithm", "max_hash_alg", "Max dp_hash algorithm probed to be {}", 0, true},
    Capability{"Check pkt length action", "check_pkt_len", "check_pkt_len action", 1},
    Capability{"Conntrack timeout policy", "ct_timeout", "timeout policy in conntrack action", 1},
    Capability{"Explicit Drop action", "explicit_drop_action", "explicit drop action", 1},
    Capability{"Optimized Balance TCP mode", "lb_output_action", "optimized balance-tcp mode", 0},
    Capability{"Conntrack all-zero IP SNAT", "ct_zero_snat", "ct_zero_snat", 1},
    Capability{"MPLS Label add", "add_mpls", "add_mpls action", 0},
    Capability{"Max VLAN headers", "max_vlan_headers", "VLAN header stack length probed as {}", 2, true},
    Capability{"Max MPLS depth", "max_mpls_depth", "MPLS label stack length probed as {}", 3, true},
    Capability{"Recirc", "recirc", "recirculation", 1},
    Capability{"CT state", "ct_state", "ct_state", 1},
    Capability{"CT zone", "ct_zone", "ct_zone", 1},
    Capability{"CT mark", "ct_mark", "ct_mark", 1},
    Capability{"CT label", "ct_label", "ct_label", 1},
    Capability{"CT state NAT", "ct_state_nat", "ct_state_nat", 1},
    Capability{"CT orig tuple", "ct_orig_tuple", "ct_orig_tuple", 1},
    Capability{"CT orig tuple for IPv6", "ct_orig_tuple6", "ct_orig_tuple6", 1},
    Capability{"IPv6 ND Extension", "nd_ext", "IPv6 ND Extensions", 0},
};

}  // namespace sluice::bridge
