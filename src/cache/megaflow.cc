#include "cache/megaflow.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "cache/subtable.h"

namespace sluice::cache {
namespace {

constexpr unsigned kScratchWords = flow::kDatapathWords + 1;
// Slots looked at to find a victim when the table is full.
constexpr unsigned kEvictCandidates = 8;

/// The datapath part of the mask, with in_port and recirc_id exact.
flow::Mask installable(const flow::Mask& mask) {
  flow::Mask result = mask;
  for (std::size_t i = flow::kDatapathWords; i < flow::kKeyWords; ++i) flow::set_word(result.bits, i, 0);
  flow::set_word(result.bits, 0, ~std::uint64_t{0});
  return result;
}

flow::Mask exact_mask() {
  flow::Mask result;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i) flow::set_word(result.bits, i, ~std::uint64_t{0});
  return result;
}

}  // namespace

void Megaflow::credit() {
  const std::uint64_t n = packets.load(std::memory_order_relaxed),
                      n_bytes = bytes.load(std::memory_order_relaxed);
  if (stats && n != credited_packets)
    stats->credit(n - credited_packets, n_bytes - credited_bytes,
                  Instant{last_used_ns.load(std::memory_order_relaxed)},
                  tcp_flags.load(std::memory_order_relaxed));
  credited_packets = n;
  credited_bytes = n_bytes;
}

const flow::Mask& Megaflow::mask() const {
  return subtable->mask();
}

flow::Match Megaflow::match() const {
  flow::Match match{.value = {}, .mask = mask()};
  unsigned next = 0;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i)
    if (flow::word_at(match.mask.bits, i) != 0) flow::set_word(match.value, i, words[next++]);
  return match;
}

/// The megaflows of one in_port and recirc_id.
struct MegaflowTable::Pass {
  std::uint64_t word0;
  std::vector<std::unique_ptr<Subtable>> subtables;  // in the order in which they are tried
};

MegaflowTable::MegaflowTable(const MegaflowLimits& limits, std::uint64_t secret) : limits_(limits) {
  Rng rng(secret);
  for (auto& word : secrets_) word = rng.next();
}

MegaflowTable::~MegaflowTable() {
  clear();
  reclaim();
}

MegaflowTable::Pass* MegaflowTable::find_pass(std::uint64_t word0) {
  if (last_pass_ != nullptr && last_pass_->word0 == word0) return last_pass_;
  const auto it = passes_.find(word0);
  if (it == passes_.end()) return nullptr;
  return last_pass_ = it->second.get();
}

namespace {

/// Looks the pending keys up side by side: all hashes and buckets, then megaflows, then comparisons, so that
/// the latency of memory overlaps. Returns those still pending.
std::uint32_t look_up_hashed(const Subtable& subtable, const flow::FlowKey* const* keys,
                             std::uint32_t pending, Megaflow** found) {
  std::uint64_t masked[limits::kBatchSize][kScratchWords];
  std::uint64_t hashes[limits::kBatchSize];
  for (std::uint32_t rest = pending; rest != 0; rest &= rest - 1) {
    const int i = std::countr_zero(rest);
    hashes[i] = subtable.mask_and_hash(*keys[i], masked[i]);
    subtable.prefetch(hashes[i]);
  }
  for (std::uint32_t rest = pending; rest != 0; rest &= rest - 1) {
    const Megaflow* const likely = subtable.likely(hashes[std::countr_zero(rest)]);
    if (likely == nullptr) continue;
    __builtin_prefetch(likely, 1);
    __builtin_prefetch(likely->words.data());
  }
  for (std::uint32_t rest = pending; rest != 0; rest &= rest - 1) {
    const int i = std::countr_zero(rest);
    found[i] = subtable.find(hashes[i], masked[i]);
    if (found[i] != nullptr) pending &= ~(std::uint32_t{1} << i);
  }
  return pending;
}

}  // namespace

std::uint32_t MegaflowTable::look_up(const flow::FlowKey* const* keys, unsigned n, Megaflow** found) {
  SLUICE_DCHECK(n > 0 && n <= limits::kBatchSize);
  for (unsigned i = 0; i < n; ++i) found[i] = nullptr;

  std::uint32_t unassigned = n == 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << n) - 1;
  std::uint32_t misses = 0;
  while (unassigned != 0) {
    // All keys of the first one's Pass.
    const std::uint64_t word0 = flow::word_at(*keys[std::countr_zero(unassigned)], 0);
    std::uint32_t pending = 0;
    for (std::uint32_t rest = unassigned; rest != 0; rest &= rest - 1) {
      const int i = std::countr_zero(rest);
      if (flow::word_at(*keys[i], 0) == word0) pending |= std::uint32_t{1} << i;
    }
    unassigned &= ~pending;

    if (Pass* const pass = find_pass(word0)) {
      for (auto& subtable : pass->subtables) {
        const auto tried = static_cast<unsigned>(std::popcount(pending));
        probes_ += tried;
        if (subtable->has_few()) {
          for (std::uint32_t rest = pending; rest != 0; rest &= rest - 1) {
            const int i = std::countr_zero(rest);
            found[i] = subtable->find_among_few(*keys[i]);
            if (found[i] != nullptr) pending &= ~(std::uint32_t{1} << i);
          }
        } else {
          pending = look_up_hashed(*subtable, keys, pending, found);
        }
        subtable->hits += tried - static_cast<unsigned>(std::popcount(pending));
        if (pending == 0) break;
      }
    }
    misses |= pending;
  }
  return misses;
}

