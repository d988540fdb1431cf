#include "datapath/worker.h"

#include <algorithm>
#include <bit>
#include <system_error>
#include <utility>

#include "base/rcu.h"
#include "conntrack/tracker.h"
#include "flow/extract.h"
#include "wire/walk.h"

namespace sluice::datapath {

using cache::Megaflow;
using packet::DropReason;
using packet::Packet;
using packet::PacketBatch;

namespace {

constexpr std::uint32_t all_of(unsigned n) {
  return n == 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << n) - 1;
}

/// True if every bit of the datapath part of `needed` is in `have`. in_port and recirc_id always are.
bool covers(const flow::Mask& have, const flow::Mask& needed) {
  for (std::size_t i = 1; i < flow::kDatapathWords; ++i)
    if ((flow::word_at(needed.bits, i) & ~flow::word_at(have.bits, i)) != 0) return false;
  return true;
}

constexpr Duration kSweepPeriod = Duration::milliseconds(500);
constexpr Duration kSortPeriod = Duration::seconds(1);
constexpr Duration kMaintainPeriod = Duration::seconds(1);
constexpr Duration kTick = Duration::milliseconds(limits::kSweepIntervalMs);
/// Ports of a worker that it asks for packets all the time while it is awake; of more only those that the
/// kernel says have some.
constexpr std::size_t kPolledPorts = 16;

}  // namespace

/// Programs that may be used once only.
struct Worker::Uncached {
  struct Entry {
    unsigned place;  ///< of the packet in the pass
    dp_action::Program program;
    DropReason drop_reason;
  };
  std::vector<Entry> entries;
};

// ---- The datapath: what happens to a batch of packets
// ---------------------------------------------------------------

void Worker::process_batch(PacketBatch& batch) {
  epoch_ = handler_ != nullptr ? handler_->epoch() : 0;
  engine_.begin_batch(now_);
  counters_.add(Counter::Batches, 1);

  find_headers(batch);
  Pass pass;
  pass.packets = batch;
  batch.clear();
  extract_keys(pass);
  run_passes(pass, 0);

  flush_ports();
  engine_.end_batch();
  megaflows_.reclaim();
}

/// Finds all headers in one walk over the bytes. A fault further up than Ethernet drops nothing: the packet
/// is matched as far as it could be parsed.
void Worker::find_headers(PacketBatch& batch) {
  std::uint32_t bad = 0;
  for (unsigned i = 0; i < batch.size(); ++i) {
    Packet* const p = batch[i];
    if (i + 1 < batch.size()) __builtin_prefetch(batch[i + 1]->data());
    wire::walk(p->bytes(), p->layout);
    bad |= static_cast<std::uint32_t>(p->layout.fault == wire::ParseFault::EthernetTruncated) << i;
  }
  if (bad == 0) [[likely]]
    return;
  PacketBatch malformed, good;
  for (unsigned i = 0; i < batch.size(); ++i) ((bad >> i & 1) != 0 ? malformed : good).push(batch[i]);
  batch = good;
  engine_.drop(malformed, DropReason::MalformedEthernet);
}

void Worker::extract_keys(Pass& pass) {
  for (unsigned i = 0; i < pass.packets.size(); ++i) {
    pass.keys[i] = &keys_[i];
    flow::extract(*pass.packets[i], keys_[i]);
  }
}

/// Look up, execute, and again with what the actions recirculated, until every packet has come to its end.
void Worker::run_passes(Pass& pass, unsigned depth) {
  for (; !pass.packets.empty(); ++depth) {
    if (depth > limits::kRecirculations) return engine_.drop(pass.packets, DropReason::RecirculationDepth);

    std::array<Megaflow*, limits::kBatchSize> found;
    std::uint32_t misses = look_up(pass, found.data());
    Uncached uncached;
    if (misses != 0) [[unlikely]]
      misses = ask_control_plane(pass, found.data(), misses, uncached);
    execute(pass, found.data(), misses, uncached, depth);
    next_pass(pass);
  }
}

/// Finds a megaflow that is valid now for each packet; returns the bit set of those that have none.
std::uint32_t Worker::look_up(const Pass& pass, Megaflow** found) {
  const unsigned n = pass.packets.size();
  std::uint32_t misses = megaflows_.look_up(pass.keys.data(), n, found);
  for (std::uint32_t hits = all_of(n) & ~misses; hits != 0; hits &= hits - 1) {
    const int i = std::countr_zero(hits);
    if (found[i]->epoch == epoch_) [[likely]]
      continue;
    found[i] = renew(*found[i], *pass.keys[i], *pass.packets[i]);
    if (found[i] == nullptr) misses |= std::uint32_t{1} << i;
  }
  counters_.add(Counter::Lookups, n);
  counters_.add(Counter::Hits, n - static_cast<unsigned>(std::popcount(misses)));
  return misses;
}

