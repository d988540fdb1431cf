// Which asynchronous messages a controller wants, by its role: GET_ASYNC and SET_ASYNC (1.3; properties
// in 1.4), and NXT_SET_ASYNC_CONFIG before.
#pragma once

#include <array>

#include "openflow/codec.h"

namespace sluice::openflow {

enum class AsyncKind : std::uint8_t {
  PacketIn,
  PortStatus,
  FlowRemoved,
  RoleStatus,
  TableStatus,
  RequestForward
};
inline constexpr std::size_t kAsyncKinds = 6;

/// Bit n of a mask: messages whose reason is n.
struct AsyncMasks {
  std::array<std::uint32_t, kAsyncKinds> primary{};  ///< also for the role "equal"
  std::array<std::uint32_t, kAsyncKinds> secondary{};
  bool operator==(const AsyncMasks&) const = default;
};

struct AsyncConfig {
  /// What the message says; kinds that it does not mention are unset and stay as they were.
  std::array<std::optional<std::uint32_t>, kAsyncKinds> primary, secondary;

  void apply(AsyncMasks& masks) const;
  static AsyncConfig of(const AsyncMasks& masks);

  static Status decode(ByteReader& body, const DecodeContext& context, AsyncConfig& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct SetAsync : AsyncConfig {
  static std::span<const WireForm> wire_forms();
};
struct GetAsyncRequest : Bodiless<GetAsyncRequest> {
  static std::span<const WireForm> wire_forms();
};
struct GetAsyncReply : AsyncConfig {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
