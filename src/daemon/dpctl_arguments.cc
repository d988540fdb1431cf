#include "daemon/dpctl_arguments.h"

#include <fmt/core.h>

namespace sluice::daemon {

Result<DpctlArguments> parse_dpctl(unixctl::Args args) {
  DpctlArguments parsed;
  for (const std::string& word : args) {
    if (word == "-m" || word == "--more")
      parsed.more = true;
    else if (word == "-s" || word == "--statistics")
      parsed.statistics = true;
    else if (word == "--names")
      parsed.names = true;
    else if (word == "--no-names" || word == "--clear" || word == "--may-create" || word == "--read-only")
      continue;
    else if (word.size() > 1 && word[0] == '-')
      return fail("Unrecognized option " + word);
    else
      parsed.words.push_back(word);
  }
  return parsed;
}

bool is_datapath(std::string_view word) {
  return word == kDatapathName || word == "ovs-netdev";
}

Status take_datapath(std::vector<std::string>& words, std::size_t command_takes) {
  if (!words.empty() && is_datapath(words.front())) {
    words.erase(words.begin());
  } else if (words.size() > command_takes) {
    return dpctl_error("datapath not found");
  }
  return {};
}

tl::unexpected<Error> dpctl_error(std::string_view message, int error_number) {
  return fail(fmt::format("ovs-vswitchd: {} ({})\n", message, std::strerror(error_number)));
}

}  // namespace sluice::daemon
