// Pass: one call of Tracker::process. pass.cc is the way of a packet whose connection is known, create.cc
// that of one that opens a connection, create_translated.cc with NAT. On the worker's stack.
#pragma once

#include <cstdint>
#include <optional>

#include "conntrack/nat/search.h"
#include "conntrack/proto/outcome.h"
#include "conntrack/tracker_impl.h"

namespace sluice::conntrack {

inline std::uint32_t datagram_bytes(const packet::Packet& packet) {
  return packet.layout.l3_end - packet.layout.l3;
}

/// ct_state of a valid packet.
constexpr std::uint8_t state_of(Outcome outcome, Direction direction) {
  using namespace ct_state;
  static_assert(static_cast<unsigned>(Direction::Reply) * 8 == kReply);
  if (outcome == Outcome::New) return kNew | kTracked;
  return static_cast<std::uint8_t>(kEstablished | kTracked | static_cast<unsigned>(direction) * 8);
}

class Tracker::Impl::Pass {
 public:
  Pass(Impl& tracker, const CtRequest& request, Instant now)
      : t_(tracker),
        request_(request),
        now_(now),
        coarse_now_(CoarseTime::of(now)),
        timeouts_(tracker.timeouts(request.zone)),
        tcp_established_ticks_(timeouts_[Timeout::TcpEstablished]),
        udp_multiple_ticks_(timeouts_[Timeout::UdpMultiple]),
        zone_(request.zone),
        zone_generation_(tracker.zones.generation(request.zone)),
        commits_(request.commit),
        turns_(request.force && request.commit),
        translates_(request.nat),
        prefetches_offer_(request.nat && request.commit && request.nat_range.kind != NatRange::Kind::None &&
                          !request.nat_range.random),
        strictness_(tracker.zones.strictness(request.zone)),
        rules_(tracker.tcp_rules(strictness_)),
        notes_(tracker.books, now) {}

  void run(packet::PacketBatch& batch, packet::PacketBatch& dropped);

 private:
  using Packet = packet::Packet;
  using CtMetadata = packet::CtMetadata;

  /// What the rounds know of a packet.
  struct Work {
    enum class Kind : std::uint8_t {
      Plain,        ///< classify_plain(): of the probe there are key and hash
      Other,        ///< classify()
      Invalid,      ///< probe.reason says why
      TrackedHere,  ///< an earlier ct of this packet in this zone has its say; no probe
    };
    Probe probe;
    TagIndex::Home home;
    std::uint32_t candidate;
    Kind kind;
  };
  struct Found {
    Entry* entry = nullptr;  ///< locked
    std::uint32_t name = kNone;
    Direction direction = Direction::Original;
  };

  // pass.cc. Those that say whether to keep the packet return false if it is to be dropped.

  void identify(const Packet& packet, Work& work);
  void classify_other(const Packet& packet, Work& work);
  void prefetch_candidate(const Packet& packet, Work& work);
  /// Whether the candidate of a plain packet is its connection; it is then locked.
  bool find_plain(const Work& work, Found& found);
  /// Does with a plain packet what meet() would, if it needs nothing but to be counted: both ends have
  /// spoken, it lies in the windows. Unlocks the entry.
  /// @return false, with nothing changed and the entry still locked, if it needs more.
  bool pass_plain(Packet& packet, const Found& found);
  bool settle_plain(Packet& packet, Probe& probe, const Found& found);
  bool settle(Packet& packet, Work& work);
  bool is_it(const Probe& probe, std::uint32_t name, Found& found);
  /// Looks for the entry that the probe names; it is then locked.
  bool find(const Probe& probe, Found& found);
  bool is_current(const Entry& entry) const {
    return !t_.is_flushed(entry) && ticks_left(entry, timeouts_, coarse_now_) > 0;
  }
  /// The packet's tuple is known to the table. Unlocks the entry.
  bool meet(Packet& packet, const Probe& probe, const Found& found);
  /// An ICMP error about a packet of this connection. Unlocks the entry.
  bool relate(Packet& packet, const Found& found);
  /// A further ct in the same zone: the packet was counted and judged already.
  /// @return whether to keep the packet; nothing if it must be looked up anew: its connection is gone
  /// meanwhile, or to be forced.
  std::optional<bool> revisit(Packet& packet);
  /// What a committing ct does to a locked connection that there was already.
  void commit(const Found& found);
  /// The same to one of which somebody else tells listeners. @return whether mark or label are others now
  bool write(const Found& found);
  /// Tells the packet what it has met. @param plain  known to be TCP or UDP over IPv4
  void describe(CtMetadata& meta, const Found& found, std::uint8_t state, bool reply,
                bool plain = false) const;
  bool describe_new(Packet& packet, const Probe& probe) const;
  /// ct(nat) of a packet that runs in this direction of the locked connection, or (related) of an ICMP error
  /// that does.
  /// @return +snat or +dnat.
  unsigned translate(Packet& packet, const Entry& entry, Direction direction, bool related) const;
  bool invalidate(Packet& packet, Reason reason);

