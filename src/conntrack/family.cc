// Parents and children of helpers, in the way of a packet: what is expected, who becomes a child of whom, and
// what helpers get to see.
#include <cstring>

#include "conntrack/helper/helpers.h"
#include "conntrack/pass.h"
#include "conntrack/proto/advance.h"

namespace sluice::conntrack {

namespace {

ExpectedTuple expected_tuple(const Probe& probe) {
  ExpectedTuple tuple;
  if (probe.is_ipv6()) {
    std::memcpy(&tuple.src, probe.ipv6, 16);
    std::memcpy(&tuple.dst, probe.ipv6 + 16, 16);
  } else {
    tuple.src = net::v4_mapped(be32::from_raw(probe.key.src));
    tuple.dst = net::v4_mapped(be32::from_raw(probe.key.dst));
  }
  tuple.dst_port = PortBytes(probe.key.ports).second();
  tuple.zone = probe.key.zone;
  tuple.proto = probe.key.proto;
  tuple.is_ipv6 = probe.is_ipv6();
  return tuple;
}

}  // namespace

Verdict Tracker::Impl::advance_family(Entry& entry, const packet::Packet& packet, Direction direction,
                                      tcp::Rules rules) const {
  if (!entry.has(Entry::kHelped) || entry.proto != net::ip_proto::kTcp)
    return advance(entry, packet, direction, rules);
  const wire::Layout& layout = packet.layout;
  tcp::Segment segment = tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload);
  segment.ack = helpers.ack_to_sender(entry, direction, segment.ack);
  return tcp::update(entry, direction, segment, rules);
}

std::optional<Expectation> Tracker::Impl::find_expectation(const Probe& probe, Instant now) {
  const ExpectedTuple tuple = expected_tuple(probe);
  return helpers.table.find(tuple, zones.generation(tuple.zone), now);
}

void Tracker::Impl::Pass::join_family(const Probe& probe, const Found& found) {
  const auto expectation = t_.find_expectation(probe, now_);
  if (expectation && t_.helpers.adopt(*found.entry, *expectation)) return notes_.related();
  t_.helpers.attach(*found.entry, request_.helper, notes_);
}

void Tracker::Impl::Pass::describe_child(CtMetadata& meta, const Entry& child) const {
  meta.state |= ct_state::kRelated;
  meta.original = t_.helpers.parent_tuple(child);
}

void Tracker::Impl::Pass::describe_expected(CtMetadata& meta, const Probe& probe) const {
  const auto expectation = t_.find_expectation(probe, now_);
  if (!expectation) return;
  meta.state |= ct_state::kRelated;
  meta.mark = expectation->mark;
  meta.label = expectation->label;
  meta.original = expectation->parent;
}

std::optional<NatRange> Tracker::Impl::Pass::expected_range(const Probe& probe) const {
  const auto expectation = t_.find_expectation(probe, now_);
  if (!expectation || !expectation->is_translated()) return std::nullopt;
  NatRange range{.has_address = true, .is_ipv6 = expectation->tuple.is_ipv6};
  if (expectation->from != expectation->tuple.src) {
    range.kind = NatRange::Kind::Source;
    range.min_address = range.max_address = expectation->from;
  } else {
    range.kind = NatRange::Kind::Destination;
    range.min_address = range.max_address = expectation->to;
    range.has_ports = true;
    range.min_port = range.max_port = expectation->to_port.host();
  }
  return range;
}

bool Tracker::Impl::Pass::inspect(Packet& packet, const Found& found) {
  const Helpers::Inspection inspection{
      .now = now_, .zone_generation = found.entry->zone_generation, .translate = request_.nat};
  if (t_.helpers.inspect(*found.entry, found.direction, packet, inspection, notes_)) return true;
  notes_.refused(packet, request_.zone, Reason::HelperGap);
  return false;
}

Tracker::HelperCensus Tracker::helper_census() const {
  return {impl_->helpers.table.families(), impl_->helpers.table.size()};
}

std::uint64_t Tracker::dump_expectations(std::uint64_t cursor, unsigned max, Instant now,
                                         std::vector<ExpectationSnapshot>& out) const {
  const std::uint32_t next = impl_->helpers.table.dump(
      static_cast<std::uint32_t>(cursor), max, now,
      [this](std::uint16_t zone) { return impl_->zones.generation(zone); }, out);
  return next == ExpectationTable::kDumpDone ? kDumpDone : next;
}

}  // namespace sluice::conntrack
