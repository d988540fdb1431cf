// What the datapath can do, as tools ask for it: a row a feature, for dpif/show-dp-features and for
// Datapath.capabilities of the database. True only where it works.
#pragma once

#include <array>
#include <string_view>

namespace sluice::bridge {

struct Capability {
  std::string_view label;  ///< of dpif/show-dp-features
  std::string_view key;    ///< of Datapath.capabilities
  int value;
  bool is_number = false;  ///< else 0 and 1 are no and yes
};

inline constexpr std::array kCapabilities = {
    Capability{"Masked set action", "masked_set_action", 1},
    Capability{"Tunnel push pop", "tnl_push_pop", 0},
    Capability{"Ufid", "ufid", 1},
    Capability{"Truncate action", "trunc", 1},
    Capability{"Clone action", "clone", 1},
    Capability{"Sample nesting", "sample_nesting", 10, true},
    Capability{"Conntrack eventmask", "ct_eventmask", 0},
    Capability{"Conntrack clear", "ct_clear", 1},
    Capability{"Max dp_hash algorithm", "max_hash_alg", 0, true},
    Capability{"Check pkt length action", "check_pkt_len", 1},
    Capability{"Conntrack timeout policy", "ct_timeout", 1},
    Capability{"Explicit Drop action", "explicit_drop_action", 1},
    Capability{"Optimized Balance TCP mode", "lb_output_action", 0},
    Capability{"Conntrack all-zero IP SNAT", "ct_zero_snat", 1},
    Capability{"MPLS Label add", "add_mpls", 0},
    Capability{"Max VLAN headers", "max_vlan_headers", 2, true},
    Capability{"Max MPLS depth", "max_mpls_depth", 3, true},
    Capability{"Recirc", "recirc", 1},
    Capability{"CT state", "ct_state", 1},
    Capability{"CT zone", "ct_zone", 1},
    Capability{"CT mark", "ct_mark", 1},
    Capability{"CT label", "ct_label", 1},
    Capability{"CT state NAT", "ct_state_nat", 1},
    Capability{"CT orig tuple", "ct_orig_tuple", 1},
    Capability{"CT orig tuple for IPv6", "ct_orig_tuple6", 1},
    Capability{"IPv6 ND Extension", "nd_ext", 0},
};

}  // namespace sluice::bridge
