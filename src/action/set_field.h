// set_field and load: write a literal into a field, under a mask. Two types because text and versions differ:
// set_field (OpenFlow 1.2+) prints a field's own value syntax, load (NXAST_REG_LOAD) an integer and a bit
// range; 1.5 knows only set_field, 1.0 and 1.1 only load.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct SetField {
  field::FieldId field{};
  field::FieldValue value = 0, mask = 0;  ///< value has no bit outside mask

  static constexpr std::string_view kNames[] = {"set_field"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetField&) const = default;
};

struct Load {
  field::Subfield destination;
  field::FieldValue value = 0;

  static constexpr std::string_view kNames[] = {"load"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Load&) const = default;
};

}  // namespace sluice::action
