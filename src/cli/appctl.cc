// sluice appctl: any command of the control socket, as ovs-appctl sends it.
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace sluice::cli {

int appctl(const Common& common, const std::vector<std::string>& words) {
  const auto text = ask(common, words[0], {words.begin() + 1, words.end()});
  if (!text) return complain(text.error());
  if (common.json) return print(nlohmann::ordered_json{{"answer", *text}}.dump());
  return text->empty() ? kOk : print(*text);
}

}  // namespace sluice::cli
