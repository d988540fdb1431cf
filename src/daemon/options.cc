#include "daemon/options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "daemon/version.h"
#include "io/remote.h"

namespace sluice::daemon {

namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  sluiced --bridge br0 --port veth0 --port veth1 --flows firewall.flows\n"
    "      one bridge; veth0 is OpenFlow port 1, veth1 is 2, br0 itself is LOCAL\n"
    "  sluiced --bridge br0 --no-local --port veth0 --port tap9=tap --fail-mode standalone\n"
    "      a learning switch between an interface and a TAP device made for it\n"
    "  sluiced --config /etc/sluice/switch.toml\n"
    "      everything from a file; SIGHUP reads it again\n"
    "  sluiced --detach --pidfile unix:/var/run/openvswitch/db.sock\n"
    "      configured by ovsdb-server, with ovs-vswitchd's options, as under the name ovs-vswitchd\n"
    "\n"
    "The control socket is in the run directory (SLUICE_RUNDIR, OVS_RUNDIR, /var/run/sluice);\n"
    "`sluice` and `ovs-appctl -t SOCKET` talk to it.\n";

/// "veth0" or "tap9=tap" or "cap=pcap,in=x.pcap,out=y.pcap".
bridge::PortConfig parse_port(const std::string& text) {
  bridge::PortConfig port;
  const auto equals = text.find('=');
  port.name = text.substr(0, equals);
  if (equals == std::string::npos) return port;
  std::stringstream rest(text.substr(equals + 1));
  std::string word;
  std::getline(rest, port.type, ',');
  while (std::getline(rest, word, ',')) {
    const auto at = word.find('=');
    port.options[word.substr(0, at)] = at == std::string::npos ? "" : word.substr(at + 1);
  }
  return port;
}

/// Those to connect to and those to listen for; each option takes its own kind only.
Status add_controllers(const std::vector<std::string>& controllers, const std::vector<std::string>& listeners,
                       bridge::BridgeConfig& bridge) {
  const auto add = [&](const std::vector<std::string>& targets, bool passive, const char* option,
                       const char* expected) -> Status {
    for (const auto& target : targets) {
      SLUICE_ASSIGN(const auto remote, io::parse_remote(target));
      if (remote.passive != passive) return fail(fmt::format("{} {}: expected {}", option, target, expected));
      bridge.controllers.push_back({.target = target});
    }
    return {};
  };
  SLUICE_TRY(
      add(controllers, false, "--controller", "tcp:, ssl: or unix:; --listen takes ptcp:, pssl: and punix:"));
  return add(listeners, true, "--listen", "ptcp:, pssl: or punix:; --controller takes tcp:, ssl: and unix:");
}

}  // namespace

