// exit: no further action in any table (NXAST_EXIT).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Exit {
  static constexpr std::string_view kNames[] = {"exit"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Exit&) const = default;
};

}  // namespace sluice::action
