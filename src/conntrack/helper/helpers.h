// Helpers (application layer gateways) as the tracker uses them: FTP for ct(alg=ftp), TFTP for ct(alg=tftp).
//
// A connection that is committed with a helper becomes the parent of a Family (conntrack/expectation.h), and
// its packets are inspected. What they announce is expected; the connection that comes is a child. Either has
// a flag in its entry (kHelped, kExpected) and the family's number in Entry::family, and that is all a packet
// of another connection could ever meet of it.
//
// The address that an announcement names must be the speaker's own: nobody opens a hole to somebody else
// (RFC 2577 section 3). Where the parent is translated, announcements are, too (RFC 2428, RFC 2766 section 6
// tell why): the receiver is told the address under which it sees the speaker, and a port that no other
// parent's expectation uses.
//
//   parent       original  client -> seen      reply  server -> shown        (seen, shown: after translation)
//   client says  "client, port": expected is server -> shown:port', which goes to client:port from `seen`
//   server says  "server, port": expected is client -> seen:port', which goes to server:port from `shown`
//
// Everything is done with the connection's entry locked.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/slab.h"
#include "conntrack/entry.h"
#include "conntrack/expectation.h"
#include "conntrack/helper/control_stream.h"
#include "conntrack/request.h"
#include "packet/packet.h"

namespace sluice::conntrack {

class Notes;

class Helpers {
 public:
  Helpers(const ExpectationLimits& limits, std::uint64_t secret)
      : table(limits, secret), controls_(limits.ftp_controls) {}

  bool has_memory() const { return table.has_memory() && controls_.has_memory(); }

  /// Gives the connection its helper, if it is one for its protocol and there is room.
  void attach(Entry& entry, Helper helper, Notes& notes);
  /// Makes the connection the child that was expected, with the parent's mark and label, if it is still.
  bool adopt(Entry& entry, const Expectation& expectation);
  /// The connection's life ends.
  void leave(const Entry& entry);

  struct Inspection {
    Instant now;
    std::uint16_t zone_generation;  ///< the zone's
    bool translate;                 ///< the request asks for translation: announcements, too
  };
  /// A valid packet of a helped connection, before its addresses are translated. May rewrite its payload and
  /// sequence numbers.
  /// @return false if it must not go on: it came before an earlier segment of a stream that is rewritten.
  bool inspect(Entry& entry, Direction direction, packet::Packet& packet, const Inspection& inspection,
               Notes& notes);
  /// What an acknowledgement of this direction acknowledges in the numbers of the other end, as the entry
  /// counts them.
  std::uint32_t ack_to_sender(const Entry& entry, Direction direction, std::uint32_t ack) const;

  const packet::CtTuple& parent_tuple(const Entry& child) const { return table.parent_tuple(child.family); }

  ExpectationTable table;

 private:
  /// An FTP control connection: what the client says and what the server says.
  struct Control {
    ftp::ControlStream streams[2];
    ftp::ControlStream& of(Direction d) { return streams[static_cast<unsigned>(d)]; }
    const ftp::ControlStream& of(Direction d) const { return streams[static_cast<unsigned>(d)]; }
  };

  bool inspect_ftp(Entry& entry, Direction direction, packet::Packet& packet, const Inspection& inspection,
                   Notes& notes);
  void inspect_tftp(Entry& entry, Direction direction, packet::Packet& packet, const Inspection& inspection,
                    Notes& notes);

  Slab<Control> controls_;
};

}  // namespace sluice::conntrack
