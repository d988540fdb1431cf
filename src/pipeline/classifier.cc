#include "pipeline/classifier.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <span>

#include "action/all_actions.h"
#include "base/check.h"
#include "base/hash.h"
#include "net/address.h"

namespace sluice::pipeline {
namespace {

constexpr unsigned kTrieFields = 6;
enum TrieField : unsigned { kNwSrc, kNwDst, kIpv6Src, kIpv6Dst, kTpSrc, kTpDst };
constexpr unsigned kFirstPortTrie = kTpSrc;

using Wide = unsigned __int128;
constexpr Wide wide(const be128& value) {
  return Wide{value.hi.host()} << 64 | value.lo.host();
}

/// The length of a prefix mask, 0 if it is none (or masks nothing): then no trie is of use.
unsigned prefix_length(const flow::FlowKey& mask, unsigned field) {
  const auto ones = [](auto value, unsigned width) -> unsigned {
    decltype(value) rest = static_cast<decltype(value)>(~value);
    if (static_cast<decltype(value)>(rest & static_cast<decltype(value)>(rest + 1)) != 0) return 0;
    unsigned length = width;
    for (; rest != 0; rest = static_cast<decltype(value)>(rest >> 1)) --length;
    return length;
  };
  switch (field) {
    case kNwSrc:
      return ones(mask.nw_src.host(), 32);
    case kNwDst:
      return ones(mask.nw_dst.host(), 32);
    case kIpv6Src:
      return ones(wide(mask.ipv6_src), 128);
    case kIpv6Dst:
      return ones(wide(mask.ipv6_dst), 128);
    case kTpSrc:
      return ones(mask.tp_src.host(), 16);
    default:
      return ones(mask.tp_dst.host(), 16);
  }
}

/// ORs the first `length` bits of a field into a mask.
void add_prefix(flow::FlowKey& mask, unsigned field, unsigned length) {
  const auto port = [length] { return be16{static_cast<std::uint16_t>(0xffff0000u >> length)}; };
  switch (field) {
    case kNwSrc:
      mask.nw_src = mask.nw_src | net::ipv4_prefix_mask(length);
      break;
    case kNwDst:
      mask.nw_dst = mask.nw_dst | net::ipv4_prefix_mask(length);
      break;
    case kIpv6Src:
      mask.ipv6_src = mask.ipv6_src | net::ipv6_prefix_mask(length);
      break;
    case kIpv6Dst:
      mask.ipv6_dst = mask.ipv6_dst | net::ipv6_prefix_mask(length);
      break;
    case kTpSrc:
      mask.tp_src = mask.tp_src | port();
      break;
    default:
      mask.tp_dst = mask.tp_dst | port();
      break;
  }
}

std::uint64_t mask_hash(const flow::Mask& mask, std::uint64_t secret) {
  for (unsigned i = 0; i < flow::kKeyWords; ++i)
    if (const std::uint64_t word = flow::word_at(mask.bits, i); word != 0)
      secret = hash_mix(secret + i, word);
  return secret;
}

/// Cells that readers probe while the writer stores into them; replaced whole when it grows.
struct Cells {
  explicit Cells(std::size_t size)
      : mask(size - 1), cell(std::make_unique<std::atomic<std::uint64_t>[]>(size)) {}
  std::size_t size() const { return mask + 1; }
  std::size_t mask;
  std::unique_ptr<std::atomic<std::uint64_t>[]> cell;
};
constexpr std::size_t kFirstCells = 4;

/// How many rules have each hash of the words of one stage. Cell: hash in the upper half, count in the lower.
class StageIndex {
 public:
  StageIndex() : cells_(std::make_unique<const Cells>(kFirstCells)) {}

