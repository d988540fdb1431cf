// ERROR: what was wrong with a message, with the beginning of that message.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct ErrorMessage {
  std::optional<OfError> error;  ///< nothing for a code that we do not know
  field::OfErrorCode code{};     ///< used if there is no `error`
  std::vector<std::uint8_t>
      data;  ///< of the message, at least 64 bytes of it if it had them; HELLO_FAILED: a text

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, ErrorMessage& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// The bytes of a message that an error about it carries.
inline constexpr std::size_t kErrorDataBytes = 64;

/// The error message that answers `request`: its transaction id, its version (`version` if that is not one)
/// and its first 64 bytes.
std::vector<std::uint8_t> encode_error_reply(OfError error, Bytes request, OfVersion version);

}  // namespace sluice::openflow
