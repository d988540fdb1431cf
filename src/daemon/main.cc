// sluiced: the switch as a daemon. Exit status: 0 a clean end, 1 something could not be set up, 2 wrong
// usage.
#include <cstdio>
#include <string>

#include "daemon/daemon.h"
#include "daemon/options.h"
#include "daemon/vswitchd_options.h"
#include "io/process.h"

int main(int argc, char** argv) {
  std::string program = argv[0];
  program.erase(0, program.rfind('/') + 1);
  auto parsed = sluice::daemon::is_vswitchd(program, argc, argv)
                    ? sluice::daemon::parse_vswitchd_options(program, argc, argv)
                    : sluice::daemon::parse_options(argc, argv);
  if (const auto* finished = std::get_if<sluice::daemon::Finished>(&parsed)) {
    std::fputs(finished->out.c_str(), stdout);
    std::fputs(finished->err.c_str(), stderr);
    return finished->status;
  }
  auto options = std::get<sluice::daemon::Options>(std::move(parsed));
  auto process = sluice::io::Process::start(options.process);
  auto daemon = sluice::daemon::Daemon::start(std::move(options), program, std::move(process));
  if (!daemon) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), daemon.error().message.c_str());
    return 1;
  }
  (*daemon)->run();
  return 0;
}
