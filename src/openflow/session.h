// One OpenFlow connection, without its socket: bytes and the time go in, bytes come out, and requests go to a
// handler in the order in which they came. A bridge has one Session a controller or client.
//
// The session itself does what concerns the connection alone: versions are agreed upon, echoes answered, a
// silent peer is probed and given up, the role and what asynchronous messages it implies are kept, formats
// are set, bundles collected until they are committed. Barriers: a handler does what it is asked before it
// returns, so a barrier is answered where it stands.
//
// Errors in what the peer sends are answered and never end the connection, except where the stream can no
// longer be followed (a length below eight) or no version is common.
//
// Owner: the bridge's OpenFlow side, on the main thread. No clock, no I/O.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "openflow/all_messages.h"

namespace sluice::openflow {

class Session;

/// A request that takes long, done a slice at a time; what the peer sends behind it waits.
class SlicedRequest {
 public:
  virtual ~SlicedRequest() = default;
  /// Some hundred microseconds of work, replies written to the session. False when it is done; an error ends
  /// it and answers the request.
  virtual Result<bool> step(Session& session) = 0;
};

/// The switch behind a session. An error goes to the peer with the code that it carries.
class SessionHandler : public PreparedOwner {
 public:
  virtual ~SessionHandler() = default;
  /// A request that the session does not answer itself: the handler does it and replies through
  /// session.reply().
  virtual Status handle(Session& session, const Message& request) = 0;
  /// What is wrong with a message for a bundle, whatever the tables are when it is committed.
  virtual Status check(const Message& message) {
    (void)message;
    return {};
  }
  /// Makes a message of a bundle ready that check() has let through, if the switch knows how to; commit()
  /// meets it so.
  virtual Prepared prepare(const Message& message) {
    (void)message;
    return {};
  }
  void drop(void* prepared) override { (void)prepared; }
  virtual BundleRoom& bundle_room() = 0;
  /// All messages of a bundle, or none of them. An error is about the message that was taken last, unless all
  /// were.
  virtual Status commit(Session& session, BundleMessages& messages, const BundleFlags& flags) = 0;
  /// Whether it keeps something for the session, so that the peer hears of it later.
  virtual bool keeps(const Session& session) const {
    (void)session;
    return false;
  }
  /// Whether the session may take a role; who asks for Primary makes others Secondary. NoChange only asks.
  /// Errors: OFPRRFC_STALE.
  /// @return the generation id that holds now among the switch's sessions, nothing if none was ever given.
  virtual Result<std::optional<std::uint64_t>> claim_role(Session& session, Role role,
                                                          std::optional<std::uint64_t> generation) = 0;
  /// How many flows or the like it had to look at, since the last call, for what it was asked.
  virtual std::size_t take_effort() { return 0; }
  /// The session ends: what is kept for it goes.
  virtual void forget(Session& session) { (void)session; }
};

/// Watches what a session exchanges with its peer, a whole message or several at a time.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void received(Bytes message) = 0;
  /// It waits in take_output().
  virtual void sent(Bytes messages) = 0;
  /// There is work for serve_next() though nothing was received.
  virtual void has_work() {}
  /// What Session::wants() says may be otherwise from now on.
  virtual void wants_changed() {}
};

/// What a peer may make the switch keep for it.
namespace session_limits {
inline constexpr std::size_t kBundles = 16;             ///< open at once
inline constexpr std::size_t kBundleBytes = 256 << 20;  ///< of one session's bundles; of all: BundleRoom
/// Beside them, what is prepared of their messages: those behind wait as their bytes.
inline constexpr std::size_t kPreparedBytes = 128 << 20;
/// What a packet-out in a bundle is taken for beside its bytes: it is translated when the bundle is committed
/// and kept until all of it has succeeded.
inline constexpr std::size_t kBundledPacketBytes = 16 << 10;
inline constexpr std::size_t kPartialRequests = 16;    ///< multipart requests of which more is to come
inline constexpr std::size_t kPartialBytes = 1 << 20;  ///< of all of them
/// The next part of a multipart request must come within this time (OpenFlow 1.5.1 section 7.3.5).
inline constexpr Duration kPartialTimeout = Duration::seconds(1);
}  // namespace session_limits

class Session {
 public:
  enum class State : std::uint8_t { Hello, Open, Closed };

  struct Options {
    std::uint32_t versions = 0x7e;  ///< bit n is wire version n
    /// A client of the management socket: it gets no asynchronous message until it asks for packets.
    bool service = false;
    bool async = true;  ///< false: no asynchronous message until SET_ASYNC asks for some
    /// Silence after which the peer is probed, and again as long until it is given up; zero: never.
    Duration probe_after{};
    /// From the start until its hello must be here, all of it; zero: whenever it likes.
    Duration hello_within{};
    SessionObserver* observer = nullptr;
  };

