// push and pop: the stack of values (NXAST_STACK_PUSH, NXAST_STACK_POP).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct StackPush {
  field::Subfield source;

  static constexpr std::string_view kNames[] = {"push"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const StackPush&) const = default;
};

struct StackPop {
  field::Subfield destination;

  static constexpr std::string_view kNames[] = {"pop"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const StackPop&) const = default;
};

}  // namespace sluice::action
