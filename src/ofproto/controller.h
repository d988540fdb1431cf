// A controller that the switch connects to: one Link at a time, made again whenever it ends.
//
// Owned by Connections. Main thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/connector.h"
#include "io/reconnect.h"
#include "ofproto/connections_config.h"
#include "ofproto/link.h"

namespace sluice::ofproto {

/// What the Controller table of ovs-vswitchd.conf.db(5) tells of one.
struct ControllerStatus {
  std::string target;
  bool is_connected = false;
  std::string role;   ///< master, slave, other; empty while there is none
  std::string state;  ///< VOID, BACKOFF, CONNECTING, ACTIVE, IDLE
  std::string last_error;
  std::optional<std::int64_t> seconds_since_connect, seconds_since_disconnect;
  std::uint64_t attempts = 0, successes = 0;
  std::uint16_t listening_port = 0;  ///< of a listener
  std::string version;               ///< "OpenFlow13", empty while there is none
  std::uint64_t async_sent = 0, async_dropped = 0;
  /// Of a controller with a rate limit.
  struct Pacing {
    PacketInPacer::Counters counters;
    std::size_t backlog = 0;
  };
  std::optional<Pacing> miss, action;
};

/// What a controller needs of the bridge around it.
struct ControllerContext {
  io::EventLoop& loop;
  std::string bridge;
  openflow::SessionHandler& handler;
  Sessions& sessions;
  log::Logger logger;
  /// Something happened that others may want to look at.
  std::function<void()> on_change;
  /// Sees what goes either way.
  std::function<void(Bytes)> snooper;
};

class Controller final : LinkOwner {
 public:
  Controller(const ControllerContext& context, io::Remote remote);

  /// What differs takes effect now; the connection is made anew if it has to be.
  void configure(const ControllerConfig& config, std::uint32_t versions, io::TlsContext* tls);
  /// Ends the connection and begins anew.
  void reconnect();

  bool connected() const { return link_ && link_->open(); }
  bool primary() const { return sets_up_flows(config_, remote_.passive); }
  const ControllerConfig& config() const { return config_; }
  ControllerStatus status() const;

 private:
  void opened(Link& link) override;
  void served(Link& link) override;
  void ended(Link& link, std::string why) override;

  void look();
  void connect();
  void connected_to(Result<std::unique_ptr<io::Stream>> stream);
  void lost(const std::string& why);
  void drop_connection();
  Instant now() const { return context_.loop.clock().now(); }

  const ControllerContext& context_;
  io::Remote remote_;
  ControllerConfig config_;
  std::uint32_t versions_ = 0;
  io::TlsContext* tls_ = nullptr;
  io::Reconnect reconnect_;
  std::unique_ptr<io::Connector> connector_;
  std::unique_ptr<Link> link_;
  io::Timer timer_;
};

/// "other" of Equal, "master", "slave": the words of the Controller table.
std::string role_word(openflow::Role role);
/// "OpenFlow13"
std::string version_word(openflow::OfVersion version);
Peer::Options peer_options(std::string name, const ControllerConfig& config, std::uint32_t versions);

}  // namespace sluice::ofproto
