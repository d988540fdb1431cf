// All OpenFlow sessions of a bridge, as the rest of the switch sees them: who wants to be told what happens
// gets it through deliver(), and the roles that sessions share are kept here.
//
// Roles (OpenFlow 1.3.1 section 6.3.4): one Primary at most; who becomes it makes the one before Secondary.
// Generation ids only move forward, by signed difference, so that they may wrap; of one that is older than
// the newest seen, the request is stale.
//
// Owned by the bridge, longer than any Peer. Main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "ofproto/peer.h"
#include "openflow/session.h"

namespace sluice::ofproto {

class Sessions {
 public:
  Sessions() = default;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // --- For those to whom something happens ---
  /// To all sessions that want messages of this kind and reason. @param source  does not get it: it knows.
  void deliver(openflow::AsyncKind kind, unsigned reason, const openflow::Body& body,
               const openflow::Session* source = nullptr);
  /// To the sessions with the message's controller id that want it, at the rate that each is allowed.
  void deliver(const PacketInMessage& message, Instant now);
  /// Whether anybody wants it: what costs something to say need not be said to nobody.
  bool wanted(openflow::AsyncKind kind, unsigned reason) const;
  /// Bit n: somebody wants packets that are handed up for reason n of dp_action::Userspace.
  std::uint32_t wanted_packet_ins() const;
  /// Whether a packet that no flow matches goes to a controller: as OpenFlow 1.0 to 1.2 have it, if one of
  /// these versions listens.
  bool wants_implicit_misses() const;

  // --- For the SessionHandler ---
  /// What SessionHandler::claim_role() is to do.
  Result<std::optional<std::uint64_t>> claim_role(openflow::Session& session, openflow::Role role,
                                                  std::optional<std::uint64_t> generation);
  /// Calls f(openflow::Session&) for each open session, oldest first. f may not end sessions.
  template <typename F>
  void for_each_session(F&& f) {
    for (Peer* peer : peers_)
      if (peer->session().state() == openflow::Session::State::Open) f(peer->session());
  }

  // --- For connections ---
  void join(Peer& peer) { peers_.push_back(&peer); }
  void leave(Peer& peer) {
    std::erase(peers_, &peer);
    wants_changed();
  }
  /// Who is told, before anything else happens, that what sessions want may have changed; one at most.
  void set_on_wants(std::function<void()> on_wants) { on_wants_ = std::move(on_wants); }
  void wants_changed() {
    if (on_wants_) on_wants_();
  }
  const std::vector<Peer*>& peers() const { return peers_; }

 private:
  std::vector<Peer*> peers_;
  std::optional<std::uint64_t> generation_;
  std::function<void()> on_wants_;
};

}  // namespace sluice::ofproto
