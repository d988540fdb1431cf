// group: the packet goes through an OpenFlow group.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Group {
  std::uint32_t id = 0;

  static constexpr std::string_view kNames[] = {"group"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Group&) const = default;
};

}  // namespace sluice::action
