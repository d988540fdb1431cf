// fin_timeout: a TCP FIN or RST shortens the timeouts of the flow that it met (NXAST_FIN_TIMEOUT).
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// In seconds, 0: unchanged.
struct FinTimeout {
  std::uint16_t idle = 0, hard = 0;

  static constexpr std::string_view kNames[] = {"fin_timeout"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const FinTimeout&) const = default;
};

}  // namespace sluice::action
