// Counters for people and for scripts: coverage/…, memory/show.
#include <fmt/core.h>

#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/coverage.h"

namespace sluice::daemon {

void add_stats_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, Coverage& coverage) {
  commands.add("coverage/show", "", 0, 0,
               [&coverage](unixctl::Args) -> Result<std::string> { return coverage.show(); });
  commands.add("coverage/read-counter", "COUNTER", 1, 1,
               [&coverage](unixctl::Args args) -> Result<std::string> {
                 const auto total = coverage.read_counter(args[0]);
                 if (!total) return fail("No such counter");
                 return std::to_string(*total) + "\n";
               });
  commands.add("memory/show", "", 0, 0, [&device](unixctl::Args) -> Result<std::string> {
    std::size_t rules = 0;
    for (const auto* bridge : device.bridges()) rules += bridge->pipeline().flow_count();
    return fmt::format(
        "connections:{} conntrack-bytes:{} handlers:{} ports:{} revalidators:{} rules:{} udpif keys:{}\n",
        device.tracker().connections(), device.tracker().memory_bytes(), device.datapath().workers(),
        device.datapath().ports().size(), device.datapath().workers(), rules,
        device.datapath().stats().megaflows);
  });
}

std::vector<Event> read_events(const bridge::Switch& device) {
  std::vector<Event> events;
  const auto stats = device.datapath().stats();
  for (const auto& row : datapath::kCounters)
    events.push_back({fmt::format("datapath_{}", row.name), stats[row.counter]});
  for (const auto& row : packet::kDropReasons)
    events.push_back({fmt::format("drop_{}", row.name), stats[row.reason]});
  const auto& upcalls = device.upcalls();
  events.push_back({"own_frames_heard", upcalls.own_frames().queued()});
  events.push_back({"own_frames_refused", upcalls.own_frames().dropped()});
  events.push_back({"multicast_reports_heard", upcalls.memberships().queued()});
  events.push_back({"multicast_reports_refused", upcalls.memberships().dropped()});
  const auto ct = device.tracker().counters();
  events.push_back({"conntrack_created", ct.created});
  events.push_back({"conntrack_destroyed", ct.destroyed});
  events.push_back({"conntrack_expired", ct.expired});
  events.push_back({"conntrack_dropped_early", ct.dropped_early});
  events.push_back({"conntrack_committed", ct.committed});
  events.push_back({"conntrack_lookups", ct.lookups});
  events.push_back({"conntrack_hits", ct.hits});
  events.push_back({"conntrack_related", ct.related});
  events.push_back({"conntrack_expected", ct.expected});
  events.push_back({"conntrack_expectations_refused", ct.expectations_refused});
  events.push_back({"conntrack_helpers_refused", ct.helpers_refused});
  // Under the names that ovs-vswitchd has for them, for the scripts that read them.
  using conntrack::Reason;
  const auto reason = [&](Reason r) { return ct.by_reason[static_cast<unsigned>(r)]; };
  events.push_back({"conntrack_full", reason(Reason::TableFull)});
  events.push_back({"conntrack_zone_full", reason(Reason::ZoneFull)});
  events.push_back({"conntrack_l3csum_err", reason(Reason::BadIpChecksum)});
  events.push_back({"conntrack_l4csum_err", reason(Reason::BadTransportChecksum)});
  events.push_back(
      {"conntrack_tcp_seq_chk_failed",
       reason(Reason::TcpOutOfWindow) + reason(Reason::TcpBadAck) + reason(Reason::TcpRstOutOfWindow)});
  events.push_back({"conntrack_invalid_tcp_flags", reason(Reason::TcpBadFlags)});
  const auto& reassembler = device.tracker().reassembler();
  using conntrack::IpVersion;
  const auto v4 = reassembler.counters(IpVersion::V4), v6 = reassembler.counters(IpVersion::V6);
  events.push_back({"ipf_stuck_frag_list_expired", v4.expired + v6.expired});
  events.push_back({"ipf_stuck_frag_list_purged", v4.purged + v6.purged});
  for (unsigned r = 1; r < conntrack::kReasonCount; ++r)
    events.push_back(
        {fmt::format("conntrack_{}", conntrack::reason_name(static_cast<Reason>(r))), ct.by_reason[r]});
  events.push_back({"packet_in_queued", device.upcalls().packet_ins().queued()});
  events.push_back({"packet_in_overflow", device.upcalls().packet_ins().dropped()});
  events.push_back({"dp_packet_batch_grow", 0});  // batches have a fixed size here
  return events;
}

}  // namespace sluice::daemon