  bool contains(std::uint64_t hash) const {
    const Cells& cells = *cells_.get();
    const std::uint32_t tag = tag_of(hash);
    for (std::size_t i = tag & cells.mask;; i = (i + 1) & cells.mask) {
      const std::uint64_t cell = cells.cell[i].load(std::memory_order_acquire);
      if (cell == 0) return false;
      if (cell >> 32 == tag) return static_cast<std::uint32_t>(cell) != 0;
    }
  }
  void add(std::uint64_t hash) {
    if ((used_ + 1) * 2 > cells_.get()->size()) grow();
    std::atomic<std::uint64_t>& cell = find(*cells_.get(), tag_of(hash));
    const std::uint64_t old = cell.load(std::memory_order_relaxed);
    if (old == 0) ++used_;
    cell.store((old == 0 ? std::uint64_t{tag_of(hash)} << 32 : old) + 1, std::memory_order_release);
  }
  void remove(std::uint64_t hash) {
    std::atomic<std::uint64_t>& cell = find(*cells_.get(), tag_of(hash));
    cell.store(cell.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  }
  void prefetch(std::uint64_t hash) const {
    const Cells& cells = *cells_.get();
    __builtin_prefetch(&cells.cell[tag_of(hash) & cells.mask], 1);
  }
  std::size_t memory_bytes() const { return cells_.get()->size() * 8; }

 private:
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 17) | 1; }
  static std::atomic<std::uint64_t>& find(const Cells& cells, std::uint32_t tag) {
    std::size_t i = tag & cells.mask;
    while (cells.cell[i].load(std::memory_order_relaxed) != 0 &&
           cells.cell[i].load(std::memory_order_relaxed) >> 32 != tag)
      i = (i + 1) & cells.mask;
    return cells.cell[i];
  }
  void grow() {
    const Cells& old = *cells_.get();
    std::size_t live = 0;
    for (std::size_t i = 0; i < old.size(); ++i)
      live += static_cast<std::uint32_t>(old.cell[i].load(std::memory_order_relaxed)) != 0;
    std::size_t size = kFirstCells;
    while (size < (live + 1) * 3) size *= 2;
    auto next = std::make_unique<Cells>(size);
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::uint64_t cell = old.cell[i].load(std::memory_order_relaxed);
      if (static_cast<std::uint32_t>(cell) != 0)
        find(*next, static_cast<std::uint32_t>(cell >> 32)).store(cell, std::memory_order_relaxed);
    }
    used_ = live;
    cells_.publish(std::move(next));
  }

  rcu::Published<Cells> cells_;
  std::size_t used_ = 0;
};

}  // namespace

/// Answers of the tries for one key, each found when first asked for.
class TrieLookup {
 public:
  TrieLookup(const Classifier::Tries& tries, const flow::FlowKey& key) : tries_(tries), key_(key) {}

  /// Whether a rule whose prefix of this field has `length` bits can cover the key.
  bool can_match(unsigned field, unsigned length) {
    ask(field);
    return (lengths_[field][length / 64] >> (length % 64) & 1) != 0;
  }
  unsigned bits(unsigned field) const { return bits_[field]; }

 private:
  void ask(unsigned field) {
    if (asked_ >> field & 1) return;
    asked_ |= 1u << field;
    const auto take = [&](const auto& answer) {
      std::copy(answer.lengths.begin(), answer.lengths.end(), lengths_[field]);
      bits_[field] = answer.bits;
    };
    switch (field) {
      case kNwSrc:
        return take(tries_.nw_src.lookup(key_.nw_src.host()));
      case kNwDst:
        return take(tries_.nw_dst.lookup(key_.nw_dst.host()));
      case kIpv6Src:
        return take(tries_.ipv6_src.lookup(wide(key_.ipv6_src)));
      case kIpv6Dst:
        return take(tries_.ipv6_dst.lookup(wide(key_.ipv6_dst)));
      case kTpSrc:
        return take(tries_.tp_src.lookup(key_.tp_src.host()));
      default:
        return take(tries_.tp_dst.lookup(key_.tp_dst.host()));
    }
  }

  const Classifier::Tries& tries_;
  const flow::FlowKey& key_;
  unsigned asked_ = 0;
  unsigned bits_[kTrieFields];
  std::uint64_t lengths_[kTrieFields][3];
};

