#include "cli/daemon_client.h"

#include <fmt/core.h>

#include <cstdio>

#include "bridge/config.h"
#include "unixctl/client.h"

namespace sluice::cli {

Result<std::string> ask(const Common& common, const std::string& command,
                        const std::vector<std::string>& args) {
  const std::string run_dir = bridge::resolve_run_dir(common.run_dir, "");
  const auto unreachable = [&](const Error& error) {
    return fail(fmt::format("no daemon answers ({}): is sluiced running with run directory {}?",
                            error.message, run_dir));
  };
  const auto socket = unixctl::find_socket(common.target, run_dir);
  if (!socket) return unreachable(socket.error());
  auto client = unixctl::Client::connect(*socket);
  if (!client) return unreachable(client.error());
  SLUICE_ASSIGN(auto answer, client->call(command, args, Duration::seconds(common.timeout_s)));
  if (answer.refused) {
    while (!answer.text.empty() && answer.text.back() == '\n') answer.text.pop_back();
    return fail(std::move(answer.text));
  }
  return std::move(answer.text);
}

int complain(const Error& error) {
  return complain(error.message);
}
int complain(const std::string& message) {
  std::fputs(("sluice: " + message + "\n").c_str(), stderr);
  return kFailed;
}

int print(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? kOk : kFailed;
}

}  // namespace sluice::cli
