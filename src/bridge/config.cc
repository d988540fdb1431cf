#include "bridge/config.h"

#include <fmt/core.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>

namespace sluice::bridge {

namespace {

/// Most bytes of a file that is read whole: a flow table of a million rules fits, a disk image read by
/// mistake does not.
constexpr std::size_t kMaxFileBytes = std::size_t{512} << 20;

/// Linux's limit for interface names (IFNAMSIZ less the terminator).
constexpr std::size_t kMaxInterfaceName = 15;

Status check_bridge(const BridgeConfig& bridge, std::set<std::string>& used_names) {
  if (const auto fault = name_fault(bridge.name, bridge.local == LocalPort::Internal); !fault.empty())
    return fail(fmt::format("bridge name \"{}\" {}", bridge.name, fault));
  if (!used_names.insert(bridge.name).second)
    return fail(
        fmt::format("the name \"{}\" is used twice: bridges and ports need names of their own", bridge.name));

  std::set<std::string> targets;
  for (const auto& controller : bridge.controllers) {
    if (auto status = ofproto::check_controller(controller); !status)
      return fail(fmt::format("bridge {}: {}", bridge.name, status.error().message));
    if (!targets.insert(controller.target).second)
      return fail(
          fmt::format("bridge {}: controller {} is configured twice", bridge.name, controller.target));
  }
  std::set<std::uint32_t> numbers;
  for (const auto& port : bridge.ports) {
    const bool interface = port.type == "system" || port.type == "internal" || port.type == "tap";
    if (const auto fault = name_fault(port.name, interface); !fault.empty())
      return fail(fmt::format("bridge {}: port name \"{}\" {}", bridge.name, port.name, fault));
    if (const auto fault = port_type_fault(port.type); !fault.empty())
      return fail(fmt::format("bridge {}: port {}: {}", bridge.name, port.name, fault));
    if (port.type == "patch" && !port.options.contains("peer"))
      return fail(
          fmt::format("bridge {}: port {}: type patch needs the option peer, the name of its other end",
                      bridge.name, port.name));
    if (!used_names.insert(port.name).second)
      return fail(
          fmt::format("the name \"{}\" is used twice: bridges and ports need names of their own", port.name));
    if (port.number && !numbers.insert(*port.number).second)
      return fail(fmt::format("bridge {}: port {}: OpenFlow port {} is taken by another port of the bridge",
                              bridge.name, port.name, *port.number));
  }
  return {};
}

}  // namespace

std::string name_fault(std::string_view name, bool interface) {
  if (name.empty()) return "is empty";
  if (interface && name.size() > kMaxInterfaceName)
    return fmt::format("is longer than {} characters", kMaxInterfaceName);
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ' || u == 0x7f || c == '/' || c == '"')
      return "holds a blank, a slash, a quote or a control character";
  }
  if (name == "." || name == "..") return "is not a name";
  return {};
}

std::string port_type_fault(std::string_view type) {
  for (const std::string_view known :
       {"system", "internal", "tap", "patch", "pcap", "dummy", "dummy-internal", "dummy-pmd"})
    if (type == known) return {};
  return fmt::format("unknown type \"{}\": expected {}", type, kPortTypes);
}

std::optional<std::uint64_t> parse_datapath_id(std::string_view text) {
  const bool prefixed = text.starts_with("0x");
  const auto digits = text.substr(prefixed ? 2 : 0);
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!whole || id == 0 || (!prefixed && digits.size() != 16)) return std::nullopt;
  return id;
}

Status check_config(const SwitchConfig& config) {
  if (config.workers == 0 || config.workers > kMaxWorkers)
    return fail(fmt::format("workers is {}: expected 1 to {}", config.workers, kMaxWorkers));
  const auto& ssl = config.ssl;
  if (const bool none = ssl == io::TlsFiles{};
      !none && (ssl.private_key.empty() || ssl.certificate.empty() || ssl.ca_cert.empty()))
    return fail("ssl: expected private_key, certificate and ca_cert, all three");
  std::set<std::string> used_names;
  for (const auto& bridge : config.bridges) SLUICE_TRY(check_bridge(bridge, used_names));
  return {};
}

std::string resolve_run_dir(const std::string& option, const std::string& configured) {
  if (!option.empty()) return option;
  for (const char* name : {"SLUICE_RUNDIR", "OVS_RUNDIR"})
    if (const char* value = std::getenv(name); value && *value) return value;
  return configured.empty() ? "/var/run/sluice" : configured;
}

Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (!file) return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  std::string text;
  char buffer[65536];
  while (!std::feof(file.get()) && !std::ferror(file.get())) {
    text.append(buffer, std::fread(buffer, 1, sizeof buffer, file.get()));
    if (text.size() > kMaxFileBytes)
      return fail(fmt::format("{}: is larger than {} bytes", path, kMaxFileBytes));
  }
  if (std::ferror(file.get())) return fail(fmt::format("{}: {}", path, std::strerror(errno)));
  return text;
}

Result<SwitchConfig> load_config(const std::string& path) {
  SLUICE_ASSIGN(const std::string text, read_file(path));
  return parse_config(text, path);
}

}  // namespace sluice::bridge
