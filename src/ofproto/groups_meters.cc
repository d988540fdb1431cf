// Groups and meters of a bridge as text: what ovs-ofctl's group and meter commands do.
#include <fmt/core.h>

#include "datapath/meter.h"
#include "field/of_error.h"
#include "ofproto/ofproto.h"

namespace sluice::ofproto {

using field::OfError;

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    line = line.substr(0, std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t\r\v\f") != std::string_view::npos) lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

datapath::MeterConfig config_of(const action::MeterSpec& meter) {
  datapath::MeterConfig config{.packets = meter.pktps, .bands = {}};
  for (const action::MeterBand& band : meter.bands)
    config.bands.push_back(
        {.rate = band.rate,
         .burst = meter.burst ? band.burst_size : 0,
         .raise = band.type == action::MeterBand::Type::DscpRemark ? band.prec_level : std::uint8_t{0}});
  return config;
}

}  // namespace

Ofproto::~Ofproto() {
  std::vector<std::uint32_t> numbers;
  for (const auto& [id, meter] : meters_) numbers.push_back(meter.dp_number);
  if (dp_meters_) dp_meters_->remove(numbers);
}

Result<FlowChange> Ofproto::change_groups(std::string_view text, action::GroupCommand command, Instant now) {
  std::vector<pipeline::Modification> changes;
  std::vector<std::string_view> lines = lines_of(text);
  // "Delete" with nothing said deletes all.
  if (lines.empty() && command == action::GroupCommand::Delete) lines.emplace_back();
  for (const std::string_view line : lines) {
    SLUICE_ASSIGN(auto group, action::parse_group(line, command, names()));
    changes.emplace_back(std::move(group));
  }
  return change(changes, now);
}

Result<FlowChange> Ofproto::change(std::span<const pipeline::Modification> changes, Instant now) {
  SLUICE_ASSIGN(const auto result, concluded(pipeline_.apply(changes, now)));
  return FlowChange{.added = result.added,
                    .modified = result.modified,
                    .removed = static_cast<unsigned>(result.removed.size()),
                    .groups = result.groups,
                    .warnings = {}};
}

std::string Ofproto::dump_groups(std::uint32_t id) const {
  std::string text;
  for (const action::GroupSpec& group : pipeline_.groups(id))
    text += ' ' + action::format_group(group, action::OfVersion::k15, names()) + '\n';
  return text;
}

std::string Ofproto::dump_group_stats(std::uint32_t id, Instant now) const {
  std::string text;
  for (const action::GroupCounters& counters : pipeline_.group_counters(id, now))
    text += ' ' + action::format_group_counters(counters) + '\n';
  return text;
}

Result<unsigned> Ofproto::change_meter(const action::MeterSpec& meter, Instant now) {
  SLUICE_TRY(action::check_meter(meter));
  if (!dp_meters_)
    return field::fail("this bridge has no datapath to meter packets", OfError::MmfcOutOfMeters);
  const auto old = meters_.find(meter.id);
  switch (meter.command) {
    case action::MeterCommand::Add: {
      if (old != meters_.end())
        return field::fail(fmt::format("meter {} exists already", meter.id), OfError::MmfcMeterExists);
      const auto number = dp_meters_->add(config_of(meter), now);
      if (!number) return field::fail("all meters are in use", OfError::MmfcOutOfMeters);
      meters_[meter.id] = {meter, *number};
      pipeline_.set_meter(meter.id, *number);
      return 0u;
    }
    case action::MeterCommand::Modify:
      if (old == meters_.end())
        return field::fail(fmt::format("meter {} does not exist", meter.id), OfError::MmfcUnknownMeter);
      dp_meters_->replace(old->second.dp_number, config_of(meter), now);
      old->second.spec = meter;
      return 0u;
    case action::MeterCommand::Delete: {
      const bool all = meter.id == action::meter_id::kAll;
      if (!all && old == meters_.end()) return 0u;
      const auto first = all ? meters_.begin() : old, last = all ? meters_.end() : std::next(old);
      const auto result = pipeline_.remove_meters(meter.id);
      if (listener_) listener_(result);
      std::vector<std::uint32_t> numbers;
      for (auto it = first; it != last; ++it) numbers.push_back(it->second.dp_number);
      dp_meters_->remove(numbers);
      meters_.erase(first, last);
      return static_cast<unsigned>(result.removed.size());
    }
  }
  return field::fail("meter: unknown command", OfError::MmfcBadCommand);
}

Result<unsigned> Ofproto::change_meter(std::string_view text, action::MeterCommand command, Instant now) {
  if (command == action::MeterCommand::Delete && lines_of(text).empty())
    return change_meter(action::MeterSpec{.command = command, .id = action::meter_id::kAll}, now);
  SLUICE_ASSIGN(const auto meter, action::parse_meter(text, command));
  return change_meter(meter, now);
}

std::optional<std::uint32_t> Ofproto::next_meter(std::uint32_t from) const {
  const auto it = meters_.lower_bound(from);
  return it == meters_.end() ? std::nullopt : std::optional(it->first);
}

action::MeterCounters Ofproto::meter_counters(std::uint32_t id, Instant now) const {
  const auto stats = dp_meters_->stats(meters_.at(id).dp_number);
  action::MeterCounters counters{.id = id, .flows = pipeline_.meter_flows(id), .bands = {}};
  counters.packets_in = stats->in.packets;
  counters.bytes_in = stats->in.bytes;
  counters.duration_ns = (now - stats->created).ns / 1'000'000 * 1'000'000;  // to the millisecond
  for (const datapath::Meter::Traffic& band : stats->bands)
    counters.bands.push_back({band.packets, band.bytes});
  return counters;
}

}  // namespace sluice::ofproto
