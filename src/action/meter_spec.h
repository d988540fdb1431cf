// OpenFlow meters as values and as the text of ovs-ofctl:
// "meter=1,kbps,burst,band=type=drop,rate=1000,burst_size=100". What a meter-mod says; datapath/meter.h
// measures packets by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "action/action.h"

namespace sluice::action {

namespace meter_id {
inline constexpr std::uint32_t kMax = 0xffff0000, kSlowpath = 0xfffffffd, kController = 0xfffffffe,
                               kAll = 0xffffffff;
}

enum class MeterCommand : std::uint16_t { Add = 0, Modify = 1, Delete = 2 };

struct MeterBand {
  enum class Type : std::uint16_t { Drop = 1, DscpRemark = 2 };
  Type type = Type::Drop;
  std::uint32_t rate = 0;        ///< kbit/s or packets/s
  std::uint32_t burst_size = 0;  ///< kbit or packets
  std::uint8_t prec_level = 0;   ///< of DscpRemark: by how much the drop precedence rises
  bool operator==(const MeterBand&) const = default;
};

struct MeterSpec {
  MeterCommand command = MeterCommand::Add;
  std::uint32_t id = 0;
  bool kbps = false, pktps = false, burst = false, stats = false;
  std::vector<MeterBand> bands;
  bool operator==(const MeterSpec&) const = default;
};

Result<MeterSpec> parse_meter(std::string_view text, MeterCommand command = MeterCommand::Add);
/// What holds of a meter wherever it came from: errors carry OpenFlow's codes of meter-mod.
Status check_meter(const MeterSpec& meter);
/// As dump-meters prints it: the bands on lines of their own, no newline at the end.
std::string format_meter(const MeterSpec& meter);

struct MeterCounters {
  struct Band {
    std::uint64_t packets = 0, bytes = 0;
  };
  std::uint32_t id = 0;
  std::uint32_t flows = 0;
  std::uint64_t packets_in = 0, bytes_in = 0;
  std::int64_t duration_ns = 0;
  std::vector<Band> bands;
};
/// As meter-stats prints it, with a newline behind each line.
std::string format_meter_counters(const MeterCounters& counters);

}  // namespace sluice::action
