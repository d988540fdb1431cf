// resubmit: looks another table up and runs what it finds before what follows here (NXAST_RESUBMIT,
// NXAST_RESUBMIT_TABLE, NXAST_RESUBMIT_TABLE_CT).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Resubmit {
  std::uint32_t in_port = of_port::kInPort;  ///< for the look-up only; kInPort: the packet's own
  std::uint8_t table = kNoTable;             ///< kNoTable: the current one
  bool with_ct_tuple = false;
  bool plain = false;  ///< arrived as "resubmit:PORT" and travels so

  static constexpr std::string_view kNames[] = {"resubmit"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Resubmit&) const = default;
};

}  // namespace sluice::action
