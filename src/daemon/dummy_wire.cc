#include "daemon/dummy_wire.h"

#include <fmt/core.h>

#include <algorithm>
#include <list>

#include "io/connector.h"
#include "io/listener.h"
#include "io/reconnect.h"
#include "net/endian.h"

namespace sluice::daemon {

namespace {

constexpr Duration kReconnectTick = Duration::milliseconds(100);
constexpr std::size_t kLengthBytes = 2, kLeastFrame = 14;
/// A client that does not read is disconnected.
constexpr std::size_t kMaxQueued = std::size_t{16} << 20;

class StreamWire final : public port::DummyWire {
 public:
  StreamWire(io::EventLoop& loop, port::DummyPort& port, io::Remote remote, log::Logger logger)
      : loop_(loop),
        port_(port),
        remote_(std::move(remote)),
        logger_(logger),
        sent_(loop, port.sent_fd(), [this] { forward(); }),
        tick_(loop) {}

  Status start() {
    if (remote_.passive) {
      SLUICE_ASSIGN(listener_, io::Listener::open(loop_, remote_, nullptr,
                                                  [this](auto stream) { add(std::move(stream)); }));
      return {};
    }
    reconnect_.enable(loop_.clock().now());
    tick_.start_periodic(kReconnectTick, [this] { run(); });
    return {};
  }

  std::optional<bool> connected() const override {
    if (remote_.passive) return std::nullopt;
    return reconnect_.status().state == io::Reconnect::State::Active;
  }

 private:
  struct Peer {
    std::unique_ptr<io::Stream> stream;
    std::vector<std::uint8_t> received;  ///< less than a frame
  };
  using Peers = std::list<Peer>;

  void run() {
    switch (reconnect_.poll(loop_.clock().now())) {
      case io::Reconnect::Step::Connect:
        connector_ = std::make_unique<io::Connector>(loop_, remote_, nullptr,
                                                     [this](auto result) { attempted(std::move(result)); });
        break;
      case io::Reconnect::Step::Abandon:
        connector_.reset();
        reconnect_.disconnected(loop_.clock().now(), "timed out");
        break;
      case io::Reconnect::Step::None:
        break;
    }
  }
  void attempted(Result<std::unique_ptr<io::Stream>> result) {
    const auto finished = std::move(connector_);
    if (!result) return reconnect_.disconnected(loop_.clock().now(), result.error().message);
    reconnect_.connected(loop_.clock().now());
    add(std::move(*result));
  }

  void add(std::unique_ptr<io::Stream> stream) {
    const auto peer = peers_.insert(peers_.end(), {std::move(stream), {}});
    peer->stream->set_max_queued(kMaxQueued);
    peer->stream->start([this, peer](Bytes bytes) { received(*peer, bytes); },
                        [this, peer](const Status&) { remove(peer); });
  }
  void remove(Peers::iterator peer) {
    peers_.erase(peer);
    if (!remote_.passive) reconnect_.disconnected(loop_.clock().now(), "");
  }

  void received(Peer& peer, Bytes bytes) {
    auto& buffer = peer.received;
    buffer.insert(buffer.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (buffer.size() - at >= kLengthBytes) {
      const std::size_t length = be16::load(buffer.data() + at).host();
      if (length < kLeastFrame) {  // nothing behind it makes sense
        logger_.limited(
            nonsense_, log::Level::Warn,
            "{}: {}: a frame of {} bytes: expected a length of at least {}, then the frame; disconnected",
            port_.name(), remote_.text, length, kLeastFrame);
        return peer.stream->finish();
      }
      if (buffer.size() - at - kLengthBytes < length) break;
      port_.inject(Bytes(buffer).subspan(at + kLengthBytes, length));
      at += kLengthBytes + length;
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at));
  }

  /// Frames that the switch has sent go to everybody who is there.
  void forward() {
    while (const auto sent = port_.take_sent()) {
      const auto length = static_cast<std::uint16_t>(std::min<std::size_t>(sent->bytes.size(), 0xffff));
      std::string message(kLengthBytes, '\0');
      be16{length}.store(message.data());
      message.append(reinterpret_cast<const char*>(sent->bytes.data()), length);
      for (Peer& peer : peers_) peer.stream->send(message);
    }
  }

  io::EventLoop& loop_;
  port::DummyPort& port_;
  io::Remote remote_;
  log::Logger logger_;
  log::RateLimit nonsense_{6, 6};
  Peers peers_;
  io::Reconnect reconnect_;
  std::unique_ptr<io::Listener> listener_;
  std::unique_ptr<io::Connector> connector_;
  io::ReadWatch sent_;
  io::Timer tick_;
};

}  // namespace

Result<std::unique_ptr<port::DummyWire>> make_dummy_wire(io::EventLoop& loop, port::DummyPort& port,
                                                         const std::string& target, bool passive,
                                                         log::Logger logger) {
  SLUICE_ASSIGN(auto remote, io::parse_remote(target));
  if (remote.passive != passive)
    return fail(fmt::format("{}: expected a target that {}", target, passive ? "listens" : "connects"));
  auto wire = std::make_unique<StreamWire>(loop, port, std::move(remote), logger);
  SLUICE_TRY(wire->start());
  return std::unique_ptr<port::DummyWire>(std::move(wire));
}

}  // namespace sluice::daemon
