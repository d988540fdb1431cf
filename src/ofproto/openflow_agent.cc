#include "ofproto/openflow_agent.h"

#include <fmt/core.h>

#include "field/of_error.h"
#include "ofproto/of_dump.h"
#include "ofproto/of_outgoing.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using field::OfError;

OpenFlowAgent::OpenFlowAgent(const AgentEnvironment& environment)
    : env_(environment),
      description_{.manufacturer = "Nicira, Inc.",
                   .hardware = "Open vSwitch",
                   .software = "Sluice",
                   .serial = {},
                   .datapath = {}},
      monitors_(environment.bridge.pipeline(), environment.sessions,
                [this](std::span<const pipeline::FlowEvent> events) { tell(events, nullptr, 0); }) {
  pipeline().keep_events(pipeline::KeepEvents::FlowRemoved);
  env_.bridge.set_listener([this](const pipeline::FlowModResult& result) { conclude(result, nullptr, 0); });
  set_description({}, {});
  notice_ports();
}

void OpenFlowAgent::set_description(const std::string& datapath, const std::string& serial) {
  description_.datapath = datapath.empty() ? "None" : datapath;
  description_.serial = serial.empty() ? "None" : serial;
}

OpenFlowAgent::~OpenFlowAgent() {
  env_.bridge.set_listener({});
}

Result<std::optional<std::uint64_t>> OpenFlowAgent::claim_role(Session& session, openflow::Role role,
                                                               std::optional<std::uint64_t> generation) {
  return env_.sessions.claim_role(session, role, generation);
}

std::size_t OpenFlowAgent::take_effort() {
  return pipeline().take_effort();
}

void OpenFlowAgent::forget(Session& session) {
  monitors_.forget(session);
}

void OpenFlowAgent::run() {
  tell_what_packets_did();
  monitors_.pause_slow();
  env_.bridge.expire(now());
  if (watches_vacancy_) watch_vacancy();
  notice_ports();
  monitors_.resume_paused();
}

// --- Requests, one overload of serve() each

namespace {

/// What controllers may not send: answers, and what a session deals with itself.
Status not_a_request(const openflow::Message& message) {
  return field::fail(fmt::format("{} is nothing to ask of a switch (OFPBRC_BAD_TYPE)", message.form->name),
                     OfError::BrcBadType);
}

}  // namespace

template <typename T>
Status OpenFlowAgent::serve(Session& session, const Message& request, const T& body) {
  using namespace openflow;
  const auto answer = [&](Body reply) -> Status {
    session.reply(request, std::move(reply));
    return {};
  };
  if constexpr (std::is_same_v<T, FeaturesRequest>) {
    return answer(features(session.version()));
  } else if constexpr (std::is_same_v<T, DescRequest>) {
    return answer(description_);
  } else if constexpr (std::is_same_v<T, GetConfigRequest>) {
    return answer(config(session));
  } else if constexpr (std::is_same_v<T, SetConfig>) {
    return set_config(body);
  } else if constexpr (std::is_same_v<T, FlowMod>) {
    return change_flow(session, request, body);
  } else if constexpr (std::is_same_v<T, GroupMod>) {
    return change_group(session, request, body);
  } else if constexpr (std::is_same_v<T, MeterMod>) {
    return change_meter(session, request, body);
  } else if constexpr (std::is_same_v<T, PortMod>) {
    SLUICE_TRY(check_port_mod(body));
    change_port(body);
    return {};
  } else if constexpr (std::is_same_v<T, TableMod>) {
    return change_table(session.version(), body);
  } else if constexpr (std::is_same_v<T, PacketOut>) {
    SLUICE_TRY(pipeline().check_references(body.actions));
    SLUICE_ASSIGN(Outgoing packet, prepare(body, session.version()));
    translate(packet, {});
    emit(packet);
    return {};
  } else if constexpr (std::is_same_v<T, Resume>) {
    return resume(body);
  } else if constexpr (std::is_same_v<T, FlowStatsRequest>) {
    session.proceed(request, std::make_unique<FlowDump>(env_, request, body));
    return {};
  } else if constexpr (std::is_same_v<T, AggregateRequest>) {
    session.proceed(request, std::make_unique<FlowSum>(env_, request, body));
    return {};
  } else if constexpr (std::is_same_v<T, TableStatsRequest>) {
    return answer(table_stats(session.version()));
  } else if constexpr (std::is_same_v<T, TableDescRequest>) {
    return answer(describe_tables());
  } else if constexpr (std::is_same_v<T, TableFeaturesRequest>) {
    if (!body.entries.empty()) SLUICE_TRY(rename_tables(session.version(), body));
    return answer(all_table_features(session.version()));
  } else if constexpr (std::is_same_v<T, PortDescRequest>) {
    return answer(describe_ports(session.version() < k15 ? action::of_port::kNone : body.port));
  } else if constexpr (std::is_same_v<T, PortStatsRequest>) {
    return answer(port_stats(body.port));
  } else if constexpr (std::is_same_v<T, QueueStatsRequest>) {
    return serve_queue_stats(session, request, body);
  } else if constexpr (std::is_same_v<T, QueueConfigRequest>) {
    return serve_queue_config(session, request, body);
  } else if constexpr (std::is_same_v<T, GroupStatsRequest>) {
    session.proceed(request, std::make_unique<GroupDump<GroupStatsReply>>(env_, request, body.group));
    return {};
  } else if constexpr (std::is_same_v<T, GroupDescRequest>) {
    session.proceed(request, std::make_unique<GroupDump<GroupDescReply>>(env_, request, body.group));
    return {};
  } else if constexpr (std::is_same_v<T, GroupFeaturesRequest>) {
    return answer(group_features(session.version()));
  } else if constexpr (std::is_same_v<T, MeterStatsRequest>) {
    return tell_meters<openflow::MeterStatsReply>(session, request, body.meter);
  } else if constexpr (std::is_same_v<T, MeterConfigRequest>) {
    return tell_meters<openflow::MeterConfigReply>(session, request, body.meter);
  } else if constexpr (std::is_same_v<T, MeterFeaturesRequest>) {
    return answer(meter_features());
  } else if constexpr (std::is_same_v<T, FlowMonitorRequest>) {
    return monitors_.change(session, request, body);
  } else if constexpr (std::is_same_v<T, FlowMonitorCancel>) {
    return monitors_.cancel(session, body.id);
  } else if constexpr (std::is_same_v<T, TlvTableMod>) {
    return change_tlv_table(body);
  } else if constexpr (std::is_same_v<T, TlvTableRequest>) {
    return answer(tlv_table());
  } else if constexpr (std::is_same_v<T, CtFlushZone>) {
    return flush_zone(body);
  } else if constexpr (std::is_same_v<T, CtFlush>) {
    return flush_connections(session, request, body);
  } else if constexpr (std::is_same_v<T, IpfixBridgeRequest> || std::is_same_v<T, IpfixFlowRequest>) {
    return field::fail("IPFIX is not configured (NXST_NOT_CONFIGURED)", OfError::StNotConfigured);
  } else {
    return not_a_request(request);
  }
}

Status OpenFlowAgent::handle(Session& session, const Message& request) {
  return std::visit([&](const auto& body) { return serve(session, request, body); },
                    request.body().variant());
}

}  // namespace sluice::ofproto
