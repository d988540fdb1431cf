// Entry: a connection as it lies in the slab. 192 bytes, no pointer inside; named by index and generation.
//
//   line 0  what every packet touches: key, state and windows, last-seen time, mark, counters not yet carried
//   over line 1  IPv6 addresses, label, the address that NAT put in line 2  id, times, cookie, the 64-bit
//   counters, NAT's ports, parent
//
// An established IPv4 packet reads and writes line 0 alone; IPv6 also reads line 1, and so does a connection
// with a label. Packet and byte counts grow in line 0 and are carried into line 2 when they near their width.
//
// Every member is guarded by the entry's lock, a bit of `flags`: held for some ten nanoseconds by the worker
// whose packet it is, by a dump or by expiry. Memory of a freed entry stays valid, so whoever got the index
// from the hash index locks first and then looks whether it is what was meant. Bump kLayoutVersion with any
// change of layout.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/spin_lock.h"
#include "conntrack/connection.h"
#include "conntrack/timeout.h"
#include "conntrack/tuple.h"
#include "net/endian.h"
#include "net/protocol.h"

namespace sluice::conntrack {

struct alignas(64) Entry {
  static constexpr std::uint32_t kLayoutVersion = 1;

  /// Bits of `flags`.
  static constexpr std::uint8_t kLocked = 0x01,
                                kLive = 0x02,  ///< in the index
      kIpv6 = 0x04, kSeenReply = 0x08,
                                kHasLabel = 0x10,  ///< the label in line 1 is not zero
      kSourceNat = 0x20,                           ///< the reply tuple differs in nat_address / nat_ports
      kDestinationNat = 0x40,
                                kExpected = 0x80;  ///< a helper's child: keeps +rel
  /// Values of a nibble of `scales` beside the shift 0..13. 14 at both ends stands for connections picked up
  /// in mid-stream, too: any shift up to 14 is believed.
  static constexpr std::uint8_t kUnknownScale = 14,
                                kNoScale = 15;  ///< the option was not offered

  // Line 0. Network byte order where it is compared with packets.
  std::uint32_t generation;  ///< changes whenever the index begins to name another connection
  CoarseTime last_seen;      ///< of the last valid packet
  std::uint32_t src,
      dst;              ///< original direction; IPv6: a keyed hash of each address, the address is in line 1
  std::uint32_t ports;  ///< original direction: source port, destination port | ICMP: id, type, code
  std::uint8_t proto;
  std::uint8_t flags;
  std::uint16_t zone;
  std::uint16_t zone_generation;  ///< the low bits of the zone's at creation; another one there = flushed
  std::uint8_t states;            ///< a nibble per Direction
  std::uint8_t scales;            ///< a nibble per Direction
  std::uint32_t seq_low[2];       ///< TCP: one beyond the highest sequence number sent
  std::uint32_t seq_high[2];      ///< TCP: one beyond what the other end's window allows to send
  std::uint16_t max_window[2];    ///< TCP: the largest window advertised, unscaled
  std::uint32_t mark;
  std::uint16_t fresh_packets[2];
  std::uint32_t fresh_bytes[2];

  // Line 1.
  std::uint8_t ipv6[32];  ///< original source, destination
  be128 nat_address;      ///< what the translated side of the reply tuple is
  be128 label;

  // Line 2.
  std::uint64_t id_helper;  ///< id in the upper 56 bits, the helper's port in the lower 8
  std::uint64_t
      start_parent;  ///< start time / 2^16 ns in the upper 48 bits, low bits of the parent's generation
  std::uint64_t cookie;
  std::uint64_t packets[2], bytes[2];
  std::uint32_t nat_ports;
  std::uint32_t parent;  ///< index + 1, 0 = none

