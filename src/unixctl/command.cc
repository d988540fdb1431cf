#include "unixctl/command.h"

#include <fmt/core.h>

namespace sluice::unixctl {

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    if (sink_) (*this)(fail("the command was abandoned"));
    sink_ = std::move(other.sink_);
  }
  return *this;
}

Reply::~Reply() {
  if (sink_) (*this)(fail("the command was abandoned"));
}

void Reply::operator()(Result<std::string> result) {
  const io::Held<Sink> sink = std::move(sink_);
  if (sink) sink->answer(std::move(result));
}

CommandRegistry::CommandRegistry(std::string program, std::string version) {
  add("list-commands", "", 0, 0, [this](Args) { return list(); });
  add("version", "", 0, 0,
      [text = fmt::format("{} (Sluice) {}\n", program, version)](Args) { return Result<std::string>(text); });
}

void CommandRegistry::add(std::string name, std::string usage, unsigned min_args, unsigned max_args,
                          Handler handler) {
  add_deferred(std::move(name), std::move(usage), min_args, max_args,
               [handler = std::move(handler)](Args args, Reply reply) { reply(handler(args)); });
}

void CommandRegistry::add_deferred(std::string name, std::string usage, unsigned min_args, unsigned max_args,
                                   DeferredHandler handler) {
  commands_[std::move(name)] = {std::move(usage), min_args, max_args, std::move(handler)};
}

void CommandRegistry::add_alias(std::string name, std::string_view of) {
  Command command = commands_.find(of)->second;
  command.hidden = true;
  commands_[std::move(name)] = std::move(command);
}

void CommandRegistry::remove(std::string_view name) {
  if (const auto found = commands_.find(name); found != commands_.end()) commands_.erase(found);
}

void CommandRegistry::run(std::string_view name, Args args, Reply reply) const {
  const auto found = commands_.find(name);
  if (found == commands_.end())
    return reply(fail(fmt::format(
        "\"{}\" is not a valid command (use \"list-commands\" to see a list of valid commands)", name)));
  const Command& command = found->second;
  if (args.size() < command.min_args)
    return reply(fail(fmt::format("\"{}\" command requires at least {} arguments", name, command.min_args)));
  if (args.size() > command.max_args)
    return reply(fail(fmt::format("\"{}\" command takes at most {} arguments", name, command.max_args)));
  const DeferredHandler handler = command.handler;  // the command may remove itself
  handler(args, std::move(reply));
}

std::string CommandRegistry::list(std::string_view prefix) const {
  std::string out = "The available commands are:\n";
  for (const auto& [name, command] : commands_)
    if (!command.hidden && name.starts_with(prefix)) out += fmt::format("  {:<23} {}\n", name, command.usage);
  return out;
}

}  // namespace sluice::unixctl
