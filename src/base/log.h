// Logging in Open vSwitch's line format: `2026-11-22T10:36:13.209Z|00001|module|LEVEL|text`, a level for each
// module and destination, changed at run time (vlog/set). The daemon owns one Log and hands Loggers to
// whoever speaks.
//
// Nothing is logged per packet: what traffic does is counted. Log has no clock of its own: it is given one.
// Threads: any thread may log; a disabled level costs one relaxed load. Lines are written under one mutex.
// Source: ovs-appctl(8) "Logging Commands", and what the installed programs print.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::log {

/// In falling severity; a destination set to a level shows it and all that are more severe.
enum class Level : std::uint8_t { Off, Emer, Err, Warn, Info, Dbg };
enum class Destination : std::uint8_t { Console, Syslog, File };
inline constexpr unsigned kDestinations = 3;

/// "EMER", "ERR", "WARN", "INFO", "DBG", "OFF".
std::string_view level_name(Level level);

class Log;

/// A module's row in the level table. Owned by Log, at a stable address.
struct Module {
  std::string name;
  std::atomic<Level> most_verbose{Level::Info};  ///< of the destinations that are open
  Level levels[kDestinations] = {Level::Off, Level::Info, Level::Info};  ///< guarded by Log's mutex
  std::atomic<bool> rate_limited{true};
};

/// How often a message that the outside can provoke may be logged: a token bucket, refilled with `per_minute`
/// tokens up to `burst`. Owned by the place that logs, used by one thread.
class RateLimit {
 public:
  RateLimit(unsigned per_minute, unsigned burst)
      : per_minute_(per_minute), burst_(burst), tokens_(burst * kMinuteMs) {}

  /// Whether a message at `now_ms` may be logged; if not, it is counted.
  bool take(std::int64_t now_ms);
  /// A sentence on what was suppressed since the last call, empty if nothing was.
  std::string report(std::int64_t now_ms);

 private:
  static constexpr std::int64_t kMinuteMs =
      60'000;  ///< a message costs this much, a millisecond earns per_minute_
  std::int64_t per_minute_, burst_, tokens_;
  std::int64_t last_fill_ms_ = 0, first_dropped_ms_ = 0, last_dropped_ms_ = 0;
  std::uint64_t dropped_ = 0;
};

/// What a module logs through. A value of two pointers; valid as long as the Log. The default one is silent.
class Logger {
 public:
  Logger() = default;

  bool enabled(Level level) const {
    return module_ != nullptr && level <= module_->most_verbose.load(std::memory_order_relaxed);
  }

  template <typename... Args>
  void emer(fmt::format_string<Args...> format, Args&&... args) const {
    write(Level::Emer, format, args...);
  }
  template <typename... Args>
  void err(fmt::format_string<Args...> format, Args&&... args) const {
    write(Level::Err, format, args...);
  }
  template <typename... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    write(Level::Warn, format, args...);
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    write(Level::Info, format, args...);
  }
  template <typename... Args>
  void dbg(fmt::format_string<Args...> format, Args&&... args) const {
    write(Level::Dbg, format, args...);
  }
  template <typename... Args>
  void limited(RateLimit& limit, Level level, fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(level) && admit(limit, level)) line(level, format, fmt::make_format_args(args...));
  }

 private:
  friend class Log;
  Logger(Log* log, Module* module) : log_(log), module_(module) {}
  template <typename... Args>
  void write(Level level, fmt::string_view format, Args&... args) const {
    if (enabled(level)) line(level, format, fmt::make_format_args(args...));
  }
  void line(Level level, fmt::string_view format, fmt::format_args args) const;
  /// Asks the limit, unless limits are off for the module, and logs what it suppressed before.
  bool admit(RateLimit& limit, Level level) const;

  Log* log_ = nullptr;
  Module* module_ = nullptr;
};

class Log {
 public:
  /// Nanoseconds since 1970 (UTC).
  using WallClock = std::int64_t (*)();

  /// @param program  what %A and syslog show. At first console shows nothing, syslog and file (when open)
  /// INFO.
  Log(std::string program, WallClock wall_clock);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// The module's logger; registers the name at first use.
  Logger logger(std::string_view module);

  /// Starts appending to a file ("opened log file PATH" is its first line).
  Status open_file(const std::string& path);
  /// Closes and opens the file again, after it was rotated: vlog/reopen.
  Status reopen_file();
  void close_file();
  /// Console lines go to standard error; syslog through syslog(3). OVS_SYSLOG_METHOD=null is the caller's to
  /// honour.
  void enable_syslog(bool enabled);

  /// One word of vlog/set: "bridge:file:dbg", "ANY:console:off", "warn", "PATTERN:file:%m", "FACILITY:local1"
  /// (words also separated by spaces or commas). An empty one sets all to DBG. An unknown module is an error
  /// unless `accept_unknown_modules`.
  Status set(std::string_view spec, bool accept_unknown_modules = false);
  /// The tables that vlog/list and vlog/list-pattern print.
  std::string list() const;
  std::string list_patterns() const;
  /// vlog/enable-rate-limit and vlog/disable-rate-limit for a module; "any" or "" for all.
  Status set_rate_limit(std::string_view module, bool enabled);

 private:
  friend class Logger;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::log
