#include "l2/mac_table.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "base/rcu.h"

namespace sluice::l2 {
namespace {

// A key is the address, the VLAN and two flags in one word, so that it is read and written whole.
constexpr std::uint64_t kEmpty = 0, kTombstone = 1;
constexpr std::uint64_t kUsed = 0x4000, kStatic = 0x8000;
constexpr std::uint64_t kKeyBits = ~kStatic;

std::uint64_t key_of(const net::Mac& mac, std::uint16_t vlan) {
  return mac.value() << 16 | kUsed | (vlan & 0x0fffu);
}

/// Port and time are written before a key appears, and a reader checks the key again after it read them.
struct Cell {
  std::atomic<std::uint64_t> key{kEmpty};
  std::atomic<std::int64_t> last_seen{0};
  std::atomic<std::uint32_t> port{0};
  std::uint32_t order = 0;  ///< when learned or moved; guarded by the mutex
};

struct Cells {
  explicit Cells(std::size_t size) : mask(size - 1), cell(std::make_unique<Cell[]>(size)) {}
  std::size_t size() const { return mask + 1; }
  std::size_t mask;
  std::unique_ptr<Cell[]> cell;
};

std::size_t cells_for(std::uint32_t entries) {
  std::size_t size = 64;
  while (size < std::size_t{entries} * 2) size *= 2;
  return size;
}

/// Versions. Two of the addresses in use rarely share one.
constexpr std::size_t kGroups = 4096;

/// How many entries are looked at to find one that was not seen for long when the table is full.
constexpr unsigned kEvictionCandidates = 16;

}  // namespace

struct MacTable::Impl {
  Impl(std::uint64_t hash_secret, Config first)
      : secret(hash_secret),
        current(std::make_unique<const Cells>(cells_for(first.max_entries))),
        cells(current.get()),
        config(first) {}

  const std::uint64_t secret;
  std::unique_ptr<const Cells> current;
  std::atomic<const Cells*> cells;  ///< the same, for readers
  /// Arrays that readers may still look at. Workers only put them aside: waiting for a grace period with the
  /// mutex held could wait for a worker that waits for the mutex. expire() retires them.
  std::vector<std::unique_ptr<const Cells>> replaced;
  mutable std::mutex mutex;  ///< appearance, move and removal of entries; configuration
  Config config;
  Counts counts;  ///< guarded by the mutex
  std::atomic<std::int64_t> ageing_ns{0};
  std::atomic<bool> learns{true};  ///< config has room for an entry at all
  std::atomic<std::size_t> size{0};
  std::size_t used = 0;  ///< cells with an entry or a tombstone
  std::size_t hand = 0;  ///< where the next eviction begins to look
  std::uint32_t next_order = 1;
  std::array<std::atomic<std::uint32_t>, kGroups> versions{};
  std::atomic<std::uint64_t> changes{0};

  std::uint32_t group_of(std::uint64_t key) const {
    return static_cast<std::uint32_t>(hash_mix(secret, key & kKeyBits) >> 32) % kGroups;
  }
  /// After the change is visible.
  void changed(std::uint64_t key) {
    versions[group_of(key)].fetch_add(1, std::memory_order_release);
    changes.fetch_add(1, std::memory_order_release);
  }

  static Cell* find(const Cells& table, std::uint64_t key, std::uint64_t hash) {
    for (std::size_t i = hash & table.mask;; i = (i + 1) & table.mask) {
      const std::uint64_t here = table.cell[i].key.load(std::memory_order_acquire);
      if ((here & kKeyBits) == key) return &table.cell[i];
      if (here == kEmpty) return nullptr;
    }
  }
  Cell* find(std::uint64_t key) const {
    return find(*cells.load(std::memory_order_acquire), key, hash_mix(secret, key));
  }
  bool aged(const Cell& cell, std::uint64_t key, Instant now) const {
    return !(key & kStatic) && now.ns - cell.last_seen.load(std::memory_order_relaxed) >
                                   ageing_ns.load(std::memory_order_relaxed);
  }

