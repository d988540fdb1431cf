// sluiced: the switch as a daemon. Exit status: 0 a clean end, 1 something could not be set up, 2 wrong
// usage.
#include <cstdio>
#include <string>

#include "daemon/daemon.h"
#include "daemon/options.h"

int main(int argc, char** argv) {
  auto parsed = sluice::daemon::parse_options(argc, argv);
  if (const auto* finished = std::get_if<sluice::daemon::Finished>(&parsed)) {
    std::fputs(finished->out.c_str(), stdout);
    std::fputs(finished->err.c_str(), stderr);
    return finished->status;
  }
  std::string program = argv[0];
  program.erase(0, program.rfind('/') + 1);
  auto daemon = sluice::daemon::Daemon::start(std::get<sluice::daemon::Options>(std::move(parsed)), program);
  if (!daemon) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), daemon.error().message.c_str());
    return 1;
  }
  (*daemon)->run();
  return 0;
}
