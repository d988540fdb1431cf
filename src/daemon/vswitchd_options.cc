#include "daemon/vswitchd_options.h"

#include <fmt/core.h>
#include <getopt.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "daemon/version.h"

namespace sluice::daemon {

namespace {

constexpr const char* kHelp =
    R"({0}: Sluice, a stateful OpenFlow software switch, configured by an Open vSwitch database
usage: {0} [OPTIONS] [DATABASE]
where DATABASE is a socket on which ovsdb-server is listening
      (default: "unix:{1}/db.sock").

Active DATABASE connection methods:
  tcp:HOST:PORT           PORT at remote HOST
  ssl:HOST:PORT           SSL PORT at remote HOST
  unix:FILE               Unix domain socket named FILE
PKI configuration (required to use SSL):
  -p, --private-key=FILE  file with private key
  -c, --certificate=FILE  file with certificate for private key
  -C, --ca-cert=FILE      file with peer CA certificate
  --bootstrap-ca-cert=FILE  file with peer CA certificate to read or create

Daemon options:
  --detach                run in background as daemon
  --monitor               creates a process to monitor this daemon
  --no-chdir              do not chdir to '/'
  --pidfile[=FILE]        create pidfile (default: {1}/{0}.pid)
  --overwrite-pidfile     with --pidfile, start even if already running

Logging options:
  -vSPEC, --verbose=SPEC  set logging levels
  -v, --verbose           set maximum verbosity level
  --log-file[=FILE]       enable logging to specified FILE
                          (default: {2}/{0}.log)
  --syslog-method=METHOD  null: nothing goes to syslog

Other options:
  --unixctl=SOCKET        override default control socket name
  --workers=N             packet-processing threads (default: 1)
  --enable-dummy[=system|override]  datapath and interface types for tests;
                          system: they stand in for type system, override: for all
  --disable-system-route  do not take the kernel's routes (ovs/route/show)
  -h, --help              display this help message
  -V, --version           display version information

Without a database, sluiced is configured by a file or by options of its own: sluiced --help.
)";

enum Long : int {
  kDetach = 256,
  kNoChdir,
  kPidfile,
  kOverwrite,
  kMonitor,
  kLogFile,
  kSyslogMethod,
  kUnixctl,
  kWorkers,
  kDummy,
  kNoSystemRoute,
  kBootstrap,
  kIgnored,
  kRefused,
};

/// Options of ovs-vswitchd that have nothing to act on here are taken and do nothing.
constexpr option kOptions[] = {{"detach", no_argument, nullptr, kDetach},
                               {"no-chdir", no_argument, nullptr, kNoChdir},
                               {"pidfile", optional_argument, nullptr, kPidfile},
                               {"overwrite-pidfile", no_argument, nullptr, kOverwrite},
                               {"monitor", no_argument, nullptr, kMonitor},
                               {"log-file", optional_argument, nullptr, kLogFile},
                               {"verbose", optional_argument, nullptr, 'v'},
                               {"syslog-method", required_argument, nullptr, kSyslogMethod},
                               {"syslog-target", required_argument, nullptr, kIgnored},
                               {"unixctl", required_argument, nullptr, kUnixctl},
                               {"workers", required_argument, nullptr, kWorkers},
                               {"enable-dummy", optional_argument, nullptr, kDummy},
                               {"disable-system", no_argument, nullptr, kIgnored},
                               {"disable-system-route", no_argument, nullptr, kNoSystemRoute},
                               {"mlockall", no_argument, nullptr, kIgnored},
                               {"private-key", required_argument, nullptr, 'p'},
                               {"certificate", required_argument, nullptr, 'c'},
                               {"ca-cert", required_argument, nullptr, 'C'},
                               {"bootstrap-ca-cert", required_argument, nullptr, kBootstrap},
                               {"peer-ca-cert", required_argument, nullptr, kIgnored},
                               {"ssl-protocols", required_argument, nullptr, kIgnored},
                               {"ssl-ciphers", required_argument, nullptr, kIgnored},
                               {"user", required_argument, nullptr, kRefused},
                               {"dpdk", no_argument, nullptr, kRefused},
                               {"help", no_argument, nullptr, 'h'},
                               {"version", no_argument, nullptr, 'V'},
                               {nullptr, 0, nullptr, 0}};

std::string directory(const char* variable, const char* otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string in_directory(const std::string& folder, const std::string& file) {
  return file.starts_with('/') ? file : folder + "/" + file;
}

}  // namespace

bool is_vswitchd(const std::string& program, int argc, const char* const* argv) {
  if (program == "ovs-vswitchd") return true;
  const auto begins = [&](int i, std::string_view prefix) {
    return std::string_view(argv[i]).starts_with(prefix);
  };
  for (int i = 1; i < argc; ++i)
    if (begins(i, "--config") || begins(i, "--bridge")) return false;
  return argc > 1 && (begins(argc - 1, "unix:") || begins(argc - 1, "tcp:") || begins(argc - 1, "ssl:"));
}

std::variant<Options, Finished> parse_vswitchd_options(const std::string& program, int argc, char** argv) {
  Options options;
  options.run_dir = bridge::resolve_run_dir("", "/var/run/openvswitch");
  options.syslog = directory("OVS_SYSLOG_METHOD", "") != "null";
  const std::string log_dir = directory("OVS_LOGDIR", "/var/log/openvswitch");
  DatabaseOptions database;
  const auto refuse = [&](const std::string& why) { return Finished{1, "", program + ": " + why + "\n"}; };

  ::optind = 1;
  ::opterr = 0;
  for (;;) {
    int index = -1;
    const int found = ::getopt_long(argc, argv, ":v::p:c:C:hV", kOptions, &index);
    if (found < 0) break;
    const std::string value = ::optarg != nullptr ? ::optarg : "";
    switch (found) {
      case kDetach:
        options.process.detach = true;
        break;
      case kNoChdir:
        options.process.keep_directory = true;
        break;
      case kPidfile:
        options.pidfile = in_directory(options.run_dir, value.empty() ? program + ".pid" : value);
        break;
      case kOverwrite:
        options.overwrite_pidfile = true;
        break;
      case kMonitor:
        options.process.monitor = true;
        break;
      case kLogFile:
        options.log_file = value.empty() ? in_directory(log_dir, program + ".log")
                                         : std::filesystem::absolute(value).string();
        break;
      case 'v':
        options.verbosity.push_back(value);
        break;
      case kSyslogMethod:
        options.syslog = value != "null";
        break;
      case kUnixctl:
        options.config.control = in_directory(options.run_dir, value);
        break;
      case kWorkers: {
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), options.config.workers);
        if (error != std::errc{} || end != value.data() + value.size() || options.config.workers == 0 ||
            options.config.workers > bridge::kMaxWorkers)
          return refuse(
              fmt::format("--workers={}: expected a number from 1 to {}", value, bridge::kMaxWorkers));
        break;
      }
      case kDummy:
        database.dummy = true;
        database.dummy_system = value == "system";
        database.dummy_all = value == "override";
        break;
      case kNoSystemRoute:
        database.system_routes = false;
        break;
      case 'p':
        database.tls.private_key = value;
        break;
      case 'c':
        database.tls.certificate = value;
        break;
      case 'C':
      case kBootstrap:
        database.tls.ca_cert = value;
        database.tls.bootstrap_ca_cert = found == kBootstrap;
        break;
      case kIgnored:
        break;
      case kRefused:
        return refuse(fmt::format("--{} is not supported", kOptions[index].name));
      case 'h':
        return Finished{0, fmt::format(fmt::runtime(kHelp), program, options.run_dir, log_dir), ""};
      case 'V':
        // ovs-ctl(8) looks for these words, and does not start without what follows them.
        return Finished{0, fmt::format("{} (Sluice, for Open vSwitch) {}\n", program, kVersion), ""};
      case ':':
        return refuse(fmt::format("option '{}' requires an argument", argv[::optind - 1]));
      default:
        return refuse(fmt::format("unrecognized option '{}'; use --help for usage", argv[::optind - 1]));
    }
  }
  if (argc - ::optind > 1) return refuse("database socket is only non-option argument; use --help for usage");
  const std::string remote =
      ::optind < argc ? argv[::optind] : fmt::format("unix:{}/db.sock", options.run_dir);
  constexpr std::uint16_t kDatabasePort = 6640;
  auto parsed = io::parse_remote(remote, options.run_dir, kDatabasePort);
  if (!parsed) return refuse(parsed.error().message);
  if (parsed->passive) return refuse(fmt::format("{}: expected tcp:, ssl: or unix:", remote));
  database.remote = std::move(*parsed);
  options.database = std::move(database);
  return options;
}

}  // namespace sluice::daemon
