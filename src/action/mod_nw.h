// mod_nw_src, mod_nw_dst, mod_nw_tos, mod_nw_ecn: IPv4 addresses and the traffic class (OpenFlow 1.0 and 1.1;
// later versions see set_field).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct SetIpv4Src {
  be32 address;

  static constexpr std::string_view kNames[] = {"mod_nw_src"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetIpv4Src&) const = default;
};

struct SetIpv4Dst {
  be32 address;

  static constexpr std::string_view kNames[] = {"mod_nw_dst"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetIpv4Dst&) const = default;
};

struct SetIpDscp {
  std::uint8_t tos = 0;  ///< multiple of 4: the DSCP in place

  static constexpr std::string_view kNames[] = {"mod_nw_tos"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetIpDscp&) const = default;
};

struct SetIpEcn {
  std::uint8_t ecn = 0;

  static constexpr std::string_view kNames[] = {"mod_nw_ecn"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetIpEcn&) const = default;
};

}  // namespace sluice::action
