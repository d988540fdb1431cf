// Flows by cookie, for those who ask for the flows of one cookie among many. Flows of cookie 0, which is
// none, are not in it.
//
// Each rule remembers its place in its cookie's list, so that it comes and goes in constant time.
// Owned by FlowTables, under the writer's lock.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/keyed_hash.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

class CookieIndex {
 public:
  explicit CookieIndex(std::uint64_t secret) : by_cookie_(0, KeyedHash{secret}) {}

  void insert(Rule& rule) {
    if (rule.cookie() == 0) return;
    std::vector<Rule*>& list = by_cookie_[rule.cookie()];
    rule.set_cookie_place(static_cast<std::uint32_t>(list.size()));
    list.push_back(&rule);
  }
  void remove(const Rule& rule) {
    if (rule.cookie() == 0) return;
    const auto found = by_cookie_.find(rule.cookie());
    std::vector<Rule*>& list = found->second;
    list[rule.cookie_place()] = list.back();
    list.back()->set_cookie_place(rule.cookie_place());
    list.pop_back();
    if (list.empty()) by_cookie_.erase(found);
  }
  /// @param cookie  not 0
  std::span<Rule* const> find(std::uint64_t cookie) const {
    const auto found = by_cookie_.find(cookie);
    return found == by_cookie_.end() ? std::span<Rule* const>() : found->second;
  }

 private:
  std::unordered_map<std::uint64_t, std::vector<Rule*>, KeyedHash> by_cookie_;
};

}  // namespace sluice::pipeline