/// All rules with one mask. Cell of the table: 16 bits of the hash, 48 bits of pointer to the rule of highest
/// priority with that value.
class Subtable {
 public:
  Subtable(Ref<MaskShape> shape, std::uint64_t secret)
      : shape_(std::move(shape)), secret_(secret), cells_(std::make_unique<const Cells>(kFirstCells)) {
    for (unsigned field = 0; field < kTrieFields; ++field)
      prefix_[field] = static_cast<std::uint8_t>(prefix_length(shape_->mask().bits, field));
    unsigned before = 0;
    for (unsigned stage = 0; stage + 1 < MaskShape::kStages; ++stage) {
      const unsigned words = shape_->words_to(stage);
      if (words > before && words < shape_->words()) index_[stage].emplace();
      before = words;
    }
  }

  const MaskShape& shape() const { return *shape_; }
  const Ref<MaskShape>& shape_ref() const { return shape_; }
  unsigned prefix(unsigned field) const { return prefix_[field]; }
  std::uint16_t max_priority() const { return priorities_.rbegin()->first; }
  bool has_priority(std::uint16_t priority) const { return priorities_.contains(priority); }
  bool empty() const { return priorities_.empty(); }

  /// The visible rule of highest priority that matches the key.
  Rule* lookup(const flow::FlowKey& key, std::uint64_t version, TrieLookup& tries, flow::Mask* mask) const {
    std::uint64_t hash = secret_;
    unsigned word = 0;
    for (unsigned stage = 0; stage < MaskShape::kStages; ++stage) {
      if (stage >= 2) {
        const unsigned first = stage == 2 ? 0 : kFirstPortTrie,
                       last = stage == 2 ? kFirstPortTrie : kTrieFields;
        for (unsigned field = first; field < last; ++field) {
          if (prefix_[field] == 0 || tries.can_match(field, prefix_[field])) continue;
          unwildcard(mask, word);
          if (mask) add_prefix(mask->bits, field, std::min<unsigned>(tries.bits(field), prefix_[field]));
          return nullptr;
        }
      }
      for (; word < shape_->words_to(stage); ++word)
        hash = hash_mix(hash, flow::word_at(key, shape_->index(word)) & shape_->bits(word));
      if (stage + 1 < MaskShape::kStages && index_[stage] && !index_[stage]->contains(hash)) {
        unwildcard(mask, word);
        return nullptr;
      }
    }
    unwildcard(mask, word);
    const Cells& cells = *cells_.get();
    for (std::size_t i = hash & cells.mask;; i = (i + 1) & cells.mask) {
      const std::uint64_t cell = cells.cell[i].load(std::memory_order_acquire);
      if (cell == kEmpty) return nullptr;
      if (cell >> 48 != hash >> 48 || cell == kTombstone) continue;
      Rule* rule = rule_of(cell);
      if (!rule || !rule->matches(key)) continue;
      while (rule && !rule->visible_in(version)) rule = rule->lower_.load(std::memory_order_acquire);
      return rule;
    }
  }

  void insert(Rule* rule) {
    if ((used_ + 1) * 5 > cells_.get()->size() * 3) grow();
    const std::uint64_t hash = hash_of(*rule, [](StageIndex& index, std::uint64_t part) { index.add(part); });
    ++priorities_[rule->priority()];
    ++rules_;
    const Cells& cells = *cells_.get();
    const std::size_t i = find_cell(cells, hash, *rule);
    Rule* head = rule_of(cells.cell[i].load(std::memory_order_relaxed));
    if (!head) {
      rule->lower_.store(nullptr, std::memory_order_relaxed);
      const std::size_t at = find_free(cells, hash);
      if (cells.cell[at].load(std::memory_order_relaxed) == kEmpty) ++used_;
      low_hash_[at] = static_cast<std::uint32_t>(hash);
      cells.cell[at].store(cell_of(hash, rule), std::memory_order_release);
      return;
    }
    if (head->priority() <= rule->priority()) {
      rule->lower_.store(head, std::memory_order_relaxed);
      cells.cell[i].store(cell_of(hash, rule), std::memory_order_release);
      return;
    }
    Rule* above = head;
    for (;;) {
      Rule* next = above->lower_.load(std::memory_order_relaxed);
      if (!next || next->priority() <= rule->priority()) {
        rule->lower_.store(next, std::memory_order_relaxed);
        above->lower_.store(rule, std::memory_order_release);
        return;
      }
      above = next;
    }
  }

