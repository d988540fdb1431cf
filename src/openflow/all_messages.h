// Every message type, once: from this list fall the variant, the look-up by wire form and the dispatch
// (message.cc). To add a message: a file pair, a line here.
#pragma once

#include <variant>

#include "openflow/async_config.h"
#include "openflow/barrier.h"
#include "openflow/bundle.h"
#include "openflow/config.h"
#include "openflow/ct_flush.h"
#include "openflow/desc.h"
#include "openflow/echo.h"
#include "openflow/error.h"
#include "openflow/features.h"
#include "openflow/flow_mod.h"
#include "openflow/flow_monitor.h"
#include "openflow/flow_removed.h"
#include "openflow/flow_stats.h"
#include "openflow/group_mod.h"
#include "openflow/group_stats.h"
#include "openflow/hello.h"
#include "openflow/ipfix.h"
#include "openflow/message.h"
#include "openflow/meter.h"
#include "openflow/nicira.h"
#include "openflow/packet_in.h"
#include "openflow/packet_out.h"
#include "openflow/port_stats.h"
#include "openflow/port_status.h"
#include "openflow/request_forward.h"
#include "openflow/role.h"
#include "openflow/table.h"
#include "openflow/tlv_table.h"

namespace sluice::openflow {

template <typename... T>
struct MessageTypes {
  using Variant = std::variant<T...>;
  static_assert((MessageType<T> && ...));
  /// Calls f.template operator()<T>() for each type.
  template <typename F>
  static constexpr void each(F&& f) {
    (f.template operator()<T>(), ...);
  }
};

using AllMessages = MessageTypes<
    Hello, ErrorMessage, EchoRequest, EchoReply, FeaturesRequest, FeaturesReply, GetConfigRequest,
    GetConfigReply, SetConfig, PacketIn, FlowRemoved, PortStatus, PacketOut, FlowMod, GroupMod, PortMod,
    TableMod, BarrierRequest, BarrierReply, QueueConfigRequest, QueueConfigReply, RoleRequest, RoleReply,
    GetAsyncRequest, GetAsyncReply, SetAsync, MeterMod, RoleStatus, TableStatus, RequestForward,
    BundleControl, BundleAdd, SetFlowFormat, SetFlowModTableId, SetPacketInFormat, SetControllerId, FlowAge,
    FlowMonitorCancel, FlowMonitorPaused, FlowMonitorResumed, TlvTableMod, TlvTableRequest, TlvTableReply,
    Resume, CtFlushZone, CtFlush, DescRequest, DescReply, FlowStatsRequest, FlowStatsReply, AggregateRequest,
    AggregateReply, TableStatsRequest, TableStatsReply, PortStatsRequest, PortStatsReply, QueueStatsRequest,
    QueueStatsReply, GroupStatsRequest, GroupStatsReply, GroupDescRequest, GroupDescReply,
    GroupFeaturesRequest, GroupFeaturesReply, MeterStatsRequest, MeterStatsReply, MeterConfigRequest,
    MeterConfigReply, MeterFeaturesRequest, MeterFeaturesReply, TableFeaturesRequest, TableFeaturesReply,
    PortDescRequest, PortDescReply, TableDescRequest, TableDescReply, FlowMonitorRequest, FlowUpdates,
    IpfixBridgeRequest, IpfixBridgeReply, IpfixFlowRequest, IpfixFlowReply>;

/// Copied, moved and destroyed in body.cc alone: what a variant of so many types costs is compiled once.
struct Body : AllMessages::Variant {
  template <typename T>
    requires MessageType<std::remove_cvref_t<T>>
  Body(T&& message)
      : AllMessages::Variant(std::in_place_type<std::remove_cvref_t<T>>, std::forward<T>(message)) {}
  template <typename T>
  explicit Body(std::in_place_type_t<T> type) : AllMessages::Variant(type) {}
  Body(const Body& other);
  Body(Body&& other) noexcept;
  Body& operator=(const Body& other);
  Body& operator=(Body&& other) noexcept;
  ~Body();
  const AllMessages::Variant& variant() const { return *this; }
  AllMessages::Variant& variant() { return *this; }
};

/// The body as T, or nullptr.
template <typename T>
const T* as(const Message& message) {
  return std::get_if<T>(&message.body().variant());
}

}  // namespace sluice::openflow
