#include "action/group_spec.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "action/all_actions.h"

namespace sluice::action {

using field::fail;
using field::OfError;

namespace {

struct CommandName {
  GroupCommand command;
  std::string_view text, shown;
};
constexpr CommandName kCommands[] = {
    {GroupCommand::Add, "add", "ADD"},
    {GroupCommand::Modify, "modify", "MOD"},
    {GroupCommand::AddOrModify, "add_or_mod", "ADD_OR_MOD"},
    {GroupCommand::Delete, "delete", "DEL"},
    {GroupCommand::InsertBucket, "insert_bucket", "INSERT_BUCKET"},
    {GroupCommand::RemoveBucket, "remove_bucket", "REMOVE_BUCKET"},
};

bool takes_type(GroupCommand command) {
  return command == GroupCommand::Add || command == GroupCommand::Modify ||
         command == GroupCommand::AddOrModify;
}
bool takes_buckets(GroupCommand command) {
  return takes_type(command) || command == GroupCommand::InsertBucket;
}

std::optional<GroupType> parse_type(std::string_view text) {
  if (text == "all") return GroupType::All;
  if (text == "select") return GroupType::Select;
  if (text == "indirect") return GroupType::Indirect;
  if (text == "ff" || text == "fast_failover") return GroupType::FastFailover;
  return std::nullopt;
}

std::string_view type_name(GroupType type) {
  constexpr std::string_view kNames[] = {"all", "select", "indirect", "ff"};
  return kNames[static_cast<unsigned>(type)];
}

Result<std::uint32_t> parse_group_id(std::string_view text, GroupCommand command) {
  if (text == "all" && command == GroupCommand::Delete) return group_id::kAll;
  const auto number = parse_number(text, 0xffffffff, "group id");
  if (!number)
    return fail(fmt::format("invalid numeric format {}: expected a group's number of up to 32 bits", text));
  const std::uint64_t id = *number;
  if (id > group_id::kMax && !(command == GroupCommand::Delete && id == group_id::kAll))
    return fail(fmt::format("invalid group id {}", id), OfError::GmfcInvalidGroup);
  return static_cast<std::uint32_t>(id);
}

Result<std::uint32_t> parse_command_bucket(std::string_view text, GroupCommand command) {
  if (text == "first") return bucket_id::kFirst;
  if (text == "last") return bucket_id::kLast;
  if (text == "all") {
    if (command == GroupCommand::RemoveBucket) return bucket_id::kAll;
    return fail("command_bucket_id=all is not permitted");
  }
  SLUICE_ASSIGN(const std::uint64_t id, parse_number(text, 0xffffffff, "bucket id"));
  if (id > bucket_id::kMax) return fail(fmt::format("invalid command bucket id {}", id));
  return static_cast<std::uint32_t>(id);
}

/// The field list of "fields(ip_src,tcp_dst=0xff00)": a value is the mask.
Status parse_fields(std::string_view text, GroupSpec& group) {
  while (const auto word = next_word(text)) {
    const field::FieldSpec* spec = field::find_field(word->name);
    if (!spec) return fail(fmt::format("unknown field {}", word->name));
    field::FieldValue mask = field::ones(spec->bits);
    if (word->has_argument) {
      SLUICE_ASSIGN(const field::ValueMask value, field::parse_value(*spec, word->argument));
      mask = value.value;
    }
    const auto place =
        std::lower_bound(group.fields.begin(), group.fields.end(), spec->id,
                         [](const SelectionField& f, field::FieldId id) { return f.field < id; });
    if (place != group.fields.end() && place->field == spec->id)
      return fail(fmt::format("{}: duplicate field", word->name));
    group.fields.insert(place, {spec->id, mask});
  }
  return {};
}

/// "weight:5,watch_port:2,actions=…". `id` says whether the bucket gave its own.
Status parse_bucket(std::string_view text, const Names& names, Bucket& bucket, bool& has_id,
                    bool& has_weight) {
  std::string_view rest = text;
  while (const auto word = next_word(rest)) {
    const auto actions_from = [&](const char* begin) {
      return text.substr(static_cast<std::size_t>(begin - text.data()));
    };
    if (word->name == "weight") {
      SLUICE_ASSIGN(const std::uint64_t weight, parse_number(word->argument, 0xffff, "weight"));
      bucket.weight = static_cast<std::uint16_t>(weight);
      has_weight = true;
    } else if (word->name == "watch_port") {
      const auto port = parse_port(word->argument, names);
      if (!port || (*port >= of_port::kMax && *port != of_port::kNone))
        return fail(fmt::format("{}: invalid watch_port", word->argument));
      bucket.watch_port = *port;
    } else if (word->name == "watch_group") {
      SLUICE_ASSIGN(const std::uint64_t id, parse_number(word->argument, 0xffffffff, "watch_group"));
      if (id > group_id::kMax) return fail(fmt::format("invalid watch_group id {}", id));
      bucket.watch_group = static_cast<std::uint32_t>(id);
    } else if (word->name == "bucket_id") {
      SLUICE_ASSIGN(const std::uint64_t id, parse_number(word->argument, 0xffffffff, "bucket_id"));
      if (id > bucket_id::kMax) return fail(fmt::format("invalid bucket id {}", id), OfError::GmfcBadBucket);
      bucket.id = static_cast<std::uint32_t>(id);
      has_id = true;
    } else {
      // Everything from here on is actions, whether the word "actions" says so or not.
      const bool named = word->name == "action" || word->name == "actions";
      const std::string_view list =
          named ? (word->has_argument ? actions_from(word->argument.data()) : std::string_view{})
                : actions_from(word->name.data());
      if (trim(list).empty()) break;
      SLUICE_TRY(parse_list(trim(list) == "drop" ? std::string_view{} : list,
                            {.names = names, .place = Place::Set, .depth = 0}, bucket.actions));
      return {};
    }
  }
  return fail("bucket must specify actions");
}

/// Buckets without an id get the lowest ones that none has.
void number_buckets(std::vector<Bucket>& buckets, const std::vector<bool>& has_id) {
  std::set<std::uint32_t> taken;
  for (std::size_t i = 0; i < buckets.size(); ++i)
    if (has_id[i]) taken.insert(buckets[i].id);
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (has_id[i]) continue;
    while (taken.contains(next)) ++next;
    buckets[i].id = next++;
  }
}

/// Where the next bucket of the text begins: "bucket=" or "bucket:" at the start of a word, outside
/// parentheses.
std::size_t find_bucket(std::string_view text, std::size_t from) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')') --depth;
    if (i < from || depth > 0 || !text.substr(i).starts_with("bucket")) continue;
    const bool begins = i == 0 || text[i - 1] == ',' || text[i - 1] == ' ' || text[i - 1] == '\t';
    if (begins && i + 6 < text.size() && (text[i + 6] == '=' || text[i + 6] == ':')) return i;
  }
  return std::string_view::npos;
}

