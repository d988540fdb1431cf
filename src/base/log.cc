#include "base/log.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace sluice::log {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"OFF", "EMER", "ERR", "WARN", "INFO", "DBG"};
constexpr std::array<std::string_view, kDestinations> kDestinationNames = {"CONSOLE", "SYSLOG", "FILE"};
constexpr std::array<int, 6> kSyslogLevels = {LOG_DEBUG,   LOG_ALERT,  LOG_ERR,
                                              LOG_WARNING, LOG_NOTICE, LOG_DEBUG};

/// By their numbers of RFC 5424 section 6.2.1.
constexpr std::array<std::string_view, 24> kFacilityNames = {
    "kern",   "user",   "mail",   "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "clock",  "",       "ftp",    "ntp",    "audit",  "alert",  "clock2",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};
constexpr unsigned kFacilityShift = 3;

std::string_view default_pattern(Destination destination) {
  switch (destination) {
    case Destination::Console:
      return "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m";
    case Destination::Syslog:
      return "ovs|%05N|%c%T|%p|%m";
    case Destination::File:
      return "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m";
  }
  return {};
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// The place of `word` in `names`, or nothing; case does not count.
template <std::size_t N>
std::optional<unsigned> find_word(const std::array<std::string_view, N>& names, std::string_view word) {
  for (unsigned i = 0; i < N; ++i)
    if (same_word(names[i], word)) return i;
  return std::nullopt;
}

/// strftime() of a point in time, where a run of # becomes the fraction of the second (milliseconds, then
/// zeros).
std::string format_time(std::int64_t ns, std::string_view format, bool utc) {
  const std::time_t seconds = ns / 1'000'000'000;
  std::string with_fraction(format);
  const std::string digits = fmt::format("{:03}", ns / 1'000'000 % 1'000);
  for (std::size_t i = 0, run = 0; i < with_fraction.size(); ++i) {
    run = with_fraction[i] == '#' ? run + 1 : 0;
    if (run > 0) with_fraction[i] = run <= digits.size() ? digits[run - 1] : '0';
  }
  std::tm broken{};
  if (utc)
    gmtime_r(&seconds, &broken);
  else
    localtime_r(&seconds, &broken);
  char text[256];
  return {text, std::strftime(text, sizeof text, with_fraction.c_str(), &broken)};
}

/// What the escapes of a pattern stand for.
struct Line {
  std::string_view program, module, text;
  Level level;
  std::uint64_t serial;
  std::int64_t now_ns, start_ns;
  int facility;
};

/// One escape of ovs-appctl(8), vlog/set; unknown ones stand for themselves.
std::string expand(char escape, std::string_view argument, const Line& line) {
  switch (escape) {
    case 'A':
      return std::string(line.program);
    case 'B':
      return fmt::format("{}", line.facility | kSyslogLevels[static_cast<unsigned>(line.level)]);
    case 'c':
      return std::string(line.module);
    case 'd':
    case 'D':
      return format_time(line.now_ns, argument.empty() ? "%Y-%m-%d %H:%M:%S" : argument, escape == 'D');
    case 'E': {
      char host[256] = {};
      return gethostname(host, sizeof host - 1) == 0 ? host : "localhost";
    }
    case 'm':
      return std::string(line.text);
    case 'N':
      return fmt::format("{}", line.serial);
    case 'n':
      return "\n";
    case 'p':
      return std::string(level_name(line.level));
    case 'P':
      return fmt::format("{}", getpid());
    case 'r':
      return fmt::format("{}", (line.now_ns - line.start_ns) / 1'000'000);
    case 't':
      return "main";
    case 'T':
      return {};
    default:
      return std::string(1, escape);
  }
}

std::string format_line(std::string_view pattern, const Line& line) {
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    ++i;
    bool left = false;
    char fill = ' ';
    std::size_t width = 0;
    if (pattern[i] == '-' && i + 1 < pattern.size()) left = true, ++i;
    if (pattern[i] == '0' && i + 1 < pattern.size()) fill = '0', ++i;
    while (pattern[i] >= '0' && pattern[i] <= '9' && i + 1 < pattern.size())
      width = std::min<std::size_t>(width * 10 + static_cast<std::size_t>(pattern[i++] - '0'), 1000);
    const char escape = pattern[i];
    std::string_view argument;
    if (i + 1 < pattern.size() && pattern[i + 1] == '{') {
      const std::size_t end = pattern.find('}', i);
      if (end != std::string_view::npos) {
        argument = pattern.substr(i + 2, end - i - 2);
        i = end;
      }
    }
    const std::string text = expand(escape, argument, line);
    const std::string padding(width > text.size() ? width - text.size() : 0, fill);
    out += left ? text + padding : padding + text;
  }
  return out;
}

/// What a word of vlog/set asks for; unset = all modules, all destinations, DBG.
struct Spec {
  std::string module;
  std::optional<unsigned> destination;
  std::optional<Level> level;
};

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nowhere left to complain to
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string_view level_name(Level level) {
  return kLevelNames[static_cast<unsigned>(level)];
}

struct Log::Impl {
  std::string program;
  WallClock wall_clock;
  std::int64_t start_ns;

  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<Module>, std::less<>> modules;
  Level defaults[kDestinations] = {Level::Off, Level::Info,
                                   Level::Info};  ///< for modules that register later
  std::string patterns[kDestinations];
  std::FILE* file = nullptr;
  std::string file_path;
  bool syslog_open = false;
  int facility = LOG_DAEMON;
  std::uint64_t serial = 0;

  Impl(std::string name, WallClock clock) : program(std::move(name)), wall_clock(clock), start_ns(clock()) {
    for (unsigned d = 0; d < kDestinations; ++d) patterns[d] = default_pattern(static_cast<Destination>(d));
  }

  // All below: mutex held.

  bool open(unsigned destination) const {
    switch (static_cast<Destination>(destination)) {
      case Destination::Console:
        return true;
      case Destination::Syslog:
        return syslog_open;
      case Destination::File:
        return file != nullptr;
    }
    return false;
  }

  void refresh(Module& module) const {
    Level most = Level::Off;
    for (unsigned d = 0; d < kDestinations; ++d)
      if (open(d)) most = std::max(most, module.levels[d]);
    module.most_verbose.store(most, std::memory_order_relaxed);
  }
  void refresh_all() {
    for (auto& [name, module] : modules) refresh(*module);
  }

  Module& find_or_add(std::string_view name) {
    if (const auto found = modules.find(name); found != modules.end()) return *found->second;
    auto module = std::make_unique<Module>();
    module->name = name;
    std::copy(std::begin(defaults), std::end(defaults), std::begin(module->levels));
    refresh(*module);
    return *modules.emplace(std::string(name), std::move(module)).first->second;
  }

  void write(const Module& module, Level level, std::string_view text) {
    const Line line{program, module.name, text, level, ++serial, wall_clock(), start_ns, facility};
    for (unsigned d = 0; d < kDestinations; ++d) {
      if (!open(d) || level > module.levels[d]) continue;
      const std::string out = format_line(patterns[d], line);
      switch (static_cast<Destination>(d)) {
        case Destination::Console:
          write_all(STDERR_FILENO, out + "\n");
          break;
        case Destination::Syslog:
          syslog(facility | kSyslogLevels[static_cast<unsigned>(level)], "%s", out.c_str());
          break;
        case Destination::File:
          write_all(fileno(file), out + "\n");
          break;
      }
    }
  }

  Result<Spec> parse(std::string_view text, bool accept_unknown_modules) const {
    Spec spec;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find_first_of(" ,:"), text.size());
      const std::string_view word = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (word.empty() || same_word(word, "any")) continue;
      if (const auto destination = find_word(kDestinationNames, word)) {
        if (spec.destination) return fail("cannot specify multiple destinations");
        spec.destination = destination;
      } else if (const auto level = find_word(kLevelNames, word)) {
        if (spec.level) return fail("cannot specify multiple levels");
        spec.level = static_cast<Level>(*level);
      } else {
        const auto module = std::find_if(modules.begin(), modules.end(),
                                         [&](const auto& row) { return same_word(row.first, word); });
        if (module == modules.end() && !accept_unknown_modules)
          return fail(fmt::format("no destination, level, or module \"{}\"", word));
        if (!spec.module.empty()) return fail("cannot specify multiple modules");
        spec.module = module == modules.end() ? std::string(word) : module->first;
      }
    }
    return spec;
  }

  /// "DESTINATION:PATTERN", what follows "PATTERN:".
  Status set_pattern(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const auto destination = find_word(kDestinationNames, name);
    if (!destination) return fail(fmt::format("unknown destination \"{}\"", name));
    if (colon == std::string_view::npos)
      patterns[*destination] = default_pattern(static_cast<Destination>(*destination));
    else
      patterns[*destination] = text.substr(colon + 1);
    return {};
  }

  Status set_facility(std::string_view name) {
    const auto number = name.empty() ? std::nullopt : find_word(kFacilityNames, name);
    if (!number) return fail("invalid facility");
    facility = static_cast<int>(*number << kFacilityShift);
    return {};
  }

  Status open_file_locked(const std::string& path) {
    std::FILE* opened = std::fopen(path.c_str(), "ae");
    if (opened == nullptr)
      return fail(fmt::format("cannot open log file {}: {}", path, std::strerror(errno)));
    if (file != nullptr) std::fclose(file);
    file = opened;
    file_path = path;
    refresh_all();
    Module& self = find_or_add("vlog");
    if (Level::Info <= self.most_verbose.load(std::memory_order_relaxed))
      write(self, Level::Info, fmt::format("opened log file {}", path));
    return {};
  }
};

