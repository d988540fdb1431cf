#include "conntrack/proto/sctp.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "wire/sctp.h"

namespace sluice::conntrack::sctp {
namespace {

constexpr std::size_t kHeader = 12, kChunkHeader = 4;
constexpr std::uint8_t kTagReflected = 0x01;  ///< the T bit of ABORT and SHUTDOWN COMPLETE

struct ChunkView {
  Chunk type;
  std::uint8_t flags;
  Bytes bytes;  ///< header included, padding not
  bool last;    ///< nothing follows

  /// Of INIT and INIT ACK.
  std::uint32_t initiate_tag() const { return be32::load(bytes.data() + kChunkHeader).host(); }
  bool stands_alone() const {
    return type == Chunk::Init || type == Chunk::InitAck || type == Chunk::ShutdownComplete;
  }
};

/// The chunk at `offset`, which moves behind it; nothing if its length can't be.
std::optional<ChunkView> next_chunk(Bytes packet, std::size_t& offset) {
  if (packet.size() - offset < kChunkHeader) return std::nullopt;
  const std::uint8_t* const at = packet.data() + offset;
  const std::size_t bytes = be16::load(at + 2).host();
  if (bytes < kChunkHeader || bytes > packet.size() - offset) return std::nullopt;
  ChunkView chunk{static_cast<Chunk>(at[0]), at[1], Bytes(at, bytes), false};
  offset += std::min((bytes + 3) & ~std::size_t{3}, packet.size() - offset);
  chunk.last = offset == packet.size();
  const bool carries_tag = chunk.type == Chunk::Init || chunk.type == Chunk::InitAck;
  if (carries_tag && (bytes < 20 || chunk.initiate_tag() == 0)) return std::nullopt;
  return chunk;
}

/// The association as the entry keeps it, to be worked on until it is known that the packet is valid. Tags by
/// the direction of the packets that have to carry them, 0 = not known.
struct Association {
  explicit Association(const Entry& entry)
      : state(entry.sctp_state()),
        tags{entry.seq_low[0], entry.seq_low[1]},
        offered{entry.seq_high[0], entry.seq_high[1]} {}
  void store(Entry& entry) const {
    entry.set_sctp_state(state);
    for (unsigned d = 0; d < 2; ++d) {
      entry.seq_low[d] = tags[d];
      entry.seq_high[d] = offered[d];
    }
  }