std::string format_buckets(const GroupSpec& group, bool with_ids, const Names& names) {
  std::string text;
  for (const Bucket& bucket : group.buckets) {
    text += ",bucket=";
    if (with_ids) text += fmt::format("bucket_id:{},", bucket.id);
    // A bucket that is to be inserted does not know the type of its group: 0 goes without saying there.
    const unsigned usual = group.type == GroupType::Select ? 1 : 0;
    if (bucket.weight != usual) text += fmt::format("weight:{},", bucket.weight);
    if (bucket.watch_port != of_port::kNone)
      text += "watch_port:" + format_port(bucket.watch_port, names) + ',';
    if (bucket.watch_group != group_id::kAny) text += fmt::format("watch_group:{},", bucket.watch_group);
    text += "actions=" + format_actions(bucket.actions, names);
  }
  return text;
}

std::string format_selection(const GroupSpec& group) {
  std::string text;
  if (group.selection == SelectionMethod::Default) return text;
  text += fmt::format(",selection_method={}", selection_method_name(group.selection));
  if (group.selection_param != 0) text += fmt::format(",selection_method_param={}", group.selection_param);
  if (group.fields.empty()) return text;
  std::string fields;
  for (const SelectionField& f : group.fields) {
    const field::FieldSpec& spec = field::spec(f.field);
    if (!fields.empty()) fields += ',';
    fields += spec.name;
    if (f.mask != field::ones(spec.bits))
      fields += '=' + field::format_value(spec, f.mask, field::ones(spec.bits));
  }
  return text + (group.fields.size() == 1 ? ",fields=" + fields : ",fields(" + fields + ')');
}

