#include "ofproto/sessions.h"

#include <fmt/core.h>

#include <algorithm>

#include "field/of_error.h"

namespace sluice::ofproto {

using openflow::Role;

void Sessions::deliver(openflow::AsyncKind kind, unsigned reason, const openflow::Body& body,
                       const openflow::Session* source) {
  for (Peer* peer : peers_)
    if (&peer->session() != source && peer->session().wants(kind, reason)) peer->send_async(body);
}

void Sessions::deliver(const PacketInMessage& message, Instant now) {
  for (Peer* peer : peers_) peer->send_packet_in(message, now);
}

bool Sessions::wanted(openflow::AsyncKind kind, unsigned reason) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [&](const Peer* peer) { return peer->session().wants(kind, reason); });
}

std::uint32_t Sessions::wanted_packet_ins() const {
  std::uint32_t reasons = 0;
  for (std::uint8_t reason = 0; reason < 32; ++reason)
    if (std::any_of(peers_.begin(), peers_.end(),
                    [&](const Peer* peer) { return peer->wants_packet_in(reason); }))
      reasons |= std::uint32_t{1} << reason;
  return reasons;
}

bool Sessions::wants_implicit_misses() const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const Peer* peer) { return peer->wants_implicit_misses(); });
}

Result<std::optional<std::uint64_t>> Sessions::claim_role(openflow::Session& session, Role role,
                                                          std::optional<std::uint64_t> generation) {
  if (generation && (role == Role::Primary || role == Role::Secondary)) {
    if (generation_ && static_cast<std::int64_t>(*generation - *generation_) < 0)
      return fail(
          fmt::format("generation id {:#x} is older than {:#x} (OFPRRFC_STALE)", *generation, *generation_),
          field::OfError::RrfcStale);
    generation_ = generation;
  }
  if (role == Role::Primary)
    for_each_session([&](openflow::Session& other) {
      if (&other != &session && other.role() == Role::Primary)
        other.demote(generation_.value_or(~std::uint64_t{0}));
    });
  return generation_;
}

}  // namespace sluice::ofproto
