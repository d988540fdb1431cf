#include "port/qos.h"

#include <fmt/core.h>
#include <linux/gen_stats.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "base/rtnetlink.h"

namespace sluice::port {

namespace {

constexpr std::array<std::string_view, 7> kTypes = {
    "linux-netem", "linux-fq_codel", "linux-codel", "linux-hfsc", "linux-noop", "linux-sfq", "linux-htb"};
/// Of a class: the kernel takes no rate below a frame a second (Open vSwitch's default).
constexpr std::uint64_t kLeastRate = 12'000;
constexpr std::uint64_t kDefaultLink = 10'000'000'000;
/// The class that all queues share, and the handle of the discipline.
constexpr std::uint32_t kRootClass = 0xfffe, kMajor = 1u << 16;

std::optional<std::uint64_t> number_in(const std::map<std::string, std::string>& options,
                                       const std::string& key) {
  const auto found = options.find(key);
  std::uint64_t value = 0;
  if (found == options.end()) return std::nullopt;
  const char* end = found->second.data() + found->second.size();
  return std::from_chars(found->second.data(), end, value).ptr == end && value != 0 ? std::optional(value)
                                                                                    : std::nullopt;
}

/// " limit 5" for each of the options that is given.
std::string options_of(const QosConfig& config,
                       std::initializer_list<std::array<std::string_view, 3>> names_words_units) {
  std::string text;
  for (const auto& [name, word, unit] : names_words_units)
    if (const auto value = number_in(config.options, std::string(name)))
      text += fmt::format(" {} {}{}", word, *value, unit);
  return text;
}

/// A class of linux-htb or linux-hfsc, whose rates are given.
std::string class_command(const std::string& interface, bool htb, const std::string& parent,
                          std::uint32_t minor, const QueueConfig& queue) {
  std::string text = fmt::format("class add dev {} parent {} classid 1:{:x} ", interface, parent, minor);
  if (!htb) return text + fmt::format("hfsc sc rate {}bit ul rate {}bit\n", *queue.min_rate, *queue.max_rate);
  text += fmt::format("htb rate {}bit ceil {}bit", *queue.min_rate, *queue.max_rate);
  if (queue.burst) text += fmt::format(" burst {0}b cburst {0}b", (*queue.burst + 7) / 8);
  if (queue.priority != 0) text += fmt::format(" prio {}", queue.priority);
  return text + "\n";
}

std::string class_commands(const std::string& interface, const QosConfig& config, std::uint64_t link) {
  const bool htb = config.type == "linux-htb";
  const std::uint64_t most = qos_max_rate(config, link);
  std::string text =
      fmt::format("qdisc add dev {} root handle 1: {} default 1\n", interface, htb ? "htb" : "hfsc");
  text += class_command(interface, htb, "1:", kRootClass, {.min_rate = most, .max_rate = most});
  for (const auto& [number, queue] : effective_queues(config, link))
    text += class_command(interface, htb, fmt::format("1:{:x}", kRootClass), number + 1, queue);
  return text;
}

// --- What the kernel says

template <typename T>
std::optional<T> read_attribute(const rtattr* at) {
  T value{};
  if (RTA_PAYLOAD(at) < sizeof value) return std::nullopt;
  std::memcpy(&value, RTA_DATA(at), sizeof value);
  return value;
}

/// gnet_stats(…) of a class.
void read_statistics(const rtattr* nest, QueueState& queue) {
  int left = static_cast<int>(RTA_PAYLOAD(nest));
  for (const auto* at = static_cast<const rtattr*>(RTA_DATA(nest)); RTA_OK(at, left);
       at = RTA_NEXT(at, left)) {
    if (at->rta_type == TCA_STATS_BASIC) {
      // Without the padding behind it, which the kernel leaves out.
      constexpr std::size_t kBytes = sizeof(std::uint64_t) + sizeof(std::uint32_t);
      gnet_stats_basic basic{};
      if (RTA_PAYLOAD(at) >= kBytes) std::memcpy(&basic, RTA_DATA(at), kBytes);
      queue.tx_bytes = basic.bytes;
      queue.tx_packets = std::max<std::uint64_t>(queue.tx_packets, basic.packets);
    } else if (at->rta_type == TCA_STATS_PKT64) {
      queue.tx_packets = read_attribute<std::uint64_t>(at).value_or(queue.tx_packets);
    } else if (at->rta_type == TCA_STATS_QUEUE) {
      if (const auto stats = read_attribute<gnet_stats_queue>(at)) queue.tx_errors = stats->drops;
    }
  }
}

/// The queue that a class is; nothing if it is none of ours.
std::optional<QueueState> read_queue(const nlmsghdr& message) {
  const auto* info = static_cast<const tcmsg*>(NLMSG_DATA(&message));
  const std::uint32_t minor = TC_H_MIN(info->tcm_handle);
  if (TC_H_MAJ(info->tcm_handle) != kMajor || minor == 0 || minor > kMaxQueues) return std::nullopt;
  QueueState queue{.number = minor - 1};
  bool ours = false;
  int left = static_cast<int>(TCA_PAYLOAD(&message));
  for (const rtattr* at = TCA_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    if ((at->rta_type & NLA_TYPE_MASK) == TCA_STATS2) read_statistics(at, queue);
    if (at->rta_type != TCA_KIND) continue;
    const auto* text = static_cast<const char*>(RTA_DATA(at));
    ours = has_queues("linux-" + std::string(text, ::strnlen(text, RTA_PAYLOAD(at))));
  }
  return ours ? std::optional(queue) : std::nullopt;
}

/// A request about the interface.
tcmsg about(const std::string& interface) {
  tcmsg request{};
  request.tcm_family = AF_UNSPEC;
  request.tcm_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  return request;
}

Bytes bytes_of(const tcmsg& request) {
  return {reinterpret_cast<const std::uint8_t*>(&request), sizeof request};
}

}  // namespace

std::span<const std::string_view> qos_types() {
  return kTypes;
}

bool has_queues(std::string_view type) {
  return type == "linux-htb" || type == "linux-hfsc";
}

std::uint64_t qos_max_rate(const QosConfig& config, std::uint64_t link) {
  return std::max(kLeastRate,
                  number_in(config.options, "max-rate").value_or(link != 0 ? link : kDefaultLink));
}

std::map<std::uint32_t, QueueConfig> effective_queues(const QosConfig& config, std::uint64_t link) {
  const std::uint64_t most = qos_max_rate(config, link);
  auto queues = config.queues;
  queues.try_emplace(0);
  std::erase_if(queues, [](const auto& queue) { return queue.first >= kMaxQueues; });
  for (auto& [number, queue] : queues) {
    queue.max_rate = std::clamp(queue.max_rate.value_or(most), kLeastRate, most);
    queue.min_rate = std::clamp(queue.min_rate.value_or(kLeastRate), kLeastRate, *queue.max_rate);
  }
  return queues;
}

Result<std::string> qos_commands(const std::string& interface, const QosConfig& config, std::uint64_t link) {
  const std::string& type = config.type;
  const std::string root = fmt::format("qdisc add dev {} root ", interface);
  if (has_queues(type)) return class_commands(interface, config, link);
  if (type == "linux-sfq")
    return root + "sfq" + options_of(config, {{"quantum", "quantum", ""}, {"perturb", "perturb", ""}}) + "\n";
  if (type == "linux-codel" || type == "linux-fq_codel") {
    auto text =
        root + type.substr(std::strlen("linux-")) +
        options_of(config,
                   {{"limit", "limit", ""}, {"target", "target", "us"}, {"interval", "interval", "us"}});
    if (type == "linux-fq_codel")
      text += options_of(config, {{"flows", "flows", ""}, {"quantum", "quantum", ""}});
    return text + "\n";
  }
  if (type == "linux-netem")
    return root + "netem" +
           options_of(config, {{"limit", "limit", ""}, {"latency", "delay", "us"}, {"loss", "loss", "%"}}) +
           "\n";
  if (type == "linux-noop") return std::string();
  if (type == "egress-policer" || type == "trtcm-policer")
    return fail(fmt::format("QoS type {} is not supported: it is one of DPDK's", type));
  return fail(fmt::format("QoS type \"{}\" is unknown", type));
}

std::string remove_command(const std::string& interface) {
  return fmt::format("qdisc del dev {} root\n", interface);
}

std::map<unsigned, std::string> parse_complaints(std::string_view text) {
  constexpr std::string_view kWhere = "Command failed -:";
  std::map<unsigned, std::string> complaints;
  std::string_view why;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(kWhere)) {
      if (why.empty() && !line.starts_with("Warning:")) why = line;  // what was done has warnings, too
      continue;
    }
    unsigned number = 0;
    std::from_chars(line.data() + kWhere.size(), line.data() + line.size(), number);
    complaints.emplace(number, why.empty() ? "tc does not say why" : why);
    why = {};
  }
  return complaints;
}

bool has_discipline(const std::string& interface) {
  auto socket = rtnetlink::Socket::open();
  auto request = about(interface);
  request.tcm_parent = TC_H_ROOT;
  bool found = false;
  if (!socket || request.tcm_ifindex == 0) return false;
  (void)socket->get(RTM_GETQDISC, bytes_of(request), [&](const nlmsghdr& message) {
    const auto* info = static_cast<const tcmsg*>(NLMSG_DATA(&message));
    found |= message.nlmsg_type == RTM_NEWQDISC && info->tcm_handle != 0;
  });
  return found;
}

Result<std::vector<QueueState>> read_queues(const std::string& interface) {
  SLUICE_ASSIGN(auto socket, rtnetlink::Socket::open());
  const auto request = about(interface);
  if (request.tcm_ifindex == 0) return fail(fmt::format("there is no interface {}", interface));
  std::map<std::uint32_t, QueueState> found;
  SLUICE_TRY(socket.list(RTM_GETTCLASS, bytes_of(request), [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWTCLASS) return;
    if (const auto queue = read_queue(message)) found[queue->number] = *queue;
  }));
  std::vector<QueueState> queues;
  for (const auto& [number, state] : found) queues.push_back(state);
  return queues;
}

}  // namespace sluice::port
