#include "base/log.h"
#include "unixctl/server.h"

namespace sluice::unixctl {
namespace {

Result<std::string> text_of(Status status) {
  if (!status) return tl::unexpected(std::move(status.error()));
  return std::string();
}

/// The switch of rate limiting for the modules named, or for all.
Result<std::string> set_rate_limits(log::Log& log, Args modules, bool enabled) {
  if (modules.empty()) return text_of(log.set_rate_limit("", enabled));
  for (const std::string& module : modules) SLUICE_TRY(log.set_rate_limit(module, enabled));
  return std::string();
}

}  // namespace

void add_log_commands(CommandRegistry& commands, log::Log& log) {
  constexpr unsigned kAny = CommandRegistry::kAnyArgs;
  commands.add("vlog/set", "{spec | PATTERN:destination:pattern}", 0, kAny,
               [&log](Args args) -> Result<std::string> {
                 if (args.empty()) return text_of(log.set(""));
                 for (const std::string& spec : args) SLUICE_TRY(log.set(spec));
                 return std::string();
               });
  commands.add("vlog/list", "", 0, 0, [&log](Args) -> Result<std::string> { return log.list(); });
  commands.add("vlog/list-pattern", "", 0, 0,
               [&log](Args) -> Result<std::string> { return log.list_patterns(); });
  commands.add("vlog/reopen", "", 0, 0, [&log](Args) { return text_of(log.reopen_file()); });
  commands.add("vlog/close", "", 0, 0, [&log](Args) -> Result<std::string> {
    log.close_file();
    return std::string();
  });
  commands.add("vlog/enable-rate-limit", "[module]...", 0, kAny,
               [&log](Args args) { return set_rate_limits(log, args, true); });
  commands.add("vlog/disable-rate-limit", "[module]...", 0, kAny,
               [&log](Args args) { return set_rate_limits(log, args, false); });
}

}  // namespace sluice::unixctl
