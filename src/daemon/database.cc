#include "daemon/database.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

namespace sluice::daemon {

namespace {

constexpr const char* kLock = "ovs_vswitchd";
constexpr Duration kRefresh = Duration::seconds(1);

ovsdb::SessionOptions session_options() {
  ovsdb::SessionOptions options;
  options.wanted = bridge::database_columns();
  options.lock = kLock;
  return options;
}

}  // namespace

Database::Database(io::EventLoop& loop, bridge::Switch& device, log::Log& log, Settings settings,
                   io::TlsContext* tls, std::function<void()> on_configured)
    : loop_(loop),
      device_(device),
      logger_(log.logger("bridge")),
      settings_(std::move(settings)),
      on_configured_(std::move(on_configured)),
      client_(loop, settings_.remote, tls, session_options(), log.logger("ovsdb"), [this] { look(); }),
      refresh_(loop) {}

void Database::start() {
  refresh_.start_periodic(kRefresh, [this] { refresh(); });
  client_.start();
}

/// Only who holds the lock configures the machine's interfaces and writes.
bool Database::may_act() {
  const auto& session = client_.session();
  if (!session.ready() || !session.has_lock()) return false;
  const bool locked = *session.has_lock();
  if (!locked && !told_of_lock_)
    logger_.err("another ovs-vswitchd process is running, disabling this process (pid {}) until it goes away",
                ::getpid());
  told_of_lock_ = !locked;
  return locked;
}

void Database::look() {
  if (bridge::concerns_configuration(client_.take_changes())) stale_ = true;
  if (!may_act()) return;
  if (stale_) reconcile();
  report(false);
  if (const auto call = std::exchange(on_configured_, nullptr)) call();
}

void Database::reconcile() {
  stale_ = false;
  const auto& replica = client_.session().replica();
  config_ = bridge::read_database(replica, settings_.environment);
  const auto outcome = device_.reconcile(config_.config);
  tell(config_, outcome);
  if (const auto* root = replica.only("Open_vSwitch"))
    settings_.report.applied_cfg = root->integer("next_cfg");
}

/// Logs what is new of what could not be done.
void Database::tell(const bridge::DatabaseConfig& config, const bridge::ReconcileReport& report) {
  std::set<std::string> now(config.warnings.begin(), config.warnings.end());
  now.insert(report.warnings.begin(), report.warnings.end());
  now.insert(report.errors.begin(), report.errors.end());
  for (const auto& [interface, why] : config.refused) now.insert(why);
  for (const auto& sentence : now)
    if (!told_.contains(sentence)) logger_.warn("{}", sentence);
  told_ = std::move(now);
}

void Database::report(bool statistics) {
  if (reporting_) {
    report_again_ = statistics || report_again_.value_or(false);
    return;
  }
  settings_.report.statistics = statistics;
  auto transaction = status_.update(client_.session().replica(), device_, config_, settings_.report);
  if (transaction.empty()) return;
  transaction.assert_lock(kLock);
  reporting_ = true;
  client_.transact(transaction, [this](const ovsdb::Outcome& outcome) {
    reporting_ = false;
    if (outcome.kind == ovsdb::Outcome::Kind::Failed)
      logger_.limited(refusals_, log::Level::Warn, "the database refused a status update: {}", outcome.error);
    const auto again = std::exchange(report_again_, std::nullopt);
    if (again && may_act()) report(*again);
  });
}

bool Database::interfaces_came_or_went() const {
  return std::any_of(config_.system_interfaces.begin(), config_.system_interfaces.end(),
                     [&](const auto& interface) {
                       return settings_.environment.interface_exists(interface.first) != interface.second;
                     });
}

void Database::refresh() {
  if (!may_act()) return;
  if (interfaces_came_or_went()) reconcile();
  const Instant now = loop_.clock().now();
  const bool statistics = now >= statistics_due_;
  if (statistics)
    statistics_due_ =
        now + Duration::milliseconds(bridge::statistics_interval_ms(client_.session().replica()));
  report(statistics);
}

std::pair<std::string, std::string> read_os_release() {
  std::pair<std::string, std::string> result{"unknown", "unknown"};
  const auto text = bridge::read_file("/etc/os-release");
  if (!text) return result;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    std::erase(value, '"');
    if (line.compare(0, equals, "ID") == 0) result.first = value;
    if (line.compare(0, equals, "VERSION_ID") == 0) result.second = value;
  }
  return result;
}

}  // namespace sluice::daemon
