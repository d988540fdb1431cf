// What a worker counts, each counter with a name and a sentence.
//
// Every packet buffer that enters a worker (Received, Injected, Copied, Refragmented) ends in exactly one of
// Sent, Delivered, Finished, Merged or a DropReason, or is a fragment that waits for others:
// DatapathStats::unaccounted() is 0 whenever no batch is in flight.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "packet/drop_reason.h"

namespace sluice::datapath {

enum class Counter : std::uint8_t {
  Received,
  Injected,
  Copied,
  Sent,
  Delivered,
  Finished,
  Merged,
  Refragmented,
  PacketIns,
  Batches,
  Lookups,
  Hits,
  Upcalls,
  Uncached,
  MaskProbes,
  Recirculated,
  Tracked,
  Reassembled,
  Revalidated,
  Replaced,
  Expired,
  ExactInstead,
};
inline constexpr unsigned kCounterCount = static_cast<unsigned>(Counter::ExactInstead) + 1;

struct CounterText {
  Counter counter;
  std::string_view name, sentence;
};

inline constexpr std::array<CounterText, kCounterCount> kCounters = {{
    {Counter::Received, "received", "Packets taken from ports."},
    {Counter::Injected, "injected", "Packets made by the control plane (packet-out)."},
    {Counter::Copied, "copied", "Copies made because a packet went to several places."},
    {Counter::Sent, "sent", "Packets handed to a port; what the port could not send is in its tx_dropped."},
    {Counter::Delivered, "delivered", "Packets whose last action handed them to the control plane."},
    {Counter::Finished, "finished", "Packets that ended after copies of them had gone on."},
    {Counter::Merged, "merged",
     "Fragments that became part of a reassembled packet, for which the last of them stands."},
    {Counter::Refragmented, "refragmented",
     "Fragments beyond the first that reassembled packets left as, cut to the size they had come in."},
    {Counter::PacketIns, "packet_ins", "Packets shown to the control plane by an action, copies included."},
    {Counter::Batches, "batches", "Batches processed, recirculated ones not counted again."},
    {Counter::Lookups, "lookups", "Look-ups in the megaflow table: one for each pass of each packet."},
    {Counter::Hits, "hits", "Look-ups that found a valid megaflow."},
    {Counter::Upcalls, "upcalls", "Look-ups that found none, so that the packet was translated."},
    {Counter::Uncached, "uncached", "Upcalls whose result could not be cached."},
    {Counter::MaskProbes, "mask_probes", "Masks tried by all look-ups."},
    {Counter::Recirculated, "recirculated", "Packets that entered the megaflow table again."},
    {Counter::Tracked, "tracked", "Packets sent through the connection tracker."},
    {Counter::Reassembled, "reassembled",
     "Packets put together of their fragments before they were tracked."},
    {Counter::Revalidated, "revalidated",
     "Megaflows translated again after a change of flows, ports or MAC tables."},
    {Counter::Replaced, "replaced", "Megaflows whose translation came out differently."},
    {Counter::Expired, "expired", "Megaflows removed because no packet used them for a while."},
    {Counter::ExactInstead, "exact_instead",
     "Megaflows installed with an exact mask because there were too many masks."},
}};

constexpr bool counters_in_order() {
  for (unsigned i = 0; i < kCounterCount; ++i)
    if (static_cast<unsigned>(kCounters[i].counter) != i) return false;
  return true;
}
static_assert(counters_in_order(), "one row a counter, in the order of the enumeration");

/// A copy of the counters of one worker, or of several added up.
struct DatapathStats {
  std::array<std::uint64_t, kCounterCount> counters{};
  std::array<std::uint64_t, packet::kDropReasonCount> drops{};
  std::uint64_t megaflows = 0, masks = 0;  ///< at present
  std::uint64_t fragments_waiting = 0;     ///< at present, for the rest of their datagrams; of all workers

  std::uint64_t operator[](Counter c) const { return counters[static_cast<unsigned>(c)]; }
  std::uint64_t operator[](packet::DropReason r) const { return drops[static_cast<unsigned>(r)]; }
  std::uint64_t dropped() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : drops) sum += n;
    return sum;
  }
  /// Packets that entered and whose end is not known: 0, or those in flight.
  std::int64_t unaccounted() const {
    const auto in = (*this)[Counter::Received] + (*this)[Counter::Injected] + (*this)[Counter::Copied] +
                    (*this)[Counter::Refragmented];
    const auto out = (*this)[Counter::Sent] + (*this)[Counter::Delivered] + (*this)[Counter::Finished] +
                     (*this)[Counter::Merged] + dropped() + fragments_waiting;
    return static_cast<std::int64_t>(in - out);
  }
  DatapathStats& operator+=(const DatapathStats& other) {
    for (unsigned i = 0; i < kCounterCount; ++i) counters[i] += other.counters[i];
    for (unsigned i = 0; i < packet::kDropReasonCount; ++i) drops[i] += other.drops[i];
    megaflows += other.megaflows;
    masks += other.masks;
    return *this;
  }
};

/// The live cells: written by one worker with relaxed stores, read by any thread.
class alignas(64) CounterCells {
 public:
  void add(Counter c, std::uint64_t n) { bump(counters_[static_cast<unsigned>(c)], n); }
  void add(packet::DropReason r, std::uint64_t n) { bump(drops_[static_cast<unsigned>(r)], n); }
  DatapathStats read() const {
    DatapathStats stats;
    for (unsigned i = 0; i < kCounterCount; ++i)
      stats.counters[i] = counters_[i].load(std::memory_order_relaxed);
    for (unsigned i = 0; i < packet::kDropReasonCount; ++i)
      stats.drops[i] = drops_[i].load(std::memory_order_relaxed);
    return stats;
  }

 private:
  static void bump(std::atomic<std::uint64_t>& cell, std::uint64_t n) {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::array<std::atomic<std::uint64_t>, kCounterCount> counters_{};
  std::array<std::atomic<std::uint64_t>, packet::kDropReasonCount> drops_{};
};

}  // namespace sluice::datapath