  // family.cc: parents and children of helpers.

  /// Makes a new connection a child, if it is expected, or a parent, if it was committed with a helper.
  void join_family(const Probe& probe, const Found& found);
  /// What describe() leaves out: a child is related, and shows its parent's tuple.
  void describe_child(CtMetadata& meta, const Entry& child) const;
  /// A packet that nobody has committed yet is +rel if it is expected.
  void describe_expected(CtMetadata& meta, const Probe& probe) const;
  /// The translation of an expected connection, if its parent is translated.
  std::optional<NatRange> expected_range(const Probe& probe) const;
  /// Shows a parent's packet to its helper; false if it is to be dropped.
  bool inspect(Packet& packet, const Found& found);

  // create.cc

  /// The packet's tuple is not in the table.
  bool absent(Packet& packet, const Probe& probe);
  /// A new entry. The HomeLock is held, with NAT also that of the reply tuple.
  bool create(Packet& packet, const Probe& probe, const nat::Offer* offer);
  /// The packet opens a connection whose tuple a dead, closed or (force) opposite one has: commit puts the
  /// new one in its place. Unlocks the entry.
  bool renew(Packet& packet, const Probe& probe, const Found& found);
  /// Makes the locked entry the connection that this packet opens.
  void begin(Entry& entry, const Packet& packet, const Probe& probe, std::uint16_t zone_generation);
  bool finish_creation(Packet& packet, const Probe& probe, const Found& found);
  /// Why a locked entry ends whose tuple another connection gets.
  End end_of(const Entry& entry) const;
  bool refuse(const Packet& packet, Reason reason);
  Instant due(const Entry& entry) const;

  // create_translated.cc

  /// The translation that a new connection gets: an expected one that of its parent, others what is asked
  /// for.
  std::optional<NatRange> range_for(const Probe& probe) const {
    if (!t_.helpers.table.empty()) [[unlikely]]
      if (const auto expected = expected_range(probe)) return expected;
    if (!request_.nat || request_.nat_range.kind == NatRange::Kind::None) return std::nullopt;
    return request_.nat_range;
  }
  /// absent() for ct(commit,nat(src…)) and ct(commit,nat(dst…)).
  bool absent_translated(Packet& packet, const Probe& probe, const NatRange& range);
  /// Fetches where absent_translated() will look first.
  void prefetch_offer(Work& work);
  /// Whether a current connection has the tuple on offer. One that is over makes way.
  bool is_taken(const nat::Offer& offer, std::uint64_t hash);
  /// The same for the reply tuple of a connection without NAT; only a translated one can have it.
  bool is_reply_taken(const Probe& probe);
  /// Gives the new entry the reply tuple on offer; false if the index has no room for it.
  bool bind(Entry& entry, std::uint32_t name, const nat::Offer& offer);
  /// Counts a translated entry in the lane of its reply tuple.
  void join_lane(Entry& entry, const nat::TupleKey& reply, nat::Side varied) const;
  void record_port(Entry& entry, const nat::Offer& offer, bool reply) const;

  Impl& t_;
  const CtRequest& request_;
  const Instant now_;
  const CoarseTime coarse_now_;
  const TimeoutTicks& timeouts_;
  const std::int32_t tcp_established_ticks_, udp_multiple_ticks_;
  const std::uint16_t zone_;
  const std::uint16_t zone_generation_;  ///< when the batch began: later entries have another
  const bool commits_, turns_;           ///< turns: a reply to a connection replaces it
  const bool translates_;                ///< ct(nat): line 1 of entries is read
  const bool prefetches_offer_;
  const Strictness strictness_;
  const tcp::Rules rules_;
  bool created_ = false;  ///< this batch put something into the index that the second round could not see
  Notes notes_;
};

[[gnu::always_inline]] inline void Tracker::Impl::Pass::describe(CtMetadata& meta, const Found& found,
                                                                 std::uint8_t state, bool reply,
                                                                 bool plain) const {
  const Entry& entry = *found.entry;
  meta.state = state;
  meta.mark = entry.mark;
  meta.label = entry.has(Entry::kHasLabel) ? entry.label : be128{};
  copy_original(entry, plain, meta.original);
  meta.zone = request_.zone;
  meta.connection = found.name;
  meta.connection_generation = entry.generation();
  meta.reply = reply;
}

}  // namespace sluice::conntrack
