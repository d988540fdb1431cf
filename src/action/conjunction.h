// conjunction: this flow is one dimension of a conjunctive match (NXAST_CONJUNCTION).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Conjunction {
  std::uint32_t id = 0;
  std::uint8_t clause = 0;  ///< counts from 0; text counts from 1
  std::uint8_t clauses = 0;

  static constexpr std::string_view kNames[] = {"conjunction"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Conjunction&) const = default;
};

}  // namespace sluice::action