std::string format_id(std::uint32_t id) {
  if (id == group_id::kAll) return "all";
  return id == group_id::kAny ? "any" : std::to_string(id);
}

bool shows_1_5(OfVersion version) {
  return version == OfVersion::k10 || version >= OfVersion::k15;
}

}  // namespace

std::string_view selection_method_name(SelectionMethod method) {
  switch (method) {
    case SelectionMethod::Default:
      return "";
    case SelectionMethod::Hash:
      return "hash";
    case SelectionMethod::DpHash:
      return "dp_hash";
  }
  return "";
}

Result<GroupSpec> parse_group(std::string_view text, GroupCommand command, const Names& names) {
  text = trim(text);
  for (const CommandName& name : kCommands) {
    if (command != GroupCommand::Add) break;  // the caller's is the one
    if (!text.starts_with(name.text)) continue;
    const std::string_view rest = text.substr(name.text.size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) continue;
    command = name.command;
    text = rest;
    break;
  }

  GroupSpec group;
  group.command = command;
  const std::size_t first_bucket = find_bucket(text, 0);
  if (first_bucket != std::string_view::npos && !takes_buckets(command)) return fail("bucket is not needed");
  std::string_view head = text.substr(0, first_bucket);
  bool has_id = false, has_type = false, has_command_bucket = false;
  while (const auto word = next_word(head)) {
    if (word->name == "group_id") {
      SLUICE_ASSIGN(group.id, parse_group_id(word->argument, command));
      has_id = true;
    } else if (word->name == "type") {
      if (!takes_type(command)) return fail("type is not needed");
      const auto type = parse_type(word->argument);
      if (!type) return fail(fmt::format("invalid group type {}", word->argument), OfError::GmfcBadType);
      group.type = *type;
      has_type = true;
    } else if (word->name == "command_bucket_id") {
      if (command != GroupCommand::InsertBucket && command != GroupCommand::RemoveBucket)
        return fail("command bucket id is not needed");
      SLUICE_ASSIGN(group.command_bucket, parse_command_bucket(word->argument, command));
      has_command_bucket = true;
    } else if (word->name == "selection_method") {
      if (!takes_type(command)) return fail("selection method is not needed");
      if (word->argument == "hash")
        group.selection = SelectionMethod::Hash;
      else if (word->argument == "dp_hash")
        group.selection = SelectionMethod::DpHash;
      else
        return fail(
            fmt::format("selection method '{}' is not supported: expected hash or dp_hash", word->argument),
            OfError::BpcBadValue);
    } else if (word->name == "selection_method_param") {
      if (!takes_type(command)) return fail("selection method param is not needed");
      SLUICE_ASSIGN(group.selection_param,
                    parse_number(word->argument, ~std::uint64_t{0}, "selection_method_param"));
    } else if (word->name == "fields") {
      if (!takes_type(command)) return fail("fields are not needed");
      SLUICE_TRY(parse_fields(word->argument, group));
    } else {
      return fail(fmt::format("unknown keyword {}", word->name));
    }
  }
  if (!has_id && command == GroupCommand::Delete) group.id = group_id::kAll;
  if (!has_id && command != GroupCommand::Delete) return fail("must specify a group_id");
  if (takes_type(command) && !has_type) return fail("must specify a type");
  if (command == GroupCommand::InsertBucket && !has_command_bucket)
    return fail("must specify a command bucket id");
  if (!group.fields.empty() && group.selection != SelectionMethod::Hash)
    return fail("fields may only be specified with \"selection_method=hash\"", OfError::BpcBadValue);
  if (group.selection == SelectionMethod::Default && group.selection_param != 0)
    return fail("selection_method_param is only allowed with \"selection_method\"", OfError::BpcBadValue);

  std::vector<bool> own_ids;
  for (std::size_t at = first_bucket; at != std::string_view::npos;) {
    const std::size_t next = find_bucket(text, at + 1);
    Bucket bucket;
    bool own_id = false, has_weight = false;
    SLUICE_TRY(parse_bucket(text.substr(at + 7, next == std::string_view::npos ? next : next - at - 7), names,
                            bucket, own_id, has_weight));
    if (!has_weight) bucket.weight = group.type == GroupType::Select ? 1 : 0;
    group.buckets.push_back(std::move(bucket));
    own_ids.push_back(own_id);
    at = next;
  }
  number_buckets(group.buckets, own_ids);
  SLUICE_TRY(check_group(group));
  return group;
}

