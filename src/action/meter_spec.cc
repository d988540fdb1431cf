#include "action/meter_spec.h"

#include <fmt/core.h>

#include "action/codec.h"
#include "action/meter_limits.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

std::string format_id(std::uint32_t id) {
  switch (id) {
    case meter_id::kSlowpath:
      return "slowpath";
    case meter_id::kController:
      return "controller";
    case meter_id::kAll:
      return "all";
    default:
      return id > meter_id::kMax ? "unknown" : std::to_string(id);
  }
}

Result<std::uint32_t> parse_id(std::string_view text) {
  if (text == "all") return meter_id::kAll;
  if (text == "controller") return meter_id::kController;
  if (text == "slowpath") return meter_id::kSlowpath;
  SLUICE_ASSIGN(const std::uint64_t id, parse_number(text, 0xffffffff, "meter"));
  if (id == 0 || id > meter_id::kMax) return fail("invalid value for meter", OfError::MmfcInvalidMeter);
  return static_cast<std::uint32_t>(id);
}

/// "type=drop rate=10 burst_size=5 type=…": each "type" begins a band.
Status parse_bands(std::string_view text, MeterSpec& meter) {
  struct Given {
    bool rate = false, burst = false, level = false;
  };
  std::vector<Given> given;
  while (const auto word = next_word(text)) {
    if (!word->has_argument) return fail(fmt::format("field {} missing value", word->name));
    if (word->name == "type") {
      MeterBand band;
      if (word->argument == "dscp_remark")
        band.type = MeterBand::Type::DscpRemark;
      else if (word->argument != "drop")
        return fail(fmt::format("field type unknown value {}", word->argument), OfError::MmfcBadBand);
      meter.bands.push_back(band);
      given.emplace_back();
      continue;
    }
    if (meter.bands.empty()) return fail("band must start with the 'type' keyword");
    MeterBand& band = meter.bands.back();
    if (word->name == "rate") {
      SLUICE_ASSIGN(const std::uint64_t rate, parse_number(word->argument, 0xffffffff, "rate"));
      band.rate = static_cast<std::uint32_t>(rate);
      given.back().rate = rate != 0;
    } else if (word->name == "burst_size") {
      SLUICE_ASSIGN(const std::uint64_t size, parse_number(word->argument, 0xffffffff, "burst_size"));
      band.burst_size = static_cast<std::uint32_t>(size);
      given.back().burst = size != 0;
    } else if (word->name == "prec_level") {
      SLUICE_ASSIGN(const std::uint64_t level, parse_number(word->argument, 0xff, "prec_level"));
      band.prec_level = static_cast<std::uint8_t>(level);
      given.back().level = level != 0;
    } else {
      return fail(fmt::format("unknown keyword {}", word->name));
    }
  }
  if (meter.bands.empty()) return fail("meter must have bands");
  for (std::size_t i = 0; i < meter.bands.size(); ++i) {
    const bool remark = meter.bands[i].type == MeterBand::Type::DscpRemark;
    if (given[i].level && !remark) return fail("Only 'dscp_remark' band may have 'prec_level'");
    if (remark && !given[i].level) return fail("'dscp_remark' band must have 'prec_level'");
    if (!given[i].rate) return fail("band must have 'rate'");
    if (meter.burst && !given[i].burst) return fail("band must have 'burst_size' when 'burst' flag is set");
    if (!meter.burst && given[i].burst)
      return fail("band may have 'burst_size' only when 'burst' flag is set");
  }
  return {};
}

}  // namespace

Result<MeterSpec> parse_meter(std::string_view text, MeterCommand command) {
  MeterSpec meter;
  meter.command = command;
  bool has_id = false, has_bands = false;
  if (command != MeterCommand::Delete && text.find("band") == std::string_view::npos)
    return fail("must specify bands");
  std::string_view rest = text;
  while (const auto word = next_word(rest)) {
    if (word->name == "kbps") {
      meter.kbps = true;
    } else if (word->name == "pktps") {
      meter.pktps = true;
    } else if (word->name == "burst") {
      meter.burst = true;
    } else if (word->name == "stats") {
      meter.stats = true;
    } else if (word->name == "band" || word->name == "bands") {
      has_bands = true;
      if (!has_id) break;
      const auto at = static_cast<std::size_t>(word->argument.data() - text.data());
      SLUICE_TRY(parse_bands(word->has_argument ? text.substr(at) : std::string_view{}, meter));
      break;
    } else if (!word->has_argument) {
      return fail(fmt::format("field {} missing value", word->name));
    } else if (word->name == "meter") {
      SLUICE_ASSIGN(meter.id, parse_id(word->argument));
      has_id = true;
    } else {
      return fail(fmt::format("unknown keyword {}", word->name));
    }
  }
  if (!has_id) return fail("must specify 'meter'");
  if (command == MeterCommand::Delete) return meter;
  if (!meter.kbps && !meter.pktps) return fail("meter must specify either 'kbps' or 'pktps'");
  if (!has_bands) return fail("must specify bands");
  SLUICE_TRY(check_meter(meter));
  return meter;
}

Status check_meter(const MeterSpec& meter) {
  // A meter that cannot be is not there, and what is not there may be deleted.
  if (meter.command == MeterCommand::Delete) return {};
  const bool virtual_meter = meter.id == meter_id::kSlowpath || meter.id == meter_id::kController;
  if (!virtual_meter && (meter.id == 0 || meter.id > meter_id::kMax))
    return fail(fmt::format("meter {} is invalid: expected 1 to {}", meter.id, meter_id::kMax),
                OfError::MmfcInvalidMeter);
  if (meter.kbps == meter.pktps)
    return fail(fmt::format("meter {}: expected either kbps or pktps", meter.id), OfError::MmfcBadFlags);
  if (meter.bands.empty() || meter.bands.size() > kMaxMeterBands)
    return fail(
        fmt::format("meter {} has {} bands: expected 1 to {}", meter.id, meter.bands.size(), kMaxMeterBands),
        OfError::MmfcOutOfBands);
  for (const MeterBand& band : meter.bands)
    if (band.rate == 0)
      return fail(fmt::format("meter {}: a band has rate 0", meter.id), OfError::MmfcBadRate);
  return {};
}

std::string format_meter(const MeterSpec& meter) {
  std::string text = "meter=" + format_id(meter.id);
  if (meter.kbps) text += " kbps";
  if (meter.pktps) text += " pktps";
  if (meter.burst) text += " burst";
  if (meter.stats) text += " stats";
  text += " bands=";
  for (const MeterBand& band : meter.bands) {
    text += fmt::format("\ntype={} rate={}", band.type == MeterBand::Type::Drop ? "drop" : "dscp_remark",
                        band.rate);
    if (meter.burst) text += fmt::format(" burst_size={}", band.burst_size);
    if (band.type == MeterBand::Type::DscpRemark) text += fmt::format(" prec_level={}", band.prec_level);
  }
  return text;
}

std::string format_meter_counters(const MeterCounters& counters) {
  std::string text =
      fmt::format("meter:{} flow_count:{} packet_in_count:{} byte_in_count:{} duration:{}s bands:\n",
                  format_id(counters.id), counters.flows, counters.packets_in, counters.bytes_in,
                  format_duration(counters.duration_ns));
  for (std::size_t i = 0; i < counters.bands.size(); ++i)
    text += fmt::format("{}: packet_count:{} byte_count:{}\n", i, counters.bands[i].packets,
                        counters.bands[i].bytes);
  return text;
}

}  // namespace sluice::action