/// Executes each program once, on all packets of the pass that have the same megaflow.
void Worker::execute(Pass& pass, Megaflow* const* found, std::uint32_t misses, Uncached& uncached,
                     unsigned depth) {
  std::uint32_t left = all_of(pass.packets.size()) & ~misses;
  while (left != 0) {
    Megaflow* const megaflow = found[std::countr_zero(left)];
    Run run;
    run.pass = &pass;
    run.depth = depth;
    run.drop_reason = megaflow->drop_reason;
    std::uint64_t bytes = 0;
    std::uint16_t tcp_flags = 0;
    for (std::uint32_t rest = left; rest != 0; rest &= rest - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(rest));
      if (found[i] != megaflow) continue;
      left &= ~(std::uint32_t{1} << i);
      run.push(pass.packets[i], pass.keys[i], i);
      bytes += pass.packets[i]->size();
      tcp_flags |= pass.keys[i]->tcp_flags.host();
    }
    megaflow->count(run.packets.size(), bytes, tcp_flags, now_);
    engine_.execute(megaflow->program, run);
  }
  for (const auto& [place, program, drop_reason] : uncached.entries) {
    Run run;
    run.pass = &pass;
    run.depth = depth;
    run.drop_reason = drop_reason;
    run.push(pass.packets[place], pass.keys[place], place);
    engine_.execute(program, run);
  }
}

/// The packets that recirculate are the next pass, in the order in which they arrived.
void Worker::next_pass(Pass& pass) {
  pass.packets.clear();
  for (; pass.again_bits != 0; pass.again_bits &= pass.again_bits - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(pass.again_bits));
    pass.keys[pass.packets.size()] = pass.keys[i];
    pass.packets.push(pass.again[i]);
  }
}

bool Worker::send(std::uint32_t port, const PacketBatch& packets) {
  PortSlot* const slot = port < ports_.size() ? ports_[port].slot : nullptr;
  if (slot == nullptr) return false;
  if (!ports_[port].unflushed) {
    ports_[port].unflushed = true;
    unflushed_.push_back(port);
  }
  const SendGuard guard(*slot);
  for (const Packet* p : packets) slot->port->send(*p);
  return true;
}

void Worker::flush_ports() {
  for (const std::uint32_t number : unflushed_) {
    View& view = ports_[number];
    view.unflushed = false;
    if (view.slot == nullptr) continue;
    const SendGuard guard(*view.slot);
    view.slot->port->flush();
  }
  unflushed_.clear();
}

// ---- The way of a packet that no megaflow covers
// --------------------------------------------------------------------

/// Has the packets translated, one after the other, and installs what comes out. Returns the bit set of
/// packets that have no megaflow after that: those in `uncached`, and those dropped for want of a control
/// plane.
std::uint32_t Worker::ask_control_plane(Pass& pass, Megaflow** found, std::uint32_t misses,
                                        Uncached& uncached) {
  if (handler_ == nullptr) {
    PacketBatch lost;
    for (std::uint32_t rest = misses; rest != 0; rest &= rest - 1)
      lost.push(pass.packets[std::countr_zero(rest)]);
    engine_.drop(lost, DropReason::NoHandler);
    return misses;
  }
  std::uint32_t without = 0;
  for (std::uint32_t rest = misses; rest != 0; rest &= rest - 1) {
    const auto i = static_cast<unsigned>(std::countr_zero(rest));
    // A packet before this one may have installed what it needs.
    found[i] = megaflows_.find(*pass.keys[i]);
    if (found[i] != nullptr && found[i]->epoch == epoch_) continue;

    counters_.add(Counter::Upcalls, 1);
    UpcallResult result;
    handler_->translate(*pass.keys[i], pass.packets[i], now_, result);
    if (result.cacheable) {
      found[i] = &install(*pass.keys[i], result);
      continue;
    }
    counters_.add(Counter::Uncached, 1);
    if (result.stats) result.stats->credit(1, pass.packets[i]->size(), now_, pass.keys[i]->tcp_flags.host());
    uncached.entries.push_back({i, std::move(result.program), result.drop_reason});
    without |= std::uint32_t{1} << i;
  }
  publish_table();
  return without;
}

