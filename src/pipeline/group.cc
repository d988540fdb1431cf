#include "pipeline/group.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"

namespace sluice::pipeline {

Group::Group(action::GroupSpec spec, std::size_t described_bytes, Instant created)
    : spec_(std::move(spec)),
      described_bytes_(described_bytes),
      created_(created),
      stats_(Ref<RuleStats>::adopt(new RuleStats)) {
  for (std::size_t i = 0; i < spec_.buckets.size(); ++i)
    bucket_stats_.push_back(Ref<RuleStats>::adopt(new RuleStats));
  if (spec_.type == action::GroupType::Select && spec_.selection != action::SelectionMethod::Hash)
    fill_slots();
}

/// Gives each bucket a share of the slots that fits its weight (Webster's method of apportionment): slot by
/// slot to the bucket whose weight over twice the slots it has, plus one, is the largest. No slots if that
/// would take more than the limits: then buckets are chosen by a hash of the packet.
void Group::fill_slots() {
  if (spec_.selection == action::SelectionMethod::DpHash) {
    symmetric_ = spec_.selection_param >> 32 == 1;
    basis_ = static_cast<std::uint32_t>(spec_.selection_param);
  }
  std::uint32_t total = 0, lightest = 0;
  unsigned weighty = 0;
  for (const action::Bucket& bucket : spec_.buckets) {
    if (bucket.weight == 0) continue;
    total += bucket.weight;
    lightest = weighty == 0 ? bucket.weight : std::min<std::uint32_t>(lightest, bucket.weight);
    ++weighty;
  }
  if (weighty == 0 || weighty > kMaxHashedBuckets || spec_.buckets.size() > 256) return;
  unsigned slots = kMinSlots;
  while (slots < (total + lightest - 1) / lightest) slots *= 2;
  if (slots > kMaxSlots) return;

  std::vector<unsigned> divisors(spec_.buckets.size(), 1);
  for (unsigned slot = 0; slot < slots; ++slot) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < spec_.buckets.size(); ++i)
      if (std::uint64_t{spec_.buckets[i].weight} * divisors[best] >
          std::uint64_t{spec_.buckets[best].weight} * divisors[i])
        best = i;
    divisors[best] += 2;
    slots_.push_back(static_cast<std::uint8_t>(best));
  }
}

namespace {

std::size_t hash_of(std::uint32_t id) {
  return static_cast<std::size_t>(hash_mix(0, id));
}

constexpr std::size_t kFirstCells = 8;

}  // namespace

GroupTable::Cells::Cells(std::size_t size)
    : mask(size - 1), cell(std::make_unique<std::atomic<Group*>[]>(size)) {}

GroupTable::GroupTable() : cells_(std::make_unique<const Cells>(kFirstCells)) {}

GroupTable::~GroupTable() {
  const Cells& cells = *cells_.get();
  for (std::size_t i = 0; i <= cells.mask; ++i) {
    Group* group = cells.cell[i].load(std::memory_order_relaxed);
    if (group == tombstone()) continue;
    while (group) std::exchange(group, group->older_.load(std::memory_order_relaxed))->unref();
  }
}

/// The cell of that id, nullptr if there is none.
std::atomic<Group*>* GroupTable::cell_of(std::uint32_t id) const {
  const Cells& cells = *cells_.get();
  for (std::size_t i = hash_of(id) & cells.mask;; i = (i + 1) & cells.mask) {
    const Group* group = cells.cell[i].load(std::memory_order_acquire);
    if (!group) return nullptr;
    if (group != tombstone() && group->id() == id) return &cells.cell[i];
  }
}

const Group* GroupTable::find(std::uint32_t id, std::uint64_t version) const {
  const std::atomic<Group*>* cell = cell_of(id);
  // Between the look at the cell and this one its last group may have been unlinked.
  const Group* group = cell ? cell->load(std::memory_order_acquire) : nullptr;
  if (group == tombstone()) return nullptr;
  while (group && !group->visible_in(version)) group = group->older_.load(std::memory_order_acquire);
  return group;
}

Group* GroupTable::current(std::uint32_t id) const {
  const std::atomic<Group*>* cell = cell_of(id);
  // What is behind the youngest was removed before that came.
  Group* group = cell ? cell->load(std::memory_order_relaxed) : nullptr;
  return group && !group->is_removed() ? group : nullptr;
}

void GroupTable::insert(Group* group) {
  group->ref();
  if (std::atomic<Group*>* cell = cell_of(group->id())) {
    group->older_.store(cell->load(std::memory_order_relaxed), std::memory_order_relaxed);
    cell->store(group, std::memory_order_release);
    return;
  }
  make_room();
  group->older_.store(nullptr, std::memory_order_relaxed);
  const Cells& cells = *cells_.get();
  std::size_t i = hash_of(group->id()) & cells.mask;
  // A tombstone is not used again: a reader might take the old and the new group of its cell for one chain.
  while (cells.cell[i].load(std::memory_order_relaxed)) i = (i + 1) & cells.mask;
  cells.cell[i].store(group, std::memory_order_release);
  ++used_;
}

void GroupTable::make_room() {
  const Cells& old = *cells_.get();
  if ((used_ + 1) * 2 <= old.mask + 1) return;
  std::size_t live = 0, size = kFirstCells;
  for (std::size_t i = 0; i <= old.mask; ++i)
    live += old.cell[i].load(std::memory_order_relaxed) > tombstone();
  while (size < (live + 1) * 3) size *= 2;
  auto next = std::make_unique<Cells>(size);
  for (std::size_t i = 0; i <= old.mask; ++i) {
    Group* group = old.cell[i].load(std::memory_order_relaxed);
    if (!group || group == tombstone()) continue;
    std::size_t at = hash_of(group->id()) & next->mask;
    while (next->cell[at].load(std::memory_order_relaxed)) at = (at + 1) & next->mask;
    next->cell[at].store(group, std::memory_order_relaxed);
  }
  used_ = live;
  cells_.publish(std::move(next));
}

void GroupTable::remove(Group* group) {
  std::atomic<Group*>* cell = cell_of(group->id());
  SLUICE_CHECK(cell);
  Group* older = group->older_.load(std::memory_order_relaxed);
  Group* newest = cell->load(std::memory_order_relaxed);
  if (newest == group) {
    cell->store(older ? older : tombstone(), std::memory_order_release);
  } else {
    while (newest->older_.load(std::memory_order_relaxed) != group) {
      newest = newest->older_.load(std::memory_order_relaxed);
      SLUICE_CHECK(newest);
    }
    newest->older_.store(older, std::memory_order_release);
  }
  rcu::retire([group] { group->unref(); });
}

std::vector<Group*> GroupTable::all() const {
  std::vector<Group*> groups;
  const Cells& cells = *cells_.get();
  for (std::size_t i = 0; i <= cells.mask; ++i) {
    Group* group = cells.cell[i].load(std::memory_order_relaxed);
    if (group == tombstone()) continue;
    for (; group; group = group->older_.load(std::memory_order_relaxed))
      if (!group->is_removed()) groups.push_back(group);
  }
  std::sort(groups.begin(), groups.end(), [](const Group* a, const Group* b) { return a->id() < b->id(); });
  return groups;
}

}  // namespace sluice::pipeline
