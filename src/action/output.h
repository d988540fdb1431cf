// output: to a port, to a port read from a field, or cut short. A bare port number or name is one too.
#pragma once

#include "action/codec.h"

namespace sluice::action {

/// To one port. `max_len` counts only for CONTROLLER.
struct Output {
  std::uint32_t port = 0;
  std::uint16_t max_len = 0;

  static constexpr std::string_view kNames[] = {"output"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const Output&) const = default;
};

/// To the port whose number a field holds (NXAST_OUTPUT_REG).
struct OutputReg {
  field::Subfield source;
  std::uint16_t max_len = 0xffff;

  static constexpr std::string_view kNames[] = {"output_reg"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const OutputReg&) const = default;
};

/// At most max_len bytes of the packet (NXAST_OUTPUT_TRUNC).
struct OutputTruncated {
  std::uint32_t port = 0;
  std::uint32_t max_len = 0;

  static constexpr std::string_view kNames[] = {"output_trunc"};
  static std::span<const WireForm> wire_forms();
  static Status parse(const Word& word, const ParseContext& context, ActionList& out);
  void format(std::string& out, const Names& names) const;
  void encode(Encoder& out) const;
  Status check(CheckContext& context) const;
  void translate(Translation& translation) const;
  bool operator==(const OutputTruncated&) const = default;
};

}  // namespace sluice::action
