// set_tunnel and set_tunnel64: the tunnel id (later versions than 1.1 see set_field).
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// `wide` travels and prints as set_tunnel64 whatever the value.
struct SetTunnel {
  std::uint64_t id = 0;
  bool wide = false;

  static constexpr std::string_view kNames[] = {"set_tunnel", "set_tunnel64"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetTunnel&) const = default;
};

}  // namespace sluice::action
