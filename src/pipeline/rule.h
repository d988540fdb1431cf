// A flow of an OpenFlow table, as the classifier holds it and as the outside sees it.
//
// Rule is immutable once published, except for its visibility (versions) and its counters; it is allocated
// with the words of its match value behind it (the mask belongs to the subtable, so that a rule costs only
// the bytes it matches on). Owned by the Table; workers see it under RCU; references (RuleRef) keep it for
// dumps beyond that. RuleStats lives on its own: a modified flow keeps its counters, and a megaflow credits
// what it once went through.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "action/flow_spec.h"
#include "base/clock.h"
#include "flow/flow_key.h"

namespace sluice::pipeline {

/// Owns one of the references counted inside T (ref(), unref()).
template <typename T>
class Ref {
 public:
  Ref() = default;
  /// Takes over a reference that was already counted.
  static Ref adopt(T* object) {
    Ref result;
    result.object_ = object;
    return result;
  }
  static Ref share(T* object) {
    if (object) object->ref();
    return adopt(object);
  }
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->ref();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_) object_->unref();
  }
  T* get() const { return object_; }
  /// Gives the reference up without letting go of it.
  T* release() { return std::exchange(object_, nullptr); }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Ref&) const = default;  ///< the same object

 private:
  T* object_ = nullptr;
};

/// Exact counters of one flow, any thread.
class RuleStats {
 public:
  void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used) {
    packets_.fetch_add(packets, std::memory_order_relaxed);
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    std::int64_t seen = last_used_ns_.load(std::memory_order_relaxed);
    while (seen < last_used.ns &&
           !last_used_ns_.compare_exchange_weak(seen, last_used.ns, std::memory_order_relaxed)) {
    }
  }
  std::uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  Instant last_used() const { return Instant{last_used_ns_.load(std::memory_order_relaxed)}; }
  void reset() {
    packets_.store(0, std::memory_order_relaxed);
    bytes_.store(0, std::memory_order_relaxed);
  }
  void mark_used(Instant now) { last_used_ns_.store(now.ns, std::memory_order_relaxed); }

  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  std::atomic<std::uint64_t> packets_{0}, bytes_{0};
  std::atomic<std::int64_t> last_used_ns_{0};
  std::atomic<std::uint32_t> references_{1};
};

/// Which words of a FlowKey a mask looks at, and how; shared by all rules with that mask. Words are ordered
/// by stage (metadata, layer 2, 3, 4), so that a prefix of them is a stage of the look-up.
class MaskShape {
 public:
  explicit MaskShape(const flow::Mask& mask);

  const flow::Mask& mask() const { return mask_; }
  unsigned words() const { return words_; }
  unsigned index(unsigned i) const { return index_[i]; }     ///< word of the FlowKey
  std::uint64_t bits(unsigned i) const { return bits_[i]; }  ///< of that word
  /// Words of stages 0..stage.
  unsigned words_to(unsigned stage) const { return stage_end_[stage]; }
  static constexpr unsigned kStages = 4;
  /// The stage that a word of the FlowKey belongs to.
  static unsigned stage_of(unsigned word);

  std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }
  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  flow::Mask mask_;
  std::uint64_t bits_[flow::kKeyWords];
  std::uint8_t index_[flow::kKeyWords];
  std::uint8_t stage_end_[kStages];
  std::uint8_t words_ = 0;
  std::atomic<std::uint32_t> references_{1};
};

/// Actions of a flow, or of several that have the same. Immutable.
class SharedActions {
 public:
  static Ref<SharedActions> create(action::ActionList list) {
    return Ref<SharedActions>::adopt(new SharedActions(std::move(list)));
  }
  const action::ActionList list;
  const bool conjunctive;  ///< with a conjunction in it, which stands alone but for notes

  std::uint32_t references() const { return references_.load(std::memory_order_relaxed); }
  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  explicit SharedActions(action::ActionList actions);
  std::atomic<std::uint32_t> references_{1};
};

/// What a flow is apart from its match, priority and counters.
struct RuleAttributes {
  std::uint64_t cookie = 0;
  Instant created, modified;
  std::uint16_t idle_timeout = 0, hard_timeout = 0, importance = 0;  ///< seconds
  action::FlowFlags flags;
};

struct FlowInfo;

class Rule {
 public:
  static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

  /// A rule with one reference, not yet in a classifier. `stats` may come with begin().
  static Ref<Rule> create(Ref<MaskShape> shape, const flow::FlowKey& value, std::uint8_t table,
                          std::uint16_t priority, const RuleAttributes& attributes,
                          Ref<SharedActions> actions, Ref<RuleStats> stats);

  /// Before it is in a classifier: it is there from now on, and counts into `stats`.
  void begin(Instant now, Ref<RuleStats> stats) {
    created_ = now;
    refresh(now);
    stats_ = std::move(stats);
  }

  std::uint8_t table() const { return table_; }
  std::uint16_t priority() const { return priority_; }
  /// As the flow-mod gave them; `modified` is the moment now in force.
  RuleAttributes attributes() const {
    return {.cookie = cookie_,
            .created = created_,
            .modified = modified(),
            .idle_timeout = given_idle_,
            .hard_timeout = given_hard_,
            .importance = importance_,
            .flags = flags_};
  }
  std::uint64_t cookie() const { return cookie_; }
  const action::FlowFlags& flags() const { return flags_; }
  const action::ActionList& actions() const { return actions_->list; }
  const SharedActions& shared_actions() const { return *actions_; }
  RuleStats& stats() const { return *stats_; }
  const Ref<RuleStats>& stats_ref() const { return stats_; }
  const MaskShape& shape() const { return *shape_; }
  const Ref<MaskShape>& shape_ref() const { return shape_; }
  std::uint64_t value(unsigned i) const { return values()[i]; }
  flow::Match match() const;
  FlowInfo info() const;