  void remove(Rule* rule) {
    const std::uint64_t hash =
        hash_of(*rule, [](StageIndex& index, std::uint64_t part) { index.remove(part); });
    const Cells& cells = *cells_.get();
    const std::size_t i = find_cell(cells, hash, *rule);
    Rule* head = rule_of(cells.cell[i].load(std::memory_order_relaxed));
    SLUICE_CHECK(head);
    Rule* lower = rule->lower_.load(std::memory_order_relaxed);
    if (head == rule) {
      cells.cell[i].store(lower ? cell_of(hash, lower) : kTombstone, std::memory_order_release);
    } else {
      Rule* above = head;
      while (above->lower_.load(std::memory_order_relaxed) != rule) {
        above = above->lower_.load(std::memory_order_relaxed);
        SLUICE_CHECK(above);
      }
      above->lower_.store(lower, std::memory_order_release);
    }
    --rules_;
    if (--priorities_[rule->priority()] == 0) priorities_.erase(rule->priority());
  }

  /// Asks memory for what find() and insert() of this value will look at.
  void prefetch(const flow::FlowKey& value) const {
    std::uint64_t hash = secret_;
    unsigned word = 0;
    for (unsigned stage = 0; stage < MaskShape::kStages; ++stage) {
      for (; word < shape_->words_to(stage); ++word)
        hash = hash_mix(hash, flow::word_at(value, shape_->index(word)) & shape_->bits(word));
      if (stage + 1 < MaskShape::kStages && index_[stage]) index_[stage]->prefetch(hash);
    }
    const Cells& cells = *cells_.get();
    __builtin_prefetch(&cells.cell[hash & cells.mask], 1);
    __builtin_prefetch(&low_hash_[hash & cells.mask], 1);
  }

  /// The rule of highest priority with this value, visible or not.
  Rule* find(const flow::FlowKey& value) const {
    std::uint64_t hash = secret_;
    for (unsigned i = 0; i < shape_->words(); ++i)
      hash = hash_mix(hash, flow::word_at(value, shape_->index(i)) & shape_->bits(i));
    const Cells& cells = *cells_.get();
    for (std::size_t i = hash & cells.mask;; i = (i + 1) & cells.mask) {
      const std::uint64_t cell = cells.cell[i].load(std::memory_order_relaxed);
      if (cell == kEmpty) return nullptr;
      if (cell >> 48 != hash >> 48 || cell == kTombstone) continue;
      Rule* rule = rule_of(cell);
      if (rule && rule->matches(value)) return rule;
    }
  }

  /// The same with the value of a rule.
  Rule* find_same(const Rule& like) const {
    std::uint64_t hash = secret_;
    for (unsigned i = 0; i < shape_->words(); ++i) hash = hash_mix(hash, like.value(i));
    const Cells& cells = *cells_.get();
    return rule_of(cells.cell[find_cell(cells, hash, like)].load(std::memory_order_relaxed));
  }

