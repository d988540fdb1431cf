// Flow monitors: a controller is told of flows that others add, modify and delete (Nicira's for 1.0 to 1.2,
// ONF's for 1.3, OpenFlow's own from 1.4).
#pragma once

#include "action/flow_spec.h"
#include "openflow/match.h"

namespace sluice::openflow {

enum class MonitorCommand : std::uint8_t { Add, Modify, Delete };

/// What is to be told. Nicira's and OpenFlow's bits differ on the wire, not here.
struct MonitorFlags {
  bool initial = false, add = false, removed = false, modify = false;
  bool actions = false;                      ///< the updates hold instructions (OpenFlow's "instructions")
  bool own = false;                          ///< Nicira: changes by the same controller in full
  bool no_abbrev = false, only_own = false;  ///< OpenFlow
  bool operator==(const MonitorFlags&) const = default;
};

struct MonitorRequest {
  std::uint32_t id = 0;
  MonitorCommand command = MonitorCommand::Add;  ///< 1.4+
  MonitorFlags flags;
  std::uint32_t out_port = action::of_port::kNone, out_group = 0xffffffff;
  std::uint8_t table = action::kNoTable;
  flow::Match match;
};

/// A message may hold several.
struct FlowMonitorRequest {
  std::vector<MonitorRequest> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowMonitorRequest& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

enum class UpdateEvent : std::uint8_t { Initial, Added, Removed, Modified, Abbreviated, Paused, Resumed };

struct FlowUpdate {
  UpdateEvent event = UpdateEvent::Added;
  std::uint8_t reason = 0;  ///< of Removed: a FlowRemovedReason
  std::uint32_t xid = 0;    ///< of Abbreviated: the controller's own request
  action::FlowSpec flow;    ///< new_cookie is the flow's; not for the last three events
};

struct FlowUpdates {
  std::vector<FlowUpdate> entries;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowUpdates& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// 1.0 to 1.3; later a FlowMonitorRequest with MonitorCommand::Delete.
struct FlowMonitorCancel {
  std::uint32_t id = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowMonitorCancel& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};
/// Messages of their own before 1.4, then events.
struct FlowMonitorPaused : Bodiless<FlowMonitorPaused> {
  static std::span<const WireForm> wire_forms();
};
struct FlowMonitorResumed : Bodiless<FlowMonitorResumed> {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
