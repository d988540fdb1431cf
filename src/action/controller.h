// controller: hands the packet to OpenFlow controllers (NXAST_CONTROLLER, NXAST_CONTROLLER2).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Controller {
  std::uint16_t max_len = 0xffff;
  std::uint16_t id = 0;     ///< of the controllers that get it
  std::uint8_t reason = 1;  ///< OFPR_*: 1 is "action"
  bool pause = false;
  std::vector<std::uint8_t> userdata;
  std::uint32_t meter = 0;  ///< with has_meter: the controller meter that limits it
  bool has_meter = false;

  static constexpr std::string_view kNames[] = {"controller", "CONTROLLER"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Controller&) const = default;
};

}  // namespace sluice::action
