// mod_dl_src and mod_dl_dst: Ethernet addresses (OpenFlow 1.0 and 1.1; later versions see set_field).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct SetEthSrc {
  net::Mac mac;

  static constexpr std::string_view kNames[] = {"mod_dl_src"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetEthSrc&) const = default;
};

struct SetEthDst {
  net::Mac mac;

  static constexpr std::string_view kNames[] = {"mod_dl_dst"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetEthDst&) const = default;
};

}  // namespace sluice::action