Subtable& MegaflowTable::subtable_for(Pass& pass, const flow::Mask& mask) {
  for (auto& subtable : pass.subtables)
    if (subtable->mask() == mask) return *subtable;
  auto& created = pass.subtables.emplace_back(std::make_unique<Subtable>(mask, secrets_.data()));
  created->word0 = pass.word0;
  ++masks_;
  return *created;
}

Megaflow& MegaflowTable::insert(const flow::FlowKey& key, const flow::Mask& wanted,
                                dp_action::Program program, std::unique_ptr<StatsSink> stats,
                                std::uint64_t epoch, Instant now) {
  const std::uint64_t word0 = flow::word_at(key, 0);
  auto& pass = passes_[word0];
  if (!pass) pass = std::make_unique<Pass>(Pass{word0, {}});

  flow::Mask mask = installable(wanted);
  const auto known = [&](const auto& subtable) { return subtable->mask() == mask; };
  if (pass->subtables.size() >= limits_.masks_per_pass && std::ranges::none_of(pass->subtables, known)) {
    mask = exact_mask();
    ++exact_instead_;
  }
  Subtable& subtable = subtable_for(*pass, mask);

  auto megaflow = std::make_unique<Megaflow>();
  std::uint64_t masked[kScratchWords];
  megaflow->hash = subtable.mask_and_hash(key, masked);
  std::copy_n(masked, subtable.words(), megaflow->words.begin());
  megaflow->subtable = &subtable;
  megaflow->program = std::move(program);
  megaflow->stats = std::move(stats);
  megaflow->epoch = epoch;
  megaflow->created = now;

  // Link the new one before the old one goes: a subtable without megaflows would go with it.
  Megaflow* const same = subtable.find(megaflow->hash, megaflow->words.data());
  subtable.insert(*megaflow);
  if (same != nullptr) {
    remove(*same);
  } else {
    trim(1);  // where the limit has become smaller, the table does as well
    if (size_ >= limits_.megaflows) evict_one();
  }

  std::uint32_t slot;
  if (free_slots_.empty()) {
    slot = slots();
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  megaflow->slot = slot;
  slots_[slot] = std::move(megaflow);
  ++size_;
  return *slots_[slot];
}

void MegaflowTable::remove(Megaflow& megaflow) {
  SLUICE_DCHECK(megaflow.linked);
  megaflow.linked = false;
  megaflow.subtable->remove(megaflow);
  unlinked_.push_back(std::move(slots_[megaflow.slot]));
  free_slots_.push_back(megaflow.slot);
  --size_;

  if (megaflow.subtable->size() != 0) return;
  // The mask of an unlinked megaflow can still be asked for: its subtable lives as long.
  const auto pass = passes_.find(megaflow.subtable->word0);
  auto& subtables = pass->second->subtables;
  const auto it = std::ranges::find_if(subtables, [&](auto& s) { return s.get() == megaflow.subtable; });
  retired_subtables_.push_back(std::move(*it));
  subtables.erase(it);
  --masks_;
  if (subtables.empty()) {
    if (last_pass_ == pass->second.get()) last_pass_ = nullptr;
    passes_.erase(pass);
  }
}

void MegaflowTable::set_limit(std::uint32_t megaflows) {
  limits_.megaflows = std::max(megaflows, 1u);
}

void MegaflowTable::trim(unsigned most) {
  for (; most > 0 && size_ > limits_.megaflows; --most) evict_one();
}

void MegaflowTable::evict_one() {
  Megaflow* victim = nullptr;
  for (unsigned seen = 0; seen < kEvictCandidates || victim == nullptr; ++seen) {
    evict_hand_ = evict_hand_ + 1 < slots() ? evict_hand_ + 1 : 0;
    Megaflow* const candidate = at(evict_hand_);
    if (candidate == nullptr) continue;
    if (victim == nullptr || candidate->last_used_ns.load(std::memory_order_relaxed) <
                                 victim->last_used_ns.load(std::memory_order_relaxed))
      victim = candidate;
  }
  remove(*victim);
}

void MegaflowTable::clear() {
  for (std::uint32_t i = 0; i < slots(); ++i)
    if (Megaflow* const megaflow = at(i)) remove(*megaflow);
}

void MegaflowTable::reclaim() {
  for (const auto& megaflow : unlinked_) megaflow->credit();
  unlinked_.clear();
  retired_subtables_.clear();
}

void MegaflowTable::sort_masks() {
  for (auto& [word0, pass] : passes_) {
    auto& subtables = pass->subtables;
    if (subtables.size() > 1)
      std::ranges::stable_sort(subtables, std::ranges::greater{}, [](const auto& s) { return s->hits; });
    for (auto& subtable : subtables) subtable->hits /= 2;
  }
}

}  // namespace sluice::cache