  /// Says hello.
  Session(const Options& options, SessionHandler& handler, Instant now);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Takes input and serves all of it.
  void receive(Bytes bytes, Instant now);
  /// Takes input without serving it: serve_next() does, a message a call, so that others have their turn.
  /// Append no more while whole messages wait.
  void append(Bytes bytes, Instant now);
  /// The time of what is served from now on, where input has waited.
  void set_now(Instant now) { now_ = now; }
  /// One message, or a slice of one that takes long. False when no whole message waits.
  bool serve_next();
  /// What time brings: probes, and giving up.
  void tick(Instant now);
  /// When tick() is wanted next.
  std::optional<Instant> deadline() const;
  /// What is to be sent, all of it.
  std::vector<std::uint8_t> take_output();
  std::size_t output_bytes() const { return output_.size(); }

  State state() const { return state_; }
  /// The peer was silent for so long that it has been asked whether it is there.
  bool probing() const { return probed_; }
  /// Why it is closed, a sentence.
  const std::string& reason() const { return reason_; }
  void close(std::string reason);

  OfVersion version() const { return dialect_.version; }
  const Dialect& dialect() const { return dialect_; }
  Role role() const { return role_; }
  /// Another session has become primary: a RoleStatus tells the peer, if it wants it.
  void demote(std::uint64_t generation);
  std::uint16_t controller_id() const { return controller_id_; }
  std::uint16_t miss_send_len() const { return miss_send_len_; }
  bool invalid_ttl_to_controller() const { return invalid_ttl_; }
  /// When the peer last sent something.
  Instant heard() const { return heard_; }
  /// Whether the peer would miss nothing but the connection, as far as the session knows: no bundle is open,
  /// no request goes on or has parts to come, it is not the primary, and wants no asynchronous messages.
  bool is_idle() const;

  /// Whether the peer wants asynchronous messages of a kind and reason.
  bool wants(AsyncKind kind, unsigned reason) const;

  /// `more`: others will follow, with the same transaction id.
  void reply(const Message& request, Body body, bool more = false);
  /// To be called by the handler: the request goes on in slices, and is answered by them.
  void proceed(const Message& request, std::unique_ptr<SlicedRequest> work);
  /// The same of work that nobody asked for, while there is no other (is_working()).
  void proceed(std::unique_ptr<SlicedRequest> work);
  bool is_working() const { return work_.has_value(); }
  void reply_error(const Message& request, OfError error);
  /// Unasked, with transaction id 0; nothing if the version has no such message.
  void send(Body body);

 private:
  struct Bundle {
    BundleFlags flags;
    std::vector<std::uint8_t> opened_by;  ///< the message, as much of it as an error tells
    Instant used;
    bool closed = false;
    BundleMessages messages;
    std::size_t packet_bytes = 0;  ///< of kBundledPacketBytes

    std::size_t bytes() const { return messages.memory_bytes() + packet_bytes; }
  };
  /// A request that came in parts, of which more is to come.
  struct Partial {
    Message message;
    std::size_t bytes;
    Instant until;
  };
  struct Work {
    std::optional<Message> request;  ///< nothing: nobody asked for it
    std::unique_ptr<SlicedRequest> slices;
  };

  void on_message(Bytes bytes);
  void on_hello(Bytes bytes);
  void dispatch(const Message& message, Bytes bytes);
  Status serve(const Message& message, Bytes bytes);
  Status on_role(const Message& request, const RoleRequest& role);
  Status on_bundle_control(const Message& request, const BundleControl& control, Bytes bytes);
  Status on_bundle_add(const BundleAdd& add, Bytes bytes);
  Status on_part(Message message, Bytes bytes);
  std::map<std::uint32_t, Bundle>::iterator open_bundle(std::uint32_t id, const BundleFlags& flags,
                                                        Bytes opened_by);
  std::map<std::uint32_t, Bundle>::iterator end_bundle(std::map<std::uint32_t, Bundle>::iterator bundle);
  void expire_bundles(Instant now);
  std::optional<Instant> silence_ends() const;
  std::optional<Instant> hello_due() const;
  Status commit_bundle(std::map<std::uint32_t, Bundle>::iterator bundle);
  BundleBytes bundle_bytes() const;
  /// What the bundles hold by now, told to those who share the room.
  void count_bundles();
  bool forbidden_to_secondary(const Message& message) const;
  void answer_error(const Error& error, Bytes request);
  void tell_wants() {
    if (options_.observer) options_.observer->wants_changed();
  }
  void write(const std::vector<std::uint8_t>& bytes);

  Options options_;
  SessionHandler& handler_;
  State state_ = State::Hello;
  std::string reason_;
  Splitter input_;
  std::vector<std::uint8_t> output_;
  Dialect dialect_;
  Role role_ = Role::Equal;
  AsyncMasks async_;
  std::uint16_t controller_id_ = 0, miss_send_len_ = 0;
  bool invalid_ttl_ = false;
  std::map<std::uint32_t, Bundle> bundles_;
  BundleBytes counted_;                       ///< what the room knows of them
  std::map<std::uint32_t, Partial> partial_;  ///< by transaction id
  std::size_t partial_bytes_ = 0;
  std::optional<Work> work_;
  Instant began_, heard_, now_;
  bool probed_ = false;
};

}  // namespace sluice::openflow
