// VLAN tags: strip_vlan (pop_vlan), push_vlan, set_vlan_vid and set_vlan_pcp (mod_vlan_*).
//
// mod_vlan_vid of OpenFlow 1.0 gives an untagged packet a tag; set_vlan_vid of 1.1 refuses or does nothing.
// The flag `push_if_needed` is that difference; encoding for 1.1+ spells it as push_vlan where the flow may
// be untagged.
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// `pop` prints as pop_vlan: how it arrived.
struct StripVlan {
  bool pop = false;

  static constexpr std::string_view kNames[] = {"strip_vlan", "pop_vlan"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const StripVlan&) const = default;
};

struct PushVlan {
  be16 tpid{0x8100};

  static constexpr std::string_view kNames[] = {"push_vlan"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const PushVlan&) const = default;
};

struct SetVlanVid {
  std::uint16_t vid = 0;
  bool push_if_needed = false;
  bool flow_has_vlan = false;  ///< found by check(): the packet surely has a tag here

  static constexpr std::string_view kNames[] = {"set_vlan_vid", "mod_vlan_vid"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetVlanVid&) const = default;
};

struct SetVlanPcp {
  std::uint8_t pcp = 0;
  bool push_if_needed = false;
  bool flow_has_vlan = false;

  static constexpr std::string_view kNames[] = {"set_vlan_pcp", "mod_vlan_pcp"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetVlanPcp&) const = default;
};

}  // namespace sluice::action
