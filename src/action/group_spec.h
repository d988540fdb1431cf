// OpenFlow groups as values and as the text of ovs-ofctl: "group_id=1,type=select,bucket=weight:5,actions=2".
// What a group-mod says; how a group treats packets is pipeline/group.h.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "action/action.h"

namespace sluice::action {

/// With OpenFlow's numbers.
enum class GroupType : std::uint8_t { All = 0, Select = 1, Indirect = 2, FastFailover = 3 };
/// With the numbers of OpenFlow 1.5 and, for AddOrModify, of Open vSwitch.
enum class GroupCommand : std::uint16_t {
  Add = 0,
  Modify = 1,
  Delete = 2,
  InsertBucket = 3,
  RemoveBucket = 5,
  AddOrModify = 0x8000
};

namespace group_id {
inline constexpr std::uint32_t kMax = 0xffffff00, kAll = 0xfffffffc, kAny = 0xffffffff;
}
namespace bucket_id {
inline constexpr std::uint32_t kMax = 0xffffff00, kFirst = 0xfffffffd, kLast = 0xfffffffe, kAll = 0xffffffff;
}

struct Bucket {
  std::uint32_t id = 0;
  std::uint16_t weight = 0;  ///< of a select group: 1 unless said otherwise; 0 in the others
  std::uint32_t watch_port = of_port::kNone, watch_group = group_id::kAny;  ///< so much: not watched
  ActionList actions;
  bool operator==(const Bucket&) const = default;
};

/// How a select group chooses (NTR selection method): Default is what the switch thinks best.
enum class SelectionMethod : std::uint8_t { Default, Hash, DpHash };
/// "hash", "dp_hash", "".
std::string_view selection_method_name(SelectionMethod method);

struct SelectionField {
  field::FieldId field{};
  field::FieldValue mask = 0;
  bool operator==(const SelectionField&) const = default;
};

struct GroupSpec {
  GroupCommand command = GroupCommand::Add;
  std::uint32_t id = 0;
  GroupType type = GroupType::All;
  SelectionMethod selection = SelectionMethod::Default;
  std::uint64_t selection_param = 0;
  std::vector<SelectionField> fields;  ///< by FieldId, each once; with Hash only
  std::uint32_t command_bucket =
      bucket_id::kAll;  ///< which bucket, or place, InsertBucket and RemoveBucket mean
  std::vector<Bucket> buckets;
  bool operator==(const GroupSpec&) const = default;
};

/// One group. A text that begins with a command word ("insert_bucket group_id=…") overrides Add.
/// Refuses what ovs-ofctl refuses, and what check_group() does.
Result<GroupSpec> parse_group(std::string_view text, GroupCommand command = GroupCommand::Add,
                              const Names& names = {});
/// What holds of a group wherever it came from: errors carry OpenFlow's codes of group-mod.
Status check_group(const GroupSpec& group);
/// As dump-groups prints it, without the leading blank. OpenFlow 1.1 to 1.4 show neither bucket ids nor the
/// selection method.
std::string format_group(const GroupSpec& group, OfVersion version = OfVersion::k15, const Names& names = {});
/// As ovs-ofctl prints a group_mod, from the command on: "ADD group_id=1,type=all".
std::string format_group_mod(const GroupSpec& group, OfVersion version = OfVersion::k15,
                             const Names& names = {});

struct GroupCounters {
  struct Traffic {
    std::uint64_t packets = 0, bytes = 0;
  };
  std::uint32_t id = 0;
  std::uint32_t references = 0;  ///< flows that send packets there
  std::int64_t duration_ns = 0;
  Traffic total;
  std::vector<Traffic> buckets;
};
/// As dump-group-stats prints it, without the leading blank.
std::string format_group_counters(const GroupCounters& counters);

}  // namespace sluice::action
