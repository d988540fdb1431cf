// MPLS: push_mpls, pop_mpls, set_mpls_label, set_mpls_tc, set_mpls_ttl, dec_mpls_ttl.
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct PushMpls {
  be16 eth_type{0x8847};

  static constexpr std::string_view kNames[] = {"push_mpls"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const PushMpls&) const = default;
};

struct PopMpls {
  be16 eth_type;  ///< of what is below the label

  static constexpr std::string_view kNames[] = {"pop_mpls"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const PopMpls&) const = default;
};

struct SetMplsLabel {
  std::uint32_t label = 0;

  static constexpr std::string_view kNames[] = {"set_mpls_label"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetMplsLabel&) const = default;
};

struct SetMplsTc {
  std::uint8_t tc = 0;

  static constexpr std::string_view kNames[] = {"set_mpls_tc"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetMplsTc&) const = default;
};

struct SetMplsTtl {
  std::uint8_t ttl = 0;

  static constexpr std::string_view kNames[] = {"set_mpls_ttl"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const SetMplsTtl&) const = default;
};

struct DecMplsTtl {
  static constexpr std::string_view kNames[] = {"dec_mpls_ttl"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  bool translate(Translation& translation) const;
  bool operator==(const DecMplsTtl&) const = default;
};

}  // namespace sluice::action
