// A Peer with its socket: bytes go between the stream and the session, in turns.
//
// What comes is served a few messages at a time, then the event loop has others' work; while requests wait,
// nothing more is read, so that a peer that floods waits for itself. What the session says outside of a turn
// (asynchronous messages) goes out in one piece when the loop comes round.
//
// Owned by a LinkOwner. Main thread.
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.h"
#include "io/stream.h"
#include "ofproto/peer.h"

namespace sluice::ofproto {

class Link;

/// None is called from within the link's constructor.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  /// Hellos have been exchanged.
  virtual void opened(Link& link) = 0;
  /// Some requests have been served, or time has passed.
  virtual void served(Link& link) = 0;
  /// It is over: destroy it. `why` is empty if the peer went.
  virtual void ended(Link& link, std::string why) = 0;
};

class Link final : PeerWire {
 public:
  Link(io::EventLoop& loop, std::unique_ptr<io::Stream> stream, Peer::Options options,
       openflow::SessionHandler& handler, Sessions& sessions, LinkOwner& owner);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  Peer& peer() { return peer_; }
  const Peer& peer() const { return peer_; }
  bool open() const { return peer_.session().state() == openflow::Session::State::Open; }

 private:
  void output_ready() override;
  std::size_t unsent() const override { return stream_->queued(); }

  void received(Bytes bytes);
  void turn();
  void send_output();
  void watch_time();
  void end(std::string why);

  io::EventLoop& loop_;
  std::unique_ptr<io::Stream> stream_;
  LinkOwner& owner_;
  io::Timer soon_, time_;
  std::optional<Instant> timer_due_;
  bool soon_pending_ = false, opened_ = false, finishing_ = false, ended_ = false;
  Peer peer_;  ///< last: it calls output_ready() from its constructor
};

}  // namespace sluice::ofproto
