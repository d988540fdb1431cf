// dec_ttl (IPv4 TTL, IPv6 hop limit), mod_nw_ttl, dec_nsh_ttl. An exhausted TTL ends the list of actions:
// translate() is false then.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct DecTtl {
  std::vector<std::uint16_t> controllers;  ///< who is told; empty: id 0

  static constexpr std::string_view kNames[] = {"dec_ttl"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  bool translate(Translation& translation) const;
  bool operator==(const DecTtl&) const = default;
};

struct SetIpTtl {
  std::uint8_t ttl = 0;

  static constexpr std::string_view kNames[] = {"mod_nw_ttl", "set_nw_ttl"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetIpTtl&) const = default;
};

struct DecNshTtl {
  static constexpr std::string_view kNames[] = {"dec_nsh_ttl"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const DecNshTtl&) const = default;
};

}  // namespace sluice::action
