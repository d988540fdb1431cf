// bundle and bundle_load: a hash of the packet picks one of several ports (NXAST_BUNDLE, NXAST_BUNDLE_LOAD).
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// With a destination it is bundle_load: the port goes there instead of the packet going to the port.
struct Bundle {
  std::uint16_t fields = 0;  ///< NX_HASH_FIELDS_*
  std::uint16_t basis = 0;
  std::uint16_t algorithm = 0;  ///< NX_BD_ALG_*
  std::optional<field::Subfield> destination;
  std::vector<std::uint32_t> members;

  static constexpr std::string_view kNames[] = {"bundle", "bundle_load"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Bundle&) const = default;
};

}  // namespace sluice::action
