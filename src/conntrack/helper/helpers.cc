#include "conntrack/helper/helpers.h"

#include <new>

#include "conntrack/entry_tuple.h"
#include "conntrack/helper/tftp.h"
#include "conntrack/notes.h"
#include "net/protocol.h"
#include "packet/tcp_payload.h"
#include "wire/tcp.h"

namespace sluice::conntrack {
namespace {

using packet::Packet;
namespace tcp_flag = net::tcp_flag;

constexpr std::uint16_t kFirstFreePort = 1024;
/// Ports that are tried for an announcement whose own is expected by somebody else.
constexpr unsigned kPortTries = 128;

std::uint32_t payload_bytes(const Packet& packet) {
  return packet.layout.l3_end - packet.layout.payload;
}

/// The two tuples of a parent, as the speaker of one direction knows them.
struct View {
  View(const Entry& entry, Direction speaker) {
    const Tuple original = original_tuple(entry), reply = reply_tuple(entry);
    const Tuple& own = speaker == Direction::Original ? original : reply;
    const Tuple& other = speaker == Direction::Original ? reply : original;
    speaker_address = own.src;
    speaker_port = own.src_port;
    speaker_as_seen = other.dst;
    speaker_port_as_seen = other.dst_port;
    peer_address = other.src;
    peer_as_seen = own.dst;
  }
  be128 speaker_address, speaker_as_seen, peer_address, peer_as_seen;
  be16 speaker_port, speaker_port_as_seen;
};

/// A connection from the peer to the speaker's `port`, announced as `port` so far.
Expectation expect(const Entry& parent, const View& view, std::uint8_t proto, be16 port,
                   const Helpers::Inspection& inspection) {
  Expectation e;
  e.tuple = {.src = view.peer_address,
             .dst = view.speaker_as_seen,
             .dst_port = port,
             .zone = parent.zone,
             .proto = proto,
             .is_ipv6 = parent.has(Entry::kIpv6)};
  e.to = view.speaker_address;
  e.to_port = port;
  e.from = view.peer_as_seen;
  e.mark = parent.mark;
  e.label = parent.has(Entry::kHasLabel) ? parent.label : be128{};
  e.zone_generation = inspection.zone_generation;
  e.family = parent.family;
  e.expires = inspection.now + Duration::seconds(limits::kExpectationSeconds);
  return e;
}

void add(ExpectationTable& table, const Expectation& expectation, Notes& notes) {
  const auto added = table.add(expectation);
  if (added == ExpectationTable::Added::New)
    notes.expected();
  else if (added != ExpectationTable::Added::Refreshed)
    notes.expectation_refused();
}

/// What an FTP control connection announces becomes expected.
class Announcer final : public ftp::Listener {
 public:
  Announcer(const Entry& parent, Direction speaker, const Helpers::Inspection& inspection,
            ExpectationTable& table, Notes& notes)
      : parent_(parent), view_(parent, speaker), inspection_(inspection), table_(table), notes_(notes) {}

  ftp::Announcement announced(const ftp::Announcement& announcement) override {
    const bool has_address = announcement.form != ftp::Announcement::Form::Epsv;
    if (has_address && announcement.address != view_.speaker_address) return announcement;
    Expectation e = expect(parent_, view_, net::ip_proto::kTcp, be16{announcement.port}, inspection_);
    ftp::Announcement instead = announcement;
    if (has_address) instead.address = view_.speaker_as_seen;
    // What is told to the receiver may be any port of an address that is ours to give.
    if (e.tuple.dst != e.to) instead.port = free_port(e);
    add(table_, e, notes_);
    return instead;
  }

 private:
  std::uint16_t free_port(Expectation& e) {
    const std::uint16_t wanted = e.to_port.host();
    std::uint16_t port = wanted;
    for (unsigned i = 0; i < kPortTries && table_.is_taken(e.tuple, e.family); ++i) {
      port = port == 0xffff || port < kFirstFreePort ? kFirstFreePort : static_cast<std::uint16_t>(port + 1);
      e.tuple.dst_port = be16{port};
    }
    return port;
  }

