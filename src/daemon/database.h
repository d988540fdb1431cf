// The switch and its database: configuration from there, status to there, over a connection that may end and
// come back at any time. While it is away the switch goes on as it is.
//
// Main thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/log.h"
#include "bridge/database_config.h"
#include "bridge/database_status.h"
#include "bridge/switch.h"
#include "io/event_loop.h"
#include "io/tls.h"
#include "ovsdb/client.h"
#include "port/links.h"

namespace sluice::daemon {

class Database {
 public:
  struct Settings {
    io::Remote remote;
    bridge::DatabaseEnvironment environment;
    std::string run_dir, pidfile;
    bridge::DatabaseReport report;  ///< versions and types; the rest is filled in
  };

  /// @param tls  null: ssl: can't be used. Outlives the database, as do the others.
  /// @param on_configured  called once: the switch is for the first time what the database says.
  Database(io::EventLoop& loop, bridge::Switch& device, log::Log& log, Settings settings, io::TlsContext* tls,
           std::function<void()> on_configured);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Fails if the kernel does not tell about its interfaces.
  Status start();

 private:
  void look();
  bool may_act();
  void reconcile();
  void settled(const bridge::ReconcileReport& outcome);
  void tell_features();
  void tune_megaflows(const ovsdb::Row& root);
  bool is_restoring(const ovsdb::Row& root);
  bool host_statistics_wanted();
  /// The kernel has news of interfaces.
  void links_changed();
  bool take_link_news();
  void tell(const bridge::DatabaseConfig& config, const bridge::ReconcileReport& report);
  void report(bool statistics);
  /// Once a second: controllers, counters.
  void refresh();

  io::EventLoop& loop_;
  bridge::Switch& device_;
  log::Logger logger_, features_logger_;
  Settings settings_;
  std::function<void()> on_configured_;
  ovsdb::Client client_;
  io::Timer refresh_;
  std::unique_ptr<port::Links> links_;
  std::unique_ptr<io::ReadWatch> links_watch_;
  bridge::DatabaseConfig config_;
  bridge::DatabaseStatus status_;
  std::optional<std::int64_t> made_cfg_;  ///< next_cfg of the last reconcile()
  bool stale_ = true;                     ///< the switch is not what the database says
  bool reporting_ = false;                ///< a transaction with status is on its way
  std::optional<bool> report_again_;      ///< what changed meanwhile; whether with statistics
  bridge::InterfaceScope unreported_;
  bool told_of_lock_ = false;
  bool told_features_ = false;
  Instant statistics_due_;
  std::optional<std::uint32_t> megaflow_limit_;  ///< other_config:flow-limit
  std::optional<std::uint32_t> megaflow_idle_;   ///< other_config:max-idle
  bool may_restore_ = true;     ///< other_config:flow-restore-wait was set ever since the start
  std::set<std::string> told_;  ///< sentences that were logged and still hold
  log::RateLimit refusals_{6, 6};
};

/// ID and VERSION_ID of /etc/os-release: what system_type and system_version of the database are.
std::pair<std::string, std::string> read_os_release();

}  // namespace sluice::daemon