Log::Log(std::string program, WallClock wall_clock)
    : impl_(std::make_unique<Impl>(std::move(program), wall_clock)) {}

Log::~Log() {
  close_file();
  enable_syslog(false);
}

Logger Log::logger(std::string_view module) {
  const std::lock_guard lock(impl_->mutex);
  return {this, &impl_->find_or_add(module)};
}

Status Log::open_file(const std::string& path) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open_file_locked(path);
}

Status Log::reopen_file() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->file_path.empty()) return fail("Logging to file not configured");
  return impl_->open_file_locked(impl_->file_path);
}

void Log::close_file() {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->file != nullptr) std::fclose(impl_->file);
  impl_->file = nullptr;
  impl_->refresh_all();
}

void Log::enable_syslog(bool enabled) {
  const std::lock_guard lock(impl_->mutex);
  if (enabled == impl_->syslog_open) return;
  if (enabled)
    openlog(impl_->program.c_str(), LOG_NDELAY, LOG_DAEMON);
  else
    closelog();
  impl_->syslog_open = enabled;
  impl_->refresh_all();
}

Status Log::set(std::string_view spec, bool accept_unknown_modules) {
  const std::lock_guard lock(impl_->mutex);
  constexpr std::string_view kPattern = "PATTERN:";
  if (same_word(spec.substr(0, kPattern.size()), kPattern))
    return impl_->set_pattern(spec.substr(kPattern.size()));
  const auto separator = spec.find_first_of(" ,:");
  if (same_word(spec.substr(0, separator), "FACILITY"))
    return impl_->set_facility(separator == std::string_view::npos ? "" : spec.substr(separator + 1));

  SLUICE_ASSIGN(const Spec wanted, impl_->parse(spec, accept_unknown_modules));
  const Level level = wanted.level.value_or(Level::Dbg);
  const auto apply = [&](Level* levels) {
    for (unsigned d = 0; d < kDestinations; ++d)
      if (!wanted.destination || *wanted.destination == d) levels[d] = level;
  };
  if (wanted.module.empty()) {
    apply(impl_->defaults);
    for (auto& [name, module] : impl_->modules) apply(module->levels);
  } else {
    apply(impl_->find_or_add(wanted.module).levels);
  }
  impl_->refresh_all();
  return {};
}

