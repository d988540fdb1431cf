// A whole OpenFlow message: one of the message types (all_messages.h) with the version, the transaction id
// and the form that it travels in. decode() and encode() are the only ways between bytes and messages,
// print() is what `ovs-ofctl ofp-print` shows of bytes.
//
// Framing: a stream is a run of messages, each beginning with an eight-byte header that says its length
// (OpenFlow 1.0.0 section 5.1). Splitter finds them in what a connection delivers.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "openflow/codec.h"

namespace sluice::openflow {

inline constexpr std::size_t kHeaderBytes = 8, kMaxMessageBytes = 65535;

/// How one side speaks: which of several forms it uses for a message.
struct Dialect {
  OfVersion version = k10;
  bool nxm = false;      ///< flows of 1.0 as NXT_FLOW_MOD, NXST_FLOW …, not in OpenFlow's own structures
  bool table_id = true;  ///< NXT_FLOW_MOD_TABLE_ID: a flow_mod of 1.0 names a table
  Style packet_in = Style::Standard;  ///< Nicira: NXT_PACKET_IN, Nicira2: NXT_PACKET_IN2
};

struct Body;  // all_messages.h

struct Message {
  OfVersion version = k10;
  std::uint32_t xid = 0;
  bool more = false;               ///< multipart: others with this xid follow
  const WireForm* form = nullptr;  ///< one of the body's; never null
  bool table_id = true;            ///< see Dialect

  Message(Body body, OfVersion version, std::uint32_t xid, const WireForm& form);
  Message(std::unique_ptr<Body> body, OfVersion version, std::uint32_t xid, const WireForm& form);
  Message(const Message& other);
  Message(Message&& other) noexcept;
  Message& operator=(const Message& other);
  Message& operator=(Message&& other) noexcept;
  ~Message();

  const Body& body() const { return *body_; }
  Body& body() { return *body_; }

 private:
  std::unique_ptr<Body> body_;
};

/// The body in the form that the dialect has for it. SLUICE_CHECKs that the version has the message: see
/// can_express().
Message make_message(Body body, const Dialect& dialect, std::uint32_t xid);
/// Whether the version has this type of message.
bool can_express(const Body& body, const Dialect& dialect);

/// The bytes; a multipart message that is too long for one becomes several. What fits none is left out: an
/// entry of a list, or all of another message, of which nothing remains then.
std::vector<std::uint8_t> encode(const Message& message);

/// A message inside another (bundle_add_message, requestforward).
Result<Message> decode_inner(Bytes bytes, const DecodeContext& context);

struct DecodeOptions {
  bool table_id = true;
};
/// One whole message. Errors carry the OpenFlow error that answers them.
Result<Message> decode(Bytes bytes, const DecodeOptions& options = {});

/// The text of a message, ending in a newline: "OFPT_HELLO (OF1.3) (xid=0x1):\n version bitmap: 0x01\n".
std::string format(const Message& message, const PrintOptions& options = {});
/// The text of the bytes of one message, whatever they are: what cannot be decoded is said so and dumped in
/// hex.
std::string print(Bytes bytes, const PrintOptions& options = {});

struct Header {
  std::optional<OfVersion> version;  ///< nothing if it is none that we know
  std::uint8_t type = 0;
  std::uint16_t length = 0;  ///< of the whole message, this header included
  std::uint32_t xid = 0;
};
/// Whether it is a message, of a length that its type can have, that goes only from switch to controller.
/// @param bytes  a header at least
bool only_switches_send(Bytes bytes, OfVersion version);
/// Nothing if there are fewer than eight bytes.
std::optional<Header> decode_header(Bytes bytes);

/// Cuts a stream into messages. Holds at most one message and one piece of input.
class Splitter {
 public:
  void append(Bytes bytes);
  /// The next whole message, valid until the next call of either function. Nothing if it is not all there
  /// yet. The error (a length below eight) is final.
  Result<std::optional<Bytes>> next();

 private:
  std::vector<std::uint8_t> buffer_;
  std::size_t taken_ = 0;
};

}  // namespace sluice::openflow