Status check_group(const GroupSpec& group) {
  if (group.command == GroupCommand::Delete || group.command == GroupCommand::RemoveBucket) return {};
  if (group.id > group_id::kMax)
    return fail(fmt::format("invalid group id {}", group.id), OfError::GmfcInvalidGroup);
  std::set<std::uint32_t> ids;
  for (const Bucket& bucket : group.buckets) {
    if (bucket.id > bucket_id::kMax || !ids.insert(bucket.id).second)
      return fail(fmt::format("group {}: bucket id {} is there twice or too high", group.id, bucket.id),
                  OfError::GmfcBadBucket);
    for (const Action& action : bucket.actions)
      if (as<WriteActions>(action) || as<WriteMetadata>(action) || as<ClearActions>(action) ||
          as<GotoTable>(action))
        return fail(fmt::format("group {}: an instruction is not allowed in a bucket", group.id),
                    OfError::BacBadType);
  }
  if (group.command == GroupCommand::InsertBucket) return {};
  const bool select = group.type == GroupType::Select;
  if (!select && (group.selection != SelectionMethod::Default || !group.fields.empty()))
    return fail("a selection method is only allowed for select groups", OfError::BpcBadValue);
  if (group.type == GroupType::Indirect && group.buckets.size() > 1)
    return fail("Indirect groups can have at most one bucket.", OfError::GmfcInvalidGroup);
  if (group.type == GroupType::Indirect && group.buckets.empty())
    return fail(fmt::format("group {}: an indirect group must have one bucket", group.id),
                OfError::GmfcInvalidGroup);
  for (const Bucket& bucket : group.buckets) {
    const bool watches = bucket.watch_port != of_port::kNone || bucket.watch_group != group_id::kAny;
    if (!select && bucket.weight > 0)
      return fail("Only select groups can have bucket weights.", OfError::GmfcInvalidGroup);
    if (group.type == GroupType::FastFailover && !watches)
      return fail("fast failover bucket requires watch_port or watch_group", OfError::GmfcInvalidGroup);
    if (watches && (group.type == GroupType::All || group.type == GroupType::Indirect))
      return fail(
          fmt::format("group {}: only select and fast failover groups can watch ports and groups", group.id),
          OfError::GmfcWatchUnsupported);
  }
  return {};
}

std::string format_group(const GroupSpec& group, OfVersion version, const Names& names) {
  return fmt::format("group_id={},type={}", format_id(group.id), type_name(group.type)) +
         (shows_1_5(version) ? format_selection(group) : std::string()) +
         format_buckets(group, shows_1_5(version), names);
}

std::string format_group_mod(const GroupSpec& group, OfVersion version, const Names& names) {
  const auto* command = std::find_if(std::begin(kCommands), std::end(kCommands),
                                     [&](const CommandName& c) { return c.command == group.command; });
  std::string text(command->shown);
  if (takes_type(group.command)) return text + ' ' + format_group(group, version, names);
  if (group.command == GroupCommand::InsertBucket || group.command == GroupCommand::RemoveBucket) {
    if (group.command_bucket == bucket_id::kFirst)
      text += " command_bucket_id:first,";
    else if (group.command_bucket == bucket_id::kLast)
      text += " command_bucket_id:last,";
    else if (group.command_bucket == bucket_id::kAll)
      text += " command_bucket_id:all,";
    else
      text += fmt::format(" command_bucket_id:{},", group.command_bucket);
  } else {
    text += ' ';
  }
  return text + "group_id=" + format_id(group.id) + format_buckets(group, shows_1_5(version), names);
}

std::string format_group_counters(const GroupCounters& counters) {
  std::string text = fmt::format("group_id={}", counters.id);
  if (counters.duration_ns >= 0) text += fmt::format(",duration={}s", format_duration(counters.duration_ns));
  text += fmt::format(",ref_count={},packet_count={},byte_count={}", counters.references,
                      counters.total.packets, counters.total.bytes);
  for (std::size_t i = 0; i < counters.buckets.size(); ++i)
    if (counters.buckets[i].packets != ~std::uint64_t{0})
      text += fmt::format(",bucket{}:packet_count={},byte_count={}", i, counters.buckets[i].packets,
                          counters.buckets[i].bytes);
  return text;
}

}  // namespace sluice::action
