// The OpenFlow connections of a bridge: the sockets BRIDGE.mgmt and BRIDGE.snoop in the run directory,
// listeners for further clients, and the controllers that the switch connects to.
//
//   controllers (tcp:, ssl:, unix:)   primary: fail_mode is about them, they get asynchronous messages
//   listeners (ptcp:, pssl:, punix:)  service: as BRIDGE.mgmt, any number of clients, asynchronous messages
//                                     only once they ask for packets; unless the configuration has it
//                                     otherwise (ControllerConfig::service)
//   BRIDGE.snoop                      whoever connects gets a copy of every message that a primary
//                                     controller exchanges
//
// What the sessions say to each other and to the rest of the switch is in Sessions; what they ask for, the
// handler does.
//
// Owned by whoever owns the bridge, in the main thread.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "io/listener.h"
#include "ofproto/controller.h"
#include "ofproto/fail_open.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

class Ofproto;

/// All of it outlives the Connections.
struct ConnectionsEnvironment {
  io::EventLoop& loop;
  Ofproto& bridge;
  Sessions& sessions;
  openflow::SessionHandler& handler;
  std::string run_dir;
  log::Logger logger;
};

class Connections final : LinkOwner {
 public:
  /// Clients of one listener at a time. For the next one the longest silent gives way if nothing is kept for
  /// it; else that next one is turned away.
  static constexpr std::size_t kMaxClients = 64;
  /// Clients that have been silent for less are not sent away.
  static constexpr Duration kSilence = Duration::seconds(30);
  /// A client that has not said hello by then goes.
  static constexpr Duration kHelloWithin = Duration::seconds(10);

  explicit Connections(const ConnectionsEnvironment& environment);
  ~Connections() override;
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// Makes it so; what is as it was stays untouched. The sentences of what failed: it is tried again at the
  /// next call.
  /// @param tls  for ssl: and pssl:; null: none. Outlives the connections, or the next configure().
  std::vector<std::string> configure(const ConnectionsConfig& config, io::TlsContext* tls);
  /// ovs-appctl bridge/reconnect: ends all connections; those of controllers are made anew.
  void reconnect();

  /// Those of the configuration, listeners as well, in its order.
  std::vector<ControllerStatus> status() const;
  bool standing_alone() const;

 private:
  struct Service;

  void opened(Link& link) override;
  void served(Link& link) override;
  void ended(Link& link, std::string why) override;

  Status open_service(const std::string& target);
  void accept(Service& service, std::unique_ptr<io::Stream> stream);
  /// Ends the client that has been silent longest of those that nothing is kept for; false if there is none.
  bool make_room(Service& service);
  void accept_snooper(std::unique_ptr<io::Stream> stream);
  void snoop(Bytes messages);
  /// What sessions want, packets that come now have to know.
  void tell_wants();
  /// The same, and whether the bridge stands alone.
  void look();
  void tell_standing_alone(bool alone);

  ConnectionsEnvironment env_;
  ConnectionsConfig config_;
  io::TlsContext* tls_ = nullptr;
  ControllerContext context_;
  std::vector<std::unique_ptr<Controller>> controllers_;
  std::vector<std::unique_ptr<Service>> services_;
  std::unique_ptr<io::Listener> snoop_listener_;
  std::list<std::unique_ptr<io::Stream>> snoopers_;
  FailOpen fail_open_;
  io::Timer timer_;
  log::RateLimit client_log_{30, 10};  ///< of what clients can provoke
};

}  // namespace sluice::ofproto
