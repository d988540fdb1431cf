// check_pkt_larger: one bit that says whether the packet is longer (NXAST_CHECK_PKT_LARGER).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct CheckPktLarger {
  std::uint16_t size = 0;
  field::Subfield destination;

  static constexpr std::string_view kNames[] = {"check_pkt_larger"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const CheckPktLarger&) const = default;
};

}  // namespace sluice::action
