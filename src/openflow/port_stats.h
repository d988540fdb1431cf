// What a switch tells of its ports and their queues: PORT statistics, PORT_DESC, QUEUE statistics, and the
// configuration of queues (OFPT_QUEUE_GET_CONFIG, from 1.4 on OFPMP_QUEUE_DESC).
#pragma once

#include "openflow/port.h"

namespace sluice::openflow {

inline constexpr std::uint32_t kAllQueues = 0xffffffff;

struct PortStatsRequest {
  std::uint32_t port = action::of_port::kNone;  ///< kNone: all

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortStatsRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// Counters that are all ones are not known.
struct PortCounters {
  std::uint32_t port = 0;
  std::uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0, rx_dropped = 0, tx_dropped = 0,
                rx_errors = 0, tx_errors = 0, rx_frame_errors = 0, rx_over_errors = 0, rx_crc_errors = 0,
                collisions = 0;
  std::uint32_t duration_s = 0xffffffff, duration_ns = 0xffffffff;  ///< 1.3+
  struct Custom {
    std::string name;
    std::uint64_t value = 0;
    bool operator==(const Custom&) const = default;
  };
  std::vector<Custom>
      custom;  ///< whatever else the port's device counts (1.4+, an extension of Open vSwitch)
};
struct PortStatsReply {
  std::vector<PortCounters> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// Before 1.5 it always asks for all ports.
struct PortDescRequest {
  std::uint32_t port = action::of_port::kNone;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortDescRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
struct PortDescReply {
  std::vector<PortDescription> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortDescReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct QueueStatsRequest {
  std::uint32_t port = action::of_port::kNone, queue = kAllQueues;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, QueueStatsRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
struct QueueCounters {
  std::uint32_t port = 0, queue = 0;
  std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0;
  std::uint32_t duration_s = 0xffffffff, duration_ns = 0xffffffff;  ///< 1.3+
};
struct QueueStatsReply {
  std::vector<QueueCounters> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, QueueStatsReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct QueueConfigRequest {
  std::uint32_t port = action::of_port::kNone;
  std::uint32_t queue = kAllQueues;  ///< 1.4+

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, QueueConfigRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
struct QueueConfig {
  std::uint32_t port = 0, queue = 0;
  std::optional<std::uint16_t> min_rate,
      max_rate;  ///< in tenths of a percent of the port's; above 1000: disabled
};
/// Before 1.4 the queues of one port.
struct QueueConfigReply {
  std::uint32_t port = action::of_port::kNone;  ///< before 1.4: which was asked for
  std::vector<QueueConfig> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, QueueConfigReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
