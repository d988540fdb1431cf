#include "daemon/database.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "bridge/capabilities.h"
#include "daemon/dpctl_arguments.h"
#include "daemon/host_statistics.h"

namespace sluice::daemon {

namespace {

constexpr const char* kLock = "ovs_vswitchd";
constexpr Duration kRefresh = Duration::seconds(1);

ovsdb::SessionOptions session_options(const io::Remote& remote) {
  ovsdb::SessionOptions options;
  // A server on this host is there as long as its socket is.
  if (remote.transport == io::Remote::Transport::Unix) options.probe_interval = {};
  options.wanted = bridge::database_columns();
  options.lock = kLock;
  return options;
}

/// A number of other_config; nothing if it is none.
std::optional<std::uint32_t> option_number(const ovsdb::Row& root, std::string_view key) {
  const auto options = root.text_map("other_config");
  const auto found = options.find(key);
  if (found == options.end()) return std::nullopt;
  const std::string& text = found->second;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool option_is_true(const ovsdb::Row& root, std::string_view key) {
  return ovsdb::is_true(root.text_map("other_config"), key);
}

}  // namespace

Database::Database(io::EventLoop& loop, bridge::Switch& device, log::Log& log, Settings settings,
                   io::TlsContext* tls, std::function<void()> on_configured)
    : loop_(loop),
      device_(device),
      logger_(log.logger("bridge")),
      features_logger_(log.logger("ofproto_dpif")),
      settings_(std::move(settings)),
      on_configured_(std::move(on_configured)),
      client_(loop, settings_.remote, tls, session_options(settings_.remote), log.logger("ovsdb"),
              [this] { look(); }),
      refresh_(loop) {}

Database::~Database() {
  device_.set_settled(nullptr);
}

Status Database::start() {
  SLUICE_ASSIGN(links_, port::Links::open());
  links_watch_ = std::make_unique<io::ReadWatch>(loop_, links_->fd(), [this] { links_changed(); });
  settings_.environment.interface_exists = [this](const std::string& name) { return links_->exists(name); };
  unreported_.all = true;
  device_.set_settled([this](const bridge::ReconcileReport& outcome) { settled(outcome); });
  refresh_.start_periodic(kRefresh, [this] { refresh(); });
  client_.start();
  return {};
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
  const auto changes = client_.take_changes();
  if (bridge::concerns_configuration(changes)) stale_ = true;
  for (const auto& change : changes)
    if (change.table == "Interface") unreported_.rows.insert(change.row);
  if (!may_act()) return;
  if (stale_) reconcile();
  while (take_link_news()) reconcile();
  report(false);
  if (const auto call = std::exchange(on_configured_, nullptr)) call();
}

void Database::reconcile() {
  stale_ = false;
  const auto& replica = client_.session().replica();
  const auto refused_before = std::move(config_.refused);
  config_ = bridge::read_database(replica, settings_.environment);
  const auto note_difference = [this](const auto& refused, const auto& others) {
    for (const auto& [row, why] : refused)
      if (const auto other = others.find(row); other == others.end() || other->second != why)
        unreported_.rows.insert(row);
  };
  note_difference(config_.refused, refused_before);
  note_difference(refused_before, config_.refused);
  const auto* root = replica.only("Open_vSwitch");
  config_.config.restoring = root != nullptr && is_restoring(*root);
  if (!config_.config.bridges.empty() && !std::exchange(told_features_, true)) tell_features();
  const auto outcome = device_.reconcile(config_.config);
  unreported_.names.insert(outcome.changed_ports.begin(), outcome.changed_ports.end());
  tell(config_, outcome);
  if (root != nullptr) {
    tune_megaflows(*root);
    made_cfg_ = root->integer("next_cfg");
    if (device_.settled()) settings_.report.applied_cfg = made_cfg_;
  }
}

/// What the datapath can do, as ovs-vswitchd says it of the first bridge's.
void Database::tell_features() {
  for (const auto& feature : bridge::kCapabilities) {
    const std::string text =
        feature.is_number ? fmt::format(fmt::runtime(feature.log), feature.value)
                          : fmt::format("Datapath {} {}",
                                        feature.value != 0 ? "supports" : "does not support", feature.log);
    features_logger_.info("{}: {}", kDatapathName, text);
  }
}

/// What the last reconcile() left undone is done.
void Database::settled(const bridge::ReconcileReport& outcome) {
  settings_.report.applied_cfg = made_cfg_;
  for (const auto& sentence : outcome.warnings)
    if (told_.insert(sentence).second) logger_.warn("{}", sentence);
  if (may_act()) report(false);
}

/// Only what changes in the row: what upcall/set-flow-limit says holds until then.
void Database::tune_megaflows(const ovsdb::Row& root) {
  constexpr std::uint32_t kLeastIdleMs = 500;
  const datapath::DatapathOptions defaults;
  auto& datapath = device_.datapath();
  const auto limit = option_number(root, "flow-limit");
  if (limit != std::exchange(megaflow_limit_, limit))
    datapath.set_max_megaflows(limit.value_or(defaults.max_megaflows * datapath.workers()));
  const auto idle = option_number(root, "max-idle");
  if (idle != std::exchange(megaflow_idle_, idle))
    datapath.set_megaflow_idle(idle ? Duration::milliseconds(std::max(*idle, kLeastIdleMs))
                                    : defaults.megaflow_idle);
}

/// Who sets it while the switch is running already has nothing to put back.
bool Database::is_restoring(const ovsdb::Row& root) {
  may_restore_ = may_restore_ && option_is_true(root, "flow-restore-wait");
  return may_restore_;
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
  if (statistics)
    settings_.report.host =
        host_statistics_wanted() ? host_statistics(settings_.run_dir, settings_.pidfile) : HostStatistics();
  settings_.report.interfaces = std::exchange(unreported_, {});
  auto transaction = status_.update(client_.session().replica(), device_, config_, settings_.report);
  if (transaction.empty()) return;
  transaction.assert_lock(kLock);
  reporting_ = true;
  client_.transact(transaction, [this](const ovsdb::Outcome& outcome) {
    reporting_ = false;
    if (outcome.kind == ovsdb::Outcome::Kind::Failed)
      logger_.limited(refusals_, log::Level::Warn, "the database refused a status update: {}", outcome.error);
    // What was not written may differ still.
    if (outcome.kind != ovsdb::Outcome::Kind::Committed) unreported_.all = true;
    const auto again = std::exchange(report_again_, std::nullopt);
    if (again && may_act()) report(*again);
  });
}

/// @return whether an interface that is configured came or went.
bool Database::take_link_news() {
  links_->update();
  const auto changed = links_->take_changed();
  device_.refresh_ports(changed);
  bool came_or_went = false;
  for (const auto& name : changed) {
    const auto known = config_.system_interfaces.find(name);
    came_or_went |= known != config_.system_interfaces.end() && known->second != links_->exists(name);
  }
  unreported_.names.insert(changed.begin(), changed.end());
  return came_or_went;
}

void Database::links_changed() {
  const bool came_or_went = take_link_news();
  if (!may_act()) return;
  if (came_or_went) reconcile();
  report(false);
}

bool Database::host_statistics_wanted() {
  const auto* root = client_.session().replica().only("Open_vSwitch");
  return root != nullptr && option_is_true(*root, "enable-statistics");
}

void Database::refresh() {
  const bool came_or_went = take_link_news();  // of what the kernel could not tell before
  if (!may_act()) return;
  if (came_or_went) reconcile();
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
