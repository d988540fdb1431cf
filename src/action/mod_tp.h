// mod_tp_src and mod_tp_dst: TCP, UDP or SCTP ports, whichever the packet has (OpenFlow 1.0 and 1.1; later
// versions see set_field on the protocol that the match names).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct SetL4Src {
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;  ///< found by check(): what the match says of nw_proto

  static constexpr std::string_view kNames[] = {"mod_tp_src"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetL4Src&) const = default;
};

struct SetL4Dst {
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;

  static constexpr std::string_view kNames[] = {"mod_tp_dst"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetL4Dst&) const = default;
};

}  // namespace sluice::action
