// learn: the packet makes a flow (NXAST_LEARN, NXAST_LEARN2).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Learn {
  /// One part of the flow that is made: n bits from a field of the packet or a literal, to a match, a load,
  /// or an output.
  struct Spec {
    enum class Target : std::uint8_t { Match, Load, Output };
    Target target = Target::Match;
    std::optional<field::Subfield> source;  ///< else `literal`
    field::FieldValue literal = 0;
    field::Subfield destination;  ///< not for Output
    std::uint16_t width = 0;
    bool operator==(const Spec&) const = default;
  };
  std::uint16_t idle_timeout = 0, hard_timeout = 0, priority = 0x8000, fin_idle_timeout = 0,
                fin_hard_timeout = 0;
  std::uint64_t cookie = 0;
  std::uint8_t table = 1;
  bool send_flow_rem = false, delete_learned = false;
  std::uint32_t limit = 0;                ///< of flows; 0: none
  std::optional<field::Subfield> result;  ///< one bit
  std::vector<Spec> specs;

  static constexpr std::string_view kNames[] = {"learn"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Learn&) const = default;
};

}  // namespace sluice::action
