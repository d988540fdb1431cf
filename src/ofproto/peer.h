// One controller or client of a bridge: its session, and what stands between the session and the socket so
// that no peer can harm another or the switch. Without the socket itself: bytes go in and out, as in Session.
//
// Bounds: input is served a few messages at a time, and not at all while much output waits (a peer that asks
// faster than it reads waits for itself). Asynchronous messages that find too much output waiting are
// counted and forgotten. Packet-ins pass a rate limit per kind (packet_in_pacer.h).
//
// Owner: whoever holds the connection (connections.h), on the main thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ofproto/packet_in_pacer.h"
#include "openflow/session.h"

namespace sluice::ofproto {

class Sessions;

/// A packet for controllers, in no version's form yet.
struct PacketInMessage {
  /// The whole packet, whatever the action's max_len and the session's miss_send_len say: they are about what
  /// to send of packets that the switch keeps in a buffer, and it keeps none.
  openflow::PacketIn body;
  std::uint16_t controller_id = 0;
  /// No flow matched, and none says so: as a table miss of OpenFlow 1.0 to 1.2. Later versions do not get it.
  bool implicit_miss = false;
};

/// Limits of a peer's queues.
namespace peer_limits {
/// Messages served before others have their turn.
inline constexpr unsigned kMessagesPerTurn = 64;
/// Flows that messages may look at in a turn, beyond the last of these messages: about a millisecond.
inline constexpr std::size_t kEffortPerTurn = 1 << 16;
/// Slices of dumps served in a turn: one that finds nothing to write still looks at thousands of flows.
inline constexpr unsigned kSlicesPerTurn = 8;
/// Output that waits: above it the peer's requests wait, too.
inline constexpr std::size_t kServeBelowBytes = 4 << 20;
/// Output that waits: above it asynchronous messages are dropped.
inline constexpr std::size_t kAsyncBelowBytes = 1 << 20;
/// Output that waits: above it the peer is disconnected. Dumps wait for their reader; what a flow monitor
/// must hear at once, the deletion of 1,000,000 flows, fits.
inline constexpr std::size_t kMaxOutputBytes = 256 << 20;
}  // namespace peer_limits

/// Where a peer's output goes.
class PeerWire {
 public:
  virtual ~PeerWire() = default;
  /// Output waits in Peer::take_output(), or work for Peer::serve(): do it soon, not now.
  virtual void output_ready() = 0;
  /// Of the bytes that were taken those that the peer has not received yet.
  virtual std::size_t unsent() const = 0;
};

class Peer final : openflow::SessionObserver {
 public:
  struct Options {
    std::string name;  ///< for the log: "tcp:127.0.0.1:6653"
    openflow::Session::Options session;
    PacketInPacer::Options pacing;     ///< no rate: none
    std::uint32_t max_packet_ins = 0;  ///< that wait to be received; 0: as many as fit
  };
  struct Counters {
    std::uint64_t async_sent = 0;
    std::uint64_t async_dropped = 0;  ///< too much output waited
  };

  /// Says hello and joins the sessions.
  Peer(Options options, openflow::SessionHandler& handler, Sessions& sessions, PeerWire& wire, Instant now);
  /// Leaves them; the handler forgets the session.
  ~Peer() override;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& name() const { return options_.name; }
  bool service() const { return options_.session.service; }
  openflow::Session& session() { return session_; }
  const openflow::Session& session() const { return session_; }

  void receive(Bytes bytes, Instant now);
  /// Serves input that waits; true if there is more that could be served now.
  bool serve(Instant now);
  /// Input waits for output to go: read no more until serve() returned false with has_room().
  bool has_room() const;
  void tick(Instant now);
  std::optional<Instant> deadline() const;
  std::vector<std::uint8_t> take_output() { return session_.take_output(); }
  std::size_t waiting() const { return session_.output_bytes() + wire_.unsent(); }
  /// Nothing is kept for it and nothing waits: if it went, it could come again and find all as it was.
  bool is_idle() const { return session_.is_idle() && waiting() == 0 && !handler_.keeps(session_); }

  /// An asynchronous message that the peer wants. False if it was dropped.
  bool send_async(openflow::Body body);
  void send_packet_in(const PacketInMessage& message, Instant now);
  /// Whether it wants packets that are handed up for a reason (of dp_action::Userspace), whatever their
  /// controller id.
  bool wants_packet_in(std::uint8_t reason) const;
  /// Whether it wants packets that no flow matched, as controllers of OpenFlow 1.0 to 1.2 expect them.
  bool wants_implicit_misses() const;

  enum class PacketInKind : std::uint8_t { Miss, Action };
  const PacketInPacer& pacer(PacketInKind kind) const { return pacers_[static_cast<std::size_t>(kind)]; }
  const Counters& counters() const { return counters_; }

  /// Sees every message that goes either way; null: nobody.
  void set_snooper(std::function<void(Bytes)> snooper) { snooper_ = std::move(snooper); }

 private:
  /// Sends a packet-in, unless as many wait as may.
  void queue_packet_in(openflow::PacketIn packet);
  void received(Bytes message) override;
  void sent(Bytes messages) override;
  void has_work() override { wire_.output_ready(); }
  void wants_changed() override;

  Options options_;
  openflow::SessionHandler& handler_;
  Sessions& sessions_;
  PeerWire& wire_;
  std::function<void(Bytes)> snooper_;
  std::array<PacketInPacer, 2> pacers_;
  std::uint64_t written_ = 0;                 ///< bytes of output since the start
  std::deque<std::uint64_t> packet_ins_end_;  ///< where packet-ins that may still wait end in it
  Counters counters_;
  openflow::Session session_;  ///< last: it calls sent() from its constructor
};

}  // namespace sluice::ofproto
