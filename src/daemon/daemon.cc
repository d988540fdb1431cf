#include "daemon/daemon.h"

#include <fmt/core.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "bridge/switch.h"
#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/coverage.h"
#include "daemon/database.h"
#include "daemon/dummy_wire.h"
#include "daemon/event_stream.h"
#include "daemon/pmd_stats.h"
#include "daemon/sliced_work.h"
#include "daemon/tunnel_state.h"
#include "daemon/version.h"
#include "io/clock.h"
#include "io/event_loop.h"
#include "io/pidfile.h"
#include "io/tls.h"
#include "port/factory.h"
#include "unixctl/server.h"

namespace sluice::daemon {

namespace {

/// How often flows are looked at for timeouts: half the resolution of OpenFlow's timeouts.
constexpr Duration kTick = Duration::milliseconds(500);

Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail(fmt::format("the run directory {} can't be made: {}", path, std::strerror(errno)));
}

Result<std::uint64_t> random_secret() {
  std::uint64_t secret;
  if (::getrandom(&secret, sizeof secret, 0) != sizeof secret)
    return fail(fmt::format("the kernel gives no random numbers: {}", std::strerror(errno)));
  return secret;
}

/// Connects a dummy to the stream that its options name.
Status connect_dummy(io::EventLoop& loop, port::Port& port, const bridge::PortConfig& config,
                     log::Logger logger) {
  for (const auto* key : {"pstream", "stream"}) {
    const auto target = config.options.find(key);
    if (target == config.options.end()) continue;
    auto& dummy = dynamic_cast<port::DummyPort&>(port);
    SLUICE_ASSIGN(auto wire, make_dummy_wire(loop, dummy, target->second, *key == 'p', logger));
    dummy.set_wire(std::move(wire));
    return {};
  }
  return {};
}

/// Errors as ovs-vsctl shows them to its user.
Result<std::unique_ptr<port::Port>> make_database_port(io::EventLoop& loop, const bridge::PortConfig& config,
                                                       log::Logger logger) {
  port::Options options{config.options.begin(), config.options.end()};
  if (config.type == "internal" || config.type == "tap") options["persistent"] = "true";
  auto port = port::make_port(config.type, config.name, options);
  if (!port) return fail(bridge::open_fault(config.name, port.error().message));
  if (const auto status = connect_dummy(loop, **port, config, logger); !status)
    return fail(bridge::open_fault(config.name, status.error().message));
  return port;
}

}  // namespace

struct Daemon::Impl {
  Impl(Options o, const std::string& program, io::Process p)
      : options(std::move(o)),
        process(std::move(p)),
        log(program, io::wall_clock_ns),
        logger(log.logger("sluiced")),
        reassembly_logger(log.logger("ipf")),
        work(loop),
        tick(loop),
        sampling(loop),
        leaving(loop),
        commands(program, kVersion) {}

  Options options;
  io::Process process;
  io::WarpClock clock;
  log::Log log;
  log::Logger logger, reassembly_logger;
  io::EventLoop loop;
  std::unique_ptr<io::PidFile> pidfile;
  std::unique_ptr<bridge::Switch> device;
  std::unique_ptr<Coverage> coverage;
  std::unique_ptr<PmdStats> pmd_stats;
  TunnelState tunnels;
  SlicedWork work;
  io::Timer tick, sampling, leaving;
  std::optional<Instant> leave_by;  ///< the process ends at the latest
  unixctl::CommandRegistry commands;
  std::string socket;  ///< of the control server
  std::unique_ptr<unixctl::Server> server;
  std::unique_ptr<EventStream> events;
  std::unique_ptr<io::TlsContext> database_tls;
  std::unique_ptr<Database> database;
  std::array<std::uint64_t, 2> too_long{};  ///< fragments so far, by conntrack::IpVersion
  log::RateLimit too_long_limit{1, 2};

  Status open_log(const std::string& program) {
    if (options.verbose) SLUICE_TRY(log.set("console:info"));
    for (const auto& spec : options.verbosity) SLUICE_TRY(log.set(spec, true));
    log.enable_syslog(options.syslog);
    if (options.database && options.log_file.empty()) return {};
    return log.open_file(options.log_file.empty() ? fmt::format("{}/{}.log", options.run_dir, program)
                                                  : options.log_file);
  }