std::variant<Options, Finished> parse_options(int argc, const char* const* argv) {
  CLI::App app{"Sluice: a stateful OpenFlow software switch.\n"};
  app.name("sluiced");
  app.footer(kExamples);
  app.set_version_flag("-V,--version", fmt::format("sluiced (Sluice) {}", kVersion));

  Options options;
  std::string bridge, run_dir, fail_mode, control;
  std::vector<std::string> ports, flow_files, controllers, listeners, protocols;
  io::TlsFiles ssl;
  bool no_local = false;
  unsigned workers = 0;
  app.add_option("--config", options.config_file, "Configuration file (TOML)")->type_name("FILE");
  app.add_option("--bridge", bridge, "Name of the bridge")->type_name("NAME");
  app.add_option("--port", ports,
                 "Interface of the bridge, OpenFlow ports 1, 2 … in this order; another type than system as "
                 "NAME=TYPE[,OPTION=VALUE…]")
      ->type_name("PORT")
      ->expected(1)
      ->take_all();
  app.add_option("--flows", flow_files, "Flow file of the bridge, in ovs-ofctl syntax")
      ->type_name("FILE")
      ->expected(1)
      ->take_all();
  app.add_option("--fail-mode", fail_mode, "Without any flow: drop (secure) or switch (standalone)")
      ->check(CLI::IsMember({"secure", "standalone"}));
  app.add_option("--controller", controllers,
                 "OpenFlow controller to connect to: tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH")
      ->type_name("TARGET")
      ->expected(1)
      ->take_all();
  app.add_option("--listen", listeners,
                 "Where to listen for OpenFlow clients beside BRIDGE.mgmt in the run directory: "
                 "ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH")
      ->type_name("TARGET")
      ->expected(1)
      ->take_all();
  app.add_option("--protocols", protocols, "OpenFlow versions that are spoken, all without this option")
      ->type_name("OpenFlow10,…")
      ->delimiter(',');
  app.add_option("--private-key", ssl.private_key, "For ssl: and pssl:, PEM")->type_name("FILE");
  app.add_option("--certificate", ssl.certificate, "For ssl: and pssl:, PEM")->type_name("FILE");
  app.add_option("--ca-cert", ssl.ca_cert, "Whose certificates are believed, PEM")->type_name("FILE");
  app.add_flag("--bootstrap-ca-cert", ssl.bootstrap_ca_cert,
               "If the file of --ca-cert is missing, keep there what the first controller shows");
  app.add_flag("--no-local", no_local, "No TAP device named like the bridge");
  app.add_option("--workers", workers, "Packet-processing threads")
      ->check(CLI::Range(1u, bridge::kMaxWorkers));
  app.add_option("--run-dir", run_dir, "Directory of pidfile and control socket")->type_name("DIR");
  app.add_option("--unixctl", control, "Path of the control socket")->type_name("PATH");
  app.add_option("--log-file", options.log_file,
                 "Append the log to this file instead of PROGRAM.log in the run directory")
      ->type_name("FILE");
  app.add_option("-v", options.verbosity, "Log level: [MODULE:][console:|syslog:|file:]LEVEL")
      ->type_name("SPEC")
      ->expected(1)
      ->take_all();
  app.add_flag("--verbose", options.verbose, "Log to standard error, too");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int status = app.exit(error, out, err);
    return Finished{status == 0 ? 0 : 2, out.str(), err.str()};
  }

  const auto wrong_usage = [](const std::string& message) {
    return Finished{2, "", "sluiced: " + message + "; see sluiced --help\n"};
  };
  if (!options.config_file.empty()) {
    if (!bridge.empty() || !ports.empty() || !flow_files.empty() || no_local || !fail_mode.empty() ||
        !controllers.empty() || !listeners.empty() || !protocols.empty() || ssl != io::TlsFiles{})
      return wrong_usage(
          "--config says everything about bridges: --bridge, --port, --flows, --fail-mode, --no-local, "
          "--controller, --listen, --protocols and the files of TLS do not go with it");
    auto config = bridge::load_config(options.config_file);
    if (!config) return Finished{1, "", "sluiced: " + config.error().message + "\n"};
    options.config = std::move(*config);
  } else {
    if (bridge.empty()) return wrong_usage("expected --bridge NAME or --config FILE");
    auto& one = options.config.bridges.emplace_back();
    one.name = bridge;
    if (no_local) one.local = bridge::LocalPort::None;
    if (fail_mode == "standalone") one.fail_mode = bridge::FailMode::Standalone;
    for (const auto& port : ports) one.ports.push_back(parse_port(port));
    one.flow_files = std::move(flow_files);
    if (auto targets = add_controllers(controllers, listeners, one); !targets)
      return wrong_usage(targets.error().message);
    const auto versions = ofproto::parse_protocols(protocols);
    if (!versions) return wrong_usage("--protocols: " + versions.error().message);
    one.openflow_versions = *versions;
    options.config.ssl = ssl;
    if (auto status = bridge::check_config(options.config); !status)
      return Finished{1, "", "sluiced: " + status.error().message + "\n"};
  }
  if (workers != 0) options.config.workers = workers;
  if (!control.empty()) options.config.control = control;
  options.run_dir = bridge::resolve_run_dir(run_dir, options.config.run_dir);
  return options;
}

}  // namespace sluice::daemon