Megaflow& Worker::install(const flow::FlowKey& key, UpcallResult& result) {
  Megaflow& megaflow =
      megaflows_.insert(key, result.mask, std::move(result.program), std::move(result.stats), epoch_, now_);
  megaflow.drop_reason = result.drop_reason;
  megaflow.basis = result.basis;
  return megaflow;
}

/// The megaflow of an older epoch that was found for a packet, if it holds, or what takes its place; null if
/// the packet must be translated by itself.
Megaflow* Worker::renew(Megaflow& megaflow, const flow::FlowKey& key, const Packet& packet) {
  if (!megaflow.linked) return nullptr;
  UpcallResult result;
  if (still_valid(megaflow, key, &packet, result)) return &megaflow;
  return result.cacheable ? &install(key, result) : nullptr;
}

/// Whether the megaflow holds in the epoch of now; if not, it is removed and `result` is what the key
/// translates to instead.
bool Worker::still_valid(Megaflow& megaflow, const flow::FlowKey& key, const Packet* packet,
                         UpcallResult& result) {
  if (handler_->unchanged(key, megaflow.basis)) {
    megaflow.epoch = epoch_;
    return true;
  }
  counters_.add(Counter::Revalidated, 1);
  handler_->translate(key, packet, now_, result);
  if (result.cacheable && covers(megaflow.mask(), result.mask) && result.program == megaflow.program) {
    // The same actions, but perhaps of other rules: what was counted so far goes to the old ones.
    megaflow.credit();
    megaflow.stats = std::move(result.stats);
    megaflow.drop_reason = result.drop_reason;
    megaflow.basis = result.basis;
    megaflow.epoch = epoch_;
    return true;
  }
  counters_.add(Counter::Replaced, 1);
  megaflows_.remove(megaflow);
  return false;
}

Status Worker::inject(const Injection& injection) {
  Packet* const p = pool_.take(static_cast<std::uint32_t>(injection.bytes.size()));
  if (p == nullptr)
    return fail("cannot inject a packet of " + std::to_string(injection.bytes.size()) +
                " bytes: no buffer for it");
  p->assign(injection.bytes);
  p->meta = injection.meta;
  now_ = clock_.now();
  counters_.add(Counter::Injected, 1);
  if (p->meta.mru != 0) engine_.expect_reassembled();
  PacketBatch batch;
  batch.push(p);
  if (injection.program == nullptr) {
    process_batch(batch);
    return {};
  }

  epoch_ = handler_ != nullptr ? handler_->epoch() : 0;
  engine_.begin_batch(now_);
  find_headers(batch);
  if (batch.empty())
    return fail("cannot inject a packet of " + std::to_string(injection.bytes.size()) +
                " bytes: it ends inside its Ethernet header");
  Pass pass;
  pass.packets = batch;
  extract_keys(pass);
  Run run;
  run.pass = &pass;
  run.push(p, pass.keys[0], 0);
  engine_.execute(*injection.program, run);
  next_pass(pass);
  run_passes(pass, 1);
  flush_ports();
  engine_.end_batch();
  megaflows_.reclaim();
  return {};
}

// ---- Housekeeping
// ---------------------------------------------------------------------------------------------------

void Worker::housekeeping() {
  if (now_ - last_tick_ < kTick && now_ >= last_tick_) return;
  last_tick_ = now_;
  epoch_ = handler_ != nullptr ? handler_->epoch() : 0;

  const bool sweep_due = now_ - sweep_started_ >= kSweepPeriod || epoch_ != swept_epoch_;
  if (sweep_at_ == 0 && sweep_due) {
    sweep_started_ = now_;
    swept_epoch_ = epoch_;
  }
  if ((sweep_at_ != 0 || sweep_due) && !sweep_paused_) sweep(limits::kSweepMegaflows);
  megaflows_.trim(limits::kSweepMegaflows);
  if (now_ - masks_sorted_ >= kSortPeriod) {
    masks_sorted_ = now_;
    megaflows_.sort_masks();
  }
  if (now_ - maintained_ >= kMaintainPeriod) {
    maintained_ = now_;
    for (PortSlot* const slot : receive_) slot->port->maintain();
  }
  megaflows_.reclaim();
  publish_table();
  if (index_ == 0) expire_tracked();
}

void Worker::expire_tracked() {
  conntrack::FragmentEnds ends;
  const bool more_fragments = tracker_.reassembler().expire(now_, limits::kExpireDatagrams, ends);
  engine_.count(ends);
  more_connections_due_ = tracker_.expire(now_, limits::kExpireConnections) || more_fragments;
}

