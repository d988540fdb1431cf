// encap and decap: packets become other packets (NXAST_RAW_ENCAP, NXAST_RAW_DECAP; OpenFlow 1.5 packet
// types).
#pragma once

#include "action/codec.h"

namespace sluice::action {

struct Encap {
  struct NshTlv {
    std::uint16_t tlv_class = 0;
    std::uint8_t type = 0;
    std::vector<std::uint8_t> value;
    bool operator==(const NshTlv&) const = default;
  };
  static constexpr std::uint32_t kEthernet = 0;
  std::uint32_t packet_type = kEthernet;  ///< namespace << 16 | type
  std::uint8_t nsh_md_type = 0;           ///< 0: not given
  std::vector<NshTlv> nsh_tlvs;

  static constexpr std::string_view kNames[] = {"encap"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Encap&) const = default;
};

struct Decap {
  std::uint32_t packet_type = 0x0000fffe;  ///< of what is inside; 0xfffe: whatever it is

  static constexpr std::string_view kNames[] = {"decap"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Decap&) const = default;
};

}  // namespace sluice::action
