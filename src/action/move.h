// move: copies bits of one field into another (NXAST_REG_MOVE; OFPAT_COPY_FIELD in OpenFlow 1.5).
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// Both have the same width.
struct Move {
  field::Subfield source, destination;

  static constexpr std::string_view kNames[] = {"move"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Move&) const = default;
};

}  // namespace sluice::action
