// Which Geneve options the fields tun_metadata0 … are: NXT_TLV_TABLE_MOD, _REQUEST and _REPLY.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct TlvMapping {
  std::uint16_t option_class = 0;
  std::uint8_t option_type = 0;
  std::uint8_t option_length = 0;  ///< bytes, a multiple of 4
  std::uint16_t index = 0;         ///< of the field
};

enum class TlvTableCommand : std::uint16_t { Add, Delete, Clear };

struct TlvTableMod {
  TlvTableCommand command = TlvTableCommand::Add;
  std::vector<TlvMapping> mappings;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TlvTableMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct TlvTableRequest : Bodiless<TlvTableRequest> {
  static std::span<const WireForm> wire_forms();
};

struct TlvTableReply {
  std::uint32_t max_option_space = 0;
  std::uint16_t max_fields = 0;
  std::vector<TlvMapping> mappings;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, TlvTableReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