/// Goes on through the table where the last tick stopped; sweep_at_ is 0 when it has come to the end.
void Worker::sweep(unsigned budget) {
  for (; budget > 0 && sweep_at_ < megaflows_.slots(); ++sweep_at_)
    if (Megaflow* const megaflow = megaflows_.at(sweep_at_)) {
      sweep_one(*megaflow);
      --budget;
    }
  if (sweep_at_ >= megaflows_.slots()) sweep_at_ = 0;
}

void Worker::sweep_one(Megaflow& megaflow) {
  const Instant used =
      std::max(megaflow.created, Instant{megaflow.last_used_ns.load(std::memory_order_relaxed)});
  if (now_ - used >= megaflow_idle_) {
    counters_.add(Counter::Expired, 1);
    return megaflows_.remove(megaflow);
  }
  megaflow.credit();
  if (megaflow.epoch == epoch_) return;
  // The mask holds all that the translation looked at, so that the masked key stands for every key that it
  // covers.
  UpcallResult result;
  still_valid(megaflow, megaflow.match().value, nullptr, result);
}

void Worker::publish_table() {
  table_size_.store(megaflows_.size(), std::memory_order_relaxed);
  table_masks_.store(megaflows_.masks(), std::memory_order_relaxed);
  counters_.add(Counter::ExactInstead, megaflows_.exact_instead() - published_exact_);
  published_exact_ = megaflows_.exact_instead();
}

std::uint32_t Worker::dump(std::uint32_t cursor, unsigned max, std::vector<FlowSnapshot>& out) {
  now_ = clock_.now();
  for (; cursor < megaflows_.slots(); ++cursor) {
    const Megaflow* const megaflow = megaflows_.at(cursor);
    if (megaflow == nullptr) continue;
    if (max-- == 0) return cursor;
    const std::int64_t used = megaflow->last_used_ns.load(std::memory_order_relaxed);
    out.push_back({.worker = index_,
                   .match = megaflow->match(),
                   .program = megaflow->program,
                   .packets = megaflow->packets.load(std::memory_order_relaxed),
                   .bytes = megaflow->bytes.load(std::memory_order_relaxed),
                   .tcp_flags = megaflow->tcp_flags.load(std::memory_order_relaxed),
                   .used = used == Megaflow::kNever ? std::nullopt : std::optional(now_ - Instant{used})});
  }
  return kDumpDone;
}

std::size_t Worker::flush() {
  const std::size_t n = megaflows_.size();
  megaflows_.clear();
  megaflows_.reclaim();
  publish_table();
  return n;
}

std::uint32_t Worker::push_stats(std::uint32_t cursor, unsigned max) {
  const std::uint32_t end = std::min(megaflows_.slots(), cursor + max);
  for (; cursor < end; ++cursor)
    if (Megaflow* const megaflow = megaflows_.at(cursor)) megaflow->credit();
  return cursor < megaflows_.slots() ? cursor : kDumpDone;
}

std::uint32_t Worker::remove_flows(std::uint32_t cursor, unsigned max,
                                   const std::function<bool(const flow::Match&)>& which,
                                   std::size_t& removed) {
  const std::uint32_t end = std::min(megaflows_.slots(), cursor + max);
  for (; cursor < end; ++cursor)
    if (Megaflow* const megaflow = megaflows_.at(cursor); megaflow && which(megaflow->match())) {
      megaflows_.remove(*megaflow);
      ++removed;
    }
  megaflows_.reclaim();
  publish_table();
  return cursor < megaflows_.slots() ? cursor : kDumpDone;
}

void Worker::set_max_megaflows(std::uint32_t most) {
  megaflows_.set_limit(most);
  megaflows_.trim(limits::kSweepMegaflows);  // the rest with each tick
  megaflows_.reclaim();
  publish_table();
}

void Worker::revalidate_all() {
  now_ = clock_.now();
  epoch_ = handler_ != nullptr ? handler_->epoch() : 0;
  sweep_at_ = 0;
  sweep(megaflows_.slots());
  megaflows_.reclaim();
  publish_table();
}

// ---- The worker's life
// ----------------------------------------------------------------------------------------------

Worker::Worker(unsigned index, const DatapathOptions& options, const Clock& clock,
               conntrack::Tracker& tracker)
    : index_(index),
      options_(options),
      megaflow_idle_(options.megaflow_idle),
      clock_(clock),
      tracker_(tracker),
      pool_(options.max_packets),
      megaflows_({.megaflows = options.max_megaflows, .masks_per_pass = options.max_masks},
                 options.hash_secret + index),
      engine_(*this, pool_, counters_, tracker, options.hash_secret ^ index),
      keys_(std::make_unique<flow::FlowKey[]>(limits::kBatchSize)) {}