  std::uint8_t state(Direction d) const { return nibble(states, d); }
  void set_state(Direction d, std::uint8_t value) { set_nibble(states, d, value); }
  TcpState tcp_state(Direction d) const { return static_cast<TcpState>(state(d)); }
  void set_tcp_state(Direction d, TcpState value) { set_state(d, static_cast<std::uint8_t>(value)); }
  SimpleState simple_state() const { return static_cast<SimpleState>(states & 0xf); }
  void set_simple_state(SimpleState value) {
    states = static_cast<std::uint8_t>(static_cast<unsigned>(value) * 0x11);
  }
  std::uint8_t scale(Direction d) const { return nibble(scales, d); }
  void set_scale(Direction d, std::uint8_t value) { set_nibble(scales, d, value); }
  /// Atomic, though the lock is held: others try to take it.
  std::uint8_t flag_bits() const { return __atomic_load_n(&flags, __ATOMIC_RELAXED); }
  bool has(std::uint8_t flag) const { return (flag_bits() & flag) != 0; }
  void set_flags(std::uint8_t value) { store_flags(value, std::memory_order_relaxed); }
  void set_flag(std::uint8_t flag, bool on) {
    store_flags(static_cast<std::uint8_t>(on ? flag_bits() | flag : flag_bits() & ~flag),
                std::memory_order_relaxed);
  }

  void count(Direction d, std::uint32_t n_bytes) {
    const auto i = static_cast<unsigned>(d);
    ++fresh_packets[i];
    fresh_bytes[i] += n_bytes;
    if (fresh_packets[i] == 0xffff || fresh_bytes[i] >= 0x80000000) [[unlikely]] {
      packets[i] += fresh_packets[i];
      bytes[i] += fresh_bytes[i];
      fresh_packets[i] = 0;
      fresh_bytes[i] = 0;
    }
  }
  std::uint64_t total_packets(Direction d) const {
    return packets[static_cast<unsigned>(d)] + fresh_packets[static_cast<unsigned>(d)];
  }
  std::uint64_t total_bytes(Direction d) const {
    return bytes[static_cast<unsigned>(d)] + fresh_bytes[static_cast<unsigned>(d)];
  }

  /// A copy to look at; this entry is locked.
  void copy_to(Entry& other) const {
    const auto* from = reinterpret_cast<const std::uint8_t*>(this);
    auto* to = reinterpret_cast<std::uint8_t*>(&other);
    std::memcpy(to, from, offsetof(Entry, flags));
    std::memcpy(to + offsetof(Entry, zone), from + offsetof(Entry, zone),
                sizeof(Entry) - offsetof(Entry, zone));
    other.flags = flag_bits();
  }

  void lock() {
    std::atomic_ref<std::uint8_t> word(flags);
    for (;;) {
      std::uint8_t seen = word.load(std::memory_order_relaxed);
      if ((seen & kLocked) == 0 &&
          word.compare_exchange_weak(seen, static_cast<std::uint8_t>(seen | kLocked),
                                     std::memory_order_acquire, std::memory_order_relaxed))
        return;
      cpu_relax();
    }
  }
  void unlock() { store_flags(static_cast<std::uint8_t>(flag_bits() & ~kLocked), std::memory_order_release); }

 private:
  static std::uint8_t nibble(std::uint8_t pair, Direction d) {
    return static_cast<std::uint8_t>(pair >> (static_cast<unsigned>(d) * 4) & 0xf);
  }
  static void set_nibble(std::uint8_t& pair, Direction d, std::uint8_t value) {
    const unsigned shift = static_cast<unsigned>(d) * 4;
    pair = static_cast<std::uint8_t>((pair & ~(0xfu << shift)) | static_cast<unsigned>(value) << shift);
  }
  /// Others read `flags` while they wait for the lock.
  void store_flags(std::uint8_t value, std::memory_order order) {
    std::atomic_ref<std::uint8_t>(flags).store(value, order);
  }
};
static_assert(sizeof(Entry) == 192 && offsetof(Entry, ipv6) == 64 && offsetof(Entry, id_helper) == 128);

/// Which timeout a connection in its present state has.
Timeout timeout_class_of_other(const Entry& entry);
extern const std::array<Timeout, 256> kTcpTimeouts;  ///< by Entry::states
inline Timeout timeout_class(const Entry& entry) {
  return entry.proto == net::ip_proto::kTcp ? kTcpTimeouts[entry.states] : timeout_class_of_other(entry);
}

}  // namespace sluice::conntrack