  template <typename F>
  void for_each(F&& f) const {
    const Cells& cells = *cells_.get();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::uint64_t cell = cells.cell[i].load(std::memory_order_relaxed);
      if (cell == kEmpty || cell == kTombstone) continue;
      for (Rule* rule = rule_of(cell); rule; rule = rule->lower_.load(std::memory_order_relaxed)) f(*rule);
    }
  }
  static Rule* lower(const Rule& rule) { return rule.lower_.load(std::memory_order_relaxed); }
  /// The rule of this priority that is not removed, if there is one, among `first` and what is below it. What
  /// it has replaced is behind it.
  static Rule* live_of(Rule* first, std::uint16_t priority, std::size_t& looked_at) {
    Rule* rule = first;
    for (; rule && rule->priority() > priority; rule = lower(*rule)) ++looked_at;
    return rule && rule->priority() == priority && !rule->is_removed() ? rule : nullptr;
  }
  /// What for_each() looks at: its rules, and cells, of which it passes some in the time of one rule.
  std::size_t looks() const {
    constexpr std::size_t kCellsOfARule = 8;
    return rules_ + cells_.get()->size() / kCellsOfARule;
  }
  std::size_t memory_bytes() const {
    std::size_t bytes =
        sizeof(Subtable) + sizeof(MaskShape) + cells_.get()->size() * (8 + sizeof(std::uint32_t));
    for (const auto& index : index_)
      if (index) bytes += index->memory_bytes();
    return bytes;
  }

 private:
  static constexpr std::uint64_t kEmpty = 0, kTombstone = 1;
  static constexpr std::uint64_t kPointerBits = (1ULL << 48) - 1;
  static Rule* rule_of(std::uint64_t cell) {
    return cell == kTombstone ? nullptr : reinterpret_cast<Rule*>(cell & kPointerBits);
  }
  static std::uint64_t cell_of(std::uint64_t hash, Rule* rule) {
    return (hash & ~kPointerBits) | reinterpret_cast<std::uintptr_t>(rule);
  }
  /// The hash of the rule's value; `change` is called with each stage's index and the hash of its words.
  template <typename F>
  std::uint64_t hash_of(const Rule& rule, F&& change) {
    std::uint64_t hash = secret_;
    unsigned word = 0;
    for (unsigned stage = 0; stage < MaskShape::kStages; ++stage) {
      for (; word < shape_->words_to(stage); ++word) hash = hash_mix(hash, rule.value(word));
      if (stage + 1 < MaskShape::kStages && index_[stage]) change(*index_[stage], hash);
    }
    return hash;
  }
  /// The cell whose rule has the value of `rule`, or the empty one where the probe ended.
  static std::size_t find_cell(const Cells& cells, std::uint64_t hash, const Rule& rule) {
    for (std::size_t i = hash & cells.mask;; i = (i + 1) & cells.mask) {
      const std::uint64_t cell = cells.cell[i].load(std::memory_order_relaxed);
      if (cell == kEmpty) return i;
      if (cell >> 48 != hash >> 48 || cell == kTombstone) continue;
      if (rule_of(cell)->same_value(rule)) return i;
    }
  }
  static std::size_t find_free(const Cells& cells, std::uint64_t hash) {
    std::size_t i = hash & cells.mask;
    while (cells.cell[i].load(std::memory_order_relaxed) > kTombstone) i = (i + 1) & cells.mask;
    return i;
  }
  void grow() {
    const Cells& old = *cells_.get();
    std::size_t live = 0;
    for (std::size_t i = 0; i < old.size(); ++i)
      live += old.cell[i].load(std::memory_order_relaxed) > kTombstone;
    std::size_t size = kFirstCells;
    while (size * 2 < (live + 1) * 5) size *= 2;
    auto next = std::make_unique<Cells>(size);
    std::vector<std::uint32_t> next_hash(size);
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::uint64_t cell = old.cell[i].load(std::memory_order_relaxed);
      if (cell <= kTombstone) continue;
      const std::size_t at = find_free(*next, low_hash_[i]);
      next_hash[at] = low_hash_[i];
      next->cell[at].store(cell, std::memory_order_relaxed);
    }
    used_ = live;
    low_hash_.swap(next_hash);
    cells_.publish(std::move(next));
  }
  void unwildcard(flow::Mask* mask, unsigned words) const {
    if (!mask) return;
    for (unsigned i = 0; i < words; ++i)
      flow::set_word(mask->bits, shape_->index(i),
                     flow::word_at(mask->bits, shape_->index(i)) | shape_->bits(i));
  }

  Ref<MaskShape> shape_;
  const std::uint64_t secret_;
  std::uint8_t prefix_[kTrieFields];
  rcu::Published<Cells> cells_;
  /// Of the hash of each cell the half that tells its place: the table grows without a look at its rules.
  /// Writer.
  std::vector<std::uint32_t> low_hash_ = std::vector<std::uint32_t>(kFirstCells);
  std::optional<StageIndex> index_[MaskShape::kStages - 1];
  std::size_t used_ = 0;   ///< cells that are not empty
  std::size_t rules_ = 0;  ///< removed ones too
  std::map<std::uint16_t, std::size_t> priorities_;
};

Classifier::Classifier(std::uint64_t secret) : secret_(secret), order_(std::make_unique<const Order>()) {}

