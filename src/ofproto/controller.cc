#include "ofproto/controller.h"

#include <fmt/core.h>

#include <algorithm>

namespace sluice::ofproto {

using openflow::Role;

std::string role_word(Role role) {
  switch (role) {
    case Role::Primary:
      return "master";
    case Role::Secondary:
      return "slave";
    default:
      return "other";
  }
}

std::string version_word(openflow::OfVersion version) {
  return fmt::format("OpenFlow1{}", static_cast<unsigned>(version) - 1);
}

Peer::Options peer_options(std::string name, const ControllerConfig& config, std::uint32_t versions) {
  Peer::Options options;
  options.name = std::move(name);
  options.session.versions = versions;
  options.session.service = !is_primary(config);
  options.session.async = config.async;
  options.session.probe_after = Duration::milliseconds(config.inactivity_probe_ms);
  options.pacing = {.rate = config.rate_limit, .burst = config.burst_limit};
  options.max_packet_ins = config.queue_size;
  return options;
}

Controller::Controller(const ControllerContext& context, io::Remote remote)
    : context_(context), remote_(std::move(remote)), timer_(context.loop) {
  config_.target = remote_.text;
}

void Controller::configure(const ControllerConfig& config, std::uint32_t versions, io::TlsContext* tls) {
  const bool first = versions_ == 0;
  // A session is made with its options: only the back-off and the keys of the next connection can wait.
  ControllerConfig comparable = config;
  comparable.max_backoff_ms = config_.max_backoff_ms;
  // Who waits under old keys may wait for what the new ones would give.
  const bool keys_changed = tls != tls_ && remote_.transport == io::Remote::Transport::Tls && !connected();
  const bool anew = !first && (comparable != config_ || versions != versions_ || keys_changed);
  config_ = config;
  versions_ = versions;
  tls_ = tls;
  reconnect_.set_max_backoff(Duration::milliseconds(config.max_backoff_ms));
  if (first) reconnect_.enable(now());
  if (anew) return reconnect();
  look();
}

void Controller::reconnect() {
  drop_connection();
  reconnect_.disconnected(now(), "");
  reconnect_.hurry(now());
  look();
}

void Controller::drop_connection() {
  connector_.reset();
  link_.reset();
}

void Controller::look() {
  switch (reconnect_.poll(now())) {
    case io::Reconnect::Step::Connect:
      connect();
      break;
    case io::Reconnect::Step::Abandon:
      lost("Connection timed out");
      return;
    case io::Reconnect::Step::None:
      break;
  }
  if (const auto due = reconnect_.deadline())
    timer_.start(std::max(Duration{}, *due - now()), [this] { look(); });
  else
    timer_.cancel();
}

void Controller::connect() {
  context_.logger.info("{}<->{}: connecting...", context_.bridge, config_.target);
  connector_ = std::make_unique<io::Connector>(
      context_.loop, remote_, tls_,
      [this](Result<std::unique_ptr<io::Stream>> stream) { connected_to(std::move(stream)); });
}

void Controller::connected_to(Result<std::unique_ptr<io::Stream>> stream) {
  connector_.reset();
  if (!stream) return lost(stream.error().message);
  link_ = std::make_unique<Link>(context_.loop, std::move(*stream),
                                 peer_options(config_.target, config_, versions_), context_.handler,
                                 context_.sessions, static_cast<LinkOwner&>(*this));
  if (primary()) link_->peer().set_snooper(context_.snooper);
}

void Controller::opened(Link&) {
  context_.logger.info("{}<->{}: connected", context_.bridge, config_.target);
  reconnect_.connected(now());
  look();
  context_.on_change();
}

void Controller::served(Link&) {
  context_.on_change();
}

void Controller::ended(Link&, std::string why) {
  lost(why);
}

void Controller::lost(const std::string& why) {
  const bool was_active = reconnect_.status().state == io::Reconnect::State::Active;
  drop_connection();
  reconnect_.disconnected(now(), why.empty() ? "End of file" : why);
  const auto& bridge = context_.bridge;
  if (!was_active)
    context_.logger.warn("{}<->{}: connection failed ({})", bridge, config_.target,
                         reconnect_.status().last_error);
  else if (why.empty())
    context_.logger.info("{}<->{}: connection closed by peer", bridge, config_.target);
  else
    context_.logger.warn("{}<->{}: connection dropped ({})", bridge, config_.target, why);
  context_.logger.info("{}<->{}: waiting {} seconds before reconnect", bridge, config_.target,
                       reconnect_.backoff().whole_seconds());
  look();
  context_.on_change();
}

ControllerStatus Controller::status() const {
  const auto& reconnect = reconnect_.status();
  ControllerStatus status;
  status.target = config_.target;
  status.is_connected = connected();
  status.last_error = reconnect.last_error;
  status.attempts = reconnect.attempts;
  status.successes = reconnect.successes;
  const auto since = [&](const std::optional<Instant>& then) -> std::optional<std::int64_t> {
    if (!then) return std::nullopt;
    return (now() - *then).whole_seconds();
  };
  status.seconds_since_connect = since(reconnect.connected_at);
  status.seconds_since_disconnect = since(reconnect.disconnected_at);
  switch (reconnect.state) {
    case io::Reconnect::State::Void:
      status.state = "VOID";
      break;
    case io::Reconnect::State::Backoff:
      status.state = "BACKOFF";
      break;
    case io::Reconnect::State::Connecting:
      status.state = "CONNECTING";
      break;
    case io::Reconnect::State::Active:
      status.state = link_ && link_->peer().session().probing() ? "IDLE" : "ACTIVE";
      break;
  }
  if (!connected()) return status;
  const Peer& peer = link_->peer();
  status.role = role_word(peer.session().role());
  status.version = version_word(peer.session().version());
  status.async_sent = peer.counters().async_sent;
  status.async_dropped = peer.counters().async_dropped;
  const auto pacing = [&](Peer::PacketInKind kind) -> std::optional<ControllerStatus::Pacing> {
    const auto& pacer = peer.pacer(kind);
    if (!pacer.limited()) return std::nullopt;
    return ControllerStatus::Pacing{pacer.counters(), pacer.waiting()};
  };
  status.miss = pacing(Peer::PacketInKind::Miss);
  status.action = pacing(Peer::PacketInKind::Action);
  return status;
}

}  // namespace sluice::ofproto
