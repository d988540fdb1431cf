// Group-mods: what they do to the groups of a pipeline, and to the flows that refer to them.
#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "action/all_actions.h"
#include "field/of_error.h"
#include "pipeline/table.h"
#include "pipeline/table_change.h"

namespace sluice::pipeline {

using action::GroupCommand;
using action::GroupSpec;
using field::OfError;

namespace {

/// What the group's description takes of a message of OpenFlow 1.5.
std::size_t described_bytes(const GroupSpec& spec) {
  constexpr std::size_t kGroupBytes = 16, kHeaderBytes = 8, kOldHeaderBytes = 16, kPropertyBytes = 8;
  constexpr std::size_t kSelectionBytes = 40, kFieldBytes = 4;
  ByteWriter actions;
  std::size_t bytes = kGroupBytes;
  if (spec.selection != action::SelectionMethod::Default) bytes += kSelectionBytes;
  for (const action::SelectionField& field : spec.fields)
    bytes += kFieldBytes + field::spec(field.field).wire_bytes;
  for (const action::Bucket& bucket : spec.buckets) {
    action::encode_actions(bucket.actions, action::OfVersion::k15, actions);
    const std::size_t properties = std::size_t{bucket.weight != 0} +
                                   std::size_t{bucket.watch_port != action::of_port::kNone} +
                                   std::size_t{bucket.watch_group != action::group_id::kAny};
    bytes += std::max(kOldHeaderBytes, kHeaderBytes + properties * kPropertyBytes);
  }
  return bytes + actions.size();
}

/// @return the bytes of its description
Result<std::size_t> check_buckets(const GroupSpec& spec) {
  SLUICE_TRY(action::check_group(spec));
  const std::size_t bytes = described_bytes(spec);
  if (bytes > FlowTables::kMaxGroupBytes)
    return field::fail(fmt::format("group {}: its buckets fit no message (OFPGMFC_OUT_OF_BUCKETS)", spec.id),
                       OfError::GmfcOutOfBuckets);
  for (const action::Bucket& bucket : spec.buckets) {
    SLUICE_TRY(action::check_executable(bucket.actions));
    // A bucket is an action set: what packets it meets is known when it runs.
    action::ActionList as_set;
    as_set.push_back(action::WriteActions{bucket.actions});
    SLUICE_TRY(action::check(as_set, flow::Match{}));
  }
  return bytes;
}

}  // namespace

Status FlowTables::apply_one(const GroupSpec& group, Instant now, Change& change) {
  SLUICE_ASSIGN(const std::size_t bytes, check_buckets(group));
  Group* old = groups_.current(group.id);
  switch (group.command) {
    case GroupCommand::Add:
    case GroupCommand::Modify:
    case GroupCommand::AddOrModify: {
      if (old && group.command == GroupCommand::Add)
        return field::fail(fmt::format("group {} exists already", group.id), OfError::GmfcGroupExists);
      if (!old && group.command == GroupCommand::Modify)
        return field::fail(fmt::format("group {} does not exist", group.id), OfError::GmfcUnknownGroup);
      if (!old && group_count_ >= kMaxGroups)
        return field::fail(fmt::format("there are {} groups, and may not be more", kMaxGroups),
                           OfError::GmfcOutOfGroups);
      SLUICE_TRY(check_room(group, bytes, old));
      if (leads_to(group, group.id))
        return field::fail(fmt::format("group {} would lead to itself", group.id), OfError::GmfcLoop);
      const Instant created = old ? old->created() : now;
      if (old) take_group(*old, change);
      put_group(group, bytes, created, change);
      return {};
    }
    case GroupCommand::Delete:
      if (group.id == action::group_id::kAll) {
        count_effort(group_count_ + change.group_steps.size());
        for (Group* each : groups_.all()) delete_group(*each, change);
      } else if (old) {
        delete_group(*old, change);
      }
      return {};
    case GroupCommand::InsertBucket:
    case GroupCommand::RemoveBucket:
      return change_buckets(group, change);
  }
  return field::fail("group: unknown command", OfError::GmfcBadCommand);
}

Status FlowTables::change_buckets(const GroupSpec& spec, Change& change) {
  Group* old = groups_.current(spec.id);
  if (!old) return field::fail(fmt::format("group {} does not exist", spec.id), OfError::GmfcUnknownGroup);
  GroupSpec next = old->spec();
  next.command = GroupCommand::Add;
  auto& buckets = next.buckets;
  const auto find = [&](std::uint32_t id) {
    return std::find_if(buckets.begin(), buckets.end(), [id](const action::Bucket& b) { return b.id == id; });
  };
  const bool named = spec.command_bucket <= action::bucket_id::kMax;
  if (named && find(spec.command_bucket) == buckets.end())
    return field::fail(fmt::format("group {} has no bucket {}", spec.id, spec.command_bucket),
                       OfError::GmfcUnknownBucket);

  if (spec.command == GroupCommand::InsertBucket) {
    std::unordered_set<std::uint32_t, KeyedHash> ids(0, group_users_.hash_function());
    for (const action::Bucket& bucket : buckets) ids.insert(bucket.id);
    for (const action::Bucket& bucket : spec.buckets)
      if (ids.contains(bucket.id))
        return field::fail(fmt::format("group {} has a bucket {} already", spec.id, bucket.id),
                           OfError::GmfcBucketExists);
    const auto place =
        named ? find(spec.command_bucket) + 1
              : (spec.command_bucket == action::bucket_id::kFirst ? buckets.begin() : buckets.end());
    buckets.insert(place, spec.buckets.begin(), spec.buckets.end());
  } else if (spec.command_bucket == action::bucket_id::kAll) {
    buckets.clear();
  } else if (!buckets.empty()) {
    buckets.erase(
        named ? find(spec.command_bucket)
              : (spec.command_bucket == action::bucket_id::kFirst ? buckets.begin() : buckets.end() - 1));
  }
  SLUICE_ASSIGN(const std::size_t bytes, check_buckets(next));
  SLUICE_TRY(check_room(next, bytes, old));
  if (leads_to(next, next.id))
    return field::fail(fmt::format("group {} would lead to itself", next.id), OfError::GmfcLoop);
  const Instant created = old->created();
  take_group(*old, change);
  put_group(std::move(next), bytes, created, change);
  return {};
}

/// Whether packets that enter `from` can come to the group `id` by way of buckets.
bool FlowTables::leads_to(const GroupSpec& from, std::uint32_t id) const {
  std::unordered_set<std::uint32_t, KeyedHash> seen(0, group_users_.hash_function());
  std::vector<const GroupSpec*> todo{&from};
  std::size_t buckets_seen = 0;
  while (!todo.empty()) {
    const GroupSpec* spec = todo.back();
    todo.pop_back();
    buckets_seen += spec->buckets.size();
    count_effort(spec->buckets.size());
    // What is wider than this is left to the bounds of translation.
    if (buckets_seen > kMaxBucketsChecked) return false;
    for (const action::Bucket& bucket : spec->buckets) {
      const bool found = any_action(bucket.actions, [&](const action::Action& action) {
        const auto* next = action::as<action::Group>(action);
        if (!next) return false;
        if (next->id == id) return true;
        if (const Group* group = groups_.current(next->id); group && seen.insert(next->id).second)
          todo.push_back(&group->spec());
        return false;
      });
      if (found) return true;
    }
  }
  return false;
}

/// Whether there is room for a group with a description of so many bytes in the place of `old`.
Status FlowTables::check_room(const GroupSpec& spec, std::size_t bytes, const Group* old) const {
  if (group_bytes_ - (old ? old->described_bytes() : 0) + bytes <= kMaxAllGroupsBytes) return {};
  return field::fail(fmt::format("group {}: all groups would be described by more than {} bytes "
                                 "(OFPGMFC_OUT_OF_BUCKETS)",
                                 spec.id, kMaxAllGroupsBytes),
                     OfError::GmfcOutOfBuckets);
}

void FlowTables::put_group(GroupSpec spec, std::size_t bytes, Instant created, Change& change) {
  spec.command = GroupCommand::Add;
  spec.command_bucket = action::bucket_id::kAll;
  for (action::Bucket& bucket : spec.buckets) action::settle(bucket.actions, flow::Match{});
  GroupRef group = Group::create(std::move(spec), bytes, created);
  group->set_added(change.version);
  groups_.insert(group.get());
  ++group_count_;
  group_bytes_ += bytes;
  ++change.result.groups;
  change.group_steps.push_back({std::move(group), true});
}

void FlowTables::take_group(Group& group, Change& change) {
  group.set_removed(change.version);
  --group_count_;
  group_bytes_ -= group.described_bytes();
  change.group_steps.push_back({GroupRef::share(&group), false});
}

void FlowTables::delete_group(Group& group, Change& change) {
  if (const auto users = group_users_.find(group.id()); users != group_users_.end()) {
    const std::vector<Rule*> rules(users->second.rules.begin(), users->second.rules.end());
    for (Rule* rule : rules) remove(*rule, RemovedReason::GroupDelete, change);
  }
  ++change.result.groups;
  take_group(group, change);
}

std::vector<Group*> FlowTables::chosen_groups(std::uint32_t id) const {
  if (id == action::group_id::kAll) return groups_.all();
  Group* group = groups_.current(id);
  return group ? std::vector{group} : std::vector<Group*>{};
}

std::vector<std::uint32_t> FlowTables::group_ids(std::uint32_t id) const {
  const std::lock_guard lock(writer_);
  std::vector<std::uint32_t> ids;
  for (const Group* group : chosen_groups(id)) ids.push_back(group->id());
  return ids;
}

std::vector<GroupSpec> FlowTables::groups(std::uint32_t id) const {
  const std::lock_guard lock(writer_);
  std::vector<GroupSpec> specs;
  for (const Group* group : chosen_groups(id)) specs.push_back(group->spec());
  return specs;
}

std::vector<action::GroupCounters> FlowTables::group_counters(std::uint32_t id, Instant now) const {
  const std::lock_guard lock(writer_);
  std::vector<action::GroupCounters> all;
  for (const Group* group : chosen_groups(id)) {
    const auto users = group_users_.find(group->id());
    action::GroupCounters& counters = all.emplace_back();
    counters.id = group->id();
    if (users != group_users_.end())
      counters.references = static_cast<std::uint32_t>(users->second.rules.size());
    counters.duration_ns = (now - group->created()).ns;
    counters.total = {group->stats()->packets(), group->stats()->bytes()};
    for (std::size_t i = 0; i < group->spec().buckets.size(); ++i)
      counters.buckets.push_back({group->bucket_stats(i)->packets(), group->bucket_stats(i)->bytes()});
  }
  return all;
}

}  // namespace sluice::pipeline
