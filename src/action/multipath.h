// multipath: a hash of the packet picks a link number (NXAST_MULTIPATH).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Multipath {
  std::uint16_t fields = 0;  ///< NX_HASH_FIELDS_*
  std::uint16_t basis = 0;
  std::uint16_t algorithm = 0;  ///< NX_MP_ALG_*
  std::uint16_t max_link = 0;   ///< number of links - 1
  std::uint32_t arg = 0;
  field::Subfield destination;

  static constexpr std::string_view kNames[] = {"multipath"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Multipath&) const = default;
};

}  // namespace sluice::action
