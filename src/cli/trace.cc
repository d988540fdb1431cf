// sluice trace: ofproto/trace of a running daemon.
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace sluice::cli {

int trace(const Common& common, const TraceArguments& arguments) {
  auto words = arguments.words;
  for (const auto& flags : arguments.ct_next) {
    words.push_back("--ct-next");
    words.push_back(flags);
  }
  if (arguments.names) words.push_back("--names");
  const auto text = ask(common, "ofproto/trace", words);
  if (!text) return complain(text.error());
  return print(common.json ? nlohmann::ordered_json{{"trace", *text}}.dump() : *text);
}

}  // namespace sluice::cli
