#include "daemon/host_statistics.h"

#include <fmt/core.h>
#include <mntent.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <system_error>

#include "io/pidfile.h"

namespace sluice::daemon {

namespace {

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// "total,used,flushable,swap,swap used", in kilobytes.
std::optional<std::string> memory() {
  std::map<std::string, std::uint64_t, std::less<>> values;
  std::istringstream lines(read_all("/proc/meminfo"));
  std::string name, unit;
  for (std::uint64_t value; lines >> name >> value; std::getline(lines, unit)) values[name] = value;
  if (!values.contains("MemTotal:")) return std::nullopt;
  return fmt::format("{},{},{},{},{}", values["MemTotal:"], values["MemTotal:"] - values["MemFree:"],
                     values["Buffers:"] + values["Cached:"], values["SwapTotal:"],
                     values["SwapTotal:"] - values["SwapFree:"]);
}

/// Fields of /proc/PID/stat (proc(5)).
struct ProcessStat {
  std::string name;
  pid_t parent = 0;
  std::uint64_t ticks = 0, started = 0, virtual_bytes = 0, resident_pages = 0, processor = 0;
};
std::optional<ProcessStat> read_stat(pid_t pid) {
  const std::string text = read_all(fmt::format("/proc/{}/stat", pid));
  const auto open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(close + 1));
  std::vector<std::string> fields;  // from the third on
  for (std::string field; rest >> field;) fields.push_back(field);
  const auto number = [&](std::size_t place) {
    return place - 3 < fields.size() ? std::strtoull(fields[place - 3].c_str(), nullptr, 10) : 0;
  };
  constexpr std::size_t kParent = 4, kUser = 14, kSystem = 15, kStarted = 22, kVirtual = 23, kResident = 24,
                        kProcessor = 39;
  return ProcessStat{.name = text.substr(open + 1, close - open - 1),
                     .parent = static_cast<pid_t>(number(kParent)),
                     .ticks = number(kUser) + number(kSystem),
                     .started = number(kStarted),
                     .virtual_bytes = number(kVirtual),
                     .resident_pages = number(kResident),
                     .processor = number(kProcessor)};
}

/// A monitor's title tells of the crashes that it has seen: "monitoring pid 7 (2 crashes: …)".
std::uint64_t crashes_in(const std::string& title) {
  constexpr std::string_view kBefore = "monitoring pid ";
  const auto at = title.find(kBefore);
  const auto open = at == std::string::npos ? at : title.find('(', at);
  return open == std::string::npos ? 0 : std::strtoull(title.c_str() + open + 1, nullptr, 10);
}

/// "virtual kB,resident kB,processor ms,crashes,ms since the monitor's start,ms since its own,processor".
std::optional<std::string> process(pid_t pid) {
  const auto stat = read_stat(pid);
  if (!stat) return std::nullopt;
  const auto ticks_a_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto ms = [&](std::uint64_t ticks) { return ticks * 1000 / ticks_a_second; };
  const auto uptime_ms =
      static_cast<std::uint64_t>(std::strtod(read_all("/proc/uptime").c_str(), nullptr) * 1000);
  const auto age = [&](std::uint64_t started) { return uptime_ms - std::min(uptime_ms, ms(started)); };
  // A parent of the same name is the monitor.
  const auto parent = read_stat(stat->parent);
  const bool monitored = parent && parent->name == stat->name;
  const std::uint64_t crashes =
      monitored ? crashes_in(read_all(fmt::format("/proc/{}/cmdline", stat->parent))) : 0;
  return fmt::format("{},{},{},{},{},{},{}", stat->virtual_bytes / 1024, stat->resident_pages * page / 1024,
                     ms(stat->ticks), crashes, age(monitored ? parent->started : stat->started),
                     age(stat->started), stat->processor);
}

/// "mount point,kB,kB in use" of each file system of a device that can be written. Others may keep who asks
/// waiting.
std::string file_systems() {
  std::string all;
  std::FILE* const mounts = ::setmntent("/proc/self/mounts", "re");
  if (mounts == nullptr) return all;
  mntent entry;
  char buffer[4096];
  while (::getmntent_r(mounts, &entry, buffer, sizeof buffer) != nullptr) {
    struct statvfs info;
    const bool local = std::string_view(entry.mnt_fsname).starts_with("/dev");
    if (!local || ::hasmntopt(&entry, MNTOPT_RO) != nullptr || ::statvfs(entry.mnt_dir, &info) != 0) continue;
    std::string point = entry.mnt_dir;
    std::replace_if(point.begin(), point.end(), [](char c) { return c == ' ' || c == ','; }, '_');
    const std::uint64_t block = info.f_frsize;
    all += fmt::format("{}{},{},{}", all.empty() ? "" : " ", point, info.f_blocks * block / 1024,
                       (info.f_blocks - info.f_bfree) * block / 1024);
  }
  ::endmntent(mounts);
  return all;
}

}  // namespace

HostStatistics host_statistics(const std::string& run_dir, const std::string& own_pidfile) {
  HostStatistics all;
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0)
    all.emplace_back("cpu", std::to_string(CPU_COUNT(&cpus)));
  double load[3];
  if (::getloadavg(load, 3) == 3)
    all.emplace_back("load_average", fmt::format("{:.2f},{:.2f},{:.2f}", load[0], load[1], load[2]));
  if (auto text = memory()) all.emplace_back("memory", std::move(*text));
  if (auto text = file_systems(); !text.empty()) all.emplace_back("file_systems", std::move(text));
  std::error_code error;
  // increment() tells errors; the loop over a range would throw them.
  for (std::filesystem::directory_iterator at(run_dir, error), end; at != end; at.increment(error)) {
    const auto& file = *at;
    if (file.path().extension() != ".pid") continue;
    // The own pid file must not be opened: its lock would go.
    const bool own = !own_pidfile.empty() && std::filesystem::equivalent(file.path(), own_pidfile, error);
    const auto pid = own ? Result<pid_t>(::getpid()) : io::read_pidfile(file.path());
    auto text = pid ? process(*pid) : std::nullopt;
    if (text) all.emplace_back("process_" + file.path().stem().string(), std::move(*text));
  }
  return all;
}

}  // namespace sluice::daemon