  SctpState state;
  std::uint32_t tags[2];
  std::uint32_t offered[2];  ///< by INIT and INIT ACK, not yet in force
};

/// Whether a packet of this direction may carry this tag for the sake of the chunk; learns a tag that is not
/// known. Section 8.5.
bool tag_fits(Association& a, unsigned from, const ChunkView& chunk, std::uint32_t tag) {
  const unsigned to = from ^ 1;
  const auto in_force = [&a](unsigned d) { return a.tags[d] != 0 ? a.tags[d] : a.offered[d]; };
  switch (chunk.type) {
    case Chunk::Init:
      return tag == 0;
    case Chunk::InitAck:
      return tag != 0 && tag == a.offered[from];
    case Chunk::CookieEcho:
      if (tag != 0 && tag == a.offered[from]) return true;
      break;
    case Chunk::Abort:
    case Chunk::ShutdownComplete:
      if ((chunk.flags & kTagReflected) != 0 && (in_force(to) == 0 || tag == in_force(to))) return true;
      break;
    default:
      break;
  }
  if (tag == 0) return false;
  if (in_force(from) == 0) a.tags[from] = tag;
  return tag == in_force(from);
}

/// COOKIE ECHO: what INIT and INIT ACK have offered holds now.
void set_up(Association& a, unsigned from, std::uint32_t tag) {
  const bool agreed = a.offered[0] != 0 && a.offered[1] != 0 && tag == a.offered[from];
  const bool restarts = agreed && (a.offered[0] != a.tags[0] || a.offered[1] != a.tags[1]);
  if (agreed) {
    for (unsigned d = 0; d < 2; ++d) a.tags[d] = std::exchange(a.offered[d], 0);
  }
  if (restarts || a.state == SctpState::CookieWait || a.state == SctpState::HeartbeatSent)
    a.state = SctpState::CookieEchoed;
}

void advance(Association& a, unsigned from, const ChunkView& chunk, std::uint32_t tag) {
  const bool reply = from == static_cast<unsigned>(Direction::Reply);
  if (a.state == SctpState::HeartbeatSent && reply) a.state = SctpState::Established;
  switch (chunk.type) {
    case Chunk::Init:
      a.offered[from ^ 1] = chunk.initiate_tag();
      if (a.state == SctpState::HeartbeatSent) a.state = SctpState::CookieWait;
      return;
    case Chunk::InitAck:
      a.offered[from ^ 1] = chunk.initiate_tag();
      return;
    case Chunk::CookieEcho:
      return set_up(a, from, tag);
    case Chunk::CookieAck:
      if (a.state == SctpState::CookieEchoed) a.state = SctpState::Established;
      return;
    case Chunk::Shutdown:
      if (a.state == SctpState::Established || a.state == SctpState::CookieEchoed)
        a.state = reply ? SctpState::ShutdownReceived : SctpState::ShutdownSent;
      return;
    case Chunk::ShutdownAck:
      if (a.state == SctpState::Established || a.state == SctpState::ShutdownSent ||
          a.state == SctpState::ShutdownReceived)
        a.state = SctpState::ShutdownAckSent;
      return;
    case Chunk::ShutdownComplete:
      if (a.state == SctpState::ShutdownAckSent) a.state = SctpState::Closed;
      return;
    case Chunk::Abort:
      a.state = SctpState::Closed;
      return;
    default:
      return;
  }
}

/// Takes the packet's chunks one after another; not None if it is invalid.
Reason take(Association& a, unsigned from, Bytes packet) {
  const std::uint32_t tag = wire::SctpHeader(packet.data()).verification_tag().host();
  std::size_t offset = kHeader;
  for (unsigned n = 0; n < kMaxChunks && (n == 0 || offset < packet.size()); ++n) {
    const auto chunk = next_chunk(packet, offset);
    if (!chunk || (chunk->stands_alone() && (n != 0 || !chunk->last))) return Reason::SctpBadChunk;
    if (!tag_fits(a, from, *chunk, tag)) return Reason::SctpBadTag;
    advance(a, from, *chunk, tag);
    if (chunk->type == Chunk::Data || chunk->type == Chunk::IData || chunk->type == Chunk::Abort) break;
  }
  return Reason::None;
}

}  // namespace

Reason may_open(Bytes packet) {
  switch (static_cast<Chunk>(packet[kHeader])) {
    case Chunk::InitAck:
    case Chunk::Abort:
    case Chunk::ShutdownAck:
    case Chunk::ShutdownComplete:
      return Reason::SctpBadChunk;
    default:
      break;
  }
  Association fresh = Association(Entry{});
  return take(fresh, static_cast<unsigned>(Direction::Original), packet);
}

void open(Entry& entry, Bytes packet) {
  const auto first = static_cast<Chunk>(packet[kHeader]);
  entry.set_sctp_state(first == Chunk::Init ? SctpState::CookieWait : SctpState::HeartbeatSent);
  Association association(entry);
  take(association, static_cast<unsigned>(Direction::Original), packet);
  association.store(entry);
}

Verdict update(Entry& entry, Direction from, Bytes packet) {
  if (packet.size() < kHeader + kChunkHeader) return {Outcome::Invalid, Reason::SctpBadChunk};
  Association association(entry);
  const bool was_closed = association.state == SctpState::Closed;
  if (const Reason reason = take(association, static_cast<unsigned>(from), packet); reason != Reason::None)
    return {Outcome::Invalid, reason};
  if (was_closed && static_cast<Chunk>(packet[kHeader]) == Chunk::Init) return {Outcome::Reopen};
  association.store(entry);
  const bool answered = from == Direction::Reply || entry.has(Entry::kSeenReply);
  return {answered ? Outcome::Established : Outcome::New};
}

}  // namespace sluice::conntrack::sctp
