// Groups and meters of a bridge: sluice/group-…, sluice/meter-…. Lists are in the text of ovs-ofctl.
#include <array>
#include <charconv>

#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using action::GroupCommand;
using action::MeterCommand;
using unixctl::Args;

Result<ofproto::Ofproto*> get_bridge(bridge::Switch& device, const std::string& name) {
  auto* bridge = device.find_bridge(name);
  if (!bridge) return fail("there is no bridge \"" + name + "\"");
  return bridge;
}

Result<std::uint32_t> group_of(Args args) {
  if (args.size() < 2) return action::group_id::kAll;
  std::uint32_t id = 0;
  const std::string& text = args[1];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size())
    return fail("\"" + text + "\" is no group: expected its number");
  return id;
}

std::string text_of(Args args) {
  return args.size() > 1 ? args[1] : std::string();
}

}  // namespace

void add_group_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("sluice/group-list", "bridge [group]", 1, 2, [&device](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(const auto* bridge, get_bridge(device, args[0]));
    SLUICE_ASSIGN(const auto id, group_of(args));
    return bridge->dump_groups(id);
  });
  commands.add("sluice/group-stats", "bridge [group]", 1, 2, [&device](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(const auto* bridge, get_bridge(device, args[0]));
    SLUICE_ASSIGN(const auto id, group_of(args));
    device.push_stats();
    return bridge->dump_group_stats(id, device.now());
  });
  const std::pair<const char*, GroupCommand> kGroupCommands[] = {
      {"sluice/group-add", GroupCommand::Add},
      {"sluice/group-mod", GroupCommand::Modify},
      {"sluice/group-add-or-mod", GroupCommand::AddOrModify},
      {"sluice/group-del", GroupCommand::Delete},
      {"sluice/group-insert-buckets", GroupCommand::InsertBucket},
      {"sluice/group-remove-buckets", GroupCommand::RemoveBucket},
  };
  for (const auto& [name, command] : kGroupCommands) {
    const bool needs_text = command != GroupCommand::Delete;
    commands.add(name, needs_text ? "bridge groups" : "bridge [groups]", needs_text ? 2 : 1, 2,
                 [&device, how = command](Args args) -> Result<std::string> {
                   SLUICE_ASSIGN(auto* bridge, get_bridge(device, args[0]));
                   SLUICE_TRY(bridge->change_groups(text_of(args), how, device.now()));
                   return std::string();
                 });
  }

  commands.add("sluice/meter-list", "bridge", 1, 1, [&device](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(const auto* bridge, get_bridge(device, args[0]));
    std::string text;
    for (auto id = bridge->next_meter(0); id; id = bridge->next_meter(*id + 1))
      text += action::format_meter(bridge->meter(*id)) + "\n";
    return text;
  });
  commands.add("sluice/meter-stats", "bridge", 1, 1, [&device](Args args) -> Result<std::string> {
    SLUICE_ASSIGN(const auto* bridge, get_bridge(device, args[0]));
    std::string text;
    for (auto id = bridge->next_meter(0); id; id = bridge->next_meter(*id + 1))
      text += action::format_meter_counters(bridge->meter_counters(*id, device.now()));
    return text;
  });
  const std::pair<const char*, MeterCommand> kMeterCommands[] = {{"sluice/meter-add", MeterCommand::Add},
                                                                 {"sluice/meter-mod", MeterCommand::Modify},
                                                                 {"sluice/meter-del", MeterCommand::Delete}};
  for (const auto& [name, command] : kMeterCommands) {
    const bool needs_text = command != MeterCommand::Delete;
    commands.add(name, needs_text ? "bridge meter" : "bridge [meter]", needs_text ? 2 : 1, 2,
                 [&device, how = command](Args args) -> Result<std::string> {
                   SLUICE_ASSIGN(auto* bridge, get_bridge(device, args[0]));
                   SLUICE_TRY(bridge->change_meter(text_of(args), how, device.now()));
                   return std::string();
                 });
  }
}

}  // namespace sluice::daemon
