// delete_field: removes a tunnel metadata option (NXAST_DELETE_FIELD).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct DeleteField {
  std::uint8_t tun_metadata = 0;  ///< its number

  static constexpr std::string_view kNames[] = {"delete_field"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const DeleteField&) const = default;
};

}  // namespace sluice::action
