#include "cli/ofctl/log.h"

#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>

namespace sluice::cli::ofctl {

namespace {

struct LevelName {
  std::string_view word, shown;
  Log::Level level;
};
constexpr LevelName kLevels[] = {
    {"off", "OFF", Log::Level::Off},    {"emer", "EMER", Log::Level::Emer}, {"err", "ERR", Log::Level::Error},
    {"warn", "WARN", Log::Level::Warn}, {"info", "INFO", Log::Level::Info}, {"dbg", "DBG", Log::Level::Debug},
};

std::string timestamp() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

Status Log::set(std::string_view spec) {
  std::optional<Level> level;
  std::string module;
  bool elsewhere = false;
  while (!spec.empty()) {
    const auto end = spec.find_first_of(" ,:");
    const std::string_view word = spec.substr(0, end);
    spec = end == std::string_view::npos ? std::string_view{} : spec.substr(end + 1);
    if (word.empty() || word == "ANY" || word == "any" || word == "console") continue;
    if (word == "syslog" || word == "file") {
      elsewhere = true;
      continue;
    }
    bool known = false;
    for (const LevelName& name : kLevels) {
      if (name.word != word) continue;
      level = name.level;
      known = true;
    }
    if (known) continue;
    if (!module.empty()) return fail(fmt::format("no destination, level, or module \"{}\"", word));
    module = word;
  }
  if (elsewhere) return {};
  if (module.empty()) {
    any_ = level.value_or(Level::Debug);
    modules_.clear();
  } else {
    modules_[module] = level.value_or(Level::Debug);
  }
  return {};
}

bool Log::wants(std::string_view module, Level level) const {
  const auto found = modules_.find(module);
  return level <= (found != modules_.end() ? found->second : any_);
}

void Log::write(std::string_view module, Level level, std::string_view text) {
  if (!wants(module, level)) return;
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::string_view shown;
  for (const LevelName& name : kLevels)
    if (name.level == level) shown = name.shown;
  fmt::print(stderr, "{}|{:05}|{}|{}|{}\n", timestamp(), ++written_, module, shown, text);
}

}  // namespace sluice::cli::ofctl
