// sample: a share of the packets goes to IPFIX collectors (NXAST_SAMPLE, NXAST_SAMPLE2, NXAST_SAMPLE3).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Sample {
  enum class Direction : std::uint8_t { Default, Ingress, Egress };
  std::uint16_t probability = 0;  ///< of 65535
  std::uint32_t collector_set = 0, domain = 0, point = 0;
  std::uint32_t sampling_port = of_port::kNone;
  Direction direction = Direction::Default;

  static constexpr std::string_view kNames[] = {"sample"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Sample&) const = default;
};

}  // namespace sluice::action
