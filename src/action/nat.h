// The nat argument of ct (NXAST_NAT): only ever inside ct.
#pragma once

#include "action/codec.h"
#include "conntrack/request.h"

namespace sluice::action {

struct NatAction {
  conntrack::NatRange range;

  static constexpr std::string_view kNames[] = {"nat"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const NatAction&) const = default;
};

}  // namespace sluice::action
