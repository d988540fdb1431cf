// Quality of service of a kernel interface: the queueing discipline that Linux runs on what is sent there,
// and its queues (ovs-vswitchd.conf.db(5), tables QoS and Queue).
//
// Queue N of linux-htb and linux-hfsc is class 1:N+1 below class 1:fffe, as Open vSwitch has it; a packet
// chooses it by its priority (priority_of_queue). A discipline is set up by tc(8) (iproute2), which says in
// words what the kernel does not have: here is what tc is to read, and what it answers. Who runs it is not
// decided here (bridge/qos_agent.h). What runs, and what it counted, the kernel is asked itself.
//
// Main.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::port {

/// Rates in bits a second, sizes in bits.
struct QueueConfig {
  std::optional<std::uint64_t> min_rate, max_rate, burst;
  std::uint32_t priority = 0;

  bool operator==(const QueueConfig&) const = default;
};

struct QosConfig {
  std::string type;  ///< "linux-htb"; empty: no discipline
  std::map<std::string, std::string> options;
  std::map<std::uint32_t, QueueConfig> queues;  ///< queue 0 is there whether it is named or not

  bool operator==(const QosConfig&) const = default;
};

/// What the kernel says of a queue.
struct QueueState {
  std::uint32_t number = 0;
  std::uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0;

  bool operator==(const QueueState&) const = default;
};

/// Queues are numbered below this.
inline constexpr std::uint32_t kMaxQueues = 0xf000;
/// All that can be asked for, in the order in which ovs-vswitchd lists them.
std::span<const std::string_view> qos_types();
/// Whether the type has queues.
bool has_queues(std::string_view type);

/// Of the socket or packet that is to go to the queue; 0: the default one.
constexpr std::uint32_t priority_of_queue(std::uint32_t queue) {
  return queue == 0 || queue >= kMaxQueues ? queue : 1u << 16 | (queue + 1);
}

/// Whether a discipline was set up on the interface, by whomever: not the one that the kernel has for want
/// of another.
bool has_discipline(const std::string& interface);
/// By number; none if the interface has no queues.
Result<std::vector<QueueState>> read_queues(const std::string& interface);

/// What all queues together may send.
std::uint64_t qos_max_rate(const QosConfig& config, std::uint64_t link_bits_per_second);
/// The queues as they are set up: the default one among them, all with both rates, within what the kernel
/// takes.
std::map<std::uint32_t, QueueConfig> effective_queues(const QosConfig& config,
                                                      std::uint64_t link_bits_per_second);
/// Input of `tc -batch` that sets it up on an interface without a discipline; an error if the type is not
/// known.
Result<std::string> qos_commands(const std::string& interface, const QosConfig& config,
                                 std::uint64_t link_bits_per_second);
/// Takes a discipline away; fails if there is none.
std::string remove_command(const std::string& interface);
/// What `tc -force -batch` complained of: lines of its input, from 1 on, and why.
std::map<unsigned, std::string> parse_complaints(std::string_view text);

}  // namespace sluice::port