Classifier::~Classifier() {
  for (Subtable* subtable : emptied_) delete subtable;
  for (const auto& [hash, subtable] : shapes_) {
    std::vector<Rule*> rules;
    subtable->for_each([&](Rule& rule) { rules.push_back(&rule); });
    delete subtable;
    for (Rule* rule : rules) rule->unref();
  }
}

Rule* Classifier::lookup(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const {
  if (conjunctive_.load(std::memory_order_acquire) == 0) [[likely]]
    return look_up(key, version, mask);
  return look_up_conjunctive(key, version, mask);
}

namespace {

/// Finds out, for matching conjunctive rules of one priority, which conjunction has all its dimensions: of
/// several that of the lowest id.
std::optional<std::uint32_t> complete_conjunction(std::span<Rule* const> rules) {
  struct Found {
    std::uint32_t id;
    std::uint8_t clauses, clause;
    auto operator<=>(const Found&) const = default;
  };
  std::vector<Found> found;
  for (const Rule* rule : rules)
    for (const action::Action& action : rule->actions())
      if (const auto* conjunction = action::as<action::Conjunction>(action))
        found.push_back({conjunction->id, conjunction->clauses, conjunction->clause});
  std::sort(found.begin(), found.end());
  std::uint64_t clause_bits = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Found& here = found[i];
    if (i == 0 || found[i - 1].id != here.id || found[i - 1].clauses != here.clauses) clause_bits = 0;
    clause_bits |= std::uint64_t{1} << here.clause;
    if (clause_bits == ~std::uint64_t{0} >> (64 - here.clauses)) return here.id;
  }
  return std::nullopt;
}

}  // namespace

Rule* Classifier::look_up_conjunctive(const flow::FlowKey& key, std::uint64_t version,
                                      flow::Mask* mask) const {
  TrieLookup tries(tries_, key);
  Rule* best = nullptr;
  std::vector<Rule*> soft;
  for (const Entry& entry : *order_.get()) {
    if (best && best->priority() >= entry.max_priority) break;
    Rule* rule = entry.subtable->lookup(key, version, tries, mask);
    for (; rule; rule = Subtable::lower(*rule)) {
      if (!rule->visible_in(version)) continue;
      if (!rule->is_conjunctive()) break;
      soft.push_back(rule);
    }
    if (rule && (!best || rule->priority() > best->priority())) best = rule;
  }
  std::sort(soft.begin(), soft.end(),
            [](const Rule* a, const Rule* b) { return a->priority() > b->priority(); });
  for (std::size_t first = 0, last = 0; first < soft.size(); first = last) {
    if (best && best->priority() >= soft[first]->priority()) break;
    while (last < soft.size() && soft[last]->priority() == soft[first]->priority()) ++last;
    const auto id = complete_conjunction(std::span(soft).subspan(first, last - first));
    if (!id) continue;
    flow::FlowKey again = key;
    again.conj_id = be32{*id};
    if (Rule* rule = look_up_hard(again, version, mask)) return rule;
  }
  return best;
}

