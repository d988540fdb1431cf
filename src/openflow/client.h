// One OpenFlow connection as its client sees it, without its socket: bytes come in and go out, the version is
// agreed upon, and what arrives is handed on message by message. Session (session.h) is the other side.
//
// A client that asks keeps an Exchange for each request: it recognizes the answer by its transaction id,
// whether it comes in one message, in the parts of a multipart message, as an error, or, for a request that
// has no answer, as the reply of the barrier behind it.
//
// Owner: whoever made it; no clock, no I/O, no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "openflow/all_messages.h"

namespace sluice::openflow {

class Client {
 public:
  enum class State : std::uint8_t { Hello, Open, Closed };

  /// Says hello. @param versions  bit n is wire version n; at least one that we know
  Client(std::uint32_t versions, std::uint32_t xid);

  void receive(Bytes bytes) { input_.append(bytes); }
  /// What is to be sent, all of it.
  std::vector<std::uint8_t> take_output() { return std::move(output_); }
  void send(Bytes bytes) { output_.insert(output_.end(), bytes.begin(), bytes.end()); }

  /// The next whole message, hellos included; valid until the next call of receive() or next(). Nothing if
  /// there is none yet. An error is final: the state is Closed then.
  Result<std::optional<Bytes>> next();

  State state() const { return state_; }
  OfVersion version() const { return *version_; }  ///< once Open
  std::uint32_t versions() const { return versions_; }
  /// What the peer's hello offered.
  std::uint32_t peer_versions() const { return peer_versions_; }

 private:
  Status on_hello(Bytes bytes);

  std::uint32_t versions_, peer_versions_ = 0;
  State state_ = State::Hello;
  std::optional<OfVersion> version_;
  Splitter input_;
  std::vector<std::uint8_t> output_;
};

/// A request and what came back.
class Exchange {
 public:
  /// @param barrier  transaction id of the barrier that ends it; nothing for a request that is answered
  explicit Exchange(std::uint32_t request, std::optional<std::uint32_t> barrier = std::nullopt)
      : request_(request), barrier_(barrier) {}

  /// Whether the message belongs to this exchange.
  bool take(Bytes message);
  bool done() const { return done_; }
  /// The message taken last is an error that answers the request.
  bool failed() const { return failed_; }

 private:
  std::uint32_t request_;
  std::optional<std::uint32_t> barrier_;
  bool done_ = false, failed_ = false;
};

/// "version 0x01", "versions 0x03, 0x05", "version 0x06 and earlier".
std::string describe_versions(std::uint32_t versions);

bool is_error(Bytes message);
/// Whether a message is one part of a multipart answer that others follow.
bool more_follow(Bytes message);

}  // namespace sluice::openflow
