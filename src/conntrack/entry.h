// Entry: a connection as it lies in the slab. 192 bytes, no pointer inside; named by index and generation.
//
//   line 0  what every packet touches: key, state and windows, last-seen time, mark, lower counter halves
//   line 1  IPv6 addresses, or the reply tuple of a translated IPv4 connection; label
//   line 2  id, times, cookie, upper counter halves, parent, the rest of a translated IPv6 reply tuple
//
// An established IPv4 packet reads and writes line 0 alone; IPv6 also reads line 1, and so do a connection
// with a label and a translated one; only a translated IPv6 connection reads line 2 too. Packet and byte
// counts grow in line 0 and are carried into line 2 when they overflow.
//
// Every other member is guarded by the entry's lock, the lowest bit of `lock_generation`: held for some ten
// nanoseconds by the worker whose packet it is, by a dump or by expiry. Memory of a freed entry stays valid,
// so whoever got the index from the hash index locks first and then looks whether it is what was meant. Bump
// kLayoutVersion with any change of layout.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/spin_lock.h"
#include "conntrack/connection.h"
#include "conntrack/key.h"
#include "conntrack/timeout.h"
#include "conntrack/tuple.h"
#include "net/endian.h"
#include "net/protocol.h"

namespace sluice::conntrack {

struct alignas(64) Entry {
  static constexpr std::uint32_t kLayoutVersion = 3;

  /// Bits of `flags`.
  static constexpr std::uint8_t kHelped = 0x01,   ///< a helper's parent: its packets are inspected
      kLive = 0x02,                               ///< in the index
      kIpv6 = 0x04,                               //
      kSeenReply = 0x08,                          //
      kHasLabel = 0x10,                           ///< the label in line 1 is not zero
      kSourceNat = 0x20, kDestinationNat = 0x40,  ///< what was asked for; either: translated() holds
      kExpected = 0x80;                           ///< a helper's child: keeps +rel
  static constexpr std::uint8_t kKindMask = kLive | kIpv6;  ///< what Key::kind tells of them
  /// Values of a nibble of `scales` beside the shift 0..13. 14 at both ends stands for connections picked up
  /// in mid-stream, too: any shift up to 14 is believed.
  static constexpr std::uint8_t kUnknownScale = 14,
                                kNoScale = 15;  ///< the option was not offered

  // Line 0. Network byte order where it is compared with packets.
  /// Bit 0: locked. Above: the generation, which changes whenever the index begins to name another
  /// connection.
  std::uint32_t lock_generation;
  CoarseTime last_seen;  ///< of the last valid packet
  // The Key of the original direction; `flags` for its kind.
  std::uint32_t src, dst, ports;
  std::uint8_t proto;
  std::uint8_t flags;
  std::uint16_t zone;
  std::uint16_t zone_generation;  ///< the low bits of the zone's at creation; another one there = flushed
  std::uint8_t states;            ///< a nibble per Direction
  std::uint8_t scales;            ///< a nibble per Direction
  std::uint32_t seq_low[2];  ///< TCP: one beyond the highest sequence number sent | SCTP: verification tag
  std::uint32_t
      seq_high[2];  ///< TCP: one beyond what the other end's window allows to send | SCTP: tag offered
  std::uint16_t max_window[2];  ///< TCP: the largest window advertised, unscaled
  std::uint32_t mark;
  std::uint16_t fresh_packets[2];
  std::uint32_t fresh_bytes[2];

  // Line 1.
  union {
    std::uint8_t ipv6[32];  ///< IPv6: original source, destination
    struct {
      std::uint32_t src, dst, ports;
    } reply_ipv4;  ///< IPv4, translated: the reply tuple
  };
  be128 reply_src;  ///< IPv6, translated: of the reply tuple
  be128 label;

  // Line 2.
  be128 reply_dst;             ///< IPv6, translated: of the reply tuple
  std::uint64_t id_and_bytes;  ///< id in the upper 48 bits, port_lanes, the helper's port in the lower 8
  std::uint64_t start_parent;  ///< start time / 2^16 ns in the upper 48 bits
  std::uint64_t cookie;
  std::uint32_t packets_high[2], bytes_high[2];  ///< above fresh_packets' 16 bits and fresh_bytes' 32
  std::uint32_t reply_ipv6_ports;                ///< IPv6, translated: of the reply tuple
  union {
    std::uint32_t family;  ///< of a helper's parents and children: as ExpectationTable numbers it
    std::uint32_t
        asked;  ///< TCP, without helper: the last SYN that an open connection let pass (proto/tcp.cc)
  };

  /// The reply tuple is not the original one reversed: it is stored, and has a name of its own in the index.
  bool translated() const { return has(kSourceNat | kDestinationNat); }
  std::uint64_t id() const { return id_and_bytes >> 16; }
  std::uint8_t helper() const { return static_cast<std::uint8_t>(id_and_bytes); }
  void set_helper(std::uint8_t port) { id_and_bytes = (id_and_bytes & ~std::uint64_t{0xff}) | port; }
  /// Where nat::PortLanes knows of this connection: bits of nat::Lane.
  std::uint8_t port_lanes() const { return static_cast<std::uint8_t>(id_and_bytes >> 8); }
  void add_port_lane(std::uint8_t lane) { id_and_bytes |= std::uint64_t{lane} << 8; }