  Status create_pidfile(const std::string& program) {
    const std::string path =
        options.database ? options.pidfile : fmt::format("{}/{}.pid", options.run_dir, program);
    if (path.empty()) return {};
    SLUICE_ASSIGN(pidfile, io::PidFile::create(path, options.overwrite_pidfile));
    return {};
  }

  /// Begins to be what the database says.
  Status follow_database() {
    const auto& from = *options.database;
    if (from.tls != io::TlsFiles{}) {
      SLUICE_ASSIGN(database_tls, io::TlsContext::load(from.tls));
    }
    Database::Settings settings;
    settings.remote = from.remote;
    settings.run_dir = options.run_dir;
    settings.pidfile = options.pidfile;
    settings.environment.base = options.config;
    settings.environment.dummy = from.dummy;
    settings.environment.dummy_system = from.dummy_system;
    settings.environment.dummy_all = from.dummy_all;
    settings.report.dummy = from.dummy;
    settings.report.version = kVersion;
    std::tie(settings.report.system_type, settings.report.system_version) = read_os_release();
    database = std::make_unique<Database>(loop, *device, log, std::move(settings), database_tls.get(),
                                          [this] { process.ready(); });
    return database->start();
  }

  /// Makes the switch what the options say; the sentences of what failed, one a line.
  Status configure() {
    const auto report = device->reconcile(options.config);
    for (const auto& warning : report.warnings) logger.warn("{}", warning);
    if (report.ok()) return {};
    std::string text;
    for (const auto& error : report.errors) text += (text.empty() ? "" : "\n") + error;
    return fail(std::move(text));
  }

  /// Reads the configuration again. What is wrong is logged, and leaves as much as possible running.
  void reload() {
    if (options.database) {  // it is followed all the time; who rotates logs sends the signal
      if (options.log_file.empty()) return;
      if (auto status = log.reopen_file(); !status) logger.err("{}", status.error().message);
      return;
    }
    if (!options.config_file.empty()) {
      auto config = bridge::load_config(options.config_file);
      if (!config) {
        logger.err("not reloaded: {}", config.error().message);
        return;
      }
      options.config = std::move(*config);
    }
    if (auto status = configure(); !status)
      logger.err("reloaded with errors: {}", status.error().message);
    else
      logger.info("configuration reloaded");
  }

  void add_commands() {
    add_ofproto_commands(commands, *device, work);
    add_openflow_commands(commands, *device);
    add_bond_commands(commands, *device);
    add_multicast_commands(commands, *device);
    add_qos_commands(commands, *device);
    add_stp_commands(commands, *device);
    add_group_commands(commands, *device);
    add_datapath_commands(commands, *device);
    pmd_stats = std::make_unique<PmdStats>(*device);
    add_pmd_commands(commands, *device, *pmd_stats);
    add_conntrack_commands(commands, *device, work);
    add_fragment_commands(commands, *device);
    add_conntrack_json_commands(commands, *device, events_path(socket));
    add_monitor_commands(commands);
    tunnels.has_kernel_routes = !options.database || options.database->system_routes;
    add_tunnel_commands(commands, *device, tunnels);
    add_stats_commands(commands, *device, *coverage);
    add_sluice_commands(commands, *device, work, clock.now());
    if (options.database && options.database->dummy) {
      add_dummy_commands(commands, *device);
      add_time_commands(commands, clock, loop, *device, work);
    }
    unixctl::add_log_commands(commands, log);
    commands.add("sluice/reload", "", 0, 0, [this](unixctl::Args) -> Result<std::string> {
      reload();
      return "";
    });
    commands.add_deferred("exit", "[--cleanup]", 0, 1, [this](unixctl::Args args, unixctl::Reply reply) {
      if (!args.empty() && args.front() == "--cleanup") {
        clean_up();
        work.start(std::make_unique<Farewell>(*this, std::move(reply)));
      } else {
        reply("");
        leave_when_answered();
      }
    });
  }

  /// Everything that was made for the configuration goes.
  void clean_up() {
    database.reset();  // what goes now is no news to tell, and nothing is to come back
    auto nothing = device->config();
    nothing.bridges.clear();
    nothing.ssl = {};
    for (const auto& error : device->reconcile(nothing).errors) logger.warn("{}", error);
  }