  bool matches(const flow::FlowKey& key) const {
    for (unsigned i = 0; i < shape_->words(); ++i)
      if ((flow::word_at(key, shape_->index(i)) & shape_->bits(i)) != values()[i]) return false;
    return true;
  }
  /// Whether whatever the rule matches is matched by `match`, too.
  bool is_within(const flow::Match& match) const;
  bool same_value(const Rule& other) const {
    for (unsigned i = 0; i < shape_->words(); ++i)
      if (values()[i] != other.values()[i]) return false;
    return true;
  }

  /// A conjunction's flow: it matches only together with others (Classifier::lookup).
  bool is_conjunctive() const { return actions_->conjunctive; }

  /// The timeouts in seconds, 0 = never: those of the flow-mod, or shorter ones after shorten().
  std::uint16_t idle_timeout() const { return idle_timeout_.load(std::memory_order_relaxed); }
  std::uint16_t hard_timeout() const { return hard_timeout_.load(std::memory_order_relaxed); }
  /// Any thread (fin_timeout). False if they were as short already.
  bool shorten(std::uint16_t idle, std::uint16_t hard);
  /// Makes the hard timeout count from now (a learn action that finds its flow there). Writer.
  void refresh(Instant now) { modified_ns_.store(now.ns, std::memory_order_relaxed); }
  Instant modified() const { return Instant{modified_ns_.load(std::memory_order_relaxed)}; }

  /// Versions: visible in those of [added, removed).
  bool visible_in(std::uint64_t version) const {
    return added_.load(std::memory_order_relaxed) <= version &&
           version < removed_.load(std::memory_order_relaxed);
  }
  void set_added(std::uint64_t version) { added_.store(version, std::memory_order_relaxed); }
  void set_removed(std::uint64_t version) { removed_.store(version, std::memory_order_relaxed); }
  std::uint64_t added_in() const { return added_.load(std::memory_order_relaxed); }
  /// Order of creation among all rules of the pipeline; a modified rule keeps it.
  std::uint64_t sequence() const { return sequence_; }
  void set_sequence(std::uint64_t sequence) { sequence_ = sequence; }
  /// Where its table's list of flows has it (FlowSlots); a rule that takes another's place takes its slot.
  std::uint32_t slot() const { return slot_; }
  void set_slot(std::uint32_t slot) { slot_ = slot; }
  /// The same in its cookie's list (CookieIndex).
  std::uint32_t cookie_place() const { return cookie_place_; }
  void set_cookie_place(std::uint32_t place) { cookie_place_ = place; }
  bool is_removed() const { return removed_.load(std::memory_order_relaxed) != kForever; }
  /// Whether it is in a classifier. Writer.
  bool is_linked() const { return linked_; }

  void ref() { references_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  /// Bytes that a rule with this many words costs, without its actions.
  static std::size_t bytes(unsigned words) {
    return sizeof(Rule) + words * sizeof(std::uint64_t) + sizeof(RuleStats);
  }

 private:
  friend class Classifier;
  friend class Subtable;
  Rule(Ref<MaskShape> shape, std::uint8_t table, std::uint16_t priority, const RuleAttributes& attributes,
       Ref<SharedActions> actions, Ref<RuleStats> stats);
  ~Rule() = default;
  void destroy();
  const std::uint64_t* values() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
  std::uint64_t* values() { return reinterpret_cast<std::uint64_t*>(this + 1); }

  std::atomic<Rule*> lower_{nullptr};  ///< same value and mask, lower priority (or removed)
  Ref<MaskShape> shape_;
  Ref<RuleStats> stats_;
  Ref<SharedActions> actions_;
  std::uint64_t cookie_;
  Instant created_;
  std::atomic<std::uint64_t> added_{0}, removed_{kForever};
  std::atomic<std::int64_t> modified_ns_;
  std::uint64_t sequence_ = 0;
  std::atomic<std::uint32_t> references_{1};
  std::uint32_t slot_ = 0, cookie_place_ = 0;
  std::atomic<std::uint16_t> idle_timeout_, hard_timeout_;
  std::uint16_t given_idle_, given_hard_, importance_;
  std::uint16_t priority_;
  std::uint8_t table_;
  action::FlowFlags flags_;
  bool linked_ = false;
};
using RuleRef = Ref<Rule>;

/// Everything about a flow, by value.
struct FlowInfo {
  std::uint8_t table = 0;
  std::uint16_t priority = 0;
  std::uint64_t cookie = 0;
  std::uint16_t idle_timeout = 0, hard_timeout = 0, importance = 0;  ///< seconds, 0 = never
  action::FlowFlags flags;
  flow::Match match;
  action::ActionList actions;
  std::uint64_t packets = 0, bytes = 0;
  Instant created, modified, last_used;

  /// As action::format_flow_stats wants it, `now` on the pipeline's clock.
  action::FlowSpec spec() const;
  action::FlowCounters counters(Instant now) const;
};

/// OpenFlow's reasons of a flow-removed message, with its numbers.
enum class RemovedReason : std::uint8_t {
  IdleTimeout = 0,
  HardTimeout = 1,
  Delete = 2,
  GroupDelete = 3,
  MeterDelete = 4,
  Eviction = 5
};

struct RemovedFlow {
  RuleRef rule;
  RemovedReason reason = RemovedReason::Delete;
};

}  // namespace sluice::pipeline
