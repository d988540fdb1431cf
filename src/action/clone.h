// clone: runs actions on a copy of packet and state (NXAST_CLONE).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Clone {
  ActionList actions;

  static constexpr std::string_view kNames[] = {"clone"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Clone&) const = default;
};

}  // namespace sluice::action
