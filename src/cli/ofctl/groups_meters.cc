// The verbs about groups and meters.
#include <fmt/core.h>

#include <charconv>

#include "action/group_spec.h"
#include "action/meter_spec.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/flow_messages.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

using action::GroupCommand;
using action::GroupSpec;
using action::MeterCommand;
using action::Protocols;
using openflow::OfVersion;

namespace {

/// Buckets with ids came with 1.5; Nicira's form for 1.0 has them too.
constexpr Protocols kWithBucketIds = Protocols::kAnyOf10 | Protocols::kAnyNxm | Protocols::kOf15;

Status check_bucket_commands(const GroupSpec& group, OfVersion version) {
  const bool insert = group.command == GroupCommand::InsertBucket;
  if (!insert && group.command != GroupCommand::RemoveBucket) return {};
  if (version == OfVersion::k10 || version >= OfVersion::k15) return {};
  return needs_version(insert ? "insert-bucket" : "remove-bucket", OfVersion::k15);
}

Result<int> send_groups(Run& run, const std::vector<GroupSpec>& groups) {
  const std::string& target = run.words[0];
  Protocols::Bit format{};
  Protocols usable;
  for (const GroupSpec& group : groups)
    if (group.command == GroupCommand::RemoveBucket) usable = kWithBucketIds;
  if (run.options.bundle) usable = usable & Protocols(Protocols::kOf13Up);
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, target, usable, format));
  MessageList messages;
  for (const GroupSpec& group : groups) {
    SLUICE_TRY(check_bucket_commands(group, connection.version()));
    messages.add(openflow::encode(openflow::make_message(openflow::GroupMod{group}, connection.dialect, 0)));
  }
  if (run.options.bundle) {
    SLUICE_TRY(send_bundle(run, connection, messages));
    return 0;
  }
  SLUICE_ASSIGN(const bool done, send_all(run, connection, target, messages));
  return done ? 0 : 1;
}

/// Groups of the second word: one, "-" for standard input, or with `is_file` a file of them.
Result<int> change_groups(Run& run, GroupCommand command, bool is_file) {
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, run.words[0]));
  std::vector<GroupSpec> groups;
  const std::string word = run.has(1) ? run.words[1] : "";
  if (!is_file && word != "-") {
    SLUICE_ASSIGN(GroupSpec group, action::parse_group(word, command, names.names()));
    groups.push_back(std::move(group));
    return send_groups(run, groups);
  }
  SLUICE_ASSIGN(const std::string text, read_file(word, "open failed"));
  action::FlowLines lines(text, {}, false);
  while (const auto line = lines.next()) {
    auto group = action::parse_group(line->text, command, names.names());
    if (!group) return fail(fmt::format("{}:{}: {}", word, line->number, group.error().message));
    groups.push_back(std::move(*group));
  }
  return send_groups(run, groups);
}

/// A group by number, ALL or ANY; what is none of these is all of them.
std::uint32_t parse_group_number(Run& run, const std::string& text) {
  std::uint32_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc{} && end == text.data() + text.size()) return number;
  if (text == "ANY" || text == "any") return action::group_id::kAny;
  if (text != "ALL" && text != "all")
    run.log.logger("ofp_group")
        .warn(
            "{} is not a valid group ID.  (Valid group IDs are 32-bit nonnegative integers or the keywords "
            "ANY or "
            "ALL.)",
            text);
  return action::group_id::kAll;
}

}  // namespace

Result<int> add_group(Run& run) {
  return change_groups(run, GroupCommand::Add, false);
}
Result<int> add_groups(Run& run) {
  return change_groups(run, GroupCommand::Add, true);
}
Result<int> mod_group(Run& run) {
  return change_groups(run, run.options.may_create ? GroupCommand::AddOrModify : GroupCommand::Modify, false);
}
Result<int> del_groups(Run& run) {
  if (run.has(1)) return change_groups(run, GroupCommand::Delete, false);
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, run.words[0]));
  return send_groups(run, {{.command = GroupCommand::Delete, .id = action::group_id::kAll}});
}
Result<int> insert_buckets(Run& run) {
  return change_groups(run, GroupCommand::InsertBucket, false);
}
Result<int> remove_buckets(Run& run) {
  return change_groups(run, GroupCommand::RemoveBucket, false);
}

Result<int> dump_groups(Run& run) {
  openflow::GroupDescRequest request;
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0]));
  if (run.has(1)) request.group = parse_group_number(run, run.words[1]);
  SLUICE_TRY(dump(run, connection, run.words[0], request));
  return 0;
}

Result<int> dump_group_stats(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, target));
  openflow::GroupStatsRequest request;
  if (run.has(1)) {
    SLUICE_ASSIGN(const GroupSpec group,
                  action::parse_group(run.words[1], GroupCommand::Delete, names.names()));
    request.group = group.id;
  }
  return dump(run, target, request);
}

Result<int> dump_group_features(Run& run) {
  return dump(run, run.words[0], openflow::GroupFeaturesRequest{});
}

namespace {

constexpr Protocols kWithMeters = Protocols::kOf13Up;

Result<int> change_meter(Run& run, MeterCommand command) {
  openflow::MeterMod mod;
  if (run.has(1)) {
    SLUICE_ASSIGN(mod.meter, action::parse_meter(run.words[1], command));
  } else {
    mod.meter.id = action::meter_id::kAll;
  }
  mod.meter.command = command;
  Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, run.words[0], kWithMeters, format));
  SLUICE_ASSIGN(const bool done, change(run, connection, run.words[0], std::move(mod)));
  return done ? 0 : 1;
}

template <typename Request>
Result<int> ask_about_meter(Run& run) {
  Request request;
  if (run.has(1)) {
    SLUICE_ASSIGN(const auto meter, action::parse_meter(run.words[1], MeterCommand::Delete));
    request.meter = meter.id;
  }
  Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, run.words[0], kWithMeters, format));
  SLUICE_TRY(dump(run, connection, run.words[0], request));
  return 0;
}

}  // namespace

Result<int> add_meter(Run& run) {
  return change_meter(run, MeterCommand::Add);
}
Result<int> mod_meter(Run& run) {
  return change_meter(run, MeterCommand::Modify);
}
Result<int> del_meters(Run& run) {
  return change_meter(run, MeterCommand::Delete);
}
Result<int> dump_meters(Run& run) {
  return ask_about_meter<openflow::MeterConfigRequest>(run);
}
Result<int> meter_stats(Run& run) {
  return ask_about_meter<openflow::MeterStatsRequest>(run);
}
Result<int> meter_features(Run& run) {
  Protocols::Bit format{};
  SLUICE_ASSIGN(Connection connection, open_for_flows(run, run.words[0], kWithMeters, format));
  SLUICE_TRY(dump(run, connection, run.words[0], openflow::MeterFeaturesRequest{}));
  return 0;
}

}  // namespace sluice::cli::ofctl
