#include "ofproto/connections_config.h"

#include <fmt/core.h>

#include "io/remote.h"

namespace sluice::ofproto {

Result<std::uint32_t> parse_protocols(const std::vector<std::string>& words) {
  constexpr std::string_view kWords[] = {"OpenFlow10", "OpenFlow11", "OpenFlow12",
                                         "OpenFlow13", "OpenFlow14", "OpenFlow15"};
  constexpr std::uint32_t kAll = 0x7e;
  if (words.empty()) return kAll;
  std::uint32_t versions = 0;
  for (const auto& word : words) {
    std::uint32_t bit = 0;
    for (unsigned i = 0; i < std::size(kWords); ++i)
      if (word == kWords[i]) bit = 2u << i;
    if (bit == 0)
      return fail(fmt::format("unknown protocol \"{}\": expected OpenFlow10 to OpenFlow15", word));
    versions |= bit;
  }
  return versions;
}

bool is_primary(const ControllerConfig& controller) {
  const auto remote = io::parse_remote(controller.target);
  return remote && sets_up_flows(controller, remote->passive);
}

bool sets_up_flows(const ControllerConfig& controller, bool passive) {
  return !controller.service.value_or(passive);
}

Status check_controller(const ControllerConfig& controller) {
  constexpr std::uint32_t kLeastBackoffMs = 1000, kLeastRate = 100, kLeastBurst = 25, kMostQueued = 512;
  SLUICE_TRY(io::parse_remote(controller.target));
  const auto wrong = [&](std::string_view what, std::uint32_t value, std::uint32_t least) {
    return fail(
        fmt::format("controller {}: {} is {}: expected at least {}", controller.target, what, value, least));
  };
  if (controller.max_backoff_ms < kLeastBackoffMs)
    return wrong("max_backoff", controller.max_backoff_ms, kLeastBackoffMs);
  if (controller.rate_limit != 0 && controller.rate_limit < kLeastRate)
    return wrong("controller_rate_limit", controller.rate_limit, kLeastRate);
  if (controller.burst_limit != 0 && controller.burst_limit < kLeastBurst)
    return wrong("controller_burst_limit", controller.burst_limit, kLeastBurst);
  if (controller.queue_size > kMostQueued)
    return fail(fmt::format("controller {}: controller_queue_size is {}: expected at most {}",
                            controller.target, controller.queue_size, kMostQueued));
  return {};
}

}  // namespace sluice::ofproto
