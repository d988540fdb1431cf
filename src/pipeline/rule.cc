#include "pipeline/rule.h"

#include <algorithm>
#include <cstddef>
#include <new>

#include "action/all_actions.h"

namespace sluice::pipeline {

unsigned MaskShape::stage_of(unsigned word) {
  const std::size_t offset = word * 8;
  if (offset < offsetof(flow::FlowKey, eth_dst) || offset >= offsetof(flow::FlowKey, metadata)) return 0;
  if (offset < offsetof(flow::FlowKey, nw_src)) return 1;
  return offset < offsetof(flow::FlowKey, tp_src) ? 2 : 3;
}

MaskShape::MaskShape(const flow::Mask& mask) : mask_(mask) {
  for (unsigned stage = 0; stage < kStages; ++stage) {
    for (unsigned word = 0; word < flow::kKeyWords; ++word) {
      const std::uint64_t bits = flow::word_at(mask.bits, word);
      if (bits == 0 || stage_of(word) != stage) continue;
      index_[words_] = static_cast<std::uint8_t>(word);
      bits_[words_++] = bits;
    }
    stage_end_[stage] = words_;
  }
}

Rule::Rule(Ref<MaskShape> shape, std::uint8_t table, std::uint16_t priority, const RuleAttributes& attributes,
           Ref<SharedActions> actions, Ref<RuleStats> stats)
    : shape_(std::move(shape)),
      stats_(std::move(stats)),
      actions_(std::move(actions)),
      cookie_(attributes.cookie),
      created_(attributes.created),
      modified_ns_(attributes.modified.ns),
      idle_timeout_(attributes.idle_timeout),
      hard_timeout_(attributes.hard_timeout),
      given_idle_(attributes.idle_timeout),
      given_hard_(attributes.hard_timeout),
      importance_(attributes.importance),
      priority_(priority),
      table_(table),
      flags_(attributes.flags) {}

SharedActions::SharedActions(action::ActionList actions)
    : list(std::move(actions)),
      conjunctive(std::any_of(list.begin(), list.end(), [](const action::Action& action) {
        return action::as<action::Conjunction>(action) != nullptr;
      })) {}

bool Rule::shorten(std::uint16_t idle, std::uint16_t hard) {
  const auto reduce = [](std::atomic<std::uint16_t>& timeout, std::uint16_t most) {
    std::uint16_t now = timeout.load(std::memory_order_relaxed);
    while (most != 0 && (now == 0 || now > most))
      if (timeout.compare_exchange_weak(now, most, std::memory_order_relaxed)) return true;
    return false;
  };
  const bool shorter_idle = reduce(idle_timeout_, idle), shorter_hard = reduce(hard_timeout_, hard);
  return shorter_idle || shorter_hard;
}

Ref<Rule> Rule::create(Ref<MaskShape> shape, const flow::FlowKey& value, std::uint8_t table,
                       std::uint16_t priority, const RuleAttributes& attributes, Ref<SharedActions> actions,
                       Ref<RuleStats> stats) {
  static_assert(alignof(Rule) >= alignof(std::uint64_t) && sizeof(Rule) % alignof(std::uint64_t) == 0);
  const unsigned words = shape->words();
  void* memory = ::operator new(sizeof(Rule) + words * sizeof(std::uint64_t));
  Rule* rule =
      new (memory) Rule(std::move(shape), table, priority, attributes, std::move(actions), std::move(stats));
  for (unsigned i = 0; i < words; ++i)
    rule->values()[i] = flow::word_at(value, rule->shape_->index(i)) & rule->shape_->bits(i);
  return RuleRef::adopt(rule);
}

void Rule::destroy() {
  this->~Rule();
  ::operator delete(static_cast<void*>(this));
}

flow::Match Rule::match() const {
  flow::Match result{};
  result.mask = shape_->mask();
  for (unsigned i = 0; i < shape_->words(); ++i) flow::set_word(result.value, shape_->index(i), values()[i]);
  return result;
}

bool Rule::is_within(const flow::Match& match) const {
  if (!shape_->mask().covers(match.mask)) return false;
  for (unsigned i = 0; i < shape_->words(); ++i) {
    const std::uint64_t wanted = flow::word_at(match.mask.bits, shape_->index(i));
    if (((values()[i] ^ flow::word_at(match.value, shape_->index(i))) & wanted) != 0) return false;
  }
  return true;
}

FlowInfo Rule::info() const {
  return {.table = table_,
          .priority = priority_,
          .cookie = cookie_,
          .idle_timeout = idle_timeout(),
          .hard_timeout = hard_timeout(),
          .importance = importance_,
          .flags = flags_,
          .match = match(),
          .actions = actions(),
          .packets = stats_->packets(),
          .bytes = stats_->bytes(),
          .created = created_,
          .modified = modified(),
          .last_used = stats_->last_used()};
}

action::FlowSpec FlowInfo::spec() const {
  action::FlowSpec result;
  result.table = table;
  result.priority = priority;
  result.cookie = cookie;
  result.new_cookie = cookie;
  result.idle_timeout = idle_timeout;
  result.hard_timeout = hard_timeout;
  result.importance = importance;
  result.flags = flags;
  result.match = match;
  result.actions = actions;
  return result;
}

action::FlowCounters FlowInfo::counters(Instant now) const {
  return {.packets = packets,
          .bytes = bytes,
          .duration_ns = (now - created).ns / 1'000'000 * 1'000'000,  // to the millisecond, as it is shown
          .idle_age_s = (now - last_used).whole_seconds(),
          .hard_age_s = modified == created ? -1 : (now - modified).whole_seconds()};
}

}  // namespace sluice::pipeline