std::string Log::list() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out =
      "                 console    syslog    file\n"
      "                 -------    ------    ------\n";
  for (const auto& [name, module] : impl_->modules) {
    out += fmt::format("{:<16}  {:>4}       {:>4}       {:>4}", name, level_name(module->levels[0]),
                       level_name(module->levels[1]), level_name(module->levels[2]));
    if (!module->rate_limited.load(std::memory_order_relaxed)) out += "    (rate limiting disabled)";
    out += '\n';
  }
  return out;
}

std::string Log::list_patterns() const {
  const std::lock_guard lock(impl_->mutex);
  std::string out =
      "         prefix                            format\n"
      "         ------                            ------\n";
  out += fmt::format("{:<9}{:<34}{}\n", "SYSLOG",
                     "<%B> %D{%h %e %T} %E %A:", impl_->patterns[static_cast<unsigned>(Destination::Syslog)]);
  out += fmt::format("{:<9}{:<34}{}\n", "CONSOLE", "none",
                     impl_->patterns[static_cast<unsigned>(Destination::Console)]);
  out += fmt::format("{:<9}{:<34}{}\n", "FILE", "none",
                     impl_->patterns[static_cast<unsigned>(Destination::File)]);
  return out;
}

Status Log::set_rate_limit(std::string_view module, bool enabled) {
  const std::lock_guard lock(impl_->mutex);
  const bool all = module.empty() || same_word(module, "any");
  bool found = all;
  for (auto& [name, row] : impl_->modules) {
    if (!all && !same_word(name, module)) continue;
    row->rate_limited.store(enabled, std::memory_order_relaxed);
    found = true;
  }
  return found ? Status{} : fail("unknown module");
}

