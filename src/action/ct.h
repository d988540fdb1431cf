// ct: the connection tracker as an action (NXAST_CT, shared/spec "1.3 Text syntax of the action",
// ovs-actions(7)).
#pragma once

#include "action/codec.h"
#include "conntrack/request.h"

namespace sluice::action {

struct CtAction {
  bool commit = false, force = false;
  std::optional<field::Subfield> zone_source;  ///< the zone is read from here at run time, else `zone` it is
  std::uint16_t zone = 0;
  std::uint8_t table = kNoTable;  ///< where the tracked packet re-enters; kNoTable: nowhere
  std::uint16_t alg = 0;          ///< IANA port of the helper's protocol, 0 none
  ActionList nested;              ///< what travels inside: NatAction, and set_field, load, move of exec()

  static constexpr std::string_view kNames[] = {"ct"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const CtAction&) const = default;

  /// What the tracker is asked for this packet: zone, mark, label and sources of moves read through the
  /// translation (and so un-wildcarded). The cookie stays 0: only the caller knows the rule.
  conntrack::CtRequest resolve(Translation& translation) const;
};

/// ct_clear: forgets the tracked state of the packet.
struct CtClear {
  static constexpr std::string_view kNames[] = {"ct_clear"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const CtClear&) const = default;
};

}  // namespace sluice::action