  void insert(std::uint64_t key, std::uint32_t port, std::int64_t seen) {
    if (size.load(std::memory_order_relaxed) >= config.max_entries) evict();
    if ((used + 1) * 4 > cells.load(std::memory_order_acquire)->size() * 3)
      rebuild(cells.load(std::memory_order_acquire)->size());
    const Cells& table = *cells.load(std::memory_order_acquire);
    std::size_t i = hash_mix(secret, key & kKeyBits) & table.mask;
    while (table.cell[i].key.load(std::memory_order_relaxed) > kTombstone) i = (i + 1) & table.mask;
    Cell& cell = table.cell[i];
    if (cell.key.load(std::memory_order_relaxed) == kEmpty) ++used;
    cell.port.store(port, std::memory_order_release);
    cell.last_seen.store(seen, std::memory_order_release);
    cell.order = next_order++;
    cell.key.store(key, std::memory_order_release);
    size.fetch_add(1, std::memory_order_relaxed);
    changed(key);
  }
  void erase(Cell& cell) {
    const std::uint64_t key = cell.key.exchange(kTombstone, std::memory_order_acq_rel);
    size.fetch_sub(1, std::memory_order_relaxed);
    changed(key);
  }
  void evict() {
    const Cells& table = *cells.load(std::memory_order_acquire);
    Cell* oldest = nullptr;
    for (std::size_t looked = 0, step = 0; looked < kEvictionCandidates && step < table.size(); ++step) {
      Cell& cell = table.cell[hand];
      hand = (hand + 1) & table.mask;
      const std::uint64_t key = cell.key.load(std::memory_order_relaxed);
      if (key <= kTombstone || (key & kStatic)) continue;
      ++looked;
      if (!oldest ||
          cell.last_seen.load(std::memory_order_relaxed) < oldest->last_seen.load(std::memory_order_relaxed))
        oldest = &cell;
    }
    if (!oldest) return;
    erase(*oldest);
    ++counts.evicted;
  }
  void rebuild(std::size_t cell_count) {
    const Cells& old = *cells.load(std::memory_order_acquire);
    auto next = std::make_unique<Cells>(cell_count);
    used = 0;
    for (std::size_t j = 0; j < old.size(); ++j) {
      const std::uint64_t key = old.cell[j].key.load(std::memory_order_relaxed);
      if (key <= kTombstone) continue;
      std::size_t i = hash_mix(secret, key & kKeyBits) & next->mask;
      while (next->cell[i].key.load(std::memory_order_relaxed) != kEmpty) i = (i + 1) & next->mask;
      next->cell[i].port.store(old.cell[j].port.load(std::memory_order_relaxed), std::memory_order_relaxed);
      next->cell[i].last_seen.store(old.cell[j].last_seen.load(std::memory_order_relaxed),
                                    std::memory_order_relaxed);
      next->cell[i].order = old.cell[j].order;
      next->cell[i].key.store(key, std::memory_order_relaxed);
      ++used;
    }
    hand = 0;
    replaced.push_back(std::move(current));
    current = std::move(next);
    cells.store(current.get(), std::memory_order_release);
  }
  template <typename Predicate>
  unsigned erase_if(Predicate&& predicate) {
    const Cells& table = *cells.load(std::memory_order_acquire);
    unsigned erased = 0;
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::uint64_t key = table.cell[i].key.load(std::memory_order_relaxed);
      if (key <= kTombstone || !predicate(table.cell[i], key)) continue;
      erase(table.cell[i]);
      ++erased;
    }
    return erased;
  }
};

MacTable::MacTable(std::uint64_t hash_secret, Config config)
    : impl_(std::make_unique<Impl>(hash_secret, config)) {
  impl_->ageing_ns.store(config.ageing.ns, std::memory_order_relaxed);
  impl_->learns.store(config.max_entries != 0, std::memory_order_relaxed);
}
MacTable::~MacTable() = default;

std::optional<std::uint32_t> MacTable::lookup(const net::Mac& mac, std::uint16_t vlan, Instant now) const {
  const std::uint64_t key = key_of(mac, vlan);
  const Cell* cell = impl_->find(key);
  if (!cell) return std::nullopt;
  const std::uint64_t before = cell->key.load(std::memory_order_acquire);
  const std::uint32_t port = cell->port.load(std::memory_order_acquire);
  if (impl_->aged(*cell, before, now)) return std::nullopt;
  // The cell was given to another address meanwhile: this one had just been removed.
  if ((before & kKeyBits) != key || cell->key.load(std::memory_order_relaxed) != before) return std::nullopt;
  return port;
}

bool MacTable::would_change(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port, Instant now) const {
  if (!impl_->learns.load(std::memory_order_relaxed)) return false;
  const Cell* cell = impl_->find(key_of(mac, vlan));
  if (!cell) return true;
  const std::uint64_t key = cell->key.load(std::memory_order_acquire);
  if (key & kStatic) return false;
  return cell->port.load(std::memory_order_acquire) != port || impl_->aged(*cell, key, now);
}