  /// Answers `exit --cleanup` when nothing is left of what clean_up() began to take down.
  class Farewell final : public SlicedWork::Job {
   public:
    Farewell(Impl& daemon, unixctl::Reply reply) : daemon_(daemon), reply_(std::move(reply)) {}
    bool ready() const override { return daemon_.device->settled(); }
    bool step() override {
      if (!ready()) return true;
      reply_("");
      daemon_.leave_when_answered();
      return false;
    }

   private:
    Impl& daemon_;
    unixctl::Reply reply_;
  };

  /// Not a warning: whoever sends such fragments would fill the log.
  void tell_of_long_datagrams() {
    using conntrack::IpVersion;
    for (const auto version : {IpVersion::V4, IpVersion::V6}) {
      const auto now = device->tracker().reassembler().counters(version).too_long;
      if (now != std::exchange(too_long[static_cast<unsigned>(version)], now))
        reassembly_logger.limited(too_long_limit, log::Level::Info, "Unsupported big reassembled {} packet",
                                  version == IpVersion::V4 ? "v4" : "v6");
    }
  }

  /// The answer to `exit` reaches its client before the process goes; for clients that do not read it does
  /// not wait for long.
  void leave_when_answered() {
    if (!leave_by) leave_by = loop.clock().now() + Duration::seconds(1);
    leaving.start(Duration::milliseconds(5), [this] {
      if (server->idle() || loop.clock().now() >= *leave_by)
        loop.stop();
      else
        leave_when_answered();
    });
  }
};

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Daemon::~Daemon() {
  impl_->logger.info("exiting");
  impl_->database.reset();
  impl_->events.reset();
  impl_->server.reset();
  impl_->device->stop();
}

Result<std::unique_ptr<Daemon>> Daemon::start(Options options, const std::string& program,
                                              io::Process process) {
  auto impl = std::make_unique<Impl>(std::move(options), program, std::move(process));
  SLUICE_TRY(make_directory(impl->options.run_dir));
  SLUICE_TRY(impl->create_pidfile(program));
  SLUICE_TRY(impl->open_log(program));
  if (!impl->process.predecessor().empty()) impl->logger.warn("{}, restarted", impl->process.predecessor());

  bridge::SwitchOptions switch_options;
  SLUICE_ASSIGN(switch_options.secret, random_secret());
  switch_options.loop = &impl->loop;
  switch_options.run_dir = impl->options.run_dir;
  switch_options.logger = impl->log.logger("rconn");
  if (impl->options.database)
    switch_options.make_port = [i = impl.get()](const auto& config) {
      return make_database_port(i->loop, config, i->log.logger("netdev_dummy"));
    };
  switch_options.memory_bytes = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L)) *
                                static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 0L));
  SLUICE_ASSIGN(impl->device,
                bridge::Switch::make(impl->clock, std::move(switch_options), impl->options.config));
  impl->coverage = std::make_unique<Coverage>([device = impl->device.get()] { return read_events(*device); });
  if (!impl->options.database) SLUICE_TRY(impl->configure());

  const auto& control = impl->options.config.control;
  impl->socket = control.empty() ? unixctl::default_socket_path(impl->options.run_dir, program,
                                                                static_cast<int>(::getpid()))
                                 : control;
  impl->add_commands();
  SLUICE_ASSIGN(impl->server, unixctl::Server::open(impl->loop, impl->socket, impl->commands));
  SLUICE_ASSIGN(impl->events, EventStream::open(impl->loop, *impl->device, events_path(impl->socket)));

  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // where it is ignored nobody knows how a child ended
  SLUICE_TRY(impl->loop.on_signal({SIGTERM, SIGINT}, [i = impl.get()](int) { i->loop.stop(); }));
  SLUICE_TRY(impl->loop.on_signal({SIGHUP}, [i = impl.get()](int) { i->reload(); }));
  impl->tick.start_periodic(kTick, [i = impl.get()] {
    i->device->run();
    i->tell_of_long_datagrams();
  });
  impl->sampling.start_periodic(Duration::seconds(Coverage::kSampleSeconds),
                                [i = impl.get()] { i->coverage->sample(); });
  SLUICE_TRY(impl->device->start());
  impl->logger.info("{} {} is forwarding, {} workers, control socket {}", program, kVersion,
                    impl->device->datapath().workers(), impl->socket);
  if (impl->options.database)
    SLUICE_TRY(impl->follow_database());
  else
    impl->process.ready();
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

void Daemon::run() {
  impl_->loop.run();
}

}  // namespace sluice::daemon
