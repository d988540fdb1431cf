// Groups and meters.
#include <fmt/core.h>

#include "action/meter_limits.h"
#include "datapath/datapath.h"
#include "datapath/meter.h"
#include "field/of_error.h"
#include "ofproto/of_actions.h"
#include "ofproto/of_dump.h"
#include "ofproto/of_outgoing.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using field::OfError;

Status OpenFlowAgent::change_group(Session& session, const Message& request, const openflow::GroupMod& mod) {
  SLUICE_ASSIGN(const auto result, pipeline().apply(mod.group, now()));
  conclude(result, &session, request.xid);
  forward(session, request, kForwardGroup);
  return {};
}

Status OpenFlowAgent::change_meter(Session& session, const Message& request, const openflow::MeterMod& mod) {
  SLUICE_TRY(env_.bridge.change_meter(mod.meter, now()));
  forward(session, request, kForwardMeter);
  return {};
}

/// Tells the others of a group-mod or meter-mod (OpenFlow 1.4.0 section 7.4.6), each in its own version.
void OpenFlowAgent::forward(Session& source, const Message& request, unsigned reason) {
  env_.sessions.for_each_session([&](Session& other) {
    if (&other == &source || !other.wants(openflow::AsyncKind::RequestForward, reason) ||
        !openflow::can_express(request.body(), other.dialect()))
      return;
    const Message again = openflow::make_message(request.body(), other.dialect(), request.xid);
    other.send(openflow::RequestForward{openflow::encode(again)});
  });
}

openflow::GroupFeaturesReply OpenFlowAgent::group_features(openflow::OfVersion version) const {
  constexpr std::uint32_t kSelectWeight = 1 << 0, kSelectLiveness = 1 << 1, kChaining = 1 << 2;
  openflow::GroupFeaturesReply reply;
  reply.types = 0xf;
  reply.capabilities = kSelectWeight | kSelectLiveness | kChaining;
  reply.max_groups.fill(static_cast<std::uint32_t>(pipeline::FlowTables::kMaxGroups));
  reply.actions.fill(action_bits(version));
  return reply;
}

/// Replies of this type tell of all meters, or of one that must be there.
template <typename Reply>
Status OpenFlowAgent::tell_meters(Session& session, const Message& request, std::uint32_t id) {
  if (id != action::meter_id::kAll && env_.bridge.next_meter(id) != id)
    return field::fail(fmt::format("meter {} does not exist (OFPMMFC_UNKNOWN_METER)", id),
                       OfError::MmfcUnknownMeter);
  session.proceed(request, std::make_unique<MeterDump<Reply>>(env_, request, id));
  return {};
}

template Status OpenFlowAgent::tell_meters<openflow::MeterStatsReply>(Session&, const Message&,
                                                                      std::uint32_t);
template Status OpenFlowAgent::tell_meters<openflow::MeterConfigReply>(Session&, const Message&,
                                                                       std::uint32_t);

openflow::MeterFeaturesReply OpenFlowAgent::meter_features() const {
  constexpr std::uint32_t kKbps = 1 << 0, kPktps = 1 << 1, kBurst = 1 << 2, kStats = 1 << 3;
  const auto band = [](action::MeterBand::Type type) { return 1u << static_cast<unsigned>(type); };
  return {.max_meters = datapath::MeterTable::kMaxMeters,
          .band_types = band(action::MeterBand::Type::Drop) | band(action::MeterBand::Type::DscpRemark),
          .capabilities = kKbps | kPktps | kBurst | kStats,
          .max_bands = action::kMaxMeterBands,
          .max_color = 0};
}

}  // namespace sluice::ofproto