bool MacTable::learn(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port, Instant now) {
  const std::uint64_t key = key_of(mac, vlan);
  if (!would_change(mac, vlan, port, now)) {
    if (Cell* cell = impl_->find(key)) cell->last_seen.store(now.ns, std::memory_order_relaxed);
    return false;
  }
  const std::lock_guard lock(impl_->mutex);
  if (impl_->config.max_entries == 0) return false;
  Cell* cell = impl_->find(key);
  if (!cell) {
    impl_->insert(key, port, now.ns);
    ++impl_->counts.learned;
    return true;
  }
  if (cell->key.load(std::memory_order_relaxed) & kStatic) return false;
  if (impl_->aged(*cell, key, now)) {
    ++impl_->counts.expired;
    ++impl_->counts.learned;
  } else if (cell->port.load(std::memory_order_relaxed) != port) {
    ++impl_->counts.moved;
  }
  cell->last_seen.store(now.ns, std::memory_order_relaxed);
  cell->port.store(port, std::memory_order_release);
  cell->order = impl_->next_order++;
  impl_->changed(key);
  return true;
}

Watch MacTable::watch(const net::Mac& mac, std::uint16_t vlan) const {
  return Watch::of(impl_->versions[impl_->group_of(key_of(mac, vlan))]);
}

std::uint64_t MacTable::changes() const {
  return impl_->changes.load(std::memory_order_acquire);
}

std::optional<MacEntry> MacTable::add_static(const net::Mac& mac, std::uint16_t vlan, std::uint32_t port) {
  const std::lock_guard lock(impl_->mutex);
  const std::uint64_t key = key_of(mac, vlan);
  std::optional<MacEntry> replaced;
  if (Cell* cell = impl_->find(key)) {
    replaced = MacEntry{.mac = mac,
                        .vlan = vlan,
                        .port = cell->port.load(std::memory_order_relaxed),
                        .is_static = (cell->key.load(std::memory_order_relaxed) & kStatic) != 0,
                        .last_seen = Instant{cell->last_seen.load(std::memory_order_relaxed)}};
    if (replaced->is_static && replaced->port == port) return replaced;
    impl_->erase(*cell);
  }
  impl_->insert(key | kStatic, port, 0);
  return replaced;
}

bool MacTable::remove(const net::Mac& mac, std::uint16_t vlan) {
  const std::lock_guard lock(impl_->mutex);
  Cell* cell = impl_->find(key_of(mac, vlan));
  if (!cell) return false;
  impl_->erase(*cell);
  return true;
}

unsigned MacTable::expire(Instant now) {
  std::vector<std::unique_ptr<const Cells>> replaced;
  unsigned erased = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    erased =
        impl_->erase_if([&](const Cell& cell, std::uint64_t key) { return impl_->aged(cell, key, now); });
    impl_->counts.expired += erased;
    replaced.swap(impl_->replaced);
  }
  for (std::unique_ptr<const Cells>& cells : replaced) rcu::retire(std::move(cells));
  return erased;
}

unsigned MacTable::flush_port(std::uint32_t port) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->erase_if([&](const Cell& cell, std::uint64_t key) {
    return !(key & kStatic) && cell.port.load(std::memory_order_relaxed) == port;
  });
}

unsigned MacTable::flush() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->erase_if([](const Cell&, std::uint64_t key) { return !(key & kStatic); });
}

void MacTable::configure(Config config) {
  const std::lock_guard lock(impl_->mutex);
  impl_->config = config;
  impl_->ageing_ns.store(config.ageing.ns, std::memory_order_relaxed);
  impl_->learns.store(config.max_entries != 0, std::memory_order_relaxed);
  while (impl_->size.load(std::memory_order_relaxed) > config.max_entries) {
    const std::size_t before = impl_->size.load(std::memory_order_relaxed);
    impl_->evict();
    if (impl_->size.load(std::memory_order_relaxed) == before) break;  // only static entries are left
  }
  impl_->rebuild(cells_for(std::max<std::uint32_t>(config.max_entries, static_cast<std::uint32_t>(size()))));
}

MacTable::Counts MacTable::counts() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counts;
}

void MacTable::clear_counts() {
  const std::lock_guard lock(impl_->mutex);
  impl_->counts = {};
}

MacTable::Config MacTable::config() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->config;
}

std::size_t MacTable::size() const {
  return impl_->size.load(std::memory_order_relaxed);
}

std::vector<MacEntry> MacTable::entries() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::pair<std::uint32_t, MacEntry>> found;
  const Cells& table = *impl_->cells.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const Cell& cell = table.cell[i];
    const std::uint64_t key = cell.key.load(std::memory_order_relaxed);
    if (key <= kTombstone) continue;
    found.push_back({cell.order,
                     {.mac = net::Mac::from_value(key >> 16),
                      .vlan = static_cast<std::uint16_t>(key & 0x0fff),
                      .port = cell.port.load(std::memory_order_relaxed),
                      .is_static = (key & kStatic) != 0,
                      .last_seen = Instant{cell.last_seen.load(std::memory_order_relaxed)}}});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<MacEntry> result;
  result.reserve(found.size());
  for (auto& [order, entry] : found) result.push_back(entry);
  return result;
}

}  // namespace sluice::l2