Worker::~Worker() {
  stop();
}

void Worker::set_handler(UpcallHandler* handler) {
  flush();  // what another one decided is not to be asked about again
  handler_ = handler;
  engine_.set_handler(handler);
}

Status Worker::attach(PortSlot& slot) {
  if (ports_.size() <= slot.number) ports_.resize(slot.number + 1);
  ports_[slot.number].slot = &slot;
  if (slot.worker != index_) return {};
  if (thread_.joinable()) SLUICE_TRY(watch(slot));
  receive_.push_back(&slot);
  if (slot.port->receive_fd() < 0) unwatched_.push_back(&slot);
  return {};
}

Status Worker::watch(PortSlot& slot) {
  return slot.port->receive_fd() >= 0 ? sleeper_.watch(slot.port->receive_fd(), slot) : Status{};
}

void Worker::detach(PortSlot& slot) {
  ports_[slot.number].slot = nullptr;
  if (slot.worker != index_) return;
  std::erase(receive_, &slot);
  std::erase(unwatched_, &slot);
  if (thread_.joinable() && slot.port->receive_fd() >= 0) sleeper_.forget(slot.port->receive_fd());
}

unsigned Worker::round() {
  return round(receive_);
}

unsigned Worker::round(std::span<PortSlot* const> slots) {
  now_ = clock_.now();
  unsigned received = 0;
  for (PortSlot* const slot : slots) {
    PacketBatch batch;
    slot->port->receive(batch, pool_);
    if (batch.empty()) continue;
    received += batch.size();
    counters_.add(Counter::Received, batch.size());
    for (Packet* p : batch) p->meta.in_port = slot->number;
    if (!slot->limits.empty()) [[unlikely]]
      police(batch, *slot);
    process_batch(batch);
  }
  counters_.add(Counter::MaskProbes, megaflows_.probes() - published_probes_);
  published_probes_ = megaflows_.probes();
  housekeeping();
  return received;
}

/// Drops what goes beyond the rates that the port may receive.
void Worker::police(PacketBatch& batch, const PortSlot& slot) {
  PacketBatch kept, dropped;
  for (Packet* const p : batch) {
    const bool over = std::ranges::any_of(
        slot.limits, [&](const auto& limit) { return limit->measure(p->size(), now_).drop; });
    (over ? dropped : kept).push(p);
  }
  engine_.drop(dropped, DropReason::PolicingExceeded);
  batch = kept;
}

Status Worker::start() {
  SLUICE_TRY(sleeper_.open());
  for (PortSlot* slot : receive_) SLUICE_TRY(watch(*slot));
  stopping_.store(false, std::memory_order_relaxed);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return fail(std::string("cannot start a worker thread: ") + error.what());
  }
  return {};
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_relaxed);
  sleeper_.wake();
  thread_.join();
  for (const PortSlot* slot : receive_)
    if (slot->port->receive_fd() >= 0) sleeper_.forget(slot->port->receive_fd());
}

void Worker::post(const std::function<void()>& work) {
  if (!thread_.joinable()) return work();
  mailbox_.call(work, [this] { sleeper_.wake(); });
}

void Worker::run() {
  const rcu::ThreadRegistration reader;
  Instant last_packet = clock_.now();
  std::vector<PortSlot*> ready;
  while (!stopping_.load(std::memory_order_relaxed)) {
    // To ask each of few ports takes less time than to ask which have something.
    const bool polls = receive_.size() <= kPolledPorts;
    const unsigned received = polls ? round() : round(ready);
    ready.clear();  // now ports may go
    mailbox_.drain();
    rcu::quiescent();
    if (received != 0) last_packet = now_;
    const bool awake = now_ - last_packet < Duration::microseconds(limits::kPollBeforeSleepUs);
    if (awake && polls) continue;
    ready = unwatched_;
    if (awake) {
      sleeper_.sleep({}, ready);
      continue;
    }
    rcu::offline();
    sleeper_.sleep(may_sleep(), ready);
    rcu::online();
  }
}

/// How long nothing needs the worker but a descriptor that becomes readable.
Duration Worker::may_sleep() const {
  if (!unwatched_.empty()) return kTick;
  if (sweep_at_ != 0 || more_connections_due_) return kTick;
  return kSweepPeriod;
}

DatapathStats Worker::stats() const {
  DatapathStats stats = counters_.read();
  stats.megaflows = table_size_.load(std::memory_order_relaxed);
  stats.masks = table_masks_.load(std::memory_order_relaxed);
  return stats;
}

}  // namespace sluice::datapath
