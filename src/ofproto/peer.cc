#include "ofproto/peer.h"

#include <algorithm>

#include "ofproto/sessions.h"
#include "openflow/packet_in_reason.h"

namespace sluice::ofproto {

namespace {

using openflow::AsyncKind;
using openflow::PacketInReason;

openflow::Session::Options observed_by(openflow::SessionObserver* observer,
                                       openflow::Session::Options options) {
  options.observer = observer;
  return options;
}

}  // namespace

Peer::Peer(Options options, openflow::SessionHandler& handler, Sessions& sessions, PeerWire& wire,
           Instant now)
    : options_(std::move(options)),
      handler_(handler),
      sessions_(sessions),
      wire_(wire),
      pacers_{PacketInPacer(options_.pacing, now), PacketInPacer(options_.pacing, now)},
      session_(observed_by(this, options_.session), handler, now) {
  sessions_.join(*this);
}

Peer::~Peer() {
  sessions_.leave(*this);
  handler_.forget(session_);
}

void Peer::received(Bytes message) {
  if (snooper_) snooper_(message);
}

void Peer::sent(Bytes messages) {
  written_ += messages.size();
  if (snooper_) snooper_(messages);
  wire_.output_ready();
}

void Peer::wants_changed() {
  sessions_.wants_changed();
}

void Peer::receive(Bytes bytes, Instant now) {
  session_.append(bytes, now);
}

bool Peer::has_room() const {
  return waiting() < peer_limits::kServeBelowBytes;
}

bool Peer::serve(Instant now) {
  session_.set_now(now);
  unsigned slices = 0;
  std::size_t effort = 0;
  for (unsigned i = 0; i < peer_limits::kMessagesPerTurn; ++i) {
    if (!has_room() || !session_.serve_next()) return false;
    if (session_.is_working() && ++slices == peer_limits::kSlicesPerTurn) break;
    if ((effort += handler_.take_effort()) > peer_limits::kEffortPerTurn) break;
  }
  return true;
}

void Peer::tick(Instant now) {
  session_.tick(now);
  for (auto& pacer : pacers_)
    while (auto packet = pacer.next(now)) queue_packet_in(std::move(*packet));
}

std::optional<Instant> Peer::deadline() const {
  std::optional<Instant> first = session_.deadline();
  for (const auto& pacer : pacers_)
    if (const auto when = pacer.deadline(); when && (!first || *when < *first)) first = when;
  return first;
}

bool Peer::send_async(openflow::Body body) {
  if (waiting() >= peer_limits::kAsyncBelowBytes) {
    ++counters_.async_dropped;
    return false;
  }
  ++counters_.async_sent;
  session_.send(std::move(body));
  return true;
}

void Peer::queue_packet_in(openflow::PacketIn packet) {
  if (options_.max_packet_ins == 0) {
    send_async(std::move(packet));
    return;
  }
  const std::uint64_t received = written_ - waiting();
  while (!packet_ins_end_.empty() && packet_ins_end_.front() <= received) packet_ins_end_.pop_front();
  if (packet_ins_end_.size() >= options_.max_packet_ins) {
    ++counters_.async_dropped;
    return;
  }
  if (send_async(std::move(packet))) packet_ins_end_.push_back(written_);
}

bool Peer::wants_implicit_misses() const {
  return session_.version() < openflow::k13 &&
         session_.wants(AsyncKind::PacketIn, static_cast<unsigned>(PacketInReason::NoMatch));
}

bool Peer::wants_packet_in(std::uint8_t reason) const {
  const PacketInReason told = reason_in(session_.version(), static_cast<PacketInReason>(reason));
  return session_.wants(AsyncKind::PacketIn, static_cast<unsigned>(told));
}

void Peer::send_packet_in(const PacketInMessage& message, Instant now) {
  const PacketInReason reason = reason_in(session_.version(), message.body.reason);
  if (message.controller_id != session_.controller_id() ||
      !session_.wants(AsyncKind::PacketIn, static_cast<unsigned>(reason)) ||
      (message.implicit_miss && !wants_implicit_misses()))
    return;
  openflow::PacketIn packet = message.body;
  packet.reason = reason;
  const auto kind = reason == PacketInReason::NoMatch ? PacketInKind::Miss : PacketInKind::Action;
  if (auto now_due = pacers_[static_cast<std::size_t>(kind)].submit(std::move(packet), now))
    queue_packet_in(std::move(*now_due));
}

}  // namespace sluice::ofproto