/// As if there were no conjunctive rules.
Rule* Classifier::look_up_hard(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const {
  TrieLookup tries(tries_, key);
  Rule* best = nullptr;
  for (const Entry& entry : *order_.get()) {
    if (best && best->priority() >= entry.max_priority) break;
    Rule* rule = entry.subtable->lookup(key, version, tries, mask);
    while (rule && (rule->is_conjunctive() || !rule->visible_in(version))) rule = Subtable::lower(*rule);
    if (rule && (!best || rule->priority() > best->priority())) best = rule;
  }
  return best;
}

Rule* Classifier::look_up(const flow::FlowKey& key, std::uint64_t version, flow::Mask* mask) const {
  TrieLookup tries(tries_, key);
  Rule* best = nullptr;
  for (const Entry& entry : *order_.get()) {
    if (best && best->priority() >= entry.max_priority) break;
    Rule* rule = entry.subtable->lookup(key, version, tries, mask);
    if (rule && (!best || rule->priority() > best->priority())) best = rule;
  }
  return best;
}

Subtable* Classifier::find_subtable(const flow::Mask& mask) const {
  if (recent_ && recent_->shape().mask() == mask) return recent_;
  const auto [first, last] = shapes_.equal_range(mask_hash(mask, secret_));
  for (auto it = first; it != last; ++it)
    if (it->second->shape().mask() == mask) return recent_ = it->second;
  return nullptr;
}

Subtable* Classifier::subtable_of(const Rule& rule) const {
  if (recent_ && recent_->shape_ref() == rule.shape_ref()) return recent_;
  return find_subtable(rule.shape().mask());
}

Ref<MaskShape> Classifier::shape(const flow::Mask& mask, RecentShapes* recent) const {
  if (const Subtable* subtable = find_subtable(mask)) return subtable->shape_ref();
  if (!recent) return Ref<MaskShape>::adopt(new MaskShape(mask));
  Ref<MaskShape>& place = recent->place(mask_hash(mask, 0));
  if (!place || !(place->mask() == mask)) place = Ref<MaskShape>::adopt(new MaskShape(mask));
  return place;
}

bool Classifier::insert(Rule* rule) {
  Subtable* subtable = subtable_of(*rule);
  const bool is_new = !subtable;
  if (is_new) {
    subtable = new Subtable(rule->shape_, secret_);
    shapes_.emplace(mask_hash(rule->shape().mask(), secret_), subtable);
    recent_ = subtable;
  }
  // Before a reader can meet the rule.
  rule->shape_ = subtable->shape_ref();
  if (rule->is_conjunctive()) conjunctive_.fetch_add(1, std::memory_order_release);
  const bool reorder = !reorder_ && (is_new || rule->priority() > subtable->max_priority());
  reorder_ = reorder_ || reorder;
  change_tries(*subtable, *rule, true);
  subtable->insert(rule);
  rule->linked_ = true;
  rule->ref();
  ++size_;
  return reorder;
}

void Classifier::remove(Rule* rule) {
  RuleRef gone = unlink(rule);
  publish();
  rcu::retire([rule] { rule->unref(); });
  gone.release();
}

RuleRef Classifier::unlink(Rule* rule) {
  Subtable* subtable = subtable_of(*rule);
  SLUICE_CHECK(subtable);
  const std::uint16_t highest = subtable->max_priority();
  subtable->remove(rule);
  rule->linked_ = false;
  if (rule->is_conjunctive()) conjunctive_.fetch_sub(1, std::memory_order_release);
  change_tries(*subtable, *rule, false);
  --size_;
  if (subtable->empty()) {
    const auto [first, last] = shapes_.equal_range(mask_hash(rule->shape().mask(), secret_));
    for (auto it = first; it != last; ++it) {
      if (it->second != subtable) continue;
      shapes_.erase(it);
      break;
    }
    recent_ = nullptr;
    reorder_ = true;
    emptied_.push_back(subtable);
  } else if (subtable->max_priority() != highest) {
    reorder_ = true;
  }
  return RuleRef::adopt(rule);
}

void Classifier::publish() {
  if (!reorder_) return;
  reorder_ = false;
  publish_order();
  for (Subtable* subtable : emptied_) rcu::retire([subtable] { delete subtable; });
  emptied_.clear();
}

void Classifier::publish_order() {
  auto order = std::make_unique<Order>();
  order->reserve(shapes_.size());
  for (const auto& [hash, subtable] : shapes_) order->push_back({subtable, subtable->max_priority()});
  std::stable_sort(order->begin(), order->end(),
                   [](const Entry& a, const Entry& b) { return a.max_priority > b.max_priority; });
  order_.publish(std::move(order));
}

void Classifier::change_tries(const Subtable& subtable, const Rule& rule, bool insert) {
  const auto change = [&](auto& trie, auto value, unsigned length) {
    if (insert)
      trie.insert(value, length);
    else
      trie.remove(value, length);
  };
  bool any = false;
  for (unsigned field = 0; field < kTrieFields; ++field) any = any || subtable.prefix(field) != 0;
  if (!any) return;
  flow::FlowKey value{};
  for (unsigned i = 0; i < rule.shape().words(); ++i)
    flow::set_word(value, rule.shape().index(i), rule.value(i));
  for (unsigned field = 0; field < kTrieFields; ++field) {
    const unsigned length = subtable.prefix(field);
    if (length == 0) continue;
    switch (field) {
      case kNwSrc:
        change(tries_.nw_src, value.nw_src.host(), length);
        break;
      case kNwDst:
        change(tries_.nw_dst, value.nw_dst.host(), length);
        break;
      case kIpv6Src:
        change(tries_.ipv6_src, wide(value.ipv6_src), length);
        break;
      case kIpv6Dst:
        change(tries_.ipv6_dst, wide(value.ipv6_dst), length);
        break;
      case kTpSrc:
        change(tries_.tp_src, value.tp_src.host(), length);
        break;
      default:
        change(tries_.tp_dst, value.tp_dst.host(), length);
        break;
    }
  }
}

void Classifier::prefetch(const flow::Match& match) const {
  if (const Subtable* subtable = find_subtable(match.mask)) subtable->prefetch(match.value);
}

Rule* Classifier::find(const flow::Match& match, std::uint16_t priority, std::size_t& looked_at) const {
  const Subtable* subtable = find_subtable(match.mask);
  if (!subtable) return nullptr;
  return Subtable::live_of(subtable->find(match.value), priority, looked_at);
}

Rule* Classifier::find(const Rule& like, std::size_t& looked_at) const {
  const Subtable* subtable = subtable_of(like);
  if (!subtable) return nullptr;
  return Subtable::live_of(subtable->find_same(like), like.priority(), looked_at);
}

namespace {

/// Whether some packet matches both.
bool intersects(const Rule& rule, const flow::Match& match) {
  const MaskShape& shape = rule.shape();
  for (unsigned i = 0; i < shape.words(); ++i) {
    const std::uint64_t common = shape.bits(i) & flow::word_at(match.mask.bits, shape.index(i));
    if (((rule.value(i) ^ flow::word_at(match.value, shape.index(i))) & common) != 0) return false;
  }
  return true;
}

}  // namespace

bool Classifier::overlaps(const flow::Match& match, std::uint16_t priority, std::size_t& looked_at) const {
  const auto counts = [&](const Rule& rule) { return rule.priority() == priority && !rule.is_removed(); };
  for (const auto& [hash, subtable] : shapes_) {
    ++looked_at;
    if (!subtable->has_priority(priority)) continue;
    if (match.mask.covers(subtable->shape().mask())) {
      // The match says which of the subtable's values it would have to be.
      for (const Rule* rule = subtable->find(match.value); rule; rule = Subtable::lower(*rule)) {
        ++looked_at;
        if (counts(*rule)) return true;
      }
      continue;
    }
    bool found = false;
    looked_at += subtable->looks();
    subtable->for_each([&](const Rule& rule) { found = found || (counts(rule) && intersects(rule, match)); });
    if (found) return true;
  }
  return false;
}

std::size_t Classifier::collect(const flow::Match& match, std::vector<Rule*>& rules) const {
  std::size_t looked_at = shapes_.size();
  for (const auto& [hash, subtable] : shapes_) {
    const flow::Mask& mask = subtable->shape().mask();
    if (mask == match.mask) {
      for (Rule* rule = subtable->find(match.value); rule; rule = Subtable::lower(*rule)) {
        ++looked_at;
        rules.push_back(rule);
      }
    } else if (mask.covers(match.mask)) {
      looked_at += subtable->looks();
      subtable->for_each([&](Rule& rule) {
        if (intersects(rule, match)) rules.push_back(&rule);
      });
    }
  }
  return looked_at;
}

std::size_t Classifier::looks(const flow::Match& match, std::size_t limit) const {
  std::size_t looks = 0;
  for (const auto& [hash, subtable] : shapes_) {
    const flow::Mask& mask = subtable->shape().mask();
    looks += 1 + (mask.covers(match.mask) && !(mask == match.mask) ? subtable->looks() : 0);
    if (looks >= limit) return limit;
  }
  return looks;
}

std::size_t Classifier::memory_bytes() const {
  std::size_t bytes = sizeof(Classifier);
  for (const auto& [hash, subtable] : shapes_) bytes += subtable->memory_bytes();
  return bytes;
}

}  // namespace sluice::pipeline
