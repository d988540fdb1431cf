// The classifier of one table: finds the flow of highest priority that matches a key, and which bits of the
// key decided that. Tuple space search (Srinivasan, Suri, Varghese 1999): one hash table ("subtable") for
// each mask in use.
//
// What keeps it fast: subtables are visited by falling highest priority, and the search ends when none left
// can win. What keeps masks short (each bit in a mask multiplies the megaflows that traffic makes):
// - stages: a subtable is looked up with its metadata words alone, then with layer 2 too, then 3, then 4; it
//   stops at the stage whose words no rule of the subtable has, so that later words stay out of the mask;
// - prefix tries over addresses and ports: a subtable whose prefix length none of the rules that cover the
//   packet's address have is skipped, at the cost of the few leading bits that show it.
//
// Invariant (property-tested): two keys that are equal under the mask that a look-up gave find the same rule.
//
// Threads: look-ups under RCU on any thread, never blocking; one writer. A rule is seen in versions [added,
// removed): the writer inserts before and unlinks after a grace period, so that a reader of one version sees
// exactly its rules.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/rcu.h"
#include "flow/flow_key.h"
#include "pipeline/prefix_trie.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

class Subtable;

class Classifier {
 public:
  explicit Classifier(std::uint64_t secret);
  ~Classifier();
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  /// The winning rule visible in `version`, nullptr if none; ORs into `mask` (unless null) what decided.
  /// Conjunctive rules count together: where those of one priority match all dimensions of a conjunction, and
  /// no other rule of that priority or a higher one matches, the key is looked up again with conj_id set.
  /// Reader.
  Rule* lookup(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const;

  // --- Writer

  /// Masks that were made of late: rules that are made before they are inserted may have the same.
  class RecentShapes {
   public:
    Ref<MaskShape>& place(std::uint64_t hash) { return shapes_[hash % shapes_.size()]; }

   private:
    std::array<Ref<MaskShape>, 1024> shapes_;
  };

  /// The shape that rules with this mask share; of a mask that is new here, one that was made of late, or a
  /// new one.
  Ref<MaskShape> shape(const flow::Mask& mask, RecentShapes* recent = nullptr) const;
  /// Takes a reference. Readers meet the rule from then on; with a mask that is new, or a priority that is
  /// its highest, from publish() on: then this is true, unless it has been since.
  bool insert(Rule* rule);
  /// Shows readers the masks as they are now, in the order of their priorities: once for many rules.
  void publish();
  /// Unlinks; the reference goes after a grace period. The rule must have been invisible for readers already,
  /// or no reader minds.
  void remove(Rule* rule);
  /// The same of many: the reference is the caller's, to be held for a grace period, and so is publish().
  RuleRef unlink(Rule* rule);
  /// Asks memory for what a flow with this match will be looked up and inserted by, a while before.
  void prefetch(const flow::Match& match) const;
  /// The rule with exactly this match and priority that is not removed.
  /// @param looked_at  raised by the rules of higher priority with this match, removed ones too
  Rule* find(const flow::Match& match, std::uint16_t priority, std::size_t& looked_at) const;
  Rule* find(const flow::Match& match, std::uint16_t priority) const {
    std::size_t looked_at = 0;
    return find(match, priority, looked_at);
  }
  /// The same, with match and priority of a rule, itself in a classifier or not.
  Rule* find(const Rule& like, std::size_t& looked_at) const;
  /// Whether another rule of this priority could match the same packet.
  /// @param looked_at  raised by the masks that it looked at, and their rules that it did
  bool overlaps(const flow::Match& match, std::uint16_t priority, std::size_t& looked_at) const;
  /// Calls f for each rule, removed ones too, whose match is at least as specific as `match`.
  /// @return how many masks it looked at, and of their rules how many
  template <typename F>
  std::size_t for_each(const flow::Match& match, F&& f) const {
    std::vector<Rule*> rules;
    const std::size_t looked_at = collect(match, rules);
    for (Rule* rule : rules) f(*rule);
    return looked_at;
  }
  /// What for_each() with this match would return, but for rules of exactly this match; no more than `limit`.
  std::size_t looks(const flow::Match& match, std::size_t limit) const;
  std::size_t size() const { return size_; }
  std::size_t subtables() const { return shapes_.size(); }
  std::size_t memory_bytes() const;

 private:
  struct Entry {
    Subtable* subtable;
    std::uint16_t max_priority;
  };
  using Order = std::vector<Entry>;
  struct Tries {
    PrefixTrie<std::uint32_t, 32> nw_src, nw_dst;
    PrefixTrie<unsigned __int128, 128> ipv6_src, ipv6_dst;
    PrefixTrie<std::uint16_t, 16> tp_src, tp_dst;
  };
  friend class TrieLookup;

  Rule* look_up(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const;
  Rule* look_up_hard(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const;
  Rule* look_up_conjunctive(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const;
  Subtable* find_subtable(const flow::Mask& mask) const;
  Subtable* subtable_of(const Rule& rule) const;
  void publish_order();
  void change_tries(const Subtable& subtable, const Rule& rule, bool insert);
  std::size_t collect(const flow::Match& match, std::vector<Rule*>& rules) const;

  std::uint64_t secret_;
  rcu::Published<Order> order_;
  Tries tries_;
  std::unordered_multimap<std::uint64_t, Subtable*> shapes_;  ///< by hash of the mask
  /// What was found last: a flow-mod looks for its mask several times, and the next often has the same.
  mutable Subtable* recent_ = nullptr;
  std::atomic<std::uint32_t> conjunctive_{0};  ///< rules that are
  std::size_t size_ = 0;
  bool reorder_ = false;            ///< of what readers are to see of `shapes_`
  std::vector<Subtable*> emptied_;  ///< that they see until then
};

}  // namespace sluice::pipeline