  std::uint8_t state(Direction d) const { return nibble(states, d); }
  void set_state(Direction d, std::uint8_t value) { set_nibble(states, d, value); }
  TcpState tcp_state(Direction d) const { return static_cast<TcpState>(state(d)); }
  void set_tcp_state(Direction d, TcpState value) { set_state(d, static_cast<std::uint8_t>(value)); }
  SimpleState simple_state() const { return static_cast<SimpleState>(states & 0xf); }
  void set_simple_state(SimpleState value) {
    states = static_cast<std::uint8_t>(static_cast<unsigned>(value) * 0x11);
  }
  SctpState sctp_state() const { return static_cast<SctpState>(states & 0xf); }
  void set_sctp_state(SctpState value) {
    states = static_cast<std::uint8_t>(static_cast<unsigned>(value) * 0x11);
  }
  std::uint8_t scale(Direction d) const { return nibble(scales, d); }
  void set_scale(Direction d, std::uint8_t value) { set_nibble(scales, d, value); }
  Key::Words key_words() const { return key_words(kKindMask); }
  /// As key_words(), but unlike any packet's if the connection is translated.
  Key::Words untranslated_key_words() const { return key_words(kKindMask | kSourceNat | kDestinationNat); }
  Key key() const { return std::bit_cast<Key>(key_words()); }
  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  void set_flag(std::uint8_t flag, bool on) {
    flags = static_cast<std::uint8_t>(on ? flags | flag : flags & ~flag);
  }
  std::uint32_t generation() const { return __atomic_load_n(&lock_generation, __ATOMIC_RELAXED) >> 1; }
  void next_generation() {
    store_lock(__atomic_load_n(&lock_generation, __ATOMIC_RELAXED) + 2, std::memory_order_relaxed);
  }

  void count(Direction d, std::uint32_t n_bytes) {
    const auto i = static_cast<unsigned>(d);
    const std::uint16_t n_packets = ++fresh_packets[i];
    fresh_bytes[i] += n_bytes;
    if (n_packets == 0 || fresh_bytes[i] < n_bytes) [[unlikely]] {
      packets_high[i] += n_packets == 0;
      bytes_high[i] += fresh_bytes[i] < n_bytes;
    }
  }
  std::uint64_t total_packets(Direction d) const {
    const auto i = static_cast<unsigned>(d);
    return std::uint64_t{packets_high[i]} << 16 | fresh_packets[i];
  }
  std::uint64_t total_bytes(Direction d) const {
    const auto i = static_cast<unsigned>(d);
    return std::uint64_t{bytes_high[i]} << 32 | fresh_bytes[i];
  }

  /// A copy to look at; this entry is locked.
  void copy_to(Entry& other) const {
    constexpr std::size_t kFrom = offsetof(Entry, last_seen);
    std::memcpy(reinterpret_cast<std::uint8_t*>(&other) + kFrom,
                reinterpret_cast<const std::uint8_t*>(this) + kFrom, sizeof(Entry) - kFrom);
    other.lock_generation = generation() << 1;
  }

  void lock() {
    std::atomic_ref<std::uint32_t> word(lock_generation);
    for (;;) {
      std::uint32_t seen = word.load(std::memory_order_relaxed);
      if ((seen & 1) == 0 &&
          word.compare_exchange_weak(seen, seen | 1, std::memory_order_acquire, std::memory_order_relaxed))
        return;
      cpu_relax();
    }
  }
  bool try_lock() {
    std::atomic_ref<std::uint32_t> word(lock_generation);
    std::uint32_t seen = word.load(std::memory_order_relaxed);
    return (seen & 1) == 0 &&
           word.compare_exchange_strong(seen, seen | 1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() { store_lock(generation() << 1, std::memory_order_release); }

 private:
  Key::Words key_words(std::uint8_t flags_mask) const {
    Key::Words words;
    std::memcpy(&words, reinterpret_cast<const std::uint8_t*>(this) + offsetof(Entry, src), sizeof words);
    words.rest &= ~(std::uint64_t{static_cast<std::uint8_t>(~flags_mask)} << (offsetof(Key, kind) * 8 % 64));
    return words;
  }
  static std::uint8_t nibble(std::uint8_t pair, Direction d) {
    return static_cast<std::uint8_t>(pair >> (static_cast<unsigned>(d) * 4) & 0xf);
  }
  static void set_nibble(std::uint8_t& pair, Direction d, std::uint8_t value) {
    const unsigned shift = static_cast<unsigned>(d) * 4;
    pair = static_cast<std::uint8_t>((pair & ~(0xfu << shift)) | static_cast<unsigned>(value) << shift);
  }
  /// Others read it while they wait for the lock.
  void store_lock(std::uint32_t value, std::memory_order order) {
    std::atomic_ref<std::uint32_t>(lock_generation).store(value, order);
  }
};
static_assert(sizeof(Entry) == 192 && offsetof(Entry, ipv6) == 64 && offsetof(Entry, reply_dst) == 128);
static_assert(offsetof(Entry, zone) - offsetof(Entry, src) == offsetof(Key, zone));
static_assert(Key::kIpv4 == Entry::kLive && Key::kIpv6 == (Entry::kLive | Entry::kIpv6));

/// Which timeout a connection in its present state has.
Timeout timeout_class_of_other(const Entry& entry);
extern const std::array<Timeout, 256> kTcpTimeouts;  ///< by Entry::states
inline Timeout timeout_class(const Entry& entry) {
  return entry.proto == net::ip_proto::kTcp ? kTcpTimeouts[entry.states] : timeout_class_of_other(entry);
}

/// Both ends have spoken as only they can: a spoofed flood never gets there. ICMP proves nothing, and what is
/// closed needs no entry.
bool is_assured(const Entry& entry);

}  // namespace sluice::conntrack
