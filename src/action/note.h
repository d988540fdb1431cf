// note: bytes for whoever reads the flow (NXAST_NOTE); padded with zeros to 6 bytes more than a multiple
// of 8.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Note {
  std::vector<std::uint8_t> data = std::vector<std::uint8_t>(6);  ///< 6 bytes more than a multiple of 8

  static constexpr std::string_view kNames[] = {"note"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Note&) const = default;
};

}  // namespace sluice::action
