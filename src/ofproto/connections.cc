#include "ofproto/connections.h"

#include <fmt/core.h>

#include <algorithm>

#include "ofproto/ofproto.h"

namespace sluice::ofproto {

namespace {

/// What may wait for a client that snoops before it is sent away.
constexpr std::size_t kSnoopBytes = 16 << 20;

}  // namespace

/// A listener and its clients.
struct Connections::Service {
  std::string target;  ///< of the configuration; empty: BRIDGE.mgmt
  ControllerConfig config;
  std::unique_ptr<io::Listener> listener;
  std::list<Link> clients;

  bool primary() const { return sets_up_flows(config, listener->remote().passive); }
};

Connections::Connections(const ConnectionsEnvironment& environment)
    : env_(environment),
      context_{.loop = env_.loop,
               .bridge = env_.bridge.name(),
               .handler = env_.handler,
               .sessions = env_.sessions,
               .logger = env_.logger,
               .on_change = [this] { look(); },
               .snooper = [this](Bytes messages) { snoop(messages); }},
      timer_(env_.loop) {
  env_.sessions.set_on_wants([this] { tell_wants(); });
}

Connections::~Connections() {
  env_.sessions.set_on_wants({});
}

std::vector<std::string> Connections::configure(const ConnectionsConfig& config, io::TlsContext* tls) {
  std::vector<std::string> errors;
  const bool versions_changed = config.versions != config_.versions;
  config_ = config;
  tls_ = tls;
  const auto find_config = [&](const std::string& target) -> const ControllerConfig* {
    for (const auto& controller : config_.controllers)
      if (controller.target == target) return &controller;
    return nullptr;
  };

  // What goes, and clients that have agreed on a version under other rules.
  std::erase_if(controllers_, [&](const auto& c) { return !find_config(c->config().target); });
  std::erase_if(services_, [&](const auto& service) {
    if (service->target.empty()) return false;
    const ControllerConfig* wanted = find_config(service->target);
    return !wanted || *wanted != service->config;
  });
  for (auto& service : services_) {
    if (versions_changed) service->clients.clear();
    service->listener->set_tls(tls);
  }

  // What comes and what stays.
  const auto note = [&](const Status& status) {
    if (!status) errors.push_back(fmt::format("bridge {}: {}", env_.bridge.name(), status.error().message));
  };
  if (!std::any_of(services_.begin(), services_.end(), [](const auto& s) { return s->target.empty(); }))
    note(open_service({}));
  if (!snoop_listener_) {
    const auto remote = io::parse_remote(fmt::format("punix:{}.snoop", env_.bridge.name()), env_.run_dir);
    auto opened = io::Listener::open(env_.loop, *remote, nullptr, [this](std::unique_ptr<io::Stream> stream) {
      accept_snooper(std::move(stream));
    });
    if (opened)
      snoop_listener_ = std::move(*opened);
    else
      errors.push_back(fmt::format("bridge {}: {}", env_.bridge.name(), opened.error().message));
  }
  for (const auto& controller : config_.controllers) {
    const auto remote = io::parse_remote(controller.target, env_.run_dir);
    if (!remote) {
      note(tl::unexpected<Error>(remote.error()));
    } else if (remote->passive) {
      if (!std::any_of(services_.begin(), services_.end(),
                       [&](const auto& s) { return s->target == controller.target; }))
        note(open_service(controller.target));
    } else {
      auto place = std::find_if(controllers_.begin(), controllers_.end(),
                                [&](const auto& c) { return c->config().target == controller.target; });
      if (place == controllers_.end())
        place = controllers_.insert(controllers_.end(), std::make_unique<Controller>(context_, *remote));
      (*place)->configure(controller, config_.versions, tls_);
    }
  }
  look();
  return errors;
}

Status Connections::open_service(const std::string& target) {
  auto made = std::make_unique<Service>();
  Service& service = *made;
  service.target = target;
  // Clients of BRIDGE.mgmt may be silent for as long as they like.
  service.config.inactivity_probe_ms = 0;
  for (const auto& controller : config_.controllers)
    if (controller.target == target) service.config = controller;
  const auto name = target.empty() ? fmt::format("punix:{}.mgmt", env_.bridge.name()) : target;
  SLUICE_ASSIGN(const auto remote, io::parse_remote(name, env_.run_dir));
  SLUICE_ASSIGN(service.listener, io::Listener::open(env_.loop, remote, tls_,
                                                     [this, &service](std::unique_ptr<io::Stream> stream) {
                                                       accept(service, std::move(stream));
                                                     }));
  services_.push_back(std::move(made));
  return {};
}

void Connections::accept(Service& service, std::unique_ptr<io::Stream> stream) {
  if (service.clients.size() >= kMaxClients && !make_room(service)) {
    env_.logger.limited(client_log_, log::Level::Info, "{}: a client of {} was turned away: {} are connected",
                        env_.bridge.name(), service.listener->remote().text, service.clients.size());
    return;
  }
  Peer::Options options = peer_options(stream->name(), service.config, config_.versions);
  options.session.hello_within = kHelloWithin;
  service.clients.emplace_back(env_.loop, std::move(stream), std::move(options), env_.handler, env_.sessions,
                               static_cast<LinkOwner&>(*this));
  if (service.primary())
    service.clients.back().peer().set_snooper([this](Bytes messages) { snoop(messages); });
}

bool Connections::make_room(Service& service) {
  const auto heard = [](const Link& client) { return client.peer().session().heard(); };
  const Instant before = env_.loop.clock().now() - kSilence;
  auto longest = service.clients.end();
  for (auto it = service.clients.begin(); it != service.clients.end(); ++it)
    if (heard(*it) <= before && it->peer().is_idle() &&
        (longest == service.clients.end() || heard(*it) < heard(*longest)))
      longest = it;
  if (longest == service.clients.end()) return false;
  env_.logger.limited(client_log_, log::Level::Info,
                      "{}<->{}: gives way to a new client, silent for {} seconds", env_.bridge.name(),
                      longest->peer().name(), (env_.loop.clock().now() - heard(*longest)).whole_seconds());
  service.clients.erase(longest);
  return true;
}

void Connections::opened(Link&) {}

void Connections::served(Link&) {
  look();
}

void Connections::ended(Link& link, std::string why) {
  if (!why.empty())
    env_.logger.limited(client_log_, log::Level::Info, "{}<->{}: {}", env_.bridge.name(), link.peer().name(),
                        why);
  for (auto& service : services_)
    service->clients.remove_if([&](const Link& client) { return &client == &link; });
  look();
}

void Connections::reconnect() {
  for (auto& service : services_) service->clients.clear();
  for (auto& controller : controllers_) controller->reconnect();
  look();
}

void Connections::accept_snooper(std::unique_ptr<io::Stream> stream) {
  if (snoopers_.size() >= kMaxClients) return;
  const auto place = snoopers_.insert(snoopers_.end(), std::move(stream));
  (*place)->set_max_queued(kSnoopBytes);
  (*place)->start([](Bytes) {}, [this, place](const Status&) { snoopers_.erase(place); });
  // It takes whatever version it sees; a hello opens the connection.
  const auto hello =
      openflow::encode(openflow::make_message(openflow::Hello{.versions = config_.versions},
                                              {.version = *openflow::highest_version(config_.versions)}, 1));
  (*place)->send(std::string(hello.begin(), hello.end()));
}

void Connections::snoop(Bytes messages) {
  for (auto& snooper : snoopers_) snooper->send(std::string(messages.begin(), messages.end()));
}

void Connections::tell_wants() {
  auto& pipeline = env_.bridge.pipeline();
  const auto miss =
      env_.sessions.wants_implicit_misses() ? pipeline::TableMiss::Controller : pipeline::TableMiss::Drop;
  const bool invalid_ttl = env_.sessions.wanted(openflow::AsyncKind::PacketIn,
                                                static_cast<unsigned>(openflow::PacketInReason::InvalidTtl));
  env_.bridge.want_packet_ins(env_.sessions.wanted_packet_ins());
  const pipeline::BridgeConfig& now = pipeline.config();
  if (now.default_miss == miss && now.invalid_ttl_to_controller == invalid_ttl) return;
  pipeline::BridgeConfig settings = now;
  settings.default_miss = miss;
  settings.invalid_ttl_to_controller = invalid_ttl;
  pipeline.configure(std::move(settings));
}

void Connections::look() {
  tell_wants();
  bool wanted = false, connected = false;
  Duration probe{};
  const auto look_at = [&](const ControllerConfig& config, bool is_connected) {
    wanted = true;
    connected |= is_connected;
    probe = std::max(probe, Duration::milliseconds(config.inactivity_probe_ms));
  };
  for (const auto& controller : controllers_)
    if (controller->primary()) look_at(controller->config(), controller->connected());
  for (const auto& service : services_)
    if (service->primary())
      look_at(service->config, std::any_of(service->clients.begin(), service->clients.end(),
                                           [](const Link& client) { return client.open(); }));
  const Instant now = env_.loop.clock().now();
  const bool alone = fail_open_.update(config_.standalone && wanted, connected, probe, now);
  if (alone != standing_alone()) {
    tell_standing_alone(alone);
    pipeline::BridgeConfig settings = env_.bridge.pipeline().config();
    settings.stands_alone = alone;
    env_.bridge.pipeline().configure(std::move(settings));
  }
  if (const auto due = fail_open_.deadline(); due && *due > now)
    timer_.start(*due - now, [this] { look(); });
  else
    timer_.cancel();
}

void Connections::tell_standing_alone(bool alone) {
  if (alone)
    env_.logger.warn("{}: no controller answers: failing open", env_.bridge.name());
  else
    env_.logger.info("{}: no longer in fail-open mode", env_.bridge.name());
}

bool Connections::standing_alone() const {
  return env_.bridge.pipeline().config().stands_alone;
}

std::vector<ControllerStatus> Connections::status() const {
  std::vector<ControllerStatus> all;
  for (const auto& wanted : config_.controllers) {
    for (const auto& controller : controllers_)
      if (controller->config().target == wanted.target) all.push_back(controller->status());
    for (const auto& service : services_) {
      if (service->target != wanted.target) continue;
      auto& status = all.emplace_back();
      status.target = wanted.target;
      status.is_connected = std::any_of(service->clients.begin(), service->clients.end(),
                                        [](const Link& l) { return l.open(); });
      status.role = "other";
      status.state = status.is_connected ? "ACTIVE" : "IDLE";
      status.listening_port = service->listener->port();
    }
  }
  return all;
}

}  // namespace sluice::ofproto