void Logger::line(Level level, fmt::string_view format, fmt::format_args args) const {
  const std::string text = fmt::vformat(format, args);
  const std::lock_guard lock(log_->impl_->mutex);
  log_->impl_->write(*module_, level, text);
}

bool Logger::admit(RateLimit& limit, Level level) const {
  if (!module_->rate_limited.load(std::memory_order_relaxed)) return true;
  const std::int64_t now_ms = log_->impl_->wall_clock() / 1'000'000;
  if (!limit.take(now_ms)) return false;
  if (const std::string report = limit.report(now_ms); !report.empty()) write(level, "{}", report);
  return true;
}

bool RateLimit::take(std::int64_t now_ms) {
  if (last_fill_ms_ == 0) last_fill_ms_ = now_ms;
  const std::int64_t earned =
      std::clamp<std::int64_t>(now_ms - last_fill_ms_, 0, kMinuteMs * 60) * per_minute_;
  last_fill_ms_ = now_ms;
  tokens_ = std::min(tokens_ + earned, burst_ * kMinuteMs);
  if (tokens_ >= kMinuteMs) {
    tokens_ -= kMinuteMs;
    return true;
  }
  if (dropped_++ == 0) first_dropped_ms_ = now_ms;
  last_dropped_ms_ = now_ms;
  return false;
}

std::string RateLimit::report(std::int64_t now_ms) {
  if (dropped_ == 0) return {};
  const std::string text = fmt::format(
      "Dropped {} log messages in last {} seconds (most recently, {} seconds ago) due to excessive rate",
      dropped_, (now_ms - first_dropped_ms_) / 1000, (now_ms - last_dropped_ms_) / 1000);
  dropped_ = 0;
  return text;
}

}  // namespace sluice::log
