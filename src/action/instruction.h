// Instructions other than apply_actions, which is the list itself (OpenFlow 1.5.1 section 5.9).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Meter {
  std::uint32_t id = 0;

  static constexpr std::string_view kNames[] = {"meter"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Meter&) const = default;
};

struct ClearActions {
  static constexpr std::string_view kNames[] = {"clear_actions"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const ClearActions&) const = default;
};

struct WriteActions {
  ActionList actions;

  static constexpr std::string_view kNames[] = {"write_actions"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const WriteActions&) const = default;
};

struct WriteMetadata {
  std::uint64_t value = 0, mask = ~std::uint64_t{0};

  static constexpr std::string_view kNames[] = {"write_metadata"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const WriteMetadata&) const = default;
};

struct GotoTable {
  std::uint8_t table = 0;

  static constexpr std::string_view kNames[] = {"goto_table"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const GotoTable&) const = default;
};

}  // namespace sluice::action
