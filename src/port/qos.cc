#include "port/qos.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <vector>

extern char** environ;

namespace sluice::port {

namespace {

constexpr std::array<std::string_view, 7> kTypes = {
    "linux-netem", "linux-fq_codel", "linux-codel", "linux-hfsc", "linux-noop", "linux-sfq", "linux-htb"};
/// Of a class: the kernel takes no rate below a frame a second (Open vSwitch's default).
constexpr std::uint64_t kLeastRate = 12'000;
constexpr std::uint64_t kDefaultLink = 10'000'000'000;
/// The class that all queues share.
constexpr std::uint32_t kRootClass = 0xfffe;

/// Runs tc with the words, `input` on its standard input. @return what it printed; the error is what it
/// complained
Result<std::string> run_tc(std::vector<std::string> words, const std::string& input) {
  words.insert(words.begin(), "tc");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) return fail("cannot run tc: " + std::system_category().message(errno));
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]), close(in[1]);
    return fail("cannot run tc: " + std::system_category().message(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
  pid_t child = -1;
  const int spawned = posix_spawnp(&child, "tc", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]), close(out[1]);
  // tc answers only what is wrong, so that it reads on while this is written. What it did not want to read,
  // it says.
  for (std::size_t at = 0; spawned == 0 && at < input.size();) {
    const ssize_t put = write(in[1], input.data() + at, input.size() - at);
    if (put > 0)
      at += static_cast<std::size_t>(put);
    else if (errno != EINTR)
      break;
  }
  close(in[1]);
  std::string text;
  std::array<char, 4096> buffer;
  while (spawned == 0) {
    const ssize_t got = read(out[0], buffer.data(), buffer.size());
    if (got == 0 || (got < 0 && errno != EINTR)) break;
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(out[0]);
  if (spawned != 0)
    return fail(
        fmt::format("cannot run tc ({}): it takes iproute2", std::system_category().message(spawned)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  return fail(text.substr(0, text.find('\n')));
}

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

// --- What tc prints

/// The word behind `key`.
std::string_view after(std::string_view line, std::string_view key) {
  const auto at = line.find(key);
  if (at == std::string_view::npos) return {};
  const auto rest = line.substr(at + key.size());
  return rest.substr(0, rest.find_first_of(" ,)\n"));
}

std::uint64_t parse_number(std::string_view word) {
  std::uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
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

std::vector<QueueState> parse_queues(std::string_view text) {
  std::map<std::uint32_t, QueueState> found;
  QueueState* queue = nullptr;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with("class ")) {
      queue = nullptr;
      const auto id = after(line, " 1:");
      std::uint32_t minor = 0;
      std::from_chars(id.data(), id.data() + id.size(), minor, 16);
      if (minor == 0 || minor > kMaxQueues) continue;
      queue = &found[minor - 1];
      queue->number = minor - 1;
    } else if (queue != nullptr && line.starts_with(" Sent ")) {
      queue->tx_bytes = parse_number(after(line, " Sent "));
      queue->tx_packets = parse_number(after(line, " bytes "));
      queue->tx_errors = parse_number(after(line, "(dropped "));
    }
  }
  std::vector<QueueState> queues;
  for (const auto& [number, state] : found) queues.push_back(state);
  return queues;
}

void remove_qos(const std::string& interface) {
  (void)run_tc({"qdisc", "del", "dev", interface, "root"}, {});  // there may be none
}

Status apply_qos(const std::string& interface, const QosConfig& config, std::uint64_t link) {
  SLUICE_ASSIGN(const std::string commands, qos_commands(interface, config, link));
  if (commands.empty()) return {};
  remove_qos(interface);
  if (const auto done = run_tc({"-batch", "-"}, commands); !done) {
    remove_qos(interface);
    return fail(fmt::format("{} can't be set up on {}: {}", config.type, interface, done.error().message));
  }
  return {};
}

Result<std::vector<QueueState>> read_queues(const std::string& interface) {
  SLUICE_ASSIGN(const std::string text, run_tc({"-statistics", "class", "show", "dev", interface}, {}));
  return parse_queues(text);
}

}  // namespace sluice::port
