// Which flow a full table gives up for a new one: of the largest group of flows that may time out, that of
// the lowest importance, and of those the one that would time out first. Groups are flows with the same
// values of some fields, so that one source of flows does not push out those of others; without fields all
// are one. Source: ovs-vswitchd.conf.db(5), Flow_Table, "groups"; OpenFlow 1.4.0 section 6.4.
//
// Owned by a table of FlowTables, under the writer's lock.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "field/field.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

class EvictionList {
 public:
  struct Candidate {
    std::uint16_t importance;
    std::int64_t due_ns;  ///< when it times out as far as was known when it was filed
    Rule* rule;
    auto operator<=>(const Candidate&) const = default;
  };

  explicit EvictionList(std::uint64_t secret) : secret_(secret) {}

  /// Forgets all flows. @param fields  whose values make a group
  void begin(std::vector<field::Subfield> fields) {
    *this = EvictionList(secret_);
    fields_ = std::move(fields);
  }
  void file(Rule& rule, std::int64_t due_ns) {
    const std::uint64_t key = group_of(rule);
    std::set<Candidate>& group = groups_[key];
    by_size_.erase({group.size(), key});
    group.insert({rule.attributes().importance, due_ns, &rule});
    by_size_.insert({group.size(), key});
    filed_.insert_or_assign(&rule, Filed{due_ns, key});
  }
  void unfile(Rule& rule) {
    const auto filed = filed_.find(&rule);
    if (filed == filed_.end()) return;
    const std::uint64_t key = filed->second.group;
    const auto group = groups_.find(key);
    by_size_.erase({group->second.size(), key});
    group->second.erase({rule.attributes().importance, filed->second.due_ns, &rule});
    if (group->second.empty())
      groups_.erase(group);
    else
      by_size_.insert({group->second.size(), key});
    filed_.erase(filed);
  }
  /// The flow to give up; nothing: none may be.
  std::optional<Candidate> first() const {
    if (by_size_.empty()) return std::nullopt;
    return *groups_.at(by_size_.rbegin()->second).begin();
  }

 private:
  struct Filed {
    std::int64_t due_ns;
    std::uint64_t group;
  };
  /// Groups that share a hash are one.
  std::uint64_t group_of(const Rule& rule) const {
    if (fields_.empty()) return 0;
    const flow::Match match = rule.match();
    std::uint64_t key = secret_;
    for (const field::Subfield& sub : fields_) {
      const field::FieldValue value = field::get(match.value, sub);
      key =
          hash_mix(hash_mix(key, static_cast<std::uint64_t>(value)), static_cast<std::uint64_t>(value >> 64));
    }
    return key;
  }

  std::uint64_t secret_;
  std::vector<field::Subfield> fields_;
  std::unordered_map<std::uint64_t, std::set<Candidate>> groups_;
  std::set<std::pair<std::size_t, std::uint64_t>> by_size_;
  std::unordered_map<const Rule*, Filed> filed_;
};

}  // namespace sluice::pipeline