  const Entry& parent_;
  const View view_;
  const Helpers::Inspection& inspection_;
  ExpectationTable& table_;
  Notes& notes_;
};

/// Selective acknowledgements (RFC 2018 section 3) in the numbers of the other end.
void sack_to_sender(std::uint8_t* header, const ftp::ControlStream& stream) {
  const unsigned end = wire::TcpHeader(header).header_bytes();
  unsigned at = wire::TcpHeader<std::uint8_t>::kBytes;
  while (at < end && header[at] != wire::tcp_option::kEnd) {
    if (header[at] == wire::tcp_option::kNop) {
      ++at;
      continue;
    }
    if (at + 2 > end || header[at + 1] < 2 || header[at + 1] > end - at) return;
    const unsigned length = header[at + 1];
    if (header[at] == wire::tcp_option::kSack)
      for (unsigned block = at + 2; block + 8 <= at + length; block += 8) {
        const std::uint32_t left = stream.to_sender_up(be32::load(header + block).host());
        const std::uint32_t right = stream.to_sender(be32::load(header + block + 4).host());
        be32{left}.store(header + block);
        be32{seq_distance(right, left) > 0 ? right : left}.store(header + block + 4);
      }
    at += length;
  }
}

}  // namespace

void Helpers::attach(Entry& entry, Helper helper, Notes& notes) {
  const bool is_ftp = helper == Helper::Ftp && entry.proto == net::ip_proto::kTcp;
  const bool is_tftp = helper == Helper::Tftp && entry.proto == net::ip_proto::kUdp;
  if (!is_ftp && !is_tftp) return;
  std::uint32_t control = 0;
  if (is_ftp) {
    control = controls_.allocate(0);
    if (control == Slab<Control>::kNone) return notes.helper_refused();
    new (&controls_[control])
        Control{{ftp::ControlStream(ftp::Speaker::Client), ftp::ControlStream(ftp::Speaker::Server)}};
  }
  packet::CtTuple tuple;
  copy_original(entry, false, tuple);
  entry.family = table.found_family(tuple, static_cast<std::uint8_t>(helper), control);
  if (entry.family == ExpectationTable::kNoFamily) {
    if (is_ftp) controls_.release(control, 0);
    return notes.helper_refused();
  }
  entry.set_helper(static_cast<std::uint8_t>(helper));
  entry.set_flag(Entry::kHelped, true);
}

bool Helpers::adopt(Entry& entry, const Expectation& expectation) {
  if (!table.take(expectation)) return false;
  entry.family = expectation.family;
  entry.mark = expectation.mark;
  entry.label = expectation.label;
  entry.set_flag(Entry::kHasLabel, !expectation.label.is_zero());
  entry.set_flag(Entry::kExpected, true);
  return true;
}

void Helpers::leave(const Entry& entry) {
  if (entry.has(Entry::kExpected)) return table.leave_as_child(entry.family);
  if (!entry.has(Entry::kHelped)) return;
  const bool is_ftp = entry.helper() == static_cast<std::uint8_t>(Helper::Ftp);
  const std::uint32_t control = table.attachment(entry.family);
  table.leave_as_parent(entry.family);
  if (is_ftp) controls_.release(control, 0);
}

bool Helpers::inspect(Entry& entry, Direction direction, Packet& packet, const Inspection& inspection,
                      Notes& notes) {
  // What is translated is translated with its announcements or not at all.
  if (entry.translated() && !inspection.translate) return true;
  if (entry.proto == net::ip_proto::kTcp) return inspect_ftp(entry, direction, packet, inspection, notes);
  inspect_tftp(entry, direction, packet, inspection, notes);
  return true;
}

std::uint32_t Helpers::ack_to_sender(const Entry& entry, Direction direction, std::uint32_t ack) const {
  if (!entry.translated()) return ack;
  return controls_[table.attachment(entry.family)].of(opposite(direction)).to_sender(ack);
}

bool Helpers::inspect_ftp(Entry& entry, Direction direction, Packet& packet, const Inspection& inspection,
                          Notes& notes) {
  Control& control = controls_[table.attachment(entry.family)];
  ftp::ControlStream& stream = control.of(direction);
  ftp::ControlStream& other = control.of(opposite(direction));
  std::uint8_t* const header = packet.data() + packet.layout.l4;
  const wire::TcpHeader tcp(header);
  const std::uint16_t flags = tcp.flags().host();
  const std::uint32_t seq = tcp.seq().host(), length = payload_bytes(packet);
  std::uint8_t* const payload = packet.data() + packet.layout.payload;
  if ((flags & tcp_flag::kSyn) != 0) {
    if (entry.tcp_state(direction) < TcpState::Established) stream.begin(seq + 1);
    return true;
  }
  Announcer announcer(entry, direction, inspection, table, notes);
  if (!entry.translated()) {
    if ((flags & tcp_flag::kAck) != 0) other.acknowledged(tcp.ack().host());
    stream.observe(seq, payload, length, announcer);
    return true;
  }

  ftp::ControlStream::Rewritten rewritten{.length = length};
  if ((flags & tcp_flag::kRst) == 0) {
    rewritten = stream.rewrite(seq, payload, length, (flags & tcp_flag::kFin) != 0,
                               packet::tcp_payload_room(packet), announcer);
    if (rewritten.drop) return false;
  }
  bool changed = rewritten.length != length || rewritten.cut;
  if (!stream.is_identity()) {
    tcp.set_seq(be32{stream.to_receiver(seq)});
    changed = true;
  }
  if ((flags & tcp_flag::kAck) != 0) {
    const std::uint32_t ack = other.to_sender(tcp.ack().host());
    if (!other.is_identity()) {
      sack_to_sender(header, other);
      tcp.set_ack(be32{ack});
      changed = true;
    }
    other.acknowledged(ack);
  }
  if (!changed) return true;
  if (rewritten.cut)
    tcp.set_offset_flags(tcp.offset_flags() & be16{static_cast<std::uint16_t>(~tcp_flag::kFin)});
  if ((flags & tcp_flag::kUrg) != 0) {
    const std::uint32_t end = stream.to_receiver(seq + tcp.urgent().host());
    tcp.set_urgent(be16{static_cast<std::uint16_t>(end - tcp.seq().host())});
  }
  packet::set_tcp_payload(packet, rewritten.length);
  return true;
}

void Helpers::inspect_tftp(Entry& entry, Direction direction, Packet& packet, const Inspection& inspection,
                           Notes& notes) {
  if (direction != Direction::Original ||
      !tftp::is_request({packet.data() + packet.layout.payload, payload_bytes(packet)}))
    return;
  const View view(entry, direction);
  Expectation e = expect(entry, view, net::ip_proto::kUdp, view.speaker_port_as_seen, inspection);
  e.to_port = view.speaker_port;
  add(table, e, notes);
}

}  // namespace sluice::conntrack
